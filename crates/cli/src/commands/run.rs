//! `snowglobe run`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use fs_err as fs;
use snowglobe_driver::{Cancel, Check, HostTools, Mode, RunConfig, Tools, check_script};
use snowglobe_evaluate::Note;
use snowglobe_events::{Event, Kind as EventKind, Outcome, Phase, Scope, Sink};
use snowglobe_machines::{Accelerator, Host, ProbeInput, Request, choose};
use snowglobe_plan::{Plan, Test};
use snowglobe_report::{Classic, JsonLines, Paint, RunFolder, Terminal, View, follow};
use snowglobe_world::{Parts, Policy, SandboxTools, World};

use crate::arguments::{Accel, LogFormat, Machines, Run};
use crate::error::{CliError, Kind, Result, chain};
use crate::interrupt::Interrupt;
use crate::prepare::Factory;
use crate::progress::Reporter;
use crate::workshop::{Workshop, check_syntax};

/// Limits of time are so many times longer when machines are emulated.
const TCG_SCALE: f64 = 4.0;

/// Runs the tests of all files, one after the other.
pub fn run(command: &Run) -> Result {
    let session = Session::open(&command.machines)?;
    let mut worst = Kind::Passed;
    let mut done = Vec::new();
    'files: for file in &command.files {
        let mut plan: Option<Plan> = None;
        let mut next = 0;
        loop {
            session.interrupt.check()?;
            let stream = Stream::begin(&session, command, file)?;
            let result = stream.one(&session, command, file, &mut plan, next);
            let (kind, name) = match result {
                Ok((outcome, name)) => {
                    let unusable = stream.unusable.clone();
                    stream.end(outcome);
                    (judge(outcome, unusable.load(Ordering::SeqCst)), name)
                }
                Err(error) => {
                    stream.fail(&error);
                    worst = worst.max(error.kind);
                    if command.fail_fast || error.kind == Kind::Interrupted {
                        break 'files;
                    }
                    break;
                }
            };
            done.push((name, kind));
            worst = worst.max(kind);
            next += 1;
            let tests = plan.as_ref().map_or(0, |plan| plan.tests.len());
            if kind == Kind::Interrupted || (command.fail_fast && kind != Kind::Passed) {
                break 'files;
            }
            if next >= tests * command.repeat.max(1) as usize {
                break;
            }
        }
    }
    if done.len() > 1 {
        summary(&done);
    }
    super::runs::tidy(&session.workshop.places.runs());
    Ok(worst)
}

/// One line for each test, after several.
fn summary(done: &[(String, Kind)]) {
    let passed = done
        .iter()
        .filter(|(_, kind)| *kind == Kind::Passed)
        .count();
    anstream::eprintln!();
    for (name, kind) in done {
        let word = if *kind == Kind::Passed {
            "pass"
        } else {
            "FAIL"
        };
        anstream::eprintln!("{word}  {name}");
    }
    anstream::eprintln!("{passed} of {} passed", done.len());
}

/// What all tests of one invocation share.
pub struct Session {
    workshop: Workshop,
    reporter: Arc<Reporter>,
    interrupt: Interrupt,
    cancel: Cancel,
    machines: Machines,
}

impl Session {
    /// Opens caches and listens for signals.
    pub fn open(machines: &Machines) -> Result<Self> {
        let reporter = Arc::new(Reporter::default());
        let workshop = Workshop::open(machines.offline, reporter.clone())?;
        let cancel = Cancel::new();
        let hook = cancel.clone();
        let interrupt = Interrupt::listen(move || hook.cancel())?;
        Ok(Self {
            workshop,
            reporter,
            interrupt,
            cancel,
            machines: machines.clone(),
        })
    }
}

/// The event stream of one run, its readers and its folder.
struct Stream {
    sink: Sink,
    directory: PathBuf,
    reader: std::thread::JoinHandle<()>,
    unusable: Arc<AtomicBool>,
}

/// Notices that a script did not pass its checks.
struct CheckFailed(Arc<AtomicBool>);

impl View for CheckFailed {
    fn event(&mut self, event: &Event) {
        if let EventKind::PhaseFinished {
            phase: Phase::Check,
            ok: false,
            ..
        } = event.kind
        {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

impl Stream {
    fn begin(session: &Session, command: &Run, file: &Path) -> Result<Self> {
        let title = file
            .file_stem()
            .map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        let directory = run_directory(&session.workshop.places.runs(), &title)?;
        let sink = Sink::new();
        let queue = sink.subscribe();
        let unusable = Arc::new(AtomicBool::new(false));
        let mut views: Vec<Box<dyn View>> = vec![Box::new(CheckFailed(unusable.clone()))];
        let folder = RunFolder::new(&directory).map_err(CliError::environment)?;
        let terminal = std::io::stderr().is_terminal();
        match command.log_format {
            LogFormat::Human => {
                let options = snowglobe_report::Options {
                    paint: Paint::for_stderr(),
                    live: terminal,
                    verbose: command.verbose,
                    run_dir: Some(directory.clone()),
                    width: 100,
                };
                views.push(Box::new(Terminal::new(std::io::stderr(), options)));
            }
            LogFormat::Classic => {
                views.push(Box::new(Classic::new(
                    std::io::stderr(),
                    Paint::for_stderr(),
                )));
            }
            LogFormat::Json => views.push(Box::new(JsonLines::new(std::io::stdout()))),
        }
        views.push(Box::new(folder));
        let reader = std::thread::Builder::new()
            .name("views".to_owned())
            .spawn(move || follow(&queue, &mut views))?;
        let shown = std::path::absolute(file)?.display().to_string();
        sink.scope()
            .emit(snowglobe_driver::started(&title, Some(shown)));
        session.reporter.attach(Some(sink.scope()));
        Ok(Self {
            sink,
            directory,
            reader,
            unusable,
        })
    }

    /// Ends the stream and waits for its readers.
    fn end(self, outcome: Outcome) {
        snowglobe_driver::finish(&self.sink, outcome);
        let _ = self.reader.join();
    }

    /// Ends the stream with what kept the test from being run.
    fn fail(self, error: &CliError) {
        if error.kind == Kind::Interrupted {
            return self.end(Outcome::Cancelled);
        }
        self.sink.scope().emit(error.event());
        self.end(Outcome::Errored);
    }

    /// Runs one test of a file: the plan is made first, if there is none.
    fn one(
        &self,
        session: &Session,
        command: &Run,
        file: &Path,
        plan: &mut Option<Plan>,
        number: usize,
    ) -> Result<(Outcome, String)> {
        let scope = self.sink.scope();
        let workshop = &session.workshop;
        if plan.is_none() {
            // Found without waiting for a download.
            if let Err(error) = check_syntax(file) {
                return phase(&scope, Phase::Evaluate, || Err(error));
            }
            let snapshot = phase(&scope, Phase::Fetch, || workshop.snapshot())?;
            drop(snapshot);
            let notes = scope.clone();
            let say = Box::new(move |note| tell(&notes, note));
            let made = phase(&scope, Phase::Evaluate, || {
                workshop.plan(file, &command.selection, say)
            })?;
            if made.tests.is_empty() {
                return Err(CliError::unusable(format!(
                    "{} holds no test",
                    file.display()
                )));
            }
            *plan = Some(made);
        }
        let plan = plan.as_ref().expect("made above");
        let test = &plan.tests[number % plan.tests.len()];
        let outcome = self.test(session, command, plan, test)?;
        Ok((outcome, test.name.clone()))
    }

    fn test(&self, session: &Session, command: &Run, plan: &Plan, test: &Test) -> Result<Outcome> {
        let scope = self.sink.scope();
        let workshop = &session.workshop;
        for warning in &test.warnings {
            scope.emit(EventKind::Warning {
                message: warning.clone(),
                hints: Vec::new(),
            });
        }
        // What was run, beside what happened.
        fs::write(self.directory.join("script.py"), &test.script.text)?;
        let plan_text = serde_json::to_vec_pretty(test).map_err(CliError::environment)?;
        fs::write(self.directory.join("plan.json"), plan_text)?;
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
        // Packages for the script have to be built first.
        let early = test.script.python_packages.is_empty();
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
        let host =
            Host::new(machine_tools, choice).map_err(|e| CliError::environment(chain(&e)))?;
        let host = Arc::new(host);

        let out_dir = match &command.output {
            Some(output) => std::path::absolute(output)?,
            None => self.directory.join("out"),
        };
        fs::create_dir_all(&out_dir)?;
        let machine_dir = self.directory.join("state");
        let policy = if session.machines.cold {
            Policy::cold("boots cold: --cold")
        } else {
            Policy::warm(workshop.places.cache.join("snapshots"))
        };
        let config = RunConfig {
            test: test.clone(),
            mode: Mode::Test,
            run_dir: self.directory.clone(),
            out_dir,
            cache_dir: workshop.places.cache.clone(),
            sink: self.sink.clone(),
            cancel: session.cancel.clone(),
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
}

/// What an outcome means for the exit status; `unchecked`: the script did not pass its checks.
fn judge(outcome: Outcome, unchecked: bool) -> Kind {
    match outcome {
        Outcome::Passed => Kind::Passed,
        Outcome::Failed if unchecked => Kind::Unusable,
        Outcome::Failed | Outcome::TimedOut => Kind::Failed,
        Outcome::Cancelled => Kind::Interrupted,
        Outcome::Errored => Kind::Environment,
    }
}

/// A part of a run as events.
fn phase<T>(scope: &Scope, phase: Phase, body: impl FnOnce() -> Result<T>) -> Result<T> {
    let span = scope.open(EventKind::PhaseStarted { phase });
    let result = body();
    scope.on(
        span,
        EventKind::PhaseFinished {
            phase,
            ok: result.is_ok(),
            note: None,
        },
    );
    result
}

/// What a program says while it is evaluated.
fn tell(scope: &Scope, note: Note) {
    let message = match note {
        Note::Trace(text) => format!("trace: {text}"),
        Note::Warning(text) => text,
        Note::Embedded { asked } => {
            format!("'{asked}' stands for the package set built into snowglobe")
        }
    };
    scope.emit(EventKind::Warning {
        message,
        hints: Vec::new(),
    });
}

/// A new folder for a run, named so that a list of them is in their order.
fn run_directory(runs: &Path, title: &str) -> Result<PathBuf> {
    fs::create_dir_all(runs)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let stamp = stamp(now);
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '-'
        }
    };
    let title: String = title.chars().map(plain).collect();
    for attempt in 0..1000 {
        let suffix = if attempt == 0 {
            String::new()
        } else {
            format!("-{attempt}")
        };
        let path = runs.join(format!("{stamp}-{title}{suffix}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(CliError::environment(format!(
        "no free name for a run in {}",
        runs.display()
    )))
}

/// Seconds since 1970 as `YYYYMMDD-HHMMSS` in universal time (days to civil date after Howard
/// Hinnant's `civil_from_days`).
fn stamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}{month:02}{day:02}-{:02}{:02}{:02}",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::stamp;

    #[test]
    fn times_are_civil() {
        assert_eq!(stamp(0), "19700101-000000");
        assert_eq!(stamp(951_782_400), "20000229-000000");
        assert_eq!(stamp(1_795_390_496), "20261122-233456");
    }
}
