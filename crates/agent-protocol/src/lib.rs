//! The conversation between the host and the agent inside a machine. No I/O here.
//!
//! * [`frame`]: how a message becomes bytes. A stream that starts in the middle of something
//!   (a restored machine, a rebooted guest) finds the next frame by itself.
//! * [`message`]: both directions, as enums.
//! * [`boot`]: what the first process reads from the system layer of its machine.
//!
//! # Rules of the conversation
//!
//! 1. The host sends [`ToAgent::Hello`] with a session number of its own, and ignores everything
//!    until it sees [`ToHost::Hello`] with that number. A new session ends whatever an older one
//!    asked for: its commands are killed, its waits forgotten.
//! 2. An agent that starts says [`ToHost::Announce`] once. A host that sees it says `Hello` again:
//!    the machine was rebooted, and what it had asked for is gone.
//! 3. Every request has an id that is not 0 and not in use. It is answered by exactly one
//!    [`ToHost::Done`] or [`ToHost::Failed`] with that id; output and entries come before.
//!    [`Channel::Late`] output may come after: a command's background children still write to its
//!    standard error.
//! 4. Data flows only against credit. Either side may send [`WINDOW`] bytes for a request at once
//!    and more when the receiver says [`ToAgent::Credit`] or [`ToHost::Credit`]. Frames
//!    without payload need none.
//!
//! | writer \ reader | older | newer |
//! | --- | --- | --- |
//! | host | refuses by version: host and agent come from the same build | same |

pub mod boot;
pub mod frame;
pub mod message;

pub use boot::{BootConfig, BootFileSystem};
pub use frame::{CHUNK, Decoder, FrameError, MAX_HEADER, MAX_PAYLOAD, RawFrame, encode};
pub use message::{
    Channel, Entry, EntryKind, Exec, Facts, Failure, FailureKind, Hello, HelloReply, JournalEntry,
    Listener, Mount, Outcome, Phase, PowerAction, Pty, Ready, Stderr, Stdin, Timing, ToAgent,
    ToHost, UnitJob, UnitVerdict, Until,
};

/// Version of the conversation; both sides must have the same.
pub const VERSION: u32 = 1;

/// Bytes of data that may be on the way for one request in one direction.
pub const WINDOW: u32 = 512 * 1024;

/// What an entry of a tree counts against the window, in bytes.
pub const ENTRY_COST: u32 = 512;

/// Name of the virtio-serial port that the agent opens.
pub const PORT_NAME: &str = "snowglobe.agent";
