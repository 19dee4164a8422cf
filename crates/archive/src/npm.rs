//! Packages of the npm registry.

use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use fs_err as fs;

use crate::{Digest, Downloads, Error, Result, Unpacked, Wanted, unpack_tar};

/// Where npm packages come from.
const REGISTRY: &str = "https://registry.npmjs.org";

impl Downloads {
    /// The tarball of an npm package: `name` may have a scope, `integrity` is what npm's lock files
    /// say (`sha512-…`). `SNOWGLOBE_NPM_REGISTRY` names another registry.
    pub fn npm(&self, name: &str, version: &str, integrity: &str) -> Result<PathBuf> {
        let what = format!("npm package {name} {version}");
        let bad = |reason: &str| Error::malformed(&what, reason);
        let digest = Digest::from_integrity(integrity)
            .ok_or_else(|| bad("its integrity is neither sha512 nor sha256"))?;
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.~+".contains(&c);
        let base = name.rsplit('/').next().unwrap_or(name);
        let valid = name
            .trim_start_matches('@')
            .bytes()
            .all(|c| plain(c) || c == b'/')
            && name.matches('/').count() <= 1
            && version.bytes().all(plain);
        if !valid || base.is_empty() || base.starts_with('.') {
            return Err(bad("its name or version"));
        }
        let registry = std::env::var("SNOWGLOBE_NPM_REGISTRY").unwrap_or(REGISTRY.to_owned());
        let registry = registry.trim_end_matches('/');
        let url = format!("{registry}/{name}/-/{base}-{version}.tgz");
        self.get(&Wanted {
            name: what,
            urls: vec![url],
            digest,
            size: None,
        })
    }

    /// Unpacks an npm tarball; its leading directory, usually `package`, is dropped.
    pub fn unpack_npm(&self, tarball: &Path, directory: &Path) -> Result<Unpacked> {
        let stream = GzDecoder::new(fs::File::open(tarball)?);
        unpack_tar(stream, tarball, directory, 1, &|_| true)
    }
}
