//! The envelope that every event has.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Kind;

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Place in the stream, from 0 without gaps.
    pub seq: u64,
    /// Microseconds since the run began, by a monotonic clock; never smaller than that of the
    /// event before.
    pub elapsed: u64,
    /// Microseconds since 1970, UTC, by the host's clock when the run began plus `elapsed`.
    pub wall: u64,
    /// Name of the node whose machine this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The span that this event opens, closes or reports on: the same number in
    /// `command-started`, `command-output` and `command-finished` of one command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<SpanId>,
    /// The span in which this happened: a command's parent is the call that ran it, a call's
    /// parent the subtest around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SpanId>,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}

/// Identifies something that lasts; unique within a run, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpanId(pub u64);

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
