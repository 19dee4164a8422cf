//! The `snowglobe` command.

mod amounts;
mod arguments;
mod builder;
mod captured;
mod commands;
mod downloads;
mod error;
mod execute;
mod interrupt;
mod many;
mod packages;
mod passed;
mod places;
mod prepare;
mod progress;
mod queue;
mod room;
mod search;
mod session;
mod stream;
mod workshop;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let program = words.next();
    let result = match commands::compat::called_as(program.as_deref()) {
        Some(name) => commands::compat::translate(name, words.collect()).and_then(|own| {
            let own = std::iter::once("snowglobe".into()).chain(own);
            commands::run(arguments::Arguments::parse_from(own))
        }),
        None => commands::run(arguments::Arguments::parse()),
    };
    match result {
        Ok(kind) => kind.into(),
        // As for a program that ends by SIGPIPE: `snowglobe list | head` is no failure.
        Err(error) if error.kind == error::Kind::Environment && error::nobody_reads() => {
            ExitCode::from(141)
        }
        Err(error) => {
            error.print();
            error.kind.into()
        }
    }
}
