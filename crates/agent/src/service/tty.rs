//! Text of virtual terminals.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use snowglobe_agent_protocol::{Failure, Outcome};

use super::call::{Answer, Call, deadline, earlier, invalid, system, wait};

/// In case the kernel does not tell about a change.
const LOOK: Duration = Duration::from_millis(500);

pub fn text(
    call: &Call,
    tty: &str,
    unlike: Option<u64>,
    timeout_ms: Option<u64>,
) -> Result<Answer, Failure> {
    let number = tty.trim_start_matches("/dev/").trim_start_matches("tty");
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid(format!("'{tty}' is not a virtual terminal")));
    }
    let end = deadline(timeout_ms);
    loop {
        let (text, screen) = read(number)?;
        let stamp = stamp(&text);
        let over = end.is_some_and(|end| Instant::now() >= end);
        if unlike != Some(stamp) || over {
            return Ok(Answer {
                outcome: Outcome::Text { stamp },
                payload: text,
            });
        }
        let until = earlier(end, Some(Instant::now() + LOOK));
        let (event, screen) = (call.event(), screen.as_fd());
        let mut descriptors = [
            PollFd::new(&event, PollFlags::IN),
            PollFd::new(&screen, PollFlags::PRI),
        ];
        wait(&mut descriptors, until).map_err(|error| system("wait", error))?;
        call.clear();
        call.check()?;
        // Programs paint in many small steps; a look at each would cost more than the painting.
        call.sleep(Duration::from_millis(10))?;
    }
}

/// The text, and the file that becomes ready when it changes.
fn read(number: &str) -> Result<(Vec<u8>, File), Failure> {
    let failed = |error| system(&format!("read terminal {number}"), error);
    let screen = File::open(format!("/dev/vcs{number}")).map_err(failed)?;
    // Its header: lines, columns, cursor.
    let attributes = fs::read(format!("/dev/vcsa{number}")).map_err(failed)?;
    let columns = attributes.get(1).copied().map_or(80, usize::from).max(1);
    let text = fs::read(format!("/dev/vcs{number}")).map_err(failed)?;
    Ok((fold(&text, columns), screen))
}

/// As `fold -w`: a line break between lines, none at the end.
fn fold(text: &[u8], columns: usize) -> Vec<u8> {
    text.chunks(columns).collect::<Vec<_>>().join(&b'\n')
}

/// FNV-1a.
fn stamp(text: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    text.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_and_texts_told_apart() {
        assert_eq!(fold(b"abcdef", 2), b"ab\ncd\nef");
        assert_eq!(fold(b"", 2), b"");
        assert_ne!(stamp(b"login: "), stamp(b"login:a"));
    }
}
