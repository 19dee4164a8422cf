//! One request that is under way.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use snowglobe_agent_protocol::{Channel, Entry, Failure, JournalEntry, Outcome, ToAgent, WINDOW};

use crate::connection::Agent;
use crate::{Cancel, Error};

/// What comes in for a request.
#[derive(Debug)]
pub enum Event {
    /// The command runs.
    Started {
        /// Its process id in the machine.
        pid: u32,
    },
    /// Output.
    Data {
        /// From where.
        channel: Channel,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The next member of a tree.
    Entry(Entry),
    /// A message of the journal.
    Journal(Box<JournalEntry>),
    /// So many bytes more may be sent.
    Credit(u32),
    /// The end, with the payload of the message.
    Done(Outcome, Vec<u8>),
    /// The end.
    Failed(Failure),
    /// The end: the stream is gone (false) or the machine restarted (true).
    Lost {
        /// Which of the two.
        restarted: bool,
    },
    /// The end: by the token.
    Cancelled,
}

/// A request that is under way. Dropping it before its end cancels it in the machine.
#[derive(Debug)]
pub struct Request {
    agent: Agent,
    id: u32,
    session: u64,
    events: Receiver<Event>,
    cancel: Option<(Cancel, u64)>,
    ended: bool,
    /// Bytes that may be sent now.
    credit: u64,
    /// Bytes that were taken and not yet granted anew.
    taken: u32,
}

impl Request {
    pub(crate) fn new(
        agent: Agent,
        id: u32,
        session: u64,
        events: Receiver<Event>,
        cancel: Option<(Cancel, u64)>,
    ) -> Self {
        let credit = u64::from(WINDOW);
        Self {
            agent,
            id,
            session,
            events,
            cancel,
            ended: false,
            credit,
            taken: 0,
        }
    }

    /// The next thing that comes in; `None`: nothing did until `deadline`. `Done` is the last;
    /// every other end is an error.
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Option<Event>, Error> {
        if self.ended {
            return Err(Error::Disconnected);
        }
        let event = match deadline {
            None => self
                .events
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
            Some(deadline) => self
                .events
                .recv_timeout(deadline.saturating_duration_since(Instant::now())),
        };
        let event = match event {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => Event::Lost { restarted: false },
        };
        match event {
            Event::Cancelled => Err(Error::Cancelled),
            Event::Failed(failure) => {
                self.ended = true;
                Err(failure.into())
            }
            Event::Lost { restarted } => {
                self.ended = true;
                Err(if restarted {
                    Error::Restarted
                } else {
                    Error::Disconnected
                })
            }
            Event::Credit(bytes) => {
                self.credit += u64::from(bytes);
                Ok(Some(Event::Credit(bytes)))
            }
            Event::Data { channel, bytes } => {
                self.took(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                Ok(Some(Event::Data { channel, bytes }))
            }
            Event::Done(outcome, payload) => {
                self.ended = true;
                Ok(Some(Event::Done(outcome, payload)))
            }
            event => Ok(Some(event)),
        }
    }

    /// Waits for the end and drops everything else. `limit` is what the agent was told; the host
    /// gives it [`Agent::patience`] more.
    pub fn finish(mut self, limit: Option<Duration>) -> Result<(Outcome, Vec<u8>), Error> {
        let patience = self.agent.patience();
        let deadline = limit.map(|limit| Instant::now() + limit + patience);
        loop {
            match self.next(deadline)? {
                Some(Event::Done(outcome, payload)) => return Ok((outcome, payload)),
                Some(_) => {}
                None => return Err(Error::Unresponsive(limit.unwrap_or_default() + patience)),
            }
        }
    }

    /// Sends a message about this request, without data.
    pub fn tell(&self, message: &ToAgent) -> Result<(), Error> {
        self.agent.send(self.session, self.id, message, &[])
    }

    /// Sends data if credit allows; returns how many bytes were taken. `end` counts only when all
    /// were taken.
    pub fn send_some(&mut self, bytes: &[u8], end: bool) -> Result<usize, Error> {
        let chunk = snowglobe_agent_protocol::CHUNK;
        let length = bytes
            .len()
            .min(chunk)
            .min(usize::try_from(self.credit).unwrap_or(chunk));
        let end = end && length == bytes.len();
        if length > 0 || end {
            let message = ToAgent::Data { end };
            self.agent
                .send(self.session, self.id, &message, &bytes[..length])?;
            self.credit -= length as u64;
        }
        Ok(length)
    }

    /// Whether [`Request::send_some`] would take a byte.
    pub fn has_credit(&self) -> bool {
        self.credit > 0
    }

    /// Cancels in the machine, and waits neither for that nor for anything else.
    pub fn abandon(self) {}

    /// Lets the request run on in the machine without anybody listening: its output is taken and
    /// dropped.
    pub fn detach(mut self) {
        self.agent.detach(self.id);
        self.ended = true;
    }

    /// Uses up credit, if there is enough.
    pub(crate) fn spend(&mut self, bytes: u64) -> bool {
        let enough = self.credit >= bytes;
        if enough {
            self.credit -= bytes;
        }
        enough
    }

    /// Grants anew what was taken.
    pub(crate) fn took(&mut self, bytes: u32) {
        self.taken += bytes;
        if self.taken >= WINDOW / 4 {
            let credit = ToAgent::Credit {
                bytes: std::mem::take(&mut self.taken),
            };
            // If the stream is gone, the next event says so.
            let _ = self.agent.send(self.session, self.id, &credit, &[]);
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some((cancel, key)) = &self.cancel {
            cancel.forget(*key);
        }
        if !self.ended {
            // If the stream is gone, so is the request.
            let _ = self
                .agent
                .send(self.session, self.id, &ToAgent::Cancel, &[]);
            self.agent.forget(self.id);
        }
    }
}
