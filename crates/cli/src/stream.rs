//! One run's stream of events, its readers and its folder.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use fs_err as fs;
use snowglobe_evaluate::Note;
use snowglobe_events::{Event, Kind as EventKind, Outcome, Phase, Scope, Sink};
use snowglobe_report::{
    Classic, JsonLines, Options, Paint, RunFolder, Terminal, View, Watch, follow,
};

use crate::arguments::LogFormat;
use crate::error::{CliError, Kind, Result};
use crate::progress::Attachment;
use crate::session::Session;

/// How a run is shown while it is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Step by step.
    Steps {
        /// Form.
        format: LogFormat,
        /// With consoles.
        verbose: bool,
    },
    /// Beside a shell on the same terminal.
    Shell {
        /// With consoles.
        verbose: bool,
    },
    /// Not at all: somebody else looks at it.
    Nothing,
}

/// The event stream of one run, its readers and its folder.
pub struct Stream {
    /// Where events go.
    pub sink: Sink,
    /// The run folder.
    pub directory: PathBuf,
    /// What the run amounts to by now.
    pub watch: Watch,
    reader: std::thread::JoinHandle<()>,
    _attachment: Attachment,
}

/// A run that has ended.
pub struct Ended {
    /// What it means for the exit status.
    pub kind: Kind,
    /// What it amounts to.
    pub watch: Watch,
    /// The run folder.
    pub directory: PathBuf,
}

impl Stream {
    /// Begins a run of a file.
    pub fn begin(session: &Session, file: &Path, show: Show) -> Result<Self> {
        let title = file
            .file_stem()
            .map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        let directory = run_directory(&session.workshop.places.runs(), &title)?;
        let sink = Sink::new();
        let queue = sink.subscribe();
        let watch = Watch::new();
        let attended = matches!(show, Show::Shell { .. });
        let mut views: Vec<Box<dyn View>> = vec![Box::new(watch.clone())];
        views.extend(shown(show, &directory));
        views.push(Box::new(Later::new(&directory)));
        let reader = std::thread::Builder::new()
            .name("views".to_owned())
            .spawn(move || follow(&queue, &mut views))?;
        let shown = std::path::absolute(file)?.display().to_string();
        sink.scope()
            .emit(snowglobe_driver::started(&title, Some(shown), attended));
        let attachment = session.reporter.attach(sink.scope());
        Ok(Self {
            sink,
            directory,
            watch,
            reader,
            _attachment: attachment,
        })
    }

    /// Ends the stream and waits for its readers.
    pub fn end(self, outcome: Outcome) -> Ended {
        snowglobe_driver::finish(&self.sink, outcome);
        let _ = self.reader.join();
        let failed =
            |(phase, _, ok, _): &(Phase, u64, bool, Option<String>)| *phase == Phase::Check && !*ok;
        let unchecked = self.watch.with(|fold| fold.phases.iter().any(failed));
        Ended {
            kind: judge(outcome, unchecked),
            watch: self.watch,
            directory: self.directory,
        }
    }

    /// Ends the stream; there is nothing to keep of it.
    pub fn discard(self) {
        self.sink.close();
        let _ = self.reader.join();
    }

    /// Ends the stream with what kept the test from being run.
    pub fn fail(self, error: &CliError) -> Ended {
        if error.kind == Kind::Interrupted {
            return self.end(Outcome::Cancelled);
        }
        self.sink.scope().emit(error.event());
        Ended {
            kind: error.kind,
            ..self.end(Outcome::Errored)
        }
    }
}

/// The view that a user asked for.
fn shown(show: Show, directory: &Path) -> Option<Box<dyn View>> {
    let options = |verbose, shell| Options {
        live: std::io::stderr().is_terminal(),
        verbose,
        shell,
        run_dir: Some(directory.to_owned()),
        ..Options::for_stderr()
    };
    let terminal = |options| Box::new(Terminal::new(std::io::stderr(), options));
    match show {
        Show::Nothing => None,
        Show::Shell { verbose } => Some(terminal(options(verbose, true))),
        Show::Steps { format, verbose } => Some(match format {
            LogFormat::Human => terminal(options(verbose, false)),
            LogFormat::Classic => Box::new(Classic::new(std::io::stderr(), Paint::for_stderr())),
            LogFormat::Json => Box::new(JsonLines::new(std::io::stdout())),
        }),
    }
}

/// Writes the run folder, but only of a run that really runs: a test that has passed before leaves
/// none.
struct Later {
    directory: PathBuf,
    held: Vec<Event>,
    folder: Option<RunFolder>,
}

impl Later {
    fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            held: Vec::new(),
            folder: None,
        }
    }

    fn open(&mut self) {
        match RunFolder::new(&self.directory) {
            Ok(mut folder) => {
                self.held.drain(..).for_each(|event| folder.event(&event));
                self.folder = Some(folder);
            }
            Err(error) => {
                self.held.clear();
                anstream::eprintln!("warning: the run is not kept: {error}");
            }
        }
    }
}

impl View for Later {
    fn event(&mut self, event: &Event) {
        if let Some(folder) = &mut self.folder {
            return folder.event(event);
        }
        let over = matches!(event.kind, EventKind::RunFinished { .. });
        let real = match &event.kind {
            EventKind::PhaseStarted { phase } => !matches!(phase, Phase::Fetch | Phase::Evaluate),
            EventKind::Failure { .. } => true,
            _ => over,
        };
        let cached = |event: &Event| matches!(event.kind, EventKind::Cached { .. });
        self.held.push(event.clone());
        if over && self.held.iter().any(cached) {
            self.held.clear();
        } else if real {
            self.open();
        }
    }

    fn tick(&mut self) {
        if let Some(folder) = &mut self.folder {
            folder.tick();
        }
    }

    fn end(&mut self) {
        match &mut self.folder {
            Some(folder) => folder.end(),
            // Nothing was written into it.
            None => {
                let _ = fs::remove_dir(&self.directory);
            }
        }
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
pub fn phase<T>(scope: &Scope, phase: Phase, body: impl FnOnce() -> Result<T>) -> Result<T> {
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
pub fn note(scope: &Scope, note: Note) {
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

/// Names of files have an end.
const TITLE: usize = 100;

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
    let title: String = title.chars().map(plain).take(TITLE).collect();
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

/// Seconds since 1970 as `YYYYMMDD-HHMMSS` in universal time.
fn stamp(seconds: u64) -> String {
    let date = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let date = date.unwrap_or(DateTime::<Utc>::MAX_UTC);
    date.format("%Y%m%d-%H%M%S").to_string()
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
