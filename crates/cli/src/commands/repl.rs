//! `snowglobe repl`.

mod editor;
mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use snowglobe_archive::Silent;
use snowglobe_nix::{Options, evaluate};

use crate::arguments::Selection;
use crate::error::{Kind, Result};
use crate::workshop::{Workshop, arguments};

/// `repl`.
#[derive(Args, Debug)]
pub struct Repl {
    /// Files to load: their attributes come into scope; a test has `driver`, `nodes` and the like
    pub files: Vec<PathBuf>,
    /// Selection and arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// Print what traceVerbose says
    #[arg(long)]
    pub trace_verbose: bool,
}

/// Reads, evaluates and prints until the user has enough.
pub fn run(command: &Repl) -> Result {
    let workshop = Workshop::open(false, Arc::new(Silent))?;
    let here = std::env::current_dir()?;
    let session = workshop.session(&command.selection, &here, Box::new(super::eval::say));
    // While a line is read, Ctrl-C is a key; while one is evaluated, it is a signal.
    let interrupt = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, interrupt.clone())?;
    let options = Options {
        trace_verbose: command.trace_verbose,
        base_path: here.display().to_string(),
        interrupt: Some(interrupt),
        pipe_operators: true,
        ..Options::default()
    };
    let given = arguments(&command.selection)?;
    let history = workshop.places.state.join("repl-history");
    evaluate(&session, options, |nix| {
        let given = match snowglobe_evaluate::arguments(nix, &given) {
            Ok(given) => given,
            Err(fault) => {
                let error = nix.report(fault);
                return Err(crate::workshop::evaluation_error(
                    &error,
                    command.selection.show_trace,
                ));
            }
        };
        session::Interactive::new(nix, &session, command, given).run(&history)
    })??;
    Ok(Kind::Passed)
}
