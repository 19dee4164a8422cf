//! What the machines looked like when a run failed.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use snowglobe_events::{Evidence, Kind, Scope, Text};

use crate::methods::save_picture;
use crate::session::{Handle, Session};
use crate::world::{Agent, Exec, Facts, Picture};
use crate::{Cancel, Limit};

/// Lines of journal and console that are shown.
const LINES: usize = 60;

/// Asks all machines at once; bounded in time, and silent about what does not answer.
pub(crate) fn take(session: &Session, scope: &Scope, cancel: &Cancel) {
    let limit = Limit::new(Some(session.scaled(15.0)), cancel);
    std::thread::scope(|threads| {
        for handle in session.all_machines() {
            let limit = limit.clone();
            let scope = scope.machine(handle.machine.name());
            threads.spawn(move || of_machine(session, &handle, &scope, &limit));
        }
    });
}

fn of_machine(session: &Session, handle: &Arc<Handle>, scope: &Scope, limit: &Limit) {
    let tail = handle.console.tail(LINES);
    if !tail.is_empty() {
        tell(
            scope,
            Evidence::ConsoleTail,
            "last lines of the console",
            &tail,
        );
    }
    if !handle.machine.running() {
        return;
    }
    if handle.graphical
        && let Ok(picture) = handle.machine.screen(Picture::Png)
    {
        let name = format!("{}-failed.png", handle.machine.name());
        if let Ok(path) = save_picture(&session.run_dir, &name, &picture) {
            let path = path.strip_prefix(&session.run_dir).unwrap_or(&path);
            let path = path.display().to_string();
            scope.emit(Kind::Screenshot {
                path,
                why: "the run failed".to_owned(),
            });
        }
    }
    let Some(agent) = handle.machine.connected() else {
        return;
    };
    if let Ok(facts) = agent.facts(limit) {
        from_facts(scope, &facts);
        for unit in facts.failed_units.iter().take(5) {
            let unit = unit.replace('\'', "");
            let command = format!("systemctl status --no-pager --full --lines=30 '{unit}'");
            show(
                session,
                scope,
                &agent,
                limit,
                command,
                Evidence::FailedUnits,
                &format!("unit {unit}"),
            );
        }
    }
    let command = format!("journalctl --boot --no-pager --output=short-monotonic --lines={LINES}");
    show(
        session,
        scope,
        &agent,
        limit,
        command,
        Evidence::JournalTail,
        "last lines of the journal",
    );
}

fn show(
    session: &Session,
    scope: &Scope,
    agent: &Arc<dyn Agent>,
    limit: &Limit,
    command: String,
    evidence: Evidence,
    title: &str,
) {
    let timeout = Some(session.scaled(5.0).min(Duration::from_secs(30)));
    let exec = Exec {
        command,
        timeout,
        ..Exec::default()
    };
    let mut output = Vec::new();
    let result = agent.exec(&exec, limit, &mut |_, bytes| {
        if output.len() < 256 << 10 {
            output.extend_from_slice(bytes);
        }
    });
    let text = String::from_utf8_lossy(&output);
    if result.is_ok() && !text.trim().is_empty() {
        tell(scope, evidence, title, &text);
    }
}

fn from_facts(scope: &Scope, facts: &Facts) {
    let mut text = String::new();
    if !facts.failed_units.is_empty() {
        text.push_str(&facts.failed_units.join("\n"));
    }
    if !facts.jobs.is_empty() {
        let _ = write!(text, "\njobs under way: {}", facts.jobs.join(", "));
    }
    if !text.is_empty() {
        let title = match facts.system_state.as_str() {
            "" => "failed units".to_owned(),
            state => format!("failed units (the system is {state})"),
        };
        tell(scope, Evidence::FailedUnits, &title, text.trim_start());
    }
    let mut text = String::new();
    for listener in &facts.listeners {
        let _ = writeln!(
            text,
            "{} {} port {}",
            listener.protocol, listener.address, listener.port
        );
    }
    if !text.is_empty() {
        tell(scope, Evidence::ListeningPorts, "listening ports", &text);
    }
    let mut text = format!(
        "memory: {} of {} MiB available\nload: {:.2}, up for {} s\n",
        facts.memory_available_kib / 1024,
        facts.memory_total_kib / 1024,
        facts.load,
        facts.uptime_s
    );
    for mount in &facts.mounts {
        let _ = writeln!(
            text,
            "{}: {} of {} MiB free",
            mount.path,
            mount.available >> 20,
            mount.size >> 20
        );
    }
    tell(scope, Evidence::Resources, "memory and disks", &text);
}

fn tell(scope: &Scope, evidence: Evidence, title: &str, text: &str) {
    scope.emit(Kind::Evidence {
        evidence,
        title: title.to_owned(),
        text: Text::new(text),
    });
}
