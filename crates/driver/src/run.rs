//! A run from its plan to its end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use snowglobe_events::{
    Address, Command, Frame, Kind, MachineInfo, Outcome, Phase, Scope, Sink, Text,
};
use snowglobe_plan::Test;

use crate::check::{Check, check_script};
use crate::error::RunError;
use crate::locate::ScriptMap;
use crate::methods::{CHECKPOINTS, micros};
use crate::script::{End, Place, ScriptProcess, Setup, ensure_package};
use crate::session::{Feed, Session, lock};
use crate::tools::Tools;
use crate::world::{Exec, Fault, Observer, World};
use crate::{Cancel, Limit, evidence};

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

/// The event that begins a stream.
pub fn started(title: &str, file: Option<String>) -> Kind {
    Kind::RunStarted {
        format: snowglobe_events::FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: title.to_owned(),
        file,
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
struct Part {
    scope: Scope,
    phase: Phase,
    span: snowglobe_events::SpanId,
}

impl Part {
    fn begin(scope: &Scope, phase: Phase) -> Self {
        let span = scope.open(Kind::PhaseStarted { phase });
        Self {
            scope: scope.clone(),
            phase,
            span,
        }
    }

    fn inside(&self) -> Scope {
        self.scope.within(Some(self.span))
    }

    fn end(self, ok: bool, note: Option<String>) {
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

/// What a person wants of a machine, instead of running a script.
pub struct Wish {
    /// Its name.
    pub machine: String,
    /// A command; a shell on our terminal if there is none.
    pub command: Option<String>,
    /// How the command ended, afterwards.
    pub status: Option<i32>,
}

/// Starts all machines of a test and does what a person wants of one; then ends them. Events are as
/// those of [`run`].
///
/// # Errors
///
/// When the machine does not exist, does not start or does not answer.
pub fn visit(
    config: &RunConfig,
    wish: &mut Wish,
    make_world: impl FnOnce(
        Arc<dyn Observer>,
    ) -> Result<Arc<dyn World>, Box<dyn std::error::Error + Send + Sync>>,
) -> Result<Outcome, RunError> {
    let root = config.sink.scope();
    root.emit(planned(&config.test, config.time_scale));
    let part = Part::begin(&root, Phase::Boot);
    let feed = Arc::new(Feed::new(config.sink.clone()));
    let world = make_world(feed.clone()).map_err(RunError::World)?;
    let map = ScriptMap::new(&config.test.script);
    let session = open(config, &world, feed, map, part.inside());
    let limit = Limit::new(Some(session.scaled(VISIT)), &session.cancel);
    let faults = world.start_all(&limit);
    let fault = faults.into_iter().find(|(name, _)| *name == wish.machine);
    let agent = match (fault, session.machine(&wish.machine)) {
        (Some((_, fault)), _) => Err(fault),
        (None, Ok(handle)) => handle.machine.agent(&limit),
        (None, Err(_)) => Err(Fault::failed("there is no such machine")),
    };
    part.end(agent.is_ok(), None);
    let part = Part::begin(&root, Phase::Script);
    let result = agent.and_then(|agent| {
        let _control = crate::control::listen(&session);
        let limit = Limit::new(None, &session.cancel);
        match &wish.command {
            Some(command) => {
                let exec = Exec {
                    command: command.clone(),
                    ..Exec::default()
                };
                let status = agent.exec(&exec, &limit, &mut crate::attend::copy)?;
                wish.status = Some(status);
            }
            None => {
                let term = std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
                let pty = agent.pty(None, crate::attend::terminal_size(), &term)?;
                crate::attend::attend(pty.as_ref(), &limit)
                    .map_err(|error| Fault::failed(error.to_string()))?;
            }
        }
        Ok(())
    });
    part.end(result.is_ok(), None);
    session.cancel.cancel();
    let part = Part::begin(&root, Phase::CleanUp);
    world.release();
    part.end(true, None);
    match result {
        _ if config.cancel.is_cancelled() => Ok(Outcome::Cancelled),
        Ok(()) => Ok(Outcome::Passed),
        Err(fault) => Err(RunError::World(Box::new(fault))),
    }
}

/// Seconds that the machines of a visit may take to answer.
const VISIT: f64 = 300.0;

/// What all requests share, with every machine of the world.
fn open(
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

/// What an end of the script means, and the failure to tell.
fn judge(session: &Session, end: End, elapsed: Duration) -> (Outcome, Option<Kind>) {
    match end {
        End::Passed => (Outcome::Passed, None),
        End::Raised(told) => (Outcome::Failed, Some(raised(session, &told))),
        End::Died(exit) => {
            let message =
                format!("the script's Python process {exit} before the script was at its end");
            let hints =
                vec!["the script, or something that it imports, ended the process".to_owned()];
            (
                Outcome::Failed,
                Some(stopped("ScriptDied", message, Place::default(), hints)),
            )
        }
        End::Broken(why) => {
            let message = format!("the script's Python process cannot be spoken to: {why}");
            (
                Outcome::Failed,
                Some(stopped("ScriptDied", message, Place::default(), Vec::new())),
            )
        }
        End::TimedOut(place) => {
            let limit = session.global_limit.as_secs_f64();
            let message = format!(
                "the test did not end within its global time limit of {limit:.0} s{}",
                under_way(&place)
            );
            let hints = vec![
                "`globalTimeout` of the test sets the limit; the calls above it tell where the time went"
                    .to_owned(),
            ];
            (
                Outcome::TimedOut,
                Some(stopped("Timeout", message, place, hints)),
            )
        }
        End::Cancelled(place) => {
            let message = format!(
                "stopped by the user after {:.1} s{}",
                elapsed.as_secs_f64(),
                under_way(&place)
            );
            (
                Outcome::Cancelled,
                Some(stopped("Cancelled", message, place, Vec::new())),
            )
        }
    }
}

/// What was being waited for.
fn under_way(place: &Place) -> String {
    match place.calls.as_slice() {
        [] => "; it was not waiting for a machine".to_owned(),
        calls => format!("; it was in {}", calls.join(", ")),
    }
}

fn stopped(class: &str, message: String, place: Place, hints: Vec<String>) -> Kind {
    failure(class, message, place.frames, None, Vec::new(), hints, None)
}

fn failure(
    class: &str,
    message: String,
    frames: Vec<Frame>,
    command: Option<Box<Command>>,
    subtests: Vec<String>,
    hints: Vec<String>,
    details: Option<String>,
) -> Kind {
    Kind::Failure {
        class: class.to_owned(),
        message,
        location: frames.last().map(|frame| frame.location.clone()),
        frames,
        command,
        subtests,
        hints,
        details,
    }
}

/// What a kernel that ended says of its end on its console.
fn last_words(console: &str) -> Option<&str> {
    let lines = console.lines().rev();
    let mut lines = lines.take(500).filter(|line| !line.contains("---[ end"));
    lines.find_map(|line| line.find("Kernel panic - ").map(|at| line[at..].trim_end()))
}

/// An exception that ended the script.
fn raised(session: &Session, told: &Map<String, Value>) -> Kind {
    let text = |name: &str| told.get(name).and_then(Value::as_str);
    let frames: Vec<(u32, String)> = told
        .get("frames")
        .cloned()
        .and_then(|frames| serde_json::from_value(frames).ok())
        .unwrap_or_default();
    let class = text("class").unwrap_or("Exception");
    let mut message = text("message").unwrap_or_default().to_owned();
    let frames = session.frames(&frames);
    // A bare `assert` says nothing: its condition does.
    if message.is_empty()
        && let Some(frame) = frames.last()
    {
        message = frame.location.source.trim().to_owned();
    }
    let command = text("command").map(|command| {
        Box::new(Command {
            machine: text("about").unwrap_or_default().to_owned(),
            command: command.to_owned(),
            status: told
                .get("status")
                .and_then(Value::as_i64)
                .and_then(|s| s.try_into().ok()),
            stdout: Text::new(text("stdout").unwrap_or_default()),
            stderr: Text::new(text("stderr").unwrap_or_default()),
        })
    });
    let mut hints = Vec::new();
    if command
        .as_ref()
        .is_some_and(|command| command.status == Some(124))
    {
        hints.push("status 124 means that the command's time limit was reached".to_owned());
    }
    if command
        .as_ref()
        .is_some_and(|command| command.status == Some(127))
    {
        hints.push(
            "status 127 means that a program was not found: is its package in \
             `environment.systemPackages`?"
                .to_owned(),
        );
    }
    if message.starts_with("action timed out")
        && let Some(wait) = lock(&session.in_vain).take()
    {
        hints.insert(0, wait);
    }
    if class == "MachineError"
        && let Some(machine) = text("about")
        && let Some(words) = last_words(&session.feed.console_of(machine).text())
    {
        hints.push(format!("the console of '{machine}' says: {words}"));
    }
    let requested = told
        .get("requested")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    // The traceback tells something when the error came from below the script's own lines.
    let details = text("traceback").filter(|_| !requested).map(str::to_owned);
    let mut subtests = lock(&session.left).clone();
    subtests.reverse();
    failure(class, message, frames, command, subtests, hints, details)
}

#[cfg(test)]
mod tests {
    use super::last_words;

    #[test]
    fn a_panic_is_found_on_the_console() {
        let console = "[    0.0] Command line: panic=1\n[  168.7] Kernel panic - not syncing: sysrq triggered crash\n\
                       [  168.8]  panic+0x118/0x2db\n[  169.0] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---\n";
        assert_eq!(
            last_words(console),
            Some("Kernel panic - not syncing: sysrq triggered crash")
        );
        assert_eq!(last_words("[    0.0] Command line: panic=1\nlogin: "), None);
    }
}
