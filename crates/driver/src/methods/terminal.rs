//! A person at a machine.

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::{Call, Result, named, null};
use crate::error::Raise;
use crate::session::Session;
use crate::world::PtySize;

/// Our terminal, passing every key on until this is dropped.
struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    fn enter() -> std::io::Result<Self> {
        let input = std::io::stdin();
        let before = tcgetattr(&input)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&input, OptionalActions::Flush, &raw)?;
        Ok(Self { before })
    }

    fn size() -> PtySize {
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
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.before);
    }
}

fn need_terminal(session: &Session, what: &str) -> Result<()> {
    if session.interactive && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Raise::machine(format!(
        "{what}() needs a terminal: run the test with `snowglobe interactive`"
    )))
}

/// Passes keys on until `ended`; gives them to `keys`, which says whether to go on.
fn pass_keys(
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

fn print(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    // A terminal that went away ends the run in other ways.
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

pub(super) fn shell_interact(session: &Session, call: &Call) -> Result {
    if call.args.maybe_text("address").is_some() {
        return Err(super::unsupported("shell_interact() with an address"));
    }
    need_terminal(session, "shell_interact")?;
    let agent = call.agent(session)?;
    let handle = call.machine()?;
    let term = std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
    let mut size = RawTerminal::size();
    let pty = agent
        .pty(None, size, &term)
        .map_err(|fault| named(handle, fault))?;
    let terminal = RawTerminal::enter().map_err(|error| Raise::machine(error.to_string()))?;
    let ended = AtomicBool::new(false);
    let limit = call.endless();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while let Ok(Some(bytes)) = pty.read(&limit) {
                print(&bytes);
            }
            ended.store(true, Ordering::SeqCst);
        });
        let result = pass_keys(
            &ended,
            |keys| pty.write(keys).is_ok(),
            || {
                let now = RawTerminal::size();
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
    result.map_err(|error| Raise::machine(error.to_string()))?;
    Ok(null())
}

pub(super) fn console_interact(session: &Session, call: &Call) -> Result {
    need_terminal(session, "console_interact")?;
    let handle = call.machine()?;
    let limit = call.within(session.scaled(900.0));
    session
        .need(handle, &limit)
        .map_err(|fault| named(handle, fault))?;
    let output = handle
        .machine
        .console_stream()
        .map_err(|fault| named(handle, fault))?;
    print(b"Terminal is connected to the console; Ctrl-d ends this.\n");
    let terminal = RawTerminal::enter().map_err(|error| Raise::machine(error.to_string()))?;
    let ended = AtomicBool::new(false);
    let (done, cancel) = (&ended, &call.cancel);
    let result = std::thread::scope(|scope| {
        scope.spawn(move || {
            while !done.load(Ordering::SeqCst) && !cancel.is_cancelled() {
                match output.recv_timeout(Duration::from_millis(50)) {
                    Ok(bytes) => print(&bytes),
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                    Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        let result = pass_keys(
            &ended,
            |keys| {
                const CTRL_D: u8 = 4;
                let end = keys.iter().position(|key| *key == CTRL_D);
                let typed = &keys[..end.unwrap_or(keys.len())];
                handle.machine.write_console(typed).is_ok() && end.is_none()
            },
            || {},
        );
        ended.store(true, Ordering::SeqCst);
        result
    });
    drop(terminal);
    print(b"\n");
    result.map_err(|error| Raise::machine(error.to_string()))?;
    Ok(null())
}
