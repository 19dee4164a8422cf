//! A machine that can be started, driven and ended.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use snowglobe_plan::{Direction, Protocol};
use snowglobe_sandbox::{Access, Network};
use snowglobe_switch::{PortId, Vlan};

use crate::accel::Accelerator;
use crate::arguments::{self, Ram, Wiring, arguments, card_id};
use crate::console;
use crate::disks;
use crate::error::Error;
use crate::forward::{forward, listen};
use crate::host::Host;
use crate::keys;
use crate::qmp::Qmp;
use crate::ram;
use crate::running::{Ended, Process, Running};
use crate::snapshot::Snapshot;
use crate::spec::MachineSpec;

/// How long QEMU may take until its monitor answers, on a host that is busy with other machines.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long ordinary commands of the monitor may take, on such a host.
pub(crate) const COMMAND_LIMIT: Duration = Duration::from_secs(120);
/// A machine that takes nothing on its console is not waited for longer.
const CONSOLE_LIMIT: Duration = Duration::from_secs(10);

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
pub struct Machine(Arc<Inner>);

pub(crate) struct Inner {
    pub spec: MachineSpec,
    pub host: Arc<Host>,
    pub directory: PathBuf,
    cards: Vec<(Vlan, PortId)>,
    observer: Arc<dyn Observer>,
    taps: Arc<console::Taps>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Option<Arc<Running>>,
    last: Option<Ended>,
    /// Whether the console of the boot that was saved has been told, since it was saved in this run.
    told: bool,
    /// Whether the running machine may reboot.
    allow_reboot: bool,
    /// Ports that were asked for while it runs.
    forwards: Vec<Forward>,
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

    /// Stops its processors.
    ///
    /// # Errors
    ///
    /// When it does not run or QEMU does not answer; so for the functions below.
    pub fn pause(&self) -> Result<(), Error> {
        self.qmp("stop", json!({})).map(drop)
    }

    /// Lets its processors run again.
    pub fn resume(&self) -> Result<(), Error> {
        self.qmp("cont", json!({})).map(drop)
    }

    /// Presses its reset button. It ends instead, unless reboots are allowed.
    pub fn reset(&self) -> Result<(), Error> {
        self.qmp("system_reset", json!({})).map(drop)
    }

    /// Presses its power button.
    pub fn press_power(&self) -> Result<(), Error> {
        self.qmp("system_powerdown", json!({})).map(drop)
    }

    /// Executes a command of QEMU's machine protocol.
    pub fn qmp(&self, command: &str, arguments: Value) -> Result<Value, Error> {
        self.monitor()?.execute(command, arguments, COMMAND_LIMIT)
    }

    /// The connection to QEMU's monitor, also for its events.
    pub fn monitor(&self) -> Result<Qmp, Error> {
        let running = self
            .running()
            .ok_or_else(|| Error::NotRunning(self.name().to_owned()))?;
        Ok(running.qmp.clone())
    }

    /// Executes a command of QEMU's monitor for people and gives what it prints.
    pub fn monitor_command(&self, command: &str) -> Result<String, Error> {
        let reply = self.qmp("human-monitor-command", json!({ "command-line": command }))?;
        Ok(reply.as_str().unwrap_or_default().to_owned())
    }

    /// Presses a key: a character, or a name or chord as QEMU has them, such as `ctrl-alt-delete`.
    pub fn send_key(&self, key: &str) -> Result<(), Error> {
        let chord = keys::chord(key);
        let output = self.monitor_command(&format!("sendkey {chord}"))?;
        match output.trim() {
            "" => Ok(()),
            complaint => Err(Error::Qmp(crate::qmp::QmpError {
                class: "GenericError".into(),
                description: complaint.to_owned(),
            })),
        }
    }

    /// What its serial console writes from now on, as it comes, over all its boots.
    pub fn console_stream(&self) -> std::sync::mpsc::Receiver<Vec<u8>> {
        self.0.taps.open()
    }

    /// Writes to its serial console.
    pub fn write_console(&self, bytes: &[u8]) -> Result<(), Error> {
        let running = self
            .running()
            .ok_or_else(|| Error::NotRunning(self.name().to_owned()))?;
        let mut console = running
            .console
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        console
            .write_all(bytes)
            .map_err(Error::system("write to the console"))
    }

    /// A picture of its screen, as PNG.
    pub fn screenshot(&self) -> Result<Vec<u8>, Error> {
        self.screen("png")
    }

    /// A picture of its screen in one of QEMU's formats: `png` or `ppm`.
    pub fn screen(&self, format: &str) -> Result<Vec<u8>, Error> {
        let file = tempfile::Builder::new()
            .prefix("screen-")
            .tempfile_in(&self.0.directory)
            .map_err(Error::file("write to", &self.0.directory))?;
        let arguments = json!({ "filename": file.path(), "format": format });
        self.qmp("screendump", arguments)?;
        fs::read(file.path()).map_err(Error::file("read", file.path()))
    }

    /// Pulls out or plugs in the cable of a card on a virtual network, counted from 0, so that the
    /// machine notices.
    pub fn set_link(&self, card: usize, up: bool) -> Result<(), Error> {
        self.qmp("set_link", json!({ "name": card_id(card), "up": up }))
            .map(drop)
    }

    /// Makes a TCP port of the machine reachable at `address` of the host, until it ends. Gives the
    /// port of the host, which is chosen freely when `host_port` is 0.
    pub fn forward_port(
        &self,
        address: IpAddr,
        host_port: u16,
        guest_port: u16,
    ) -> Result<u16, Error> {
        if self.0.spec.hardware.user_network.is_none() {
            return Err(Error::Unsupported(
                "a forwarded port without a user network".into(),
            ));
        }
        let running = self
            .running()
            .ok_or_else(|| Error::NotRunning(self.name().to_owned()))?;
        let listener =
            listen(address, host_port).map_err(Error::system("listen on the host's port"))?;
        let host_port = listener
            .local_addr()
            .map_err(Error::system("listen on the host's port"))?
            .port();
        let inner = self.forward_inside(guest_port)?;
        forward(listener, running.process(), inner).map_err(Error::system("start a thread"))?;
        self.0.lock().forwards.push(Forward {
            address,
            host_port,
            guest_port,
        });
        Ok(host_port)
    }

    /// Ports that were forwarded since it was started, planned ones among them.
    pub fn forwards(&self) -> Vec<Forward> {
        self.0.lock().forwards.clone()
    }

    /// Whether it was started so that it may reboot.
    pub fn may_reboot(&self) -> bool {
        self.0.lock().allow_reboot
    }

    /// Lets QEMU forward a port of its own loopback into the machine; gives that port.
    fn forward_inside(&self, guest_port: u16) -> Result<u16, Error> {
        // With the host's network, ports may be taken; with a network of its own, none is.
        for attempt in 0..100_u16 {
            let port = 20_000 + (std::process::id() as u16 % 200) * 200 + attempt;
            let command = format!("hostfwd_add user tcp:127.0.0.1:{port}-:{guest_port}");
            if self.monitor_command(&command)?.trim().is_empty() {
                return Ok(port);
            }
        }
        Err(Error::Unsupported(format!(
            "forwarding the port {guest_port} of this machine"
        )))
    }

    /// Process id of QEMU.
    pub fn pid(&self) -> Option<u32> {
        self.running()?.process().qemu_id()
    }

    /// How long its processors wanted to run since it was started, while the host ran something
    /// else. Zero where the host does not tell.
    pub fn starved(&self) -> Duration {
        let Some(pid) = self.pid() else {
            return Duration::ZERO;
        };
        let threads = fs::read_dir(format!("/proc/{pid}/task"));
        let delays = threads
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|thread| {
                let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
                let delay = text.split_whitespace().nth(1)?;
                delay.parse().ok().map(Duration::from_nanos)
            });
        delays.max().unwrap_or_default()
    }

    /// The ports of its cards.
    pub fn cards(&self) -> &[(Vlan, PortId)] {
        &self.0.cards
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

    /// Starts QEMU and waits until its monitor answers.
    fn launch(
        &self,
        disks: Vec<PathBuf>,
        memory: Option<OwnedFd>,
        snapshot: Option<&Snapshot>,
        allow_reboot: bool,
    ) -> Result<Arc<Running>, Error> {
        let inner = &self.0;
        let mut state = inner.lock();
        if state
            .running
            .as_ref()
            .is_some_and(|running| running.process().ended().is_none())
        {
            return Err(Error::Running(self.name().to_owned()));
        }
        let pair = || UnixStream::pair().map_err(Error::system("make a socket pair"));
        let (qmp, qemu_qmp) = pair()?;
        let (console, qemu_console) = pair()?;
        let (agent, qemu_agent) = pair()?;
        console
            .set_write_timeout(Some(CONSOLE_LIMIT))
            .map_err(Error::system("make a socket pair"))?;

        let world = self.world(&disks, snapshot)?;
        let mut command = world.command(inner.host.tools().program());
        let ram = match (&memory, snapshot.and_then(Snapshot::private_ram)) {
            (_, Some(path)) => Ram::Private(path),
            (Some(memory), None) => {
                let memory = memory
                    .try_clone()
                    .map_err(Error::system("pass the memory"))?;
                Ram::Shared(command.inherit(memory))
            }
            (None, None) => return Err(Error::NotRunning(self.name().to_owned())),
        };
        let mut cards = Vec::new();
        for (vlan, port) in &inner.cards {
            let socket = vlan
                .attach(*port)
                .map_err(Error::system("connect a network card"))?;
            cards.push(command.inherit(socket));
        }
        let wiring = Wiring {
            accelerator: inner.host.choice().accelerator,
            ram,
            qmp: command.inherit(qemu_qmp),
            console: command.inherit(qemu_console),
            agent: command.inherit(qemu_agent),
            cards,
            disks,
            allow_reboot,
            incoming: snapshot.is_some(),
        };
        command
            .args(arguments(&inner.spec, &wiring))
            .stderr(Stdio::piped())
            .connectable();
        let child = command.spawn()?;

        let ending = Arc::downgrade(inner);
        let process = Process::watch(child, move |ended| {
            if let Some(inner) = ending.upgrade() {
                inner.ended(ended);
            }
        })
        .map_err(Error::system("start a thread"))?;
        let started = self.connect(&process, qmp, console, agent, memory);
        match started {
            Ok(running) => {
                let running = Arc::new(running);
                state.running = Some(running.clone());
                state.last = None;
                state.allow_reboot = allow_reboot;
                state.forwards.clear();
                drop(state);
                if snapshot.is_none() {
                    self.forward_planned()?;
                }
                Ok(running)
            }
            Err(error) => {
                drop(state);
                // Most often QEMU has ended by itself, with a reason.
                let ended = process.wait(Duration::from_secs(2));
                process.kill();
                let _ = process.wait(COMMAND_LIMIT);
                match ended {
                    Some(ended) => Err(Error::NotStarted {
                        name: self.name().to_owned(),
                        messages: ended.messages.clone(),
                        ended,
                    }),
                    None => Err(error),
                }
            }
        }
    }

    fn connect(
        &self,
        process: &Arc<Process>,
        qmp: UnixStream,
        console: UnixStream,
        agent: UnixStream,
        memory: Option<OwnedFd>,
    ) -> Result<Running, Error> {
        let reader = console
            .try_clone()
            .map_err(Error::system("read the console"))?;
        let path = self.0.directory.join(console::FILE);
        let observer = self.0.observer.clone();
        let name = self.name().to_owned();
        let taps = self.0.taps.clone();
        let raw = move |bytes: &[u8]| taps.push(bytes);
        console::follow(reader, &path, raw, move |line| {
            observer.console(&name, line)
        })
        .map_err(Error::file("write", &path))?;
        let qmp = Qmp::connect(qmp, START_LIMIT)?;
        Ok(Running::new(process.clone(), qmp, console, agent, memory))
    }

    /// What QEMU sees.
    fn world(
        &self,
        disks: &[PathBuf],
        snapshot: Option<&Snapshot>,
    ) -> Result<snowglobe_sandbox::Sandbox, Error> {
        let inner = &self.0;
        let boot = &inner.spec.boot;
        let mut world = inner.host.tools().sandbox();
        world.hostname(self.name());
        if inner.host.choice().accelerator == Accelerator::Kvm {
            world.device("/dev/kvm");
        }
        if arguments::needs_network(&inner.spec) {
            world.network(Network::Host);
        }
        let mut given: Vec<&Path> = vec![&boot.kernel];
        given.extend(boot.initrd.as_deref());
        given.extend(boot.layers.iter().map(PathBuf::as_path));
        let backing = disks::backing(disks)?;
        given.extend(backing.iter().map(PathBuf::as_path));
        if let Some(snapshot) = snapshot {
            given.push(snapshot.path());
        }
        for path in given {
            world.bind(path, path, Access::ReadOnly);
        }
        for shared in &inner.spec.hardware.shared_directories {
            world.bind(&shared.source, &shared.source, Access::ReadWrite);
        }
        world.bind(&inner.directory, &inner.directory, Access::ReadWrite);
        Ok(world)
    }

    /// `virtualisation.forwardPorts` that QEMU does not do itself.
    pub(crate) fn forward_planned(&self) -> Result<(), Error> {
        let Some(network) = &self.0.spec.hardware.user_network else {
            return Ok(());
        };
        if self.0.spec.internet {
            return Ok(());
        }
        for planned in &network.forwards {
            if (planned.from, planned.proto) == (Direction::Host, Protocol::Tcp) {
                let address = match planned.host_address.as_str() {
                    "" => IpAddr::V4(Ipv4Addr::LOCALHOST),
                    text => text.parse().map_err(|_| {
                        Error::Unsupported(format!("the address '{text}' of a forwarded port"))
                    })?,
                };
                self.forward_port(address, planned.host_port, planned.guest_port)?;
            }
        }
        Ok(())
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, ended: &Ended) {
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
