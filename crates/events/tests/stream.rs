//! The stream as its writers and readers see it.

use std::thread;

use snowglobe_events::{
    Event, Kind, Level, Outcome, ReadError, Reader, Sink, SpanId, Stream, Text, write_line,
};

fn log(message: &str) -> Kind {
    Kind::Log {
        level: Level::Info,
        message: message.to_owned(),
    }
}

#[test]
fn many_threads_make_one_order() {
    let sink = Sink::new();
    let queue = sink.subscribe();
    thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let machine = sink.machine(name);
            scope.spawn(move || (0..500).for_each(|i| machine.emit(log(&i.to_string()))));
        }
    });
    sink.close();
    let events: Vec<_> = queue.iter().collect();
    assert_eq!(events.len(), 1500);
    for (seq, pair) in events.windows(2).enumerate() {
        assert_eq!(pair[0].seq, seq as u64);
        assert!(pair[0].elapsed <= pair[1].elapsed);
        assert!(pair[0].wall <= pair[1].wall);
    }
}

#[test]
fn a_reader_that_went_away_disturbs_nobody() {
    let sink = Sink::new();
    drop(sink.subscribe());
    let queue = sink.subscribe();
    sink.scope().emit(log("hello"));
    drop(sink);
    assert_eq!(queue.iter().count(), 1);
}

fn written(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in events {
        write_line(&mut bytes, event).unwrap();
    }
    bytes
}

fn event(kind: Kind) -> Event {
    Event {
        seq: 0,
        elapsed: 1,
        wall: 2,
        machine: None,
        span: None,
        parent: None,
        kind,
    }
}

#[test]
fn kinds_survive_json() {
    let events = [
        event(Kind::RunFinished {
            outcome: Outcome::TimedOut,
            duration: 5,
        }),
        Event {
            machine: Some("server".into()),
            span: Some(SpanId(3)),
            parent: Some(SpanId(1)),
            ..event(Kind::CommandFinished {
                status: Some(1),
                stdout: Text::new("a\u{2028}\n"),
                stderr: Text::default(),
                duration: 7,
            })
        },
        event(Kind::ScriptOutput {
            stream: Stream::Stderr,
            text: "x".into(),
        }),
    ];
    let bytes = written(&events);
    let again: Vec<_> = Reader::new(&bytes[..]).map(Result::unwrap).collect();
    assert_eq!(again, events);
    let line = String::from_utf8(bytes)
        .unwrap()
        .lines()
        .nth(1)
        .unwrap()
        .to_owned();
    assert_eq!(
        line,
        "{\"seq\":0,\"elapsed\":1,\"wall\":2,\"machine\":\"server\",\"span\":3,\"parent\":1,\
         \"type\":\"command-finished\",\"status\":1,\"stdout\":{\"head\":\"a\u{2028}\\n\"},\
         \"stderr\":{},\"duration\":7}"
    );
}

#[test]
fn readers_meet_other_versions() {
    let future = br#"{"seq":0,"elapsed":0,"wall":0,"type":"moon-phase","full":true}
{"seq":1,"elapsed":0,"wall":0,"type":"log","level":"info","message":"m","colour":"red"}
{"seq":2,"elapsed":0,"wal"#;
    let events: Vec<_> = Reader::new(&future[..]).map(Result::unwrap).collect();
    assert_eq!(events.len(), 2, "the torn last line is left out");
    assert_eq!(events[0].kind, Kind::Unknown);
    assert_eq!(events[1].kind, log("m"));

    let newer = br#"{"seq":0,"elapsed":0,"wall":0,"type":"run-started","format":99,"version":"9","title":"t"}
"#;
    let error = Reader::new(&newer[..]).next().unwrap().unwrap_err();
    assert!(matches!(error, ReadError::Format { found: 99 }), "{error}");

    let error = Reader::new(&b"\nnonsense\n"[..])
        .next()
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, ReadError::Line { line: 2, .. }), "{error}");
}

#[test]
fn long_texts_keep_their_ends() {
    let long = "ä".repeat(100);
    let text = Text::bounded(&long, 21);
    assert_eq!(text.head, "ä".repeat(5));
    assert_eq!(text.tail, "ä".repeat(5));
    assert_eq!(text.omitted, 180);
    assert_eq!(Text::bounded("short", 5).to_string(), "short");
}

#[test]
fn every_kind_has_its_line_in_the_documentation() {
    let source = include_str!("../src/kind.rs");
    let document = include_str!("../../../docs/events.md");
    let kinds = source
        .split("pub enum Kind {")
        .nth(1)
        .unwrap()
        .split("\n}\n")
        .next()
        .unwrap();
    let mut count = 0;
    for line in kinds.lines() {
        let Some(name) = line
            .strip_prefix("    ")
            .and_then(|line| line.strip_suffix(" {"))
        else {
            continue;
        };
        if !name.starts_with(char::is_uppercase) {
            continue;
        }
        let mut kebab = String::new();
        for c in name.chars() {
            if c.is_uppercase() && !kebab.is_empty() {
                kebab.push('-');
            }
            kebab.extend(c.to_lowercase());
        }
        assert!(
            document.contains(&format!("\n| `{kebab}` | ")),
            "docs/events.md has no {kebab}"
        );
        count += 1;
    }
    assert!(count > 25, "only {count} kinds were found");
}
