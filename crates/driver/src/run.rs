//! A run from its plan to its end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use snowglobe_events::{Address, Kind, MachineInfo, Outcome, Phase, Scope, Sink};
use snowglobe_plan::Test;

use crate::check::{Check, check_script};
use crate::error::RunError;
use crate::locate::ScriptMap;
use crate::methods::{CHECKPOINTS, micros};
use crate::outcome::judge;
use crate::script::{ScriptProcess, Setup, ensure_package};
use crate::session::{Feed, Session, lock};
use crate::tools::Tools;
use crate::world::{Observer, World};
use crate::{Cancel, evidence};

/// What to do with a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Run its script.
    Test,
    /// Open a Python shell on the terminal, with the names that its script has. Ctrl-C reaches our
    /// process, too, and must not end it: the shell ends what it waits for.
    Interactive,
}

/// A run to be.
pub struct RunConfig {
    /// The test.
    pub test: Test,
    /// Test or shell.
    pub mode: Mode,
    /// The run folder; exists.
    pub run_dir: PathBuf,
    /// The script's output folder, below the run folder; exists. It is the script's working
    /// directory and `$out`, and the only one where its process may write.
    pub out_dir: PathBuf,
    /// The cache that all runs share.
    pub cache_dir: PathBuf,
    /// Where events go. `run-started` must be in it ([`started`]).
    pub sink: Sink,
    /// Stops the run.
    pub cancel: Cancel,
    /// Python and what reads screens.
    pub tools: Arc<dyn Tools>,
    /// By how much limits of time are longer on this host; 1 with hardware virtualisation.
    pub time_scale: f64,
    /// Whether the machines' disks are kept for the next run.
    pub keep_state: bool,
    /// Directories of the script's Python packages, as its process sees them.
    pub python_path: Vec<PathBuf>,
    /// What else the script's process sees, and whether it may write there: store paths.
    pub visible: Vec<(PathBuf, bool)>,
    /// Whether the script is neither linted nor type-checked.
    pub skip_checks: bool,
    /// Where all machines are saved when the script has failed; `None`: they are not.
    pub capture: Option<PathBuf>,
    /// Saved machines that are put in place before the script or the shell begins.
    pub resume: Option<PathBuf>,
    /// Folder in which a shell keeps what was typed.
    pub history: Option<PathBuf>,
}

/// The event that begins a stream: of a test, or of a person's session with its machines (`attended`).
pub fn started(title: &str, file: Option<String>, attended: bool) -> Kind {
    Kind::RunStarted {
        format: snowglobe_events::FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: title.to_owned(),
        file,
        attended,
    }
}

/// The event that tells what the plan says of a test.
pub fn planned(test: &Test, time_scale: f64) -> Kind {
    let machines = test
        .nodes
        .iter()
        .map(|node| MachineInfo {
            name: node.name.clone(),
            memory_mib: node.hardware.memory_mib,
            cores: node.hardware.cores,
            graphical: node.hardware.graphics,
            addresses: node
                .interfaces
                .iter()
                .map(|interface| Address {
                    interface: interface.name.clone(),
                    vlan: interface.vlan,
                    mac: interface.mac.clone(),
                })
                .collect(),
        })
        .collect();
    Kind::Planned {
        test: test.name.clone(),
        machines,
        vlans: test.vlans.clone(),
        script: test.script.text.clone(),
        limit: Some(micros(global_limit(test, time_scale))),
    }
}

/// Ends a stream, and the queues of its readers.
pub fn finish(sink: &Sink, outcome: Outcome) {
    sink.scope().emit(Kind::RunFinished {
        outcome,
        duration: sink.elapsed(),
    });
    sink.close();
}

fn global_limit(test: &Test, time_scale: f64) -> Duration {
    let limit = Duration::from_secs(test.global_timeout);
    Duration::try_from_secs_f64(limit.as_secs_f64() * time_scale.max(0.0)).unwrap_or(limit)
}

/// A phase as events.
pub(crate) struct Part {
    scope: Scope,
    phase: Phase,
    span: snowglobe_events::SpanId,
}

impl Part {
    pub fn begin(scope: &Scope, phase: Phase) -> Self {
        let span = scope.open(Kind::PhaseStarted { phase });
        Self {
            scope: scope.clone(),
            phase,
            span,
        }
    }

    pub fn inside(&self) -> Scope {
        self.scope.within(Some(self.span))
    }

    pub fn end(self, ok: bool, note: Option<String>) {
        self.scope.on(
            self.span,
            Kind::PhaseFinished {
                phase: self.phase,
                ok,
                note,
            },
        );
    }
}

/// Runs a test to its end: checks its script, lets `make_world` make the machines (none runs
/// yet), runs the script, and ends the machines. Everything that happens goes into the sink,
/// except `run-started` before and `run-finished` after ([`finish`]).
///
/// # Errors
///
/// When the test could not be run; a script that fails is an outcome.
pub fn run(
    config: RunConfig,
    make_world: impl FnOnce(
        Arc<dyn Observer>,
    ) -> Result<Arc<dyn World>, Box<dyn std::error::Error + Send + Sync>>,
) -> Result<Outcome, RunError> {
    let root = config.sink.scope();
    root.emit(planned(&config.test, config.time_scale));
    let interactive = config.mode == Mode::Interactive;
    let map = ScriptMap::new(&config.test.script);
    let package = ensure_package(&config.cache_dir, config.tools.as_ref())?;

    // Python starts and imports while the script is checked and the machines are made.
    let mut env = vec![
        ("out".to_owned(), config.out_dir.display().to_string()),
        ("HOME".to_owned(), "/homeless-shelter".to_owned()),
        ("TMPDIR".to_owned(), "/tmp".to_owned()),
        ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
    ];
    let mut visible = config.visible.clone();
    let mut history = None;
    if interactive {
        for name in ["TERM", "COLORTERM", "NO_COLOR"] {
            env.extend(std::env::var(name).map(|value| (name.to_owned(), value)));
        }
        // A shell without a memory is still a shell.
        if let Some(folder) = &config.history
            && std::fs::create_dir_all(folder).is_ok()
        {
            visible.push((folder.clone(), true));
            history = Some(folder.join("python"));
        }
    }
    let process = ScriptProcess::start(Setup {
        tools: config.tools.as_ref(),
        package: &package,
        out_dir: &config.out_dir,
        env,
        visible,
        interactive,
    })?;

    if !config.skip_checks && !interactive {
        let check = Check {
            test: &config.test,
            tools: config.tools.as_ref(),
            cache_dir: &config.cache_dir,
            python_path: &config.python_path,
            visible: &config.visible,
        };
        if !check_script(&check, &root)? {
            return Ok(Outcome::Failed);
        }
    }
    if config.cancel.is_cancelled() {
        return Ok(Outcome::Cancelled);
    }

    let part = Part::begin(&root, Phase::Boot);
    let feed = Arc::new(Feed::new(config.sink.clone()));
    let world = match make_world(feed.clone()) {
        Ok(world) => world,
        Err(error) => {
            part.end(false, None);
            return Err(RunError::World(error));
        }
    };
    part.end(true, None);

    let part = Part::begin(&root, Phase::Script);
    let session = open(&config, &world, feed, map, part.inside());
    let mut hello = hello(&session, &config.test, &config.python_path);
    if let Some(history) = history {
        hello["history"] = json!(history);
    }
    if let Some(saved) = &config.resume
        && let Err(fault) = crate::capture::resume(&session, saved, &config.cancel)
    {
        part.end(false, None);
        world.release();
        return Err(RunError::Resume(fault));
    }
    let _control = crate::control::listen(&session);
    let begin = Instant::now();
    let end = process.serve(&session, &hello);
    let (outcome, failure) = match end {
        Ok(end) => judge(&session, end, begin.elapsed()),
        Err(error) => {
            part.end(false, None);
            world.release();
            return Err(error);
        }
    };
    part.end(outcome.passed(), None);
    if let Some(failure) = failure {
        root.emit(failure);
    }

    let part = Part::begin(&root, Phase::CleanUp);
    if matches!(outcome, Outcome::Failed | Outcome::TimedOut) {
        // Before anybody looks at them: looking changes them.
        if let Some(folder) = &config.capture {
            crate::capture::take(&session, folder, &part.inside(), &config.cancel);
        }
        evidence::take(&session, &part.inside(), &config.cancel);
    }
    session.cancel.cancel();
    lock(&session.captures).clear();
    world.release();
    // Nothing of a run that has ended can go back, but what was saved may be built on them.
    if !config
        .capture
        .as_ref()
        .is_some_and(|folder| folder.exists())
    {
        let _ = std::fs::remove_dir_all(session.run_dir.join(CHECKPOINTS));
    }
    part.end(true, None);
    Ok(outcome)
}

/// What all requests share, with every machine of the world.
pub(crate) fn open(
    config: &RunConfig,
    world: &Arc<dyn World>,
    feed: Arc<Feed>,
    map: ScriptMap,
    scope: Scope,
) -> Arc<Session> {
    let session = Arc::new(Session {
        world: world.clone(),
        tools: config.tools.clone(),
        scope,
        run_dir: config.run_dir.clone(),
        out_dir: config.out_dir.clone(),
        scale: config.time_scale,
        cancel: config.cancel.child(),
        map,
        ocr: config.test.enable_ocr,
        keep_state: config.keep_state,
        interactive: config.mode == Mode::Interactive,
        global_limit: global_limit(&config.test, config.time_scale),
        clock: Mutex::default(),
        machines: Mutex::default(),
        feed,
        calls: Mutex::default(),
        spans: Mutex::default(),
        left: Mutex::default(),
        in_vain: Mutex::default(),
        captures: Mutex::default(),
        checkpoints: Mutex::default(),
    });
    for machine in world.machines() {
        let node = config
            .test
            .nodes
            .iter()
            .find(|node| node.name == machine.name());
        let vlan = node
            .and_then(|node| node.interfaces.first())
            .map(|card| card.vlan);
        let graphical = node.is_some_and(|node| node.hardware.graphics);
        session.add(machine, vlan, graphical);
    }
    session
}

/// What the script's process has to know.
fn hello(session: &Session, test: &Test, python_path: &[PathBuf]) -> Value {
    let machines: Vec<Value> = session
        .all_machines()
        .iter()
        .map(|handle| {
            let mut machine = json!({
                "name": handle.machine.name(),
                "keepState": session.keep_state,
            });
            if let Some(directory) = handle.machine.state_dir() {
                machine["stateDir"] = json!(directory);
            }
            machine
        })
        .collect();
    json!({
        "script": test.script.text,
        "machines": machines,
        "aliases": crate::check::host_aliases(test).into_iter().collect::<BTreeMap<_, _>>(),
        "vlans": test.vlans,
        "outDir": session.out_dir,
        "interactive": session.interactive,
        "packages": python_path,
        "scale": session.scale,
        "config": {"name": test.name, "vlans": test.vlans, "global_timeout": test.global_timeout},
    })
}
