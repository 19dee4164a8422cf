//! `snowglobe shell`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use snowglobe_driver::{Limit, Mode, Wish, attend, knock, terminal_size};
use snowglobe_plan::Test;
use snowglobe_report::runs;

use crate::arguments::{Machines, Selection};
use crate::captured::{Captured, latest};
use crate::error::{CliError, Kind, Result, chain};
use crate::execute::{How, execute, resume};
use crate::session::Session;
use crate::stream::{Show, Stream};
use crate::workshop::Planned;

/// `shell`.
#[derive(Args, Clone, Debug, Default)]
#[command(
    after_help = "Examples:\n  snowglobe shell test.nix server                 # starts the test's machines and opens a shell\n  snowglobe shell test.nix server -- journalctl -b\n  snowglobe shell client-server server            # in the run that is under way, or in the one that failed\n\nWith a command, the exit status is the command's."
)]
pub struct Shell {
    /// Test file, whose machines are started; or name, folder or test of a run that is under way or has failed
    #[arg(value_name = "FILE|RUN")]
    pub target: String,
    /// Name of the machine
    #[arg(value_name = "MACHINE")]
    pub machine: String,
    /// Which test of the file, and with what arguments.
    #[command(flatten)]
    pub selection: Selection,
    /// How machines run.
    #[command(flatten)]
    pub machines: Machines,
    /// Command to run instead of a shell on a terminal
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Opens a shell in a machine, or runs a command there.
pub fn run(command: &Shell) -> Result {
    let text = match command.command.as_slice() {
        [] => None,
        [line] => Some(line.clone()),
        words => Some(quoted(words)),
    };
    if text.is_none() && !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return Err(
            CliError::unusable("a shell needs a terminal on standard input and output")
                .hint("`snowglobe shell … -- COMMAND` runs a command without one"),
        );
    }
    let path = Path::new(&command.target);
    let is_run = path.join("events.jsonl").exists() || !path.exists();
    let (kind, status) = if is_run {
        in_run(command, text)?
    } else {
        in_test(command, path, text)?
    };
    match status {
        // A command's own status says more than ours; everything of ours has ended.
        Some(status) if kind == Kind::Passed && status != 0 => std::process::exit(status),
        _ => Ok(kind),
    }
}

/// Words as a shell reads them back.
fn quoted(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    let words = words.iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn in_run(command: &Shell, text: Option<String>) -> Result<(Kind, Option<i32>)> {
    let session = Session::open(&command.machines)?;
    let runs = session.workshop.places.runs();
    // Of several, one that is under way is meant.
    let named = format!("-{}", command.target);
    let meant = |run: &runs::KeptRun| {
        run.under_way && (run.title == command.target || run.name().ends_with(&named))
    };
    let under_way = runs::list(&runs)?.into_iter().find(meant);
    let run = match under_way
        .map_or_else(|| latest(&runs, Some(&command.target)), |run| Ok(Some(run)))?
    {
        Some(run) => run,
        None => runs::find(&runs, Some(&command.target)).map_err(|error| {
            CliError::unusable(error).hint("`snowglobe runs` lists runs; a file must exist")
        })?,
    };
    let again = match &run.file {
        Some(file) => format!(
            "`snowglobe shell {} {}` starts the machines anew",
            PathBuf::from(file).display(),
            command.machine
        ),
        None => "`snowglobe shell FILE MACHINE` starts a test's machines anew".to_owned(),
    };
    if !run.under_way {
        if let Some(captured) = Captured::read(&run.path)? {
            return in_kept(session, command, &run, &captured, text);
        }
        let name = run.name();
        let error = format!("the run {name} has ended, and its machines with it");
        return Err(CliError::unusable(error).hint(again));
    }
    let remote = knock(
        &run.path,
        &command.machine,
        text.as_deref(),
        terminal_size(),
    )
    .map_err(|error| {
        CliError::unusable(format!(
            "the machines of {} cannot be reached: {error}",
            run.name()
        ))
        .hint("its script may not have begun yet")
    })?;
    let limit = Limit::new(None, &session.cancel);
    if text.is_none() {
        attend(&remote, &limit)?;
    }
    let status = remote.finish(&limit);
    session.interrupt.check()?;
    match status {
        Ok(status) => Ok((Kind::Passed, Some(status))),
        Err(fault) => Err(CliError::unusable(chain(&fault))),
    }
}

/// In the machines of a run that failed, as they were then. What is done there changes nothing of
/// what was saved.
fn in_kept(
    mut session: Session,
    command: &Shell,
    run: &runs::KeptRun,
    captured: &Captured,
    text: Option<String>,
) -> Result<(Kind, Option<i32>)> {
    has_machine(&captured.test, &command.machine)?;
    session.machines = captured.machines();
    let file = run.file.clone().unwrap_or_else(|| run.title.clone());
    let stream = Stream::begin(&session, file.as_ref(), Show::Shell { verbose: false })?;
    anstream::eprintln!(
        "the machines of {} as they were when it failed:",
        run.name()
    );
    let mut wish = Wish {
        machine: command.machine.clone(),
        command: text,
        status: None,
    };
    let result = resume(&session, &stream, captured, Some(&mut wish));
    let ended = match result {
        Ok(outcome) => stream.end(outcome),
        Err(error) => stream.fail(&error),
    };
    super::runs::tidy(&session.workshop.places.runs());
    Ok((ended.kind, wish.status))
}

fn has_machine(test: &Test, machine: &str) -> Result<()> {
    if test.nodes.iter().any(|node| node.name == machine) {
        return Ok(());
    }
    let names: Vec<&str> = test.nodes.iter().map(|node| node.name.as_str()).collect();
    let error = format!("the test has no machine '{machine}'");
    Err(CliError::unusable(error).hint(format!("it has: {}", names.join(", "))))
}

fn in_test(command: &Shell, file: &Path, text: Option<String>) -> Result<(Kind, Option<i32>)> {
    let session = Session::open(&command.machines)?;
    let stream = Stream::begin(&session, file, Show::Shell { verbose: false })?;
    let plan =
        super::run::plan(&session, &stream, &command.selection, file).and_then(Planned::whole);
    let test = plan.and_then(|plan| {
        let test = super::interactive::only(&plan)?.clone();
        has_machine(&test, &command.machine)?;
        Ok((plan, test))
    });
    let (plan, test) = match test {
        Ok(test) => test,
        Err(error) => return Ok((stream.fail(&error).kind, None)),
    };
    let mut wish = Wish {
        machine: command.machine.clone(),
        command: text,
        status: None,
    };
    let how = How {
        mode: Mode::Interactive,
        output: None,
        history: None,
        capture: false,
        wish: Some(&mut wish),
    };
    let ended = match execute(&session, &stream, &plan, &test, how) {
        Ok(outcome) => stream.end(outcome),
        Err(error) => stream.fail(&error),
    };
    super::runs::tidy(&session.workshop.places.runs());
    Ok((ended.kind, wish.status))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_reach_a_shell_as_they_were() {
        let words = ["ls", "-l", "a b", "it's", "", "$x"].map(str::to_owned);
        assert_eq!(quoted(&words), r"ls -l 'a b' 'it'\''s' '' '$x'");
    }
}
