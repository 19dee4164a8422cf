//! `snowglobe driver`: what `bin/nixos-test-driver` of a built driver starts.

use std::path::PathBuf;

use clap::Args;
use fs_err as fs;
use snowglobe_plan::Plan;

use super::build::run_defaults;
use super::interactive;
use super::run::planned;
use crate::arguments::Machines;
use crate::error::{CliError, Result};
use crate::session::Session;

/// `driver`.
#[derive(Args, Clone, Debug, Default)]
pub struct Driver {
    /// The plan of a driver; default: that of ./result
    #[arg(
        long,
        value_name = "FILE",
        default_value = "result/share/snowglobe/plan.json"
    )]
    pub plan: PathBuf,
    /// Give a shell instead of running the script
    #[arg(short = 'I', long, overrides_with = "no_interactive")]
    pub interactive: bool,
    /// Run the script
    #[arg(long)]
    pub no_interactive: bool,
    /// Folder for what the script writes
    #[arg(short, long, value_name = "DIR")]
    pub output_directory: Option<PathBuf>,
    /// How machines run.
    #[command(flatten)]
    pub machines: Machines,
}

/// Runs the test of a plan, or lets the user drive its machines.
pub fn run(command: &Driver) -> Result {
    let text = fs::read(&command.plan).map_err(|error| {
        CliError::unusable(error).hint("`snowglobe build test.nix -A driver` makes a driver")
    })?;
    let plan: Plan = serde_json::from_slice(&text).map_err(|error| {
        CliError::unusable(format!(
            "{} is not a plan of this version: {error}",
            command.plan.display()
        ))
        .hint("build the driver again")
    })?;
    let session = Session::open(&command.machines)?;
    let title = PathBuf::from(plan.tests.first().map_or("test", |test| &test.name));
    if command.interactive && !command.no_interactive {
        let output = command.output_directory.as_deref();
        return interactive::planned(&session, &title, &plan, output);
    }
    let mut options = run_defaults();
    options.files = vec![title];
    // Who starts a driver wants it to run.
    options.rerun = true;
    options.output = command.output_directory.clone();
    planned(&session, &options, plan)
}
