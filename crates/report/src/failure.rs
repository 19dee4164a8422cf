//! A failure, whole, for the end of a run.

use std::fmt::Write;

use snowglobe_events::{Evidence, Kind, Location, MachineState, Text};

use crate::fold::{Fold, Shown};
use crate::paint::{Paint, source_colors};
use crate::words::{harmless, indent};

/// Lines of the machine that the failure is about, and of the others.
const MANY: usize = 15;
const FEW: usize = 5;
/// Width of the line above a failure.
pub(crate) const RULE: usize = 72;

/// All failures of a run, under a line that is at most as wide as the terminal; empty if there are none.
pub(crate) fn render(fold: &Fold, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    for failed in &fold.failures {
        let rule = "─".repeat(width.min(RULE));
        let _ = writeln!(text, "\n{}", paint.bad(&rule));
        one(&mut text, fold, &failed.kind, paint);
    }
    if !fold.failures.is_empty() {
        machines(&mut text, fold, paint);
    }
    text
}

fn one(out: &mut String, fold: &Fold, kind: &Kind, paint: Paint) {
    let Kind::Failure {
        class,
        message,
        location,
        frames,
        command,
        subtests,
        hints,
        details,
    } = kind
    else {
        return;
    };
    let _ = writeln!(out, "{} {}", paint.bad("✗"), paint.bold(&fold.title));
    // The details of these begin with the message, and show the place.
    let whole = details.is_some() && class == "EvaluationError";
    let checked = whole || class == "LintError" || class == "TypeCheckError";
    if !whole {
        let message = harmless(message);
        let mut lines = message.lines();
        let first = lines.next().unwrap_or_default();
        let _ = writeln!(out, "\n{} {first}", paint.bad(&format!("{class}:")));
        for line in lines {
            let _ = writeln!(out, "  {line}");
        }
    }
    if let Some(location) = location
        && !checked
    {
        let _ = writeln!(out);
        for frame in frames.iter().take(frames.len().saturating_sub(1)) {
            place(out, &frame.location, &frame.function, false, paint);
        }
        let function = frames
            .last()
            .map_or("<module>", |frame| frame.function.as_str());
        place(out, location, function, true, paint);
    }
    if !subtests.is_empty() {
        let _ = writeln!(out, "  in subtest {}", subtests.join(" / "));
    }
    if let Some(command) = command {
        let _ = writeln!(
            out,
            "\n{} on {}:\n{}",
            paint.bold("command"),
            paint.machine(&command.machine, fold.number(&command.machine)),
            indent(&harmless(&command.command), "  $ ").trim_end()
        );
        if let Some(status) = command.status.filter(|status| *status >= 0) {
            let _ = writeln!(out, "  exit status {status}");
        }
        stream(out, "stdout", &command.stdout, paint);
        stream(out, "stderr", &command.stderr, paint);
    }
    if let Some(details) = details {
        let details = source_colors(&harmless(details), paint);
        if whole {
            let _ = writeln!(out, "\n{}", details.trim_end());
        } else {
            let _ = write!(out, "\n{}", indent(&details, "  "));
        }
    }
    for hint in hints {
        let _ = writeln!(out, "{} {hint}", paint.good("hint:"));
    }
}

fn place(out: &mut String, location: &Location, function: &str, last: bool, paint: Paint) {
    let within = match function {
        "<module>" => String::new(),
        function => format!(" in {function}()"),
    };
    let head = format!("  {}:{}{within}", location.file, location.line);
    let _ = writeln!(out, "{}", if last { paint.bold(&head) } else { head });
    let number = location.line.to_string();
    let mark = if last {
        paint.bad("▶")
    } else {
        " ".to_owned()
    };
    let source = location.source.trim_end();
    let _ = writeln!(
        out,
        "  {mark} {} {source}",
        paint.dim(&format!("{number} |"))
    );
}

fn stream(out: &mut String, name: &str, text: &Text, paint: Paint) {
    if text.is_empty() {
        let _ = writeln!(out, "  {}", paint.dim(&format!("{name} is empty")));
        return;
    }
    let _ = writeln!(out, "  {}", paint.bold(&format!("{name}:")));
    let text = text.to_string();
    let text = harmless(&text);
    let lines: Vec<&str> = text.lines().collect();
    // The rest is in the run folder.
    const LINES: usize = 60;
    let skipped = lines.len().saturating_sub(LINES);
    if skipped > 0 {
        let _ = writeln!(
            out,
            "    {}",
            paint.dim(&format!("… {skipped} lines before …"))
        );
    }
    for line in &lines[skipped..] {
        let _ = writeln!(out, "    {line}");
    }
}

/// What the machines have to say about it.
fn machines(out: &mut String, fold: &Fold, paint: Paint) {
    let about = fold.failures.iter().find_map(|failed| match &failed.kind {
        Kind::Failure {
            command: Some(command),
            ..
        } => Some(command.machine.as_str()),
        _ => None,
    });
    let of = |machine: &str, wanted: Evidence| {
        fold.evidence
            .iter()
            .filter(move |shown| {
                shown.machine.as_deref() == Some(machine) && shown.evidence == wanted
            })
            .collect::<Vec<&Shown>>()
    };
    for (name, machine) in &fold.machines {
        let most = if about.is_none_or(|about| about == name) {
            MANY
        } else {
            FEW
        };
        let title = |what: &str| format!("{} {what}", paint.machine(name, machine.number));
        let units = of(name, Evidence::FailedUnits);
        for (index, shown) in units.iter().enumerate() {
            // A unit that failed a wait is asked about again at the end.
            if units[index + 1..]
                .iter()
                .any(|later| later.title == shown.title)
            {
                continue;
            }
            let _ = writeln!(out, "\n{}", title(&format!("{}:", shown.title)));
            let text = shown.text.to_string();
            let text = harmless(&text);
            let lines: Vec<&str> = text.lines().collect();
            let skip = lines.len().saturating_sub(most + 10);
            for line in &lines[skip..] {
                let _ = writeln!(out, "  {line}");
            }
        }
        // The journal as it was seen live, else as it was asked for at the end.
        let mut lines: Vec<String> = machine.journal.iter().cloned().collect();
        if lines.is_empty() {
            let tails = of(name, Evidence::JournalTail);
            lines = tails
                .first()
                .map(|shown| shown.text.to_string().lines().map(str::to_owned).collect())
                .unwrap_or_default();
        }
        let mut tell = |what: &str, lines: &[String]| {
            if lines.is_empty() {
                return;
            }
            let _ = writeln!(out, "\n{}", title(what));
            let skip = lines.len().saturating_sub(most);
            for line in &lines[skip..] {
                let _ = writeln!(out, "  {}", paint.dim(&harmless(line)));
            }
        };
        tell("last lines of the journal:", &lines);
        // What ended a machine is on its console, if anywhere.
        if lines.is_empty() || machine.state == Some(MachineState::Crashed) {
            let console: Vec<String> = machine.console.iter().cloned().collect();
            tell("last lines of the console:", &console);
        }
    }
}
