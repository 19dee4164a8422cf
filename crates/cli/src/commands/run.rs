//! `snowglobe run`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use snowglobe_driver::Mode;
use snowglobe_events::{Kind as EventKind, Outcome, Phase};
use snowglobe_plan::{Plan, Test};
use snowglobe_report::{Options, Paint, failures, junit_of_watches, rates, table};

use crate::arguments::{LogFormat, Run, Selection};
use crate::error::{CliError, Kind, Result};
use crate::execute::{How, execute};
use crate::many;
use crate::passed::{Pass, Passed, key};
use crate::room;
use crate::search;
use crate::session::Session;
use crate::stream::{Ended, Show, Stream, note, phase};
use crate::workshop::{Planned, check_syntax};

/// Runs the tests of all files.
pub fn run(command: &Run) -> Result {
    let session = Session::open(&command.machines)?;
    let files = search::files(&command.files)?;
    if let Some(path) = &command.junit {
        // Found before an hour of tests, not after it.
        let folder = junit_folder(path)?;
        if !folder.is_dir() {
            let shown = folder.display();
            return Err(CliError::unusable(format!(
                "the folder '{shown}' of --junit does not exist"
            )));
        }
    }
    let done = match command.jobs {
        Some(jobs) => many::run(&session, command, &files, jobs)?,
        None => in_order(&session, command, &files)?,
    };
    tell(command, &done)?;
    if command.fail_fast && command.log_format != LogFormat::Json {
        not_run(&files, &done);
    }
    room::tidy(&session);
    if session.interrupt.requested() {
        return Ok(Kind::Interrupted);
    }
    let kinds = done.iter().map(|ended| ended.kind);
    Ok(kinds.max().unwrap_or(Kind::Passed))
}

/// One after the other, each shown step by step.
fn in_order(session: &Session, command: &Run, files: &[PathBuf]) -> Result<Vec<Ended>> {
    let mut done: Vec<Ended> = Vec::new();
    for file in files {
        let mut planned: Option<Planned> = None;
        let mut next = 0;
        loop {
            session.interrupt.check()?;
            let stream = Stream::begin(session, file, show(command))?;
            let result = one(session, &stream, command, file, &mut planned, &mut next);
            let ended = end(stream, result);
            let kind = ended.kind;
            done.push(ended);
            if kind == Kind::Interrupted || (command.fail_fast && kind != Kind::Passed) {
                return Ok(done);
            }
            let left = planned.as_ref().is_some_and(|planned| {
                let runs = planned.plan.tests.len() * command.repeat.max(1) as usize;
                !planned.unusable.is_empty() || next < runs
            });
            if !left {
                break;
            }
        }
    }
    Ok(done)
}

/// What all runs amount to, after several.
fn tell(command: &Run, done: &[Ended]) -> Result<()> {
    if let Some(path) = &command.junit {
        // One document for a program: whole or not there.
        let folds: Vec<_> = done.iter().map(|ended| &ended.watch).collect();
        let text = junit_of_watches(&folds);
        let folder = junit_folder(path)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.persist(path)
            .map_err(|error| CliError::from(error.error))?;
    }
    let paint = Paint::for_stderr();
    if command.jobs.is_some() && command.log_format != LogFormat::Json {
        let runs: Vec<_> = done
            .iter()
            .map(|ended| (ended.watch.clone(), ended.directory.display().to_string()))
            .collect();
        anstream::eprint!("{}", failures(&runs, &Options::for_stderr()));
    }
    let summaries: Vec<_> = done
        .iter()
        .map(|ended| ended.watch.with(|fold| fold.summary()))
        .collect();
    if done.len() > 1 && command.log_format != LogFormat::Json {
        anstream::eprintln!();
        if command.repeat > 1 {
            anstream::eprint!("{}", rates(&summaries, paint));
        } else {
            anstream::eprint!("{}", table(&summaries, paint));
        }
    }
    Ok(())
}

/// Where a JUnit report will lie.
fn junit_folder(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path)?;
    Ok(path.parent().unwrap_or(Path::new("/")).to_owned())
}

/// Tells of files that were not begun because of a failure before them.
fn not_run(files: &[PathBuf], done: &[Ended]) {
    let begun: BTreeSet<PathBuf> = done
        .iter()
        .filter_map(|ended| {
            ended
                .watch
                .with(|fold| fold.file.as_ref().map(PathBuf::from))
        })
        .collect();
    let is_left = |file: &&PathBuf| std::path::absolute(file).is_ok_and(|f| !begun.contains(&f));
    let left: Vec<String> = files
        .iter()
        .filter(is_left)
        .map(|file| file.display().to_string())
        .collect();
    if !left.is_empty() {
        anstream::eprintln!("not run after a failure (--fail-fast): {}", left.join(", "));
    }
}

/// Runs the tests of a plan that was made before; the command's file names them in messages.
pub fn planned(session: &Session, command: &Run, plan: Plan) -> Result {
    let file = command.files.first().map_or(Path::new("test"), |f| f);
    let mut worst = Kind::Passed;
    for test in &plan.tests {
        session.interrupt.check()?;
        let stream = Stream::begin(session, file, show(command))?;
        let result = once(session, &stream, command, &plan, test);
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

/// Evaluates a file to the plan of its tests.
pub fn plan(
    session: &Session,
    stream: &Stream,
    selection: &Selection,
    file: &Path,
) -> Result<Planned> {
    let scope = stream.sink.scope();
    let workshop = &session.workshop;
    // Found without waiting for a download.
    if let Err(error) = check_syntax(file) {
        return phase(&scope, Phase::Evaluate, || Err(error));
    }
    phase(&scope, Phase::Fetch, || workshop.snapshot())?;
    let notes = scope.clone();
    let say = Box::new(move |said| note(&notes, said));
    phase(&scope, Phase::Evaluate, || {
        workshop.plan(file, selection, say)
    })
}

/// Runs the next test of a file: the plan is made first, if there is none. What cannot be evaluated is
/// told before anything runs.
fn one(
    session: &Session,
    stream: &Stream,
    command: &Run,
    file: &Path,
    slot: &mut Option<Planned>,
    next: &mut usize,
) -> Result<Outcome> {
    let planned = match slot {
        Some(planned) => planned,
        None => slot.insert(plan(session, stream, &command.selection, file)?),
    };
    if let Some(error) = planned.unusable.pop_front() {
        return Err(error);
    }
    let plan = &planned.plan;
    let test = &plan.tests[*next % plan.tests.len()];
    *next += 1;
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
    let real = command.rerun
        || command.machines.keep_state
        || command.output.is_some()
        || command.repeat > 1;
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
        wish: None,
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
