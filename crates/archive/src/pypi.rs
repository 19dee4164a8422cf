//! Packages of the Python Package Index.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use fs_err as fs;
use serde::Deserialize;

use crate::unpack::{Tree, inside};
use crate::{Algorithm, Digest, Downloads, Error, Result, Wanted};

const INDEX: &str = "https://pypi.org";
const METADATA_LIMIT: u64 = 16 << 20;
/// No file in a wheel is larger.
const FILE_LIMIT: u64 = 1 << 30;

#[derive(Deserialize)]
struct Metadata {
    urls: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    url: String,
    filename: String,
    size: u64,
    digests: Digests,
}

#[derive(Deserialize)]
struct Digests {
    sha256: String,
}

impl Downloads {
    /// A file of a PyPI release, chosen by its SHA-256 in hexadecimal or `sha256-…` form. Returns its
    /// path and its name. `SNOWGLOBE_PYPI_INDEX` names another index.
    pub fn pypi(&self, name: &str, version: &str, sha256: &str) -> Result<(PathBuf, String)> {
        let what = format!("PyPI package {name} {version}");
        let bad = |reason: String| Error::malformed(&what, reason);
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.+!".contains(&c);
        if !name.bytes().chain(version.bytes()).all(plain) {
            return Err(bad("its name or version".into()));
        }
        let digest = Digest::from_hex(Algorithm::Sha256, sha256)
            .or_else(|| Digest::from_integrity(sha256))
            .ok_or_else(|| bad("its sha256".into()))?;
        // The name of the file is known only to the index, so it is kept beside the file.
        let path = self.path(&digest);
        let label = path.with_extension("name");
        if let (true, Ok(file)) = (self.has(&digest), fs::read_to_string(&label)) {
            let wanted = Wanted {
                name: what.clone(),
                urls: vec![],
                digest: digest.clone(),
                size: None,
            };
            if let Ok(path) = self.get(&wanted) {
                return Ok((path, file));
            }
        }
        if self.fetcher().is_offline() {
            return Err(Error::Offline {
                missing: vec![what.clone()],
            });
        }
        let index = std::env::var("SNOWGLOBE_PYPI_INDEX").unwrap_or(INDEX.to_owned());
        let url = format!("{}/pypi/{name}/{version}/json", index.trim_end_matches('/'));
        let bytes = self.fetcher().bytes(&url, METADATA_LIMIT)?;
        let metadata: Metadata = serde_json::from_slice(&bytes)
            .map_err(|error| Error::malformed(&url, error.to_string()))?;
        let wanted = digest.hex();
        let file = metadata
            .urls
            .into_iter()
            .find(|file| file.digests.sha256.eq_ignore_ascii_case(&wanted))
            .ok_or_else(|| bad(format!("no file with SHA-256 {wanted}")))?;
        let path = self.get(&Wanted {
            name: what.clone(),
            urls: vec![file.url],
            digest,
            size: Some(file.size),
        })?;
        fs::write(&label, &file.filename)?;
        Ok((path, file.filename))
    }

    /// Unpacks a wheel (a zip archive) into a directory. Files that its creator marked executable
    /// are executable.
    pub fn unpack_wheel(&self, wheel: &Path, directory: &Path) -> Result<Vec<PathBuf>> {
        let bytes = fs::read(wheel)?;
        let malformed = |reason: &str| Error::malformed(wheel.display().to_string(), reason);
        let mut tree = Tree::new(wheel, directory)?;
        let mut paths = Vec::new();
        for member in central_directory(&bytes).ok_or_else(|| malformed("bad zip directory"))? {
            let Some(path) = inside(wheel, Path::new(&member.name), 0)? else {
                continue;
            };
            if member.name.ends_with('/') {
                tree.directory(&path)?;
                continue;
            }
            if member.mode & 0o170000 != 0 && member.mode & 0o170000 != 0o100000 {
                return Err(Error::member(wheel, &path, "not a regular file"));
            }
            let data = member
                .data(&bytes)
                .ok_or_else(|| malformed("bad zip member"))?;
            let mut content: Box<dyn Read> = match member.method {
                0 => Box::new(Cursor::new(data)),
                8 => Box::new(DeflateDecoder::new(data)),
                _ => return Err(malformed("unknown zip compression")),
            };
            let mode = if member.mode & 0o111 != 0 {
                0o755
            } else {
                0o644
            };
            tree.file(&path, mode, &mut (&mut content).take(FILE_LIMIT))?;
            paths.push(path);
        }
        Ok(paths)
    }
}

struct Member {
    name: String,
    method: u16,
    packed: usize,
    offset: usize,
    mode: u32,
}

impl Member {
    /// The packed bytes, found through the member's own header.
    fn data<'a>(&self, zip: &'a [u8]) -> Option<&'a [u8]> {
        let header = zip.get(self.offset..)?.get(..30)?;
        if header[..4] != *b"PK\x03\x04" {
            return None;
        }
        let skip = 30 + usize::from(u16_at(header, 26)) + usize::from(u16_at(header, 28));
        zip.get(self.offset.checked_add(skip)?..)?
            .get(..self.packed)
    }
}

/// Reads the table at the end of a zip archive; `None` if it is not one. Without the 64-bit
/// extension, which wheels do not need.
fn central_directory(zip: &[u8]) -> Option<Vec<Member>> {
    let earliest = zip.len().saturating_sub(22 + 65535);
    let end = (earliest..=zip.len().checked_sub(22)?)
        .rev()
        .find(|&at| zip[at..].starts_with(b"PK\x05\x06"))?;
    let count = u16_at(&zip[end..], 10);
    let mut at = u32_at(&zip[end..], 16) as usize;
    let mut members = Vec::new();
    for _ in 0..count {
        let header = zip.get(at..)?.get(..46)?;
        if header[..4] != *b"PK\x01\x02" {
            return None;
        }
        let name_length = usize::from(u16_at(header, 28));
        let extra = usize::from(u16_at(header, 30)) + usize::from(u16_at(header, 32));
        let name = zip.get(at + 46..)?.get(..name_length)?;
        members.push(Member {
            name: String::from_utf8(name.to_vec()).ok()?,
            method: u16_at(header, 10),
            packed: u32_at(header, 20) as usize,
            offset: u32_at(header, 42) as usize,
            mode: u32_at(header, 38) >> 16,
        });
        at += 46 + name_length + extra;
    }
    Some(members)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
