//! Whether a machine is restored from a snapshot, and how snapshots come to be.
//!
//! A machine is booted once, alone, up to its ready point, and saved; each run restores it from
//! there. A machine that spoke on a network before that point cannot be saved: it asked something
//! that nobody was there to answer. That is remembered, and the whole test then boots live, in the
//! order of its script. All that is missing is made when the first machine of a run starts, so that
//! this is known before any of them was restored; as many at once as the host has processors.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fs_err as fs;
use snowglobe_agent_client as client;
use snowglobe_driver::{Fault, Limit};
use snowglobe_machines::Machine;
use snowglobe_machines::snapshot::{After, Snapshot, Snapshots};

use crate::machine::END_LIMIT;
use crate::turns::{Turn, Turns};

/// How long a machine must be idle to be saved.
const IDLE: Duration = Duration::from_secs(1);
/// How long after its start a machine is saved even if it is not idle, as long as the host has
/// processors for it.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// As long as it is saved even on a host that is busy elsewhere.
const BUSY_LIMIT: Duration = Duration::from_secs(1200);
/// How often a machine that boots to be saved is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How the machines of one run start.
#[derive(Clone)]
pub struct Policy {
    snapshots: Option<Snapshots>,
    directory: PathBuf,
    /// Why nothing is restored; empty: it is.
    why: String,
    /// Some machine cannot be saved, so all boot live.
    live: Arc<AtomicBool>,
}

impl Policy {
    /// Snapshots are kept in this folder.
    pub fn warm(directory: PathBuf) -> Self {
        Self {
            snapshots: Some(Snapshots::new(&directory)),
            directory,
            why: String::new(),
            live: Arc::default(),
        }
    }

    /// Every machine boots.
    pub fn cold(why: &str) -> Self {
        Self {
            snapshots: None,
            directory: PathBuf::new(),
            why: why.to_owned(),
            live: Arc::default(),
        }
    }
}

/// The policy for one machine.
pub struct Warm {
    policy: Policy,
    refused: Option<String>,
}

/// What there is for a machine.
pub enum Warmth {
    /// Nothing; it boots.
    Cold,
    /// A snapshot.
    Saved(Box<Snapshot>),
    /// No snapshot yet.
    Missing(Bake),
}

/// Makes a snapshot.
pub struct Bake {
    path: PathBuf,
    spoke: PathBuf,
    live: Arc<AtomicBool>,
    turns: Turns,
}

/// Why a machine that boots to be saved is not waited for any longer.
enum Enough {
    /// It has sent this on a network.
    Spoke(String),
    /// It had its time.
    Late,
    /// Another one spoke, so that all machines boot live.
    Live,
}

impl Warm {
    /// `refused` is the configuration's own reason against snapshots.
    pub fn new(policy: Policy, refused: Option<String>) -> Self {
        Self { policy, refused }
    }

    /// Why a start is a real boot; `None`: it may be a restore.
    pub fn why_cold(&self, first: bool, allow_reboot: bool) -> Option<String> {
        if self.policy.snapshots.is_none() {
            return Some(self.policy.why.clone());
        }
        if !first {
            return Some("boots from its disk as it was left".to_owned());
        }
        if allow_reboot {
            return Some("boots cold: a machine that may reboot is not restored".to_owned());
        }
        if let Some(why) = &self.refused {
            return Some(format!("boots cold: {why}"));
        }
        self.policy
            .live
            .load(Ordering::SeqCst)
            .then(|| self.why_live())
    }

    /// Why it boots although it might have been restored.
    pub fn why_live(&self) -> String {
        "boots cold: a machine of this test uses the network while it boots".to_owned()
    }

    /// What there is for a machine.
    pub fn take(&self, machine: &Machine) -> Warmth {
        let Some(snapshots) = &self.policy.snapshots else {
            return Warmth::Cold;
        };
        let Ok(key) = machine.snapshot_key() else {
            return Warmth::Cold;
        };
        let spoke = self.policy.directory.join(format!("{key}.spoke"));
        if self.known_to_speak(&spoke) {
            return Warmth::Cold;
        }
        match snapshots.get(&key) {
            Ok(Some(snapshot)) => Warmth::Saved(Box::new(snapshot)),
            // A damaged one was removed just now.
            Ok(None) | Err(_) => Warmth::Missing(Bake {
                path: snapshots.path(&key),
                spoke,
                live: self.policy.live.clone(),
                turns: Turns::new(&self.policy.directory),
            }),
        }
    }

    /// What there is to be made before anything of this run starts. A machine that is known to speak
    /// makes all boot live.
    pub fn missing(&self, machine: &Machine) -> Option<Bake> {
        let snapshots = self.policy.snapshots.as_ref()?;
        if self.refused.is_some() {
            return None;
        }
        let key = machine.snapshot_key().ok()?;
        let spoke = self.policy.directory.join(format!("{key}.spoke"));
        if self.known_to_speak(&spoke) || snapshots.path(&key).exists() {
            return None;
        }
        Some(Bake {
            path: snapshots.path(&key),
            spoke,
            live: self.policy.live.clone(),
            turns: Turns::new(&self.policy.directory),
        })
    }

    fn known_to_speak(&self, spoke: &Path) -> bool {
        let Ok(mark) = fs::File::open(spoke) else {
            return false;
        };
        // It is in use, for whoever tidies the cache.
        let _ = mark.file().set_modified(std::time::SystemTime::now());
        self.policy.live.store(true, Ordering::SeqCst);
        true
    }

    /// Whether all machines of this run boot.
    pub fn is_live(&self) -> bool {
        self.policy.live.load(Ordering::SeqCst)
    }

    /// Forgets a snapshot that does not load.
    pub fn discard(&self, machine: &Machine) {
        if let (Some(snapshots), Ok(key)) = (&self.policy.snapshots, machine.snapshot_key()) {
            snapshots.discard(&key);
        }
    }
}

impl Bake {
    /// Waits until the host has a processor for one more machine.
    pub fn turn(&self, limit: &Limit) -> Result<Turn, Fault> {
        self.turns.take(limit)
    }

    /// Whether it need not be made any more: somebody else has made it, or all machines boot.
    pub fn settled(&self) -> Option<bool> {
        if self.live.load(Ordering::SeqCst) {
            return Some(false);
        }
        self.path.exists().then_some(true)
    }

    /// Waits for the ready point and saves the machine, which ends. The error says why it cannot be
    /// saved.
    pub fn save(
        &self,
        machine: &Machine,
        agent: &client::Agent,
        limit: &Limit,
    ) -> Result<(), String> {
        if let Some(what) = wait_until_ready(machine, agent, limit, &self.live)? {
            self.live.store(true, Ordering::SeqCst);
            let why = format!("it cannot be saved: while booting it sent {what}");
            if let Some(folder) = self.spoke.parent() {
                let _ = fs::create_dir_all(folder);
            }
            let _ = fs::write(&self.spoke, &why);
            return Err(why);
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        }
        machine
            .save(&self.path, After::End)
            .map_err(|e| format!("it cannot be saved: {e}"))?;
        if machine.wait_ended(END_LIMIT).is_none() {
            return Err("it did not end after it was saved".to_owned());
        }
        Ok(())
    }
}

/// Waits for the ready point, or until its time is over; if it speaks on a network before, gives
/// what it sent.
fn wait_until_ready(
    machine: &Machine,
    agent: &client::Agent,
    limit: &Limit,
    live: &AtomicBool,
) -> Result<Option<String>, String> {
    let cancel = client::Cancel::new();
    let hook = cancel.clone();
    limit.cancel.on_cancel(move || hook.cancel());
    let waiting = agent.with_cancel(cancel.clone());
    let over = AtomicBool::new(false);
    let (enough, ready) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let begin = Instant::now();
            while !over.load(Ordering::SeqCst) {
                let enough = match speech(machine) {
                    Some(what) => Some(Enough::Spoke(what)),
                    None if begin.elapsed().saturating_sub(machine.starved()) >= READY_LIMIT => {
                        Some(Enough::Late)
                    }
                    None => live.load(Ordering::SeqCst).then_some(Enough::Live),
                };
                if enough.is_some() {
                    cancel.cancel();
                    return enough;
                }
                std::thread::sleep(LOOK);
            }
            None
        });
        let ready = waiting.wait_for_ready(IDLE, BUSY_LIMIT);
        over.store(true, Ordering::SeqCst);
        let enough = match watch.join() {
            Ok(enough) => enough,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        (enough, ready)
    });
    match (enough, ready) {
        (Some(Enough::Spoke(what)), _) => Ok(Some(what)),
        (Some(Enough::Live), _) => Err("it is not saved, since all machines boot".to_owned()),
        (Some(Enough::Late), _) | (None, Ok(_)) => Ok(speech(machine)),
        (None, Err(error)) => Err(format!("it did not come up: {error}")),
    }
}

/// What the machine has said on its networks.
fn speech(machine: &Machine) -> Option<String> {
    let mut cards = machine.cards().iter();
    cards.find_map(|(vlan, port)| vlan.spoke(*port))
}
