//! A machine's console, kept for the script.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Limit;

/// Lines of a machine's serial console.
///
/// Bounded: of a machine that floods its console the latest lines are kept.
#[derive(Default)]
pub(crate) struct Console {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Clone, Default)]
struct State {
    /// Since the machine was started.
    lines: VecDeque<String>,
    bytes: usize,
    /// Index in `lines` of the first one that no `wait_for_console_text` has seen.
    unseen: usize,
}

/// What a console had shown at some moment.
pub(crate) struct Kept(State);

/// Bytes that are kept for `get_console_log`.
const KEPT: usize = 32 << 20;

impl Console {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, line: String) {
        let mut state = self.lock();
        state.bytes += line.len();
        state.lines.push_back(line);
        while state.bytes > KEPT
            && let Some(old) = state.lines.pop_front()
        {
            state.bytes -= old.len();
            state.unseen = state.unseen.saturating_sub(1);
        }
        drop(state);
        self.more.notify_all();
    }

    /// The machine was started anew.
    pub fn clear(&self) {
        *self.lock() = State::default();
    }

    /// For [`Console::put_back`].
    pub fn keep(&self) -> Kept {
        Kept(self.lock().clone())
    }

    /// The machine has gone back to the moment when this was kept.
    pub fn put_back(&self, kept: &Kept) {
        *self.lock() = kept.0.clone();
    }

    /// All lines.
    pub fn text(&self) -> String {
        let state = self.lock();
        let lines: Vec<&str> = state.lines.iter().map(String::as_str).collect();
        lines.join("\n")
    }

    /// The last lines.
    pub fn tail(&self, count: usize) -> String {
        let state = self.lock();
        let skip = state.lines.len().saturating_sub(count);
        let lines: Vec<&str> = state.lines.iter().skip(skip).map(String::as_str).collect();
        lines.join("\n")
    }

    /// Takes the lines that no earlier call has taken; waits for one if there are none. Empty when
    /// the limit is over.
    pub fn read(&self, limit: &Limit) -> Vec<String> {
        let mut state = self.lock();
        loop {
            if state.unseen < state.lines.len() {
                let lines = state.lines.iter().skip(state.unseen).cloned().collect();
                state.unseen = state.lines.len();
                return lines;
            }
            if limit.over() {
                return Vec::new();
            }
            let slice = limit
                .left()
                .unwrap_or(Duration::MAX)
                .min(Duration::from_millis(50));
            state = self
                .more
                .wait_timeout(state, slice)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
    }
}

/// A console line as text: invalid UTF-8 replaced, escape sequences and control characters left
/// out, at most 4 KiB.
pub(crate) fn clean_line(line: &[u8]) -> String {
    let line = &line[..line.len().min(16 << 10)];
    let text = String::from_utf8_lossy(line);
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                // A control sequence ends with a letter or one of a few signs.
                Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                // A title or a hyperlink ends with a bell or a string terminator.
                Some(']' | 'P' | '_' | '^' | 'X') => {
                    while let Some(c) = chars.next() {
                        if c == '\u{7}' {
                            break;
                        }
                        if c == '\u{1b}' {
                            chars.next();
                            break;
                        }
                    }
                }
                Some('(' | ')') => {
                    chars.next();
                }
                _ => {}
            },
            '\t' => clean.push('\t'),
            c if c.is_control() => {}
            c => clean.push(c),
        }
        if clean.len() > 4096 {
            clean.push('…');
            break;
        }
    }
    clean.truncate(clean.trim_end().len());
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cancel;

    #[test]
    fn lines_lose_what_steers_a_terminal() {
        let cases: [(&[u8], &str); 6] = [
            (b"plain  \r", "plain"),
            (b"\x1b[0;32mOK\x1b[0m done", "OK done"),
            (b"\x1b]0;title\x07text", "text"),
            (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            (b"a\tb\x00c\x08", "a\tbc"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
        ];
        for (line, expect) in cases {
            assert_eq!(clean_line(line), expect, "{line:?}");
        }
        assert!(clean_line(&[b'x'; 100_000]).len() < 5000);
    }

    #[test]
    fn a_read_takes_the_lines() {
        let console = Console::default();
        let now = Limit::new(Some(Duration::ZERO), &Cancel::new());
        console.push("one".into());
        console.push("two".into());
        assert_eq!(console.read(&now), ["one", "two"]);
        assert!(console.read(&now).is_empty());
        console.push("three".into());
        assert_eq!(console.read(&now), ["three"]);
        assert_eq!(console.text(), "one\ntwo\nthree");
        assert_eq!(console.tail(1), "three");
    }

    #[test]
    fn a_read_wakes_when_a_line_comes() {
        let console = Console::default();
        std::thread::scope(|scope| {
            scope.spawn(|| console.push("here".into()));
            let limit = Limit::new(Some(Duration::from_secs(60)), &Cancel::new());
            assert_eq!(console.read(&limit), ["here"]);
        });
    }

    #[test]
    fn a_flood_keeps_the_latest() {
        let console = Console::default();
        let line = "x".repeat(1 << 20);
        (0..40).for_each(|_| console.push(line.clone()));
        console.push("last".into());
        assert!(console.text().len() <= KEPT + 100);
        assert_eq!(console.tail(1), "last");
    }
}
