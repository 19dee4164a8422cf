//! `snowglobe lint`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use snowglobe_driver::{Check, Finding, FindingKind, check};
use snowglobe_plan::{Plan, Test};
use snowglobe_report::{Paint, source_colors};

use crate::arguments::{Machines, Selection};
use crate::error::{Kind, Result};
use crate::execute::script_tools;
use crate::prepare::Factory;
use crate::search;
use crate::session::Session;
use crate::workshop::check_syntax;

/// `lint`.
#[derive(Args, Clone, Debug, Default)]
#[command(
    after_help = "Examples:\n  snowglobe lint test.nix\n  snowglobe lint tests/\n  snowglobe lint tests/ --json\n\nA script that was found to be fine is not checked again until it changes. `skipLint = true;` and\n`skipTypeCheck = true;` in a test turn a check off; --all checks all the same."
)]
pub struct Lint {
    /// Test files, or folders of them
    #[arg(required = true, value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
    /// Which tests, and with what arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// Also checks that the test turns off
    #[arg(long)]
    pub all: bool,
    /// Print JSON, one mistake a line
    #[arg(long)]
    pub json: bool,
    /// Do not use the network on the host
    #[arg(long)]
    pub offline: bool,
}

/// Checks scripts with pyflakes and mypy; no machine starts.
pub fn run(command: &Lint) -> Result {
    let session = Session::open(&Machines {
        offline: command.offline,
        ..Machines::default()
    })?;
    let mut worst = Kind::Passed;
    let mut checked = 0;
    let mut mistakes = 0;
    for file in search::files(&command.files)? {
        session.interrupt.check()?;
        let quiet = Box::new(|_| {});
        let plan = check_syntax(&file)
            .and_then(|()| session.workshop.plan(&file, &command.selection, quiet));
        let plan = match plan {
            Ok(planned) => {
                for error in &planned.unusable {
                    error.print();
                    worst = worst.max(error.kind);
                }
                mistakes += planned.unusable.len();
                planned.plan
            }
            Err(error) if error.kind == Kind::Unusable => {
                error.print();
                worst = worst.max(error.kind);
                mistakes += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        for test in &plan.tests {
            let found = one(&session, &plan, test, command.all)?;
            checked += 1;
            mistakes += found.len();
            for finding in &found {
                worst = worst.max(Kind::Unusable);
                tell(finding, command.json)?;
            }
        }
    }
    if !command.json {
        let scripts = if checked == 1 { "script" } else { "scripts" };
        match mistakes {
            0 => anstream::eprintln!("{checked} {scripts} checked, no mistakes"),
            1 => anstream::eprintln!("{checked} {scripts} checked, one mistake"),
            count => anstream::eprintln!("{checked} {scripts} checked, {count} mistakes"),
        }
    }
    Ok(worst)
}

fn one(session: &Session, plan: &Plan, test: &Test, all: bool) -> Result<Vec<Finding>> {
    let mut test = test.clone();
    if all {
        test.script.skip_lint = false;
        test.script.skip_type_check = false;
    }
    if test.script.skip_lint && test.script.skip_type_check {
        return Ok(Vec::new());
    }
    let workshop = &session.workshop;
    let factory = Factory::new(workshop, &plan.archive, session.reporter.clone())?;
    let packages = factory.script_packages(plan, &test)?;
    let tools = script_tools(session, &factory.tools(false)?, &packages)?;
    let checked = check(&Check {
        test: &test,
        tools: tools.as_ref(),
        cache_dir: &workshop.places.cache,
        python_path: &packages.python_path,
        visible: &packages.visible,
    })?;
    for warning in &checked.warnings {
        anstream::eprintln!("warning: {warning}");
    }
    Ok(checked.findings)
}

fn tell(finding: &Finding, json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        let line = serde_json::json!({
            "checker": match finding.kind {
                FindingKind::Lint => "pyflakes",
                FindingKind::Type => "mypy",
            },
            "file": finding.location.file,
            "line": finding.location.line,
            "scriptLine": finding.location.script_line,
            "column": finding.column,
            "message": finding.message,
        });
        writeln!(out, "{line}")?;
    } else {
        let text = source_colors(&finding.render(), Paint::for_stdout());
        writeln!(out, "{}", text.trim_end())?;
        writeln!(out)?;
    }
    Ok(())
}
