//! A QEMU machine and its agent, as the driver wants them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::Value;
use snowglobe_agent_client as client;
use snowglobe_driver as driver;
use snowglobe_driver::{Fault, Limit, Observer, Picture};
use snowglobe_events::MachineState;
use snowglobe_machines as machines;
use snowglobe_machines::Reason;

use crate::agent::{Agent, fault as agent_fault};
use crate::warm::{Bake, Warm, Warmth};

/// How often a wait for the end of a machine looks at its limit.
const LOOK: Duration = Duration::from_millis(100);
/// How long QEMU may take to end when it was told to, on a host that is busy with other machines.
pub(crate) const END_LIMIT: Duration = Duration::from_secs(120);

/// One machine of a test.
#[derive(Clone)]
pub struct Machine(Arc<Inner>);

struct Inner {
    machine: machines::Machine,
    client: client::Agent,
    agent: Arc<Agent>,
    observer: Arc<dyn Observer>,
    warm: Warm,
    /// Whether commands are possible in the present boot.
    ready: AtomicBool,
    /// Whether it was started in this run.
    started: AtomicBool,
    /// Messages of the present boot's journal that were passed on, lost ones included.
    journal: AtomicU64,
    /// How many of them the run knows already, because it went back to a checkpoint.
    journal_known: AtomicU64,
    /// Counts boots, so that what watches one boot knows when another has begun.
    boot: AtomicU64,
    /// All machines of the run.
    company: Arc<Company>,
    /// Only one thread starts it at a time.
    starting: Mutex<()>,
    /// The boot that is being left, by the kernel's boot id: what still answers is not asked.
    leaving: Mutex<Option<String>>,
}

/// The machines of one run, which are baked together.
#[derive(Default)]
pub struct Company {
    members: Mutex<Vec<Weak<Inner>>>,
    /// Whether all that was missing has been made, or was tried to. Locked while it is being made,
    /// and while a machine is marked as started.
    baked: Mutex<bool>,
}

/// What a machine tells is passed on to the driver's observer.
pub struct Ears(pub Arc<dyn Observer>);

impl machines::Observer for Ears {
    fn console(&self, machine: &str, line: &[u8]) {
        self.0.console(machine, line);
    }

    fn ended(&self, machine: &str, ended: &machines::Ended) {
        let state = match ended.reason {
            Reason::PoweredOff | Reason::Rebooted | Reason::Killed => MachineState::Stopped,
            Reason::Panicked | Reason::NoRoom | Reason::Died(_) => MachineState::Crashed,
        };
        let mut why = ended.to_string();
        if !ended.messages.trim().is_empty() {
            why.push_str(": ");
            why.push_str(ended.messages.trim());
        }
        self.0.state(machine, state, Some(why));
    }
}

/// Errors of machines in the driver's terms.
pub fn fault(error: machines::Error) -> Fault {
    match error {
        machines::Error::Qmp(error) => Fault::Qmp {
            class: error.class,
            description: error.description,
        },
        machines::Error::NotRunning(_) => Fault::Stopped {
            why: error.to_string(),
        },
        machines::Error::Unsupported(what) => Fault::unsupported(what),
        other => Fault::failed(other.to_string()),
    }
}

fn ended(end: &machines::Ended) -> driver::Ended {
    let expected = matches!(
        end.reason,
        Reason::PoweredOff | Reason::Rebooted | Reason::Killed
    );
    driver::Ended {
        why: end.to_string(),
        expected,
    }
}

impl Machine {
    /// A machine that does not run yet.
    pub fn new(
        machine: machines::Machine,
        observer: Arc<dyn Observer>,
        warm: Warm,
        company: Arc<Company>,
    ) -> Self {
        let client = client::Agent::unconnected();
        let agent = Arc::new(Agent::new(client.clone()));
        let members = company.clone();
        let inner = Arc::new(Inner {
            machine,
            client,
            agent,
            observer,
            warm,
            ready: AtomicBool::new(false),
            started: AtomicBool::new(false),
            journal: AtomicU64::new(0),
            journal_known: AtomicU64::new(0),
            boot: AtomicU64::new(0),
            company,
            starting: Mutex::new(()),
            leaving: Mutex::default(),
        });
        let mut members = members
            .members
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        members.push(Arc::downgrade(&inner));
        Self(inner)
    }

    /// The machine without its agent.
    pub fn qemu(&self) -> &machines::Machine {
        &self.0.machine
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.0.machine.is_running()
    }

    /// Keeps it from being started meanwhile.
    pub fn hold(&self) -> MutexGuard<'_, ()> {
        self.0
            .starting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was started in this run.
    pub fn was_started(&self) -> bool {
        self.0.started.load(Ordering::SeqCst)
    }

    /// The state of before is put back.
    pub fn set_started(&self, started: bool) {
        self.0.started.store(started, Ordering::SeqCst);
    }

    /// Messages of its journal that were passed on in the present boot.
    pub fn journal_position(&self) -> u64 {
        self.0.journal.load(Ordering::SeqCst)
    }

    /// Ends it without saving anything, and waits until it has ended.
    pub fn end_now(&self, limit: &Limit) -> Result<(), Fault> {
        self.0.ready.store(false, Ordering::SeqCst);
        if !self.is_running() {
            return Ok(());
        }
        self.0.client.disconnect();
        self.0.machine.release();
        let time = limit.left().unwrap_or(END_LIMIT).max(END_LIMIT);
        match self.0.machine.wait_ended(time) {
            Some(_) => Ok(()),
            None => Err(Fault::TimedOut),
        }
    }

    /// Takes up the conversation with a machine that was put back. Of its journal, so many messages
    /// are known.
    pub fn came_back(&self, why: &str, journal: u64) -> Result<(), Fault> {
        let inner = &self.0;
        inner.observer.state(
            inner.machine.name(),
            MachineState::Restored,
            Some(why.to_owned()),
        );
        inner.journal_known.store(journal, Ordering::SeqCst);
        inner.journal.store(journal, Ordering::SeqCst);
        self.renew()
    }

    /// Boots it from its disks, and follows it.
    fn boot(&self, allow_reboot: bool, why: &str) -> Result<(), Fault> {
        let inner = &self.0;
        let name = inner.machine.name();
        inner
            .observer
            .state(name, MachineState::Starting, Some(why.to_owned()));
        inner
            .machine
            .start(machines::Start { allow_reboot })
            .map_err(fault)?;
        inner
            .observer
            .state(name, MachineState::Booting, Some(why.to_owned()));
        self.meet_agent()
    }

    /// Takes up the conversation with the agent of this boot.
    fn meet_agent(&self) -> Result<(), Fault> {
        let inner = &self.0;
        let boot = inner.boot.fetch_add(1, Ordering::SeqCst) + 1;
        inner.ready.store(false, Ordering::SeqCst);
        let stream = inner.machine.take_agent().ok_or_else(|| Fault::Stopped {
            why: inner
                .machine
                .last_end()
                .map_or("its agent is in use".to_owned(), |end| end.to_string()),
        })?;
        inner.client.reconnect(stream).map_err(agent_fault)?;
        *inner.leaving.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.follow(boot)
    }

    /// Watches a boot on a thread of its own.
    fn follow(&self, boot: u64) -> Result<(), Fault> {
        let inner = &self.0;
        let machine = self.clone();
        let watch = move || machine.watch(boot);
        std::thread::Builder::new()
            .name(format!("{}-ready", inner.machine.name()))
            .spawn(watch)
            .map_err(|e| Fault::failed(e.to_string()))?;
        Ok(())
    }

    /// Says when the machine is ready, then passes its journal on until it ends.
    fn watch(&self, boot: u64) {
        let inner = &self.0;
        let present = || inner.boot.load(Ordering::SeqCst) == boot;
        if !matches!(inner.client.wait_for_login(None), Ok(true)) || !present() {
            return;
        }
        inner.ready.store(true, Ordering::SeqCst);
        inner
            .observer
            .state(inner.machine.name(), MachineState::Ready, None);
        let known = inner.journal_known.swap(0, Ordering::SeqCst);
        let Ok(mut journal) = inner.client.journal() else {
            return;
        };
        let mut position = 0;
        while let Ok(Some(entry)) = journal.next(None) {
            if !present() {
                return;
            }
            position += entry.lost + 1;
            if position <= known {
                continue;
            }
            inner.journal.store(position, Ordering::SeqCst);
            inner.observer.journal(
                inner.machine.name(),
                driver::JournalEntry {
                    realtime_us: entry.realtime_us,
                    priority: entry.priority,
                    unit: entry.unit,
                    identifier: entry.identifier,
                    pid: entry.pid,
                    message: entry.message,
                },
            );
        }
    }

    /// After a reboot was asked for: waits until the agent of the next boot answers.
    fn wait_for_next_boot(&self, limit: &Limit) -> Result<(), Fault> {
        let inner = &self.0;
        let mut leaving = inner.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(old) = leaving.clone() else {
            return Ok(());
        };
        loop {
            match inner.client.hello(Some(LOOK)) {
                Ok(hello) if hello.boot_id != old => break,
                // The old boot answers until it is down.
                Ok(_) => std::thread::sleep(LOOK),
                Err(client::Error::Unresponsive(_) | client::Error::Restarted) => {}
                Err(client::Error::Disconnected) => std::thread::sleep(LOOK),
                Err(other) => return Err(agent_fault(other)),
            }
            self.check(limit)?;
        }
        *leaving = None;
        drop(leaving);
        let boot = inner.boot.fetch_add(1, Ordering::SeqCst) + 1;
        self.follow(boot)
    }

    /// An error if the machine has ended or the limit is over.
    fn check(&self, limit: &Limit) -> Result<(), Fault> {
        if !self.0.machine.is_running() {
            let end = self.0.machine.last_end();
            let why = end.map_or("it was not started".to_owned(), |end| end.to_string());
            return Err(Fault::Stopped { why });
        }
        if limit.cancel.is_cancelled() {
            return Err(Fault::Cancelled);
        }
        if limit.over() {
            Err(Fault::TimedOut)
        } else {
            Ok(())
        }
    }

    /// Brings the machine up from a snapshot, which is made first if there is none. False: this
    /// machine must boot as it is.
    fn start_warm(&self, limit: &Limit) -> Result<bool, Fault> {
        let inner = &self.0;
        let name = inner.machine.name();
        match inner.warm.take(&inner.machine) {
            Warmth::Cold => Ok(false),
            Warmth::Saved(snapshot) => {
                if let Err(error) = inner.machine.restore(&snapshot) {
                    let why = format!("its snapshot does not load and was dropped: {error}");
                    drop(snapshot);
                    inner.warm.discard(&inner.machine);
                    inner.observer.state(name, MachineState::Stopped, Some(why));
                    return Ok(false);
                }
                inner.observer.state(
                    name,
                    MachineState::Restored,
                    Some("from a snapshot".to_owned()),
                );
                self.renew()?;
                Ok(true)
            }
            // Its snapshot did not load, or is not there any more.
            Warmth::Missing(bake) => match self.bake(&bake, limit)? {
                true => self.start_warm_saved(),
                false => Ok(false),
            },
        }
    }

    /// Boots it alone and saves it; it does not run afterwards. False: it cannot be saved.
    fn bake(&self, bake: &Bake, limit: &Limit) -> Result<bool, Fault> {
        let inner = &self.0;
        let name = inner.machine.name();
        let _turn = bake.turn(limit)?;
        if let Some(saved) = bake.settled() {
            return Ok(saved);
        }
        let why = "booting once to be saved".to_owned();
        inner.observer.state(name, MachineState::Baking, Some(why));
        inner
            .machine
            .start(machines::Start::default())
            .map_err(fault)?;
        let stream = inner.machine.take_agent();
        let stream = stream.ok_or_else(|| Fault::failed("the machine ended at once"))?;
        inner.client.reconnect(stream).map_err(agent_fault)?;
        match bake.save(&inner.machine, &inner.client, limit) {
            Ok(()) => Ok(true),
            Err(why) => {
                // What was booted alone may have missed the others: it boots again, live.
                inner.machine.crash(END_LIMIT).map_err(fault)?;
                inner.machine.forget_state().map_err(fault)?;
                inner.observer.state(name, MachineState::Stopped, Some(why));
                match limit.cancel.is_cancelled() {
                    true => Err(Fault::Cancelled),
                    false => Ok(false),
                }
            }
        }
    }

    /// Makes all snapshots that machines of this run miss, together, before the first of them is
    /// restored: one that cannot be saved because it speaks makes all of them boot.
    fn bake_all(&self, limit: &Limit) -> Result<(), Fault> {
        let company = &self.0.company;
        let mut baked = company.baked.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *baked, true) {
            return Ok(());
        }
        let members = company
            .members
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let idle = members
            .iter()
            .filter_map(Weak::upgrade)
            .map(Machine)
            .filter(|machine| !machine.was_started() && !machine.is_running());
        let missing: Vec<(Machine, Bake)> = idle
            .filter_map(|machine| {
                let bake = machine.0.warm.missing(&machine.0.machine)?;
                Some((machine, bake))
            })
            .collect();
        if self.0.warm.is_live() {
            return Ok(());
        }
        std::thread::scope(|scope| {
            let bakes: Vec<_> = missing
                .iter()
                .map(|(machine, bake)| scope.spawn(|| machine.bake(bake, limit)))
                .collect();
            let mut result = Ok(());
            for bake in bakes {
                match bake.join() {
                    Ok(Err(fault)) if result.is_ok() => result = Err(fault),
                    Ok(_) => {}
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            result
        })
    }

    /// The second half of a bake: the snapshot is there now.
    fn start_warm_saved(&self) -> Result<bool, Fault> {
        let inner = &self.0;
        let Warmth::Saved(snapshot) = inner.warm.take(&inner.machine) else {
            return Ok(false);
        };
        inner.machine.restore(&snapshot).map_err(fault)?;
        let why = "from the snapshot just made".to_owned();
        inner
            .observer
            .state(inner.machine.name(), MachineState::Restored, Some(why));
        self.renew()?;
        Ok(true)
    }

    /// Gives a restored machine the time and randomness of its own.
    fn renew(&self) -> Result<(), Fault> {
        self.meet_agent()?;
        let mut entropy = [0; 64];
        let filled = std::fs::File::open("/dev/urandom")
            .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut entropy));
        filled.map_err(|e| Fault::failed(format!("/dev/urandom: {e}")))?;
        let client = &self.0.client;
        client.restored(now(), &entropy).map_err(agent_fault)?;
        // The first request takes a machine that has just been restored a fifth of a second to take
        // up, by which its clock is late then; the second one does not.
        client.set_clock(now()).map_err(agent_fault)
    }
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |passed| {
        u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
    })
}

impl driver::Machine for Machine {
    fn name(&self) -> &str {
        self.0.machine.name()
    }

    fn start(&self, allow_reboot: bool, limit: &Limit) -> Result<(), Fault> {
        let inner = &self.0;
        let _one = inner
            .starting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if inner.machine.is_running() {
            return Ok(());
        }
        let first = !inner.started.load(Ordering::SeqCst);
        if inner.warm.why_cold(first, allow_reboot).is_none() {
            self.bake_all(limit)?;
        }
        {
            // From here on nobody bakes it.
            let company = &inner.company.baked;
            let _baked = company.lock().unwrap_or_else(PoisonError::into_inner);
            inner.started.store(true, Ordering::SeqCst);
        }
        let cold = inner.warm.why_cold(first, allow_reboot);
        match cold {
            Some(why) => self.boot(allow_reboot, &why),
            None if self.start_warm(limit)? => Ok(()),
            None => self.boot(allow_reboot, &inner.warm.why_live()),
        }
    }

    fn running(&self) -> bool {
        self.0.machine.is_running()
    }

    fn agent(&self, limit: &Limit) -> Result<Arc<dyn driver::Agent>, Fault> {
        self.wait_for_next_boot(limit)?;
        if !self.0.ready.load(Ordering::SeqCst) {
            loop {
                self.check(limit)?;
                let turn = limit.left().unwrap_or(LOOK).min(LOOK * 5);
                match self.0.client.wait_for_login(Some(turn)) {
                    Ok(true) => break,
                    Ok(false) | Err(client::Error::Unresponsive(_) | client::Error::Restarted) => {}
                    Err(client::Error::Disconnected) => std::thread::sleep(LOOK),
                    Err(other) => return Err(agent_fault(other)),
                }
            }
            self.0.ready.store(true, Ordering::SeqCst);
        }
        Ok(self.0.agent.clone())
    }

    fn connected(&self) -> Option<Arc<dyn driver::Agent>> {
        let ready = self.0.ready.load(Ordering::SeqCst) && self.0.machine.is_running();
        ready.then(|| self.0.agent.clone() as Arc<dyn driver::Agent>)
    }

    fn early_agent(&self, limit: &Limit) -> Result<Arc<dyn driver::Agent>, Fault> {
        self.wait_for_next_boot(limit)?;
        Ok(self.0.agent.clone())
    }

    fn rebooting(&self) {
        if let Ok(hello) = self.0.client.hello(Some(LOOK * 50)) {
            let mut leaving = self
                .0
                .leaving
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *leaving = Some(hello.boot_id);
        }
        self.0.ready.store(false, Ordering::SeqCst);
        self.0.observer.state(
            self.name(),
            MachineState::Booting,
            Some("rebooting".to_owned()),
        );
    }

    fn wait_ended(&self, limit: &Limit) -> Result<driver::Ended, Fault> {
        loop {
            if !self.0.machine.is_running() {
                let end = self.0.machine.last_end();
                return Ok(end.as_ref().map_or(
                    driver::Ended {
                        why: "it did not run".to_owned(),
                        expected: true,
                    },
                    ended,
                ));
            }
            if let Some(end) = self
                .0
                .machine
                .wait_ended(limit.left().unwrap_or(LOOK).min(LOOK))
            {
                return Ok(ended(&end));
            }
            if limit.cancel.is_cancelled() {
                return Err(Fault::Cancelled);
            }
            if limit.over() {
                return Err(Fault::TimedOut);
            }
        }
    }

    fn crash(&self, limit: &Limit) -> Result<(), Fault> {
        let time = limit.left().unwrap_or(END_LIMIT).max(END_LIMIT);
        self.0.machine.crash(time).map_err(fault)
    }

    fn release(&self) {
        self.0.client.disconnect();
        self.0.machine.release();
    }

    fn qmp(&self, command: &str, arguments: Value) -> Result<Value, Fault> {
        self.0.machine.qmp(command, arguments).map_err(fault)
    }

    fn qmp_events(&self) -> Result<Receiver<Value>, Fault> {
        Ok(self.0.machine.monitor().map_err(fault)?.events())
    }

    fn write_console(&self, bytes: &[u8]) -> Result<(), Fault> {
        self.0.machine.write_console(bytes).map_err(fault)
    }

    fn console_stream(&self) -> Result<Receiver<Vec<u8>>, Fault> {
        Ok(self.0.machine.console_stream())
    }

    fn set_link(&self, card: usize, up: bool) -> Result<(), Fault> {
        self.0.machine.set_link(card, up).map_err(fault)
    }

    fn forward_port(&self, host: u16, guest: u16) -> Result<(), Fault> {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.0
            .machine
            .forward_port(loopback, host, guest)
            .map(drop)
            .map_err(fault)
    }

    fn screen(&self, format: Picture) -> Result<Vec<u8>, Fault> {
        let format = match format {
            Picture::Png => "png",
            Picture::Ppm => "ppm",
        };
        self.0.machine.screen(format).map_err(fault)
    }

    fn pid(&self) -> Option<u32> {
        self.0.machine.pid()
    }

    fn forget_state(&self) -> Result<(), Fault> {
        self.0.machine.forget_state().map_err(fault)
    }

    fn state_dir(&self) -> Option<PathBuf> {
        Some(self.0.machine.directory().to_owned())
    }
}
