//! systemd's units.

use serde_json::{Map, Value, json};
use snowglobe_events::{Evidence, Kind, Text};

use super::commands::repeat;
use super::shell::{Ran, Show, run, run_on};
use super::{Call, Result, Waiting, named, null, timed_out};
use crate::error::Raise;
use crate::session::Session;
use crate::world::{Exec, UnitVerdict};

/// The shell text for a `systemctl` of the system or of a user.
fn systemctl_text(query: &str, user: Option<&str>) -> String {
    match user {
        None => format!("systemctl {query}"),
        Some(user) => {
            let query = query.replace('\'', "\\'");
            format!(
                "su -l {user} --shell /bin/sh -c $'XDG_RUNTIME_DIR=/run/user/`id -u` systemctl --user {query}'"
            )
        }
    }
}

fn run_systemctl(session: &Session, call: &Call, query: &str) -> std::result::Result<Ran, Raise> {
    let command = systemctl_text(query, call.args.maybe_text("user"));
    run(
        session,
        call,
        &Exec {
            command,
            timeout: Some(session.scaled(900.0)),
            ..Exec::default()
        },
    )
}

fn under(user: Option<&str>) -> String {
    user.map(|user| format!(" under user \"{user}\""))
        .unwrap_or_default()
}

pub(super) fn systemctl(session: &Session, call: &Call) -> Result {
    let ran = run_systemctl(session, call, call.args.text("query")?)?;
    Ok(json!([ran.status, ran.stdout]).into())
}

pub(super) fn wait_for_unit(session: &Session, call: &Call) -> Result {
    let unit = call.args.text("unit")?;
    let user = call.args.maybe_text("user");
    let seconds = call.args.seconds("timeout")?;
    let agent = call.early_agent(session)?;
    let wait = Waiting::begin(
        call,
        format!("unit {unit}{} to be active", under(user)),
        Some(seconds),
        session,
    );
    let limit = call.within(session.scaled(seconds));
    let verdict = match agent.wait_unit(unit, user, &limit) {
        Ok(verdict) => verdict,
        Err(fault) => {
            wait.end(false, Some(fault.to_string()));
            return Err(named(call.machine()?, fault));
        }
    };
    let state = match &verdict {
        UnitVerdict::Active => "active",
        UnitVerdict::Failed => "failed",
        UnitVerdict::Inactive => "inactive",
        UnitVerdict::TimedOut { state } => state,
    };
    let elapsed = wait.end(verdict == UnitVerdict::Active, Some(state.to_owned()));
    let raise = match verdict {
        UnitVerdict::Active => return Ok(null()),
        UnitVerdict::Failed => {
            Raise::assertion(format!("unit \"{unit}\" reached state \"failed\""))
        }
        UnitVerdict::Inactive => Raise::assertion(format!(
            "unit \"{unit}\" is inactive and there are no pending jobs"
        )),
        UnitVerdict::TimedOut { .. } => timed_out(elapsed, &call.args.raw("timeout")),
    };
    tell_about(session, call, unit, user);
    Err(raise.with("machine", call.machine()?.machine.name()))
}

/// Puts a unit's state and the end of its journal into the events, for whoever asks why.
fn tell_about(session: &Session, call: &Call, unit: &str, user: Option<&str>) {
    let Ok(handle) = call.machine() else { return };
    // Nobody waits for a machine only to ask it why it is late.
    let Some(agent) = handle.machine.connected() else {
        return;
    };
    let quoted = format!("'{}'", unit.replace('\'', "'\\''"));
    let query = format!("status --no-pager --lines=40 --full {quoted}");
    let exec = Exec {
        command: systemctl_text(&query, user),
        timeout: Some(session.scaled(10.0)),
        ..Exec::default()
    };
    let ran = run_on(
        session,
        handle,
        &agent,
        &exec,
        &call.scope,
        &call.cancel,
        Show::Nothing,
    );
    if let Ok(ran) = ran
        && !(ran.stdout.is_empty() && ran.stderr.is_empty())
    {
        call.scope.emit(Kind::Evidence {
            evidence: Evidence::FailedUnits,
            title: format!("unit {unit}"),
            text: Text::new(&format!("{}{}", ran.stdout, ran.stderr)),
        });
    }
}

pub(super) fn wait_for_active_state(session: &Session, call: &Call) -> Result {
    let unit = call.args.text("unit")?;
    let user = call.args.maybe_text("user");
    let state = call.args.text("state")?;
    let query = format!("show \"{unit}\" --property=ActiveState");
    let exec = Exec {
        command: systemctl_text(&query, user),
        timeout: Some(session.scaled(900.0)),
        ..Exec::default()
    };
    let what = format!("unit {unit}{} to be {state}", under(user));
    let wanted = format!("ActiveState={state}");
    repeat(session, call, what, &exec, |ran| {
        ran.stdout.trim() == wanted
    })?;
    Ok(null())
}

pub(super) fn info(session: &Session, call: &Call) -> Result {
    let unit = call.args.text("unit")?;
    let ran = run_systemctl(session, call, &format!("--no-pager show \"{unit}\""))?;
    if ran.status != 0 {
        return Err(Raise::assertion(format!(
            "retrieving systemctl info for unit \"{unit}\"{} failed with exit code {}",
            under(call.args.maybe_text("user")),
            ran.status
        )));
    }
    let properties: Map<String, Value> = ran
        .stdout
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    Ok(Value::Object(properties).into())
}

pub(super) fn property(session: &Session, call: &Call) -> Result {
    let value = read_property(session, call, call.args.text("property")?)?;
    Ok(json!(value).into())
}

fn read_property(
    session: &Session,
    call: &Call,
    property: &str,
) -> std::result::Result<String, Raise> {
    let unit = call.args.text("unit")?;
    let query = format!("--no-pager show \"{unit}\" --property=\"{property}\"");
    let ran = run_systemctl(session, call, &query)?;
    if ran.status != 0 {
        return Err(Raise::assertion(format!(
            "retrieving systemctl property \"{property}\" for unit \"{unit}\"{} failed with exit code {}",
            under(call.args.maybe_text("user")),
            ran.status
        )));
    }
    let value = ran.stdout.trim_end_matches('\n').strip_prefix(property);
    match value.and_then(|rest| rest.strip_prefix('=')) {
        Some(value) => Ok(value.to_owned()),
        None => Err(Raise::new(
            "AssertionError",
            format!(
                "unit \"{unit}\" has no property \"{property}\": {:?}",
                ran.stdout.trim()
            ),
        )),
    }
}

pub(super) fn require_state(session: &Session, call: &Call) -> Result {
    let unit = call.args.text("unit")?;
    let wanted = call.args.text("state")?;
    let state = read_property(session, call, "ActiveState")?;
    if state == wanted {
        return Ok(null());
    }
    tell_about(session, call, unit, None);
    // Upstream's words, twice "to" included: scripts match them.
    Err(Raise::assertion(format!(
        "Expected unit \"{unit}\" to to be in state '{wanted}' but it is in state '{state}'"
    )))
}
