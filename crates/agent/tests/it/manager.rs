//! Units, with a manager of our own that speaks D-Bus.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use snowglobe_agent::dbus::{Argument, Kind, Value, encode_message, parse_message};
use snowglobe_agent_client::protocol::UnitVerdict;

use crate::{LONG, World};

/// What the manager answers.
#[derive(Clone, Default)]
struct Manager(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By unit.
    states: BTreeMap<String, String>,
    jobs: bool,
    clients: Vec<UnixStream>,
    serial: u32,
}

impl Manager {
    fn start(world: &World) -> Self {
        let manager = Self::default();
        let listener = UnixListener::bind(world.place.path().join("private")).unwrap();
        let serving = manager.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(stream));
            }
        });
        manager
    }

    /// Changes a unit and tells everyone.
    fn set(&self, unit: &str, active_state: &str, jobs: bool) {
        let mut state = self.0.lock().unwrap();
        state
            .states
            .insert(unit.to_owned(), active_state.to_owned());
        state.jobs = jobs;
        state.serial += 1;
        let path = format!("/unit/{}", unit.replace(['.', '-'], "_"));
        let fields = [
            (1, &path[..]),
            (2, "org.freedesktop.DBus.Properties"),
            (3, "PropertiesChanged"),
        ];
        let signal = encode_message(Kind::Signal, state.serial, None, &fields, &[]);
        for client in &mut state.clients {
            let _ = client.write_all(&signal);
        }
    }

    fn serve(&self, stream: UnixStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        assert!(line.starts_with("\0AUTH EXTERNAL 30"), "{line:?}");
        (&stream).write_all(b"OK 1234\r\n").ok()?;
        line.clear();
        reader.read_line(&mut line).ok()?;
        assert_eq!(line, "BEGIN\r\n");
        self.0
            .lock()
            .unwrap()
            .clients
            .push(stream.try_clone().ok()?);
        let mut received = Vec::new();
        loop {
            while let Some((message, length)) = parse_message(&received).unwrap() {
                received.drain(..length);
                let mut state = self.0.lock().unwrap();
                let texts: Vec<_> = message.body.iter().filter_map(Value::text).collect();
                let reply = state.answer(message.serial, &message.path, &message.member, &texts);
                (&stream).write_all(&reply).ok()?;
            }
            let mut buffer = [0; 4096];
            match reader.read(&mut buffer).ok()? {
                0 => return None,
                count => received.extend_from_slice(&buffer[..count]),
            }
        }
    }
}

impl State {
    fn answer(&mut self, to: u32, path: &str, member: &str, texts: &[&str]) -> Vec<u8> {
        self.serial += 1;
        let signature = |signature, body: &[u8]| raw_reply(self.serial, to, signature, body);
        match (member, texts) {
            ("LoadUnit", [unit]) if unit.contains('!') => {
                let fields = [(4, "org.freedesktop.systemd1.NoSuchUnit")];
                encode_message(
                    Kind::Error,
                    self.serial,
                    Some(to),
                    &fields,
                    &[Argument::Text("bad name")],
                )
            }
            ("LoadUnit", [unit]) => {
                let path = format!("/unit/{}", unit.replace(['.', '-'], "_"));
                encode_message(
                    Kind::Return,
                    self.serial,
                    Some(to),
                    &[],
                    &[Argument::Path(&path)],
                )
            }
            ("Get", [_, "ActiveState"]) => {
                let unit = self
                    .states
                    .iter()
                    .find(|(unit, _)| path == format!("/unit/{}", unit.replace(['.', '-'], "_")));
                let state = unit.map_or("inactive", |(_, state)| state);
                let mut body = vec![1, b's', 0, 0];
                body.extend((state.len() as u32).to_le_bytes());
                body.extend(state.as_bytes());
                body.push(0);
                signature("v", &body)
            }
            ("ListJobs", _) => {
                let mut body = vec![0; 8];
                if self.jobs {
                    body.extend(7u32.to_le_bytes());
                    for text in ["a.service", "start", "running", "/job/7", "/unit/a"] {
                        body.resize(body.len().next_multiple_of(4), 0);
                        body.extend((text.len() as u32).to_le_bytes());
                        body.extend(text.as_bytes());
                        body.push(0);
                    }
                }
                let length = (body.len() - 8) as u32;
                body[..4].copy_from_slice(&length.to_le_bytes());
                signature("a(usssoo)", &body)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn raw_reply(serial: u32, to: u32, signature: &str, body: &[u8]) -> Vec<u8> {
    let mut out = vec![b'l', 2, 0, 1];
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(serial.to_le_bytes());
    let mut fields = vec![5, 1, b'u', 0];
    fields.extend(to.to_le_bytes());
    fields.extend([8, 1, b'g', 0, signature.len() as u8]);
    fields.extend(signature.as_bytes());
    fields.push(0);
    out.extend((fields.len() as u32).to_le_bytes());
    out.extend(fields);
    out.resize(out.len().next_multiple_of(8), 0);
    out.extend(body);
    out
}

#[test]
fn a_unit_is_waited_for_by_upstreams_rules() {
    let world = World::new();
    let agent = &world.agent;
    let wait = |unit: &str, timeout| agent.wait_for_unit(unit, None, Some(timeout)).unwrap();
    let short = Duration::from_millis(150);
    // Nobody there yet.
    assert_eq!(
        wait("a", short),
        UnitVerdict::TimedOut {
            state: String::new()
        }
    );
    thread::scope(|scope| {
        let early = scope.spawn(|| wait("early.target", LONG));
        thread::sleep(Duration::from_millis(100));
        let manager = Manager::start(&world);
        manager.set("early.target", "active", false);
        assert_eq!(early.join().unwrap(), UnitVerdict::Active);

        assert_eq!(wait("missing", LONG), UnitVerdict::InactiveWithoutJobs);
        manager.set("bad.service", "failed", true);
        assert_eq!(wait("bad", LONG), UnitVerdict::Failed);
        manager.set("slow.service", "activating", true);
        assert_eq!(
            wait("slow", short),
            UnitVerdict::TimedOut {
                state: "activating".into()
            }
        );

        // Inactive with a job somewhere: not yet.
        manager.set("late.service", "inactive", true);
        let late = scope.spawn(|| wait("late", LONG));
        let slow = scope.spawn(|| wait("slow", LONG));
        thread::sleep(Duration::from_millis(100));
        manager.set("late.service", "activating", true);
        manager.set("slow.service", "failed", true);
        assert_eq!(slow.join().unwrap(), UnitVerdict::Failed);
        manager.set("late.service", "active", false);
        assert_eq!(late.join().unwrap(), UnitVerdict::Active);
    });
}

#[test]
fn a_name_that_is_none_is_an_error() {
    let world = World::new();
    Manager::start(&world);
    let error = world
        .agent
        .wait_for_unit("x!", None, Some(LONG))
        .unwrap_err();
    assert!(error.to_string().contains("bad name"), "{error}");
    let error = world
        .agent
        .wait_for_unit("x", Some("no-such-user"), Some(LONG))
        .unwrap_err();
    assert!(error.to_string().contains("no-such-user"), "{error}");
}
