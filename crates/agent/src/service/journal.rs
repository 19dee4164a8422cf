//! The journal as a stream of messages. systemd-journald connects to a socket of ours (its
//! `ForwardToSocket=`) and sends each message once, in the journal's export format: no process of
//! ours reads files, and early messages are not missed.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use snowglobe_agent_protocol::{Failure, JournalEntry, ToHost};

use super::call::{Answer, Call};

/// Bytes of text that are kept.
const MOST: usize = 1024 * 1024;
/// A longer field is cut.
const LONGEST_FIELD: usize = 48 * 1024;
/// Between looks at the buffer; a message may be late by so much.
const LOOK: Duration = Duration::from_millis(50);

/// The last messages. Those that nobody asked for in time are counted and dropped.
#[derive(Debug, Default)]
pub struct JournalBuffer(Mutex<Buffer>);

#[derive(Debug, Default)]
struct Buffer {
    entries: VecDeque<JournalEntry>,
    size: usize,
    /// Number of the first entry in the buffer since the beginning.
    first: u64,
}

impl JournalBuffer {
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens for journald, which connects anew when it is restarted. Returns only if that is impossible.
    pub fn listen(&self, path: &Path) {
        let _ = fs::remove_file(path);
        let Ok(listener) = UnixListener::bind(path) else {
            super::kernel_log(&format!("cannot listen on {}", path.display()));
            return;
        };
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => self.read(stream),
                Err(_) => thread::sleep(LOOK),
            }
        }
    }

    fn read(&self, stream: UnixStream) {
        let mut reader = BufReader::new(stream);
        while let Some(entry) = read_entry(&mut reader) {
            self.push(entry);
        }
    }

    fn push(&self, entry: JournalEntry) {
        let size = |entry: &JournalEntry| entry.message.len() + 128;
        let mut buffer = self.buffer();
        buffer.size += size(&entry);
        buffer.entries.push_back(entry);
        while buffer.size > MOST {
            let Some(oldest) = buffer.entries.pop_front() else {
                break;
            };
            buffer.size -= size(&oldest);
            buffer.first += 1;
        }
    }

    /// Sends everything there is and everything that comes, until cancelled.
    pub fn follow(&self, call: &Call) -> Result<Answer, Failure> {
        let mut next = 0;
        loop {
            let (batch, lost) = self.since(next);
            next += lost + batch.len() as u64;
            for (at, mut entry) in batch.into_iter().enumerate() {
                entry.lost = if at == 0 { lost } else { 0 };
                call.tell(&ToHost::Journal(Box::new(entry)), &[]);
            }
            call.pause(Some(Instant::now() + LOOK))?;
        }
    }

    fn since(&self, next: u64) -> (Vec<JournalEntry>, u64) {
        /// Sent at once; the lock is held while they are copied.
        const BATCH: usize = 256;
        let buffer = self.buffer();
        let lost = buffer.first.saturating_sub(next);
        let skip = usize::try_from(next.saturating_sub(buffer.first)).unwrap_or(usize::MAX);
        (
            buffer
                .entries
                .iter()
                .skip(skip)
                .take(BATCH)
                .cloned()
                .collect(),
            lost,
        )
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One message: lines `NAME=value`, or `NAME`, a length of eight bytes, the value and a line break;
/// an empty line ends it. `None`: the stream is at its end, or is no journal.
fn read_entry(reader: &mut impl BufRead) -> Option<JournalEntry> {
    let mut entry = JournalEntry {
        priority: 6,
        ..JournalEntry::default()
    };
    let mut fallback = String::new();
    let mut any = false;
    loop {
        let mut line = Vec::new();
        let limit = LONGEST_FIELD as u64 * 32;
        if reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut line)
            .ok()?
            == 0
        {
            return None;
        }
        if line.pop() != Some(b'\n') {
            return None;
        }
        if line.is_empty() {
            if any {
                if entry.identifier.is_empty() {
                    entry.identifier = fallback;
                }
                return Some(entry);
            }
            continue;
        }
        any = true;
        let value = match line.iter().position(|&byte| byte == b'=') {
            Some(at) => {
                let value = line.split_off(at + 1);
                line.pop();
                value
            }
            None => read_binary(reader)?,
        };
        set(&mut entry, &mut fallback, &line, &value);
    }
}

fn read_binary(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = [0; 8];
    reader.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    let kept = length.min(LONGEST_FIELD as u64);
    let mut value = Vec::new();
    reader.by_ref().take(kept).read_to_end(&mut value).ok()?;
    std::io::copy(
        &mut reader.by_ref().take(length - kept),
        &mut std::io::sink(),
    )
    .ok()?;
    let mut end = [0];
    reader.read_exact(&mut end).ok()?;
    Some(value)
}

fn set(entry: &mut JournalEntry, fallback: &mut String, name: &[u8], value: &[u8]) {
    let text = || String::from_utf8_lossy(&value[..value.len().min(LONGEST_FIELD)]).into_owned();
    match name {
        b"MESSAGE" => entry.message = text(),
        b"PRIORITY" => entry.priority = text().parse().unwrap_or(6),
        // A message about a unit names it in another field than one from it.
        b"_SYSTEMD_UNIT" if entry.unit.is_empty() => entry.unit = text(),
        b"UNIT" => entry.unit = text(),
        b"SYSLOG_IDENTIFIER" => entry.identifier = text(),
        b"_COMM" => *fallback = text(),
        b"_PID" => entry.pid = text().parse().unwrap_or_default(),
        b"_TRANSPORT" => entry.transport = text(),
        b"__REALTIME_TIMESTAMP" => entry.realtime_us = text().parse().unwrap_or_default(),
        b"__MONOTONIC_TIMESTAMP" => entry.monotonic_us = text().parse().unwrap_or_default(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_journald_writes_them() {
        let mut text = b"__REALTIME_TIMESTAMP=17\n_PID=42\nPRIORITY=3\nMESSAGE\n".to_vec();
        text.extend(9u64.to_le_bytes());
        text.extend(
            b"two\nlines\n_COMM=prog\n_SYSTEMD_UNIT=a.service\n\n\nMESSAGE=x=y\n\nMESSAGE=cut",
        );
        let mut reader = &text[..];
        let first = read_entry(&mut reader).unwrap();
        assert_eq!(
            (&first.message[..], first.priority, first.pid),
            ("two\nlines", 3, 42)
        );
        assert_eq!(
            (&first.identifier[..], &first.unit[..]),
            ("prog", "a.service")
        );
        assert_eq!(read_entry(&mut reader).unwrap().message, "x=y");
        assert_eq!(read_entry(&mut reader), None);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let buffer = JournalBuffer::new();
        let entry = |n: usize| JournalEntry {
            message: format!("{n:>60000}"),
            ..JournalEntry::default()
        };
        for n in 0..40 {
            buffer.push(entry(n));
        }
        let (entries, lost) = buffer.since(0);
        assert_eq!(entries.len() as u64 + lost, 40);
        assert!(lost > 0 && entries.last().unwrap().message.ends_with("39"));
        assert_eq!(buffer.since(40), (Vec::new(), 0));
    }
}
