//! The way to the host. Frames of sessions that are over are dropped here.

use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use snowglobe_agent_protocol::{ToHost, encode};

/// Writes frames, one at a time.
#[derive(Debug)]
pub struct Link(Mutex<Way>);

#[derive(Debug)]
struct Way {
    writer: File,
    session: u64,
}

/// The session is over, or the stream is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl Link {
    /// No session yet.
    pub fn new(writer: File) -> Self {
        Self(Mutex::new(Way { writer, session: 0 }))
    }

    /// From now on only frames of this session pass.
    pub fn open_session(&self, session: u64) {
        self.way().session = session;
    }

    /// Sends a message of a session.
    pub fn send(
        &self,
        session: u64,
        id: u32,
        message: &ToHost,
        payload: &[u8],
    ) -> Result<(), Gone> {
        let Ok(bytes) = encode(id, message, payload) else {
            return Err(Gone);
        };
        let mut way = self.way();
        if way.session != session {
            return Err(Gone);
        }
        way.write(&bytes)
    }

    /// Sends a message that belongs to no session, or to whichever there is.
    pub fn send_always(&self, id: u32, message: &ToHost, payload: &[u8]) -> Result<(), Gone> {
        let Ok(bytes) = encode(id, message, payload) else {
            return Err(Gone);
        };
        self.way().write(&bytes)
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.writer.write_all(bytes).map_err(|_| Gone)
    }
}
