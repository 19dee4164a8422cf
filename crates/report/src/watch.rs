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
        let word = match run.outcome {
            Some(Outcome::Passed) => paint.good("passed   "),
            Some(Outcome::Cancelled) => paint.warn("cancelled"),
            Some(outcome) => paint.bad(&format!("{:9}", outcome.to_string())),
            None => paint.warn("not ended"),
        };
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
    let failed = runs.len() - passed - of(Some(Outcome::Cancelled)) - of(None);
    if failed > 0 {
        parts.push(paint.bad(&format!("{failed} failed")));
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
}
