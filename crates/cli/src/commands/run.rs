//! `snowglobe run`.

use std::path::Path;

use snowglobe_driver::Mode;
use snowglobe_events::{Kind as EventKind, Outcome, Phase};
use snowglobe_plan::{Plan, Test};
use snowglobe_report::{Paint, Summary, table};

use crate::arguments::{Run, Selection};
use crate::error::{CliError, Kind, Result};
use crate::execute::{How, execute};
use crate::passed::{Pass, Passed, key};
pub use crate::session::Session;
use crate::stream::{Ended, Show, Stream, phase, tell};
use crate::workshop::check_syntax;

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
            let stream = Stream::begin(&session, file, show(command))?;
            let known = plan.is_some();
            let result = one(&session, &stream, command, file, &mut plan, next);
            let ended = end(stream, result);
            worst = worst.max(ended.kind);
            done.push(ended.watch.with(|fold| fold.summary()));
            if ended.kind == Kind::Interrupted || (command.fail_fast && ended.kind != Kind::Passed)
            {
                break 'files;
            }
            next += 1;
            let tests = plan.as_ref().map_or(0, |plan| plan.tests.len());
            if (!known && plan.is_none()) || next >= tests * command.repeat.max(1) as usize {
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

/// Runs the tests of a plan that was made before; the command's file names them in messages.
pub fn planned(session: &Session, command: &Run, plan: Plan) -> Result {
    let file = command.files.first().map_or(Path::new("test"), |f| f);
    let count = plan.tests.len();
    let mut plan = Some(plan);
    let mut worst = Kind::Passed;
    for number in 0..count {
        session.interrupt.check()?;
        let stream = Stream::begin(session, file, show(command))?;
        let result = one(session, &stream, command, file, &mut plan, number);
        worst = worst.max(end(stream, result).kind);
    }
    Ok(worst)
}

fn show(command: &Run) -> Show {
    Show::Steps {
        format: command.log_format,
        verbose: command.verbose,
    }
}

/// Ends a stream with what became of its test.
fn end(stream: Stream, result: Result<Outcome>) -> Ended {
    match result {
        Ok(outcome) => stream.end(outcome),
        Err(error) => stream.fail(&error),
    }
}

/// A line for each run, after several.
fn summary(done: &[Summary]) {
    anstream::eprintln!();
    anstream::eprint!("{}", table(done, Paint::for_stderr()));
}

/// Evaluates a file to the plan of its tests.
pub fn plan(
    session: &Session,
    stream: &Stream,
    selection: &Selection,
    file: &Path,
) -> Result<Plan> {
    let scope = stream.sink.scope();
    let workshop = &session.workshop;
    // Found without waiting for a download.
    if let Err(error) = check_syntax(file) {
        return phase(&scope, Phase::Evaluate, || Err(error));
    }
    phase(&scope, Phase::Fetch, || workshop.snapshot())?;
    let notes = scope.clone();
    let say = Box::new(move |note| tell(&notes, note));
    let plan = phase(&scope, Phase::Evaluate, || {
        workshop.plan(file, selection, say)
    })?;
    if plan.tests.is_empty() {
        return Err(CliError::unusable(format!(
            "{} holds no test",
            file.display()
        )));
    }
    Ok(plan)
}

/// Runs one test of a file: the plan is made first, if there is none.
fn one(
    session: &Session,
    stream: &Stream,
    command: &Run,
    file: &Path,
    slot: &mut Option<Plan>,
    number: usize,
) -> Result<Outcome> {
    let plan = match slot {
        Some(plan) => plan,
        None => slot.insert(plan(session, stream, &command.selection, file)?),
    };
    let test = &plan.tests[number % plan.tests.len()];
    once(session, stream, command, plan, test)
}

/// Runs a test unless it has passed before.
pub fn once(
    session: &Session,
    stream: &Stream,
    command: &Run,
    plan: &Plan,
    test: &Test,
) -> Result<Outcome> {
    let workshop = &session.workshop;
    let passed = Passed::new(&workshop.places.cache);
    let archive = match plan.archive.as_str() {
        "" => workshop.snapshot()?.id().to_owned(),
        archive => archive.to_owned(),
    };
    let key = key(&archive, test, &session.machines);
    // Whoever wants what the script writes, or to know how often it fails, wants it to run.
    let real = command.rerun || command.output.is_some() || command.repeat > 1;
    if !real && let Some(pass) = key.as_deref().and_then(|key| passed.get(key)) {
        let scope = stream.sink.scope();
        scope.emit(snowglobe_driver::planned(test, 1.0));
        scope.emit(EventKind::Cached {
            passed: pass.wall,
            duration: pass.duration,
            run: pass.run,
        });
        return Ok(Outcome::Passed);
    }
    let how = How {
        mode: Mode::Test,
        output: command.output.as_deref(),
        history: None,
        capture: !command.no_capture,
    };
    let outcome = execute(session, stream, plan, test, how)?;
    let Some(key) = key else { return Ok(outcome) };
    match outcome {
        Outcome::Passed => {
            let (file, wall) = stream.watch.with(|fold| (fold.file.clone(), fold.wall));
            let pass = Pass {
                test: test.name.clone(),
                file: file.unwrap_or_default(),
                wall,
                duration: stream.sink.elapsed(),
                run: stream.directory.display().to_string(),
            };
            // A full disk does not make the test fail.
            if let Err(error) = passed.put(&key, &pass) {
                stream.sink.scope().emit(EventKind::Warning {
                    message: format!("this pass is not remembered: {}", error.message),
                    hints: Vec::new(),
                });
            }
        }
        // It is not as reliable as was thought.
        Outcome::Failed | Outcome::TimedOut => passed.forget(&key),
        Outcome::Cancelled | Outcome::Errored => {}
    }
    Ok(outcome)
}
