//! One Debian package as its archive describes it.

use crate::control::Stanza;
use crate::{Algorithm, Digest, Error, Relation, Result, parse_relations};

/// Which archive a package comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Origin {
    /// The main archive: `trixie` and `trixie-updates`.
    Main = 0,
    /// The security archive.
    Security = 1,
}

impl Origin {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Main),
            1 => Some(Self::Security),
            _ => None,
        }
    }
}

/// A package: its stanza of the `Packages` file, without the fields that nobody needs here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    stanza: String,
    origin: Origin,
}

impl Package {
    pub(crate) fn new(stanza: String, origin: Origin) -> Self {
        Self { stanza, origin }
    }

    /// A field by name; `None` if absent.
    pub fn field(&self, name: &str) -> Option<&str> {
        Stanza::new(&self.stanza).get(name)
    }

    /// The stanza, as apt reads it.
    pub fn stanza(&self) -> &str {
        &self.stanza
    }

    /// The archive that has it.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Name.
    pub fn name(&self) -> &str {
        self.field("Package").unwrap_or_default()
    }

    /// Debian version, such as `1:2.4.6-1+deb13u2`.
    pub fn version(&self) -> &str {
        self.field("Version").unwrap_or_default()
    }

    /// Version of the software itself: without epoch and Debian revision, and without the marks of
    /// repacked sources (`+dfsg`, `+ds`).
    pub fn upstream_version(&self) -> &str {
        let version = self.version();
        let version = version.split_once(':').map_or(version, |(_, rest)| rest);
        let version = version.rsplit_once('-').map_or(version, |(rest, _)| rest);
        let end = ["+dfsg", "~dfsg", "+ds", ".dfsg"]
            .iter()
            .filter_map(|mark| version.find(mark))
            .min();
        &version[..end.unwrap_or(version.len())]
    }

    /// `amd64` or `all`.
    pub fn architecture(&self) -> &str {
        self.field("Architecture").unwrap_or_default()
    }

    /// First line of the description.
    pub fn synopsis(&self) -> &str {
        self.field("Description")
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default()
    }

    /// Whether every system must have it.
    pub fn is_essential(&self) -> bool {
        self.field("Essential") == Some("yes")
    }

    /// What must be there for the package to work: `Pre-Depends`, then `Depends`.
    pub fn dependencies(&self) -> Vec<Relation> {
        ["Pre-Depends", "Depends"]
            .iter()
            .filter_map(|name| self.field(name))
            .flat_map(parse_relations)
            .collect()
    }

    /// Path of the `.deb` file below the archive.
    pub fn file_name(&self) -> &str {
        self.field("Filename").unwrap_or_default()
    }

    /// Bytes of the `.deb` file.
    pub fn size(&self) -> u64 {
        self.field("Size")
            .and_then(|size| size.parse().ok())
            .unwrap_or(0)
    }

    /// Digest of the `.deb` file.
    pub fn digest(&self) -> Result<Digest> {
        self.field("SHA256")
            .and_then(|digits| Digest::from_hex(Algorithm::Sha256, digits))
            .ok_or_else(|| Error::malformed(format!("package {}", self.name()), "no SHA256"))
    }

    /// Name that apt gives to the file in its own cache.
    pub fn apt_file_name(&self) -> String {
        let version = self.version().replace(':', "%3a");
        format!("{}_{}_{}.deb", self.name(), version, self.architecture())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstream_versions() {
        let rows = [
            ("1:2.4.6-1+deb13u2", "2.4.6"),
            ("1.26.3-3+deb13u1", "1.26.3"),
            ("5.4.2+dfsg-1", "5.4.2"),
            ("7.0~ds1-3", "7.0~ds1"),
            ("2024b", "2024b"),
            ("0.7.2-rc1-4", "0.7.2-rc1"),
        ];
        for (version, expected) in rows {
            let package = Package::new(format!("Package: x\nVersion: {version}\n"), Origin::Main);
            assert_eq!(package.upstream_version(), expected);
        }
    }

    #[test]
    fn apt_names() {
        let text = "Package: x\nVersion: 1:2-3\nArchitecture: amd64\n";
        let package = Package::new(text.to_owned(), Origin::Main);
        assert_eq!(package.apt_file_name(), "x_1%3a2-3_amd64.deb");
    }
}
