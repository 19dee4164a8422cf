//! Commands behave as upstream's do.

use std::fs;
use std::time::{Duration, Instant};

use snowglobe_agent_client::protocol::{Channel, Outcome, Pty, Stderr, ToAgent};
use snowglobe_agent_client::{Cancel, Error, Event, ExecRequest};

use crate::{LONG, World};

#[test]
fn results_of_ordinary_commands() {
    let world = World::new();
    for (command, status, stdout) in [
        ("exit 3", 3, ""),
        ("echo -n x", 0, "x"),
        ("echo x; echo", 0, "x\n\n"),
        ("false | true", 1, ""),
        ("true | false", 1, ""),
        ("false; echo not reached", 1, ""),
        ("if false; then :; fi; echo $?", 0, "0\n"),
        ("echo \"$undefined\"", 1, ""),
        (
            "echo \"a'b\\\"c\" $((1+2)) äöü '$x'",
            0,
            "a'b\"c 3 äöü $x\n",
        ),
        ("printf 'a\\nb'\nprintf c", 0, "a\nbc"),
        ("kill -9 $$", 137, ""),
        ("pwd", 0, "/tmp\n"),
        ("cat", 0, ""),
        ("echo $USER $HOME $DISPLAY", 0, "root /root :0.0\n"),
        ("id -un", 0, "root\n"),
        ("type -t cd", 0, "builtin\n"),
        ("nonexistent-program-x", 127, ""),
        ("", 0, ""),
    ] {
        world.check(command, status, stdout);
    }
}

#[test]
fn nothing_is_kept_between_commands() {
    let world = World::new();
    world.check("cd /; x=1; export Y=2; umask 077", 0, "");
    world.check("echo ${x-none} ${Y-none}; pwd", 0, "none none\n/tmp\n");
}

#[test]
fn errors_are_apart_from_output() {
    let world = World::new();
    let result = world.run("echo out; echo err >&2; exit 4");
    assert_eq!(
        (&result.stdout[..], &result.stderr[..], result.status),
        (&b"out\n"[..], &b"err\n"[..], 4)
    );
    let mut merged = ExecRequest::shell("echo out; echo err >&2; echo out");
    merged.options.stderr = Stderr::Merged;
    let result = world.agent.exec(&merged).unwrap();
    assert_eq!(
        (&result.stdout[..], &result.stderr[..]),
        (&b"out\nerr\nout\n"[..], &b""[..])
    );
    merged.options.stderr = Stderr::Discarded;
    let result = world.agent.exec(&merged).unwrap();
    assert_eq!(
        (&result.stdout[..], &result.stderr[..]),
        (&b"out\nout\n"[..], &b""[..])
    );
}

#[test]
fn a_program_runs_without_a_shell() {
    let world = World::new();
    let result = world
        .agent
        .exec(&ExecRequest::program(["printf", "%s|", "a b", "$x"]))
        .unwrap();
    assert_eq!(result.stdout, b"a b|$x|");
    let error = world
        .agent
        .exec(&ExecRequest::program(["no-such-program"]))
        .unwrap_err();
    assert!(error.to_string().contains("no-such-program"), "{error}");
}

#[test]
fn options_reach_the_command() {
    let world = World::new();
    let mut request = ExecRequest::shell("pwd; echo $GREETING");
    request.options.cwd = Some("/usr".into());
    request
        .options
        .env
        .insert("GREETING".into(), "hello = world".into());
    assert_eq!(
        world.agent.exec(&request).unwrap().stdout,
        b"/usr\nhello = world\n"
    );
    request.options.cwd = Some("/nowhere".into());
    let error = world.agent.exec(&request).unwrap_err();
    assert!(error.to_string().contains("/nowhere"), "{error}");
    let request = ExecRequest::shell("cat; wc -c </dev/stdin").input("text");
    assert_eq!(world.agent.exec(&request).unwrap().stdout, b"text0\n");
}

#[test]
fn another_user_has_his_own_rights_and_home() {
    let world = World::new();
    let mut request =
        ExecRequest::shell("id -un; echo $USER; id -G | wc -w; test -w /etc/shadow || echo no");
    request.options.user = Some("nobody".into());
    let result = world.agent.exec(&request).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&result.stdout),
        "nobody\nnobody\n1\nno\n"
    );
    request.options.user = Some("no-such-user".into());
    let error = world.agent.exec(&request).unwrap_err();
    assert!(error.to_string().contains("no-such-user"), "{error}");
}

#[test]
fn large_and_binary_output_is_whole() {
    let world = World::new();
    let result = world.run("head -c 20000000 /dev/zero; echo end");
    assert_eq!(result.stdout.len(), 20_000_004);
    assert!(result.stdout.ends_with(b"\0end\n"));
    let result = world.run("printf '\\xff\\x00\\n'");
    assert_eq!(result.stdout, b"\xff\0\n");
    let result = world
        .run("for i in $(seq 200); do head -c 10000 /dev/urandom >&2; echo $i; done | tail -1");
    assert_eq!(
        (&result.stdout[..], result.stderr.len()),
        (&b"200\n"[..], 2_000_000)
    );
}

#[test]
fn large_input_is_whole() {
    let world = World::new();
    let input: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let request = ExecRequest::shell("cat").input(input.clone());
    assert!(world.agent.exec(&request).unwrap().stdout == input);
    // One that does not read it must not make anybody wait.
    let request = ExecRequest::shell("exec 0<&-; sleep 0.2; echo done").input(input);
    assert_eq!(world.agent.exec(&request).unwrap().stdout, b"done\n");
}

#[test]
fn a_command_longer_than_an_argument_works() {
    let world = World::new();
    let command = format!(
        "x='{}'; echo ${{#x}}; false; echo no",
        "a".repeat(1_500_000)
    );
    world.check(&command, 1, "1500000\n");
    assert_eq!(
        fs::read_dir(world.place.path()).unwrap().count(),
        0,
        "the file is gone"
    );
}

#[test]
fn a_time_limit_ends_the_group_with_124() {
    let world = World::new();
    let marker = world.path("marker");
    let command = format!("(sleep 1.5; touch {marker}) & sleep 100");
    let request = ExecRequest::shell(command).timeout(Some(Duration::from_millis(300)));
    let begin = Instant::now();
    let result = world.agent.exec(&request).unwrap();
    assert_eq!((result.status, result.timed_out), (124, true));
    assert!(begin.elapsed() < Duration::from_secs(20));
    std::thread::sleep(Duration::from_secs(2));
    assert!(!fs::exists(marker).unwrap(), "the background child lives");
    // One that does not want to end.
    let request = ExecRequest::shell("trap '' TERM; echo a; while :; do sleep 0.1; done")
        .timeout(Some(Duration::from_millis(200)));
    let result = world.agent.exec(&request).unwrap();
    assert_eq!((result.status, &result.stdout[..]), (124, &b"a\n"[..]));
}

#[test]
fn background_children_live_and_their_errors_arrive_late() {
    let world = World::new();
    let (sender, late) = std::sync::mpsc::channel();
    world
        .agent
        .on_late_output(move |bytes| drop(sender.send(bytes.to_vec())));
    let marker = world.path("marker");
    // The commonest way of starting something in a test script.
    let command =
        format!("(sleep 0.5; echo late; sleep 0.2; touch {marker}) >&2 & echo started >&2");
    let begin = Instant::now();
    let result = world.run(&command);
    assert!(
        begin.elapsed() < Duration::from_millis(450),
        "it was waited for"
    );
    assert_eq!((result.status, &result.stderr[..]), (0, &b"started\n"[..]));
    assert_eq!(late.recv_timeout(LONG).unwrap(), b"late\n");
    assert!(
        world
            .agent
            .wait_for_file(&marker, true, Some(LONG))
            .unwrap()
    );
}

#[test]
fn a_child_that_holds_output_is_waited_for() {
    let world = World::new();
    world.check("(sleep 0.3; echo late) & echo now", 0, "now\nlate\n");
    // But not beyond the time limit.
    let request =
        ExecRequest::shell("sleep 100 & echo now").timeout(Some(Duration::from_millis(500)));
    let result = world.agent.exec(&request).unwrap();
    assert_eq!((result.status, &result.stdout[..]), (124, &b"now\n"[..]));
}

#[test]
fn several_run_at_once() {
    let world = World::new();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..20 {
            let world = &world;
            scope.spawn(move || {
                world.check(
                    &format!("sleep 0.5; echo {number}"),
                    0,
                    &format!("{number}\n"),
                )
            });
        }
        assert!(world.agent.ping().unwrap() < Duration::from_millis(450));
    });
    assert!(begin.elapsed() < Duration::from_secs(8));
}

#[test]
fn nobody_reads_and_others_still_answer() {
    let world = World::new();
    let flood = world.agent.start(&ExecRequest::shell("yes")).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    world.agent.ping().unwrap();
    world.check("echo ok", 0, "ok\n");
    drop(flood);
    world.check("sleep 0.2; pgrep -x yes || echo gone", 0, "gone\n");
}

#[test]
fn cancelling_kills_the_group() {
    let world = World::new();
    let marker = world.path("marker");
    let cancel = Cancel::new();
    let agent = world.agent.with_cancel(cancel.clone());
    let command = format!("(sleep 1; touch {marker}) & echo started; sleep 100");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| agent.exec(&ExecRequest::shell(command)));
        std::thread::sleep(Duration::from_millis(300));
        cancel.cancel();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Cancelled)));
    });
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!fs::exists(marker).unwrap());
    assert!(matches!(agent.ping(), Err(Error::Cancelled)));
    world.agent.ping().unwrap();
}

#[test]
fn signals_reach_the_command() {
    let world = World::new();
    let command = "trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.05; done";
    let mut request = world.agent.start(&ExecRequest::shell(command)).unwrap();
    let mut output = Vec::new();
    loop {
        match request
            .next(Some(Instant::now() + LONG))
            .unwrap()
            .expect("in time")
        {
            Event::Data {
                channel: Channel::Stdout,
                bytes,
            } => {
                output.extend(bytes);
                if output == b"ready\n" {
                    request.tell(&ToAgent::Signal { signal: 10 }).unwrap();
                }
            }
            Event::Done(Outcome::Exited { status, .. }, _) => {
                assert_eq!((status, &output[..]), (5, &b"ready\ngot\n"[..]));
                return;
            }
            _ => {}
        }
    }
}

#[test]
fn a_terminal_is_one() {
    let world = World::new();
    let pty = Pty {
        rows: 33,
        columns: 99,
        term: "dumb".into(),
    };
    let mut request = world
        .agent
        .terminal(
            "tty >/dev/null && stty size; read x; echo \"<$x>\" >&2",
            pty,
        )
        .unwrap();
    request.send_some(b"hello\n", false).unwrap();
    let mut output = Vec::new();
    loop {
        match request
            .next(Some(Instant::now() + LONG))
            .unwrap()
            .expect("in time")
        {
            Event::Data { bytes, .. } => output.extend(bytes),
            Event::Done(outcome, _) => {
                assert_eq!(
                    outcome,
                    Outcome::Exited {
                        status: 0,
                        timed_out: false
                    }
                );
                break;
            }
            _ => {}
        }
    }
    let text = String::from_utf8(output).unwrap();
    assert!(
        text.contains("33 99") && text.contains("<hello>"),
        "{text:?}"
    );
}

#[test]
fn attempts_go_on_until_it_works() {
    let world = World::new();
    let counter = world.path("counter");
    let command = format!("echo x >> {counter}; n=$(wc -l < {counter}); echo $n; test $n -ge 4");
    let request = ExecRequest::shell(command);
    let result = world.agent.until(&request, true, Some(LONG)).unwrap();
    assert_eq!(
        (result.reached, result.attempts, &result.stdout[..]),
        (true, 4, &b"4\n"[..])
    );
    let request = ExecRequest::shell("echo why >&2; exit 7");
    let result = world
        .agent
        .until(&request, true, Some(Duration::from_millis(200)))
        .unwrap();
    assert_eq!(
        (result.reached, result.status, &result.stderr[..]),
        (false, 7, &b"why\n"[..])
    );
    assert!(result.attempts >= 2);
    let result = world.agent.until(&request, false, None).unwrap();
    assert_eq!((result.reached, result.attempts), (true, 1));
}
