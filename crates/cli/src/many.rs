//! Many runs at once.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use snowglobe_events::Outcome;
use snowglobe_plan::{Plan, Test};
use snowglobe_report::{Board, Counts, Fold, Options, Watch};

use crate::arguments::{LogFormat, Run};
use crate::commands::run::{once, plan};
use crate::error::{Kind, Result};
use crate::queue::{Load, Queue};
use crate::session::Session;
use crate::stream::{Ended, Show, Stream};

/// Something that a thread of ours has to say.
enum Message {
    /// A file's tests are known.
    Evaluated(Arc<Plan>, PathBuf),
    /// A file's tests are not known.
    Unusable(Box<Ended>),
    /// All files have been evaluated.
    AllEvaluated,
    /// A run began.
    Began(usize, Watch),
    /// A run ended.
    Ended(usize, Box<Result<Ended>>),
}

/// A run to be.
struct Job {
    plan: Arc<Plan>,
    file: PathBuf,
    test: usize,
    load: Option<Load>,
}

/// Memory that a machine takes besides its own.
const OVERHEAD_MIB: u64 = 192;
/// Memory that is left to everybody else.
const RESERVE_MIB: u64 = 512;
/// Machines wait most of the time: more of their processors may be in use than there are.
const CORES_TIMES: u32 = 2;

/// What this host has for `jobs` runs at once; 0 jobs: as many as fit.
fn host(jobs: usize) -> Load {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = text.lines().find_map(|line| {
        let number = line.strip_prefix("MemAvailable:")?.trim();
        number.strip_suffix(" kB")?.parse::<u64>().ok()
    });
    Load {
        jobs: if jobs == 0 { cores } else { jobs },
        memory_mib: available.map_or(4096, |kib| (kib >> 10).saturating_sub(RESERVE_MIB)),
        cores: u32::try_from(cores).unwrap_or(1) * CORES_TIMES,
    }
}

fn load(test: &Test) -> Load {
    let hardware = || test.nodes.iter().map(|node| &node.hardware);
    Load {
        jobs: 1,
        memory_mib: hardware()
            .map(|hardware| u64::from(hardware.memory_mib) + OVERHEAD_MIB)
            .sum(),
        cores: hardware().map(|hardware| u32::from(hardware.cores)).sum(),
    }
}

/// Runs the tests of files, several at once; how each ended, in the order in which they did.
pub fn run(session: &Session, command: &Run, files: &[PathBuf], jobs: usize) -> Result<Vec<Ended>> {
    let human = command.log_format != LogFormat::Json;
    let mut options = Options::for_stderr();
    options.live &= human;
    let mut board = Board::new(std::io::stderr(), options);
    let (sender, messages) = channel();
    let mut done: Vec<Ended> = Vec::new();
    let mut failure = None;
    std::thread::scope(|scope| {
        let to_us = sender.clone();
        scope.spawn(move || evaluate(session, command, files, &to_us));
        let mut all: Vec<Job> = Vec::new();
        let mut queue = Queue::new(host(jobs));
        let mut counts = Counts {
            more: true,
            ..Counts::default()
        };
        let mut stopping = false;
        loop {
            let mut news = Vec::new();
            match messages.recv_timeout(Duration::from_millis(100)) {
                Ok(message) => {
                    news.push(message);
                    news.extend(messages.try_iter());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            for message in news {
                let mut ended = None;
                match message {
                    Message::Evaluated(plan, file) => {
                        for _ in 0..command.repeat.max(1) {
                            for (test, of) in plan.tests.iter().enumerate() {
                                queue.add(all.len(), load(of));
                                all.push(Job {
                                    plan: plan.clone(),
                                    file: file.clone(),
                                    test,
                                    load: None,
                                });
                                counts.total += 1;
                            }
                        }
                    }
                    Message::Unusable(one) => {
                        counts.total += 1;
                        // It has no line yet.
                        let number = usize::MAX - counts.total;
                        board.started(number, one.watch.clone());
                        board.finished(number);
                        ended = Some(*one);
                    }
                    Message::AllEvaluated => counts.more = false,
                    Message::Began(number, watch) => board.started(number, watch),
                    Message::Ended(number, result) => {
                        if let Some(load) = all[number].load.take() {
                            queue.give_back(load);
                        }
                        board.finished(number);
                        match *result {
                            Ok(one) => ended = Some(one),
                            Err(error) => {
                                failure.get_or_insert(error);
                                stopping = true;
                            }
                        }
                    }
                }
                if let Some(ended) = ended {
                    counts.done += 1;
                    counts.failed += usize::from(ended.kind != Kind::Passed);
                    stopping |= command.fail_fast && ended.kind != Kind::Passed;
                    if !human {
                        json_line(&ended);
                    }
                    done.push(ended);
                }
            }
            stopping |= session.interrupt.requested();
            if stopping {
                queue.clear();
            }
            while !stopping && let Some((number, load)) = queue.next() {
                let job = &mut all[number];
                job.load = Some(load);
                let (plan, file, test) = (job.plan.clone(), job.file.clone(), job.test);
                let to_us = sender.clone();
                scope.spawn(move || {
                    let test = &plan.tests[test];
                    let result = one(session, command, &plan, test, &file, |watch| {
                        let _ = to_us.send(Message::Began(number, watch));
                    });
                    let _ = to_us.send(Message::Ended(number, Box::new(result)));
                });
            }
            board.count(counts);
            board.draw();
            if queue.running() == 0 && (stopping || (!counts.more && counts.done >= counts.total)) {
                break;
            }
        }
    });
    board.clear();
    match failure {
        Some(error) => Err(error),
        None => Ok(done),
    }
}

/// Evaluates files, one after the other: that takes one processor and much memory.
fn evaluate(session: &Session, command: &Run, files: &[PathBuf], to_us: &Sender<Message>) {
    for file in files {
        if session.interrupt.requested() {
            break;
        }
        let Ok(stream) = Stream::begin(session, file, Show::Nothing) else {
            break;
        };
        let message = match plan(session, &stream, &command.selection, file) {
            Ok(planned) => {
                stream.discard();
                for error in &planned.unusable {
                    let Ok(stream) = Stream::begin(session, file, Show::Nothing) else {
                        return;
                    };
                    let _ = to_us.send(Message::Unusable(Box::new(stream.fail(error))));
                }
                Message::Evaluated(Arc::new(planned.plan), file.clone())
            }
            Err(error) => Message::Unusable(Box::new(stream.fail(&error))),
        };
        if to_us.send(message).is_err() {
            return;
        }
    }
    let _ = to_us.send(Message::AllEvaluated);
}

fn one(
    session: &Session,
    command: &Run,
    plan: &Plan,
    test: &Test,
    file: &Path,
    began: impl FnOnce(Watch),
) -> Result<Ended> {
    let stream = Stream::begin(session, file, Show::Nothing)?;
    began(stream.watch.clone());
    Ok(match once(session, &stream, command, plan, test) {
        Ok(outcome) => stream.end(outcome),
        Err(error) => stream.fail(&error),
    })
}

/// A run that has ended as one line of JSON on standard output.
fn json_line(ended: &Ended) {
    let (summary, file) = ended
        .watch
        .with(|fold: &Fold| (fold.summary(), fold.file.clone()));
    let passed = summary.outcome == Some(Outcome::Passed);
    let line = serde_json::json!({
        "test": summary.title,
        "file": file,
        "outcome": summary.outcome,
        "cached": passed && summary.cached.is_some(),
        "duration": summary.duration,
        "failure": summary.failure,
        "run": summary.cached.is_none().then(|| ended.directory.display().to_string()),
    });
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
}
