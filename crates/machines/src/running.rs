//! A QEMU process and its end.

use std::fmt;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use serde_json::Value;
use snowglobe_sandbox::{Child, ExitStatus};

use crate::qmp::Qmp;

/// QEMU's standard error is kept up to so many bytes.
const MAX_MESSAGES: u64 = 64 << 10;
/// QEMU's last words arrive within this time after its end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It switched itself off.
    PoweredOff,
    /// It wanted to reboot, and was started without that being allowed.
    Rebooted,
    /// Its kernel panicked.
    Panicked,
    /// The host had no room for what it wrote on its disk. QEMU would let it wait for ever.
    NoRoom,
    /// We ended it.
    Killed,
    /// QEMU ended by itself.
    Died(ExitStatus),
}

/// How a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub reason: Reason,
    /// What QEMU wrote to its standard error, usually nothing.
    pub messages: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::PoweredOff => f.write_str("powered off"),
            Reason::Rebooted => f.write_str("ended instead of rebooting, which was not allowed"),
            Reason::Panicked => f.write_str("ended by a panic of its kernel"),
            Reason::NoRoom => {
                f.write_str("was ended: the host has no space left for its disk (os error 28)")
            }
            Reason::Killed => f.write_str("was killed"),
            Reason::Died(status) => write!(f, "QEMU ended with {status}"),
        }
    }
}

/// What lives as long as a QEMU process.
pub(crate) struct Running {
    pub qmp: Qmp,
    pub console: Mutex<UnixStream>,
    /// Our end of the agent's port, until somebody takes it.
    pub agent: Mutex<Option<UnixStream>>,
    ram: Mutex<Option<Arc<OwnedFd>>>,
    process: Arc<Process>,
}

/// A QEMU process that a thread of ours waits for.
pub(crate) struct Process {
    id: u32,
    kill: OwnedFd,
    connector: Option<snowglobe_sandbox::Connector>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether we have asked for the end.
    killed: bool,
    /// Whether the host's disk is full.
    no_room: bool,
    ended: Option<Ended>,
    events: Option<Receiver<Value>>,
    /// Closed when it has ended, which their other ends see.
    lifelines: Vec<UnixStream>,
}

impl Running {
    pub fn new(
        process: Arc<Process>,
        qmp: Qmp,
        console: UnixStream,
        agent: UnixStream,
        ram: Option<OwnedFd>,
    ) -> Self {
        process.lock().events = Some(qmp.events());
        let watched = process.clone();
        qmp.when(is_no_room, move || watched.no_room());
        Self {
            qmp,
            console: Mutex::new(console),
            agent: Mutex::new(Some(agent)),
            ram: Mutex::new(ram.map(Arc::new)),
            process,
        }
    }

    /// The memory, where it is shared with us.
    pub fn ram(&self) -> Option<Arc<OwnedFd>> {
        self.ram
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Gives the memory back to the host.
    pub fn forget_ram(&self) {
        self.ram
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }
}

impl Process {
    /// Watches a process; `finally` is called once when it has ended.
    pub fn watch(
        mut child: Child,
        finally: impl FnOnce(&Ended) + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let process = Arc::new(Self {
            id: child.id(),
            kill: eventfd(0, EventfdFlags::CLOEXEC)?,
            connector: child.take_connector(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let watched = process.clone();
        std::thread::Builder::new()
            .name("qemu".into())
            .spawn(move || {
                let messages = child.stderr.take().map(|mut stderr| {
                    std::thread::spawn(move || {
                        let mut text = Vec::new();
                        let _ = stderr.by_ref().take(MAX_MESSAGES).read_to_end(&mut text);
                        // Whatever else it says must not block it.
                        let _ = io::copy(&mut stderr, &mut io::sink());
                        text
                    })
                });
                let status = watched.wait_for(&mut child);
                drop(child);
                let messages = messages
                    .and_then(|thread| thread.join().ok())
                    .unwrap_or_default();
                let ended = Ended {
                    reason: watched.reason(status),
                    messages: String::from_utf8_lossy(&messages).into_owned(),
                };
                finally(&ended);
                let mut state = watched.lock();
                state.lifelines.clear();
                state.ended = Some(ended);
                drop(state);
                watched.changed.notify_all();
            })?;
        Ok(process)
    }

    /// Ends the process at once, without waiting.
    pub fn kill(&self) {
        self.expect_end();
        let _ = rustix::io::write(&self.kill, &1_u64.to_ne_bytes());
    }

    /// Ends the process for want of room.
    fn no_room(&self) {
        self.lock().no_room = true;
        let _ = rustix::io::write(&self.kill, &1_u64.to_ne_bytes());
    }

    /// From now on, an end is our doing.
    pub fn expect_end(&self) {
        self.lock().killed = true;
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<Ended> {
        self.lock().ended.clone()
    }

    /// Waits for the end.
    pub fn wait(&self, limit: Duration) -> Option<Ended> {
        let deadline = Instant::now().checked_add(limit);
        let mut state = self.lock();
        loop {
            if let Some(ended) = &state.ended {
                return Some(ended.clone());
            }
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            if left.is_zero() {
                return None;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// A descriptor that can be read when the process has ended.
    pub fn lifeline(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut state = self.lock();
        if state.ended.is_none() {
            state.lifelines.push(ours);
        }
        Ok(theirs)
    }

    /// Connects to a TCP port of QEMU's own loopback.
    pub fn connect(&self, port: u16) -> io::Result<std::net::TcpStream> {
        match &self.connector {
            Some(connector) => connector.connect(port),
            None => std::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)),
        }
    }

    /// Process id of QEMU itself on the host, behind the two of its sandbox.
    pub fn qemu_id(&self) -> Option<u32> {
        let child = |id: u32| -> Option<u32> {
            let path = format!("/proc/{id}/task/{id}/children");
            fs_err::read_to_string(path)
                .ok()?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        };
        child(child(self.id)?)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for(&self, child: &mut Child) -> Option<ExitStatus> {
        loop {
            let mut waited = [
                PollFd::from_borrowed_fd(child.pidfd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.kill.as_fd(), PollFlags::IN),
            ];
            let polled = poll(&mut waited, None);
            let [ended, kill] = waited.map(|fd| !fd.revents().is_empty());
            match polled {
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => child.kill(),
                Ok(_) if kill && !ended => child.kill(),
                Ok(_) => {}
            }
            return child.wait().ok();
        }
    }

    /// Makes out why it ended, from what QEMU said before.
    fn reason(&self, status: Option<ExitStatus>) -> Reason {
        let (events, killed, no_room) = {
            let mut state = self.lock();
            (state.events.take(), state.killed, state.no_room)
        };
        if no_room {
            return Reason::NoRoom;
        }
        let mut reason = None;
        let deadline = Instant::now() + LAST_WORDS;
        while let Some(event) = events.as_ref().and_then(|events| {
            events
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                .ok()
        }) {
            match (event["event"].as_str(), event["data"]["reason"].as_str()) {
                (Some("GUEST_PANICKED"), _) | (Some("SHUTDOWN"), Some("guest-panic")) => {
                    reason = Some(Reason::Panicked);
                }
                (Some("SHUTDOWN"), Some("guest-shutdown")) => reason = Some(Reason::PoweredOff),
                (Some("SHUTDOWN"), Some("guest-reset")) if reason != Some(Reason::Panicked) => {
                    reason = Some(Reason::Rebooted);
                }
                _ => {}
            }
        }
        match (reason, status) {
            (Some(reason), Some(ExitStatus::Exited(0))) => reason,
            (_, Some(ExitStatus::Exited(0)) | None) => Reason::Killed,
            (_, Some(_)) if killed => Reason::Killed,
            (_, Some(status)) => Reason::Died(status),
        }
    }
}

/// Whether QEMU says that it paused a machine because a write found no room.
fn is_no_room(event: &Value) -> bool {
    event["event"] == "BLOCK_IO_ERROR"
        && event["data"]["nospace"] == true
        && event["data"]["action"] == "stop"
}
