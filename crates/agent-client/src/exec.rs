//! Commands.

use std::time::{Duration, Instant};

use snowglobe_agent_protocol::{
    Channel, Exec, Outcome, Pty, Stderr, Stdin, Timing, ToAgent, Until,
};

use crate::request::{Event, Request};
use crate::{Agent, Error};

/// A command and how to run it. `ExecRequest::shell("…")` is a test script's command.
#[derive(Clone, Debug, Default)]
pub struct ExecRequest {
    /// Shell text; ignored if `options.program` is set.
    pub command: String,
    /// Everything else.
    pub options: Exec,
    /// Data for standard input; `None`: `/dev/null`.
    pub input: Option<Vec<u8>>,
}

impl ExecRequest {
    /// A shell command under `set -euo pipefail`.
    pub fn shell(command: impl Into<String>) -> Self {
        let options = Exec {
            strict: true,
            ..Exec::default()
        };
        Self {
            command: command.into(),
            options,
            input: None,
        }
    }

    /// A program with its arguments, without a shell.
    pub fn program(words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let program = Some(words.into_iter().map(Into::into).collect());
        let options = Exec {
            program,
            ..Exec::default()
        };
        Self {
            command: String::new(),
            options,
            input: None,
        }
    }

    /// Sets the time limit of the command itself.
    #[must_use]
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.options.timeout_ms = timeout.map(millis);
        self
    }

    /// Gives it data to read.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Runs it before basic.target is reached, with the environment that there is.
    #[must_use]
    pub fn now(mut self) -> Self {
        self.options.timing = Timing::Now;
        self
    }
}

/// What a command left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecResult {
    /// As a shell shows it.
    pub status: i32,
    /// The time limit ended it (status 124).
    pub timed_out: bool,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error up to the end of the command, unless merged or discarded.
    pub stderr: Vec<u8>,
}

/// What a command that was tried again and again left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UntilResult {
    /// Whether it succeeded (or failed, if that was wanted) in time.
    pub reached: bool,
    /// Attempts made.
    pub attempts: u32,
    /// Status of the last attempt.
    pub status: i32,
    /// Standard output of the last attempt.
    pub stdout: Vec<u8>,
    /// Standard error of the last attempt.
    pub stderr: Vec<u8>,
}

impl Agent {
    /// Runs a command to its end. Waits first until commands may run.
    pub fn exec(&self, request: &ExecRequest) -> Result<ExecResult, Error> {
        self.exec_with(request, &mut |_, _| {})
    }

    /// As [`Agent::exec`]; `output` sees what comes while it comes.
    pub fn exec_with(
        &self,
        request: &ExecRequest,
        output: &mut dyn FnMut(Channel, &[u8]),
    ) -> Result<ExecResult, Error> {
        let mut running = self.start(request)?;
        let mut result = ExecResult::default();
        let mut input = request.input.as_deref();
        // The limit runs from the start of the command, which may wait for the login environment.
        let mut deadline = None;
        let limit = request
            .options
            .timeout_ms
            .map(|limit| Duration::from_millis(limit) + self.patience());
        loop {
            while let Some(bytes) = input {
                let sent = running.send_some(bytes, true)?;
                input = (sent < bytes.len()).then_some(&bytes[sent..]);
                if sent == 0 {
                    break;
                }
            }
            match running.next(deadline)? {
                None => return Err(Error::Unresponsive(limit.unwrap_or_default())),
                Some(Event::Started { .. }) => deadline = limit.map(|limit| Instant::now() + limit),
                Some(Event::Data { channel, bytes }) => {
                    output(channel, &bytes);
                    match channel {
                        Channel::Stdout => result.stdout.extend(bytes),
                        Channel::Stderr | Channel::Late => result.stderr.extend(bytes),
                    }
                }
                Some(Event::Done(Outcome::Exited { status, timed_out }, _)) => {
                    return Ok(ExecResult {
                        status,
                        timed_out,
                        ..result
                    });
                }
                Some(Event::Done(outcome, _)) => {
                    return Err(Error::Unexpected(format!("{outcome:?}")));
                }
                Some(_) => {}
            }
        }
    }

    /// Starts a command and leaves the conversation to the caller: output is in
    /// [`Event::Data`], the end is [`Event::Done`] with [`Outcome::Exited`]. Input must be sent
    /// by [`Request::send_some`] if `request.input` is set (its content is not looked at).
    pub fn start(&self, request: &ExecRequest) -> Result<Request, Error> {
        let mut options = request.options.clone();
        if request.input.is_some() {
            options.stdin = Stdin::Stream;
        }
        self.request(
            &ToAgent::Exec(Box::new(options)),
            request.command.as_bytes(),
        )
    }

    /// Starts a command on a terminal, for a person: a login shell if `command` is empty.
    pub fn terminal(&self, command: &str, pty: Pty) -> Result<Request, Error> {
        let program = command
            .is_empty()
            .then(|| vec!["bash".to_owned(), "-l".to_owned()]);
        let options = Exec {
            program,
            pty: Some(pty),
            stdin: Stdin::Stream,
            stderr: Stderr::Merged,
            ..Exec::default()
        };
        self.request(&ToAgent::Exec(Box::new(options)), command.as_bytes())
    }

    /// Tries a command in the machine until it succeeds (or, with `success` false, fails).
    pub fn until(
        &self,
        request: &ExecRequest,
        success: bool,
        timeout: Option<Duration>,
    ) -> Result<UntilResult, Error> {
        let until = Until {
            exec: request.options.clone(),
            success,
            timeout_ms: timeout.map(millis),
            max_pause_ms: 1000,
        };
        let message = ToAgent::Until(Box::new(until));
        let mut running = self.request(&message, request.command.as_bytes())?;
        // The last attempt may begin just before the end.
        let attempt = Duration::from_millis(request.options.timeout_ms.unwrap_or(0));
        let bounded = request.options.timeout_ms.is_some();
        let limit = timeout
            .filter(|_| bounded)
            .map(|limit| limit + attempt + self.patience());
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut result = UntilResult::default();
        loop {
            match running.next(deadline)? {
                None => return Err(Error::Unresponsive(limit.unwrap_or_default())),
                Some(Event::Data {
                    channel: Channel::Stdout,
                    bytes,
                }) => result.stdout.extend(bytes),
                Some(Event::Data { bytes, .. }) => result.stderr.extend(bytes),
                Some(Event::Done(
                    Outcome::Until {
                        reached,
                        status,
                        attempts,
                    },
                    _,
                )) => {
                    return Ok(UntilResult {
                        reached,
                        status,
                        attempts,
                        ..result
                    });
                }
                Some(Event::Done(outcome, _)) => {
                    return Err(Error::Unexpected(format!("{outcome:?}")));
                }
                Some(_) => {}
            }
        }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
