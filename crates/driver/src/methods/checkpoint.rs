//! Checkpoints: all machines and networks at one instant, to go back to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;
use snowglobe_events::Kind;

use super::{Call, Result, null};
use crate::console::Kept;
use crate::error::Raise;
use crate::session::{Session, lock};

/// Checkpoints of a run are below its folder, numbered: machines that went back to one are built on
/// its disks, so that a folder stays even when its name is used again.
pub(crate) const FOLDER: &str = "checkpoints";

/// A moment to which the script can go back.
pub(crate) struct Checkpoint {
    pub name: String,
    pub path: PathBuf,
    /// What the run knows of each machine by itself.
    machines: BTreeMap<String, Known>,
}

struct Known {
    console: Kept,
    started: bool,
}

pub(super) fn save(session: &Session, call: &Call) -> Result {
    let name = call.args.text("name")?;
    if name.is_empty() {
        return Err(Raise::new("ValueError", "a checkpoint needs a name"));
    }
    // One after the other: two at a time would not be one instant.
    let mut checkpoints = lock(&session.checkpoints);
    let folder = session.run_dir.join(FOLDER);
    let number = (1..)
        .find(|number: &u32| !folder.join(number.to_string()).exists())
        .unwrap_or(u32::MAX);
    let path = folder.join(number.to_string());
    let limit = call.within(session.scaled(900.0));
    session.world.checkpoint(&path, &limit)?;
    let machines = session.all_machines().into_iter().map(|handle| {
        let known = Known {
            console: handle.console.keep(),
            started: *lock(&handle.started),
        };
        (handle.machine.name().to_owned(), known)
    });
    let checkpoint = Checkpoint {
        name: name.to_owned(),
        path,
        machines: machines.collect(),
    };
    checkpoints.retain(|other| other.name != name);
    checkpoints.push(checkpoint);
    call.scope.emit(Kind::Checkpoint {
        name: name.to_owned(),
        action: "saved".to_owned(),
    });
    Ok(null())
}

pub(super) fn restore(session: &Session, call: &Call) -> Result {
    let name = call.args.text("name")?;
    let checkpoints = lock(&session.checkpoints);
    let Some(checkpoint) = checkpoints.iter().find(|one| one.name == name) else {
        let names: Vec<&str> = checkpoints.iter().map(|one| one.name.as_str()).collect();
        let known = match names.as_slice() {
            [] => "there are none".to_owned(),
            names => format!("there are {}", names.join(", ")),
        };
        return Err(Raise::machine(format!(
            "there is no checkpoint '{name}'; {known}"
        )));
    };
    let limit = call.within(session.scaled(900.0));
    let why = format!("from the checkpoint '{name}'");
    for handle in session.all_machines() {
        if let Some(known) = checkpoint.machines.get(handle.machine.name()) {
            handle.console.put_back(&known.console);
        }
    }
    let result = session.world.restore(&checkpoint.path, &why, true, &limit);
    for handle in session.all_machines() {
        let known = checkpoint.machines.get(handle.machine.name());
        *lock(&handle.started) = known.is_some_and(|known| known.started);
        if handle.machine.running() {
            session.watch_qmp(&handle);
        }
    }
    result?;
    call.scope.emit(Kind::Checkpoint {
        name: name.to_owned(),
        action: "restored".to_owned(),
    });
    Ok(null())
}

pub(super) fn list(session: &Session) -> Result {
    let checkpoints = lock(&session.checkpoints);
    let names: Vec<&str> = checkpoints.iter().map(|one| one.name.as_str()).collect();
    Ok(json!(names).into())
}
