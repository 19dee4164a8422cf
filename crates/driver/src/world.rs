//! What a run needs of machines and networks.
//!
//! Whoever runs machines implements these traits: QEMU with our agent inside, a fake for tests,
//! later containers and machines that were built by others. Every blocking function takes a
//! [`Limit`] and returns soon after it is over.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::Value;
use snowglobe_events::{MachineState, Stream};

use crate::Limit;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The machine ended, or does not run.
    #[error("the machine does not run: {why}")]
    Stopped {
        /// Its end, in words.
        why: String,
    },
    /// The limit was reached.
    #[error("time is over")]
    TimedOut,
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// This kind of machine cannot do that.
    #[error("{what} is not supported")]
    Unsupported {
        /// What.
        what: String,
    },
    /// QEMU refused a command.
    #[error("{description}")]
    Qmp {
        /// QMP's error class.
        class: String,
        /// QEMU's words.
        description: String,
    },
    /// Anything else.
    #[error("{message}")]
    Failed {
        /// In words.
        message: String,
    },
}

impl Fault {
    /// A failure in words.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
        }
    }

    /// Something that is not supported.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}

/// The machines and networks of a test. Dropping it ends them all.
pub trait World: Send + Sync {
    /// Machines in the order of their names.
    fn machines(&self) -> Vec<Arc<dyn Machine>>;

    /// Starts all machines that do not run, together, and returns when each is on its way; the
    /// errors by machine.
    fn start_all(&self, limit: &Limit) -> Vec<(String, Fault)>;

    /// A virtual network.
    fn vlan(&self, number: u16) -> Option<Arc<dyn Vlan>>;

    /// Adds a machine that a command runs (`create_machine`).
    fn create_machine(
        &self,
        _start_command: &str,
        _name: Option<&str>,
        _keep_state: bool,
    ) -> Result<Arc<dyn Machine>, Fault> {
        Err(Fault::unsupported(
            "create_machine(), which runs a machine by a start script,",
        ))
    }

    /// Saves all machines and networks as they are at one instant into a new folder, and goes on.
    fn checkpoint(&self, _path: &Path, _limit: &Limit) -> Result<(), Fault> {
        Err(Fault::unsupported("a checkpoint of these machines"))
    }

    /// Puts all machines and networks back to a saved state; what runs is ended first. `why` goes
    /// into the machines' state. `known`: this run has saved it, so that nobody needs to be told
    /// what the consoles had shown by then.
    fn restore(&self, _path: &Path, _why: &str, _known: bool, _limit: &Limit) -> Result<(), Fault> {
        Err(Fault::unsupported("a checkpoint of these machines"))
    }

    /// Ends all machines at once, without asking them.
    fn release(&self);
}

/// Hears from a machine, from its creation on. Must not block.
pub trait Observer: Send + Sync {
    /// The machine is in another state.
    fn state(&self, machine: &str, state: MachineState, why: Option<String>);
    /// A line on the console, without its end.
    fn console(&self, machine: &str, line: &[u8]);
    /// An entry of the journal.
    fn journal(&self, machine: &str, entry: JournalEntry);
}

/// An entry of a machine's journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalEntry {
    /// Microseconds since 1970, by the machine's clock; 0: unknown.
    pub realtime_us: u64,
    /// 0 (emergency) to 7 (debug).
    pub priority: u8,
    /// Unit of the sender; empty: none.
    pub unit: String,
    /// Syslog identifier or process name.
    pub identifier: String,
    /// Process id; 0: none.
    pub pid: u32,
    /// Text.
    pub message: String,
}

/// How a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// In words: `powered off`, `QEMU was killed by signal 9` …
    pub why: String,
    /// Whether something asked for it.
    pub expected: bool,
}

/// A machine.
pub trait Machine: Send + Sync {
    /// Name of the node.
    fn name(&self) -> &str;

    /// Starts it unless it runs. Returns when it is running, which may be long before it answers.
    fn start(&self, allow_reboot: bool, limit: &Limit) -> Result<(), Fault>;

    /// Whether it has been started and has not ended.
    fn running(&self) -> bool;

    /// Its agent, as soon as commands are possible.
    fn agent(&self, limit: &Limit) -> Result<Arc<dyn Agent>, Fault>;

    /// Its agent, if commands are possible now.
    fn connected(&self) -> Option<Arc<dyn Agent>>;

    /// Its agent, as soon as waits are possible: these may look before commands can run.
    fn early_agent(&self, limit: &Limit) -> Result<Arc<dyn Agent>, Fault> {
        self.agent(limit)
    }

    /// It is about to reboot: [`Machine::agent`] gives the agent of the next boot from now on.
    fn rebooting(&self) {}

    /// Waits until its process has ended; at once if it does not run.
    fn wait_ended(&self, limit: &Limit) -> Result<Ended, Fault>;

    /// Ends it as a power failure would, and waits until it has ended.
    fn crash(&self, limit: &Limit) -> Result<(), Fault>;

    /// Ends it without asking and without waiting. Never fails.
    fn release(&self);

    /// Executes a QMP command.
    fn qmp(&self, command: &str, arguments: Value) -> Result<Value, Fault>;

    /// QMP events from now on.
    fn qmp_events(&self) -> Result<Receiver<Value>, Fault>;

    /// Writes to the serial console.
    fn write_console(&self, bytes: &[u8]) -> Result<(), Fault>;

    /// What the serial console writes from now on, as it comes.
    fn console_stream(&self) -> Result<Receiver<Vec<u8>>, Fault> {
        Err(Fault::unsupported("work at the serial console"))
    }

    /// Pulls or plugs the cable of a virtual network's card, counted from 0.
    fn set_link(&self, card: usize, up: bool) -> Result<(), Fault>;

    /// Makes a port of the machine reachable on the host's loopback.
    fn forward_port(&self, host: u16, guest: u16) -> Result<(), Fault>;

    /// A picture of the screen.
    fn screen(&self, format: Picture) -> Result<Vec<u8>, Fault>;

    /// Process id of QEMU.
    fn pid(&self) -> Option<u32>;

    /// Makes the disk blank for the next start; the machine must not run.
    fn forget_state(&self) -> Result<(), Fault>;

    /// Directory of its files on the host.
    fn state_dir(&self) -> Option<PathBuf>;
}

/// Format of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "well known")]
pub enum Picture {
    Png,
    Ppm,
}

/// A command for a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// Shell text; runs under `set -euo pipefail`.
    pub command: String,
    /// Time limit of the command itself: when it is over, its process group is killed and the
    /// status is 124.
    pub timeout: Option<Duration>,
    /// Instead of `/tmp`.
    pub cwd: Option<String>,
    /// Added to the login environment.
    pub env: BTreeMap<String, String>,
    /// Instead of root.
    pub user: Option<String>,
    /// Instead of `/dev/null`.
    pub stdin: Option<Vec<u8>>,
}

/// What became of a unit that was waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitVerdict {
    /// It is active.
    Active,
    /// It failed.
    Failed,
    /// It is inactive and its manager has no jobs.
    Inactive,
    /// Time is over; its state then, empty if its manager did not answer.
    TimedOut {
        /// `ActiveState`.
        state: String,
    },
}

/// For the report of a failure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// `running`, `degraded`, `starting`, …; empty: systemd does not answer.
    pub system_state: String,
    /// Names of failed units.
    pub failed_units: Vec<String>,
    /// `unit type`, waiting or running.
    pub jobs: Vec<String>,
    /// Sockets that listen.
    pub listeners: Vec<Listener>,
    /// KiB.
    pub memory_total_kib: u64,
    /// KiB.
    pub memory_available_kib: u64,
    /// Load average of one minute.
    pub load: f64,
    /// Seconds since boot.
    pub uptime_s: u64,
    /// Disks.
    pub mounts: Vec<Mount>,
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Address.
    pub address: String,
    /// Port.
    pub port: u16,
}

/// A mounted disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Bytes.
    pub available: u64,
}

/// The program inside a machine that does what the script asks for. Several threads may ask at
/// once.
pub trait Agent: Send + Sync {
    /// Runs a command; what it writes goes to `output` as it comes. Gives the exit status as a
    /// shell shows it. Ends when the shell has exited and its standard output is at its end.
    fn exec(
        &self,
        exec: &Exec,
        limit: &Limit,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<i32, Fault>;

    /// Waits for a unit.
    fn wait_unit(
        &self,
        unit: &str,
        user: Option<&str>,
        limit: &Limit,
    ) -> Result<UnitVerdict, Fault>;

    /// Waits until `test -e` holds for a shell word; whether it did in time.
    fn wait_file(&self, path: &str, limit: &Limit) -> Result<bool, Fault>;

    /// Waits until a TCP connection succeeds (or fails); whether it did in time.
    fn wait_port(&self, address: &str, port: u16, open: bool, limit: &Limit)
    -> Result<bool, Fault>;

    /// Waits until a unix socket accepts connections; whether it did in time.
    fn wait_socket(&self, path: &str, datagram: bool, limit: &Limit) -> Result<bool, Fault>;

    /// What a virtual terminal shows. With `unlike`, waits until it shows something else, or
    /// until the limit is over.
    fn tty_text(&self, tty: &str, unlike: Option<&str>, limit: &Limit) -> Result<String, Fault>;

    /// Asks the machine to switch itself off; returns when it has been asked.
    fn power_off(&self) -> Result<(), Fault>;

    /// Makes a tree in the machine from a tar archive whose members are `tree` and what lies below
    /// it. A target that is a directory takes the tree under `name`. Parents are made.
    fn put(
        &self,
        target: &str,
        name: &str,
        archive: &mut dyn Read,
        limit: &Limit,
    ) -> Result<(), Fault>;

    /// Writes a tree of the machine as such an archive.
    fn get(&self, source: &str, archive: &mut dyn Write, limit: &Limit) -> Result<(), Fault>;

    /// A root shell on a terminal, or a command on one.
    fn pty(&self, command: Option<&str>, size: PtySize, term: &str) -> Result<Box<dyn Pty>, Fault>;

    /// For the report of a failure.
    fn facts(&self, limit: &Limit) -> Result<Facts, Fault>;
}

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "well known")]
pub struct PtySize {
    pub rows: u16,
    pub columns: u16,
}

/// A program on a terminal in a machine.
pub trait Pty: Send + Sync {
    /// Waits for output; `None`: the program has ended.
    fn read(&self, limit: &Limit) -> Result<Option<Vec<u8>>, Fault>;
    /// Types.
    fn write(&self, bytes: &[u8]) -> Result<(), Fault>;
    /// The terminal has another size.
    fn resize(&self, size: PtySize) -> Result<(), Fault>;
    /// Ends the program.
    fn close(&self);
}

/// What shall happen to frames between two machines; `None` as an end means all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VlanChange {
    /// None passes.
    Cut,
    /// All pass at once.
    Heal,
    /// They arrive so much later.
    Delay(Duration),
    /// This part of them is lost, from 0 to 1.
    Loss(f64),
}

/// A virtual network.
pub trait Vlan: Send + Sync {
    /// Changes what happens to frames between two machines, in both directions.
    fn change(&self, a: Option<&str>, b: Option<&str>, change: VlanChange) -> Result<(), Fault>;

    /// Writes all frames from now on to a writer; stops when the capture is dropped.
    fn capture(&self, out: Box<dyn Write + Send>) -> Result<Box<dyn Capture>, Fault>;
}

/// Frames are being written; dropping it stops that.
pub trait Capture: Send {}
