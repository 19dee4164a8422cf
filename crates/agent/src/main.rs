//! One program, two lives: `/init` of the initrd, then the agent.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    match command.as_deref() {
        Some("serve") => snowglobe_agent::service::serve_machine(),
        Some("--version") => {
            println!("snowglobe-agent {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        _ if std::process::id() == 1 => snowglobe_agent::init::run(),
        _ => {
            eprintln!(
                "snowglobe-agent runs as the first process of a machine, or with 'serve' in one"
            );
            ExitCode::FAILURE
        }
    }
}
