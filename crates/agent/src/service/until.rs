//! A command that is tried until it succeeds, or fails.

use std::thread;
use std::time::{Duration, Instant};

use snowglobe_agent_protocol::{CHUNK, Channel, Failure, Outcome, Stdin, Timing, Until};

use super::call::{Answer, Call, deadline, earlier, invalid};
use super::exec::attend;
use super::output::{Kept, drain_late};
use super::session::Context;
use super::spawn;

/// Soon at first, since most conditions come true while one looks.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

pub fn run(context: &Context, call: &Call, until: Until, text: &[u8]) -> Result<Answer, Failure> {
    if until.exec.pty.is_some() || until.exec.stdin != Stdin::Null {
        return Err(invalid("a repeated command has neither input nor terminal"));
    }
    let end = deadline(until.timeout_ms);
    if until.exec.timing == Timing::Login && !context.login.wait(call, until.timeout_ms)? {
        return Ok(Outcome::Until {
            reached: false,
            status: -1,
            attempts: 0,
        }
        .into());
    }
    let longest = Duration::from_millis(until.max_pause_ms.max(1));
    let mut pause = FIRST_PAUSE.min(longest);
    let mut attempts = 0;
    loop {
        let process = spawn::start(context, &until.exec, text)?;
        let mut kept = Kept::default();
        let ended = attend(call, process, until.exec.timeout_ms, &mut kept)?;
        attempts += 1;
        if let Some(stderr) = ended.stderr {
            let (link, id) = (call.link(), call.id);
            // Without a thread, its writers notice that nobody listens.
            let _ = thread::Builder::new()
                .stack_size(64 * 1024)
                .spawn(move || drain_late(&link, id, &stderr));
        }
        let reached = (ended.status == 0) == until.success;
        let over = end.is_some_and(|end| Instant::now() >= end);
        if reached || over {
            for (channel, bytes) in [
                (Channel::Stdout, &kept.stdout),
                (Channel::Stderr, &kept.stderr),
            ] {
                for chunk in bytes.chunks(CHUNK) {
                    call.wait_for_credit()?;
                    call.data(channel, chunk);
                }
            }
            return Ok(Outcome::Until {
                reached,
                status: ended.status,
                attempts,
            }
            .into());
        }
        // One more attempt at the very end, as upstream makes.
        let next = earlier(end, Some(Instant::now() + pause));
        while !call.pause(next)? {}
        pause = (pause * 3 / 2).min(longest);
    }
}
