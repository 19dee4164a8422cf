//! Checkpoints: all machines and networks of a test at one instant, as a folder.
//!
//! | file | what |
//! | --- | --- |
//! | `world.json` | which machines ran, their networks; written last, so that it says that all is there |
//! | `NAME/` | a snapshot of a machine that ran (see [`snowglobe_machines::snapshot`]) |
//! | `NAME.disks/` | the disks of one that did not |
//!
//! All processors are stopped before anything is saved, the networks after them: what a machine has
//! sent before that is in the network's queues and is saved with it. Nothing is lost in between.

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;
use serde::{Deserialize, Serialize};
use snowglobe_driver::{Fault, Limit};
use snowglobe_machines::snapshot::{After, Snapshot};
use snowglobe_machines::{Forward, Restore};
use snowglobe_switch::VlanState;

use crate::machine::{Machine, fault};
use crate::world::World;

const FORMAT: u32 = 1;
/// The list of what there is.
const WORLD: &str = "world.json";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Saved {
    format: u32,
    machines: BTreeMap<String, SavedMachine>,
    vlans: BTreeMap<u16, VlanState>,
}

/// What is to be known of a machine besides its snapshot.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SavedMachine {
    running: bool,
    /// Whether it has been started in its run, so that its next start is a boot.
    started: bool,
    allow_reboot: bool,
    forwards: Vec<Forward>,
    /// Messages of its journal that were passed on.
    journal: u64,
}

impl World {
    /// Saves everything to a new folder, which appears when it is whole, and goes on.
    pub(crate) fn save_all(&self, path: &Path) -> Result<(), Fault> {
        let parent = path
            .parent()
            .ok_or_else(|| Fault::failed("a checkpoint needs a folder"))?;
        fs::create_dir_all(parent).map_err(failed)?;
        let folder = tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(parent)
            .map_err(failed)?;
        let starting: Vec<_> = self.machines().iter().map(Machine::hold).collect();
        let running: Vec<&Machine> = self.machines().iter().filter(|m| m.is_running()).collect();
        let result = self.save_stopped(folder.path(), &running);
        for vlan in self.vlans().values() {
            vlan.switch().resume();
        }
        // Whatever went wrong, the test may go on.
        let resumed = each(&running, |machine| machine.qemu().resume().map_err(fault));
        drop(starting);
        result.and(resumed)?;
        if path.exists() {
            fs::remove_dir_all(path).map_err(failed)?;
        }
        fs::rename(folder.path(), path).map_err(failed)?;
        let _ = folder.keep();
        Ok(())
    }

    fn save_stopped(&self, folder: &Path, running: &[&Machine]) -> Result<(), Fault> {
        each(running, |machine| machine.qemu().pause().map_err(fault))?;
        let mut vlans = BTreeMap::new();
        for (number, vlan) in self.vlans() {
            vlan.switch().pause();
            vlans.insert(*number, vlan.switch().save());
        }
        let all: Vec<&Machine> = self.machines().iter().collect();
        each(&all, |machine| {
            let name = machine.qemu().name();
            if running.iter().any(|other| other.qemu().name() == name) {
                let saved = machine.qemu().save(&folder.join(name), After::Pause);
                saved.map(drop).map_err(fault)
            } else {
                let disks = folder.join(format!("{name}.disks"));
                machine.qemu().copy_disks(&disks).map_err(fault)
            }
        })?;
        let machines = self.machines().iter().map(|machine| {
            let qemu = machine.qemu();
            let saved = SavedMachine {
                running: qemu.is_running(),
                started: machine.was_started(),
                allow_reboot: qemu.may_reboot(),
                forwards: qemu.forwards(),
                journal: machine.journal_position(),
            };
            (qemu.name().to_owned(), saved)
        });
        let saved = Saved {
            format: FORMAT,
            machines: machines.collect(),
            vlans,
        };
        let text = serde_json::to_vec(&saved).map_err(failed)?;
        fs::write(folder.join(WORLD), text).map_err(failed)
    }

    /// Puts everything back to a saved state: machines that run are ended first. `known`: this run
    /// saved it, so that nobody needs to be told what the consoles had shown.
    pub(crate) fn restore_all(
        &self,
        path: &Path,
        why: &str,
        known: bool,
        limit: &Limit,
    ) -> Result<(), Fault> {
        let text = fs::read(path.join(WORLD)).map_err(failed)?;
        let saved: Saved = serde_json::from_slice(&text).map_err(failed)?;
        if saved.format != FORMAT {
            return Err(Fault::failed(format!(
                "the checkpoint has the format {}, not {FORMAT}",
                saved.format
            )));
        }
        let starting: Vec<_> = self.machines().iter().map(Machine::hold).collect();
        // Before anything is ended, it is sure that there is something to go back to.
        let mut plan = Vec::new();
        for machine in self.machines() {
            let name = machine.qemu().name();
            let Some(kept) = saved.machines.get(name) else {
                return Err(Fault::failed(format!(
                    "the checkpoint knows no machine '{name}'"
                )));
            };
            let snapshot = match kept.running {
                true => Some(Snapshot::open(&path.join(name)).map_err(fault)?),
                false => None,
            };
            plan.push((machine, kept, snapshot));
        }
        each(&plan, |(machine, _, _)| machine.end_now(limit))?;
        for (number, vlan) in self.vlans() {
            vlan.switch().pause();
            if !saved.vlans.contains_key(number) {
                return Err(Fault::failed(format!(
                    "the checkpoint knows no network {number}"
                )));
            }
        }
        let restored = each(&plan, |(machine, kept, snapshot)| match snapshot {
            Some(snapshot) => {
                let how = Restore {
                    allow_reboot: kept.allow_reboot,
                    console_known: known,
                };
                machine.qemu().restore_paused(snapshot, how).map_err(fault)
            }
            None => {
                let disks = path.join(format!("{}.disks", machine.qemu().name()));
                machine.qemu().put_disks(&disks).map_err(fault)
            }
        });
        for (number, vlan) in self.vlans() {
            if restored.is_ok()
                && let Some(state) = saved.vlans.get(number)
            {
                vlan.switch().restore(state);
            }
            vlan.switch().resume();
        }
        restored?;
        each(&plan, |(machine, kept, snapshot)| {
            machine.set_started(kept.started);
            if snapshot.is_none() {
                return Ok(());
            }
            machine.qemu().resume().map_err(fault)?;
            machine.came_back(why, kept.journal)?;
            let planned = machine.qemu().forwards();
            for forward in &kept.forwards {
                if !planned.contains(forward) {
                    let (address, host, guest) =
                        (forward.address, forward.host_port, forward.guest_port);
                    let again = machine.qemu().forward_port(address, host, guest);
                    again.map_err(fault)?;
                }
            }
            Ok(())
        })?;
        drop(starting);
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> Fault {
    Fault::failed(error.to_string())
}

/// Does something with all at once; the first error counts.
fn each<T: Sync>(all: &[T], work: impl Fn(&T) -> Result<(), Fault> + Sync) -> Result<(), Fault> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = all.iter().map(|one| scope.spawn(|| work(one))).collect();
        let mut result = Ok(());
        for thread in threads {
            let one = match thread.join() {
                Ok(one) => one,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            if result.is_ok() {
                result = one;
            }
        }
        result
    })
}
