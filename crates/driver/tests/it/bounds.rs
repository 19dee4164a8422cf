//! Scripts that do not behave are bounded.

use std::time::Instant;

use snowglobe_events::{Kind, Outcome};

use crate::{PATIENCE, script};

fn ends(text: &str, timeout: u64) -> Option<(Outcome, String, Vec<u32>)> {
    let begin = Instant::now();
    let mut setup = script(text);
    setup.global_timeout = timeout;
    let done = setup.run()?;
    assert!(begin.elapsed() < PATIENCE);
    let Some(Kind::Failure {
        message, frames, ..
    }) = done.failure()
    else {
        return Some((done.outcome, String::new(), Vec::new()));
    };
    let lines = frames.iter().map(|frame| frame.location.line).collect();
    Some((done.outcome, message.clone(), lines))
}

#[test]
fn an_endless_loop() {
    let Some((outcome, message, lines)) = ends("a.start()\nwhile True:\n  pass\n", 1) else {
        return;
    };
    assert_eq!(outcome, Outcome::TimedOut);
    assert!(
        message.ends_with("time limit of 1 s; it was not waiting for a machine"),
        "{message}"
    );
    assert!(lines == [2] || lines == [3], "{lines:?}");
}

#[test]
fn a_blocked_command() {
    let Some((outcome, message, lines)) = ends("x = 1\na.succeed('sleep 100')\n", 1) else {
        return;
    };
    assert_eq!(outcome, Outcome::TimedOut);
    assert!(
        message.contains("it was in a.succeed(\"sleep 100\") for "),
        "{message}"
    );
    assert_eq!(lines, [2]);
}

#[test]
fn a_script_that_kills_itself() {
    let kill = "import os, signal\na.start()\nos.kill(os.getpid(), signal.SIGKILL)\n";
    let Some((outcome, message, _)) = ends(kill, 60) else {
        return;
    };
    assert_eq!(outcome, Outcome::Failed);
    assert!(message.contains("was killed by signal 9"), "{message}");
    let Some((outcome, message, _)) = ends("import os\nos._exit(5)\n", 60) else {
        return;
    };
    assert_eq!(outcome, Outcome::Failed);
    assert!(message.contains("ended with status 5"), "{message}");
}

#[test]
fn a_script_that_forks() {
    let fork = "import os, time\nif os.fork() == 0:\n  time.sleep(1000)\n  os._exit(0)\nprint(os.getpid())\n";
    let Some((outcome, ..)) = ends(fork, 60) else {
        return;
    };
    assert_eq!(outcome, Outcome::Passed);
    let both = "import os\npid = os.fork()\nif pid == 0:\n  try:\n    a.succeed('true')\n  finally:\n    os._exit(7)\n_, status = os.waitpid(pid, 0)\nassert os.waitstatus_to_exitcode(status) == 7\na.succeed('true')\n";
    let Some((outcome, message, _)) = ends(both, 60) else {
        return;
    };
    assert_eq!(outcome, Outcome::Passed, "{message}");
}

#[test]
fn a_script_that_closes_its_streams() {
    let close = "import os, sys\nsys.stdout.close()\nos.close(2)\na.succeed('true')\n";
    let Some((outcome, message, _)) = ends(close, 60) else {
        return;
    };
    assert_eq!(outcome, Outcome::Passed, "{message}");
    let all = "import os\nos.closerange(3, 1000)\na.succeed('true')\n";
    let Some((outcome, message, _)) = ends(all, 60) else {
        return;
    };
    assert_eq!(outcome, Outcome::Failed, "{message}");
}

#[test]
fn a_script_that_prints_100_megabytes() {
    let Some(done) = script("for _ in range(100): print('x' * (1 << 20))\nprint('end')\n").run()
    else {
        return;
    };
    assert_eq!(done.outcome, Outcome::Passed);
    assert!(done.printed().len() <= 8 << 20);
    let notes = done
        .events
        .iter()
        .filter(|e| matches!(e.kind, Kind::Warning { .. }))
        .count();
    assert_eq!(notes, 1);
}

#[test]
fn a_thread_that_goes_on() {
    let thread =
        "import threading, time\nthreading.Thread(target=lambda: time.sleep(1000)).start()\n";
    let Some((outcome, ..)) = ends(thread, 60) else {
        return;
    };
    assert_eq!(outcome, Outcome::Passed);
}

#[test]
fn the_user_stops_it() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let text = format!("a.wait_until_succeeds('touch {}; false')\n", mark.display());
    let setup = script(&text);
    let cancel = setup.cancel.clone();
    let stopper = std::thread::spawn(move || {
        let end = Instant::now() + PATIENCE;
        while !mark.exists() && Instant::now() < end {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        cancel.cancel();
    });
    let begin = Instant::now();
    let done = setup.run();
    stopper.join().unwrap();
    let Some(done) = done else { return };
    assert!(begin.elapsed() < PATIENCE);
    assert_eq!(done.outcome, Outcome::Cancelled);
    let Some(Kind::Failure {
        message, frames, ..
    }) = done.failure()
    else {
        panic!("no word about it");
    };
    assert!(
        message.contains("it was in a.wait_until_succeeds("),
        "{message}"
    );
    assert_eq!(frames.last().map(|frame| frame.location.line), Some(1));
}
