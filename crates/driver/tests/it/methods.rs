//! What methods give, and what they raise.

use snowglobe_events::Kind;

use crate::script;

#[test]
fn commands_follow_upstream() {
    // The edge cases of upstream-framework.md, section 10.2.
    script(
        r#"
assert a.execute("exit 3") == (3, "")
assert a.execute("echo -n x") == (0, "x")
assert a.execute("echo x") == (0, "x\n")
assert a.execute("false | true")[0] == 1
assert a.execute("echo $undefined_variable")[0] != 0
assert a.execute("sleep 30", timeout=0.2) == (124, "")
assert a.execute("exit 1", check_return=False) == (-1, "")
assert a.execute("true", check_output=False) == (-2, "")
assert a.execute("printf 'a\\377b'") == (0, "a\ufffdb")
assert a.succeed("echo 1", "echo 2") == "1\n2\n"
assert a.succeed() == ""
assert a.fail("echo no; exit 1") == "no\n"
a.fail("sleep 30", timeout=0.1)
assert len(a.succeed("head -c 3000000 /dev/zero | tr '\\0' x")) == 3000000
odd = """it's "$HOME" \\ ${x:-ünï}
second"""
import shlex
assert a.succeed(f"printf %s {shlex.quote(odd)}") == odd
assert a.succeed("pwd") == "/tmp\n"
a.succeed("(sleep 60 >&2 &) ; echo started")

status, out, err = a.execute("echo out; echo err >&2; exit 4", stderr=True)
assert (status, out, err) == (4, "out\n", "err\n")
assert a.succeed("pwd", cwd="/") == "/\n"
assert a.succeed("echo $X", env={"X": "y"}) == "y\n"
assert a.succeed("cat", stdin="typed") == "typed"

from datetime import timedelta
assert a.execute("sleep 30", timeout=timedelta(seconds=0.1))[0] == 124
for wrong in (True, "x"):
    try:
        a.execute("true", timeout=wrong)
    except TypeError:
        pass
    else:
        raise Exception(wrong)
"#,
    )
    .passes();
}

#[test]
fn exceptions_have_upstreams_words_and_carry_the_command() {
    script(
        r#"
from test_driver.errors import RequestedAssertionFailed

def message(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except RequestedAssertionFailed as error:
        return str(error), error
    raise Exception("nothing was raised")

text, error = message(a.succeed, "echo out; echo err >&2; exit 7")
assert text == "command `echo out; echo err >&2; exit 7` failed (exit code 7)", text
assert (error.status, error.stdout, error.stderr) == (7, "out\n", "err\n")
assert error.command.startswith("echo out")
assert error.machine == "a"
assert message(a.fail, "true")[0] == "command `true` unexpectedly succeeded"

text, error = message(a.wait_until_succeeds, "echo hm >&2; false", timeout=0.3)
assert text.startswith("action timed out after 0.") and text.endswith(" seconds (timeout=0.3)"), text
assert error.stderr == "hm\n"
try:
    a.wait_until_succeeds("echo try >> $FAKE/tries; sleep 60", timeout=1, attempt_timeout=0.2)
except RequestedAssertionFailed:
    tries = int(a.succeed("wc -l < $FAKE/tries"))
    assert tries > 1, tries
assert message(a.wait_until_fails, "true", timeout=0)[0].startswith("action timed out")
assert message(a.wait_for_file, "/nonexistent", timeout=0.1)[0].startswith("action timed out")
assert message(a.wait_for_open_port, 1, timeout=0.1)[0].startswith("action timed out")
assert message(retry, lambda last: False, timeout=0.1)[0].startswith("action timed out after")
assert message(t.assertEqual, 1, 2)[0] == "1 != 2"
"#,
    )
    .passes();
}

#[test]
fn units_follow_upstream() {
    script(
        r#"
from test_driver.errors import RequestedAssertionFailed

def put(unit, state):
    a.succeed(f"echo {state} > $FAKE/units/{unit}")

def message(unit, **kwargs):
    try:
        a.wait_for_unit(unit, **kwargs)
    except RequestedAssertionFailed as error:
        return str(error)
    return None

a.start()
put("good.service", "active")
put("bad.service", "failed")
put("slow.service", "activating")
assert message("good.service") is None
assert message("bad.service") == 'unit "bad.service" reached state "failed"'
assert message("none.service") == 'unit "none.service" is inactive and there are no pending jobs'
assert message("slow.service", timeout=0.1).startswith("action timed out after 0.1")

import threading
threading.Timer(0.2, lambda: put("slow.service", "active")).start()
assert message("slow.service") is None
"#,
    )
    .passes();
}

#[test]
fn globals_are_all_there() {
    script(
        r##"
import threading
from test_driver.machine import BaseMachine as B, Machine as M

assert [m.name for m in machines] == ["a", "b"]
assert machines == machines_qemu and machines_nspawn == []
assert vlans == [vlan1] and vlan1.nr == 1
assert isinstance(a, Machine) and isinstance(b, BaseMachine) and M is Machine and B is BaseMachine
assert repr(a) == "<QemuMachine 'a'>"
assert driver.machines == machines and str(driver.out_dir) == os.getcwd()
assert "machine" not in globals()
assert __name__ == "__main__"

start_all()
assert a.is_up() and a.booted and a.connected and a.pid
with subtest("one"):
    log.info("inside")
    with a.nested("deeper"):
        a.log("about a")
debug.breakpoint()
serial_stdout_off()
serial_stdout_on()

calls = []
def later(last):
    calls.append(last)
    return len(calls) == 2
retry(later, timeout=10)
assert calls == [False, False]

left = []
retry(lambda remaining: left.append(remaining) or True, timeout=None)
assert left == [None]
from test_driver.machine import retry as retry_2
from test_driver import logger
retry_2(lambda last: last, timeout=0)
assert logger.rootlog.sanitise("a\x07b") == "ab"

@polling_condition(seconds_interval=0)
def fine():
    "is fine"
with fine:
    a.succeed("true")
assert fine.description == fine.condition.description == "is fine"

@polling_condition
def broken():
    return False
try:
    with broken:
        a.succeed("true")
except Exception as error:
    assert type(error).__name__ == "PollingConditionError", repr(error)
    assert str(error) == "Polling condition failed: broken"
else:
    raise Exception("the condition was not checked")

results = []
threads = [
    threading.Thread(target=lambda m=m: results.append(m.succeed("sleep 0.1; echo $FAKE")))
    for m in machines for _ in range(4)
]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(results) == 8 and len(set(results)) == 2

a.shutdown()
assert not a.is_up()
a.start()
a.crash()
a.wait_for_shutdown()
b.shutdown()
join_all()
"##,
    )
    .passes();
}

#[test]
fn a_polling_condition_ends_a_long_wait() {
    let done = script(
        r#"
a.start()
@polling_condition(seconds_interval=0.1)
def holds():
    return a.execute("test -e $FAKE/broken")[0] != 0
a.execute("(sleep 0.5; touch $FAKE/broken) >/dev/null 2>&1 &")
with holds:
    a.wait_for_file("/nonexistent", timeout=50)
"#,
    )
    .run();
    let Some(done) = done else { return };
    let Some(Kind::Failure { class, message, .. }) = done.failure() else {
        panic!("no failure")
    };
    assert_eq!(
        (class.as_str(), message.as_str()),
        ("PollingConditionError", "Polling condition failed: holds")
    );
}

#[test]
fn files_go_both_ways() {
    let done = script(
        r#"
from pathlib import Path
import tempfile
here = Path(tempfile.mkdtemp())
(here / "tree" / "sub").mkdir(parents=True)
(here / "tree" / "sub" / "file").write_text("content")
(here / "tree" / "sub" / "file").chmod(0o750)
(here / "tree" / "link").symlink_to("sub/file")
home = a.succeed("echo -n $FAKE")
a.copy_from_host(str(here / "tree"), f"{home}/deep/er")
assert a.succeed("cat $FAKE/deep/er/link") == "content"
assert a.succeed("stat -c %a $FAKE/deep/er/sub/file") == "750\n"
a.copy_from_host(here / "tree" / "sub" / "file", f"{home}/deep")
assert a.succeed("cat $FAKE/deep/file") == "content"
a.copy_from_host_via_shell(str(here / "tree" / "sub" / "file"), f"{home}/new/place")
assert a.succeed("cat $FAKE/new/place") == "content"
a.copy_from_machine(f"{home}/deep/er", "got")
a.copy_from_vm(f"{home}/deep/file")
assert Path("got/er/link").read_text() == "content"
assert Path("file").read_text() == "content"
for call in (lambda: a.copy_from_host("/nonexistent", "/x"), lambda: a.copy_from_vm("/nonexistent")):
    try:
        call()
    except Exception as error:
        print(type(error).__name__)
a.screenshot("one")
a.screenshot("two.png")
a.screenshot("./three.png")
vlan1.capture("frames.pcapng")
vlan1.cut(a, "b"); vlan1.delay(0.1); vlan1.loss(0.5, a); vlan1.heal()
"#,
    )
    .passes();
    let Some(done) = done else { return };
    assert_eq!(done.printed(), "FileNotFoundError\nMachineError\n");
    for name in ["one.png", "two.png", "three.png"] {
        assert!(
            std::fs::read(done.out(name))
                .unwrap()
                .starts_with(b"\x89PNG"),
            "{name}"
        );
    }
    let shots = done.events.iter().filter_map(|event| match &event.kind {
        Kind::Screenshot { path, .. } => Some(path.as_str()),
        _ => None,
    });
    assert_eq!(shots.collect::<Vec<_>>(), ["out/one.png", "out/two.png"]);
}

#[test]
fn keyboard_console_and_monitor() {
    script(
        r#"
from test_driver.machine.qmp import QMPAPIError
a.send_key("ctrl-alt-f2")
a.send_chars("Hi\n")
assert a.send_monitor_command("info x") == "did info x\n(qemu) "
assert a.qmp_client.send("query-status") == {"status": "running"}
assert a.wait_for_qmp_event(lambda e: e["data"]["n"] == 2, timeout=5)["event"] == "FAKE"
try:
    a.qmp_client.send("nonsense")
except QMPAPIError as error:
    assert error.class_name == "CommandNotFound", error.class_name
else:
    raise Exception()
try:
    b.wait_for_qmp_event(lambda e: True)
except RuntimeError as error:
    assert str(error) == "QMP API is not ready yet, is the VM ready?"
a.wait_for_console_text("fake .* booting", timeout=5)
a.send_console("typed here\n")
a.wait_for_console_text(r"typed\s+here", timeout=5)
assert a.get_console_log().endswith("booting\ntyped here"), a.get_console_log()
try:
    a.wait_for_console_text("typed", timeout=0.2)
except Exception as error:
    assert "timed out" in str(error)
else:
    raise Exception("the lines were taken before")
a.execute("(sleep 0.3; echo login: > $FAKE/tty1) >/dev/null 2>&1 &")
a.wait_until_tty_matches("1", "login: *$", timeout=10)
assert a.get_tty_text(1) == "login:\n"
for unsupported in (a.switch_root, lambda: create_machine("run"), lambda: a.shell_interact()):
    try:
        unsupported()
    except Exception as error:
        print(error)
"#,
    )
    .passes();
}

#[test]
fn machines_have_python_names() {
    let mut setup = script("web_1.start(); assert machine is web_1 and machine.name == 'web-1'");
    setup.machines = vec!["web-1"];
    setup.passes();
}

#[test]
fn print_and_events_keep_their_order() {
    let done = script(
        r#"
import subprocess, sys
for i in range(30):
    print(f"before {i}")
    a.succeed(f"echo {i}")
    subprocess.run(["echo", f"child {i}"])
    log.info(f"log {i}")
    print("no end", end="", file=sys.stderr)
"#,
    )
    .passes();
    let Some(done) = done else { return };
    let order: Vec<String> = done
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            Kind::ScriptOutput { text, .. } => Some(text.trim_end().to_owned()),
            Kind::Log { message, .. } => Some(message.clone()),
            Kind::CommandStarted { command, .. } => Some(command.clone()),
            _ => None,
        })
        .collect();
    let mut expect = Vec::new();
    for i in 0..30 {
        expect.push(format!("before {i}"));
        if i > 0 {
            expect.push("no end".to_owned());
        }
        expect.extend([
            format!("echo {i}"),
            format!("child {i}"),
            format!("log {i}"),
        ]);
    }
    expect.push("no end".to_owned());
    // The two streams have no order between them, only with the events.
    let sorted = |lines: &[String]| {
        lines
            .split(|line| line.starts_with("echo") || line.starts_with("log"))
            .map(|part| {
                let mut part: Vec<String> = part
                    .iter()
                    .flat_map(|text| text.lines().map(str::to_owned))
                    .collect();
                part.sort();
                part
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(sorted(&order), sorted(&expect));
}

#[test]
fn limits_scale() {
    let mut setup = script("assert a.execute('sleep 0.5', timeout=0.1)[0] == 0");
    setup.time_scale = 50.0;
    setup.passes();
}
