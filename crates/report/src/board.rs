//! Several runs at once, for a person: a line for each that ends, and at the bottom of a terminal
//! what those under way are doing.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use snowglobe_events::Outcome;

use crate::failure;
use crate::fold::Fold;
use crate::terminal::{Options, bar, deepest, doing_words};
use crate::watch::{Watch, word};
use crate::words::{duration, harmless, short};

/// Shows several runs.
pub struct Board<W> {
    out: W,
    options: Options,
    begin: Instant,
    told: Instant,
    running: BTreeMap<usize, Row>,
    bars: Option<(MultiProgress, ProgressBar)>,
    counts: Counts,
}

/// How far all runs are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Runs that have ended.
    pub done: usize,
    /// Those of them that did not pass.
    pub failed: usize,
    /// All that are known of.
    pub total: usize,
    /// Whether more may become known.
    pub more: bool,
}

struct Row {
    watch: Watch,
    since: Instant,
    bar: Option<ProgressBar>,
}

/// How often a log that nobody watches is told what goes on.
const STILL: Duration = Duration::from_secs(60);

impl<W: Write> Board<W> {
    /// Writes there; live lines go to standard error.
    pub fn new(out: W, options: Options) -> Self {
        let bars = options.live.then(|| {
            let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            let head = bars.add(bar());
            (bars, head)
        });
        let now = Instant::now();
        Self {
            out,
            options,
            begin: now,
            told: now,
            running: BTreeMap::new(),
            bars,
            counts: Counts::default(),
        }
    }

    /// Writes a line above the live ones.
    pub fn line(&mut self, text: &str) {
        self.told = Instant::now();
        // A terminal that went away is noticed elsewhere.
        let _ = match &self.bars {
            Some((bars, _)) => bars.suspend(|| writeln!(self.out, "{text}")),
            None => writeln!(self.out, "{text}"),
        };
    }

    /// How far all are.
    pub fn count(&mut self, counts: Counts) {
        self.counts = counts;
    }

    /// A run began.
    pub fn started(&mut self, number: usize, watch: Watch) {
        let bar = self.bars.as_ref().map(|(bars, _)| bars.add(bar()));
        let since = Instant::now();
        self.running.insert(number, Row { watch, since, bar });
    }

    /// A run ended.
    pub fn finished(&mut self, number: usize) {
        let Some(row) = self.running.remove(&number) else {
            return;
        };
        if let (Some(bar), Some((bars, _))) = (&row.bar, &self.bars) {
            bar.finish_and_clear();
            bars.remove(bar);
        }
        let paint = self.options.paint;
        let run = row.watch.with(Fold::summary);
        let why = run.failure.as_deref().map(|why| {
            let room = self.options.width.saturating_sub(40).max(30);
            format!("  {}", paint.dim(&short(&harmless(why), room)))
        });
        self.line(&format!(
            "{} {:>10}  {}{}",
            word(&run, paint),
            duration(run.duration),
            paint.bold(&run.title),
            why.unwrap_or_default()
        ));
    }

    /// Shows what has changed.
    pub fn draw(&mut self) {
        let (paint, width) = (self.options.paint, self.options.width);
        if self.bars.is_none() {
            if self.told.elapsed() >= STILL {
                let lines: Vec<String> = self.running.values().map(|row| row.text(width)).collect();
                for line in lines {
                    self.line(&paint.dim(&format!("  … {line}")));
                }
            }
            return;
        }
        let Counts {
            done,
            failed,
            total,
            more,
        } = self.counts;
        let failed = match failed {
            0 => String::new(),
            number => format!(", {}", paint.bad(&format!("{number} failed"))),
        };
        let more = if more { " or more" } else { "" };
        let head = format!(
            "{} {done} of {total}{more} done{failed}, {} running",
            paint.bold(&duration(self.begin.elapsed().as_micros() as u64)),
            self.running.len()
        );
        if let Some((_, bar)) = &self.bars {
            bar.set_message(head);
        }
        for row in self.running.values() {
            if let Some(bar) = &row.bar {
                bar.set_message(format!("  {}", row.text(width.saturating_sub(4))));
            }
        }
    }

    /// Takes the live lines away.
    pub fn clear(&mut self) {
        for row in self.running.values() {
            if let Some(bar) = &row.bar {
                bar.finish_and_clear();
            }
        }
        if let Some((bars, head)) = self.bars.take() {
            head.finish_and_clear();
            let _ = bars.clear();
        }
    }
}

impl Row {
    /// The run in one line: what its busiest machine, or it, is doing.
    fn text(&self, width: usize) -> String {
        let passed = self.since.elapsed().as_micros() as u64;
        let words = self.watch.with(|fold| {
            let machines = fold.machines.keys().map(|name| Some(name.as_str()));
            let doing = machines.chain([None]).find_map(|machine| {
                deepest(fold, machine).map(|open| match machine {
                    Some(machine) => format!("{machine} {}", doing_words(open, passed)),
                    None => doing_words(open, passed),
                })
            });
            format!("{} {}", fold.title, doing.unwrap_or_default())
        });
        let time = format!("{:>10}  ", duration(passed));
        let room = width.saturating_sub(time.len());
        format!("{time}{}", short(&harmless(&words), room))
    }
}

/// All that is known of the runs that did not pass, one after the other; runs that failed in the same
/// words are told once. Empty if there are none.
pub fn failures(runs: &[(Watch, String)], options: &Options) -> String {
    let mut told: Vec<(String, &str, usize)> = Vec::new();
    for (watch, folder) in runs {
        let text = watch.with(|fold| {
            let fine = matches!(fold.outcome, Some(Outcome::Passed | Outcome::Cancelled));
            (!fine).then(|| failure::render(fold, options.paint, options.width))
        });
        let Some(text) = text else { continue };
        match told.iter_mut().find(|(other, ..)| *other == text) {
            Some((_, _, more)) => *more += 1,
            None => told.push((text, folder, 0)),
        }
    }
    let mut all = String::new();
    for (text, folder, more) in told {
        // It begins with a line across and the title.
        all.push_str(text.trim_end_matches('\n'));
        let more = match more {
            0 => String::new(),
            1 => " (and one more run that failed in the same words)".to_owned(),
            more => format!(" (and {more} more runs that failed in the same words)"),
        };
        all.push_str(&format!("\n  run folder: {folder}{more}\n"));
    }
    all
}
