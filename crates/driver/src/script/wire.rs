//! The messages between the script's process and us; `python/test_driver/_channel.py` describes
//! them.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use snowglobe_events::SpanId;

/// What the script's process says.
#[derive(Debug, Deserialize)]
pub(crate) struct Incoming {
    /// Wants an answer with this number.
    #[serde(default)]
    pub id: Option<u64>,
    /// Nobody waits for this answer any more.
    #[serde(default)]
    pub abort: Option<u64>,
    #[serde(default)]
    pub call: String,
    #[serde(default)]
    pub machine: Option<String>,
    #[serde(default)]
    pub args: Map<String, Value>,
    /// Lines and functions of the script's frames, outermost first.
    #[serde(default)]
    pub at: Vec<(u32, String)>,
    #[serde(default)]
    pub parent: Option<SpanId>,
    /// Seconds after which the polling conditions want to be asked.
    #[serde(default)]
    pub poll: Option<f64>,
    /// Descriptors that came with it.
    #[serde(default)]
    pub fds: usize,
    #[serde(skip)]
    pub descriptors: Vec<OwnedFd>,
}

/// Longest message: `copy_from_host_via_shell` of a large file.
const LONGEST: usize = 512 << 20;

/// The receiving side. Never blocks.
#[derive(Default)]
pub(crate) struct Receiver {
    buffer: Vec<u8>,
    /// Where the search for a line end goes on.
    searched: usize,
    descriptors: VecDeque<OwnedFd>,
}

impl Receiver {
    /// Reads what there is; whether the other end is still open.
    pub fn read(&mut self, socket: BorrowedFd<'_>) -> io::Result<bool> {
        let mut piece = vec![0; 1 << 18];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        loop {
            let mut extra = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
            let slices = &mut [IoSliceMut::new(&mut piece)];
            let count = match rustix::net::recvmsg(socket, slices, &mut extra, flags) {
                Ok(message) => message.bytes,
                Err(rustix::io::Errno::AGAIN) => return Ok(true),
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::CONNRESET) => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            for message in extra.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    self.descriptors.extend(descriptors);
                }
            }
            if count == 0 {
                return Ok(false);
            }
            self.buffer.extend_from_slice(&piece[..count]);
            if self.buffer.len() > LONGEST || self.descriptors.len() > 64 {
                return Err(io::Error::other(
                    "the script's process sent a message without end",
                ));
            }
        }
    }

    /// The next whole message.
    pub fn next(&mut self) -> Option<io::Result<Incoming>> {
        let end = self.buffer[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n');
        let Some(end) = end.map(|end| end + self.searched) else {
            self.searched = self.buffer.len();
            return None;
        };
        let parsed = serde_json::from_slice::<Incoming>(&self.buffer[..end]);
        self.buffer.drain(..=end);
        self.searched = 0;
        Some(match parsed {
            Ok(mut message) => {
                let count = message.fds.min(self.descriptors.len());
                message.descriptors = self.descriptors.drain(..count).collect();
                Ok(message)
            }
            Err(error) => Err(io::Error::other(format!(
                "the script's process sent nonsense: {error}"
            ))),
        })
    }
}

/// The sending side; may be used by many threads.
pub(crate) struct Sender {
    socket: Mutex<UnixStream>,
    broken: AtomicBool,
}

impl Sender {
    /// Sends over this blocking socket. Who does not take a message for so long gets no more.
    pub fn new(socket: UnixStream, patience: Duration) -> io::Result<Self> {
        socket.set_write_timeout(Some(patience))?;
        Ok(Self {
            socket: Mutex::new(socket),
            broken: AtomicBool::new(false),
        })
    }

    /// Whether the other side does not listen any more.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }

    /// Sends a message. A process that is gone is no error: its end is noticed elsewhere.
    pub fn send(&self, message: &Value) {
        self.send_with(message, None);
    }

    /// Sends a message with a descriptor.
    pub fn send_with(&self, message: &Value, descriptor: Option<BorrowedFd<'_>>) {
        use std::io::Write;
        let mut bytes = message.to_string().into_bytes();
        bytes.push(b'\n');
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_broken() {
            return;
        }
        let mut rest = &bytes[..];
        if let Some(descriptor) = descriptor {
            let descriptors = [descriptor];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut extra = SendAncillaryBuffer::new(&mut space);
            extra.push(SendAncillaryMessage::ScmRights(&descriptors));
            let slices = [IoSlice::new(rest)];
            let flags = SendFlags::NOSIGNAL;
            match rustix::net::sendmsg(socket.as_fd(), &slices, &mut extra, flags) {
                Ok(count) => rest = &rest[count..],
                Err(_) => return self.broken.store(true, Ordering::SeqCst),
            }
        }
        if socket.write_all(rest).is_err() {
            self.broken.store(true, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use serde_json::json;

    use super::*;

    #[test]
    fn messages_come_in_pieces_and_with_descriptors() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let sender = Sender::new(theirs, Duration::from_secs(60)).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"content").unwrap();
        file.rewind().unwrap();
        sender.send_with(&json!({"call": "a", "fds": 1}), Some(file.as_fd()));
        sender.send(&json!({"id": 7, "call": "b", "at": [[3, "f"]], "args": {"x": "y".repeat(9)}}));

        let mut receiver = Receiver::default();
        assert!(receiver.read(ours.as_fd()).unwrap());
        let mut first = receiver.next().unwrap().unwrap();
        assert_eq!((first.call.as_str(), first.descriptors.len()), ("a", 1));
        let mut text = String::new();
        let mut again = std::fs::File::from(first.descriptors.remove(0));
        again.read_to_string(&mut text).unwrap();
        assert_eq!(text, "content");
        let second = receiver.next().unwrap().unwrap();
        assert_eq!((second.id, second.at), (Some(7), vec![(3, "f".to_owned())]));
        assert!(receiver.next().is_none());
        drop(sender);
        assert!(!receiver.read(ours.as_fd()).unwrap());
    }

    #[test]
    fn nobody_has_to_listen() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let sender = Sender::new(theirs, Duration::from_millis(50)).unwrap();
        sender.send(&json!("x".repeat(16 << 20)));
        assert!(sender.is_broken());
        sender.send(&json!("more"));
        drop(ours);
    }

    #[test]
    fn nonsense_is_an_error() {
        for line in ["nonsense\n", "{\"id\":\"x\"}\n", "\n"] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(line.as_bytes()).unwrap();
            let mut receiver = Receiver::default();
            receiver.read(ours.as_fd()).unwrap();
            assert!(receiver.next().unwrap().is_err(), "{line:?}");
        }
    }
}
