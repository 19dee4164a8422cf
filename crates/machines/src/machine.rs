//! A machine that can be started, restored and ended.

use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::json;
use snowglobe_switch::{PortId, Vlan};

use crate::console;
use crate::disks;
use crate::error::Error;
use crate::host::Host;
use crate::ram;
use crate::running::{Ended, Running};
use crate::snapshot::Snapshot;
use crate::spec::MachineSpec;

/// How long ordinary commands of the monitor may take, on such a host.
pub(crate) const COMMAND_LIMIT: Duration = Duration::from_secs(120);

/// Hears from a machine. Called by threads of its own; must not block, since the machine's console
/// waits for it.
pub trait Observer: Send + Sync {
    /// A line on the console, without its end.
    fn console(&self, machine: &str, line: &[u8]);
    /// The machine has ended.
    fn ended(&self, machine: &str, ended: &Ended);
}

/// How a machine is booted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Whether it may reboot; else it ends instead.
    pub allow_reboot: bool,
}

/// How a machine comes back from a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restore {
    /// Whether it may reboot; else it ends instead.
    pub allow_reboot: bool,
    /// Whether the observer is not told what the console had shown: it knows.
    pub console_known: bool,
}

/// A port of the host that leads into a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Of the host.
    pub address: IpAddr,
    /// Of the host.
    pub host_port: u16,
    /// In the machine.
    pub guest_port: u16,
}

/// One machine of a test. Cloning gives another handle; the machine is ended with the last one.
#[derive(Clone)]
pub struct Machine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub spec: MachineSpec,
    pub host: Arc<Host>,
    pub directory: PathBuf,
    pub(crate) cards: Vec<(Vlan, PortId)>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) taps: Arc<console::Taps>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub running: Option<Arc<Running>>,
    pub last: Option<Ended>,
    /// Whether the console of the boot that was saved has been told, since it was saved in this run.
    pub told: bool,
    /// Whether the running machine may reboot.
    pub allow_reboot: bool,
    /// Ports that were asked for while it runs.
    pub forwards: Vec<Forward>,
}

impl Machine {
    /// A machine that does not run yet. Its files are in `directory`, which is made; disks that are
    /// there already are kept. `cards` are the ports of its cards, in the order of the
    /// specification.
    ///
    /// # Errors
    ///
    /// When the directory cannot be made.
    pub fn new(
        spec: MachineSpec,
        host: Arc<Host>,
        directory: &Path,
        cards: Vec<(Vlan, PortId)>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, Error> {
        let failed = |error| Error::file("make the directory", directory)(error);
        fs::create_dir_all(directory).map_err(failed)?;
        let directory = fs::canonicalize(directory).map_err(failed)?;
        let state = Mutex::default();
        Ok(Self(Arc::new(Inner {
            spec,
            host,
            directory,
            cards,
            observer,
            taps: Arc::default(),
            state,
        })))
    }

    /// Name of the node.
    pub fn name(&self) -> &str {
        &self.0.spec.name
    }

    /// What it is.
    pub fn spec(&self) -> &MachineSpec {
        &self.0.spec
    }

    /// Where it runs.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// Directory of its files.
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// Boots it from its disks. Returns when its processors run, long before it answers.
    ///
    /// # Errors
    ///
    /// When it runs already, or QEMU does not start; what QEMU said is in the error.
    pub fn start(&self, start: Start) -> Result<(), Error> {
        let template = self.0.spec.boot.disk_template.as_deref();
        let disks = disks::ensure(&self.0.directory, &self.0.spec.hardware, template)?;
        let size = u64::from(self.0.spec.hardware.memory_mib) << 20;
        let memory = ram::blank(size).map_err(Error::system("make the machine's memory"))?;
        self.launch(disks, Some(memory), None, start.allow_reboot)?;
        Ok(())
    }

    /// Restores it from a snapshot and lets it run. Its disks become those of the snapshot.
    ///
    /// # Errors
    ///
    /// When it runs already, or the snapshot does not load: [`Error::Snapshot`]. The machine is
    /// ended then, and its disks are deleted, so that [`Machine::start`] boots it anew.
    pub fn restore(&self, snapshot: &Snapshot) -> Result<(), Error> {
        self.restore_paused(snapshot, Restore::default())?;
        self.resume()
    }

    /// As [`Machine::restore`], but it does not run before [`Machine::resume`].
    ///
    /// # Errors
    ///
    /// As [`Machine::restore`].
    pub fn restore_paused(&self, snapshot: &Snapshot, how: Restore) -> Result<(), Error> {
        if self.running().is_some() {
            return Err(Error::Running(self.name().to_owned()));
        }
        if how.console_known {
            self.console_was_told();
        }
        let loaded = self.load(snapshot, how.allow_reboot);
        if loaded.is_err() {
            self.release();
            let _ = self.wait_ended(COMMAND_LIMIT);
            self.0.lock().running = None;
            let _ = disks::forget(&self.0.directory, &self.0.spec.hardware);
        }
        loaded.map_err(|error| Error::Snapshot {
            path: snapshot.path().to_owned(),
            why: error.to_string(),
        })
    }

    fn load(&self, snapshot: &Snapshot, allow_reboot: bool) -> Result<(), Error> {
        let hardware = &self.0.spec.hardware;
        let disks = disks::overlay(&self.0.directory, hardware, &snapshot.disks())?;
        self.replay_console(snapshot)?;
        let memory = match snapshot.private_ram() {
            Some(_) => None,
            None => {
                let size = u64::from(hardware.memory_mib) << 20;
                Some(ram::blank(size).map_err(Error::system("make the machine's memory"))?)
            }
        };
        let running = self.launch(disks, memory, Some(snapshot), allow_reboot)?;
        snapshot.receive(&running.qmp)?;
        self.forward_planned()
    }

    /// Puts the console of the boot that was saved before that of this run.
    fn replay_console(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let text = fs::read(snapshot.console()).unwrap_or_default();
        let path = self.0.directory.join(console::FILE);
        fs::write(&path, &text).map_err(Error::file("write", &path))?;
        if std::mem::take(&mut self.0.lock().told) {
            return Ok(());
        }
        for line in text
            .strip_suffix(b"\n")
            .unwrap_or(&text)
            .split(|byte| *byte == b'\n')
        {
            if !text.is_empty() {
                self.0.observer.console(self.name(), line);
            }
        }
        Ok(())
    }

    /// Our end of the agent's port of this boot; `None` when it does not run or somebody has it.
    pub fn take_agent(&self) -> Option<UnixStream> {
        self.running()?
            .agent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Whether it has been started and has not ended.
    pub fn is_running(&self) -> bool {
        self.running().is_some()
    }

    /// How it ended last.
    pub fn last_end(&self) -> Option<Ended> {
        self.0.lock().last.clone()
    }

    /// Waits until it has ended; `None` when it has not within `limit`, or was never started.
    pub fn wait_ended(&self, limit: Duration) -> Option<Ended> {
        let running = self.0.lock().running.clone();
        match running {
            Some(running) => running.process().wait(limit),
            None => self.last_end(),
        }
    }

    /// Ends it as a power failure would, and waits until it has ended. What it has written to its
    /// disks is on them. Does nothing when it does not run.
    ///
    /// # Errors
    ///
    /// When it has not ended after `limit`; it is killed then.
    pub fn crash(&self, limit: Duration) -> Result<(), Error> {
        let Some(running) = self.running() else {
            return Ok(());
        };
        running.process().expect_end();
        // Killed, QEMU would leave tables of its images in memory.
        let _ = running
            .qmp
            .execute("quit", json!({}), limit.min(COMMAND_LIMIT));
        if running.process().wait(limit).is_some() {
            return Ok(());
        }
        running.process().kill();
        Err(Error::TimedOut {
            what: format!("the end of '{}'", self.name()),
            limit,
        })
    }

    /// Ends it at once, without waiting. What it wrote to its disks may be lost.
    pub fn release(&self) {
        if let Some(running) = self.running() {
            running.process().kill();
        }
    }

    /// Deletes its disks, so that it starts with blank ones.
    ///
    /// # Errors
    ///
    /// When it runs, or a file cannot be deleted.
    pub fn forget_state(&self) -> Result<(), Error> {
        if self.is_running() {
            return Err(Error::Running(self.name().to_owned()));
        }
        disks::forget(&self.0.directory, &self.0.spec.hardware)
    }

    /// Keeps the next restore from telling the console that was just told.
    pub(crate) fn console_was_told(&self) {
        self.0.lock().told = true;
    }

    pub(crate) fn running(&self) -> Option<Arc<Running>> {
        self.0
            .lock()
            .running
            .clone()
            .filter(|running| running.process().ended().is_none())
    }
}

impl Inner {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ended(&self, ended: &Ended) {
        for (vlan, port) in &self.cards {
            vlan.detach(*port);
        }
        {
            let mut state = self.lock();
            state.last = Some(ended.clone());
            if let Some(running) = &state.running {
                running.forget_ram();
            }
        }
        self.observer.ended(&self.spec.name, ended);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &state.running {
            running.process().kill();
            let _ = running.process().wait(COMMAND_LIMIT);
        }
    }
}
