//! A client of QEMU's machine protocol.
//!
//! Only what we use of it is known here. Replies and events that are not are passed on as data.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::Error;

/// Longest message that is accepted, in bytes.
const MAX_MESSAGE: u64 = 64 << 20;

/// QEMU refused a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct QmpError {
    /// Such as `GenericError`.
    pub class: String,
    /// In QEMU's words.
    pub description: String,
}

/// The connection to one QEMU process. Several threads may use it.
#[derive(Clone)]
pub struct Qmp(Arc<Shared>);

struct Shared {
    writer: Mutex<UnixStream>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether QEMU has closed the connection.
    closed: bool,
    next: u64,
    waiting: HashMap<u64, SyncSender<Value>>,
    listeners: Vec<Sender<Value>>,
    reactions: Vec<Reaction>,
}

/// What is done, in the thread that reads, when an event comes that the first function knows.
type Reaction = (fn(&Value) -> bool, Box<dyn Fn() + Send>);

impl Qmp {
    /// Greets QEMU at the other end of `stream`.
    ///
    /// # Errors
    ///
    /// When it does not answer in time, or not as it should.
    pub fn connect(stream: UnixStream, limit: Duration) -> Result<Self, Error> {
        let failed = Error::system("talk to QEMU's monitor");
        let reader = match stream.try_clone() {
            Ok(reader) => reader,
            Err(error) => return Err(failed(error)),
        };
        stream
            .set_write_timeout(Some(Duration::from_secs(30)))
            .map_err(Error::system("talk to QEMU's monitor"))?;
        let qmp = Self(Arc::new(Shared {
            writer: Mutex::new(stream),
            state: Mutex::new(State::default()),
        }));
        let shared = qmp.0.clone();
        std::thread::Builder::new()
            .name("qmp".into())
            .spawn(move || shared.read(BufReader::new(reader)))
            .map_err(Error::system("start a thread"))?;
        // QEMU greets first, but it takes commands before anyone has read that.
        qmp.execute("qmp_capabilities", json!({}), limit)?;
        Ok(qmp)
    }

    /// Executes a command and gives what it returns.
    ///
    /// # Errors
    ///
    /// When QEMU refuses it, has ended, or does not answer in time.
    pub fn execute(
        &self,
        command: &str,
        arguments: Value,
        limit: Duration,
    ) -> Result<Value, Error> {
        let (sender, receiver) = sync_channel(1);
        let number = {
            let mut state = self.0.lock();
            if state.closed {
                return Err(gone());
            }
            state.next += 1;
            let number = state.next;
            state.waiting.insert(number, sender);
            number
        };
        let mut message = json!({ "execute": command, "id": number });
        if arguments
            .as_object()
            .is_none_or(|arguments| !arguments.is_empty())
        {
            message["arguments"] = arguments;
        }
        let sent = {
            let mut writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.write_all(format!("{message}\r\n").as_bytes())
        };
        if sent.is_err() {
            self.0.lock().waiting.remove(&number);
            return Err(gone());
        }
        match receiver.recv_timeout(limit) {
            Ok(reply) => result_of(reply),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Err(gone()),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                self.0.lock().waiting.remove(&number);
                Err(Error::TimedOut {
                    what: format!("QEMU's command '{command}'"),
                    limit,
                })
            }
        }
    }

    /// Does something whenever an event comes that `wanted` knows. It must not wait, nor use this connection.
    pub fn when(&self, wanted: fn(&Value) -> bool, reaction: impl Fn() + Send + 'static) {
        self.0.lock().reactions.push((wanted, Box::new(reaction)));
    }

    /// Events from now on, as QEMU sends them. The channel ends with QEMU.
    pub fn events(&self) -> Receiver<Value> {
        let (sender, receiver) = channel();
        let mut state = self.0.lock();
        if !state.closed {
            state.listeners.push(sender);
        }
        receiver
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, mut reader: impl BufRead) {
        let mut line = Vec::new();
        loop {
            line.clear();
            match io::Read::take(&mut reader, MAX_MESSAGE).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            // What cannot be read is skipped: a waiter for it runs into its limit.
            let Ok(message) = serde_json::from_slice::<Value>(&line) else {
                continue;
            };
            self.dispatch(message);
        }
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        state.listeners.clear();
        state.reactions.clear();
    }

    fn dispatch(&self, message: Value) {
        let mut state = self.lock();
        if message.get("event").is_some() {
            let known = state
                .reactions
                .iter()
                .filter(|(wanted, _)| wanted(&message));
            known.for_each(|(_, react)| react());
            state
                .listeners
                .retain(|listener| listener.send(message.clone()).is_ok());
        } else if let Some(number) = message.get("id").and_then(Value::as_u64)
            && let Some(waiter) = state.waiting.remove(&number)
        {
            // It has room for one, and gets one; the waiter may have given up.
            let _ = waiter.try_send(message);
        }
    }
}

fn result_of(mut reply: Value) -> Result<Value, Error> {
    if let Some(error) = reply.get("error") {
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        return Err(QmpError {
            class: text("class"),
            description: text("desc"),
        }
        .into());
    }
    Ok(reply["return"].take())
}

fn gone() -> Error {
    Error::System {
        what: "talk to QEMU's monitor",
        source: io::ErrorKind::BrokenPipe.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    /// A QEMU that answers each line with what `answer` says.
    fn fake(answer: impl Fn(&Value) -> Vec<String> + Send + 'static) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            let mut writer = theirs.try_clone().unwrap();
            writer
                .write_all(b"{\"QMP\": {\"version\": {}}}\r\n")
                .unwrap();
            for line in BufReader::new(theirs).lines() {
                let Ok(line) = line else { return };
                let command: Value = serde_json::from_str(&line).unwrap();
                for reply in answer(&command) {
                    let _ = writer.write_all(format!("{reply}\r\n").as_bytes());
                }
            }
        });
        ours
    }

    fn returns(command: &Value, value: &Value) -> String {
        json!({ "return": value, "id": command["id"] }).to_string()
    }

    #[test]
    fn commands_events_and_errors() {
        let stream = fake(|command| match command["execute"].as_str().unwrap() {
            "noisy" => vec![
                "nonsense".into(),
                json!({ "event": "SURPRISE", "data": { "x": [1] } }).to_string(),
                returns(command, &json!({ "status": "running" })),
            ],
            "bad" => vec![
                json!({ "id": command["id"], "error": { "class": "GenericError", "desc": "no" } })
                    .to_string(),
            ],
            "silent" => vec![],
            _ => vec![returns(command, &json!({}))],
        });
        let qmp = Qmp::connect(stream, LIMIT).unwrap();
        let events = qmp.events();
        let reply = qmp.execute("noisy", json!({}), LIMIT).unwrap();
        assert_eq!(reply["status"], "running");
        assert_eq!(events.recv_timeout(LIMIT).unwrap()["event"], "SURPRISE");
        let error = qmp.execute("bad", json!({ "a": 1 }), LIMIT).unwrap_err();
        assert!(matches!(error, Error::Qmp(QmpError { class, .. }) if class == "GenericError"));
        let error = qmp
            .execute("silent", json!({}), Duration::from_millis(20))
            .unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }));
    }

    #[test]
    fn the_end_of_qemu_ends_every_wait() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let thread = std::thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(theirs).read_line(&mut line).unwrap();
        });
        assert!(Qmp::connect(ours, LIMIT).is_err());
        thread.join().unwrap();
    }
}
