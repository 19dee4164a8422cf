//! The serial console of a machine: its lines as they come, and a file that keeps them.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::JoinHandle;

use fs_err as fs;

/// Bytes that the file keeps; what comes later is only told.
const MAX_FILE: u64 = 64 << 20;
/// A line is told when it is so long, finished or not.
const MAX_LINE: usize = 64 << 10;

/// Name of the file in a machine's directory.
pub(crate) const FILE: &str = "console.log";

/// Starts a thread that reads a console until its machine ends. Each line goes to `tell`, without
/// its end and without carriage returns. Lines already in the file are kept.
pub(crate) fn follow(
    stream: UnixStream,
    path: &Path,
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
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn lines_are_cut_told_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        fs::write(&path, "before\n").unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let (sender, lines) = channel();
        let thread = follow(theirs, &path, move |line| {
            sender.send(line.to_vec()).unwrap()
        })
        .unwrap();
        ours.write_all(b"one\r\ntw").unwrap();
        ours.write_all(b"o\r\n\nlogin: ").unwrap();
        drop(ours);
        thread.join().unwrap();
        let lines: Vec<_> = lines.iter().collect();
        assert_eq!(lines, [&b"one"[..], b"two", b"", b"login: "]);
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
