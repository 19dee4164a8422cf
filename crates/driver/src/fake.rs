//! Machines whose insides are this host, for tests of everything that uses machines.
//!
//! A machine's commands run here with bash, in a directory of their own that is `$FAKE` in them.
//! What a machine would know of itself is read from files there: `units/NAME` holds the state of a
//! unit, `tty1` what the terminal shows. Only for tests: commands are not confined.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use snowglobe_events::{MachineState, Stream};

use crate::Limit;
use crate::world::{
    Agent, Capture, Ended, Exec, Facts, Fault, JournalEntry, Listener, Machine, Observer, Picture,
    Pty, PtySize, UnitVerdict, Vlan, VlanChange, World,
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

struct FakeAgent {
    home: PathBuf,
    running: Arc<AtomicBool>,
}

impl FakeAgent {
    /// Looks every few milliseconds until it is so; whether it was in time.
    fn until(&self, limit: &Limit, mut so: impl FnMut() -> bool) -> Result<bool, Fault> {
        loop {
            if so() {
                return Ok(true);
            }
            if !self.running.load(Ordering::SeqCst) {
                return Err(Fault::Stopped {
                    why: "powered off".to_owned(),
                });
            }
            match over(limit) {
                Err(Fault::TimedOut) => return Ok(false),
                other => other?,
            }
            limit.sleep(Duration::from_millis(5));
        }
    }
}

impl Agent for FakeAgent {
    fn exec(
        &self,
        exec: &Exec,
        limit: &Limit,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<i32, Fault> {
        let failed = |error: std::io::Error| Fault::failed(format!("bash: {error}"));
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(format!("set -euo pipefail; {}", exec.command))
            .current_dir(exec.cwd.as_deref().unwrap_or("/tmp"))
            .env("FAKE", &self.home)
            .envs(&exec.env)
            .process_group(0)
            .stdin(if exec.stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(user) = &exec.user {
            command.env("USER", user);
        }
        let mut child = command.spawn().map_err(failed)?;
        let (sender, receiver) = mpsc::channel();
        if let (Some(mut stdin), Some(data)) = (child.stdin.take(), exec.stdin.clone()) {
            std::thread::spawn(move || stdin.write_all(&data));
        }
        let forward = |mut from: Box<dyn Read + Send>, stream| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut buffer = vec![0; 1 << 16];
                while let Ok(count @ 1..) = from.read(&mut buffer) {
                    if sender.send(Ok((stream, buffer[..count].to_vec()))).is_err() {
                        return;
                    }
                }
                let _ = sender.send(Err(stream));
            });
        };
        if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
            forward(Box::new(out), Stream::Stdout);
            forward(Box::new(err), Stream::Stderr);
        }
        let end = exec.timeout.map(|timeout| Instant::now() + timeout);
        let kill = |child: &mut std::process::Child| {
            if let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
                let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
            }
            let _ = child.wait();
        };
        let (mut at_end, mut error_at_end) = (false, false);
        loop {
            while let Ok(piece) = receiver.try_recv() {
                match piece {
                    Ok((stream, bytes)) => output(stream, &bytes),
                    Err(stream) => {
                        at_end |= stream == Stream::Stdout;
                        error_at_end |= stream == Stream::Stderr;
                    }
                }
            }
            if at_end && let Some(status) = child.try_wait().map_err(failed)? {
                // What was written to standard error before the end; a child may hold it open.
                while !error_at_end
                    && let Ok(Ok((stream, bytes))) =
                        receiver.recv_timeout(Duration::from_millis(100))
                {
                    output(stream, &bytes);
                }
                let code = status.code().or(status.signal().map(|signal| 128 + signal));
                return Ok(code.unwrap_or(-1));
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                kill(&mut child);
                return Ok(124);
            }
            if !self.running.load(Ordering::SeqCst) {
                kill(&mut child);
                return Err(Fault::Stopped {
                    why: "powered off".to_owned(),
                });
            }
            if let Err(fault) = over(limit) {
                kill(&mut child);
                return Err(fault);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn wait_unit(
        &self,
        unit: &str,
        _user: Option<&str>,
        limit: &Limit,
    ) -> Result<UnitVerdict, Fault> {
        let mut verdict = UnitVerdict::Inactive;
        let mut state = String::new();
        let reached = self.until(limit, || {
            let read = std::fs::read_to_string(self.home.join("units").join(unit));
            read.unwrap_or_else(|_| "inactive".to_owned())
                .trim()
                .clone_into(&mut state);
            verdict = match state.as_str() {
                "active" => UnitVerdict::Active,
                "failed" => UnitVerdict::Failed,
                "inactive" => UnitVerdict::Inactive,
                _ => return false,
            };
            true
        })?;
        Ok(if reached {
            verdict
        } else {
            UnitVerdict::TimedOut { state }
        })
    }

    fn wait_file(&self, path: &str, limit: &Limit) -> Result<bool, Fault> {
        let exec = Exec {
            command: format!("test -e {path}"),
            ..Exec::default()
        };
        self.until(limit, || {
            self.exec(&exec, limit, &mut |_, _| {})
                .is_ok_and(|status| status == 0)
        })
    }

    fn wait_port(
        &self,
        address: &str,
        port: u16,
        open: bool,
        limit: &Limit,
    ) -> Result<bool, Fault> {
        self.until(limit, || {
            std::net::TcpStream::connect((address, port)).is_ok() == open
        })
    }

    fn wait_socket(&self, path: &str, _datagram: bool, limit: &Limit) -> Result<bool, Fault> {
        self.until(limit, || {
            std::os::unix::net::UnixStream::connect(path).is_ok()
        })
    }

    fn tty_text(&self, tty: &str, unlike: Option<&str>, limit: &Limit) -> Result<String, Fault> {
        let path = self.home.join(format!("tty{tty}"));
        let read = || std::fs::read_to_string(&path).unwrap_or_default();
        self.until(limit, || unlike.is_none_or(|unlike| read() != unlike))?;
        Ok(read())
    }

    fn power_off(&self) -> Result<(), Fault> {
        std::fs::write(self.home.join("off"), b"").map_err(|error| Fault::failed(error.to_string()))
    }

    fn put(
        &self,
        target: &str,
        name: &str,
        archive: &mut dyn Read,
        limit: &Limit,
    ) -> Result<(), Fault> {
        let mut data = Vec::new();
        archive
            .read_to_end(&mut data)
            .map_err(|error| Fault::failed(error.to_string()))?;
        let command = "t=$(mktemp -d); tar -x -C \"$t\"; mkdir -p \"$(dirname \"$target\")\"; \
                       if [ -d \"$target\" ]; then target=\"$target/$name\"; fi; \
                       cp -r \"$t/tree\" \"$target\"; rm -r \"$t\"";
        let env = [("target", target), ("name", name)];
        let exec = Exec {
            command: command.to_owned(),
            env: env
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            stdin: Some(data),
            ..Exec::default()
        };
        let mut error = Vec::new();
        match self.exec(&exec, limit, &mut |_, bytes| error.extend_from_slice(bytes))? {
            0 => Ok(()),
            _ => Err(Fault::failed(String::from_utf8_lossy(&error))),
        }
    }

    fn get(&self, source: &str, archive: &mut dyn Write, limit: &Limit) -> Result<(), Fault> {
        let exec = Exec {
            command: "tar -c -C \"$(dirname \"$source\")\" --transform='s,^[^/]*,tree,S' \"$(basename \"$source\")\""
                .to_owned(),
            env: [("source".to_owned(), source.to_owned())].into(),
            ..Exec::default()
        };
        let (mut out, mut error) = (Vec::new(), Vec::new());
        let status = self.exec(&exec, limit, &mut |stream, bytes| match stream {
            Stream::Stdout => out.extend_from_slice(bytes),
            Stream::Stderr => error.extend_from_slice(bytes),
        })?;
        if status != 0 {
            return Err(Fault::failed(String::from_utf8_lossy(&error)));
        }
        archive
            .write_all(&out)
            .map_err(|error| Fault::failed(error.to_string()))
    }

    fn pty(
        &self,
        _command: Option<&str>,
        _size: PtySize,
        _term: &str,
    ) -> Result<Box<dyn Pty>, Fault> {
        Err(Fault::unsupported("a terminal in a fake machine"))
    }

    fn facts(&self, _limit: &Limit) -> Result<Facts, Fault> {
        let units = std::fs::read_dir(self.home.join("units"))
            .into_iter()
            .flatten()
            .flatten();
        let failed = units.filter(|unit| {
            std::fs::read_to_string(unit.path()).is_ok_and(|state| state.trim() == "failed")
        });
        let failed_units: Vec<String> = failed
            .map(|unit| unit.file_name().to_string_lossy().into_owned())
            .collect();
        let state = if failed_units.is_empty() {
            "running"
        } else {
            "degraded"
        };
        Ok(Facts {
            system_state: state.to_owned(),
            failed_units,
            listeners: vec![Listener {
                protocol: "tcp".to_owned(),
                address: "0.0.0.0".to_owned(),
                port: 80,
            }],
            memory_total_kib: 1 << 20,
            memory_available_kib: 1 << 19,
            ..Facts::default()
        })
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
