//! What the end of a script means.

use std::time::Duration;

use serde_json::{Map, Value};
use snowglobe_events::{Command, Frame, Kind, Outcome, Text};

use crate::script::{End, Place};
use crate::session::{Session, lock};

/// What an end of the script means, and the failure to tell.
pub(crate) fn judge(session: &Session, end: End, elapsed: Duration) -> (Outcome, Option<Kind>) {
    match end {
        End::Passed => (Outcome::Passed, None),
        End::Raised(told) => (Outcome::Failed, Some(raised(session, &told))),
        End::Died(exit) => {
            let message =
                format!("the script's Python process {exit} before the script was at its end");
            let hints =
                vec!["the script, or something that it imports, ended the process".to_owned()];
            (
                Outcome::Failed,
                Some(stopped("ScriptDied", message, Place::default(), hints)),
            )
        }
        End::Broken(why) => {
            let message = format!("the script's Python process cannot be spoken to: {why}");
            (
                Outcome::Failed,
                Some(stopped("ScriptDied", message, Place::default(), Vec::new())),
            )
        }
        End::TimedOut(place) => {
            let limit = session.global_limit.as_secs_f64();
            let message = format!(
                "the test did not end within its global time limit of {limit:.0} s{}",
                under_way(&place)
            );
            let hints = vec![
                "`globalTimeout` of the test sets the limit; the calls above it tell where the time went"
                    .to_owned(),
            ];
            (
                Outcome::TimedOut,
                Some(stopped("Timeout", message, place, hints)),
            )
        }
        End::Cancelled(place) => {
            let message = format!(
                "stopped by the user after {:.1} s{}",
                elapsed.as_secs_f64(),
                under_way(&place)
            );
            (
                Outcome::Cancelled,
                Some(stopped("Cancelled", message, place, Vec::new())),
            )
        }
    }
}

/// What was being waited for.
fn under_way(place: &Place) -> String {
    match place.calls.as_slice() {
        [] => "; it was not waiting for a machine".to_owned(),
        calls => format!("; it was in {}", calls.join(", ")),
    }
}

fn stopped(class: &str, message: String, place: Place, hints: Vec<String>) -> Kind {
    failure(class, message, place.frames, None, Vec::new(), hints, None)
}

fn failure(
    class: &str,
    message: String,
    frames: Vec<Frame>,
    command: Option<Box<Command>>,
    subtests: Vec<String>,
    hints: Vec<String>,
    details: Option<String>,
) -> Kind {
    Kind::Failure {
        class: class.to_owned(),
        message,
        location: frames.last().map(|frame| frame.location.clone()),
        frames,
        command,
        subtests,
        hints,
        details,
    }
}

/// What a kernel that ended says of its end on its console.
fn last_words(console: &str) -> Option<&str> {
    let lines = console.lines().rev();
    let mut lines = lines.take(500).filter(|line| !line.contains("---[ end"));
    lines.find_map(|line| line.find("Kernel panic - ").map(|at| line[at..].trim_end()))
}

/// An exception that ended the script.
fn raised(session: &Session, told: &Map<String, Value>) -> Kind {
    let text = |name: &str| told.get(name).and_then(Value::as_str);
    let frames: Vec<(u32, String)> = told
        .get("frames")
        .cloned()
        .and_then(|frames| serde_json::from_value(frames).ok())
        .unwrap_or_default();
    let class = text("class").unwrap_or("Exception");
    let mut message = text("message").unwrap_or_default().to_owned();
    let frames = session.frames(&frames);
    // A bare `assert` says nothing: its condition does.
    if message.is_empty()
        && let Some(frame) = frames.last()
    {
        message = frame.location.source.trim().to_owned();
    }
    let command = text("command").map(|command| {
        Box::new(Command {
            machine: text("about").unwrap_or_default().to_owned(),
            command: command.to_owned(),
            status: told
                .get("status")
                .and_then(Value::as_i64)
                .and_then(|s| s.try_into().ok()),
            stdout: Text::new(text("stdout").unwrap_or_default()),
            stderr: Text::new(text("stderr").unwrap_or_default()),
        })
    });
    let mut hints = Vec::new();
    if command
        .as_ref()
        .is_some_and(|command| command.status == Some(124))
    {
        hints.push("status 124 means that the command's time limit was reached".to_owned());
    }
    if command
        .as_ref()
        .is_some_and(|command| command.status == Some(127))
    {
        hints.push(
            "status 127 means that a program was not found: is its package in \
             `environment.systemPackages`?"
                .to_owned(),
        );
    }
    if message.starts_with("action timed out")
        && let Some(wait) = lock(&session.in_vain).take()
    {
        hints.insert(0, wait);
    }
    if class == "MachineError"
        && let Some(machine) = text("about")
        && let Some(words) = last_words(&session.feed.console_of(machine).text())
    {
        hints.push(format!("the console of '{machine}' says: {words}"));
    }
    let requested = told
        .get("requested")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    // The traceback tells something when the error came from below the script's own lines.
    let details = text("traceback").filter(|_| !requested).map(str::to_owned);
    let mut subtests = lock(&session.left).clone();
    subtests.reverse();
    failure(class, message, frames, command, subtests, hints, details)
}

#[cfg(test)]
mod tests {
    use super::last_words;

    #[test]
    fn a_panic_is_found_on_the_console() {
        let console = "[    0.0] Command line: panic=1\n[  168.7] Kernel panic - not syncing: sysrq triggered crash\n\
                       [  168.8]  panic+0x118/0x2db\n[  169.0] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---\n";
        assert_eq!(
            last_words(console),
            Some("Kernel panic - not syncing: sysrq triggered crash")
        );
        assert_eq!(last_words("[    0.0] Command line: panic=1\nlogin: "), None);
    }
}
