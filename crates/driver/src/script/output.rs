//! What the script prints.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use snowglobe_events::{Kind, Scope, Stream};

/// Bytes of each stream that become events.
const BUDGET: usize = 8 << 20;
/// A line without end is told in pieces of this size.
const PIECE: usize = 64 << 10;

/// One of the two streams.
pub(super) struct Output {
    fd: Option<OwnedFd>,
    stream: Stream,
    pending: Vec<u8>,
    left: usize,
    dropped: u64,
}

impl Output {
    pub fn new(fd: OwnedFd, stream: Stream) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&fd)?;
        rustix::fs::fcntl_setfl(&fd, flags | rustix::fs::OFlags::NONBLOCK)?;
        Ok(Self {
            fd: Some(fd),
            stream,
            pending: Vec::new(),
            left: BUDGET,
            dropped: 0,
        })
    }

    /// The pipe, until its end.
    pub fn open(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    /// Takes what there is; whole lines become events.
    pub fn drain(&mut self, scope: &Scope) {
        let mut buffer = [0; 1 << 16];
        // A script that prints without pause must not keep us here for ever.
        for _ in 0..64 {
            let Some(fd) = &self.fd else { break };
            match rustix::io::read(fd, &mut buffer) {
                Ok(0) => self.fd = None,
                Ok(count) => self.take(&buffer[..count], scope),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(_) => self.fd = None,
            }
        }
    }

    fn take(&mut self, bytes: &[u8], scope: &Scope) {
        let room = bytes.len().min(self.left);
        self.left -= room;
        self.pending.extend_from_slice(&bytes[..room]);
        if room < bytes.len() {
            if self.dropped == 0 {
                self.flush(scope);
                scope.emit(Kind::Warning {
                    message: format!(
                        "the script prints more than {} MiB; the rest is left out",
                        BUDGET >> 20
                    ),
                    hints: Vec::new(),
                });
            }
            self.dropped += (bytes.len() - room) as u64;
        }
        let end = self
            .pending
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map(|end| end + 1);
        if let Some(end) = end {
            let rest = self.pending.split_off(end);
            self.flush(scope);
            self.pending = rest;
        }
        if self.pending.len() > PIECE {
            self.flush(scope);
        }
    }

    /// Tells what is not a whole line yet.
    pub fn flush(&mut self, scope: &Scope) {
        if self.pending.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        scope.emit(Kind::ScriptOutput {
            stream: self.stream,
            text,
        });
    }
}
