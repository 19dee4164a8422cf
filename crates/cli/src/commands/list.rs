//! `snowglobe list`.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use snowglobe_plan::Test;

use crate::arguments::Selection;
use crate::error::{Kind, Result};
use crate::progress::Reporter;
use crate::search;
use crate::workshop::Workshop;

/// `list`.
#[derive(Args, Clone, Debug, Default)]
#[command(
    after_help = "Examples:\n  snowglobe list tests/\n  snowglobe list all.nix\n  snowglobe list tests/ --json | jq -r .attr\n\nA folder is searched for *.nix files that mention `testScript`."
)]
pub struct List {
    /// Test files, or folders of them
    #[arg(value_name = "FILE|DIR", default_value = ".")]
    pub files: Vec<PathBuf>,
    /// Which tests, and with what arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// Print JSON, one test a line
    #[arg(long)]
    pub json: bool,
    /// Do not use the network on the host
    #[arg(long)]
    pub offline: bool,
}

/// Lists tests.
pub fn run(command: &List) -> Result {
    let workshop = Workshop::open(command.offline, Arc::new(Reporter::default()))?;
    let mut worst = Kind::Passed;
    let mut out = std::io::stdout().lock();
    for file in search::files(&command.files)? {
        let quiet = Box::new(|_| {});
        let plan = match workshop.plan(&file, &command.selection, quiet) {
            Ok(planned) => {
                for error in &planned.unusable {
                    error.print();
                    worst = worst.max(error.kind);
                }
                planned.plan
            }
            Err(error) if error.kind == Kind::Unusable => {
                error.print();
                worst = worst.max(error.kind);
                continue;
            }
            Err(error) => return Err(error),
        };
        for test in &plan.tests {
            let shown = file.display().to_string();
            if command.json {
                let line = json(&shown, test);
                writeln!(out, "{line}")?;
                continue;
            }
            let attr = match test.attr_path.as_slice() {
                [] => String::new(),
                path => format!(" -A {}", path.join(".")),
            };
            let machines: Vec<&str> = test.nodes.iter().map(|node| node.name.as_str()).collect();
            writeln!(
                out,
                "{shown}{attr}  {}  ({}; {} MiB)",
                test.name,
                match machines.as_slice() {
                    [] => "no machines".to_owned(),
                    names => names.join(", "),
                },
                memory(test)
            )?;
        }
    }
    Ok(worst)
}

fn memory(test: &Test) -> u64 {
    let nodes = test.nodes.iter();
    nodes.map(|node| u64::from(node.hardware.memory_mib)).sum()
}

fn json(file: &str, test: &Test) -> serde_json::Value {
    let machines = test.nodes.iter().map(|node| {
        serde_json::json!({
            "name": node.name,
            "memoryMib": node.hardware.memory_mib,
            "cores": node.hardware.cores,
        })
    });
    serde_json::json!({
        "file": file,
        "attr": test.attr_path.join("."),
        "name": test.name,
        "machines": machines.collect::<Vec<_>>(),
        "globalTimeout": test.global_timeout,
    })
}
