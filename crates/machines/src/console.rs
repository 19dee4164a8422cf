//! The serial console of a machine: its lines as they come, and a file that keeps them.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use fs_err as fs;

/// Bytes that the file keeps; what comes later is only told.
const MAX_FILE: u64 = 64 << 20;
/// A line is told when it is so long, finished or not.
const MAX_LINE: usize = 64 << 10;

/// Name of the file in a machine's directory.
pub(crate) const FILE: &str = "console.log";

/// Those who watch a console as it comes, byte by byte.
#[derive(Debug, Default)]
pub(crate) struct Taps(Mutex<Vec<Sender<Vec<u8>>>>);

impl Taps {
    /// Everything from now on, until the receiver is dropped.
    pub fn open(&self) -> Receiver<Vec<u8>> {
        let (sender, receiver) = channel();
        self.lock().push(sender);
        receiver
    }

    /// Shows what came to all who watch.
    pub fn push(&self, bytes: &[u8]) {
        self.lock().retain(|tap| tap.send(bytes.to_vec()).is_ok());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Sender<Vec<u8>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a thread that reads a console until its machine ends. Everything goes to `raw` as it comes;
/// each line goes to `tell`, without its end and without carriage returns. Lines already in the file
/// are kept.
pub(crate) fn follow(
    stream: UnixStream,
    path: &Path,
    mut raw: impl FnMut(&[u8]) + Send + 'static,
    mut tell: impl FnMut(&[u8]) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?;
    let mut room = MAX_FILE.saturating_sub(file.metadata()?.len());
    std::thread::Builder::new()
        .name("console".into())
        .spawn(move || {
            let (mut stream, mut file) = (stream, file);
            let mut buffer = vec![0; 16 << 10];
            let mut lines = Lines::default();
            loop {
                let length = match stream.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => length,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => break,
                };
                raw(&buffer[..length]);
                lines.push(&buffer[..length], &mut |line| {
                    let size = line.len() as u64 + 1;
                    if size <= room {
                        room -= size;
                        // A full disk must not stop the machine.
                        let _ = file.write_all(&[line, b"\n"].concat());
                    }
                    tell(line);
                });
            }
            lines.finish(&mut |line| {
                let _ = file.write_all(&[line, b"\n"].concat());
                tell(line);
            });
        })
}

/// Cuts a stream into lines.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(&[u8])) {
        for byte in bytes {
            match byte {
                b'\n' => {
                    each(&self.0);
                    self.0.clear();
                }
                b'\r' => {}
                other => {
                    self.0.push(*other);
                    if self.0.len() >= MAX_LINE {
                        each(&self.0);
                        self.0.clear();
                    }
                }
            }
        }
    }

    fn finish(&mut self, each: &mut dyn FnMut(&[u8])) {
        if !self.0.is_empty() {
            each(&self.0);
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_told_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        fs::write(&path, "before\n").unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let (sender, lines) = channel();
        let taps = std::sync::Arc::new(Taps::default());
        let (tap, gone) = (taps.open(), taps.open());
        drop(gone);
        let raw = move |bytes: &[u8]| taps.push(bytes);
        let tell = move |line: &[u8]| sender.send(line.to_vec()).unwrap();
        let thread = follow(theirs, &path, raw, tell).unwrap();
        ours.write_all(b"one\r\ntw").unwrap();
        ours.write_all(b"o\r\n\nlogin: ").unwrap();
        drop(ours);
        thread.join().unwrap();
        let lines: Vec<_> = lines.iter().collect();
        assert_eq!(lines, [&b"one"[..], b"two", b"", b"login: "]);
        let raw: Vec<u8> = tap.iter().flatten().collect();
        assert_eq!(raw, b"one\r\ntwo\r\n\nlogin: ");
        assert_eq!(fs::read(&path).unwrap(), b"before\none\ntwo\n\nlogin: \n");
    }

    #[test]
    fn endless_lines_are_cut() {
        let mut lines = Lines::default();
        let mut told = 0;
        lines.push(&vec![b'x'; MAX_LINE * 2 + 5], &mut |_| told += 1);
        assert_eq!((told, lines.0.len()), (2, 5));
    }
}
