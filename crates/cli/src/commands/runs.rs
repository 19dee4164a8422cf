//! `snowglobe runs`.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use snowglobe_events::Outcome;
use snowglobe_report::Paint;
use snowglobe_report::runs::{self, KeptRun};

use crate::amounts::{age, ago};
use crate::error::{CliError, Kind, Result};
use crate::places::Places;

/// `runs`.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  snowglobe runs\n  snowglobe runs rm 20261123-0138\n  snowglobe runs gc --keep 10\n  snowglobe runs gc --older-than 7d"
)]
pub struct Runs {
    /// What to do; without, they are listed.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// How they are listed.
    #[command(flatten)]
    pub list: List,
}

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the runs that were kept, the latest last
    List(List),
    /// Remove runs
    Rm {
        /// Names of runs, or beginnings of names that only one run has
        #[arg(required = true, value_name = "RUN")]
        names: Vec<String>,
    },
    /// Remove old runs; those under way stay
    Gc {
        /// Keep so many of the latest
        #[arg(long, value_name = "N", default_value_t = KEPT)]
        keep: usize,
        /// Remove what is older: `12h`, `7d`, `4w`
        #[arg(long, value_name = "AGE", value_parser = age)]
        older_than: Option<Duration>,
    },
}

/// How runs are listed.
#[derive(Args, Clone, Debug, Default)]
pub struct List {
    /// Print JSON, one run a line
    #[arg(long)]
    pub json: bool,
    /// Only the latest so many
    #[arg(short = 'n', long, value_name = "N")]
    pub latest: Option<usize>,
}

/// So many finished runs are kept unless a user decides otherwise.
pub const KEPT: usize = 100;

/// Lists runs, or removes some.
pub fn run(command: &Runs) -> Result {
    let folder = Places::from_environment()?.runs();
    let mut out = std::io::stdout().lock();
    match &command.action {
        None => list(&runs::list(&folder)?, &command.list)?,
        Some(Action::List(form)) => list(&runs::list(&folder)?, form)?,
        Some(Action::Rm { names }) => {
            let all = runs::list(&folder)?;
            // All names are looked at before anything goes.
            let meant: Result<Vec<&KeptRun>> = names.iter().map(|name| one(&all, name)).collect();
            for run in meant? {
                runs::remove(run)?;
                writeln!(out, "removed {}", run.name())?;
            }
        }
        Some(Action::Gc { keep, older_than }) => {
            let mut removed = runs::clean(&folder, *keep)?;
            if let Some(age) = older_than {
                let since = now().saturating_sub(age.as_secs());
                for run in runs::list(&folder)? {
                    if !run.under_way && run.wall / 1_000_000 < since {
                        runs::remove(&run)?;
                        removed.push(run);
                    }
                }
            }
            for run in &removed {
                writeln!(out, "removed {}", run.name())?;
            }
        }
    }
    Ok(Kind::Passed)
}

/// The one run that is meant by a name or the beginning of a name.
fn one<'r>(all: &'r [KeptRun], name: &str) -> Result<&'r KeptRun> {
    if let Some(run) = all.iter().find(|run| run.name() == name) {
        return Ok(run);
    }
    let found: Vec<&KeptRun> = all
        .iter()
        .filter(|run| run.name().starts_with(name))
        .collect();
    match found.as_slice() {
        [run] if !name.is_empty() => Ok(run),
        [] => Err(CliError::unusable(format!("no run is called '{name}'"))
            .hint("`snowglobe runs` lists the runs that were kept")),
        several => Err(CliError::unusable(format!(
            "{} runs have names that begin with '{name}'",
            several.len()
        ))),
    }
}

/// Removes the oldest runs when there are clearly too many; looks no closer than needed, because
/// every run of a test does this.
pub fn tidy(folder: &std::path::Path) {
    let many = std::fs::read_dir(folder).map_or(0, Iterator::count);
    if many > KEPT + KEPT / 10 {
        // Another process may do the same at this moment; what fails now succeeds next time.
        let _ = runs::clean(folder, KEPT);
    }
}

fn list(runs: &[KeptRun], form: &List) -> Result<()> {
    let shown = &runs[..form.latest.unwrap_or(usize::MAX).min(runs.len())];
    let mut out = std::io::stdout().lock();
    if form.json {
        for run in shown {
            serde_json::to_writer(&mut out, run).map_err(CliError::environment)?;
            writeln!(out)?;
        }
        return Ok(());
    }
    let paint = Paint::for_stdout();
    let width = shown.iter().map(|run| run.name().len()).max().unwrap_or(0);
    let now = now();
    // The latest is what is looked for: it stands last, next to the prompt.
    for run in shown.iter().rev() {
        let state = match (run.outcome, run.under_way) {
            // It tested nothing, whatever became of it.
            (Some(Outcome::Passed), _) if run.attended => format!("{:13}", "interactive"),
            (Some(Outcome::Passed), _) => paint.good(&format!("{:13}", Outcome::Passed)),
            (Some(outcome), _) => paint.bad(&format!("{outcome:13}")),
            (None, true) => format!("{:13}", "under way"),
            (None, false) => paint.bad(&format!("{:13}", "killed")),
        };
        writeln!(
            out,
            "{:width$}  {state} {:>8.1} s  {:>8}  {}",
            run.name(),
            run.duration as f64 / 1e6,
            ago(Duration::from_secs(
                now.saturating_sub(run.wall / 1_000_000)
            )),
            run.title
        )?;
    }
    Ok(())
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_is_named_exactly() {
        let kept = |name: &str| KeptRun {
            path: name.into(),
            title: String::new(),
            file: None,
            wall: 0,
            outcome: None,
            duration: 0,
            under_way: false,
            attended: false,
        };
        let all = [kept("2026-a"), kept("2026-a-1"), kept("2026-b")];
        for (name, found) in [
            ("2026-a", Some("2026-a")),
            ("2026-b", Some("2026-b")),
            ("2026-a-", Some("2026-a-1")),
            ("2026", None),
            ("", None),
            ("x", None),
        ] {
            let run = one(&all, name).ok().map(KeptRun::name);
            assert_eq!(run.as_deref(), found, "{name}");
        }
    }
}
