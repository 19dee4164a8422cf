//! What can go wrong with an archive.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Digest, LockError};

/// Result of an operation on an archive.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an archive could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed; the message of the source names the file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Somebody else holds a lock for too long.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An address could not be read.
    #[error("cannot download {url}: {reason}")]
    Network {
        /// Address that was tried last.
        url: String,
        /// Why, in the words of the transport.
        reason: String,
    },
    /// The server has no such file.
    #[error("{url} does not exist (HTTP {status}){}", outdated(url))]
    NotFound {
        /// Address.
        url: String,
        /// HTTP status, 404 or 410.
        status: u16,
    },
    /// Something is missing and the network must not be used.
    #[error("offline, and not in the cache: {}", list(missing))]
    Offline {
        /// Names of what is missing.
        missing: Vec<String>,
    },
    /// Content differs from what was promised.
    #[error("{what} is damaged: expected {expected}, found {found}")]
    Digest {
        /// Address or path.
        what: String,
        /// As promised.
        expected: Digest,
        /// As read.
        found: Digest,
    },
    /// Length differs from what was promised.
    #[error("{what} is damaged: expected {expected} bytes, found {found}")]
    Size {
        /// Address or path.
        what: String,
        /// Bytes promised.
        expected: u64,
        /// Bytes read.
        found: u64,
    },
    /// No acceptable signature.
    #[error("{what} is not signed by a trusted key: {reason}")]
    Signature {
        /// Address or path.
        what: String,
        /// What was found instead.
        reason: String,
    },
    /// A signed file is too old.
    #[error("{what} expired at {until}; is the clock right, and does the mirror keep up?")]
    Expired {
        /// Address or path.
        what: String,
        /// Its `Valid-Until`.
        until: String,
    },
    /// A file does not follow its format.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// Address or path.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// A member of an archive wants to lie outside of its place, or is of a kind that packages may
    /// not have.
    #[error("refused member '{member}' of {archive}: {reason}")]
    Member {
        /// Path of the archive.
        archive: PathBuf,
        /// Name as written in it.
        member: String,
        /// Why it was refused.
        reason: String,
    },
    /// A cached index is damaged.
    #[error("{} is damaged ({reason}); remove its directory or run `snowglobe update`", path.display())]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A package name nobody provides.
    #[error(
        "Debian package '{name}' does not exist in archive snapshot {snapshot}{}",
        suggestions(similar)
    )]
    NoSuchPackage {
        /// The name.
        name: String,
        /// Identifier of the snapshot.
        snapshot: String,
        /// Names that look like it.
        similar: Vec<String>,
    },
    /// A dependency that nothing satisfies.
    #[error("Debian package '{package}' needs '{relation}', which nothing provides")]
    Unsatisfied {
        /// Who needs it.
        package: String,
        /// What is needed.
        relation: String,
    },
    /// The work was cancelled ([`crate::Progress::is_cancelled`]).
    #[error("cancelled")]
    Cancelled,
    /// A snapshot that is not in the cache.
    #[error("archive snapshot {id} is not in the cache")]
    NoSuchSnapshot {
        /// Its identifier.
        id: String,
    },
}

impl Error {
    /// Makes a [`Error::Malformed`].
    pub(crate) fn malformed(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed {
            what: what.into(),
            reason: reason.into(),
        }
    }

    /// Makes a [`Error::Member`].
    pub(crate) fn member(archive: &Path, member: &Path, reason: impl Into<String>) -> Self {
        Self::Member {
            archive: archive.to_owned(),
            member: member.display().to_string(),
            reason: reason.into(),
        }
    }
}

/// Mirrors keep only the newest versions of what is in a security archive.
fn outdated(url: &str) -> &'static str {
    if url.contains("/pool/") {
        "; the mirror no longer has what the archive snapshot names: run `snowglobe update`"
    } else {
        ""
    }
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

fn suggestions(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!("; similar names: {}", list(names))
    }
}

/// Says where an I/O error happened.
pub(crate) fn at(error: io::Error, place: impl std::fmt::Display) -> Error {
    Error::Io(io::Error::new(error.kind(), format!("{place}: {error}")))
}
