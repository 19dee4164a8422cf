//! One test, from its plan to its outcome.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fs_err as fs;
use snowglobe_driver::{Check, HostTools, Mode, RunConfig, Tools, Wish, check_script};
use snowglobe_events::{Kind as EventKind, Outcome, Phase, Scope};
use snowglobe_images::Tools as ToolLayers;
use snowglobe_machines::{Accelerator, Boot, Host, ProbeInput, Request, choose};
use snowglobe_plan::{Plan, Test};
use snowglobe_report::Fold;
use snowglobe_world::{Parts, Policy, SandboxTools, World};

use crate::arguments::Accel;
use crate::captured::{self, Captured};
use crate::error::{CliError, Result, chain};
use crate::prepare::{Factory, ScriptPackages};
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
    /// What to do in one machine instead of either.
    pub wish: Option<&'a mut Wish>,
}

/// What machines are made of, and what else a run needs to begin.
struct Made {
    boots: BTreeMap<String, Boot>,
    visible: Vec<PathBuf>,
    /// Machines that are put in place first.
    resume: Option<PathBuf>,
}

/// Programs that runs need on the host.
struct Programs {
    factory: Factory,
    tools: ToolLayers,
    driver: Arc<dyn Tools>,
    /// Packages of Python that the script wants.
    packages: ScriptPackages,
}

impl Programs {
    /// With the packages that the script wants.
    fn new(session: &Session, scope: &Scope, plan: &Plan, test: &Test) -> Result<Self> {
        Self::with(session, test, &plan.archive, |factory| {
            if test.script.python_packages.is_empty() {
                return Ok(ScriptPackages::default());
            }
            phase(scope, Phase::Build, || factory.script_packages(plan, test))
        })
    }

    fn with(
        session: &Session,
        test: &Test,
        archive: &str,
        packages: impl FnOnce(&Factory) -> Result<ScriptPackages>,
    ) -> Result<Self> {
        let factory = Factory::new(&session.workshop, archive, session.reporter.clone())?;
        let factory = factory.stop(&session.interrupt);
        let tools = factory.tools(test.enable_ocr)?;
        let packages = packages(&factory)?;
        let driver = script_tools(session, &tools, &packages)?;
        Ok(Self {
            factory,
            tools,
            driver,
            packages,
        })
    }
}

/// What runs a script and its checkers: CPython of the tools layer, or of the host if the user says
/// so.
pub fn script_tools(
    session: &Session,
    tools: &ToolLayers,
    packages: &ScriptPackages,
) -> Result<Arc<dyn Tools>> {
    if let Some(host) = HostTools::from_env() {
        return Ok(Arc::new(host));
    }
    let workshop = &session.workshop;
    let identity = workshop.snapshot()?.id().to_owned();
    // The tools' own files come first.
    let mut layers = packages.layers.clone();
    layers.extend(tools.layers().iter().cloned());
    let store = workshop.store.clone();
    Ok(Arc::new(SandboxTools::new(layers, store, identity)))
}

/// Keeps others from the disks that are kept for a test.
fn lock_kept(folder: &Path) -> Result<fs::File> {
    fs::create_dir_all(folder)?;
    let lock = fs::File::create(folder.join(".lock"))?;
    if lock.try_lock().is_err() {
        let what = format!("another run uses the disks in {}", folder.display());
        return Err(CliError::environment(what).hint("wait for it, or run without --keep-state"));
    }
    Ok(lock)
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

/// Opens a Python shell with the machines of a failed run, or does what is wished in one of them.
pub fn resume(
    session: &Session,
    stream: &Stream,
    captured: &Captured,
    wish: Option<&mut Wish>,
) -> Result<Outcome> {
    // With the archives' state in use: nothing is made of it.
    let packages = |_: &Factory| Ok(captured.packages.clone());
    let programs = Programs::with(session, &captured.test, "", packages)?;
    let made = Made {
        boots: captured.boots.clone(),
        visible: captured.visible.clone(),
        resume: Some(captured.folder.clone()),
    };
    let how = How {
        mode: Mode::Interactive,
        output: None,
        history: Some(session.workshop.places.state.join("history")),
        capture: false,
        wish,
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
    let programs = Programs::new(session, &scope, plan, test)?;
    // A mistake in the script is told before any machine is built. At a shell it may be unfinished.
    scope.emit(snowglobe_driver::planned(test, 1.0));
    if !interactive {
        let check = Check {
            test,
            tools: programs.driver.as_ref(),
            cache_dir: &workshop.places.cache,
            python_path: &programs.packages.python_path,
            visible: &programs.packages.visible,
        };
        if !check_script(&check, &scope)? {
            return Ok(Outcome::Failed);
        }
    }
    session.interrupt.check()?;
    let prepared = phase(&scope, Phase::Build, || {
        programs.factory.prepare(plan, test)
    })?;
    session.interrupt.check()?;
    let made = Made {
        boots: prepared.boots,
        visible: prepared.visible,
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
        let packages = &programs.packages;
        Captured::new(test, boots, visible, packages, internet, choice.accelerator)
    });
    let host = Host::remembering(machine_tools, choice, &workshop.places.cache)
        .map_err(|e| CliError::environment(chain(&e)))?;
    let host = Arc::new(host);

    let out_dir = match how.output {
        Some(output) => std::path::absolute(output)?,
        None => stream.directory.join("out"),
    };
    fs::create_dir_all(&out_dir)?;
    let keep = session.machines.keep_state;
    let (machine_dir, _kept) = if keep {
        let folder = workshop.places.state.join("machines").join(&test.name);
        let lock = lock_kept(&folder)?;
        (folder, Some(lock))
    } else {
        (stream.directory.join("state"), None)
    };
    let policy = if keep {
        Policy::cold("boots from the disk that was kept: --keep-state")
    } else if session.machines.cold {
        Policy::cold("boots cold: --cold")
    } else {
        Policy::warm(workshop.places.cache.join("snapshots"))
    };
    if interactive && how.wish.is_none() {
        // From here on the shell decides what Ctrl-C means.
        session.interrupt.leave_to_shell();
    }
    let mut visible: BTreeMap<PathBuf, bool> = programs.packages.visible.iter().cloned().collect();
    visible.extend(made.visible.iter().map(|path| (path.clone(), false)));
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
        keep_state: keep,
        python_path: programs.packages.python_path.clone(),
        visible: visible.into_iter().collect(),
        // That was done before anything was built.
        skip_checks: true,
        capture: record.as_ref().map(|_| captured::folder(&stream.directory)),
        resume: made.resume,
        history: how.history,
    };
    let make_world = |observer| {
        let world = World::new(Parts {
            test,
            boots: made.boots,
            host,
            directory: &machine_dir,
            internet: session.machines.internet,
            policy,
            observer,
        })?;
        Ok(Arc::new(world) as Arc<dyn snowglobe_driver::World>)
    };
    let outcome = match how.wish {
        None => snowglobe_driver::run(config, make_world),
        Some(wish) => snowglobe_driver::visit(&config, wish, make_world),
    };
    if !keep {
        // Disks are large, and a finished run has no use for them.
        let _ = fs::remove_dir_all(&machine_dir);
    }
    let outcome = outcome?;
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
