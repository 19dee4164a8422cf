//! Whether a machine is restored from a snapshot, and how snapshots come to be.
//!
//! A machine is booted once, alone, up to its ready point, and saved; each run restores it from
//! there. A machine that spoke on a network before that point cannot be saved: it asked something
//! that nobody was there to answer. That is remembered, and the whole test then boots live, in the
//! order of its script. All that is missing is made when the first machine of a run starts, so that
//! this is known before any of them was restored.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fs_err as fs;
use snowglobe_agent_client as client;
use snowglobe_driver::Limit;
use snowglobe_machines::Machine;
use snowglobe_machines::snapshot::{After, Snapshot, Snapshots};

/// How long a machine must be idle to be saved.
const IDLE: Duration = Duration::from_secs(1);
/// How long after its start a machine is saved even if it is not idle.
const READY_LIMIT: Duration = Duration::from_secs(120);

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
    /// Waits for the ready point and saves the machine, which ends. The error says why it cannot be
    /// saved.
    pub fn save(
        &self,
        machine: &Machine,
        agent: &client::Agent,
        limit: &Limit,
    ) -> Result<(), String> {
        let cancel = client::Cancel::new();
        let hook = cancel.clone();
        limit.cancel.on_cancel(move || hook.cancel());
        let agent = agent.with_cancel(cancel);
        agent
            .wait_for_ready(IDLE, READY_LIMIT)
            .map_err(|e| format!("it did not come up: {e}"))?;
        let spoke = machine
            .cards()
            .iter()
            .find_map(|(vlan, port)| vlan.spoke(*port));
        if let Some(what) = spoke {
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
        if machine.wait_ended(Duration::from_secs(10)).is_none() {
            return Err("it did not end after it was saved".to_owned());
        }
        Ok(())
    }
}
