//! How scripts fail, and what is told about it.

use snowglobe_events::{Evidence, Kind, Outcome};
use snowglobe_plan::Position;

use crate::{Setup, script};

/// The failure in a few lines.
fn told(setup: Setup) -> Option<String> {
    let done = setup.run()?;
    let Some(Kind::Failure {
        class,
        message,
        frames,
        command,
        subtests,
        hints,
        details,
        ..
    }) = done.failure()
    else {
        panic!("no failure: {:?}", done.outcome);
    };
    let mut text = format!("{}: {class}: {message}\n", done.outcome);
    for frame in frames {
        let place = &frame.location;
        let file = place.file.rsplit('/').next().unwrap_or_default();
        text.push_str(&format!(
            "  {file}:{} in {}: {}\n",
            place.line, frame.function, place.source
        ));
    }
    if let Some(command) = command {
        text.push_str(&format!(
            "  {} `{}` {:?} out={:?} err={:?}\n",
            command.machine,
            command.command,
            command.status,
            command.stdout.to_string(),
            command.stderr.to_string()
        ));
    }
    if !subtests.is_empty() {
        text.push_str(&format!("  subtests {subtests:?}\n"));
    }
    for hint in hints {
        text.push_str(&format!("  hint: {hint}\n"));
    }
    if let Some(details) = details {
        text.push_str(details);
    }
    Some(text)
}

#[test]
fn a_failed_command() {
    let text = told(script(
        "def helper():\n    a.succeed('echo out; echo err >&2; exit 3')\n\nwith subtest('outer'):\n    with subtest('inner'):\n        helper()\n",
    ));
    let Some(text) = text else { return };
    insta::assert_snapshot!(text, @r#"
    failed: RequestedAssertionFailed: command `echo out; echo err >&2; exit 3` failed (exit code 3)
      testScript:6 in <module>:         helper()
      testScript:2 in helper:     a.succeed('echo out; echo err >&2; exit 3')
      a `echo out; echo err >&2; exit 3` Some(3) out="out\n" err="err\n"
      subtests ["outer", "inner"]
    "#);
}

#[test]
fn an_assertion() {
    let Some(text) = told(script("x = 1\nassert x == 2\n")) else {
        return;
    };
    insta::assert_snapshot!(text, @r"
    failed: AssertionError: assert x == 2
      testScript:2 in <module>: assert x == 2
    ");
    let Some(text) = told(script("assert 1 == 2, f\"unexpected: {1}\"\n")) else {
        return;
    };
    insta::assert_snapshot!(text, @r#"
    failed: AssertionError: unexpected: 1
      testScript:1 in <module>: assert 1 == 2, f"unexpected: {1}"
    "#);
}

#[test]
fn an_error_below_the_script() {
    let Some(text) = told(script("import json\njson.loads('{')\n")) else {
        return;
    };
    assert!(text.starts_with(
        "failed: JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)\n  testScript:2 in <module>: json.loads('{')\n"
    ), "{text}");
    assert!(
        text.contains("json/decoder.py") && !text.contains("test_driver/"),
        "{text}"
    );
}

#[test]
fn exits() {
    let Some(text) = told(script("print('x')\nexit(1)\n")) else {
        return;
    };
    insta::assert_snapshot!(text, @r"
    failed: SystemExit: the script ended itself by exit(1)
      testScript:2 in <module>: exit(1)
    ");
    for passing in ["exit(0)", "raise SystemExit", "import os; os._exit(0)"] {
        script(passing).passes();
    }
    let Some(text) = told(script("log.error('no')\n")) else {
        return;
    };
    assert!(text.contains("SystemExit"), "{text}");
}

#[test]
fn a_syntax_error() {
    let Some(text) = told(script("a.start()\nx = (\n")) else {
        return;
    };
    assert!(
        text.contains("SyntaxError: '(' was never closed\n  testScript:2"),
        "{text}"
    );
}

#[test]
fn the_line_of_the_nix_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.nix");
    std::fs::write(&file, "{\n  testScript = { nodes, ... }: ''\n    a.start()\n    a.succeed(\"exit ${toString 2}\")\n  '';\n}\n").unwrap();
    let mut setup = script("a.start()\na.succeed(\"exit 2\")\n");
    setup.position = Some(Position {
        file: file.display().to_string(),
        line: 2,
        column: 3,
    });
    let Some(text) = told(setup) else { return };
    insta::assert_snapshot!(text, @r#"
    failed: RequestedAssertionFailed: command `exit 2` failed (exit code 2)
      test.nix:4 in <module>: a.succeed("exit 2")
      a `exit 2` Some(2) out="" err=""
    "#);
}

#[test]
fn machines_that_do_not_start() {
    let Some(text) = told(script(
        "a.start()\na.succeed('touch $FAKE/../b/unstartable')\nstart_all()\n",
    )) else {
        return;
    };
    insta::assert_snapshot!(text, @r"
    failed: MachineError: Failed to start the following machines:
    b: it was told not to start
      testScript:3 in <module>: start_all()
    ");
}

#[test]
fn a_machine_that_ends_under_a_command() {
    let Some(text) = told(script(
        "import threading\na.start()\nthreading.Timer(0.3, a.crash).start()\na.succeed('sleep 50')\n",
    )) else {
        return;
    };
    insta::assert_snapshot!(text, @r#"
    failed: MachineError: command `sleep 50` could not be finished: machine 'a' does not run: powered off
      testScript:4 in <module>: a.succeed('sleep 50')
      a `sleep 50` Some(-1) out="" err=""
    "#);
}

#[test]
fn a_machine_that_ended_by_itself_is_not_started_again() {
    let off =
        "a.start()\na.succeed('touch $FAKE/off')\nimport time\nwhile a.booted: time.sleep(0.01)\n";
    let Some(text) = told(script(&format!("{off}a.succeed('true')\n"))) else {
        return;
    };
    assert!(
        text.contains("machine 'a' does not run: powered off"),
        "{text}"
    );
    // Whoever has seen its end may use it again.
    script(&format!("{off}a.wait_for_shutdown()\na.succeed('true')\n")).passes();
    script(&format!("{off}a.start()\na.succeed('true')\n")).passes();
}

#[test]
fn evidence_is_taken() {
    let Some(done) =
        script("a.start()\na.succeed('echo failed > $FAKE/units/x.service')\nassert False\n").run()
    else {
        return;
    };
    assert_eq!(done.outcome, Outcome::Failed);
    let evidence: Vec<_> = done
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            Kind::Evidence {
                evidence, title, ..
            } => Some((event.machine.as_deref(), *evidence, title.as_str())),
            _ => None,
        })
        .collect();
    let expect = [
        (
            Some("a"),
            Evidence::ConsoleTail,
            "last lines of the console",
        ),
        (
            Some("a"),
            Evidence::FailedUnits,
            "failed units (the system is degraded)",
        ),
        (Some("a"), Evidence::ListeningPorts, "listening ports"),
        (Some("a"), Evidence::Resources, "memory and disks"),
    ];
    assert_eq!(evidence[..4], expect);
}

#[test]
fn every_span_is_closed_once() {
    let Some(done) = script(
        "with subtest('s'):\n  with log.nested('n'):\n    a.wait_for_file('/none', timeout=0.1)\n",
    )
    .run() else {
        return;
    };
    let mut open = std::collections::BTreeMap::new();
    for event in &done.events {
        let Some(span) = event.span else { continue };
        let line = serde_json::to_value(&event.kind).unwrap();
        let kind = line["type"].as_str().unwrap().to_owned();
        if let Some(what) = kind.strip_suffix("-started") {
            assert!(
                open.insert(span, what.to_owned()).is_none(),
                "{kind} opened twice"
            );
        } else if let Some(what) = kind.strip_suffix("-finished") {
            assert_eq!(open.remove(&span).as_deref(), Some(what), "{kind}");
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
