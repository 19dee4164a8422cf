//! A connection to one manager.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::wire::{Argument, Kind, Message, Value, WireError, encode_message, parse_message};

/// A manager under load answers late, but it answers.
const PATIENCE: Duration = Duration::from_secs(90);

/// Why a call has no answer.
#[derive(Debug)]
pub enum BusError {
    /// The manager is not there, or has gone.
    Io(io::Error),
    /// It speaks something else.
    Wire(WireError),
    /// It answered with an error.
    Call {
        /// Such as `org.freedesktop.systemd1.NoSuchUnit`.
        name: String,
        /// In words.
        message: String,
    },
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Wire(error) => f.write_str(error.0),
            Self::Call { name, message } if message.is_empty() => f.write_str(name),
            Self::Call { message, .. } => f.write_str(message),
        }
    }
}

impl From<io::Error> for BusError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A connection.
#[derive(Debug)]
pub struct Bus {
    stream: UnixStream,
    received: Vec<u8>,
    signals: VecDeque<Message>,
    serial: u32,
}

impl Bus {
    /// Connects and authenticates as the effective user.
    pub fn connect(path: &Path) -> Result<Self, BusError> {
        let stream = UnixStream::connect(path)?;
        Self::over(stream, rustix::process::geteuid().as_raw())
    }

    /// Authenticates over a stream as a user that the other side can see us to be.
    pub fn over(stream: UnixStream, uid: u32) -> Result<Self, BusError> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut bus = Self {
            stream,
            received: Vec::new(),
            signals: VecDeque::new(),
            serial: 0,
        };
        let hex: String = uid
            .to_string()
            .bytes()
            .map(|digit| format!("{digit:02x}"))
            .collect();
        // In one go, as systemd's own clients do: a message that its manager finds in one read with
        // `BEGIN` lies there until the next.
        let hello = format!("\0AUTH EXTERNAL {hex}\r\nBEGIN\r\n");
        bus.stream.write_all(hello.as_bytes())?;
        let line = bus.line()?;
        if !line.starts_with("OK ") {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, line).into());
        }
        Ok(bus)
    }

    fn line(&mut self) -> Result<String, BusError> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            if self.stream.read(&mut byte)? == 0 || line.len() > 1024 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Calls a method of systemd's manager and waits for the answer. Signals that come meanwhile are kept.
    pub fn call(
        &mut self,
        path: &str,
        interface: &str,
        member: &str,
        body: &[Argument<'_>],
    ) -> Result<Vec<Value>, BusError> {
        self.serial += 1;
        let serial = self.serial;
        let fields = [
            (1, path),
            (2, interface),
            (3, member),
            (6, "org.freedesktop.systemd1"),
        ];
        self.stream
            .write_all(&encode_message(Kind::Call, serial, None, &fields, body))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Some(message) = self.receive(Some(deadline))? else {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            };
            match message.kind {
                Kind::Signal => self.keep(message),
                Kind::Return if message.reply_to == serial => return Ok(message.body),
                Kind::Error if message.reply_to == serial => {
                    let text = message
                        .body
                        .first()
                        .and_then(Value::text)
                        .unwrap_or_default();
                    return Err(BusError::Call {
                        name: message.error,
                        message: text.to_owned(),
                    });
                }
                Kind::Call | Kind::Return | Kind::Error => {}
            }
        }
    }

    /// A signal that has come; does not wait.
    pub fn signal(&mut self) -> Result<Option<Message>, BusError> {
        if let Some(signal) = self.signals.pop_front() {
            return Ok(Some(signal));
        }
        while let Some(message) = self.receive(Some(Instant::now()))? {
            if message.kind == Kind::Signal {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Readable when something has come.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    fn keep(&mut self, signal: Message) {
        /// Of a caller who never looks; the last ones matter.
        const MOST: usize = 4096;
        if self.signals.len() == MOST {
            self.signals.pop_front();
        }
        self.signals.push_back(signal);
    }

    fn receive(&mut self, deadline: Option<Instant>) -> Result<Option<Message>, BusError> {
        loop {
            if let Some((message, length)) =
                parse_message(&self.received).map_err(BusError::Wire)?
            {
                self.received.drain(..length);
                return Ok(Some(message));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let mut descriptors = [PollFd::new(&self.stream, PollFlags::IN)];
            match poll(&mut descriptors, left.as_ref()) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(io::Error::from(error).into()),
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                count => self.received.extend_from_slice(&buffer[..count]),
            }
        }
    }
}
