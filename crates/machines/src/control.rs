//! What can be done to a machine that runs, and asked of it, from outside.

use std::io::Write;
use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

use fs_err as fs;
use serde_json::{Value, json};
use snowglobe_switch::{PortId, Vlan};

use crate::arguments::card_id;
use crate::error::Error;
use crate::forward::{forward, listen};
use crate::keys;
use crate::machine::{COMMAND_LIMIT, Forward, Machine};
use crate::qmp::Qmp;

impl Machine {
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
}
