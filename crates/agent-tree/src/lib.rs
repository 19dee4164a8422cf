//! Trees of files as entries and data: used by both ends of a copy between host and machine.
//!
//! Reading follows symbolic links as far as they lead somewhere, so that a copy does not depend on
//! where it lies (`cp -rL`); a link that leads nowhere, or to a directory above itself, stays a
//! link. Sockets, pipes and devices are left out. Writing never leaves the target: it goes down
//! by directory descriptors and never through a link.

mod read;
mod write;

use std::io;
use std::path::PathBuf;

pub use read::{Item, read_tree};
pub use write::TreeWriter;

/// Why a tree cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The file system refused.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A name that is not UTF-8.
    #[error("the name of {path} is not UTF-8", path = path.display())]
    Name {
        /// Which.
        path: PathBuf,
    },
    /// The sender is wrong: a name such as `..`, data without file, a second root.
    #[error("damaged tree: {0}")]
    Damaged(String),
}

impl TreeError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source: source.into(),
        }
    }
}
