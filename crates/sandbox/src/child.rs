//! A running program.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::connector::Connector;
use crate::error::Error;
use crate::protocol::{FromStage, Receiver, ToStage, send};

/// How long the kernel may take to end everything in a sandbox.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It called `exit` with this status.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
}

impl ExitStatus {
    /// Whether it exited with status 0.
    pub fn success(self) -> bool {
        self == Self::Exited(0)
    }
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit status {code}"),
            Self::Signaled(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// A program that runs in a sandbox, with all its descendants. Dropping it kills them.
#[derive(Debug)]
pub struct Child {
    /// The program's standard input, when it was to be piped.
    pub stdin: Option<ChildStdin>,
    /// The program's standard output, when it was to be piped.
    pub stdout: Option<ChildStdout>,
    /// The program's standard error, when it was to be piped.
    pub stderr: Option<ChildStderr>,
    process: std::process::Child,
    pidfd: OwnedFd,
    control: UnixStream,
    receiver: Receiver,
    program: String,
    status: Option<ExitStatus>,
    pub(crate) connector: Option<Connector>,
}

impl Child {
    pub(crate) fn new(
        mut process: std::process::Child,
        control: UnixStream,
        program: String,
    ) -> Result<Self, Error> {
        let prepared = pidfd_open(Pid::from_child(&process), PidfdFlags::empty())
            .map_err(io::Error::from)
            .and_then(|pidfd| Ok((pidfd, Receiver::new(control.try_clone()?))));
        let (pidfd, receiver) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                return Err(Error::Stage(error));
            }
        };
        Ok(Self {
            stdin: process.stdin.take(),
            stdout: process.stdout.take(),
            stderr: process.stderr.take(),
            process,
            pidfd,
            control,
            receiver,
            program,
            status: None,
            connector: None,
        })
    }

    /// Process id, on the host, of the sandbox's outermost process (not of the program).
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The program's path inside.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// For connections to the sandbox's loopback, when the command was made connectable.
    pub fn take_connector(&mut self) -> Option<Connector> {
        self.connector.take()
    }

    /// Readable when everything in the sandbox has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        send(&self.control, &ToStage::Signal(signal.as_raw())).map_err(|source| Error::Io {
            what: "signal",
            source,
        })
    }

    /// Waits for the end of the program, and with it of everything in the sandbox.
    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
        loop {
            if let Some(status) = self.wait_until(None)? {
                return Ok(status);
            }
        }
    }

    /// As [`Child::wait`]; `None` when it still runs after `limit`.
    pub fn wait_timeout(&mut self, limit: Duration) -> Result<Option<ExitStatus>, Error> {
        self.wait_until(Some(Instant::now() + limit))
    }

    /// How it ended, when it has.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.wait_timeout(Duration::ZERO)
    }

    /// Kills everything in the sandbox and waits until it is gone. Does nothing when it has ended.
    pub fn kill(&mut self) {
        if self.status.is_some() {
            return;
        }
        // Process 1 inside leaves at the end of file, and the kernel kills the others.
        let _ = self.control.shutdown(std::net::Shutdown::Write);
        if !matches!(self.wait_timeout(KILL_LIMIT), Ok(Some(_))) {
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
            let _ = self.process.wait();
            self.status
                .get_or_insert(ExitStatus::Signaled(Signal::KILL.as_raw()));
        }
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<Option<ExitStatus>, Error> {
        if self.status.is_some() {
            return Ok(self.status);
        }
        let failed = |source| Error::Io {
            what: "wait for",
            source,
        };
        if !readable(self.pidfd.as_fd(), deadline).map_err(failed)? {
            return Ok(None);
        }
        self.process.wait().map_err(failed)?;
        // The stages have said how the program ended before they left; if they were killed, so was it.
        let mut status = ExitStatus::Signaled(Signal::KILL.as_raw());
        while readable(self.control.as_fd(), Some(Instant::now())).unwrap_or(false) {
            match self.receiver.next() {
                Ok(Some(FromStage::Ended(ended))) => status = ended,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        self.status = Some(status);
        Ok(self.status)
    }

    pub(crate) fn control(&self) -> &UnixStream {
        &self.control
    }

    /// The next message of the stages; `None` when they are gone.
    pub(crate) fn receive(&mut self, deadline: Instant) -> Result<Option<FromStage>, Error> {
        let started = Instant::now();
        if !readable(self.control.as_fd(), Some(deadline)).map_err(Error::Stage)? {
            return Err(Error::NotReady(deadline - started));
        }
        self.receiver.next().map_err(Error::Stage)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until a descriptor can be read or has ended; no deadline means for ever.
fn readable(descriptor: BorrowedFd<'_>, deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        let left = deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        let mut waited = [PollFd::new(&descriptor, PollFlags::IN)];
        match poll(&mut waited, left.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
