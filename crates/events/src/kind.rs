//! What can happen in a run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What happened, with its details. All durations are microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Kind {
    /// The run of one test began; always the first event.
    RunStarted {
        /// [`crate::FORMAT`] of the writer.
        format: u32,
        /// Version of the program.
        version: String,
        /// Title: the test's name if it is known yet, else the file's.
        title: String,
        /// The `.nix` file that is run, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// Whether it is a person's session with the machines, which passes or fails nothing.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        attended: bool,
    },
    /// The test is known: what the plan says of it.
    Planned {
        /// The test's `name`.
        test: String,
        /// Every machine of the test, by name.
        #[serde(default)]
        machines: Vec<MachineInfo>,
        /// Numbers of the virtual networks.
        #[serde(default)]
        vlans: Vec<u16>,
        /// Text of the test script.
        #[serde(default)]
        script: String,
        /// Limit of the script's run, as it is on this host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
    },
    /// The run ended; nearly always the last event.
    RunFinished {
        /// How.
        outcome: Outcome,
        /// From `run-started` on.
        duration: u64,
    },
    /// The test is not run: it has passed before, and nothing that it is made of has changed since.
    Cached {
        /// When that was, in microseconds since 1970.
        passed: u64,
        /// How long it ran then.
        duration: u64,
        /// Path of that run's folder, which may be gone.
        run: String,
    },
    /// How machines are run on this host, and why so.
    Accelerator {
        /// Which one.
        accelerator: Accelerator,
        /// Why, in words.
        why: String,
    },
    /// A part of the run began; opens a span.
    PhaseStarted {
        /// Which part.
        phase: Phase,
    },
    /// A part of the run got on.
    PhaseProgress {
        /// Which part.
        phase: Phase,
        /// What is being done, in words.
        what: String,
        /// How much is done.
        done: u64,
        /// Of how much, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
        /// What `done` counts: `bytes`, `packages`, `machines` …
        unit: String,
    },
    /// A part of the run ended; closes a span.
    PhaseFinished {
        /// Which part.
        phase: Phase,
        /// Whether it did what it should.
        ok: bool,
        /// A remark such as `from the cache`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// The machine is now in this state.
    MachineState {
        /// Which.
        state: MachineState,
        /// Why: `booted cold, no snapshot`, `poweroff in the machine` …
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The script called a method of a machine or a global; opens a span.
    CallStarted {
        /// `succeed`, `wait_for_unit` …
        method: String,
        /// The arguments as text for a reader, bounded.
        arguments: String,
        /// Where the script called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        location: Option<Location>,
    },
    /// The call returned or raised; closes a span.
    CallFinished {
        /// Whether it returned.
        ok: bool,
        /// Class and message of the exception.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// How long it took.
        duration: u64,
    },
    /// A command began in a machine; opens a span.
    CommandStarted {
        /// Shell text as in the script.
        command: String,
        /// After how long it is killed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
    },
    /// A running command wrote something.
    CommandOutput {
        /// Where to.
        stream: Stream,
        /// What; invalid UTF-8 replaced.
        text: String,
    },
    /// A command ended; closes a span.
    CommandFinished {
        /// Exit status as the script sees it: 124 when the limit was reached, 128 + N for signal
        /// N; absent when it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<i32>,
        /// Standard output, bounded.
        #[serde(default)]
        stdout: Text,
        /// Standard error, bounded.
        #[serde(default)]
        stderr: Text,
        /// How long it took.
        duration: u64,
    },
    /// The script waits for something; opens a span.
    WaitStarted {
        /// What for: `unit nginx.service to be active`.
        what: String,
        /// How long at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
    },
    /// The wait goes on.
    WaitProgress {
        /// What the machine says meanwhile: `activating`, `exit status 1` …
        state: String,
        /// Tries so far; 0 when the machine tells by itself.
        #[serde(default)]
        tries: u64,
    },
    /// The wait ended; closes a span.
    WaitFinished {
        /// Whether what was waited for came.
        ok: bool,
        /// The last state.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
        /// How long it took.
        duration: u64,
    },
    /// A subtest began; opens a span.
    SubtestStarted {
        /// Its name.
        name: String,
    },
    /// A subtest ended; closes a span.
    SubtestFinished {
        /// Its name.
        name: String,
        /// Whether it raised nothing.
        ok: bool,
        /// Text of the exception.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// How long it took.
        duration: u64,
    },
    /// A block of the log began (`log.nested`, `machine.nested`); opens a span.
    NestedStarted {
        /// Its message.
        message: String,
    },
    /// A block of the log ended; closes a span.
    NestedFinished {
        /// Its message.
        message: String,
        /// Whether it raised nothing.
        ok: bool,
        /// How long it took.
        duration: u64,
    },
    /// A line of the log, from the script or about it.
    Log {
        /// How important.
        level: Level,
        /// The line.
        message: String,
    },
    /// A line on the machine's console.
    Console {
        /// Without line end and control characters.
        line: String,
    },
    /// The script wants consoles to be shown from now on, or not (`serial_stdout_on`).
    ConsoleShown {
        /// Whether.
        shown: bool,
    },
    /// An entry of the machine's journal.
    Journal {
        /// Cursor or time in the machine, microseconds since 1970, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guest_wall: Option<u64>,
        /// Unit that wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
        /// `SYSLOG_IDENTIFIER` or the program's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identifier: Option<String>,
        /// Syslog priority: 0 emergency … 7 debug.
        priority: u8,
        /// Process that wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pid: Option<u32>,
        /// The text, bounded.
        message: String,
    },
    /// A unit of the machine's systemd changed its state.
    UnitState {
        /// Name with suffix.
        unit: String,
        /// `ActiveState`.
        active: String,
        /// `SubState`.
        #[serde(default)]
        sub: String,
    },
    /// A link of a virtual network changed.
    LinkChanged {
        /// Number of the network.
        vlan: u16,
        /// The one end; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// The other end; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// `cut`, `healed`, `delay 20 ms` …
        change: String,
        /// Whether frames pass now.
        up: bool,
    },
    /// A picture of the machine's screen was stored.
    Screenshot {
        /// File below the run folder.
        path: String,
        /// Why: `screenshot()` of the script, `failure` …
        why: String,
    },
    /// A checkpoint was made or returned to.
    Checkpoint {
        /// Its name.
        name: String,
        /// `saved` or `restored`.
        action: String,
    },
    /// The script printed something.
    ScriptOutput {
        /// Where to.
        stream: Stream,
        /// What, whole lines where possible.
        text: String,
    },
    /// Something the user should know that fails nothing.
    Warning {
        /// What.
        message: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hints: Vec<String>,
    },
    /// The run, or one of its subtests, failed here.
    Failure {
        /// Class of the Python exception, or a word of ours: `Timeout`, `Cancelled`,
        /// `EvaluationError`, `BuildError`, `LintError`, `TypeError`, `ScriptDied`, `Internal`.
        class: String,
        /// What went wrong.
        message: String,
        /// The failing line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        location: Option<Location>,
        /// The script's frames, outermost first; the last is `location`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        frames: Vec<Frame>,
        /// The machine's command that failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<Box<Command>>,
        /// Names of the subtests around it, outermost first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        subtests: Vec<String>,
        /// What to try, or where to look.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hints: Vec<String>,
        /// A whole report for reading, when the fields above cannot tell it: an evaluation trace,
        /// a linter's or a builder's output.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details: Option<String>,
    },
    /// What a machine looked like when the run failed.
    Evidence {
        /// What this is.
        evidence: Evidence,
        /// Title for a reader.
        title: String,
        /// The text, bounded.
        text: Text,
    },
    /// A file was put into the run folder or the script's output folder.
    Artefact {
        /// Path below the run folder.
        path: String,
        /// What it is.
        what: String,
        /// Bytes.
        size: u64,
    },
    /// A kind that a newer writer knows.
    #[serde(other)]
    Unknown,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The script ran to its end.
    Passed,
    /// The script, or a check before it, failed.
    Failed,
    /// The global time limit was reached.
    TimedOut,
    /// The user stopped it.
    Cancelled,
    /// We could not run it: no space, no network, a mistake of ours.
    Errored,
}

impl Outcome {
    /// Whether this is [`Outcome::Passed`].
    pub fn passed(self) -> bool {
        self == Self::Passed
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
            Self::Errored => "could not run",
        })
    }
}

/// Who executes a machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// The processor.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kvm => "KVM",
            Self::Tcg => "emulation (TCG)",
        })
    }
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The `.nix` file becomes a plan.
    Evaluate,
    /// Packages and sources are downloaded.
    Fetch,
    /// Derivations are realised and layers written.
    Build,
    /// The script is linted and type-checked.
    Check,
    /// Machines are prepared.
    Boot,
    /// The script runs.
    Script,
    /// Evidence is taken, machines end.
    CleanUp,
    /// A phase that a newer writer knows.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Evaluate => "evaluate",
            Self::Fetch => "fetch",
            Self::Build => "build",
            Self::Check => "check",
            Self::Boot => "boot",
            Self::Script => "script",
            Self::CleanUp => "clean up",
            Self::Unknown => "unknown",
        })
    }
}

/// What a machine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineState {
    /// Not started yet, or ended.
    Stopped,
    /// Its process is being started.
    Starting,
    /// Its kernel runs, but commands are not possible yet.
    Booting,
    /// Is booting in order to be saved; the script waits.
    Baking,
    /// Came back from a snapshot.
    Restored,
    /// Answers commands.
    Ready,
    /// Powers off or reboots.
    Stopping,
    /// Ended without being asked.
    Crashed,
    /// A state that a newer writer knows.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for MachineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Booting => "booting",
            Self::Baking => "baking",
            Self::Restored => "restored",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
            Self::Crashed => "crashed",
            Self::Unknown => "unknown",
        })
    }
}

/// How important a log line is; the names are upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "well known")]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

/// Where a program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "well known")]
pub enum Stream {
    Stdout,
    Stderr,
}

/// What kind of evidence was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Units in state `failed`, with the end of their journal.
    FailedUnits,
    /// Listening sockets.
    ListeningPorts,
    /// The end of the journal.
    JournalTail,
    /// The end of the console.
    ConsoleTail,
    /// Memory and disk.
    Resources,
    /// Evidence that a newer writer knows.
    #[serde(other)]
    Unknown,
}

/// A machine of the test, as the plan has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MachineInfo {
    /// Name of the node.
    pub name: String,
    /// RAM in MiB.
    pub memory_mib: u32,
    /// Virtual processors.
    pub cores: u16,
    /// Whether it has a screen.
    pub graphical: bool,
    /// Its places on the virtual networks.
    pub addresses: Vec<Address>,
}

/// A machine's place on a virtual network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Address {
    /// Name inside the machine.
    pub interface: String,
    /// Number of the network.
    pub vlan: u16,
    /// Hardware address.
    pub mac: String,
}

/// A place in a file, for a reader to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// A `.nix` file when the line could be found there, else `testScript`.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// Line in the script's own text, from 1; the same as `line` when `file` is `testScript`.
    pub script_line: u32,
    /// The line's text.
    #[serde(default)]
    pub source: String,
}

/// A frame of the script's stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Frame {
    /// Name of the function, `<module>` outside of any.
    pub function: String,
    /// Where.
    pub location: Location,
}

/// A command that ended, for a failure's report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Node.
    pub machine: String,
    /// Shell text.
    pub command: String,
    /// As the script sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// Standard output, bounded.
    #[serde(default)]
    pub stdout: Text,
    /// Standard error, bounded.
    #[serde(default)]
    pub stderr: Text,
}

/// A text of which only beginning and end are kept when it is long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Text {
    /// The beginning, or all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub head: String,
    /// Bytes left out between the two.
    #[serde(skip_serializing_if = "is_zero")]
    pub omitted: u64,
    /// The end, if something was left out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Text {
    /// Bytes that are kept by [`Text::new`].
    pub const LIMIT: usize = 32 * 1024;

    /// Keeps the text if it is short, else its two ends, [`Text::LIMIT`] in all.
    pub fn new(text: &str) -> Self {
        Self::bounded(text, Self::LIMIT)
    }

    /// Keeps about `limit` bytes, cut at characters.
    pub fn bounded(text: &str, limit: usize) -> Self {
        if text.len() <= limit {
            return Self {
                head: text.to_owned(),
                ..Self::default()
            };
        }
        let head = text.floor_char_boundary(limit / 2);
        let tail = text.ceil_char_boundary(text.len() - limit / 2);
        Self {
            head: text[..head].to_owned(),
            omitted: (tail - head) as u64,
            tail: text[tail..].to_owned(),
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head)?;
        if self.omitted > 0 {
            write!(f, "\n… {} bytes left out …\n", self.omitted)?;
        }
        f.write_str(&self.tail)
    }
}
