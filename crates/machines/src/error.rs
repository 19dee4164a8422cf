//! What can go wrong with a machine.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::qmp::QmpError;
use crate::running::Ended;

/// Why something could not be done with a machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// QEMU or another tool could not be run.
    #[error(transparent)]
    Sandbox(#[from] snowglobe_sandbox::Error),
    /// A file could not be used.
    #[error("cannot {what} '{}': {source}", path.display())]
    File {
        /// What was being done.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A call to the operating system failed.
    #[error("cannot {what}: {source}")]
    System {
        /// What was being done.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// QEMU refused a command.
    #[error("QEMU: {0}")]
    Qmp(#[from] QmpError),
    /// The machine does not run.
    #[error("the machine '{0}' does not run")]
    NotRunning(String),
    /// The machine runs already.
    #[error("the machine '{0}' runs already")]
    Running(String),
    /// QEMU ended before the machine ran.
    #[error("the machine '{name}' did not start: {ended}{}", messages_text(.messages))]
    NotStarted {
        /// Name of the machine.
        name: String,
        /// How QEMU ended.
        ended: Ended,
        /// What QEMU wrote to its standard error.
        messages: String,
    },
    /// Something took longer than it was given.
    #[error("{what} took longer than {limit:?}")]
    TimedOut {
        /// What.
        what: String,
        /// How long it was given.
        limit: Duration,
    },
    /// This is not supported.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// The machine cannot be saved.
    #[error("the machine '{name}' cannot be saved: {why}")]
    NotSaved {
        /// Name of the machine.
        name: String,
        /// Why.
        why: String,
    },
    /// A snapshot cannot be used. It is best dropped.
    #[error("the snapshot '{}' cannot be used: {why}", path.display())]
    Snapshot {
        /// Its directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The requested accelerator does not work here.
    #[error("{0}")]
    Accelerator(String),
}

impl Error {
    pub(crate) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }

    pub(crate) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System {
            what,
            source: source.into(),
        }
    }
}

fn messages_text(messages: &str) -> String {
    if messages.is_empty() {
        String::new()
    } else {
        format!("\n{}", messages.trim_end())
    }
}
