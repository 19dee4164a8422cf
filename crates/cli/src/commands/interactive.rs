//! `snowglobe interactive`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use snowglobe_driver::Mode;
use snowglobe_plan::{Plan, Test};

use crate::arguments::{Machines, Selection};
use crate::error::{CliError, Result};
use crate::execute::{How, execute};
use crate::room;
use crate::session::Session;
use crate::stream::{Show, Stream};
use crate::workshop::Planned;

/// `interactive`.
#[derive(Args, Clone, Debug, Default)]
#[command(
    after_help = "Examples:\n  snowglobe interactive test.nix\n  >>> start_all()\n  >>> machine.succeed(\"systemctl is-system-running\")\n  >>> machine.shell_interact()     # a shell in the machine; Ctrl-D or exit ends it\n  >>> machine.console_interact()   # its serial console; Ctrl-D ends it\n  >>> test_script()                # the whole script\n\nCtrl-D or exit() leaves; machines end and their disks go. Ctrl-C ends what is being waited for."
)]
pub struct Interactive {
    /// Test file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Which test, and with what arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// How machines run.
    #[command(flatten)]
    pub machines: Machines,
    /// Show what machines write to their consoles
    #[arg(short, long)]
    pub verbose: bool,
    /// Folder for what is written there, such as screenshots; default: in the run folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Opens a Python shell with the names that the test's script has.
pub fn run(command: &Interactive) -> Result {
    need_terminal()?;
    let session = Session::open(&command.machines)?;
    let show = Show::Shell {
        verbose: command.verbose,
    };
    let stream = Stream::begin(&session, &command.file, show)?;
    let plan = super::run::plan(&session, &stream, &command.selection, &command.file)
        .and_then(Planned::whole);
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return Ok(stream.fail(&error).kind),
    };
    shell(&session, stream, &plan, command.output.as_deref())
}

/// Opens a shell for the one test of a plan.
pub fn planned(session: &Session, file: &Path, plan: &Plan, output: Option<&Path>) -> Result {
    need_terminal()?;
    let stream = Stream::begin(session, file, Show::Shell { verbose: false })?;
    shell(session, stream, plan, output)
}

/// A shell is of no use without one.
pub fn need_terminal() -> Result<()> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(
        CliError::unusable("an interactive shell needs a terminal on standard input and output")
            .hint("`snowglobe run` runs a test's script without one"),
    )
}

fn shell(session: &Session, stream: Stream, plan: &Plan, output: Option<&Path>) -> Result {
    let test = match only(plan) {
        Ok(test) => test,
        Err(error) => return Ok(stream.fail(&error).kind),
    };
    let how = How {
        mode: Mode::Interactive,
        output,
        history: Some(session.workshop.places.state.join("history")),
        capture: false,
        wish: None,
    };
    let result = with_terminal(|| execute(session, &stream, plan, test, how));
    let ended = match result {
        Ok(outcome) => stream.end(outcome),
        Err(error) => stream.fail(&error),
    };
    room::tidy(session);
    Ok(ended.kind)
}

/// Does something that may end without putting the terminal's settings back.
pub fn with_terminal<T>(body: impl FnOnce() -> T) -> T {
    let before = Terminal::look();
    let result = body();
    before.restore();
    result
}

/// The one test of a plan.
pub fn only(plan: &Plan) -> Result<&Test> {
    match plan.tests.as_slice() {
        [test] => Ok(test),
        tests => {
            let names: Vec<String> = tests.iter().map(|test| test.attr_path.join(".")).collect();
            let error = CliError::unusable(format!("the file holds {} tests", tests.len()));
            Err(error.hint(format!("choose one with -A: {}", names.join(", "))))
        }
    }
}

/// Settings of our terminal: a shell that was killed does not put them back.
struct Terminal(Option<rustix::termios::Termios>);

impl Terminal {
    fn look() -> Self {
        Self(rustix::termios::tcgetattr(std::io::stdin()).ok())
    }

    fn restore(&self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(settings) = &self.0 {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, settings);
        }
    }
}
