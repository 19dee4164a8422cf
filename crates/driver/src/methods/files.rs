//! Files, ports and sockets of a machine.

use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use serde_json::json;
use snowglobe_events::Kind;

use super::{Answer, Call, Result, Waiting, named, null, timed_out};
use crate::error::Raise;
use crate::session::Session;
use crate::world::Agent;
use crate::{Fault, Limit};

/// Waits for something that the agent watches.
fn wait(
    session: &Session,
    call: &Call,
    what: String,
    watch: impl FnOnce(&dyn Agent, &Limit) -> std::result::Result<bool, Fault>,
) -> Result {
    let seconds = call.args.seconds("timeout")?;
    let agent = call.early_agent(session)?;
    let waiting = Waiting::begin(call, what, Some(seconds), session);
    let limit = call.within(session.scaled(seconds));
    match watch(agent.as_ref(), &limit) {
        Ok(true) => {
            waiting.end(true, None);
            Ok(null())
        }
        Ok(false) => {
            let elapsed = waiting.end(false, None);
            let raise = timed_out(elapsed, &call.args.raw("timeout"));
            Err(raise.with("machine", call.machine()?.machine.name()))
        }
        Err(fault) => {
            waiting.end(false, Some(fault.to_string()));
            Err(named(call.machine()?, fault))
        }
    }
}

pub(super) fn wait_for_file(session: &Session, call: &Call) -> Result {
    let path = call.args.text("path")?;
    wait(session, call, format!("file {path}"), |agent, limit| {
        agent.wait_file(path, limit)
    })
}

pub(super) fn wait_for_port(session: &Session, call: &Call, open: bool) -> Result {
    let port = call.args.number("port")?;
    let address = call.args.text("address")?;
    let what = format!(
        "{address} port {port} to be {}",
        if open { "open" } else { "closed" }
    );
    wait(session, call, what, |agent, limit| {
        agent.wait_port(address, port, open, limit)
    })
}

pub(super) fn wait_for_socket(session: &Session, call: &Call) -> Result {
    let path = call.args.text("path")?;
    let datagram = call.args.flag("datagram");
    wait(
        session,
        call,
        format!("unix socket {path}"),
        |agent, limit| agent.wait_socket(path, datagram, limit),
    )
}

/// How long a copy may take.
const COPY: Duration = Duration::from_secs(900);

pub(super) fn copy_from_host(session: &Session, mut call: Call) -> Result {
    let archive = call
        .descriptors
        .pop()
        .ok_or_else(|| Raise::machine("copy_from_host: the script's process sent no file"))?;
    let agent = call.agent(session)?;
    let limit = call.within(COPY.mul_f64(session.scale));
    let mut archive = std::fs::File::from(archive);
    agent
        .put(
            call.args.text("target")?,
            call.args.text("name")?,
            &mut archive,
            &limit,
        )
        .map_err(|fault| named_copy(&call, fault))?;
    Ok(null())
}

pub(super) fn copy_from_machine(session: &Session, call: &Call) -> Result {
    let agent = call.agent(session)?;
    let limit = call.within(COPY.mul_f64(session.scale));
    let file = tempfile::tempfile_in(&session.run_dir)
        .map_err(|error| Raise::machine(format!("copy_from_machine: {error}")))?;
    let mut archive = std::io::BufWriter::new(file);
    agent
        .get(call.args.text("source")?, &mut archive, &limit)
        .map_err(|fault| named_copy(call, fault))?;
    let finish = |error: std::io::Error| Raise::machine(format!("copy_from_machine: {error}"));
    archive.flush().map_err(finish)?;
    let mut file = archive
        .into_inner()
        .map_err(|error| finish(error.into_error()))?;
    file.rewind().map_err(finish)?;
    Ok(Answer {
        value: json!(null),
        descriptor: Some(OwnedFd::from(file)),
    })
}

fn named_copy(call: &Call, fault: Fault) -> Raise {
    match call.machine() {
        Ok(handle) => named(handle, fault),
        Err(raise) => raise,
    }
}

/// The script's process has unpacked what it asked for.
pub(super) fn copied(session: &Session, call: &Call) -> Result {
    let path = std::path::Path::new(call.args.text("path")?);
    let inside = path.strip_prefix(&session.out_dir).unwrap_or(path);
    let shown = session
        .out_dir
        .strip_prefix(&session.run_dir)
        .unwrap_or(&session.out_dir);
    // The path is the script's word; only its size is looked at, and links are not followed.
    let size = std::fs::symlink_metadata(path).map_or(0, |data| data.len());
    call.scope.emit(Kind::Artefact {
        path: shown.join(inside).display().to_string(),
        what: "copied from the machine".to_owned(),
        size,
    });
    Ok(null())
}
