//! What can go wrong.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use snowglobe_agent_protocol::{Failure, FrameError};

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream has ended: QEMU is gone, or it was closed here.
    #[error("the connection to the machine's agent has ended")]
    Disconnected,
    /// The machine was rebooted, or another stream took the place of the one that carried the request.
    #[error("the machine was restarted before it answered")]
    Restarted,
    /// By a [`crate::Cancel`].
    #[error("cancelled")]
    Cancelled,
    /// The agent did not answer, though its own limit for the request had long passed.
    #[error("the machine's agent did not answer for {} s", .0.as_secs())]
    Unresponsive(Duration),
    /// The agent speaks another version.
    #[error("the machine's agent speaks version {theirs} of the protocol, this program {ours}")]
    Version {
        /// This program's.
        ours: u32,
        /// The agent's.
        theirs: u32,
    },
    /// The agent could not do it.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The agent answered something that does not fit the question.
    #[error("the machine's agent answered {0}, which does not fit the request")]
    Unexpected(String),
    /// A message that cannot be sent.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Reading or writing files of the host.
    #[error(transparent)]
    Tree(#[from] snowglobe_agent_tree::TreeError),
    /// A path of the host.
    #[error("{path}: {source}")]
    Path {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection cannot be set up.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// Whether the machine rather than the request is the cause.
    pub fn is_connection(&self) -> bool {
        matches!(
            self,
            Self::Disconnected | Self::Restarted | Self::Unresponsive(_) | Self::Version { .. }
        )
    }
}
