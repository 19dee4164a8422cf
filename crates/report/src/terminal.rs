//! The run for a person at a terminal.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use snowglobe_events::{Event, Kind, Level, MachineState, Outcome, Phase};

use crate::fold::{Fold, Open, OpenKind};
use crate::paint::Paint;
use crate::words::{self, count, duration, harmless, moment, short};
use crate::{View, failure};

/// How much is shown, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Colours.
    pub paint: Paint,
    /// Whether a status line for each machine is kept up to date at the bottom.
    pub live: bool,
    /// Also the machines' consoles and what commands write.
    pub verbose: bool,
    /// Whether a shell takes the terminal over when the script's turn comes.
    pub shell: bool,
    /// Where the run is kept, for the last lines.
    pub run_dir: Option<PathBuf>,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            paint: Paint::plain(),
            live: false,
            verbose: false,
            shell: false,
            run_dir: None,
            width: 100,
        }
    }
}

impl Options {
    /// What suits standard error: colours and live lines on a terminal, and its width.
    pub fn for_stderr() -> Self {
        let error = std::io::stderr();
        let size = rustix::termios::tcgetwinsize(&error).ok();
        let columns = size
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns >= 40);
        Self {
            paint: Paint::for_stderr(),
            live: std::io::IsTerminal::is_terminal(&error),
            // A line that fills the last column breaks on some terminals; very long ones are
            // hard to read.
            width: columns.map_or(100, |columns| (columns - 1).min(140)),
            ..Self::default()
        }
    }
}

/// Shows steps with their durations, and failures whole at the end.
pub struct Terminal<W> {
    out: W,
    options: Options,
    fold: Fold,
    console: bool,
    live: Option<Live>,
    /// When the wait of a log without a live line was last told about.
    told: Instant,
    begin: Instant,
}

/// Lines at the bottom of the terminal.
struct Live {
    bars: MultiProgress,
    run: ProgressBar,
    machines: BTreeMap<String, ProgressBar>,
}

/// After how long a wait is told about in a log.
const STILL: Duration = Duration::from_secs(30);

impl<W: Write + Send> Terminal<W> {
    /// Writes there. A live view needs a terminal on standard error as well.
    pub fn new(out: W, options: Options) -> Self {
        let live = options.live.then(|| {
            let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            let run = bars.add(bar());
            Live {
                bars,
                run,
                machines: BTreeMap::new(),
            }
        });
        let now = Instant::now();
        Self {
            out,
            console: options.verbose,
            options,
            fold: Fold::new(),
            live,
            told: now,
            begin: now,
        }
    }

    fn line(&mut self, text: &str) {
        self.told = Instant::now();
        // A terminal that went away is noticed elsewhere.
        let _ = match &self.live {
            Some(live) => live.bars.suspend(|| writeln!(self.out, "{text}")),
            None => writeln!(self.out, "{text}"),
        };
    }

    /// A line with its duration at the right.
    fn step(&mut self, depth: usize, mark: &str, text: &str, micros: u64, error: bool) {
        let paint = self.options.paint;
        let time = duration(micros);
        let room = self
            .options
            .width
            .saturating_sub(depth * 2 + 4 + time.len() + 3)
            .max(20);
        let text = short(&harmless(text), room);
        let fill = room.saturating_sub(text.chars().count());
        let text = if error { paint.bad(&text) } else { text };
        let indent = "  ".repeat(depth + 1);
        self.line(&format!(
            "{indent}{mark} {text}{} {}",
            " ".repeat(fill),
            paint.dim(&time)
        ));
    }

    fn text(&mut self, depth: usize, text: &str) {
        let indent = "  ".repeat(depth + 1);
        for line in harmless(text).lines() {
            self.line(&format!("{indent}{line}"));
        }
    }

    fn named(&self, machine: &str) -> String {
        self.options
            .paint
            .machine(machine, self.fold.number(machine))
    }

    fn draw(&mut self) {
        let now = self.now();
        let Some(live) = &mut self.live else { return };
        let fold = &self.fold;
        let width = self.options.width;
        let doing = |machine: Option<&str>| deepest(fold, machine);
        for name in fold.machines.keys() {
            if !live.machines.contains_key(name) {
                live.machines.insert(name.clone(), live.bars.add(bar()));
            }
        }
        let longest = fold.machines.keys().map(String::len).max().unwrap_or(0);
        for (name, machine) in &fold.machines {
            let state = machine.state.unwrap_or(MachineState::Stopped);
            let words = match doing(Some(name)) {
                Some(open) => doing_words(open, now),
                None => machine.why.clone().unwrap_or_default(),
            };
            let padded = format!("{name:longest$}");
            let line = short(&harmless(&words), width.saturating_sub(longest + 14));
            if let Some(bar) = live.machines.get(name) {
                bar.set_message(format!(
                    "  {} {state:9} {line}",
                    self.options.paint.machine(&padded, machine.number)
                ));
            }
        }
        let words = match doing(None) {
            Some(open) => doing_words(open, now),
            None => String::new(),
        };
        let line = short(&harmless(&words), width.saturating_sub(20));
        live.run.set_message(format!(
            "{} {line}",
            self.options.paint.bold(&duration(now))
        ));
    }

    /// Microseconds of the run by now: between events time goes on.
    fn now(&self) -> u64 {
        self.fold
            .elapsed
            .max(self.begin.elapsed().as_micros() as u64)
    }

    /// Takes the lines at the bottom away.
    fn clear(&mut self) {
        if let Some(live) = self.live.take() {
            for bar in live.machines.values() {
                bar.finish_and_clear();
            }
            live.run.finish_and_clear();
            let _ = live.bars.clear();
        }
    }

    fn finish(&mut self) {
        self.clear();
        let paint = self.options.paint;
        if let Some((passed, duration)) = self.fold.cached {
            self.line(&format!(
                "{} {}, cached, from {} (it took {} then, {} now; --rerun runs it again)",
                paint.good("passed"),
                paint.bold(&self.fold.title),
                moment(passed),
                words::duration(duration),
                words::duration(self.fold.elapsed),
            ));
            return;
        }
        let text = failure::render(&self.fold, paint, self.options.width);
        if !text.is_empty() {
            self.line(text.trim_end_matches('\n'));
        }
        let Some(outcome) = self.fold.outcome else {
            return;
        };
        self.line("");
        let word = match outcome {
            Outcome::Passed if self.options.shell => paint.good("left"),
            Outcome::Passed => paint.good("passed"),
            Outcome::Cancelled => paint.warn("cancelled"),
            outcome => paint.bad(&outcome.to_string()),
        };
        let mut facts = vec![duration(self.fold.elapsed)];
        if !self.fold.machines.is_empty() {
            facts.push(count(self.fold.machines.len(), "machine"));
        }
        if !self.fold.subtests.is_empty() {
            facts.push(count(self.fold.subtests.len(), "subtest"));
        }
        if let Some((accelerator, _)) = &self.fold.accelerator {
            facts.push(accelerator.to_string());
        }
        self.line(&format!(
            "{word} {} ({})",
            paint.bold(&self.fold.title),
            facts.join(", ")
        ));
        if let Some(folder) = self.options.run_dir.clone() {
            self.line(&format!("  run folder: {}", folder.display()));
            if !outcome.passed() {
                self.line(&format!(
                    "  report: {}",
                    folder.join("report.html").display()
                ));
            }
            if folder.join("capture/resume.json").is_file() {
                self.line("  its machines were kept: snowglobe resume");
            }
        }
    }
}

pub(crate) fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    bar
}

/// What a machine (or the run) is doing: the innermost of what lasts.
pub(crate) fn deepest<'a>(fold: &'a Fold, machine: Option<&str>) -> Option<&'a Open> {
    let rank = |open: &Open| match open.kind {
        OpenKind::Wait => 3,
        OpenKind::Command => 2,
        OpenKind::Call => 1,
        _ => 0,
    };
    fold.open
        .values()
        .filter(|open| open.machine.as_deref() == machine && (machine.is_none() || rank(open) > 0))
        .max_by_key(|open| (rank(open), open.since))
}

pub(crate) fn doing_words(open: &Open, now: u64) -> String {
    let mut words = match open.kind {
        OpenKind::Wait => format!("waits for {}", open.text),
        _ => open.text.clone(),
    };
    let passed = now.saturating_sub(open.since);
    if passed > 1_000_000 {
        words.push_str(&format!(", {}", duration(passed)));
        if let Some(limit) = open.limit {
            words.push_str(&format!(" of {}", duration(limit)));
        }
    }
    if let Some(state) = &open.state {
        words.push_str(&format!(": {state}"));
    }
    words
}

impl<W: Write + Send> View for Terminal<W> {
    fn event(&mut self, event: &Event) {
        let paint = self.options.paint;
        let depth = self.fold.depth(event);
        let before = self.fold.span(event).cloned();
        let since = before.as_ref().map_or(event.elapsed, |open| open.since);
        self.fold.event(event);
        match &event.kind {
            Kind::RunStarted { title, file, .. } => {
                let file = file.as_deref().map(|file| paint.dim(&format!(" {file}")));
                self.line(&format!(
                    "{}{}",
                    paint.bold(title),
                    file.unwrap_or_default()
                ));
            }
            Kind::Accelerator { accelerator, why } => {
                let text = format!("  machines run by {accelerator}: {why}");
                self.line(&paint.dim(&text));
            }
            Kind::PhaseStarted {
                phase: Phase::Script,
            } if self.options.shell => self.clear(),
            Kind::PhaseFinished { phase, ok, note } => {
                let took = event.elapsed - since;
                // What takes no time and went well needs no line.
                let dull = *ok && took < 50_000 && note.is_none();
                if !dull && !matches!(phase, Phase::Script | Phase::CleanUp) {
                    let note = note
                        .as_deref()
                        .map(|note| format!(", {note}"))
                        .unwrap_or_default();
                    let mark = if *ok {
                        paint.good("✓")
                    } else {
                        paint.bad("✗")
                    };
                    self.step(0, &mark, &format!("{phase}{note}"), took, !ok);
                }
            }
            Kind::MachineState { state, why } => {
                let told = matches!(
                    state,
                    MachineState::Booting
                        | MachineState::Restored
                        | MachineState::Baking
                        | MachineState::Crashed
                );
                if let (Some(machine), true) = (&event.machine, told || self.options.verbose) {
                    let why = why
                        .as_deref()
                        .map(|why| format!(": {why}"))
                        .unwrap_or_default();
                    let text = format!("{} is {state}{why}", self.named(machine));
                    self.line(&format!("  {text}"));
                }
            }
            Kind::SubtestStarted { name } => {
                let text = format!("{} {}", paint.bold("subtest"), paint.bold(&harmless(name)));
                self.line(&format!("{}{text}", "  ".repeat(depth + 1)));
            }
            Kind::SubtestFinished {
                name, ok, duration, ..
            } => {
                let mark = if *ok {
                    paint.good("✓")
                } else {
                    paint.bad("✗")
                };
                self.step(depth, &mark, &format!("subtest {name}"), *duration, !ok);
            }
            Kind::NestedStarted { message } => {
                let text = match &event.machine {
                    Some(machine) => format!("{}: {message}", self.named(machine)),
                    None => message.clone(),
                };
                self.line(&format!("{}{text}", "  ".repeat(depth + 1)));
            }
            Kind::CallFinished { ok, duration, .. } => {
                if let Some(open) = before {
                    let mark = if *ok {
                        paint.dim("•")
                    } else {
                        paint.bad("✗")
                    };
                    self.step(open.depth, &mark, &open.text, *duration, !ok);
                }
            }
            Kind::CommandOutput { text, .. } if self.options.verbose => {
                if let Some(machine) = event.machine.clone() {
                    for line in harmless(text).lines() {
                        let line = format!("{} > {line}", self.named(&machine));
                        self.text(depth, &line);
                    }
                }
            }
            Kind::CommandFinished { stdout, stderr, .. } if self.options.verbose => {
                for part in [stdout, stderr] {
                    self.text(depth + 1, &paint.dim(&harmless(&part.to_string())));
                }
            }
            Kind::Log { level, message } => {
                let message = harmless(message);
                let message = match level {
                    Level::Debug => paint.dim(&message),
                    Level::Warning => paint.warn(&message),
                    Level::Error => paint.bad(&message),
                    Level::Info => message,
                };
                let head = event
                    .machine
                    .as_ref()
                    .map(|machine| format!("{}: ", self.named(machine)));
                self.text(depth, &format!("{}{message}", head.unwrap_or_default()));
            }
            Kind::ConsoleShown { shown } => self.console = *shown && self.options.verbose,
            Kind::Console { line } if self.console => {
                if let Some(machine) = &event.machine {
                    let text = format!(
                        "{} {}",
                        self.named(machine),
                        paint.dim(&format!("# {line}"))
                    );
                    self.line(&text);
                }
            }
            Kind::ScriptOutput { text, .. } => self.text(depth, text),
            Kind::Screenshot { path, .. } => {
                let machine = event.machine.clone().unwrap_or_default();
                self.text(
                    depth,
                    &format!("{}: screenshot {path}", self.named(&machine)),
                );
            }
            Kind::LinkChanged {
                vlan,
                from,
                to,
                change,
                ..
            } => {
                let end = |name: &Option<String>| name.clone().unwrap_or_else(|| "all".to_owned());
                let text = format!("vlan{vlan}: {} – {}: {change}", end(from), end(to));
                self.text(depth, &text);
            }
            Kind::Warning { message, hints } => {
                let head = event.machine.as_ref().map(|machine| format!("{machine}: "));
                let text = format!("{}{}", head.unwrap_or_default(), harmless(message));
                self.line(&format!("  {} {text}", paint.warn("warning:")));
                for hint in hints {
                    self.line(&format!("  {} {hint}", paint.good("hint:")));
                }
            }
            Kind::RunFinished { .. } => self.finish(),
            _ => {}
        }
        self.draw();
    }

    fn tick(&mut self) {
        self.draw();
        if self.live.is_some() || self.options.shell || self.told.elapsed() < STILL {
            return;
        }
        // A log shows that something goes on.
        let now = self.now();
        let machines = self.fold.machines.keys().map(|name| Some(name.as_str()));
        let doing: Vec<String> = machines
            .chain([None])
            .filter_map(|machine| deepest(&self.fold, machine).map(|open| (machine, open)))
            .map(|(machine, open)| match machine {
                Some(machine) => format!("{machine} {}", doing_words(open, now)),
                None => doing_words(open, now),
            })
            .collect();
        for words in doing {
            let text = format!("  … {}", short(&harmless(&words), self.options.width));
            let text = self.options.paint.dim(&text);
            self.line(&text);
        }
        self.told = Instant::now();
    }

    fn end(&mut self) {
        if self.fold.outcome.is_none() {
            self.finish();
        }
        let _ = self.out.flush();
    }
}
