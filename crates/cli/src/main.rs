//! The `snowglobe` command.

mod arguments;
mod builder;
mod captured;
mod commands;
mod error;
mod execute;
mod interrupt;
mod packages;
mod passed;
mod places;
mod prepare;
mod progress;
mod session;
mod stream;
mod workshop;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let called = std::env::args_os().next().map(PathBuf::from);
    let result = if called.is_some_and(|path| path.ends_with("nix-instantiate")) {
        commands::conformance::nix_instantiate()
    } else {
        commands::run(arguments::Arguments::parse())
    };
    match result {
        Ok(kind) => kind.into(),
        Err(error) => {
            error.print();
            error.kind.into()
        }
    }
}
