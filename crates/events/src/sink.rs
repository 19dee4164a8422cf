//! Where events go in, and how they reach their readers.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::{Event, Kind, SpanId};

/// The entrance of a run's event stream. Cheap to clone; may be used by many threads.
///
/// Emitting takes one short lock, in which the event gets its number and time, and never waits for
/// a reader: each has a queue of its own. The queues have no limit, so whoever emits what a machine
/// or a script writes must bound it.
#[derive(Clone)]
pub struct Sink {
    inner: Arc<Inner>,
}

struct Inner {
    start: Instant,
    start_wall: u64,
    state: Mutex<State>,
}

struct State {
    next_seq: u64,
    next_span: u64,
    last_elapsed: u64,
    readers: Vec<Sender<Arc<Event>>>,
}

impl Default for Sink {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink {
    /// Begins a stream; its clock starts now.
    pub fn new() -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            inner: Arc::new(Inner {
                start: Instant::now(),
                start_wall: wall.as_micros() as u64,
                state: Mutex::new(State {
                    next_seq: 0,
                    next_span: 1,
                    last_elapsed: 0,
                    readers: Vec::new(),
                }),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while emitting leaves the counters right, so the stream goes on.
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets every event from now on. The queue ends when all handles of the sink are gone, or
    /// after [`Sink::close`].
    pub fn subscribe(&self) -> Receiver<Arc<Event>> {
        let (sender, receiver) = mpsc::channel();
        self.lock().readers.push(sender);
        receiver
    }

    /// Ends the queues of all readers; what is emitted later is lost.
    pub fn close(&self) {
        self.lock().readers.clear();
    }

    /// Microseconds since the stream began.
    pub fn elapsed(&self) -> u64 {
        self.inner.start.elapsed().as_micros() as u64
    }

    /// A number for something that lasts.
    pub fn new_span(&self) -> SpanId {
        let mut state = self.lock();
        let span = SpanId(state.next_span);
        state.next_span += 1;
        span
    }

    /// Adds an event; `seq`, `elapsed` and `wall` are filled in here.
    pub fn emit(
        &self,
        machine: Option<&str>,
        span: Option<SpanId>,
        parent: Option<SpanId>,
        kind: Kind,
    ) {
        let mut state = self.lock();
        let elapsed = self.elapsed().max(state.last_elapsed);
        state.last_elapsed = elapsed;
        let event = Arc::new(Event {
            seq: state.next_seq,
            elapsed,
            wall: self.inner.start_wall + elapsed,
            machine: machine.map(str::to_owned),
            span,
            parent,
            kind,
        });
        state.next_seq += 1;
        state
            .readers
            .retain(|reader| reader.send(event.clone()).is_ok());
    }

    /// A handle for events about nothing in particular.
    pub fn scope(&self) -> Scope {
        Scope {
            sink: self.clone(),
            machine: None,
            parent: None,
        }
    }

    /// A handle for events about a machine.
    pub fn machine(&self, name: &str) -> Scope {
        self.scope().machine(name)
    }
}

/// A [`Sink`] with the machine and the span that its events belong to.
#[derive(Clone)]
pub struct Scope {
    sink: Sink,
    machine: Option<Arc<str>>,
    parent: Option<SpanId>,
}

impl Scope {
    /// The same place, about this machine.
    #[must_use]
    pub fn machine(&self, name: &str) -> Self {
        Self {
            machine: Some(name.into()),
            ..self.clone()
        }
    }

    /// The same machine, inside this span.
    #[must_use]
    pub fn within(&self, span: Option<SpanId>) -> Self {
        Self {
            parent: span,
            ..self.clone()
        }
    }

    /// The stream.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// The span that events of this handle lie in.
    pub fn parent(&self) -> Option<SpanId> {
        self.parent
    }

    /// Adds an event.
    pub fn emit(&self, kind: Kind) {
        self.sink
            .emit(self.machine.as_deref(), None, self.parent, kind);
    }

    /// Adds an event that opens a span, and gives the span.
    pub fn open(&self, kind: Kind) -> SpanId {
        let span = self.sink.new_span();
        self.on(span, kind);
        span
    }

    /// Adds an event that reports on a span, or closes it.
    pub fn on(&self, span: SpanId, kind: Kind) {
        self.sink
            .emit(self.machine.as_deref(), Some(span), self.parent, kind);
    }
}
