//! The door of a run under way: whoever owns the run may open a shell in its machines from another
//! process (`snowglobe shell RUN MACHINE`).
//!
//! A unix socket in the run folder, which its owner alone may open. One JSON object a line, bytes in
//! base64:
//!
//! | direction | line |
//! | --- | --- |
//! | visitor, first | `{"machine": "a", "command": null, "term": "xterm", "rows": 24, "columns": 80}` |
//! | visitor | `{"in": "…"}`, `{"size": [rows, columns]}`; only with a terminal (no command) |
//! | run | `{"out": "…"}`, `{"err": "…"}`, `{"end": status}`, `{"error": "…"}` |

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::BASE64;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use snowglobe_events::Stream;

use crate::session::Session;
use crate::world::{Exec, Fault, Pty, PtySize};
use crate::{Cancel, Limit};

/// Name of the socket in a run folder.
const NAME: &str = "control";
/// A longer line is no message.
const LINE: u64 = 1 << 20;

/// The door, until this is dropped.
pub(crate) struct Control {
    path: PathBuf,
    closed: Arc<AtomicBool>,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Opens the door of a session. A run whose folder takes no socket has none.
pub(crate) fn listen(session: &Arc<Session>) -> Option<Control> {
    let (listener, path) = bind(&session.run_dir).ok()?;
    let closed = Arc::new(AtomicBool::new(false));
    let control = Control {
        path,
        closed: closed.clone(),
    };
    let session = session.clone();
    let accept = move || {
        while !closed.load(Ordering::SeqCst) && !session.cancel.is_cancelled() {
            let mut polled = [PollFd::new(&listener, PollFlags::IN)];
            let pause = Timespec::try_from(Duration::from_millis(200)).ok();
            if !matches!(poll(&mut polled, pause.as_ref()), Ok(1..)) {
                continue;
            }
            let Ok((stream, _)) = listener.accept() else {
                continue;
            };
            let session = session.clone();
            let visit = move || {
                let _ = serve(&session, stream);
            };
            let _ = std::thread::Builder::new()
                .name("visitor".to_owned())
                .spawn(visit);
        }
    };
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(accept)
        .ok()?;
    Some(control)
}

/// A path that names a folder's socket within the few bytes that a socket's address has.
fn short(folder: &Path) -> io::Result<(File, PathBuf)> {
    let folder = File::open(folder)?;
    let path = format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd());
    Ok((folder, path.into()))
}

fn bind(folder: &Path) -> io::Result<(UnixListener, PathBuf)> {
    let path = folder.join(NAME);
    let (_folder, short) = short(folder)?;
    let listener = UnixListener::bind(&short)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok((listener, path))
}

/// Sends lines, from several threads.
#[derive(Clone)]
struct Sender(Arc<Mutex<UnixStream>>);

impl Sender {
    fn send(&self, message: &Value) -> io::Result<()> {
        let line = format!("{message}\n");
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(line.as_bytes())
    }
}

/// The next message; `None` at the end.
fn receive(input: &mut impl BufRead) -> io::Result<Option<Value>> {
    let mut line = Vec::new();
    io::Read::take(&mut *input, LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

fn bytes(value: Option<&Value>) -> Option<Vec<u8>> {
    BASE64.decode(value?.as_str()?.as_bytes()).ok()
}

/// Does what one visitor wants.
fn serve(session: &Session, stream: UnixStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    // A visitor who does not read must not keep a thread for ever.
    stream.set_write_timeout(Some(Duration::from_secs(60)))?;
    let sender = Sender(Arc::new(Mutex::new(stream.try_clone()?)));
    let mut input = BufReader::new(stream);
    let Some(wish) = receive(&mut input)? else {
        return Ok(());
    };
    // Gone with the visitor, or with the run.
    let cancel = session.cancel.child();
    let result = visit(session, &wish, &sender, input, &cancel);
    cancel.cancel();
    match result {
        Ok(status) => sender.send(&json!({"end": status})),
        Err(fault) => sender.send(&json!({"error": fault.to_string()})),
    }
}

fn visit(
    session: &Session,
    wish: &Value,
    sender: &Sender,
    mut input: BufReader<UnixStream>,
    cancel: &Cancel,
) -> Result<i32, Fault> {
    let text = |name: &str| wish.get(name).and_then(Value::as_str);
    let name = text("machine").unwrap_or_default();
    let handle = session.machine(name).map_err(|_| {
        let machines = session.all_machines();
        let names: Vec<&str> = machines.iter().map(|other| other.machine.name()).collect();
        Fault::failed(format!(
            "there is no machine '{name}'; there are: {}",
            names.join(", ")
        ))
    })?;
    if !handle.machine.running() {
        return Err(Fault::failed(format!(
            "the machine '{name}' has not been started, or has ended"
        )));
    }
    let limit = Limit::new(Some(session.scaled(60.0)), cancel);
    let agent = handle.machine.agent(&limit)?;
    let endless = Limit::new(None, cancel);
    if let Some(command) = text("command") {
        let watched = cancel.clone();
        let watch = move || {
            // Nothing more is said; this ends with the visitor.
            while matches!(receive(&mut input), Ok(Some(_))) {}
            watched.cancel();
        };
        let _ = std::thread::Builder::new().spawn(watch);
        let exec = Exec {
            command: command.to_owned(),
            ..Exec::default()
        };
        return agent.exec(&exec, &endless, &mut |stream, bytes| {
            let name = match stream {
                Stream::Stdout => "out",
                Stream::Stderr => "err",
            };
            if sender.send(&json!({name: BASE64.encode(bytes)})).is_err() {
                cancel.cancel();
            }
        });
    }
    let number = |name: &str| {
        let number = wish.get(name).and_then(Value::as_u64)?;
        u16::try_from(number).ok()
    };
    let size = PtySize {
        rows: number("rows").unwrap_or(24),
        columns: number("columns").unwrap_or(80),
    };
    let pty: Arc<dyn Pty> = agent
        .pty(None, size, text("term").unwrap_or("xterm"))?
        .into();
    let keys = pty.clone();
    let watch = move || {
        while let Ok(Some(message)) = receive(&mut input) {
            if let Some(typed) = bytes(message.get("in"))
                && keys.write(&typed).is_err()
            {
                break;
            }
            let size = message.get("size").cloned();
            if let Some(Ok((rows, columns))) = size.map(serde_json::from_value) {
                let _ = keys.resize(PtySize { rows, columns });
            }
        }
        keys.close();
    };
    let _ = std::thread::Builder::new().spawn(watch);
    while let Some(shown) = pty.read(&endless)? {
        if sender.send(&json!({"out": BASE64.encode(&shown)})).is_err() {
            pty.close();
            break;
        }
    }
    Ok(0)
}

/// A visit to the run of another process.
pub struct Remote {
    sender: Sender,
    messages: Mutex<Receiver<Value>>,
    status: Mutex<Option<i32>>,
    error: Mutex<Option<String>>,
}

/// Knocks at the door of a run: asks for a command in one of its machines, or a shell on a terminal
/// of this size.
///
/// # Errors
///
/// When nobody is there.
pub fn knock(
    run_dir: &Path,
    machine: &str,
    command: Option<&str>,
    size: PtySize,
) -> io::Result<Remote> {
    let (_folder, path) = short(run_dir)?;
    let stream = UnixStream::connect(path)?;
    let mut input = BufReader::new(stream.try_clone()?);
    let sender = Sender(Arc::new(Mutex::new(stream)));
    sender.send(&json!({
        "machine": machine,
        "command": command,
        "term": std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned()),
        "rows": size.rows,
        "columns": size.columns,
    }))?;
    let (told, messages) = channel();
    std::thread::Builder::new()
        .name("visit".to_owned())
        .spawn(move || {
            while let Ok(Some(message)) = receive(&mut input) {
                if told.send(message).is_err() {
                    break;
                }
            }
        })?;
    Ok(Remote {
        sender,
        messages: Mutex::new(messages),
        status: Mutex::new(None),
        error: Mutex::new(None),
    })
}

impl Remote {
    /// Copies what a command writes to where ours goes, to its end; its status.
    ///
    /// # Errors
    ///
    /// When the command could not be run, in words.
    pub fn finish(&self, limit: &Limit) -> Result<i32, Fault> {
        while let Some(bytes) = self.read(limit)? {
            crate::attend::copy(Stream::Stdout, &bytes);
        }
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = &*error {
            return Err(Fault::failed(error.clone()));
        }
        let status = *self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.ok_or_else(|| Fault::failed("the run has ended"))
    }
}

impl Pty for Remote {
    fn read(&self, limit: &Limit) -> Result<Option<Vec<u8>>, Fault> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if limit.cancel.is_cancelled() {
                return Err(Fault::Cancelled);
            }
            let message = match messages.recv_timeout(Duration::from_millis(100)) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            };
            if let Some(out) = bytes(message.get("out")) {
                return Ok(Some(out));
            }
            if let Some(err) = bytes(message.get("err")) {
                crate::attend::copy(Stream::Stderr, &err);
            }
            let set = |slot: &Mutex<Option<i32>>, value| {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = value;
            };
            if let Some(status) = message.get("end").and_then(Value::as_i64) {
                set(&self.status, i32::try_from(status).ok());
                return Ok(None);
            }
            if let Some(error) = message.get("error").and_then(Value::as_str) {
                *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_owned());
                return Ok(None);
            }
        }
    }

    fn write(&self, typed: &[u8]) -> Result<(), Fault> {
        self.sender
            .send(&json!({"in": BASE64.encode(typed)}))
            .map_err(|error| Fault::failed(error.to_string()))
    }

    fn resize(&self, size: PtySize) -> Result<(), Fault> {
        self.sender
            .send(&json!({"size": [size.rows, size.columns]}))
            .map_err(|error| Fault::failed(error.to_string()))
    }

    fn close(&self) {
        let stream = self.sender.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_messages_are_errors() {
        let read = |text: &[u8]| receive(&mut BufReader::new(text));
        assert_eq!(read(b"").unwrap(), None);
        assert_eq!(read(b"{\"a\":1}\n").unwrap(), Some(json!({"a": 1})));
        assert!(read(b"{\"a\":").is_err());
        assert!(read(b"\xff\n").is_err());
        assert!(read(&vec![b' '; 3 << 20]).is_err());
    }

    #[test]
    fn a_socket_has_a_name_however_long_its_folder_s_is() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("x".repeat(150));
        std::fs::create_dir(&folder).unwrap();
        let (listener, path) = bind(&folder).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let remote = knock(
            &folder,
            "m",
            Some("true"),
            PtySize {
                rows: 1,
                columns: 1,
            },
        )
        .unwrap();
        listener.set_nonblocking(false).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let wish = receive(&mut BufReader::new(&stream)).unwrap().unwrap();
        assert_eq!(wish["command"], "true");
        (&stream).write_all(b"{\"end\":3}\n").unwrap();
        let limit = Limit::new(Some(Duration::from_secs(60)), &Cancel::new());
        assert_eq!(remote.finish(&limit).unwrap(), 3);
        assert!(
            knock(
                root.path(),
                "m",
                None,
                PtySize {
                    rows: 1,
                    columns: 1
                }
            )
            .is_err()
        );
    }
}
