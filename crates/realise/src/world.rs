//! What builds need from outside the store: packages, downloads, a place to run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use snowglobe_plan::{FixedHash, Plan};

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

/// A file to be downloaded.
#[derive(Clone, Copy, Debug)]
pub struct Download<'a> {
    /// How it is called in messages.
    pub name: &'a str,
    /// Where it may be found, best first.
    pub urls: &'a [String],
    /// Its hash, if that is known of the file itself.
    pub hash: Option<&'a FixedHash>,
    /// A folder for what can be kept nowhere else.
    pub directory: &'a Path,
}

/// The world outside the store.
pub trait World: Sync {
    /// A file system with these Debian packages on top of the base.
    fn install(&self, packages: &BTreeSet<String>) -> Result<Box<dyn Installed>, WorldError>;
    /// Downloads, checks and unpacks a package into a folder that the world keeps.
    fn unpack(&self, package: &Foreign) -> Result<PathBuf, WorldError>;
    /// Downloads a file and says where it lies; the caller checks its hash again.
    fn download(&self, wanted: &Download<'_>) -> Result<PathBuf, WorldError>;
    /// Makes everything that the test of a plan needs, so that its driver starts at once.
    fn prepare(&self, plan: &Plan) -> Result<(), WorldError>;
    /// Runs the test of a plan; what its script writes goes to `out`, which exists.
    fn test(&self, plan: Plan, out: &Path) -> Result<(), WorldError>;
    /// Our own program, which a driver's wrapper starts.
    fn program(&self) -> Result<PathBuf, WorldError>;
    /// Identifies the archives' state that packages come from.
    fn snapshot(&self) -> String;
    /// Hears that a build begins, and that it has ended, whatever came of it.
    fn building(&self, name: &str, begins: bool);
}
