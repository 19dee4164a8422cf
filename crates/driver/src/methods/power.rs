//! Starting and ending machines.

use std::time::Instant;

use serde_json::json;

use super::shell::{Show, run_on};
use super::{Call, Result, Waiting, named, null};
use crate::error::Raise;
use crate::session::{Session, lock};
use crate::world::Exec;

pub(super) fn start(session: &Session, call: &Call) -> Result {
    let handle = call.machine()?;
    let limit = call.within(session.scaled(900.0));
    session
        .start(handle, call.args.flag("allow_reboot"), &limit)
        .map_err(|fault| named(handle, fault))?;
    Ok(null())
}

pub(super) fn start_all(session: &Session, call: &Call) -> Result {
    let limit = call.within(session.scaled(900.0));
    let stopped: Vec<_> = session
        .all_machines()
        .into_iter()
        .filter(|handle| !handle.machine.running())
        .collect();
    for handle in &stopped {
        handle.console.clear();
    }
    let errors = session.world.start_all(&limit);
    for handle in &stopped {
        *lock(&handle.started) = handle.machine.running();
        session.watch_qmp(handle);
    }
    if errors.is_empty() {
        return Ok(null());
    }
    let lines: Vec<String> = errors
        .iter()
        .map(|(name, fault)| format!("{name}: {fault}"))
        .collect();
    Err(Raise::machine(format!(
        "Failed to start the following machines:\n{}",
        lines.join("\n")
    )))
}

pub(super) fn join_all(session: &Session, call: &Call) -> Result {
    for handle in session.all_machines() {
        let name = handle.machine.name().to_owned();
        let wait = Waiting::begin(call, format!("{name} to be switched off"), None, session);
        let result = handle.machine.wait_ended(&call.endless());
        wait.end(result.is_ok(), None);
        result.map_err(|fault| named(&handle, fault))?;
        *lock(&handle.started) = false;
    }
    lock(&session.clock).until = None;
    Ok(null())
}

pub(super) fn connect(session: &Session, call: &Call) -> Result {
    call.agent(session).map(|_| null())
}

pub(super) fn is_up(call: &Call) -> Result {
    let machine = &call.machine()?.machine;
    Ok(json!(machine.running() && machine.connected().is_some()).into())
}

pub(super) fn state(call: &Call) -> Result {
    let machine = &call.machine()?.machine;
    Ok(json!({
        "running": machine.running(),
        "connected": machine.connected().is_some(),
        "pid": machine.pid(),
    })
    .into())
}

/// The script says that the machine is restarting.
pub(super) fn disconnected(call: &Call) -> Result {
    let machine = &call.machine()?.machine;
    if machine.running() {
        machine.rebooting();
    }
    Ok(null())
}

pub(super) fn shutdown(session: &Session, call: &Call) -> Result {
    let handle = call.machine()?;
    if !handle.machine.running() {
        *lock(&handle.started) = false;
        return Ok(null());
    }
    let agent = call.agent(session)?;
    agent.power_off().map_err(|fault| named(handle, fault))?;
    wait_ended(session, call, Some(900.0))
}

pub(super) fn wait_for_shutdown(session: &Session, call: &Call) -> Result {
    let handle = call.machine()?;
    if !handle.machine.running() {
        *lock(&handle.started) = false;
        return Ok(null());
    }
    wait_ended(session, call, None)
}

fn wait_ended(session: &Session, call: &Call, default: Option<f64>) -> Result {
    let handle = call.machine()?;
    let seconds = call.args.maybe_seconds("timeout").or(default);
    let wait = Waiting::begin(
        call,
        "the machine to be switched off".to_owned(),
        seconds,
        session,
    );
    let limit = match seconds {
        Some(seconds) => call.within(session.scaled(seconds)),
        None => call.endless(),
    };
    match handle.machine.wait_ended(&limit) {
        Ok(ended) => {
            wait.end(true, Some(ended.why));
            *lock(&handle.started) = false;
            Ok(null())
        }
        Err(crate::Fault::TimedOut) => {
            let elapsed = wait.end(false, None);
            let limit = seconds.map_or(serde_json::Value::Null, |seconds| json!(seconds));
            Err(super::timed_out(elapsed, &limit))
        }
        Err(fault) => {
            wait.end(false, Some(fault.to_string()));
            Err(named(handle, fault))
        }
    }
}

pub(super) fn crash(session: &Session, call: &Call) -> Result {
    let handle = call.machine()?;
    if handle.machine.running() {
        let limit = call.within(session.scaled(60.0));
        handle
            .machine
            .crash(&limit)
            .map_err(|fault| named(handle, fault))?;
    }
    *lock(&handle.started) = false;
    Ok(null())
}

pub(super) fn reboot(session: &Session, call: &Call) -> Result {
    let handle = call.machine()?;
    if !handle.machine.running() {
        return Ok(null());
    }
    handle.machine.rebooting();
    super::screen::press(session, handle, "ctrl-alt-delete")?;
    Ok(null())
}

pub(super) fn release(call: &Call) -> Result {
    let handle = call.machine()?;
    handle.machine.release();
    *lock(&handle.started) = false;
    Ok(null())
}

pub(super) fn forget_state(call: &Call) -> Result {
    let handle = call.machine()?;
    handle
        .machine
        .forget_state()
        .map_err(|fault| named(handle, fault))?;
    Ok(null())
}

pub(super) fn create(session: &Session, call: &Call) -> Result {
    let machine = session
        .world
        .create_machine(
            call.args.text("start_command")?,
            call.args.maybe_text("name"),
            call.args.flag("keep_state"),
        )
        .map_err(Raise::from)?;
    let name = machine.name().to_owned();
    if lock(&session.machines).contains_key(&name) {
        return Err(Raise::machine(format!(
            "there is a machine '{name}' already"
        )));
    }
    let state_dir = machine.state_dir();
    session.add(machine, None, true);
    Ok(json!({"name": name, "stateDir": state_dir}).into())
}

pub(super) fn arm_timeout(session: &Session) -> Result {
    lock(&session.clock).until = Instant::now().checked_add(session.global_limit);
    Ok(null())
}

/// Writes what the machines have not written to their disks yet, where someone will read them.
pub(super) fn sync_all(session: &Session, call: &Call) -> Result {
    if !session.keep_state {
        return Ok(null());
    }
    for handle in session.all_machines() {
        if let Some(agent) = handle.machine.connected() {
            let timeout = Some(session.scaled(60.0));
            let exec = Exec {
                command: "sync".to_owned(),
                timeout,
                ..Exec::default()
            };
            run_on(
                session,
                &handle,
                &agent,
                &exec,
                &call.scope,
                &call.cancel,
                Show::Nothing,
            )?;
        }
    }
    Ok(null())
}
