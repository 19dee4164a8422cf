//! One file a command.

pub mod build;
pub mod cache;
pub mod compat;
pub mod conformance;
pub mod doctor;
pub mod driver;
pub mod eval;
pub mod instantiate;
pub mod interactive;
pub mod lint;
pub mod list;
pub mod man;
mod parse;
pub mod realise;
pub mod repl;
pub mod report;
pub mod resume;
pub mod run;
pub mod runs;
pub mod shell;
mod update;

use std::io::Write;

use clap::CommandFactory;

use crate::arguments::{Arguments, Command};
use crate::error::{Kind, Result};

/// Does what the command line says.
pub fn run(arguments: Arguments) -> Result {
    match arguments.command {
        Command::Run(command) => run::run(&command),
        Command::Interactive(command) => interactive::run(&command),
        Command::Resume(command) => resume::run(&command),
        Command::Shell(command) => shell::run(&command),
        Command::List(command) => list::run(&command),
        Command::Man(command) => man::run(&command),
        Command::Lint(command) => lint::run(&command),
        Command::Doctor(command) => doctor::run(&command),
        Command::Eval(command) => eval::run(&command),
        Command::Build(command) => build::run(&command),
        Command::Cache(command) => cache::run(&command),
        Command::Update => update::run(),
        Command::Realise(command) => realise::run(&command),
        Command::Compat(command) => compat::run(&command),
        Command::Instantiate(command) => instantiate::run(&command),
        Command::Driver(command) => driver::run(&command),
        Command::Parse(command) => parse::run(&command),
        Command::Report(command) => report::run(&command),
        Command::Runs(command) => runs::run(&command),
        Command::Repl(command) => repl::run(&command),
        Command::Conformance { what } => conformance::run(&what),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "snowglobe", &mut script);
            std::io::stdout().write_all(&script)?;
            Ok(Kind::Passed)
        }
    }
}
