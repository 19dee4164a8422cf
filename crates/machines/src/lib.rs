//! One machine: its QEMU process and everything that is on the host's side of it.
//!
//! A [`MachineSpec`] says what a machine is (from the plan, with paths of images), a [`Host`] where
//! and how it runs: which QEMU, which accelerator. A [`Machine`] is both together in a directory of
//! a run. It can be started, ended and started again; its disks stay.
//!
//! QEMU runs in a sandbox that sees its images and the machine's directory. Monitor, console,
//! agent port and network cards are socket pairs that it inherits: no paths, nothing left behind,
//! open to nobody else; it dies with our process.
//!
//! [`snapshot`] explains what is saved and restored.

mod accel;
mod arguments;
mod console;
mod control;
mod disks;
mod error;
mod forward;
mod host;
pub mod keys;
mod launch;
mod machine;
mod probe;
pub mod qcow2;
mod qmp;
mod ram;
mod remembered;
mod running;
mod save;
pub mod snapshot;
mod spec;

pub use accel::{Accelerator, Choice, Request};
pub use error::Error;
pub use host::{Host, Tools};
pub use machine::{Forward, Machine, Observer, Restore, Start};
pub use probe::{ProbeInput, choose};
pub use qmp::{Qmp, QmpError};
pub use running::{Ended, Reason};
pub use spec::{Boot, Card, MachineSpec};
