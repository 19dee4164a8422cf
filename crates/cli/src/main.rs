//! The `snowglobe` command.

mod arguments;
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

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    match commands::run(arguments) {
        Ok(kind) => kind.into(),
        Err(error) => {
            error.print();
            error.kind.into()
        }
    }
}
