//! Where the output of a command goes.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use snowglobe_agent_protocol::{CHUNK, Channel, ToHost};

use super::call::{Call, wait};
use super::link::Link;

/// Takes output.
pub trait Sink {
    /// Whether more can be taken now.
    fn is_open(&self) -> bool;
    /// Takes some.
    fn take(&mut self, channel: Channel, bytes: &[u8]);
}

/// Straight to the host.
pub struct Live<'a>(pub &'a Call);

impl Sink for Live<'_> {
    fn is_open(&self) -> bool {
        self.0.has_credit()
    }

    fn take(&mut self, channel: Channel, bytes: &[u8]) {
        self.0.data(channel, bytes);
    }
}

/// Kept, since only the last attempt counts.
#[derive(Debug, Default)]
pub struct Kept {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Kept {
    /// Beyond this much output is dropped: an attempt that writes more has lost its way.
    const MOST: usize = 16 * 1024 * 1024;
}

impl Sink for Kept {
    fn is_open(&self) -> bool {
        true
    }

    fn take(&mut self, channel: Channel, bytes: &[u8]) {
        let all = match channel {
            Channel::Stdout => &mut self.stdout,
            Channel::Stderr | Channel::Late => &mut self.stderr,
        };
        let room = Self::MOST - all.len();
        all.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// Reads what processes that outlived their command write to standard error, to its end. Without a
/// reader they would be killed by their next word, or hang. At most 256 KiB a second are sent.
pub fn drain_late(link: &Arc<Link>, id: u32, stderr: &OwnedFd) {
    const PER_SECOND: usize = 256 * 1024;
    let mut buffer = vec![0; CHUNK.min(8 * 1024)];
    let (mut second, mut sent, mut dropped) = (Instant::now(), 0, 0);
    loop {
        let mut descriptors = [PollFd::new(stderr, PollFlags::IN)];
        if wait(&mut descriptors, None).is_err() {
            return;
        }
        let count = match rustix::io::read(stderr, &mut buffer) {
            Ok(0) => return,
            Ok(count) => count,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        };
        if second.elapsed() >= Duration::from_secs(1) {
            (second, sent) = (Instant::now(), 0);
        }
        let late = ToHost::Data {
            channel: Channel::Late,
        };
        if sent + count > PER_SECOND {
            dropped += count;
            continue;
        }
        if dropped > 0 {
            let note = format!("\n[{dropped} bytes of standard error were dropped]\n");
            let _ = link.send_always(id, &late, note.as_bytes());
            dropped = 0;
        }
        sent += count;
        // Nobody may be there; the processes go on.
        let _ = link.send_always(id, &late, &buffer[..count]);
    }
}
