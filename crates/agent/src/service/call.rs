//! One request, seen from the thread that carries it out.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::Timespec;
use snowglobe_agent_protocol::{Channel, Entry, Failure, FailureKind, Outcome, ToHost, WINDOW};

use super::link::Link;

/// What the host says about a request that is under way.
#[derive(Debug)]
pub enum Input {
    Data { bytes: Vec<u8>, end: bool },
    Entry(Entry),
    Signal(i32),
    Resize { rows: u16, columns: u16 },
}

/// Between the thread that reads and the thread that works. Its descriptor is readable when
/// something is new, so that it can be waited for beside others.
#[derive(Debug)]
pub struct Mailbox {
    state: Mutex<Mail>,
    event: OwnedFd,
}

impl Input {
    /// What it counts against the window.
    fn size(&self) -> usize {
        match self {
            Self::Data { bytes, .. } => bytes.len(),
            Self::Entry(_) => snowglobe_agent_protocol::ENTRY_COST as usize,
            Self::Signal(_) | Self::Resize { .. } => 16,
        }
    }
}

#[derive(Debug, Default)]
struct Mail {
    inputs: VecDeque<Input>,
    /// What was taken in and not granted anew.
    waiting: usize,
    credit: i64,
    cancelled: bool,
}

impl Mailbox {
    pub fn new() -> rustix::io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let state = Mail {
            credit: i64::from(WINDOW),
            ..Mail::default()
        };
        Ok(Self {
            state: Mutex::new(state),
            event,
        })
    }

    /// False: the host sent more than it may.
    pub fn push(&self, input: Input) -> bool {
        let mut mail = self.mail();
        let size = input.size();
        if mail.waiting + size > 2 * WINDOW as usize {
            return false;
        }
        mail.waiting += size;
        mail.inputs.push_back(input);
        drop(mail);
        self.wake();
        true
    }

    pub fn grant(&self, bytes: u32) {
        self.mail().credit += i64::from(bytes);
        self.wake();
    }

    pub fn cancel(&self) {
        self.mail().cancelled = true;
        self.wake();
    }

    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // Full means that it is readable already.
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
    }
}

/// A request. Ends in exactly one answer.
#[derive(Debug)]
pub struct Call {
    pub id: u32,
    pub session: u64,
    link: Arc<Link>,
    mailbox: Arc<Mailbox>,
}

impl Call {
    pub fn new(id: u32, session: u64, link: Arc<Link>, mailbox: Arc<Mailbox>) -> Self {
        Self {
            id,
            session,
            link,
            mailbox,
        }
    }

    pub fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link)
    }

    /// Readable when there is something new; [`Call::clear`] before looking.
    pub fn event(&self) -> BorrowedFd<'_> {
        self.mailbox.event.as_fd()
    }

    pub fn clear(&self) {
        // Nothing to read means that it is clear.
        let _ = rustix::io::read(&self.mailbox.event, &mut [0u8; 8]);
    }

    pub fn input(&self) -> Option<Input> {
        let mut mail = self.mailbox.mail();
        let input = mail.inputs.pop_front()?;
        if matches!(input, Input::Signal(_) | Input::Resize { .. }) {
            mail.waiting = mail.waiting.saturating_sub(input.size());
        }
        Some(input)
    }

    /// Data or entries of this size are done with: the host may send as much again.
    pub fn grant(&self, bytes: usize) {
        let mut mail = self.mailbox.mail();
        mail.waiting = mail.waiting.saturating_sub(bytes);
        drop(mail);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.tell(&ToHost::Credit { bytes }, &[]);
    }

    pub fn is_cancelled(&self) -> bool {
        self.mailbox.mail().cancelled
    }

    pub fn check(&self) -> Result<(), Failure> {
        if self.is_cancelled() {
            Err(cancelled())
        } else {
            Ok(())
        }
    }

    /// Whether data may be sent.
    pub fn has_credit(&self) -> bool {
        self.mailbox.mail().credit > 0
    }

    /// Sends data. Credit may become negative, by one frame at most.
    pub fn data(&self, channel: Channel, bytes: &[u8]) {
        self.spend(bytes.len());
        self.tell(&ToHost::Data { channel }, bytes);
    }

    pub fn spend(&self, bytes: usize) {
        self.mailbox.mail().credit -= i64::try_from(bytes).unwrap_or(i64::MAX);
    }

    /// Waits until data may be sent.
    pub fn wait_for_credit(&self) -> Result<(), Failure> {
        while !self.has_credit() {
            self.pause(None)?;
        }
        Ok(())
    }

    pub fn tell(&self, message: &ToHost, payload: &[u8]) {
        // A session that is over cancels its calls.
        let _ = self.link.send(self.session, self.id, message, payload);
    }

    /// Waits until something is new or the time has come. True: it has come.
    pub fn pause(&self, until: Option<Instant>) -> Result<bool, Failure> {
        self.check()?;
        let mut descriptors = [PollFd::new(&self.mailbox.event, PollFlags::IN)];
        wait(&mut descriptors, until).map_err(|error| system("wait", error))?;
        self.clear();
        self.check()?;
        Ok(until.is_some_and(|until| Instant::now() >= until))
    }

    /// Sleeps, unless cancelled.
    pub fn sleep(&self, duration: Duration) -> Result<(), Failure> {
        let until = Instant::now() + duration;
        while !self.pause(Some(until))? {}
        Ok(())
    }

    pub fn answer(&self, answer: Result<Answer, Failure>) {
        match answer {
            Ok(Answer { outcome, payload }) => {
                self.tell(&ToHost::Done(Box::new(outcome)), &payload);
            }
            Err(failure) => self.tell(&ToHost::Failed(failure), &[]),
        }
    }
}

/// A good end.
#[derive(Debug)]
pub struct Answer {
    pub outcome: Outcome,
    pub payload: Vec<u8>,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            payload: Vec::new(),
        }
    }
}

pub fn cancelled() -> Failure {
    Failure::new(FailureKind::Cancelled, "cancelled")
}

pub fn system(action: &str, error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::System, format!("cannot {action}: {error}"))
}

pub fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Invalid, message)
}

/// When a limit given in milliseconds from now ends.
pub fn deadline(timeout_ms: Option<u64>) -> Option<Instant> {
    timeout_ms.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)))
}

/// The earlier of two.
pub fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// `poll` with a deadline.
pub fn wait(descriptors: &mut [PollFd<'_>], until: Option<Instant>) -> rustix::io::Result<usize> {
    loop {
        let left = until.map(|until| {
            let left = until.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            }
        });
        match poll(descriptors, left.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            result => return result,
        }
    }
}
