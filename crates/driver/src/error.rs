//! Errors of a run, and exceptions of the script.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::Fault;

/// Why a test could not be run at all; a test that fails is an [`snowglobe_events::Outcome`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The Python process could not be started.
    #[error("cannot start Python for the test script: {source}")]
    Python {
        /// Why.
        source: std::io::Error,
    },
    /// A file of the run could not be written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried: `create`, `write` …
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A checker did not do its work.
    #[error("cannot check the test script with {checker}: {message}")]
    Checker {
        /// `pyflakes` or `mypy`.
        checker: &'static str,
        /// What it said.
        message: String,
    },
    /// The script cannot name the machines of its test.
    #[error("{message}")]
    Names {
        /// Which, and why.
        message: String,
    },
    /// What a failed run had saved cannot be put in place.
    #[error("cannot resume: {0}")]
    Resume(#[source] Fault),
    /// The machines could not be made.
    #[error("cannot prepare the machines: {0}")]
    World(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An exception to be raised in the script.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Raise {
    pub class: &'static str,
    pub message: String,
    /// Attributes of the exception: `command`, `status`, `stdout`, `stderr`, `machine`.
    pub fields: Map<String, Value>,
}

impl Raise {
    pub fn new(class: &'static str, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            fields: Map::new(),
        }
    }

    /// What the script asked for did not hold.
    pub fn assertion(message: impl Into<String>) -> Self {
        Self::new("RequestedAssertionFailed", message)
    }

    /// A machine could not do it.
    pub fn machine(message: impl Into<String>) -> Self {
        Self::new("MachineError", message)
    }

    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    /// The `error` member of an answer.
    pub fn to_json(&self) -> Value {
        let mut object = self.fields.clone();
        object.insert("class".into(), json!(self.class));
        object.insert("message".into(), json!(self.message));
        Value::Object(object)
    }
}

impl From<Fault> for Raise {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Qmp { class, description } => Self::new("QMPAPIError", description.clone())
                .with("className", class)
                .with("description", description),
            Fault::Unsupported { .. } => Self::new("NotImplementedError", fault.to_string()),
            Fault::TimedOut => Self::new("TimeoutError", "the machine did not answer in time"),
            Fault::Stopped { .. } | Fault::Cancelled | Fault::Failed { .. } => {
                Self::machine(fault.to_string())
            }
        }
    }
}
