//! Mistakes that are found before a machine starts.

use snowglobe_events::{Kind, Phase};

use crate::{Setup, script};

fn has(module: &str) -> bool {
    let python = std::env::var("SNOWGLOBE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = std::process::Command::new(python)
        .args(["-I", "-c", &format!("import {module}")])
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        eprintln!("skipped: this Python has no {module}");
    }
    found
}

fn checked(text: &str) -> Setup {
    let mut setup = script(text);
    setup.checked = true;
    setup
}

fn told(text: &str) -> Option<String> {
    let done = checked(text).run()?;
    let machine = done
        .events
        .iter()
        .any(|e| matches!(e.kind, Kind::MachineState { .. }));
    assert!(!machine, "no machine may start");
    match done.failure() {
        Some(Kind::Failure {
            class,
            message,
            details,
            ..
        }) => Some(format!(
            "{class}: {message}\n{}",
            details.as_deref().unwrap_or_default()
        )),
        _ => panic!("nothing was found in {text:?}"),
    }
}

#[test]
fn names_and_syntax() {
    if !has("pyflakes") || !has("mypy") {
        return;
    }
    let Some(text) = told("start_all()\nserver.succeed('x')\n") else {
        return;
    };
    insta::assert_snapshot!(text, @r"
    LintError: undefined name 'server'
    testScript:2: undefined name 'server'
      |
    2 | server.succeed('x')
      | ^
    ");
    let Some(text) = told("if True:\nprint(1)\n") else {
        return;
    };
    assert!(
        text.starts_with("LintError: expected an indented block"),
        "{text}"
    );
}

#[test]
fn types() {
    if !has("pyflakes") || !has("mypy") {
        return;
    }
    let Some(text) = told("a.wait_for_unit('x')\na.wait_for_open_port(None)\na.succed('x')\n")
    else {
        return;
    };
    // mypy's words differ between versions; places and lines do not.
    let words = "has incompatible type \"None\"; expected \"int | str\"  [arg-type]";
    assert!(text.starts_with("TypeCheckError: Argument 1 to "), "{text}");
    assert!(
        text.contains(&format!("{words} (and one more mistake)\n")),
        "{text}"
    );
    assert!(
        text.contains("2 | a.wait_for_open_port(None)\n  |                      ^\n"),
        "{text}"
    );
    assert!(
        text.contains("testScript:3: ") && text.contains("no attribute \"succed\""),
        "{text}"
    );
}

#[test]
fn good_scripts_pass_and_are_remembered() {
    if !has("pyflakes") || !has("mypy") {
        return;
    }
    // Whatever a script may use, with the types that upstream gives it.
    let text = format!(
        "{}\nnumber = {}\n",
        r#"
import json
from datetime import timedelta
from test_driver.machine import Machine as M

def helper(m: M, n: BaseMachine) -> str:
    return m.succeed("true") + n.name

start_all()
helper(a, b)
status, output = a.execute("true", timeout=timedelta(seconds=5))
code, out, err = a.execute("true", stderr=True)
with subtest("x"), a.nested("y"):
    t.assertIn("a", "abc")
for m in [a, b]:
    m.wait_for_file("/tmp")
def ready(last: bool) -> bool:
    return True
retry(ready, timeout=3)
@polling_condition
def fine():
    return True
with fine:
    pass
fine.wait(timeout=3)
machine = a
machine.succeed("true")
vlan1.cut(a, b)
print(driver.out_dir / "x", json.dumps(machines[0].name), os.getcwd(), log, vlans, code, out, err)
"#,
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_nanos()
    );
    let notes = |setup: Setup| {
        let done = setup.passes()?;
        done.events.iter().find_map(|event| match &event.kind {
            Kind::PhaseFinished {
                phase: Phase::Check,
                note,
                ..
            } => Some(note.clone()),
            _ => None,
        })
    };
    let Some(first) = notes(checked(&text)) else {
        return;
    };
    assert_eq!(first, None);
    assert_eq!(
        notes(checked(&text)).flatten().as_deref(),
        Some("from the cache")
    );
}
