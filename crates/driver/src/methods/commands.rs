//! `execute` and what is made of it.

use std::time::{Duration, Instant};

use serde_json::json;
use snowglobe_events::{Kind, Text};

use super::shell::{Ran, Show, run, run_on};
use super::{Call, Result, Waiting, micros, timed_out};
use crate::error::Raise;
use crate::session::Session;
use crate::world::Exec;

/// A command with the options of the call.
fn exec(session: &Session, call: &Call, command: &str) -> std::result::Result<Exec, Raise> {
    Ok(Exec {
        command: command.to_owned(),
        // No limit is what `timeout 0` means, too.
        timeout: call
            .args
            .maybe_seconds("timeout")
            .filter(|seconds| *seconds > 0.0)
            .map(|seconds| session.scaled(seconds)),
        cwd: call.args.maybe_text("cwd").map(str::to_owned),
        env: call.args.pairs("env"),
        user: call.args.maybe_text("user").map(str::to_owned),
        stdin: call.args.bytes("stdin")?,
    })
}

pub(super) fn execute(session: &Session, call: &Call) -> Result {
    let exec = exec(session, call, call.args.text("command")?)?;
    let answer = |status: i32, stdout: String, stderr: String| {
        Ok(json!({"status": status, "stdout": stdout, "stderr": stderr}).into())
    };
    if !call.args.flag("check_output") {
        // Nobody asks for its end; it may well be the end of the machine.
        let agent = call.agent(session)?;
        let (scope, cancel) = (call.scope.clone(), session.cancel.child());
        std::thread::spawn(move || {
            let limit = crate::Limit::new(None, &cancel);
            let span = scope.open(Kind::CommandStarted {
                command: exec.command.clone(),
                limit: None,
            });
            let since = Instant::now();
            let status = agent.exec(&exec, &limit, &mut |_, _| {}).ok();
            scope.on(
                span,
                Kind::CommandFinished {
                    status,
                    stdout: Text::default(),
                    stderr: Text::default(),
                    duration: micros(since.elapsed()),
                },
            );
        });
        return answer(-2, String::new(), String::new());
    }
    let result = run(session, call, &exec);
    if !call.args.flag("check_return") {
        return match result {
            Ok(ran) => answer(-1, ran.stdout, ran.stderr),
            // `poweroff` ends the machine before it can tell how it ended.
            Err(raise) if raise.class == "MachineError" && !call.machine()?.machine.running() => {
                answer(-1, String::new(), String::new())
            }
            Err(raise) => Err(raise),
        };
    }
    let ran = result?;
    answer(ran.status, ran.stdout, ran.stderr)
}

pub(super) fn succeed(session: &Session, call: &Call) -> Result {
    let mut output = String::new();
    for command in call.args.texts("commands")? {
        let ran = run(session, call, &exec(session, call, command)?)?;
        if ran.status != 0 {
            let message = format!("command `{command}` failed (exit code {})", ran.status);
            return Err(ran.explain(
                Raise::assertion(message),
                call.machine()?.machine.name(),
                command,
            ));
        }
        output.push_str(&ran.stdout);
    }
    Ok(json!(output).into())
}

pub(super) fn fail(session: &Session, call: &Call) -> Result {
    let mut output = String::new();
    for command in call.args.texts("commands")? {
        let ran = run(session, call, &exec(session, call, command)?)?;
        if ran.status == 0 {
            let message = format!("command `{command}` unexpectedly succeeded");
            return Err(ran.explain(
                Raise::assertion(message),
                call.machine()?.machine.name(),
                command,
            ));
        }
        output.push_str(&ran.stdout);
    }
    Ok(json!(output).into())
}

pub(super) fn sleep(session: &Session, call: &Call) -> Result {
    let seconds = call.args.seconds("seconds")?;
    let exec = Exec {
        command: format!("sleep {seconds}"),
        ..Exec::default()
    };
    let ran = run(session, call, &exec)?;
    if ran.status != 0 {
        let message = format!(
            "command `{}` failed (exit code {})",
            exec.command, ran.status
        );
        return Err(ran.explain(
            Raise::assertion(message),
            call.machine()?.machine.name(),
            &exec.command,
        ));
    }
    Ok(super::null())
}

pub(super) fn wait_until(session: &Session, call: &Call, success: bool) -> Result {
    let command = call.args.text("command")?;
    let exec = exec(session, call, command)?;
    let what = format!(
        "`{command}` to {}",
        if success { "succeed" } else { "fail" }
    );
    let ran = repeat(session, call, what, &exec, |ran| {
        (ran.status == 0) == success
    })?;
    Ok(json!(ran.stdout).into())
}

/// Runs a command until its end is as it should be, at least once.
pub(super) fn repeat(
    session: &Session,
    call: &Call,
    what: String,
    exec: &Exec,
    done: impl Fn(&Ran) -> bool,
) -> std::result::Result<Ran, Raise> {
    let agent = call.agent(session)?;
    let handle = call.machine()?;
    let seconds = call.args.seconds("timeout")?;
    let mut wait = Waiting::begin(call, what, Some(seconds), session);
    let limit = call.within(session.scaled(seconds));
    let mut tries = 0;
    let mut pause = Duration::from_millis(50);
    loop {
        // The last try begins after the limit, as upstream's does.
        let last = limit.over();
        tries += 1;
        let scope = wait.scope();
        let since = Instant::now();
        let result = run_on(
            session,
            handle,
            &agent,
            exec,
            &scope,
            &call.cancel,
            Show::Nothing,
        );
        let ran = match result {
            Ok(ran) => ran,
            Err(raise) => {
                wait.end(false, Some(raise.message.clone()));
                return Err(raise);
            }
        };
        let state = state(&ran);
        if !done(&ran) && !last {
            wait.progress(&state, tries);
            limit.sleep(pause);
            pause = (pause * 3 / 2).min(Duration::from_secs(1));
            continue;
        }
        // Of all tries only the one that counted is shown as a command.
        let span = scope.open(Kind::CommandStarted {
            command: exec.command.clone(),
            limit: exec.timeout.map(micros),
        });
        scope.on(
            span,
            Kind::CommandFinished {
                status: Some(ran.status),
                stdout: Text::new(&ran.stdout),
                stderr: Text::new(&ran.stderr),
                duration: micros(since.elapsed()),
            },
        );
        if done(&ran) {
            wait.end(true, Some(state));
            return Ok(ran);
        }
        let elapsed = wait.end(false, Some(state));
        let raise = timed_out(elapsed, &call.args.raw("timeout"));
        return Err(ran.explain(raise, handle.machine.name(), &exec.command));
    }
}

/// A try in a few words: its status and the last line that it wrote.
fn state(ran: &Ran) -> String {
    let last = |text: &str| {
        text.lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .map(str::to_owned)
    };
    let status = format!("exit status {}", ran.status);
    match last(&ran.stderr).or_else(|| last(&ran.stdout)) {
        Some(line) => {
            let end = line.floor_char_boundary(200);
            format!("{status}: {}", line[..end].trim())
        }
        None => status,
    }
}
