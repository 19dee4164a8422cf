//! The conversation on the control socket: one JSON value a line.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::child::ExitStatus;
use crate::error::Failure;

/// Longest line that is accepted, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// What the stages say.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum FromStage {
    /// Stage 1 is in its user namespace and waits for its ids.
    MapIds,
    /// The program runs.
    Started,
    /// A system call failed; nothing runs.
    Failed(Failure),
    /// The program could not be executed.
    NotExecuted { errno: i32 },
    /// The program has ended, and with it everything in the sandbox.
    Ended(ExitStatus),
}

/// What our process says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum ToStage {
    /// The ids are mapped.
    IdsMapped,
    /// Send this signal to the program.
    Signal(i32),
}

/// Sends one message.
pub(crate) fn send(mut socket: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    socket.write_all(&line)
}

/// Receives messages.
#[derive(Debug)]
pub(crate) struct Receiver(BufReader<UnixStream>);

impl Receiver {
    pub(crate) fn new(socket: UnixStream) -> Self {
        // Unbuffered between lines: stage 1 and stage 2 read the same socket in turn.
        Self(BufReader::with_capacity(1, socket))
    }

    /// The next message; `None` when the other side is gone.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut line = Vec::new();
        io::Read::take(&mut self.0, MAX_LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&line)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_as_sent_and_the_end_is_seen() {
        let (here, there) = UnixStream::pair().unwrap();
        send(&here, &FromStage::MapIds).unwrap();
        send(&here, &FromStage::Ended(ExitStatus::Signaled(9))).unwrap();
        drop(here);
        let mut receiver = Receiver::new(there);
        assert_eq!(receiver.next().unwrap(), Some(FromStage::MapIds));
        assert_eq!(
            receiver.next().unwrap(),
            Some(FromStage::Ended(ExitStatus::Signaled(9)))
        );
        assert_eq!(receiver.next::<FromStage>().unwrap(), None);
    }

    #[test]
    fn nonsense_is_an_error_not_a_panic() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(b"hello\n").unwrap();
        assert!(Receiver::new(there).next::<FromStage>().is_err());
    }
}
