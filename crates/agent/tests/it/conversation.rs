//! Rules of the conversation: sessions, damage, restarts.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use snowglobe_agent::service::serve;
use snowglobe_agent_client::protocol::{
    Decoder, Exec, FailureKind, Hello, ToAgent, ToHost, VERSION, encode,
};
use snowglobe_agent_client::{Agent, Error, ExecRequest};

use crate::{LONG, World, config};

/// A host that says whatever it likes.
struct Rude {
    stream: UnixStream,
    decoder: Decoder,
    _place: tempfile::TempDir,
}

impl Rude {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let (stream, theirs) = UnixStream::pair().unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let config = config(place.path());
        thread::spawn(move || serve(theirs, config).unwrap());
        Self {
            stream,
            decoder: Decoder::new(),
            _place: place,
        }
    }

    fn say(&mut self, id: u32, message: &ToAgent, payload: &[u8]) {
        self.stream
            .write_all(&encode(id, message, payload).unwrap())
            .unwrap();
    }

    fn hello(&mut self, session: u64) {
        self.say(
            0,
            &ToAgent::Hello(Hello {
                version: VERSION,
                session,
            }),
            &[],
        );
        while !matches!(self.hear(), (0, ToHost::Hello(reply)) if reply.session == session) {}
    }

    fn hear(&mut self) -> (u32, ToHost) {
        loop {
            if let Some(frame) = self.decoder.next_frame() {
                let frame = frame.unwrap();
                return (frame.id, frame.message().unwrap());
            }
            let mut buffer = [0; 4096];
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "the agent has gone");
            self.decoder.push(&buffer[..count]);
        }
    }

    fn hear_done(&mut self, wanted: u32) -> ToHost {
        loop {
            let (id, message) = self.hear();
            if id == wanted && matches!(message, ToHost::Done(_) | ToHost::Failed(_)) {
                return message;
            }
        }
    }
}

#[test]
fn an_agent_announces_itself() {
    let mut host = Rude::new();
    assert!(matches!(host.hear(), (0, ToHost::Announce(reply)) if reply.version == VERSION));
}

#[test]
fn damage_does_no_harm() {
    let mut host = Rude::new();
    host.hello(1);
    let mut seed = 7u64;
    for round in 0..200 {
        let mut bytes = encode(round, &ToAgent::Ping, &[9; 300]).unwrap();
        for byte in &mut bytes {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            if seed >> 60 == 0 {
                *byte = (seed >> 40) as u8;
            }
        }
        bytes.truncate(bytes.len() - (seed >> 50) as usize % 100);
        host.stream.write_all(&bytes).unwrap();
    }
    host.say(7777, &ToAgent::Ping, &[]);
    assert!(matches!(host.hear_done(7777), ToHost::Done(_)));
    // A header that is no message is answered by name.
    host.stream
        .write_all(&encode(5, &"Dance", &[]).unwrap())
        .unwrap();
    let ToHost::Failed(failure) = host.hear_done(5) else {
        panic!()
    };
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert!(failure.message.contains("Dance"), "{failure}");
}

#[test]
fn too_much_of_everything_is_refused() {
    let mut host = Rude::new();
    host.hello(1);
    for id in 1..=600 {
        host.say(
            id,
            &ToAgent::WaitFile {
                path: "/nowhere".into(),
                exists: true,
                timeout_ms: None,
            },
            &[],
        );
    }
    assert!(
        matches!(host.hear_done(600), ToHost::Failed(failure) if failure.kind == FailureKind::Invalid)
    );
    host.say(1000, &ToAgent::Ping, &[]);
    assert!(matches!(host.hear_done(1000), ToHost::Done(_)));
    // Data beyond the window ends the request.
    host.say(1, &ToAgent::Cancel, &[]);
    assert!(matches!(host.hear_done(1), ToHost::Failed(_)));
    let exec = Exec {
        program: Some(vec!["sleep".into(), "100".into()]),
        stdin: snowglobe_agent_client::protocol::Stdin::Stream,
        ..Exec::default()
    };
    host.say(1, &ToAgent::Exec(Box::new(exec)), &[]);
    for _ in 0..100 {
        host.say(1, &ToAgent::Data { end: false }, &[0; 32_000]);
    }
    assert!(
        matches!(host.hear_done(1), ToHost::Failed(failure) if failure.kind == FailureKind::Cancelled)
    );
}

#[test]
fn a_new_session_ends_the_old_one() {
    let mut host = Rude::new();
    host.hello(1);
    let exec = Exec {
        strict: true,
        ..Exec::default()
    };
    host.say(3, &ToAgent::Exec(Box::new(exec.clone())), b"sleep 54321");
    while !matches!(host.hear(), (3, ToHost::Started { .. })) {}
    // The machine was saved here, in the middle of a frame, and restored under another host.
    let bytes = encode(4, &ToAgent::Ping, &[1; 1000]).unwrap();
    host.stream.write_all(&bytes[..500]).unwrap();
    host.hello(2);
    host.say(
        3,
        &ToAgent::Exec(Box::new(exec)),
        b"for i in $(seq 100); do pgrep -f 'sleep 5432[1]' >/dev/null || exit 42; sleep 0.05; done",
    );
    let ToHost::Done(outcome) = host.hear_done(3) else {
        panic!()
    };
    assert!(format!("{outcome:?}").contains("42"), "{outcome:?}");
}

#[test]
fn the_client_reconnects_and_tells_who_waited() {
    let world = World::new();
    let place = tempfile::tempdir().unwrap();
    let agent = world.agent.clone();
    let waiting = thread::spawn(move || agent.wait_for_file("/nowhere", true, None));
    thread::sleep(Duration::from_millis(100));
    let (ours, theirs) = UnixStream::pair().unwrap();
    let config = config(place.path());
    // The host may speak long before the machine listens.
    world.agent.reconnect(ours).unwrap();
    assert!(matches!(waiting.join().unwrap(), Err(Error::Restarted)));
    assert!(!world.agent.is_connected());
    let agent = world.agent.clone();
    let early = thread::spawn(move || agent.exec(&ExecRequest::shell("echo early")));
    thread::sleep(Duration::from_millis(100));
    thread::spawn(move || serve(theirs, config));
    assert_eq!(early.join().unwrap().unwrap().stdout, b"early\n");
    world.agent.disconnect();
    assert!(matches!(world.agent.ping(), Err(Error::Disconnected)));
}

#[test]
fn an_announcement_means_a_reboot() {
    let (ours, mut machine) = UnixStream::pair().unwrap();
    let agent = Agent::connect(ours).unwrap();
    let mut decoder = Decoder::new();
    let answer = |machine: &mut UnixStream, decoder: &mut Decoder| loop {
        while let Some(frame) = decoder.next_frame() {
            let frame = frame.unwrap();
            if let ToAgent::Hello(hello) = frame.message().unwrap() {
                let reply = snowglobe_agent_client::protocol::HelloReply {
                    version: VERSION,
                    session: hello.session,
                    boot_id: "x".into(),
                    phase: snowglobe_agent_client::protocol::Phase::Early,
                };
                machine
                    .write_all(&encode(0, &ToHost::Hello(reply.clone()), &[]).unwrap())
                    .unwrap();
                return reply;
            }
        }
        let mut buffer = [0; 4096];
        let count = machine.read(&mut buffer).unwrap();
        decoder.push(&buffer[..count]);
    };
    let reply = answer(&mut machine, &mut decoder);
    agent.hello(Some(LONG)).unwrap();
    let asking = agent.clone();
    let waiting = thread::spawn(move || asking.ping());
    thread::sleep(Duration::from_millis(100));
    machine.write_all(&[7; 50]).unwrap();
    machine
        .write_all(&encode(0, &ToHost::Announce(reply), &[]).unwrap())
        .unwrap();
    assert!(matches!(waiting.join().unwrap(), Err(Error::Restarted)));
    answer(&mut machine, &mut decoder);
    agent.hello(Some(LONG)).unwrap();
}

#[test]
fn a_machine_that_never_answers_is_given_up() {
    let (ours, _machine) = UnixStream::pair().unwrap();
    let agent = Agent::connect(ours).unwrap();
    let begin = Instant::now();
    let result = agent.hello(Some(Duration::from_millis(200)));
    assert!(matches!(result, Err(Error::Unresponsive(_))));
    assert!(begin.elapsed() < LONG);
}
