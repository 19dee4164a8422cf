//! One run of one test: the semantics of the machine API, the process of the script, time limits
//! and events.
//!
//! The script runs in a CPython process of its own ([`script`]). What it calls arrives here as
//! requests, is carried out against a [`World`] of machines ([`methods`]), and everything that
//! happens becomes an event. The crate knows neither QEMU nor the agent's wire format: the traits
//! in [`world`] are all that it asks of machines.
//!
//! [`run`] is the entrance.

mod attend;
mod cancel;
mod capture;
mod check;
mod console;
mod control;
mod error;
mod evidence;
#[cfg(feature = "fake")]
pub mod fake;
mod locate;
mod methods;
mod outcome;
mod run;
mod screen_image;
mod script;
mod session;
mod tools;
mod visit;
mod world;

pub use attend::{attend, terminal_size};
pub use cancel::{Cancel, Limit};
pub use check::{Check, Checked, Finding, FindingKind, check, check_script};
pub use control::{Remote, knock};
pub use error::RunError;
pub use locate::ScriptMap;
pub use run::{Mode, RunConfig, finish, planned, run, started};
pub use tools::{Exit, HostTools, Job, Process, Standard, Tools};
pub use visit::{Wish, visit};
pub use world::{
    Agent, Capture, Ended, Exec, Facts, Fault, JournalEntry, Listener, Machine, Mount, Observer,
    Picture, Pty, PtySize, UnitVerdict, Vlan, VlanChange, World,
};
