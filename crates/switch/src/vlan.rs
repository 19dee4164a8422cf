//! A switch with sockets: the thread that moves frames.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use serde::{Deserialize, Serialize};

use crate::conditions::{Change, Conditions};
use crate::pcapng::PcapNg;
use crate::switch::{Delivery, Event, Frame, PortId, PortStats, Switch, SwitchState};

/// Largest frame: what QEMU can send.
const MAX_FRAME: usize = 68 * 1024;
/// Frames that wait for one machine. The socket itself holds a few more.
const MAX_WAITING: usize = 1024;
/// Frames taken from one machine before the others have their turn.
const BATCH: usize = 64;
/// Bytes that a socket may hold: a machine under emulation reads in bursts.
const SOCKET_BUFFER: usize = 1 << 20;
/// Token of the event descriptor that wakes the thread.
const WAKE: u64 = u64::MAX;

/// A virtual network: a [`Switch`] whose ports are datagram sockets. Cloning gives another handle;
/// the network ends with the last one.
#[derive(Clone)]
pub struct Vlan(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    wake: OwnedFd,
    poll: OwnedFd,
    state: Mutex<State>,
}

struct State {
    switch: Switch,
    started: Instant,
    ports: Vec<Socket>,
    captures: Vec<(u64, PcapNg<Box<dyn Write + Send>>)>,
    next_capture: u64,
    paused: bool,
    ended: bool,
}

#[derive(Default)]
struct Socket {
    descriptor: Option<OwnedFd>,
    waiting: VecDeque<Frame>,
    /// Whether the thread waits until the machine takes more.
    blocked: bool,
}

/// What a checkpoint keeps of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VlanState {
    switch: SwitchState,
    /// Frames that were about to be sent, by port.
    waiting: Vec<Vec<Vec<u8>>>,
}

/// Frames are being written. Dropping it ends the capture, with everything written out.
pub struct Capture {
    shared: Arc<Shared>,
    number: u64,
}

impl Vlan {
    /// A network without ports. The same seed loses the same frames in the same traffic.
    ///
    /// # Errors
    ///
    /// When the host has no descriptors or threads left.
    pub fn new(seed: u64) -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &poll,
            &wake,
            epoll::EventData::new_u64(WAKE),
            epoll::EventFlags::IN,
        )?;
        let state = State {
            switch: Switch::new(seed),
            started: Instant::now(),
            ports: Vec::new(),
            captures: Vec::new(),
            next_capture: 0,
            paused: false,
            ended: false,
        };
        let shared = Arc::new(Shared {
            wake,
            poll,
            state: Mutex::new(state),
        });
        let thread = {
            let shared = shared.clone();
            std::thread::Builder::new()
                .name("vlan".into())
                .spawn(move || shared.run())?
        };
        Ok(Self(Arc::new(Handle {
            shared,
            thread: Mutex::new(Some(thread)),
        })))
    }

    /// Adds a port; the name appears in captures.
    pub fn add_port(&self, name: impl Into<String>) -> PortId {
        let mut state = self.0.shared.lock();
        state.ports.push(Socket::default());
        state.switch.add_port(name)
    }

    /// Connects a port anew and gives the machine's end: a datagram socket, one frame a datagram.
    ///
    /// # Errors
    ///
    /// When the host has no descriptors left.
    pub fn attach(&self, port: PortId) -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        for socket in [&ours, &theirs] {
            // Refused beyond the host's limit; then it is as large as that.
            let _ = set_socket_send_buffer_size(socket, SOCKET_BUFFER);
            let _ = set_socket_recv_buffer_size(socket, SOCKET_BUFFER);
        }
        let mut state = self.0.shared.lock();
        let Some(socket) = state.ports.get_mut(port.index()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let data = epoll::EventData::new_u64(port.index() as u64);
        epoll::add(&self.0.shared.poll, &ours, data, epoll::EventFlags::IN)?;
        // The old descriptor leaves the epoll set when it is closed.
        *socket = Socket {
            descriptor: Some(ours),
            ..Socket::default()
        };
        Ok(theirs)
    }

    /// Disconnects a port: its machine has ended.
    pub fn detach(&self, port: PortId) {
        if let Some(socket) = self.0.shared.lock().ports.get_mut(port.index()) {
            *socket = Socket::default();
        }
    }

    /// Changes conditions between two ports, in both directions; `None` means every port.
    pub fn change(&self, a: Option<PortId>, b: Option<PortId>, change: Change) {
        self.0.shared.handle(Event::Change { a, b, change });
    }

    /// Pulls out or plugs in the cable of a port.
    pub fn set_link(&self, port: PortId, up: bool) {
        self.0.shared.handle(Event::Link { port, up });
    }

    /// The conditions on the way from one port to another.
    pub fn conditions(&self, from: PortId, to: PortId) -> Option<Conditions> {
        self.0.shared.lock().switch.conditions(from, to)
    }

    /// Counters of a port.
    pub fn stats(&self, port: PortId) -> Option<PortStats> {
        self.0.shared.lock().switch.stats(port).cloned()
    }

    /// What the machine at a port first said besides what every machine sends by itself.
    pub fn spoke(&self, port: PortId) -> Option<String> {
        self.0.shared.lock().switch.spoke(port).map(str::to_owned)
    }

    /// Listens anew for [`Vlan::spoke`].
    pub fn forget_speech(&self, port: PortId) {
        self.0.shared.lock().switch.forget_speech(port);
    }

    /// Writes all frames from now on, as pcapng.
    ///
    /// # Errors
    ///
    /// When the beginning cannot be written. A later error ends the capture silently.
    pub fn capture(&self, out: Box<dyn Write + Send>) -> io::Result<Capture> {
        let mut state = self.0.shared.lock();
        let buffered: Box<dyn Write + Send> = Box::new(io::BufWriter::new(out));
        let mut file = PcapNg::new(buffered)?;
        for name in state.switch.port_names() {
            file.interface(name)?;
        }
        let number = state.next_capture;
        state.next_capture += 1;
        state.captures.push((number, file));
        Ok(Capture {
            shared: self.0.shared.clone(),
            number,
        })
    }

    /// Stops moving frames. What machines send waits in their sockets, what was delayed waits here.
    pub fn pause(&self) {
        let mut state = self.0.shared.lock();
        state.paused = true;
    }

    /// Moves frames again.
    pub fn resume(&self) {
        self.0.shared.lock().paused = false;
        self.0.shared.wake();
    }

    /// What a checkpoint keeps. The network must be paused and its machines stopped: what they
    /// have sent before is taken out of their sockets first. Frames that a machine's own card had
    /// already taken, or not yet given, belong to the machine.
    pub fn save(&self) -> VlanState {
        let mut state = self.0.shared.lock();
        let now = state.now();
        for index in 0..state.ports.len() {
            while let Some(frame) = state.receive(index) {
                let event = Event::Arrived {
                    port: PortId(index),
                    frame,
                };
                state.process(now, event);
            }
        }
        VlanState {
            switch: state.switch.save(now),
            waiting: state
                .ports
                .iter()
                .map(|port| port.waiting.iter().map(|frame| frame.to_vec()).collect())
                .collect(),
        }
    }

    /// Goes back to a state that was saved. The ports must be those of the saved network, freshly
    /// attached to restored machines.
    pub fn restore(&self, saved: &VlanState) {
        let mut state = self.0.shared.lock();
        let now = state.now();
        state.switch.restore(now, &saved.switch);
        for (port, frames) in state.ports.iter_mut().zip(&saved.waiting) {
            port.waiting = frames.iter().map(|frame| frame.as_slice().into()).collect();
        }
        drop(state);
        self.0.shared.wake();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.wake();
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some(index) = state
            .captures
            .iter()
            .position(|(number, _)| *number == self.number)
        {
            let (_, mut file) = state.captures.swap_remove(index);
            let _ = file.flush();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // Full only when it is awake anyway.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn handle(&self, event: Event) {
        let mut state = self.lock();
        let now = state.now();
        state.process(now, event);
        drop(state);
        self.wake();
    }

    /// The thread.
    fn run(&self) {
        let mut events = Vec::with_capacity(64);
        loop {
            let timeout = {
                let mut state = self.lock();
                if state.ended {
                    return;
                }
                state.flush_all(&self.poll);
                state.patience()
            };
            events.clear();
            match epoll::wait(&self.poll, spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                // The descriptors are ours; there is nothing that could be done.
                Err(_) => return,
            }
            let mut state = self.lock();
            for event in &events {
                match event.data.u64() {
                    WAKE => {
                        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
                    }
                    index if !state.paused => state.serve(index as usize),
                    _ => {}
                }
            }
            if state.paused && !events.iter().any(|event| event.data.u64() == WAKE) {
                drop(state);
                // What machines send while paused stays readable; do not spin on it.
                std::thread::sleep(Duration::from_millis(2));
            } else if !state.paused {
                let now = state.now();
                state.process(now, Event::Tick);
            }
        }
    }
}

impl State {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// How long the thread may sleep; `None`: until something happens.
    fn patience(&self) -> Option<Timespec> {
        if self.paused {
            return None;
        }
        let left = self.switch.next_tick()?.saturating_sub(self.now());
        Some(Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        })
    }

    /// Takes some frames of a machine.
    fn serve(&mut self, index: usize) {
        for _ in 0..BATCH {
            let Some(frame) = self.receive(index) else {
                return;
            };
            let now = self.now();
            self.process(
                now,
                Event::Arrived {
                    port: PortId(index),
                    frame,
                },
            );
        }
    }

    fn receive(&mut self, index: usize) -> Option<Frame> {
        let socket = self.ports.get_mut(index)?;
        let mut buffer = Vec::with_capacity(MAX_FRAME);
        match recv(
            socket.descriptor.as_ref()?,
            spare_capacity(&mut buffer),
            RecvFlags::DONTWAIT,
        ) {
            Ok(_) => Some(buffer.as_slice().into()),
            Err(Errno::AGAIN | Errno::INTR) => None,
            Err(_) => {
                // The machine's end is gone.
                *socket = Socket::default();
                None
            }
        }
    }

    fn process(&mut self, now: Duration, event: Event) {
        let arrived = match &event {
            Event::Arrived { port, frame } if !self.captures.is_empty() => {
                Some((*port, frame.clone()))
            }
            _ => None,
        };
        let mut out = Vec::new();
        let fate = self.switch.handle(now, event, &mut out);
        if let Some((port, frame)) = arrived {
            let losses: Vec<String> = fate
                .lost
                .iter()
                .filter_map(|(to, why)| Some(format!("{}: {why}", self.switch.port_name(*to)?)))
                .collect();
            let comment = (!losses.is_empty()).then(|| losses.join(", "));
            let names: Vec<&str> = self.switch.port_names().collect();
            let time = SystemTime::now();
            self.captures.retain_mut(|(_, file)| {
                // Ports added since the capture began.
                let known = file.interfaces() as usize;
                let mut written = Ok(());
                for name in names.iter().skip(known) {
                    written = written.and_then(|()| file.interface(name));
                }
                let index = port.index() as u32;
                written
                    .and_then(|()| file.frame(index, time, &frame, comment.as_deref()))
                    .is_ok()
            });
        }
        for Delivery { port, frame } in out {
            self.deliver(port, frame);
        }
    }

    /// Queues a frame for a machine, or drops it if too many wait.
    fn deliver(&mut self, port: PortId, frame: Frame) {
        let Some(socket) = self.ports.get_mut(port.index()) else {
            return;
        };
        if socket.descriptor.is_none() {
            return;
        }
        if socket.waiting.len() >= MAX_WAITING {
            self.switch.overflowed(port);
            return;
        }
        socket.waiting.push_back(frame);
    }

    /// Sends what machines take, and watches those that do not take all.
    fn flush_all(&mut self, poll: &OwnedFd) {
        if self.paused {
            return;
        }
        for (index, socket) in self.ports.iter_mut().enumerate() {
            socket.flush();
            let blocked = !socket.waiting.is_empty();
            if blocked != socket.blocked
                && let Some(descriptor) = &socket.descriptor
            {
                let mut flags = epoll::EventFlags::IN;
                flags.set(epoll::EventFlags::OUT, blocked);
                let data = epoll::EventData::new_u64(index as u64);
                if epoll::modify(poll, descriptor.as_fd(), data, flags).is_ok() {
                    socket.blocked = blocked;
                }
            }
        }
    }
}

impl Socket {
    fn flush(&mut self) {
        let Some(descriptor) = &self.descriptor else {
            self.waiting.clear();
            return;
        };
        while let Some(frame) = self.waiting.front() {
            match send(descriptor, frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(_) => {}
                Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => return,
                // Too large for the socket: as on a wire, it is gone.
                Err(Errno::MSGSIZE) => {}
                Err(_) => {
                    // The machine's end is gone.
                    *self = Self::default();
                    return;
                }
            }
            self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(from: u8, to: u8, length: usize) -> Vec<u8> {
        let mut bytes = if to == 255 {
            vec![255; 6]
        } else {
            vec![2, 0, 0, 0, 0, to]
        };
        bytes.extend([2, 0, 0, 0, 0, from, 0x88, 0xb5]);
        bytes.resize(length, from);
        bytes
    }

    /// Receives one frame, or nothing within `limit`.
    fn take(socket: &OwnedFd, limit: Duration) -> Option<Vec<u8>> {
        use rustix::event::{PollFd, PollFlags, poll};
        let limit = Timespec {
            tv_sec: limit.as_secs() as i64,
            tv_nsec: limit.subsec_nanos().into(),
        };
        let ready = poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&limit)).unwrap();
        (ready > 0).then(|| {
            let mut buffer = Vec::with_capacity(MAX_FRAME);
            recv(socket, spare_capacity(&mut buffer), RecvFlags::empty()).unwrap();
            buffer
        })
    }

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(100);

    fn network(count: u8) -> (Vlan, Vec<PortId>, Vec<OwnedFd>) {
        let vlan = Vlan::new(1).unwrap();
        let ports: Vec<_> = (0..count)
            .map(|index| vlan.add_port(format!("m{index}")))
            .collect();
        let sockets = ports
            .iter()
            .map(|port| vlan.attach(*port).unwrap())
            .collect();
        (vlan, ports, sockets)
    }

    #[test]
    fn frames_reach_the_others() {
        let (vlan, ports, sockets) = network(3);
        let sent = frame(0, 255, 9000);
        send(&sockets[0], &sent, SendFlags::empty()).unwrap();
        assert_eq!(take(&sockets[1], LONG).as_ref(), Some(&sent));
        assert_eq!(take(&sockets[2], LONG).as_ref(), Some(&sent));
        assert_eq!(
            vlan.spoke(ports[0]).as_deref(),
            Some("a frame of Ethernet type 0x88b5")
        );
        assert_eq!(vlan.stats(ports[2]).unwrap().frames_out, 1);
    }

    #[test]
    fn a_machine_that_does_not_read_holds_up_nobody() {
        let (vlan, ports, sockets) = network(3);
        let mut heard = 0;
        for _ in 0..3000 {
            // Machine 2 never reads; machine 1 does.
            while send(&sockets[0], &frame(0, 255, 1500), SendFlags::DONTWAIT).is_err() {
                std::thread::yield_now();
            }
            heard += usize::from(take(&sockets[1], LONG).is_some());
        }
        assert_eq!(heard, 3000);
        assert!(vlan.stats(ports[2]).unwrap().overflowed > 0);
        // It gets the oldest when it reads again.
        assert!(take(&sockets[2], LONG).is_some());
    }

    #[test]
    fn a_machine_that_ended_can_be_attached_again() {
        let (vlan, ports, mut sockets) = network(2);
        drop(sockets.remove(1));
        send(&sockets[0], &frame(0, 255, 60), SendFlags::empty()).unwrap();
        send(&sockets[0], &frame(0, 255, 60), SendFlags::empty()).unwrap();
        let again = vlan.attach(ports[1]).unwrap();
        while take(&again, SHORT).is_some() {}
        send(&sockets[0], &frame(0, 255, 61), SendFlags::empty()).unwrap();
        assert_eq!(take(&again, LONG).map(|frame| frame.len()), Some(61));
    }

    #[test]
    fn delays_take_place() {
        let (vlan, _, sockets) = network(2);
        vlan.change(None, None, Change::Delay(Duration::from_millis(200)));
        let start = Instant::now();
        send(&sockets[0], &frame(0, 255, 60), SendFlags::empty()).unwrap();
        assert!(take(&sockets[1], LONG).is_some());
        assert!(start.elapsed() >= Duration::from_millis(200));
    }

    #[test]
    fn paused_saved_and_restored() {
        let (vlan, _, sockets) = network(2);
        vlan.pause();
        send(&sockets[0], &frame(0, 255, 60), SendFlags::empty()).unwrap();
        assert_eq!(take(&sockets[1], SHORT), None);
        let state = vlan.save();

        let (later, _, others) = network(2);
        later.pause();
        later.restore(&state);
        later.resume();
        assert_eq!(take(&others[1], LONG), Some(frame(0, 255, 60)));
        vlan.resume();
        assert_eq!(take(&sockets[1], LONG), Some(frame(0, 255, 60)));
    }

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn captures_hold_frames_and_why_they_were_lost() {
        let (vlan, ports, sockets) = network(2);
        let memory = Memory::default();
        let capture = vlan.capture(Box::new(memory.clone())).unwrap();
        send(&sockets[0], &frame(0, 255, 60), SendFlags::empty()).unwrap();
        assert!(take(&sockets[1], LONG).is_some());
        vlan.change(Some(ports[0]), None, Change::Cut);
        send(&sockets[0], &frame(0, 255, 60), SendFlags::empty()).unwrap();
        let deadline = Instant::now() + LONG;
        while vlan.stats(ports[1]).unwrap().lost == 0 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        drop(capture);
        let bytes = memory.0.lock().unwrap();
        let frames = bytes
            .windows(60)
            .filter(|window| **window == frame(0, 255, 60))
            .count();
        assert_eq!(frames, 2);
        assert!(bytes.windows(7).any(|window| window == b"m1: cut"));
    }
}
