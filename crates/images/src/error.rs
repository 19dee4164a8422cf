//! What can go wrong with images.

use std::io;
use std::path::PathBuf;

/// Result of building or finding an image.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an image could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed; the message of the source names the file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] snowglobe_archive::Error),
    /// A program could not be run in a sandbox.
    #[error(transparent)]
    Sandbox(#[from] snowglobe_sandbox::Error),
    /// Somebody else holds a lock for too long.
    #[error(transparent)]
    Lock(#[from] snowglobe_archive::LockError),
    /// A step of a build failed.
    #[error("cannot {step}: {status}\n{output}")]
    Step {
        /// What was being done.
        step: String,
        /// How the program ended.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// Packages that cannot be installed together or at all; apt's own words.
    #[error("Debian packages cannot be installed: {}\n{output}", packages.join(", "))]
    Unsolvable {
        /// What was asked for.
        packages: Vec<String>,
        /// The end of what apt wrote.
        output: String,
    },
    /// A file of the base is not what it should be.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No place for a cache.
    #[error("no place for the cache: set SNOWGLOBE_CACHE, XDG_CACHE_HOME or HOME")]
    NoCache,
    /// A key that names no entry.
    #[error("no entry '{key}' in the cache")]
    NoEntry {
        /// The key.
        key: String,
    },
    /// A beginning of a key that several entries have.
    #[error("'{key}' is the beginning of several keys: {}", keys.join(", "))]
    ManyEntries {
        /// What was given.
        key: String,
        /// The keys.
        keys: Vec<String>,
    },
    /// An entry that must stay.
    #[error("'{key}' stays: {kept}")]
    Kept {
        /// Its key.
        key: String,
        /// Why.
        kept: crate::Kept,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] snowglobe_store::Error),
    /// The disk is full.
    #[error(
        "no space left in {} to {step}; free some, or run `snowglobe cache gc`", path.display()
    )]
    NoSpace {
        /// What was being done.
        step: String,
        /// Where there is no space.
        path: PathBuf,
    },
}

impl Error {
    /// Whether the disk was full.
    pub(crate) fn is_full(&self) -> bool {
        let full = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            )
        };
        match self {
            Self::Io(error) | Self::Archive(snowglobe_archive::Error::Io(error)) => full(error),
            Self::Step { output, .. } | Self::Unsolvable { output, .. } => {
                output.contains("No space left on device")
            }
            _ => false,
        }
    }
}
