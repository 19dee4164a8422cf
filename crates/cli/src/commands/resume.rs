//! `snowglobe resume`.

use clap::Args;
use snowglobe_report::runs;

use super::interactive::{need_terminal, with_terminal};
use crate::captured::{Captured, latest};
use crate::error::{CliError, Result};
use crate::execute::resume;
use crate::places::Places;
use crate::room;
use crate::session::Session;
use crate::stream::{Show, Stream};

/// `resume`.
#[derive(Args, Clone, Debug, Default)]
#[command(
    after_help = "Examples:\n  snowglobe resume                  # the latest run that failed\n  snowglobe resume login            # the latest run of the test login\n  >>> machine.shell_interact()      # look around in the machine as the failing call left it\n  >>> checkpoint(\"here\")            # to try several things from here: restore(\"here\")\n\nA run can be resumed as often as one likes: what is done here does not change what was saved."
)]
pub struct Resume {
    /// Name of a run (`snowglobe runs`), path of its folder, or a test's name; default: the latest that can be resumed
    #[arg(value_name = "RUN")]
    pub name: Option<String>,
    /// Show what machines write to their consoles
    #[arg(short, long)]
    pub verbose: bool,
}

/// Opens a shell with the machines of a failed run as they were when it failed.
pub fn run(command: &Resume) -> Result {
    need_terminal()?;
    let folder = Places::from_environment()?.runs();
    let nothing = || {
        CliError::unusable("no run was kept that can be resumed").hint(
            "a run that fails keeps its machines, unless --no-capture is given; the latest ones are kept",
        )
    };
    // A test's name means a run of it that failed, not one that resumed it since.
    let titled = latest(&folder, command.name.as_deref())?;
    let found = match (titled, command.name.as_deref()) {
        (Some(run), _) => run,
        (None, None) => return Err(nothing()),
        (None, word) => runs::find(&folder, word).map_err(|e| {
            CliError::unusable(e).hint("`snowglobe runs` lists the runs that were kept")
        })?,
    };
    let Some(captured) = Captured::read(&found.path)? else {
        return Err(CliError::unusable(format!(
            "the machines of the run {} were not kept",
            found.name()
        ))
        .hint("only those of the latest runs that failed are, and only without --no-capture"));
    };
    let session = Session::open(&captured.machines())?;
    let show = Show::Shell {
        verbose: command.verbose,
    };
    let file = found.file.clone().unwrap_or_else(|| found.title.clone());
    let stream = Stream::begin(&session, file.as_ref(), show)?;
    anstream::eprintln!(
        "the machines of {} as they were when it failed:",
        found.name()
    );
    anstream::eprintln!("  {}", captured.failure);
    let result = with_terminal(|| resume(&session, &stream, &captured, None));
    let ended = match result {
        Ok(outcome) => stream.end(outcome),
        Err(error) => stream.fail(&error),
    };
    room::tidy(&session);
    Ok(ended.kind)
}
