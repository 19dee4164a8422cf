//! What people and programs read of a run.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use snowglobe_events::{
    Accelerator, Address, Command, Event, Evidence, Frame, Kind, Level, Location, MachineInfo,
    MachineState, Outcome, Phase, SpanId, Stream, Text,
};
use snowglobe_report::{
    Classic, Fold, JsonLines, Options, Paint, RunFolder, Terminal, View, junit, replay,
};

/// Writes events with times of its own.
#[derive(Default)]
struct Story {
    events: Vec<Event>,
    now: u64,
    span: u64,
    around: Vec<SpanId>,
}

impl Story {
    fn add(&mut self, machine: Option<&str>, span: Option<SpanId>, kind: Kind) {
        self.events.push(Event {
            seq: self.events.len() as u64,
            elapsed: self.now,
            wall: 1_700_000_000_000_000 + self.now,
            machine: machine.map(str::to_owned),
            span,
            parent: self.around.last().copied(),
            kind,
        });
    }

    fn tell(&mut self, machine: Option<&str>, kind: Kind) {
        self.add(machine, None, kind);
    }

    fn open(&mut self, machine: Option<&str>, kind: Kind) {
        self.span += 1;
        let span = SpanId(self.span);
        self.add(machine, Some(span), kind);
        self.around.push(span);
    }

    fn close(&mut self, machine: Option<&str>, kind: Kind) {
        let span = self.around.pop();
        self.add(machine, span, kind);
    }

    fn pass(&mut self, millis: u64) -> u64 {
        self.now += millis * 1000;
        millis * 1000
    }

    fn succeed(
        &mut self,
        machine: &str,
        command: &str,
        line: u32,
        millis: u64,
        status: i32,
        err: &str,
    ) {
        let on = Some(machine);
        let ok = status == 0;
        self.open(
            on,
            Kind::CallStarted {
                method: "succeed".to_owned(),
                arguments: format!("{command:?}"),
                location: Some(location(line, &format!("{machine}.succeed({command:?})"))),
            },
        );
        self.open(
            on,
            Kind::CommandStarted {
                command: command.to_owned(),
                limit: None,
            },
        );
        let duration = self.pass(millis);
        let out = if ok { "fine\n" } else { "" };
        self.close(
            on,
            Kind::CommandFinished {
                status: Some(status),
                stdout: out.into(),
                stderr: err.into(),
                duration,
            },
        );
        let error = (!ok).then(|| "RequestedAssertionFailed: it failed".to_owned());
        self.close(
            on,
            Kind::CallFinished {
                ok,
                error,
                duration,
            },
        );
    }

    fn wait_for_unit(&mut self, machine: &str, unit: &str, millis: u64) {
        let on = Some(machine);
        self.open(
            on,
            Kind::CallStarted {
                method: "wait_for_unit".to_owned(),
                arguments: format!("{unit:?}"),
                location: Some(location(2, &format!("{machine}.wait_for_unit({unit:?})"))),
            },
        );
        let what = format!("unit {unit} to be active");
        self.open(
            on,
            Kind::WaitStarted {
                what,
                limit: Some(900_000_000),
            },
        );
        let duration = self.pass(millis);
        let state = Some("active".to_owned());
        self.close(
            on,
            Kind::WaitFinished {
                ok: true,
                state,
                duration,
            },
        );
        self.close(
            on,
            Kind::CallFinished {
                ok: true,
                error: None,
                duration,
            },
        );
    }
}

fn location(line: u32, source: &str) -> Location {
    Location {
        file: "/tests/web.nix".to_owned(),
        line: line + 10,
        script_line: line,
        source: format!("    {source}"),
    }
}

/// A test with two machines that passes or fails.
fn story(fails: bool) -> Vec<Event> {
    let mut s = Story::default();
    s.tell(
        None,
        Kind::RunStarted {
            format: 1,
            version: "0.1.0".to_owned(),
            title: "web".to_owned(),
            file: Some("/tests/web.nix".to_owned()),
            attended: false,
        },
    );
    s.open(
        None,
        Kind::PhaseStarted {
            phase: Phase::Evaluate,
        },
    );
    s.pass(230);
    s.close(
        None,
        Kind::PhaseFinished {
            phase: Phase::Evaluate,
            ok: true,
            note: None,
        },
    );
    let machine = |name: &str, number: u16| MachineInfo {
        name: name.to_owned(),
        memory_mib: 1024,
        cores: 1,
        graphical: false,
        addresses: vec![Address {
            interface: "eth1".to_owned(),
            vlan: 1,
            mac: format!("52:54:00:12:01:{number:02}"),
        }],
    };
    s.tell(
        None,
        Kind::Planned {
            test: "web".to_owned(),
            machines: vec![machine("client", 1), machine("server", 2)],
            vlans: vec![1],
            script: "start_all()\nserver.wait_for_unit(\"nginx\")\nwith subtest(\"page\"):\n    client.succeed(\"curl http://server/\")\n".to_owned(),
            limit: Some(3_600_000_000),
        },
    );
    let why = "/dev/kvm does not exist".to_owned();
    s.tell(
        None,
        Kind::Accelerator {
            accelerator: Accelerator::Tcg,
            why,
        },
    );
    s.open(
        None,
        Kind::PhaseStarted {
            phase: Phase::Check,
        },
    );
    s.pass(3);
    let note = Some("from the cache".to_owned());
    s.close(
        None,
        Kind::PhaseFinished {
            phase: Phase::Check,
            ok: true,
            note,
        },
    );
    s.open(
        None,
        Kind::PhaseStarted {
            phase: Phase::Script,
        },
    );
    for name in ["client", "server"] {
        s.tell(
            Some(name),
            Kind::MachineState {
                state: MachineState::Starting,
                why: None,
            },
        );
        s.pass(120);
        let why = Some("from the snapshot of yesterday".to_owned());
        s.tell(
            Some(name),
            Kind::MachineState {
                state: MachineState::Restored,
                why,
            },
        );
        s.tell(
            Some(name),
            Kind::Console {
                line: format!("{name} login:"),
            },
        );
    }
    s.wait_for_unit("server", "nginx", 40);
    s.tell(
        Some("server"),
        Kind::Journal {
            guest_wall: None,
            unit: Some("nginx.service".to_owned()),
            identifier: Some("nginx".to_owned()),
            priority: if fails { 3 } else { 6 },
            pid: Some(77),
            message: "worker\u{1b}[31m process 78 exited".to_owned(),
        },
    );
    s.open(
        None,
        Kind::SubtestStarted {
            name: "page".to_owned(),
        },
    );
    s.tell(
        None,
        Kind::ScriptOutput {
            stream: Stream::Stdout,
            text: "asking for the page\n".to_owned(),
        },
    );
    s.succeed("client", "curl http://server/", 4, 450, 0, "");
    s.open(
        None,
        Kind::SubtestStarted {
            name: "deep".to_owned(),
        },
    );
    let message = "about to ask again".to_owned();
    s.tell(
        Some("client"),
        Kind::Log {
            level: Level::Info,
            message,
        },
    );
    let status = if fails { 7 } else { 0 };
    let err = if fails {
        "curl: (7) Failed to connect to server port 80\n"
    } else {
        ""
    };
    s.succeed(
        "client",
        "curl --fail http://server/",
        6,
        1_200,
        status,
        err,
    );
    for name in ["deep", "page"] {
        let error = fails.then(|| "command failed".to_owned());
        let finished = Kind::SubtestFinished {
            name: name.to_owned(),
            ok: !fails,
            error,
            duration: 1_250_000,
        };
        s.close(None, finished);
    }
    s.close(
        None,
        Kind::PhaseFinished {
            phase: Phase::Script,
            ok: !fails,
            note: None,
        },
    );
    if fails {
        let place = location(6, "client.succeed(\"curl --fail http://server/\")");
        let frame = |function: &str, location| Frame {
            function: function.to_owned(),
            location,
        };
        s.tell(
            None,
            Kind::Failure {
                class: "RequestedAssertionFailed".to_owned(),
                message: "command `curl --fail http://server/` failed (exit code 7)".to_owned(),
                location: Some(place.clone()),
                frames: vec![
                    frame("<module>", location(9, "check(client)")),
                    frame("check", place),
                ],
                command: Some(Box::new(Command {
                    machine: "client".to_owned(),
                    command: "curl --fail http://server/".to_owned(),
                    status: Some(7),
                    stdout: Text::default(),
                    stderr: err.into(),
                })),
                subtests: vec!["page".to_owned(), "deep".to_owned()],
                hints: vec!["is the server running?".to_owned()],
                details: None,
            },
        );
        s.tell(
            Some("server"),
            Kind::Evidence {
                evidence: Evidence::FailedUnits,
                title: "unit nginx.service".to_owned(),
                text: "× nginx.service - Nginx Web Server\n     Active: failed (Result: signal)\n"
                    .into(),
            },
        );
    }
    let outcome = if fails {
        Outcome::Failed
    } else {
        Outcome::Passed
    };
    let duration = s.now;
    s.tell(None, Kind::RunFinished { outcome, duration });
    s.events
}

/// A writer whose content can be read while a view owns it.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn seen<V: View>(events: &[Event], make: impl FnOnce(Paper) -> V) -> String {
    let paper = Paper::default();
    let mut view = make(paper.clone());
    events.iter().for_each(|event| view.event(event));
    view.end();
    let bytes = paper.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn terminal(events: &[Event], options: Options) -> String {
    seen(events, |paper| {
        Terminal::new(
            paper,
            Options {
                width: 80,
                ..options
            },
        )
    })
}

#[test]
fn a_pass_in_the_terminal() {
    insta::assert_snapshot!(terminal(&story(false), Options::default()));
}

#[test]
fn a_failure_in_the_terminal() {
    let run_dir = Some("/runs/1".into());
    insta::assert_snapshot!(terminal(
        &story(true),
        Options {
            run_dir,
            ..Options::default()
        }
    ));
}

#[test]
fn everything_in_the_terminal() {
    insta::assert_snapshot!(terminal(
        &story(false),
        Options {
            verbose: true,
            ..Options::default()
        }
    ));
}

#[test]
fn colours_only_where_wanted() {
    let plain = terminal(&story(true), Options::default());
    assert!(
        !plain.contains('\u{1b}'),
        "nothing may steer the terminal, whoever wrote it"
    );
    let paint = Paint::coloured();
    let coloured = terminal(
        &story(true),
        Options {
            paint,
            ..Options::default()
        },
    );
    assert!(coloured.contains("\u{1b}["));
    assert!(!coloured.contains("worker\u{1b}"));
}

#[test]
fn upstreams_format() {
    insta::assert_snapshot!(seen(&story(true), |paper| Classic::new(
        paper,
        Paint::plain()
    )));
}

#[test]
fn junit_has_every_subtest() {
    let mut fold = Fold::new();
    story(true).iter().for_each(|event| fold.event(event));
    insta::assert_snapshot!("junit_failed", junit(&fold));
    let mut fold = Fold::new();
    story(false).iter().for_each(|event| fold.event(event));
    insta::assert_snapshot!("junit_passed", junit(&fold));
}

#[test]
fn a_mistake_in_the_script() {
    let mut s = Story::default();
    let title = "web".to_owned();
    s.tell(
        None,
        Kind::RunStarted {
            format: 1,
            version: String::new(),
            title,
            file: None,
            attended: false,
        },
    );
    s.tell(
        None,
        Kind::Failure {
            class: "LintError".to_owned(),
            message: "undefined name 'sever'".to_owned(),
            location: Some(location(2, "sever.start()")),
            frames: Vec::new(),
            command: None,
            subtests: Vec::new(),
            hints: vec!["`skipLint = true;` in the test turns the linter off".to_owned()],
            details: Some(
                "web.nix:12: undefined name 'sever'\n   |\n12 | sever.start()\n   | ^\n".to_owned(),
            ),
        },
    );
    s.tell(
        None,
        Kind::RunFinished {
            outcome: Outcome::Failed,
            duration: 50_000,
        },
    );
    insta::assert_snapshot!(terminal(&s.events, Options::default()));
}

#[test]
fn a_run_folder_can_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut keeper = RunFolder::new(folder.path()).unwrap();
    let events = story(true);
    events.iter().for_each(|event| keeper.event(event));
    keeper.end();
    drop(keeper);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("machines/server/console.log").contains("server login:"));
    assert!(read("machines/server/journal.log").contains("nginx[77]: worker"));
    let (xml, html) = (read("junit.xml"), read("report.html"));
    assert!(xml.contains("failures=\"2\"") && html.contains("curl --fail"));
    for name in ["junit.xml", "report.html"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }

    let paper = Paper::default();
    let events_file = folder.path().join("events.jsonl");
    let mut views: Vec<Box<dyn View>> = vec![
        Box::new(RunFolder::remake(folder.path())),
        Box::new(Terminal::new(
            paper.clone(),
            Options {
                width: 80,
                ..Options::default()
            },
        )),
    ];
    replay(&events_file, &mut views).unwrap();
    assert_eq!((read("junit.xml"), read("report.html")), (xml, html));
    let shown = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    assert_eq!(shown, terminal(&events, Options::default()));
    let lines = seen(&events, JsonLines::new);
    assert_eq!(lines, read("events.jsonl"));
}

#[test]
fn a_run_that_was_cut_off_can_be_shown() {
    let events = story(true);
    for end in 0..events.len() {
        let _ = terminal(&events[..end], Options::default());
        let _ = seen(&events[..end], |paper| Classic::new(paper, Paint::plain()));
        let mut fold = Fold::new();
        events[..end].iter().for_each(|event| fold.event(event));
        assert!(junit(&fold).contains("<testsuite "));
        // Not from the beginning, either.
        let _ = terminal(&events[end..], Options::default());
    }
}
