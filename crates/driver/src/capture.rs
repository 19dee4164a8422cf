//! The world of a run that failed, kept so that somebody can look at it later.

use std::path::Path;
use std::time::Duration;

use snowglobe_events::{Kind, Scope};

use crate::session::{Session, lock};
use crate::{Cancel, Fault, Limit};

/// How long saving may take, on a host without virtualisation four times as long.
const LIMIT: f64 = 60.0;
/// Part of the free space of the disk that may be used.
const SHARE: u64 = 2;

/// Saves all machines as the script left them. What hinders it is told, and hinders nothing else.
pub(crate) fn take(session: &Session, folder: &Path, scope: &Scope, cancel: &Cancel) {
    if !session
        .all_machines()
        .iter()
        .any(|handle| handle.machine.running())
    {
        return;
    }
    let limit = Limit::new(Some(session.scaled(LIMIT)), cancel);
    let saved = room(session, folder).and_then(|()| session.world.checkpoint(folder, &limit));
    match saved {
        Ok(()) => scope.emit(Kind::Checkpoint {
            name: "failure".to_owned(),
            action: "captured".to_owned(),
        }),
        Err(fault) => scope.emit(Kind::Warning {
            message: format!("the machines were not saved for `snowglobe resume`: {fault}"),
            hints: Vec::new(),
        }),
    }
}

/// Whether the disk has room for what the machines hold in memory at most.
fn room(session: &Session, folder: &Path) -> Result<(), Fault> {
    let pids = session.all_machines();
    let pids = pids.iter().filter_map(|handle| handle.machine.pid());
    let needed: u64 = pids.map(resident).sum();
    let parent = folder.parent().unwrap_or(folder);
    let Ok(disk) = rustix::fs::statvfs(parent) else {
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if needed > free / SHARE {
        return Err(Fault::failed(format!(
            "they hold up to {} MiB, and the disk has {} MiB left",
            needed >> 20,
            free >> 20
        )));
    }
    Ok(())
}

/// Bytes of memory that a process uses.
fn resident(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// Puts a saved world in place before anything else happens in a session.
pub(crate) fn resume(session: &Session, folder: &Path, cancel: &Cancel) -> Result<(), Fault> {
    let limit = Limit::new(
        Some(session.scaled(LIMIT).max(Duration::from_secs(1))),
        cancel,
    );
    let why = "as it was when the run failed";
    session.world.restore(folder, why, false, &limit)?;
    for handle in session.all_machines() {
        *lock(&handle.started) = handle.machine.running();
        if handle.machine.running() {
            session.watch_qmp(&handle);
        }
    }
    Ok(())
}
