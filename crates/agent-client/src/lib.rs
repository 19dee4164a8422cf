//! The host's end of the conversation with a machine's agent.
//!
//! [`Agent::connect`] takes the host's end of the virtio-serial port. Any number of threads may
//! call methods of one [`Agent`] at once; each blocks until its own answer is there. A request
//! that is made before the machine has come up waits for it.
//!
//! Every method can end in [`Error::Disconnected`] (QEMU is gone), [`Error::Restarted`] (the machine
//! was rebooted or restored meanwhile) and [`Error::Cancelled`] (by a [`Cancel`]).

mod cancel;
mod connection;
mod copy;
mod error;
mod exec;
mod request;
mod waits;

pub use cancel::Cancel;
pub use connection::Agent;
pub use error::Error;
pub use exec::{ExecRequest, ExecResult, UntilResult};
pub use request::{Event, Request};
pub use snowglobe_agent_protocol as protocol;
pub use waits::Journal;
