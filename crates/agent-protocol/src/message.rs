//! Both directions of the conversation.
//!
//! Times are milliseconds. A request without a time limit waits until it is cancelled.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the host says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToAgent {
    /// Opens a session; id 0.
    Hello(Hello),

    // Requests. The comment says which `Outcome` ends them.
    /// Answers at once: `Empty`.
    Ping,
    /// Runs a program or shell command (payload: the shell text, unless `program` is set):
    /// output, then `Exited`.
    Exec(Box<Exec>),
    /// Runs a command until it succeeds or fails: output of the last attempt, then `Until`.
    Until(Box<Until>),
    /// Waits for a unit: `Unit`. Rules as upstream's `wait_for_unit`.
    WaitUnit {
        /// Name; without a suffix it is a service.
        unit: String,
        /// Whose manager; `None`: the system's.
        user: Option<String>,
        /// Limit.
        timeout_ms: Option<u64>,
    },
    /// Properties of a unit as `systemctl show` prints them: `Properties`.
    UnitProperties {
        /// Name.
        unit: String,
        /// Whose manager.
        user: Option<String>,
        /// Which; empty: all.
        properties: Vec<String>,
    },
    /// Starts or stops a unit and waits for the job: `Job`.
    UnitJob {
        /// Name.
        unit: String,
        /// Whose manager.
        user: Option<String>,
        /// What to do.
        job: UnitJob,
        /// Limit for the job.
        timeout_ms: Option<u64>,
    },
    /// Waits until `test -e PATH` holds, or no longer holds: `Reached`. Wildcards and variables
    /// are expanded by a shell if there are any.
    WaitFile {
        /// Shell word.
        path: String,
        /// Whether it shall exist.
        exists: bool,
        /// Limit.
        timeout_ms: Option<u64>,
    },
    /// Waits until a TCP connection succeeds, or fails: `Reached`.
    WaitPort {
        /// Host name or address, seen from the machine.
        address: String,
        /// Port.
        port: u16,
        /// Whether it shall be open.
        open: bool,
        /// Limit.
        timeout_ms: Option<u64>,
    },
    /// Waits until a unix socket accepts a connection: `Reached`.
    WaitUnixSocket {
        /// Path.
        path: String,
        /// Datagram instead of stream.
        datagram: bool,
        /// Limit.
        timeout_ms: Option<u64>,
    },
    /// Text of a virtual terminal, lines folded to its width: `Text`.
    TtyText {
        /// Number or name: `1` or `tty1`.
        tty: String,
        /// Waits until the text differs from this one (by its `Text::stamp`).
        unlike: Option<u64>,
        /// Limit for that; when it has passed, the same text is the answer.
        timeout_ms: Option<u64>,
    },
    /// Journal from the first message on, live: `Journal` messages until cancelled.
    JournalFollow,
    /// Takes a tree from the host (entries and data follow): `Empty`.
    Put {
        /// Where the tree goes. An existing directory takes it by the source's name, as `cp -r` would.
        target: String,
        /// Base name of the source.
        name: String,
    },
    /// Sends a tree to the host: entries and data, then `Empty`.
    Get {
        /// What.
        source: String,
    },
    /// Sets the clock: `Empty`.
    SetClock {
        /// Nanoseconds since 1970.
        unix_ns: u64,
    },
    /// Mixes the payload into the kernel's random pool, counts it fully, and reseeds: `Empty`.
    AddEntropy,
    /// What a restored machine needs: clock and entropy (payload), and renewal of what must differ
    /// between clones: `Empty`.
    Restored {
        /// Nanoseconds since 1970.
        unix_ns: u64,
    },
    /// Waits for the point at which a machine may be saved: `Ready`.
    WaitReady {
        /// How long the machine has to be idle without a job.
        idle_ms: u64,
        /// Limit; passing it is no error.
        timeout_ms: u64,
    },
    /// Waits until commands may run (basic.target, login environment): `Reached`.
    WaitLogin {
        /// Limit.
        timeout_ms: Option<u64>,
    },
    /// For the report of a failure: `Facts`.
    Facts,
    /// Switches the machine off or restarts it: `Empty` as soon as it was asked for.
    Power(PowerAction),

    // About a request that is under way.
    /// Data for standard input or a file (payload).
    Data {
        /// Nothing comes after this.
        end: bool,
    },
    /// The next member of a tree.
    Entry(Entry),
    /// Allows the agent to send so many bytes more.
    Credit {
        /// How many.
        bytes: u32,
    },
    /// Sends a signal to the process group of a command.
    Signal {
        /// Number.
        signal: i32,
    },
    /// The terminal has another size.
    Resize {
        /// Lines.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// Ends a request; it is answered by `Failed` with [`FailureKind::Cancelled`] unless it had
    /// ended already. The process group of a command is killed.
    Cancel,
}

/// What the agent says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToHost {
    /// An agent has started; id 0.
    Announce(HelloReply),
    /// Answers a hello; id 0.
    Hello(HelloReply),
    /// A command runs.
    Started {
        /// Process id in the machine.
        pid: u32,
    },
    /// Output of a command, data of a file (payload).
    Data {
        /// Where it comes from.
        channel: Channel,
    },
    /// The next member of a tree.
    Entry(Entry),
    /// One message of the journal.
    Journal(Box<JournalEntry>),
    /// Allows the host to send so many bytes more.
    Credit {
        /// How many.
        bytes: u32,
    },
    /// The request has ended.
    Done(Box<Outcome>),
    /// The request could not be carried out.
    Failed(Failure),
}

/// Opens a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`crate::VERSION`].
    pub version: u32,
    /// A number that no other session has: random.
    pub session: u64,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloReply {
    /// [`crate::VERSION`].
    pub version: u32,
    /// That of the hello; 0 in an announcement.
    pub session: u64,
    /// Kernel's boot id: another one after a reboot.
    pub boot_id: String,
    /// How far the machine is.
    pub phase: Phase,
}

/// How far a machine has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// systemd does not answer yet.
    Early,
    /// basic.target is not reached yet.
    Booting,
    /// Commands run.
    Login,
}

/// When something may be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timing {
    /// When basic.target is reached and the login environment is known.
    #[default]
    Login,
    /// At once, with whatever environment there is.
    Now,
}

/// A command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exec {
    /// Program and arguments instead of a shell command.
    pub program: Option<Vec<String>>,
    /// Run the shell text under `set -euo pipefail`.
    pub strict: bool,
    /// When.
    pub timing: Timing,
    /// Working directory instead of `/tmp`.
    pub cwd: Option<String>,
    /// Added to the login environment.
    pub env: BTreeMap<String, String>,
    /// Run as this user, with the user's groups, HOME, USER, LOGNAME and shell environment.
    pub user: Option<String>,
    /// Standard input.
    pub stdin: Stdin,
    /// Standard error.
    pub stderr: Stderr,
    /// Give it a terminal (all three streams are the terminal; `stdin` must be `Stream`).
    pub pty: Option<Pty>,
    /// Time limit of the command itself, counted from its start; passing it ends the process
    /// group (SIGTERM, then SIGKILL) and gives status 124, as `timeout` does.
    pub timeout_ms: Option<u64>,
}

/// Standard input of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stdin {
    /// `/dev/null`.
    #[default]
    Null,
    /// [`ToAgent::Data`] follows.
    Stream,
}

/// Standard error of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stderr {
    /// Sent on [`Channel::Stderr`], then [`Channel::Late`].
    #[default]
    Separate,
    /// The same as standard output.
    Merged,
    /// `/dev/null`.
    Discarded,
}

/// A terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pty {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    /// `TERM`.
    pub term: String,
}

/// A command that is tried again and again. The pause between attempts grows from 50 ms to 1 s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Until {
    /// The command; its time limit is that of one attempt. No input, no terminal. The shell text
    /// is the payload.
    pub exec: Exec,
    /// Whether success or failure ends it.
    pub success: bool,
    /// Limit for all of it. The attempt that is under way then is not interrupted by it.
    pub timeout_ms: Option<u64>,
    /// Longest pause.
    pub max_pause_ms: u64,
}

/// Where data comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Channel {
    /// Standard output, or a file.
    Stdout,
    /// Standard error.
    Stderr,
    /// Standard error of processes that outlived their command. Needs no credit; beyond 256 KiB a
    /// second it is dropped.
    Late,
}

/// A member of a tree of files. Those of a directory come after it. The data of a file follows its
/// entry, up to the next entry. An entry costs [`crate::ENTRY_COST`] bytes of credit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Names below the root of the tree; empty: the root itself.
    pub path: Vec<String>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
}

/// Kind of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// A file.
    File {
        /// In bytes, when it was looked at: what follows may be more or less.
        length: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Link {
        /// What it says.
        target: String,
    },
    /// The tree is complete. `path` is empty.
    End,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done.
    Empty,
    /// A command ended.
    Exited {
        /// As a shell shows it: 128 + signal for one that was killed, 124 after a time limit.
        status: i32,
        /// The time limit ended it.
        timed_out: bool,
    },
    /// The end of the attempts.
    Until {
        /// Whether the condition was met.
        reached: bool,
        /// Of the last attempt.
        status: i32,
        /// How many.
        attempts: u32,
    },
    /// Whether the condition became true in time.
    Reached(bool),
    /// State of a unit.
    Unit(UnitVerdict),
    /// In systemd's order.
    Properties(Vec<(String, String)>),
    /// A job ended.
    Job {
        /// As `systemctl` would exit.
        status: i32,
        /// What `systemctl` would say on standard error.
        message: String,
    },
    /// Text (payload of this message).
    Text {
        /// Changes when the text does.
        stamp: u64,
    },
    /// The machine may be saved.
    Ready(Ready),
    /// Facts.
    Facts(Box<Facts>),
}

/// What became of a unit that was waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnitVerdict {
    /// It is active.
    Active,
    /// It failed.
    Failed,
    /// It is inactive and no job is pending in its manager.
    InactiveWithoutJobs,
    /// Time is over.
    TimedOut {
        /// Its state then; empty: its manager did not answer.
        state: String,
    },
}

/// What to do with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "systemctl's words")]
pub enum UnitJob {
    Start,
    Stop,
    Restart,
    Reload,
}

/// How a machine can be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "systemctl's words")]
pub enum PowerAction {
    PowerOff,
    Reboot,
    Halt,
}

/// How the wait for the ready point ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// default.target is active and there was no job for the whole time asked for.
    pub idle: bool,
    /// Why not, if not.
    pub reason: String,
}

/// One message of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JournalEntry {
    /// Microseconds since 1970, by the machine's clock.
    pub realtime_us: u64,
    /// Microseconds since the machine's boot.
    pub monotonic_us: u64,
    /// 0 (emergency) to 7 (debug).
    pub priority: u8,
    /// Unit of the sender; empty: none.
    pub unit: String,
    /// Syslog identifier or process name.
    pub identifier: String,
    /// Process id; 0: none.
    pub pid: u32,
    /// `kernel`, `stdout`, `syslog`, `journal`, `driver`, `audit`.
    pub transport: String,
    /// Text; invalid UTF-8 replaced.
    pub message: String,
    /// So many messages before this one were lost.
    pub lost: u64,
}

/// For the report of a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
    /// Of one minute, times 100.
    pub load_percent: u32,
    /// Seconds.
    pub uptime_s: u64,
    /// Disks.
    pub mounts: Vec<Mount>,
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Address.
    pub address: String,
    /// Port.
    pub port: u16,
}

/// A mounted disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Bytes.
    pub available: u64,
}

/// Why a request could not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Class.
    pub kind: FailureKind,
    /// In words, a fragment that fits after "failed: ".
    pub message: String,
}

/// Class of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// Cancelled, or its session is over.
    Cancelled,
    /// The request makes no sense.
    Invalid,
    /// The machine is not that far (no systemd, no manager of that user) and the time is over.
    NotReady,
    /// The machine's kernel or a program refused.
    System,
}

impl Failure {
    /// A failure of a class.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}
