//! Starting QEMU: what it sees, inherits and is told.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use snowglobe_plan::{Direction, Protocol};
use snowglobe_sandbox::{Access, Network};

use crate::accel::Accelerator;
use crate::arguments::{self, Ram, Wiring, arguments};
use crate::console;
use crate::disks;
use crate::error::Error;
use crate::machine::{COMMAND_LIMIT, Machine};
use crate::qmp::Qmp;
use crate::running::{Process, Running};
use crate::snapshot::Snapshot;

/// How long QEMU may take until its monitor answers, on a host that is busy with other machines.
const START_LIMIT: Duration = Duration::from_secs(120);
/// A machine that takes nothing on its console is not waited for longer.
const CONSOLE_LIMIT: Duration = Duration::from_secs(10);

impl Machine {
    /// Starts QEMU and waits until its monitor answers.
    pub(crate) fn launch(
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
