//! What a run amounts to, for whoever started it, and several runs in a table.

use std::sync::{Arc, Mutex, PoisonError};

use snowglobe_events::{Event, Outcome};

use crate::View;
use crate::fold::{Fold, Summary};
use crate::paint::Paint;
use crate::words::{count, duration, short};

/// Lets another thread see what a run amounts to. Clones look at the same run.
#[derive(Clone, Default)]
pub struct Watch(Arc<Mutex<Fold>>);

impl Watch {
    /// Nothing has happened.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the run.
    pub fn with<T>(&self, look: impl FnOnce(&Fold) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl View for Watch {
    fn event(&mut self, event: &Event) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .event(event);
    }
}

/// A line for each run and one for all of them.
pub fn table(runs: &[Summary], paint: Paint) -> String {
    let longest = runs
        .iter()
        .map(|run| run.title.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for run in runs {
        let word = word(run, paint);
        let title = format!("{:longest$}", run.title);
        let time = format!("{:>12}", duration(run.duration));
        let why = run
            .failure
            .as_deref()
            .map(|why| format!("  {}", short(why, 70)));
        let line = format!(
            "{word} {} {}{}",
            paint.bold(&title),
            paint.dim(&time),
            why.unwrap_or_default()
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let of = |outcome| runs.iter().filter(|run| run.outcome == outcome).count();
    let passed = of(Some(Outcome::Passed));
    let mut parts = vec![format!("{passed} passed")];
    let cancelled = of(Some(Outcome::Cancelled));
    let failed = runs.len() - passed - cancelled - of(None);
    if failed > 0 {
        parts.push(paint.bad(&format!("{failed} failed")));
    }
    if cancelled > 0 {
        parts.push(format!("{cancelled} cancelled"));
    }
    let total: u64 = runs.iter().map(|run| run.duration).sum();
    text.push_str(&format!(
        "{}: {} ({} of runs)\n",
        count(runs.len(), "test"),
        parts.join(", "),
        duration(total)
    ));
    text
}

/// How a run ended, in nine columns.
pub(crate) fn word(run: &Summary, paint: Paint) -> String {
    match run.outcome {
        Some(Outcome::Passed) if run.cached.is_some() => paint.good("cached   "),
        Some(Outcome::Passed) => paint.good("passed   "),
        Some(Outcome::Cancelled) => paint.warn("cancelled"),
        Some(Outcome::Errored) => paint.bad("error    "),
        Some(outcome) => paint.bad(&format!("{:9}", outcome.to_string())),
        None => paint.warn("not ended"),
    }
}

/// How often each test failed that was run several times.
pub fn rates(runs: &[Summary], paint: Paint) -> String {
    let mut titles: Vec<&str> = Vec::new();
    for run in runs {
        if !titles.contains(&run.title.as_str()) {
            titles.push(&run.title);
        }
    }
    let longest = titles.iter().map(|title| title.chars().count()).max();
    let longest = longest.unwrap_or(0);
    let mut text = String::new();
    for title in titles {
        let of: Vec<&Summary> = runs.iter().filter(|run| run.title == title).collect();
        let ended = |run: &&&Summary| !matches!(run.outcome, None | Some(Outcome::Cancelled));
        let all = of.iter().filter(ended).count();
        let passed = of
            .iter()
            .filter(|run| run.outcome == Some(Outcome::Passed))
            .count();
        let failed = all - passed;
        let word = match (failed, passed) {
            (0, 0) => paint.warn("not ended"),
            (0, _) => paint.good("passed   "),
            (_, 0) => paint.bad("failed   "),
            _ => paint.bad("flaky    "),
        };
        let rate = 100.0 * failed as f64 / all.max(1) as f64;
        let mean = of.iter().map(|run| run.duration).sum::<u64>() / of.len() as u64;
        let longest_run = of.iter().map(|run| run.duration).max().unwrap_or(0);
        let padded = format!("{title:longest$}");
        let line = format!(
            "{word} {}  {failed} of {all} failed ({rate:.0} %)  {}",
            paint.bold(&padded),
            paint.dim(&format!(
                "mean {}, longest {}",
                duration(mean),
                duration(longest_run)
            )),
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_make_a_table() {
        let run = |title: &str, outcome, failure: Option<&str>| Summary {
            title: title.to_owned(),
            outcome: Some(outcome),
            duration: 12_345_678,
            failure: failure.map(str::to_owned),
            cached: None,
        };
        let runs = [
            run("client-server", Outcome::Passed, None),
            run(
                "web",
                Outcome::Failed,
                Some("AssertionError: assert 1 == 2"),
            ),
            run(
                "slow",
                Outcome::TimedOut,
                Some("Timeout: the test did not end"),
            ),
        ];
        insta::assert_snapshot!(table(&runs, Paint::plain()), @r"
        passed    client-server       12.3 s
        failed    web                 12.3 s  AssertionError: assert 1 == 2
        timed out slow                12.3 s  Timeout: the test did not end
        3 tests: 1 passed, 2 failed (37.0 s of runs)
        ");
    }
    #[test]
    fn repeated_runs_have_a_rate() {
        let run = |title: &str, outcome| Summary {
            title: title.to_owned(),
            outcome,
            duration: 1_000_000,
            failure: None,
            cached: None,
        };
        let runs = [
            run("a", Some(Outcome::Passed)),
            run("long", Some(Outcome::Failed)),
            run("a", Some(Outcome::TimedOut)),
            run("long", Some(Outcome::Cancelled)),
            run("c", None),
        ];
        insta::assert_snapshot!(rates(&runs, Paint::plain()), @r"
        flaky     a     1 of 2 failed (50 %)  mean 1.00 s, longest 1.00 s
        failed    long  1 of 1 failed (100 %)  mean 1.00 s, longest 1.00 s
        not ended c     0 of 0 failed (0 %)  mean 1.00 s, longest 1.00 s
        ");
    }
}
