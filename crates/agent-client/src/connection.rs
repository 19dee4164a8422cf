//! The stream: handshake, routing of answers, reconnection.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use snowglobe_agent_protocol::{
    Channel, Decoder, Hello, HelloReply, RawFrame, ToAgent, ToHost, VERSION, encode,
};

use crate::request::{Event, Request};
use crate::{Cancel, Error};

/// One machine's agent. Clones speak over the same stream.
#[derive(Clone)]
pub struct Agent {
    shared: Arc<Shared>,
    cancel: Option<Cancel>,
    patience: Duration,
}

/// Takes what background processes of ended commands write to standard error.
type LateHandler = Box<dyn Fn(&[u8]) + Send + Sync>;

struct Shared {
    state: Mutex<State>,
    /// Told whenever `state.link` changes.
    changed: Condvar,
    late: Mutex<Option<LateHandler>>,
}

struct State {
    link: Link,
    /// Counts streams, so that the threads of an older one know that they are.
    generation: u64,
    next_id: u32,
    requests: BTreeMap<u32, Listener>,
}

enum Listener {
    Waiting(Sender<Event>),
    /// Output is dropped.
    Detached,
}

enum Link {
    Down,
    /// The hello is on its way.
    Greeting {
        session: u64,
        out: Out,
    },
    Up {
        session: u64,
        out: Out,
        reply: HelloReply,
    },
    Refused {
        theirs: u32,
    },
}

/// The way out: a queue to the thread that writes, so that nobody who asks ever blocks on a machine
/// that does not read. What may be in it is bounded by credit.
#[derive(Clone)]
struct Out {
    queue: Sender<Vec<u8>>,
    stream: Arc<UnixStream>,
}

impl Agent {
    /// Takes the stream and says hello. Does not wait for the answer.
    pub fn connect(stream: impl Into<OwnedFd>) -> Result<Self, Error> {
        let agent = Self::unconnected();
        agent.reconnect(stream)?;
        Ok(agent)
    }

    /// An agent without a stream: every request fails until [`Agent::reconnect`].
    pub fn unconnected() -> Self {
        let state = State {
            link: Link::Down,
            generation: 0,
            next_id: 0,
            requests: BTreeMap::new(),
        };
        let shared = Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            late: Mutex::new(None),
        };
        Self {
            shared: Arc::new(shared),
            cancel: None,
            patience: Duration::from_secs(60),
        }
    }

    /// Takes another stream in place of the present one: another QEMU was started or restored.
    /// What is under way ends with [`Error::Restarted`].
    pub fn reconnect(&self, stream: impl Into<OwnedFd>) -> Result<(), Error> {
        let stream = Arc::new(UnixStream::from(stream.into()));
        let io = |action| move |source| Error::Io { action, source };
        stream
            .set_nonblocking(false)
            .map_err(io("make the agent's stream blocking"))?;
        let (queue, frames) = mpsc::channel();
        let out = Out {
            queue,
            stream: Arc::clone(&stream),
        };
        let session = random();
        let mut state = self.shared.state();
        state.close(true);
        state.generation += 1;
        let generation = state.generation;
        state.greet(session, out)?;
        drop(state);
        self.shared.changed.notify_all();
        let (reading, shared) = (Arc::clone(&stream), Arc::clone(&self.shared));
        let reader = move || read(&shared, generation, &reading);
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(body)
                .map(drop)
        };
        spawn("agent-read", Box::new(reader)).map_err(io("start a thread"))?;
        spawn("agent-write", Box::new(move || write(&frames, &stream)))
            .map_err(io("start a thread"))
    }

    /// Ends the stream; what is under way ends with [`Error::Disconnected`].
    pub fn disconnect(&self) {
        self.shared.state().close(false);
        self.shared.changed.notify_all();
    }

    /// The same agent, whose requests end when `cancel` says so.
    #[must_use]
    pub fn with_cancel(&self, cancel: Cancel) -> Self {
        Self {
            cancel: Some(cancel),
            ..self.clone()
        }
    }

    /// The same agent with another patience: how much longer than the limit that the machine was
    /// told the host waits for an answer. 60 s at first.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self {
            patience,
            ..self.clone()
        }
    }

    /// See [`Agent::with_patience`].
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Who gets the standard error of processes that outlived their command. Called on the thread
    /// that reads: it must not block nor call the agent.
    pub fn on_late_output(&self, handler: impl Fn(&[u8]) + Send + Sync + 'static) {
        *self
            .shared
            .late
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Box::new(handler));
    }

    /// Whether the agent has answered on the present stream.
    pub fn is_connected(&self) -> bool {
        matches!(self.shared.state().link, Link::Up { .. })
    }

    /// Waits until the agent has answered; `None`: without limit.
    pub fn hello(&self, timeout: Option<Duration>) -> Result<HelloReply, Error> {
        self.up(timeout).map(|(_, reply)| reply)
    }

    /// Makes a request as soon as the agent is connected.
    pub fn request(&self, message: &ToAgent, payload: &[u8]) -> Result<Request, Error> {
        loop {
            let (session, _) = self.up(None)?;
            let mut state = self.shared.state();
            let Link::Up {
                session: now, out, ..
            } = &state.link
            else {
                continue;
            };
            if *now != session {
                continue;
            }
            let out = out.clone();
            let id = state.free_id();
            let bytes = encode(id, message, payload)?;
            let (sender, events) = mpsc::channel();
            let cancel = self.cancel.clone().map(|cancel| {
                let key = cancel.register(&sender);
                (cancel, key)
            });
            state.requests.insert(id, Listener::Waiting(sender));
            drop(state);
            out.push(bytes);
            return Ok(Request::new(self.clone(), id, session, events, cancel));
        }
    }

    /// Waits for the handshake.
    fn up(&self, timeout: Option<Duration>) -> Result<(u64, HelloReply), Error> {
        /// A token has no way to wake the condition variable.
        const LOOK_AT_TOKEN: Duration = Duration::from_millis(50);
        let begin = Instant::now();
        let mut state = self.shared.state();
        loop {
            match &state.link {
                Link::Down => return Err(Error::Disconnected),
                Link::Refused { theirs } => {
                    return Err(Error::Version {
                        ours: VERSION,
                        theirs: *theirs,
                    });
                }
                Link::Up { session, reply, .. } => return Ok((*session, reply.clone())),
                Link::Greeting { .. } => {}
            }
            if self.cancel.as_ref().is_some_and(Cancel::is_cancelled) {
                return Err(Error::Cancelled);
            }
            if let Some(limit) = timeout
                && begin.elapsed() >= limit
            {
                return Err(Error::Unresponsive(limit));
            }
            let left = timeout.map_or(LOOK_AT_TOKEN, |limit| limit.saturating_sub(begin.elapsed()));
            let waited = self
                .shared
                .changed
                .wait_timeout(state, left.min(LOOK_AT_TOKEN));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn send(
        &self,
        session: u64,
        id: u32,
        message: &ToAgent,
        payload: &[u8],
    ) -> Result<(), Error> {
        let bytes = encode(id, message, payload)?;
        let state = self.shared.state();
        match &state.link {
            Link::Up {
                session: now, out, ..
            } if *now == session => {
                out.push(bytes);
                Ok(())
            }
            Link::Down => Err(Error::Disconnected),
            _ => Err(Error::Restarted),
        }
    }

    pub(crate) fn forget(&self, id: u32) {
        self.shared.state().requests.remove(&id);
    }

    pub(crate) fn detach(&self, id: u32) {
        if let Some(listener) = self.shared.state().requests.get_mut(&id) {
            *listener = Listener::Detached;
        }
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant of the state spans a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One frame of the present stream.
    fn receive(&self, generation: u64, frame: RawFrame) {
        let Ok(message) = frame.message::<ToHost>() else {
            return;
        };
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        match message {
            ToHost::Announce(_) => {
                let out = match &state.link {
                    Link::Up { out, .. } | Link::Greeting { out, .. } => out.clone(),
                    Link::Down | Link::Refused { .. } => return,
                };
                // A hello that was sent while nobody had the port open reaches the new agent;
                // greeting twice does no harm, since only the last session counts.
                state.lose_requests(true);
                let _ = state.greet(random(), out);
            }
            ToHost::Hello(reply) => {
                let Link::Greeting { session, out } = &state.link else {
                    return;
                };
                if *session != reply.session {
                    return;
                }
                state.link = if reply.version == VERSION {
                    Link::Up {
                        session: *session,
                        out: out.clone(),
                        reply,
                    }
                } else {
                    Link::Refused {
                        theirs: reply.version,
                    }
                };
                drop(state);
                self.changed.notify_all();
            }
            message => {
                // Before the answer to the hello everything belongs to someone else.
                if matches!(state.link, Link::Up { .. }) {
                    self.route(state, frame.id, message, frame.payload);
                }
            }
        }
    }

    fn route(&self, mut state: MutexGuard<'_, State>, id: u32, message: ToHost, payload: Vec<u8>) {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let event = match message {
            ToHost::Started { pid } => Event::Started { pid },
            ToHost::Data {
                channel: Channel::Late,
            } => {
                drop(state);
                let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(handler) = &*late {
                    handler(&payload);
                }
                return;
            }
            ToHost::Data { channel } => Event::Data {
                channel,
                bytes: payload,
            },
            ToHost::Entry(entry) => Event::Entry(entry),
            ToHost::Journal(entry) => Event::Journal(entry),
            ToHost::Credit { bytes } => Event::Credit(bytes),
            ToHost::Done(outcome) => Event::Done(*outcome, payload),
            ToHost::Failed(failure) => Event::Failed(failure),
            ToHost::Announce(_) | ToHost::Hello(_) => return,
        };
        let last = matches!(event, Event::Done(..) | Event::Failed(_));
        match state.requests.get(&id) {
            Some(Listener::Waiting(sender)) => {
                // The receiver may just be going away; its cancellation is on the way then.
                let _ = sender.send(event);
            }
            Some(Listener::Detached) => state.grant(id, length),
            None => {}
        }
        if last {
            state.requests.remove(&id);
        }
    }
}

impl State {
    fn free_id(&mut self) -> u32 {
        loop {
            self.next_id = self.next_id.wrapping_add(1);
            if self.next_id != 0 && !self.requests.contains_key(&self.next_id) {
                return self.next_id;
            }
        }
    }

    fn greet(&mut self, session: u64, out: Out) -> Result<(), Error> {
        let hello = ToAgent::Hello(Hello {
            version: VERSION,
            session,
        });
        out.push(encode(0, &hello, &[])?);
        self.link = Link::Greeting { session, out };
        Ok(())
    }

    fn grant(&mut self, id: u32, bytes: u32) {
        if let Link::Up { out, .. } = &self.link
            && let Ok(frame) = encode(id, &ToAgent::Credit { bytes }, &[])
        {
            out.push(frame);
        }
    }

    fn lose_requests(&mut self, restarted: bool) {
        for (_, listener) in std::mem::take(&mut self.requests) {
            if let Listener::Waiting(sender) = listener {
                let _ = sender.send(Event::Lost { restarted });
            }
        }
    }

    fn close(&mut self, restarted: bool) {
        self.lose_requests(restarted);
        if let Link::Up { out, .. } | Link::Greeting { out, .. } = &self.link {
            // Wakes both threads of the old stream.
            let _ = out.stream.shutdown(Shutdown::Both);
        }
        self.link = Link::Down;
    }
}

impl Out {
    fn push(&self, frame: Vec<u8>) {
        // The writer is gone when the stream is; the reader says so to everyone.
        let _ = self.queue.send(frame);
    }
}

fn read(shared: &Shared, generation: u64, mut stream: &UnixStream) {
    let mut decoder = Decoder::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => decoder.push(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        }
        while let Some(frame) = decoder.next_frame() {
            // What is damaged belongs to something that was cut short: the rest of an older
            // session. Whoever waits for it notices by other means.
            if let Ok(frame) = frame {
                shared.receive(generation, frame);
            }
        }
    }
    let mut state = shared.state();
    if state.generation == generation {
        state.close(false);
    }
    drop(state);
    shared.changed.notify_all();
}

fn write(frames: &Receiver<Vec<u8>>, mut stream: &UnixStream) {
    while let Ok(frame) = frames.recv() {
        if stream.write_all(&frame).is_err() {
            // The reader sees the end as well.
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// A number that no other session on this host has.
fn random() -> u64 {
    let mut bytes = [0; 8];
    match File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)) {
        Ok(()) => u64::from_le_bytes(bytes),
        // Keyed at random per process as well.
        Err(_) => RandomState::new().build_hasher().finish(),
    }
}
