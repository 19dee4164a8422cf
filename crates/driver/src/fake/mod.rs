//! Machines whose insides are this host, for tests of everything that uses machines.
//!
//! A machine's commands run here with bash, in a directory of their own that is `$FAKE` in them.
//! What a machine would know of itself is read from files there: `units/NAME` holds the state of a
//! unit, `tty1` what the terminal shows. Only for tests: commands are not confined.

mod agent;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use snowglobe_events::MachineState;

use self::agent::FakeAgent;
use crate::Limit;
use crate::world::{
    Agent, Capture, Ended, Fault, JournalEntry, Machine, Observer, Picture, Vlan, VlanChange, World,
};

/// A world of fake machines.
pub struct FakeWorld {
    machines: BTreeMap<String, Arc<FakeMachine>>,
    vlans: BTreeMap<u16, Arc<FakeVlan>>,
}

impl FakeWorld {
    /// Makes a machine for each name, with a directory below `root`, and networks.
    pub fn new(
        root: &Path,
        names: &[&str],
        vlans: &[u16],
        observer: &Arc<dyn Observer>,
    ) -> std::io::Result<Arc<Self>> {
        let mut machines = BTreeMap::new();
        for name in names {
            let home = root.join(name);
            std::fs::create_dir_all(home.join("units"))?;
            let machine = FakeMachine {
                name: (*name).to_owned(),
                home,
                running: Arc::default(),
                observer: observer.clone(),
                events: Mutex::default(),
                keys: Mutex::default(),
            };
            machines.insert((*name).to_owned(), Arc::new(machine));
        }
        let vlans = vlans
            .iter()
            .map(|number| (*number, Arc::default()))
            .collect();
        Ok(Arc::new(Self { machines, vlans }))
    }

    /// A machine.
    pub fn get(&self, name: &str) -> Option<Arc<FakeMachine>> {
        self.machines.get(name).cloned()
    }
}

impl World for FakeWorld {
    fn machines(&self) -> Vec<Arc<dyn Machine>> {
        self.machines
            .values()
            .map(|machine| machine.clone() as Arc<dyn Machine>)
            .collect()
    }

    fn start_all(&self, limit: &Limit) -> Vec<(String, Fault)> {
        let start = |machine: &Arc<FakeMachine>| {
            machine
                .start(false, limit)
                .err()
                .map(|fault| (machine.name.clone(), fault))
        };
        self.machines.values().filter_map(start).collect()
    }

    fn vlan(&self, number: u16) -> Option<Arc<dyn Vlan>> {
        self.vlans
            .get(&number)
            .map(|vlan| vlan.clone() as Arc<dyn Vlan>)
    }

    fn release(&self) {
        for machine in self.machines.values() {
            machine.release();
        }
    }
}

/// A fake machine.
pub struct FakeMachine {
    name: String,
    home: PathBuf,
    running: Arc<AtomicBool>,
    observer: Arc<dyn Observer>,
    events: Mutex<Vec<Sender<Value>>>,
    keys: Mutex<Vec<String>>,
}

impl FakeMachine {
    /// What was typed, in QEMU's words.
    pub fn keys(&self) -> Vec<String> {
        self.keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn ended(&self, state: MachineState, why: &str) {
        if self.running.swap(false, Ordering::SeqCst) {
            self.observer.state(&self.name, state, Some(why.to_owned()));
        }
    }

    fn event(&self, event: &Value) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.retain(|sender| sender.send(event.clone()).is_ok());
    }
}

impl Machine for FakeMachine {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&self, _allow_reboot: bool, _limit: &Limit) -> Result<(), Fault> {
        if self.home.join("unstartable").exists() {
            return Err(Fault::failed("it was told not to start"));
        }
        if !self.running.swap(true, Ordering::SeqCst) {
            self.observer
                .state(&self.name, MachineState::Starting, None);
            self.observer
                .console(&self.name, b"fake machine is booting");
            self.observer.state(
                &self.name,
                MachineState::Ready,
                Some("it is fake".to_owned()),
            );
            self.observer.journal(
                &self.name,
                JournalEntry {
                    unit: "fake.service".to_owned(),
                    identifier: "fake".to_owned(),
                    priority: 6,
                    message: "Started fake.".to_owned(),
                    ..JournalEntry::default()
                },
            );
        }
        Ok(())
    }

    fn running(&self) -> bool {
        if self.home.join("off").exists() && self.running.load(Ordering::SeqCst) {
            let _ = std::fs::remove_file(self.home.join("off"));
            self.ended(MachineState::Stopped, "powered off");
        }
        self.running.load(Ordering::SeqCst)
    }

    fn agent(&self, _limit: &Limit) -> Result<Arc<dyn Agent>, Fault> {
        self.connected().ok_or_else(|| Fault::Stopped {
            why: "it was not started".to_owned(),
        })
    }

    fn connected(&self) -> Option<Arc<dyn Agent>> {
        let agent = FakeAgent {
            home: self.home.clone(),
            running: self.running.clone(),
        };
        self.running().then(|| Arc::new(agent) as Arc<dyn Agent>)
    }

    fn wait_ended(&self, limit: &Limit) -> Result<Ended, Fault> {
        while self.running() {
            over(limit)?;
            limit.sleep(Duration::from_millis(5));
        }
        Ok(Ended {
            why: "powered off".to_owned(),
            expected: true,
        })
    }

    fn crash(&self, _limit: &Limit) -> Result<(), Fault> {
        self.ended(MachineState::Crashed, "crash() in the script");
        Ok(())
    }

    fn release(&self) {
        self.ended(MachineState::Stopped, "the run has ended");
    }

    fn qmp(&self, command: &str, arguments: Value) -> Result<Value, Fault> {
        match command {
            "human-monitor-command" => {
                let line = arguments["command-line"].as_str().unwrap_or_default();
                if let Some(key) = line.strip_prefix("sendkey ") {
                    self.keys
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(key.to_owned());
                    return Ok(json!(""));
                }
                Ok(json!(format!("did {line}\r\n")))
            }
            "query-status" => {
                self.event(&json!({"event": "FAKE", "data": {"n": 1}}));
                self.event(&json!({"event": "FAKE", "data": {"n": 2}}));
                Ok(json!({"status": "running"}))
            }
            _ => Err(Fault::Qmp {
                class: "CommandNotFound".to_owned(),
                description: format!("The command {command} has not been found"),
            }),
        }
    }

    fn qmp_events(&self) -> Result<Receiver<Value>, Fault> {
        let (sender, receiver) = mpsc::channel();
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sender);
        Ok(receiver)
    }

    fn write_console(&self, bytes: &[u8]) -> Result<(), Fault> {
        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            self.observer.console(&self.name, line);
        }
        Ok(())
    }

    fn set_link(&self, _card: usize, _up: bool) -> Result<(), Fault> {
        Ok(())
    }

    fn forward_port(&self, _host: u16, _guest: u16) -> Result<(), Fault> {
        Ok(())
    }

    fn screen(&self, format: Picture) -> Result<Vec<u8>, Fault> {
        match format {
            Picture::Ppm => Ok(b"P6\n1 1\n255\n\0\0\0".to_vec()),
            // One black point.
            Picture::Png => Ok(data_encoding::BASE64
                .decode(
                    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
                )
                .unwrap_or_default()),
        }
    }

    fn pid(&self) -> Option<u32> {
        self.running().then(std::process::id)
    }

    fn forget_state(&self) -> Result<(), Fault> {
        if self.running() {
            Err(Fault::failed("it runs"))
        } else {
            Ok(())
        }
    }

    fn state_dir(&self) -> Option<PathBuf> {
        Some(self.home.clone())
    }
}

fn over(limit: &Limit) -> Result<(), Fault> {
    if limit.cancel.is_cancelled() {
        Err(Fault::Cancelled)
    } else if limit.over() {
        Err(Fault::TimedOut)
    } else {
        Ok(())
    }
}

/// A network that only remembers.
#[derive(Default)]
struct FakeVlan {
    changes: Mutex<Vec<VlanChange>>,
}

impl Vlan for FakeVlan {
    fn change(&self, _a: Option<&str>, _b: Option<&str>, change: VlanChange) -> Result<(), Fault> {
        self.changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(change);
        Ok(())
    }

    fn capture(&self, mut out: Box<dyn Write + Send>) -> Result<Box<dyn Capture>, Fault> {
        struct Nothing;
        impl Capture for Nothing {}
        out.write_all(b"frames")
            .map_err(|error| Fault::failed(error.to_string()))?;
        Ok(Box::new(Nothing))
    }
}
