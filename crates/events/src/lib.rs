//! The events of a run: everything that happens becomes one [`Event`], and the terminal, JUnit,
//! the page and the run folder are readers of the same stream.
//!
//! # Format
//!
//! In a run folder the stream is `events.jsonl`: one JSON object a line, in the order of `seq`.
//! Every object has the fields of [`Event`]; `type` names the [`Kind`] in kebab-case and its
//! fields stand beside it in camelCase. The first event of a stream is `run-started`, which carries
//! the format's number ([`FORMAT`]).
//!
//! | reader | data | what happens |
//! | --- | --- | --- |
//! | old | a new field | ignored |
//! | old | a new kind | read as [`Kind::Unknown`] and shown as nothing |
//! | new | a field that is missing | its default |
//! | any | a format number that is greater | refused by [`Reader`] with that number |
//!
//! Times are microseconds: `elapsed` on a monotonic clock since the run began, `wall` since 1970.

mod event;
mod jsonl;
mod kind;
mod sink;

pub use event::{Event, SpanId};
pub use jsonl::{ReadError, Reader, write_line};
pub use kind::{
    Accelerator, Address, Command, Evidence, Frame, Kind, Level, Location, MachineInfo,
    MachineState, Outcome, Phase, Stream, Text,
};
pub use sink::{Scope, Sink};

/// Version of the stream's format; changes when a field changes its meaning.
pub const FORMAT: u32 = 1;
