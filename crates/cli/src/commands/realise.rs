//! `snowglobe realise`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use snowglobe_machines::Boot;

use super::eval::say;
use crate::arguments::{Machines, Selection};
use crate::error::{CliError, Kind, Result};
use crate::prepare::Factory;
use crate::room;
use crate::session::Session;
use crate::workshop::{absolute_file, check_syntax};

/// `realise`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  snowglobe realise test.nix\n  snowglobe realise all.nix -A login --json\n\nPrints what each machine boots: kernel, initial RAM disk, and the layers of its file system, lowest first."
)]
pub struct Realise {
    /// Test files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Which tests, and with what arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// Do not use the network on the host
    #[arg(long)]
    pub offline: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Makes images of all machines.
pub fn run(command: &Realise) -> Result {
    let machines = Machines {
        offline: command.offline,
        ..Machines::default()
    };
    let session = Session::open(&machines)?;
    session.reporter.speak();
    let mut tests = Vec::new();
    let mut text = String::new();
    for file in &command.files {
        // A state of the archives that cannot be had is no fault of the test.
        check_syntax(&absolute_file(file)?)?;
        session.workshop.snapshot()?;
        let plan = session
            .workshop
            .plan(file, &command.selection, Box::new(say))?
            .whole()?;
        let factory = Factory::new(&session.workshop, &plan.archive, session.reporter.clone())?
            .stop(&session.interrupt);
        for test in &plan.tests {
            session.interrupt.check()?;
            let tools = factory.tools(test.enable_ocr)?;
            let prepared = factory.prepare(&plan, test)?;
            text.push_str(&format!("{}\n", test.name));
            for (node, boot) in &prepared.boots {
                text.push_str(&format!("  {node}\n"));
                for (word, path) in parts(boot) {
                    text.push_str(&format!("    {word:<7} {}\n", path.display()));
                }
            }
            let nodes: serde_json::Map<_, _> = prepared
                .boots
                .iter()
                .map(|(node, boot)| {
                    let value = json!({
                        "kernel": boot.kernel,
                        "initrd": boot.initrd,
                        "commandLine": boot.command_line,
                        "layers": boot.layers,
                    });
                    (node.clone(), value)
                })
                .collect();
            tests.push(json!({
                "name": test.name,
                "attrPath": test.attr_path,
                "archive": plan.archive,
                "tools": tools.layers(),
                "nodes": nodes,
            }));
        }
    }
    room::tidy(&session);
    if command.json {
        text = serde_json::to_string_pretty(&tests).map_err(CliError::environment)? + "\n";
    }
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(Kind::Passed),
    }
}

fn parts(boot: &Boot) -> Vec<(&'static str, &PathBuf)> {
    let mut parts = vec![("kernel", &boot.kernel)];
    parts.extend(boot.initrd.iter().map(|path| ("initrd", path)));
    parts.extend(boot.layers.iter().map(|path| ("layer", path)));
    parts
}
