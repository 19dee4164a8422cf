//! What builds need from outside the store: packages, downloads, a place to run.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// Why the world could not help; the message is complete.
pub type WorldError = Box<dyn std::error::Error + Send + Sync>;

/// A file of a Debian package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFile {
    /// Absolute, as in a machine.
    pub path: String,
    /// Whether it is a folder.
    pub directory: bool,
}

/// Packages that are installed together, and what they consist of.
pub trait Installed: Send + Sync {
    /// Every file of one of the packages.
    fn files(&self, package: &str) -> Result<Vec<PackageFile>, WorldError>;
    /// The folders whose stack is the file system, lowest first.
    fn layers(&self) -> Vec<PathBuf>;
}

/// A npm or PyPI package to be unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// From the npm registry.
    Npm {
        /// Name, with scope if any.
        package: String,
        /// Exact version.
        version: String,
        /// As in `package-lock.json`: `sha512-…`.
        integrity: String,
    },
    /// A wheel from PyPI.
    Pypi {
        /// Name.
        package: String,
        /// Exact version.
        version: String,
        /// Lower-case hexadecimal.
        sha256: String,
    },
}

/// The world outside the store.
pub trait World: Sync {
    /// A file system with these Debian packages on top of the base.
    fn install(&self, packages: &BTreeSet<String>) -> Result<Box<dyn Installed>, WorldError>;
    /// Downloads, checks and unpacks a package into a folder that the world keeps.
    fn unpack(&self, package: &Foreign) -> Result<PathBuf, WorldError>;
    /// Downloads a file; the caller checks its hash.
    fn download(&self, url: &str) -> Result<PathBuf, WorldError>;
}
