//! A small Debian mirror in a directory.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use liblzma::write::XzEncoder;
use pgp::composed::{
    CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
};
use pgp::ser::Serialize;
use pgp::types::Password;
use snowglobe_archive::{Archive, Digest, Keyring, Mirrors, Settings, Silent};

pub struct Mirror {
    pub directory: tempfile::TempDir,
    key: SignedSecretKey,
}

/// Which fields of a release differ from good ones.
pub struct Release {
    pub codename: Option<&'static str>,
    pub valid_until: &'static str,
}

impl Default for Release {
    fn default() -> Self {
        Self {
            codename: None,
            valid_until: "Fri, 31 Dec 2100 00:00:00 UTC",
        }
    }
}

const DATE: &str = "Sat, 21 Nov 2026 02:10:46 UTC";

pub fn key() -> SignedSecretKey {
    SecretKeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .can_sign(true)
        .primary_user_id("Test mirror <mirror@example.invalid>".into())
        .build()
        .unwrap()
        .generate(rand::thread_rng())
        .unwrap()
}

impl Mirror {
    /// A mirror with the packages `hello` (which needs `libhello`) and, in the security archive, a
    /// newer `libhello`.
    pub fn new() -> Self {
        let mirror = Self {
            directory: tempfile::tempdir().unwrap(),
            key: key(),
        };
        let hello = mirror.package("debian", "hello", "1.0-1", "Depends: libhello (>= 1)\n");
        let old = mirror.package("debian", "libhello", "1.0-1", "");
        let new = mirror.package("debian-security", "libhello", "1.0-1+deb13u1", "");
        mirror.suite(
            "debian",
            "trixie",
            &format!("{hello}\n{old}"),
            Release::default(),
        );
        mirror.suite("debian", "trixie-updates", "", Release::default());
        mirror.suite(
            "debian-security",
            "trixie-security",
            &new,
            Release::default(),
        );
        mirror
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// Adds a package to the pool; returns its stanza.
    pub fn package(&self, archive: &str, name: &str, version: &str, fields: &str) -> String {
        let deb = deb(name, version);
        let file = format!("pool/main/{name}_{version}_all.deb");
        write(&self.path(archive).join(&file), &deb);
        let digest = Digest::sha256(&deb).hex();
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\n{fields}Filename: {file}\nSize: {}\nSHA256: {digest}\nDescription: a test\n",
            deb.len()
        )
    }

    /// Writes a suite with one list of packages and signs it.
    pub fn suite(&self, archive: &str, suite: &str, packages: &str, release: Release) {
        let mut xz = XzEncoder::new(Vec::new(), 6);
        xz.write_all(packages.as_bytes()).unwrap();
        let packages = xz.finish().unwrap();
        let root = self.path(archive).join("dists").join(suite);
        write(&root.join("main/binary-amd64/Packages.xz"), &packages);
        let text = format!(
            "Origin: Test\nSuite: test\nCodename: {}\nDate: {DATE}\nValid-Until: {}\nSHA256:\n {} {} main/binary-amd64/Packages.xz\n",
            release.codename.unwrap_or(suite),
            release.valid_until,
            Digest::sha256(&packages).hex(),
            packages.len()
        );
        let signed = CleartextSignedMessage::sign(
            rand::thread_rng(),
            &text,
            &self.key.primary_key,
            &Password::empty(),
        )
        .unwrap();
        write(
            &root.join("InRelease"),
            signed
                .to_armored_string(Default::default())
                .unwrap()
                .as_bytes(),
        );
    }

    pub fn keyring(&self) -> Keyring {
        let bytes = SignedPublicKey::from(self.key.clone()).to_bytes().unwrap();
        Keyring::parse(&bytes).unwrap()
    }

    pub fn settings(&self) -> Settings {
        Settings {
            mirrors: Mirrors::at(&format!("file://{}", self.path("debian").display())),
            keys: self.keyring(),
            offline: false,
            progress: Arc::new(Silent),
        }
    }

    pub fn archive(&self, cache: &Path) -> Archive {
        Archive::new(cache, self.settings())
    }
}

/// A package with one file, `/usr/share/NAME/data`.
pub fn deb(name: &str, version: &str) -> Vec<u8> {
    let control = format!("Package: {name}\nVersion: {version}\nArchitecture: all\n");
    let control = tar(&[("./control", control.as_bytes())]);
    let data = tar(&[(&format!("./usr/share/{name}/data"), version.as_bytes())]);
    let mut deb = b"!<arch>\n".to_vec();
    for (member, content) in [
        ("debian-binary", b"2.0\n".as_slice()),
        ("control.tar", &control),
        ("data.tar", &data),
    ] {
        deb.extend(
            format!(
                "{member:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                0,
                0,
                0,
                100644,
                content.len()
            )
            .bytes(),
        );
        deb.extend(content);
        if content.len() % 2 == 1 {
            deb.push(b'\n');
        }
    }
    deb
}

pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Changes one byte in the middle of a file.
pub fn flip(path: &Path) {
    let mut content = fs::read(path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(path, content).unwrap();
}

#[test]
fn a_snapshot_is_chosen_once() {
    let mirror = Mirror::new();
    let cache = tempfile::tempdir().unwrap();
    let archive = mirror.archive(cache.path());
    assert_eq!(archive.current().unwrap(), None);
    let first = archive.open_current_or_fetch().unwrap();
    assert!(
        first.id().starts_with("trixie-20261121T021046Z-"),
        "{}",
        first.id()
    );
    assert_eq!(
        first.require("libhello").unwrap().version(),
        "1.0-1+deb13u1"
    );
    let closure = snowglobe_archive::close(&first, &["hello"], &[]).unwrap();
    assert_eq!(closure.keys().collect::<Vec<_>>(), ["hello", "libhello"]);

    // What the mirror has later does not matter until an update is asked for.
    let newer = mirror.package("debian", "hello", "2.0-1", "");
    mirror.suite("debian", "trixie", &newer, Release::default());
    let again = archive.open_current_or_fetch().unwrap();
    assert_eq!(again.id(), first.id());
    assert_eq!(again.require("hello").unwrap().version(), "1.0-1");
    let updated = archive.update().unwrap();
    assert_ne!(updated.id(), first.id());
    assert_eq!(
        archive
            .open_current_or_fetch()
            .unwrap()
            .require("hello")
            .unwrap()
            .version(),
        "2.0-1"
    );
    // The old one is still there.
    assert_eq!(
        archive
            .open(first.id())
            .unwrap()
            .require("hello")
            .unwrap()
            .version(),
        "1.0-1"
    );
    let error = updated.require("helo").unwrap_err().to_string();
    assert!(error.contains("similar names: hello"), "{error}");
}
