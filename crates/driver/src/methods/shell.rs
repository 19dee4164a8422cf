//! Running one command in a machine, with its events.

use std::sync::Arc;
use std::time::{Duration, Instant};

use snowglobe_events::{Kind, Scope, Stream, Text};

use super::{Call, micros, named};
use crate::error::Raise;
use crate::session::{Handle, Session};
use crate::world::{Agent, Exec};
use crate::{Cancel, Limit};

/// What a command left.
pub(super) struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Adds what is known of the command to an exception about it.
    pub fn explain(&self, raise: Raise, machine: &str, command: &str) -> Raise {
        raise
            .with("machine", machine)
            .with("command", command)
            .with("status", self.status)
            .with("stdout", self.stdout.as_str())
            .with("stderr", self.stderr.as_str())
    }
}

/// Standard output that is kept for the script.
const STDOUT: usize = 256 << 20;
/// Standard error that is kept for the script and the report.
const STDERR: usize = 1 << 20;
/// Bytes of live output that become events.
const LIVE: usize = 64 << 10;

/// Whether a command's events are emitted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    Events,
    Nothing,
}

/// Runs a command in a machine that is started if necessary.
pub(super) fn run(session: &Session, call: &Call, exec: &Exec) -> Result<Ran, Raise> {
    let agent = call.agent(session)?;
    let handle = call.machine()?;
    run_on(
        session,
        handle,
        &agent,
        exec,
        &call.scope,
        &call.cancel,
        Show::Events,
    )
}

/// Runs a command by an agent.
pub(super) fn run_on(
    session: &Session,
    handle: &Arc<Handle>,
    agent: &Arc<dyn Agent>,
    exec: &Exec,
    scope: &Scope,
    cancel: &Cancel,
    show: Show,
) -> Result<Ran, Raise> {
    // The agent enforces the command's limit; this one is for a machine that hangs.
    let patience = session.scaled(60.0);
    let limit = Limit::new(
        exec.timeout.map(|limit| limit.saturating_add(patience)),
        cancel,
    );
    let since = Instant::now();
    let span = (show == Show::Events).then(|| {
        scope.open(Kind::CommandStarted {
            command: exec.command.clone(),
            limit: exec.timeout.map(micros),
        })
    });
    let mut stdout = Vec::new();
    let mut stderr = Vec::new();
    let mut live = LIVE;
    let result = agent.exec(exec, &limit, &mut |stream, bytes| {
        let (kept, most) = match stream {
            Stream::Stdout => (&mut stdout, STDOUT),
            Stream::Stderr => (&mut stderr, STDERR),
        };
        // One byte too many tells that there was more.
        let room = (most + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        // What ends at once is told at its end.
        if let Some(span) = span
            && live > 0
            && since.elapsed() > Duration::from_secs(1)
        {
            let piece = &bytes[..bytes.len().min(live)];
            live -= piece.len();
            let text = String::from_utf8_lossy(piece).into_owned();
            scope.on(span, Kind::CommandOutput { stream, text });
        }
    });
    let too_long = stdout.len() > STDOUT;
    stderr.truncate(STDERR);
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    if let Some(span) = span {
        scope.on(
            span,
            Kind::CommandFinished {
                status: result.as_ref().ok().copied(),
                stdout: Text::new(&stdout),
                stderr: Text::new(&stderr),
                duration: micros(since.elapsed()),
            },
        );
    }
    let name = handle.machine.name();
    match result {
        Ok(_) if too_long => Err(Raise::machine(format!(
            "command `{}` wrote more than {} MiB",
            exec.command,
            STDOUT >> 20
        ))),
        Ok(status) => Ok(Ran {
            status,
            stdout,
            stderr,
        }),
        Err(fault) => {
            let what = named(handle, fault);
            let message = format!(
                "command `{}` could not be finished: {}",
                exec.command, what.message
            );
            let ran = Ran {
                status: -1,
                stdout,
                stderr,
            };
            Err(ran.explain(Raise { message, ..what }, name, &exec.command))
        }
    }
}
