//! What a command ends with: exit codes, errors and hints.

use std::fmt::Display;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use snowglobe_events::Location;
use snowglobe_report::Paint;

/// How the program ends. The numbers are documented in `docs/cli.md` and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Everything passed.
    Passed,
    /// A test failed.
    Failed,
    /// A test could not be evaluated or linted, or is not supported; or the command line is wrong.
    Unusable,
    /// The environment failed: network, disk, sandbox, QEMU.
    Environment,
    /// Stopped by the user.
    Interrupted,
}

impl Kind {
    /// Exit status of the program.
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Unusable => 2,
            Self::Environment => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<Kind> for ExitCode {
    fn from(kind: Kind) -> Self {
        Self::from(kind.code())
    }
}

/// An error on its way to the user.
#[derive(Debug)]
pub struct CliError {
    /// Decides the exit status.
    pub kind: Kind,
    /// The whole message; several lines if need be.
    pub message: String,
    /// What may help, each printed on a line of its own.
    pub hints: Vec<String>,
    /// An error of the Nix language: where, and all that is known, for reading.
    pub evaluation: Option<Box<Evaluation>>,
    /// Of several tests of a file, the one that it is about, by its attribute path.
    pub test: Option<String>,
}

/// An error of the Nix language on its way to the user.
#[derive(Debug)]
pub struct Evaluation {
    /// The place in the user's files that it is about.
    pub location: Option<Location>,
    /// Source lines and how the evaluation got there, without colours.
    pub details: String,
}

/// Result of a command.
pub type Result<T = Kind> = std::result::Result<T, CliError>;

impl Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}

impl CliError {
    /// The test, or the command line, is at fault.
    pub fn unusable(message: impl Display) -> Self {
        Self {
            kind: Kind::Unusable,
            message: message.to_string(),
            hints: Vec::new(),
            evaluation: None,
            test: None,
        }
    }

    /// This host, or the network, is at fault.
    pub fn environment(message: impl Display) -> Self {
        let message = message.to_string();
        // Wherever it happens, and through however many layers the error came.
        let full = message.contains("(os error 28)") || message.contains("(os error 122)");
        let closed = message.contains("(os error 30)")
            || (message.contains("failed to create") && message.contains("(os error 13)"));
        let mut hints = Vec::new();
        if full {
            hints.push("make room (`snowglobe cache gc` removes what is not in use), or point SNOWGLOBE_CACHE and SNOWGLOBE_STATE at another disk".to_owned());
        } else if closed {
            hints.push("SNOWGLOBE_CACHE and SNOWGLOBE_STATE choose other folders".to_owned());
        }
        Self {
            kind: Kind::Environment,
            message,
            hints,
            evaluation: None,
            test: None,
        }
    }

    /// The user stopped the program.
    pub fn interrupted() -> Self {
        Self {
            kind: Kind::Interrupted,
            message: "interrupted".to_owned(),
            hints: Vec::new(),
            evaluation: None,
            test: None,
        }
    }

    /// Adds a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The error as an event, for the readers of a run.
    pub fn event(&self) -> snowglobe_events::Kind {
        let class = match self.kind {
            Kind::Unusable if self.evaluation.is_some() => "EvaluationError",
            Kind::Unusable => "UsageError",
            _ => "EnvironmentError",
        };
        let evaluation = self.evaluation.as_deref();
        let heading = self.heading();
        snowglobe_events::Kind::Failure {
            class: class.to_owned(),
            message: match &self.test {
                Some(test) => format!("{test}: {}", self.message),
                None => self.message.clone(),
            },
            location: evaluation.and_then(|evaluation| evaluation.location.clone()),
            frames: Vec::new(),
            command: None,
            subtests: Vec::new(),
            hints: self.hints.clone(),
            details: evaluation.map(|evaluation| heading + &evaluation.details),
        }
    }

    /// Which of several tests it is about, as a line of its own.
    fn heading(&self) -> String {
        let test = self.test.iter();
        test.map(|test| format!("test {test}:\n")).collect()
    }

    /// Prints the error to standard error, in colour on a terminal.
    pub fn print(&self) {
        const RED: Style = AnsiColor::Red.on_default().bold();
        const CYAN: Style = AnsiColor::Cyan.on_default().bold();
        anstream::eprint!("{}", self.heading());
        match &self.evaluation {
            Some(evaluation) => {
                let text =
                    snowglobe_report::source_colors(&evaluation.details, Paint::for_stderr());
                anstream::eprint!("{text}");
            }
            None => anstream::eprintln!("{RED}error{RED:#}: {}", self.message),
        }
        for hint in &self.hints {
            anstream::eprintln!("{CYAN}hint{CYAN:#}: {hint}");
        }
    }
}

/// An I/O error is the environment's fault; its message names the file (`fs_err`).
impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::environment(chain(&error))
    }
}

/// Whether whoever read our output has gone.
pub fn nobody_reads() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let out = std::io::stdout();
    let mut polled = [PollFd::new(&out, PollFlags::OUT)];
    let looked = poll(&mut polled, Some(&Timespec::default()));
    looked.is_ok() && polled[0].revents().contains(PollFlags::ERR)
}

/// Why a test could not be run, as the user's fault or the host's.
impl From<snowglobe_driver::RunError> for CliError {
    fn from(error: snowglobe_driver::RunError) -> Self {
        match error {
            snowglobe_driver::RunError::Names { .. } => {
                Self::unusable(error).hint("rename one of them in `nodes`")
            }
            other => Self::environment(chain(&other)),
        }
    }
}

/// An error and what caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many errors repeat their cause in their own message.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
