//! A person at a machine's terminal: keys go there, and what it shows comes here.

use std::io::Write;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use snowglobe_events::Stream;

use crate::Limit;
use crate::world::{Pty, PtySize};

/// Our terminal, passing every key on until this is dropped.
pub(crate) struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    pub fn enter() -> std::io::Result<Self> {
        let input = std::io::stdin();
        let before = tcgetattr(&input)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&input, OptionalActions::Flush, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.before);
    }
}

/// Size of our terminal, or what is usual.
pub fn terminal_size() -> PtySize {
    match tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_row > 0 => PtySize {
            rows: size.ws_row,
            columns: size.ws_col,
        },
        _ => PtySize {
            rows: 24,
            columns: 80,
        },
    }
}

/// Passes keys on until `ended`; gives them to `keys`, which says whether to go on.
pub(crate) fn pass_keys(
    ended: &AtomicBool,
    mut keys: impl FnMut(&[u8]) -> bool,
    mut tick: impl FnMut(),
) -> std::io::Result<()> {
    let input = std::io::stdin();
    let mut buffer = [0; 4096];
    while !ended.load(Ordering::SeqCst) {
        tick();
        let mut polled = [PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN)];
        let pause = Timespec::try_from(Duration::from_millis(50)).ok();
        match poll(&mut polled, pause.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let count = rustix::io::read(&input, &mut buffer)?;
        if count == 0 || !keys(&buffer[..count]) {
            break;
        }
    }
    Ok(())
}

pub(crate) fn print(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    // A terminal that went away ends the run in other ways.
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// What a command writes goes where ours goes.
pub(crate) fn copy(stream: Stream, bytes: &[u8]) {
    match stream {
        Stream::Stdout => print(bytes),
        Stream::Stderr => {
            let _ = std::io::stderr().write_all(bytes);
        }
    }
}

/// Connects our terminal with a program's until it ends; our standard input and output must be one.
///
/// # Errors
///
/// When our terminal cannot be set up or read.
pub fn attend(pty: &dyn Pty, limit: &Limit) -> std::io::Result<()> {
    let mut size = terminal_size();
    let terminal = RawTerminal::enter()?;
    let ended = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while let Ok(Some(bytes)) = pty.read(limit) {
                print(&bytes);
            }
            ended.store(true, Ordering::SeqCst);
        });
        let result = pass_keys(
            &ended,
            |keys| pty.write(keys).is_ok(),
            || {
                let now = terminal_size();
                if now != size {
                    size = now;
                    let _ = pty.resize(size);
                }
            },
        );
        pty.close();
        result
    });
    drop(terminal);
    print(b"\n");
    result
}
