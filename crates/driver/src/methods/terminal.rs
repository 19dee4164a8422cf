//! A person at a machine.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Call, Result, named, null};
use crate::attend::{RawTerminal, attend, pass_keys, print, terminal_size};
use crate::error::Raise;
use crate::session::Session;

fn need_terminal(session: &Session, what: &str) -> Result<()> {
    if session.interactive && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Raise::machine(format!(
        "{what}() needs a terminal: run the test with `snowglobe interactive`"
    )))
}

pub(super) fn shell_interact(session: &Session, call: &Call) -> Result {
    if call.args.maybe_text("address").is_some() {
        return Err(super::unsupported("shell_interact() with an address"));
    }
    need_terminal(session, "shell_interact")?;
    let agent = call.agent(session)?;
    let handle = call.machine()?;
    let term = std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
    let pty = agent
        .pty(None, terminal_size(), &term)
        .map_err(|fault| named(handle, fault))?;
    attend(pty.as_ref(), &call.endless()).map_err(|error| Raise::machine(error.to_string()))?;
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
