//! One test, from its plan to its outcome.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use snowglobe_driver::{Check, HostTools, Mode, RunConfig, Tools, check_script};
use snowglobe_events::{Kind as EventKind, Outcome, Phase};
use snowglobe_machines::{Accelerator, Host, ProbeInput, Request, choose};
use snowglobe_plan::{Plan, Test};
use snowglobe_world::{Parts, Policy, SandboxTools, World};

use crate::arguments::Accel;
use crate::error::{CliError, Result, chain};
use crate::prepare::Factory;
use crate::session::Session;
use crate::stream::{Stream, phase};

/// Limits of time are so many times longer when machines are emulated.
const TCG_SCALE: f64 = 4.0;

/// What to do with a test.
pub struct How<'a> {
    /// Run its script, or open a shell.
    pub mode: Mode,
    /// Where its script writes; in the run folder if nothing is said.
    pub output: Option<&'a Path>,
    /// Where a shell keeps what was typed.
    pub history: Option<PathBuf>,
}

/// Checks the script of a test, makes its machines, and runs it.
pub fn execute(
    session: &Session,
    stream: &Stream,
    plan: &Plan,
    test: &Test,
    how: How<'_>,
) -> Result<Outcome> {
    let scope = stream.sink.scope();
    let workshop = &session.workshop;
    let interactive = how.mode == Mode::Interactive;
    for warning in &test.warnings {
        scope.emit(EventKind::Warning {
            message: warning.clone(),
            hints: Vec::new(),
        });
    }
    // What was run, beside what happened.
    fs::write(stream.directory.join("script.py"), &test.script.text)?;
    let plan_text = serde_json::to_vec_pretty(test).map_err(CliError::environment)?;
    fs::write(stream.directory.join("plan.json"), plan_text)?;
    let factory = Factory::new(workshop, session.reporter.clone())?;
    let tools = factory.tools(test.enable_ocr)?;
    let driver_tools: Arc<dyn Tools> = match HostTools::from_env() {
        Some(host) => Arc::new(host),
        None => {
            let identity = workshop.snapshot()?.id().to_owned();
            let layers = tools.layers().to_vec();
            Arc::new(SandboxTools::new(layers, workshop.store.clone(), identity))
        }
    };
    // A mistake in the script is told before anything is built for it.
    scope.emit(snowglobe_driver::planned(test, 1.0));
    let check = Check {
        test,
        tools: driver_tools.as_ref(),
        cache_dir: &workshop.places.cache,
        python_path: &[],
        visible: &[],
    };
    // Packages for the script have to be built first. At a shell a script may be unfinished.
    let early = test.script.python_packages.is_empty() && !interactive;
    if early && !check_script(&check, &scope).map_err(|e| CliError::environment(chain(&e)))? {
        return Ok(Outcome::Failed);
    }
    session.interrupt.check()?;
    let prepared = phase(&scope, Phase::Build, || factory.prepare(plan, test))?;
    session.interrupt.check()?;

    let machine_tools = snowglobe_machines::Tools::from_environment(tools.layers().to_vec());
    let kernel = factory
        .images()
        .kernel()
        .map_err(crate::prepare::image_error)?;
    let input = ProbeInput {
        tools: &machine_tools,
        kernel: &kernel,
        cache: &workshop.places.cache,
    };
    let request = match session.machines.accel {
        _ if test.force_accel => Request::Kvm,
        Accel::Auto => Request::Auto,
        Accel::Kvm => Request::Kvm,
        Accel::Tcg => Request::Tcg,
    };
    let choice = choose(request, &input).map_err(|e| CliError::environment(chain(&e)))?;
    let emulated = choice.accelerator == Accelerator::Tcg;
    scope.emit(EventKind::Accelerator {
        accelerator: match choice.accelerator {
            Accelerator::Kvm => snowglobe_events::Accelerator::Kvm,
            Accelerator::Tcg => snowglobe_events::Accelerator::Tcg,
        },
        why: choice.reason.clone(),
    });
    let host = Host::new(machine_tools, choice).map_err(|e| CliError::environment(chain(&e)))?;
    let host = Arc::new(host);

    let out_dir = match how.output {
        Some(output) => std::path::absolute(output)?,
        None => stream.directory.join("out"),
    };
    fs::create_dir_all(&out_dir)?;
    let machine_dir = stream.directory.join("state");
    let policy = if session.machines.cold {
        Policy::cold("boots cold: --cold")
    } else {
        Policy::warm(workshop.places.cache.join("snapshots"))
    };
    if interactive {
        // From here on the shell decides what Ctrl-C means.
        session.interrupt.leave_to_shell();
    }
    let config = RunConfig {
        test: test.clone(),
        mode: how.mode,
        run_dir: stream.directory.clone(),
        out_dir,
        cache_dir: workshop.places.cache.clone(),
        sink: stream.sink.clone(),
        cancel: session.cancel.child(),
        tools: driver_tools,
        time_scale: if emulated { TCG_SCALE } else { 1.0 },
        keep_state: false,
        python_path: Vec::new(),
        visible: prepared
            .visible
            .iter()
            .map(|path| (path.clone(), false))
            .collect(),
        skip_checks: early,
        capture: None,
        resume: None,
        history: how.history,
    };
    let outcome = snowglobe_driver::run(config, |observer| {
        let world = World::new(Parts {
            test,
            boots: prepared.boots,
            host,
            directory: &machine_dir,
            internet: session.machines.internet,
            policy,
            observer,
        })?;
        Ok(Arc::new(world))
    });
    // Disks are large, and a finished run has no use for them.
    let _ = fs::remove_dir_all(&machine_dir);
    outcome.map_err(|e| CliError::environment(chain(&e)))
}
