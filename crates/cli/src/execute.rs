//! One test, from its plan to its outcome.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fs_err as fs;
use snowglobe_driver::{Check, HostTools, Mode, RunConfig, Tools, check_script};
use snowglobe_events::{Kind as EventKind, Outcome, Phase};
use snowglobe_images::Tools as ToolLayers;
use snowglobe_machines::{Accelerator, Boot, Host, ProbeInput, Request, choose};
use snowglobe_plan::{Plan, Test};
use snowglobe_report::Fold;
use snowglobe_world::{Parts, Policy, SandboxTools, World};

use crate::arguments::Accel;
use crate::captured::{self, Captured};
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
    /// Whether the machines are saved when the script fails.
    pub capture: bool,
}

/// What machines are made of, and what else a run needs to begin.
struct Made {
    boots: BTreeMap<String, Boot>,
    visible: Vec<PathBuf>,
    /// Whether the script has passed its checks.
    checked: bool,
    /// Machines that are put in place first.
    resume: Option<PathBuf>,
}

/// Programs that runs need on the host.
struct Programs {
    factory: Factory,
    tools: ToolLayers,
    driver: Arc<dyn Tools>,
}

impl Programs {
    /// `archive`: the archives' state that the plan was made with; empty: the one in use.
    fn new(session: &Session, archive: &str, test: &Test) -> Result<Self> {
        let workshop = &session.workshop;
        let factory =
            Factory::new(workshop, archive, session.reporter.clone())?.stop(&session.interrupt);
        let tools = factory.tools(test.enable_ocr)?;
        let driver: Arc<dyn Tools> = match HostTools::from_env() {
            Some(host) => Arc::new(host),
            None => {
                let identity = workshop.snapshot()?.id().to_owned();
                let layers = tools.layers().to_vec();
                Arc::new(SandboxTools::new(layers, workshop.store.clone(), identity))
            }
        };
        Ok(Self {
            factory,
            tools,
            driver,
        })
    }
}

/// What went wrong, in words.
fn failure(stream: &Stream) -> String {
    let words = || {
        let last = |fold: &Fold| fold.failures.last().map(captured::words);
        stream.watch.with(last)
    };
    // Whoever reads the events may be a little behind.
    for _ in 0..100 {
        if let Some(words) = words() {
            return words;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    String::new()
}

/// Opens a shell with the machines of a failed run.
pub fn resume(session: &Session, stream: &Stream, captured: &Captured) -> Result<Outcome> {
    let programs = Programs::new(session, "", &captured.test)?;
    let made = Made {
        boots: captured.boots.clone(),
        visible: captured.visible.clone(),
        checked: true,
        resume: Some(captured.folder.clone()),
    };
    let how = How {
        mode: Mode::Interactive,
        output: None,
        history: Some(session.workshop.places.state.join("history")),
        capture: false,
    };
    drive(session, stream, &captured.test, &programs, made, how)
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
    let programs = Programs::new(session, &plan.archive, test)?;
    // A mistake in the script is told before anything is built for it.
    scope.emit(snowglobe_driver::planned(test, 1.0));
    let check = Check {
        test,
        tools: programs.driver.as_ref(),
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
    let prepared = phase(&scope, Phase::Build, || {
        programs.factory.prepare(plan, test)
    })?;
    session.interrupt.check()?;
    let made = Made {
        boots: prepared.boots,
        visible: prepared.visible,
        checked: early,
        resume: None,
    };
    drive(session, stream, test, &programs, made, how)
}

/// Runs the script, or a shell, with machines of which everything is there.
fn drive(
    session: &Session,
    stream: &Stream,
    test: &Test,
    programs: &Programs,
    made: Made,
    how: How<'_>,
) -> Result<Outcome> {
    let scope = stream.sink.scope();
    let workshop = &session.workshop;
    let interactive = how.mode == Mode::Interactive;
    let layers = programs.tools.layers().to_vec();
    let machine_tools = snowglobe_machines::Tools::from_environment(layers);
    let kernel = programs
        .factory
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
    let record = how.capture.then(|| {
        let (boots, visible) = (&made.boots, &made.visible);
        let internet = session.machines.internet;
        Captured::new(test, boots, visible, internet, choice.accelerator)
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
        tools: programs.driver.clone(),
        time_scale: if emulated { TCG_SCALE } else { 1.0 },
        keep_state: false,
        python_path: Vec::new(),
        visible: made
            .visible
            .iter()
            .map(|path| (path.clone(), false))
            .collect(),
        skip_checks: made.checked,
        capture: record.as_ref().map(|_| captured::folder(&stream.directory)),
        resume: made.resume,
        history: how.history,
    };
    let outcome = snowglobe_driver::run(config, |observer| {
        let world = World::new(Parts {
            test,
            boots: made.boots,
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
    let outcome = outcome.map_err(|e| CliError::environment(chain(&e)))?;
    if let Some(record) = record
        && matches!(outcome, Outcome::Failed | Outcome::TimedOut)
    {
        // Nothing depends on it but `resume`.
        if let Err(error) = record.complete(&stream.directory, &failure(stream)) {
            scope.emit(EventKind::Warning {
                message: format!("this run cannot be resumed: {}", error.message),
                hints: Vec::new(),
            });
        }
    }
    Ok(outcome)
}
