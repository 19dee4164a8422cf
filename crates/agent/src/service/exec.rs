//! Commands. One ends when its process has exited and its standard output is at its end; standard
//! error is drained, and not waited for. What it left in the background lives on. Its process group
//! is killed only when its time limit passes or the request is cancelled.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::Signal;
use snowglobe_agent_protocol::{CHUNK, Channel, Exec, Failure, Outcome, Timing, ToHost};

use super::call::{Answer, Call, Input, cancelled, earlier, system, wait};
use super::output::{Live, Sink, drain_late};
use super::session::{Context, Finish};
use super::spawn::{self, Process};

/// Status of a command that its time limit ended, as that of `timeout`.
pub const TIMED_OUT: i32 = 124;
/// Between asking a group to end and making it.
const GRACE: Duration = Duration::from_secs(5);
/// How long output is still waited for after everyone was killed.
const AFTERMATH: Duration = Duration::from_secs(1);

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub status: i32,
    pub timed_out: bool,
    /// Standard error that others still hold.
    pub stderr: Option<OwnedFd>,
}

/// Carries out an `Exec` request.
pub fn run(context: &Context, call: Call, exec: Exec, text: Vec<u8>, done: Finish) {
    let ended = run_inner(context, &call, &exec, &text);
    done.finish();
    let mut late = None;
    call.answer(ended.map(|ended| {
        late = ended.stderr;
        Answer::from(Outcome::Exited {
            status: ended.status,
            timed_out: ended.timed_out,
        })
    }));
    let (link, id) = (call.link(), call.id);
    drop((call, exec, text));
    if let Some(stderr) = late {
        drain_late(&link, id, &stderr);
    }
}

fn run_inner(context: &Context, call: &Call, exec: &Exec, text: &[u8]) -> Result<Ended, Failure> {
    if exec.timing == Timing::Login {
        context.login.wait(call, None)?;
    }
    let process = spawn::start(context, exec, text)?;
    call.tell(
        &ToHost::Started {
            pid: process.child.id(),
        },
        &[],
    );
    attend(call, process, exec.timeout_ms, &mut Live(call))
}

/// What is to be done about a process that shall end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    /// Nothing yet.
    No,
    /// It was asked; at this time it is made to.
    Asked(Instant),
    /// It was killed; at this time nothing more is waited for.
    Killed(Instant),
}

struct Attendance<'a> {
    call: &'a Call,
    process: Process,
    status: Option<i32>,
    ending: Ending,
    timed_out: bool,
    cancelled: bool,
    /// What standard input has not taken yet.
    input: Vec<u8>,
    input_ended: bool,
}

/// Stays with a process to its end.
pub fn attend(
    call: &Call,
    process: Process,
    timeout_ms: Option<u64>,
    sink: &mut dyn Sink,
) -> Result<Ended, Failure> {
    let limit = super::call::deadline(timeout_ms);
    let mut attendance = Attendance {
        call,
        process,
        status: None,
        ending: Ending::No,
        timed_out: false,
        cancelled: false,
        input: Vec::new(),
        input_ended: false,
    };
    let mut buffer = vec![0; CHUNK];
    loop {
        attendance.take_inputs();
        attendance.apply_limits(limit);
        if attendance.is_over() {
            break;
        }
        let deadline = match attendance.ending {
            Ending::No => limit,
            Ending::Asked(at) | Ending::Killed(at) => earlier(Some(at), None),
        };
        let ready = attendance.wait(sink.is_open(), deadline)?;
        if ready.process {
            attendance.reap()?;
        }
        if ready.stdin {
            attendance.feed();
        }
        // Cancelled output is read all the same, so that nobody blocks on it while ending.
        if ready.stdout
            && read(
                &mut attendance.process.stdout,
                &mut buffer,
                Channel::Stdout,
                sink,
            )
        {
            attendance.process.stdout = None;
        }
        if ready.stderr
            && read(
                &mut attendance.process.stderr,
                &mut buffer,
                Channel::Stderr,
                sink,
            )
        {
            attendance.process.stderr = None;
        }
    }
    // What the command itself wrote is in the pipe by now: at most its 64 KiB.
    for _ in 0..4 {
        if attendance.process.stderr.is_none() {
            break;
        }
        let before = attendance
            .process
            .stderr
            .as_ref()
            .map(rustix::io::ioctl_fionread);
        if !matches!(before, Some(Ok(1..))) {
            break;
        }
        if read(
            &mut attendance.process.stderr,
            &mut buffer,
            Channel::Stderr,
            sink,
        ) {
            attendance.process.stderr = None;
        }
    }
    if attendance.cancelled {
        return Err(cancelled());
    }
    let timed_out = attendance.timed_out;
    let status = if timed_out {
        TIMED_OUT
    } else {
        attendance.status.unwrap_or(TIMED_OUT)
    };
    Ok(Ended {
        status,
        timed_out,
        stderr: attendance.process.stderr.take(),
    })
}

struct Ready {
    process: bool,
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Attendance<'_> {
    fn wait<'s>(&'s self, open: bool, deadline: Option<Instant>) -> Result<Ready, Failure> {
        let process = &self.process;
        // Output is read while it can be passed on, and in any case while the command is ending.
        let open = open || self.ending != Ending::No;
        let mut descriptors = Vec::with_capacity(5);
        let mut add = |descriptor: Option<BorrowedFd<'s>>, wanted: bool, flags: PollFlags| {
            let descriptor = descriptor.filter(|_| wanted)?;
            descriptors.push(PollFd::from_borrowed_fd(descriptor, flags));
            Some(descriptors.len() - 1)
        };
        add(Some(self.call.event()), true, PollFlags::IN);
        let of_process = add(
            Some(process.pidfd.as_fd()),
            self.status.is_none(),
            PollFlags::IN,
        );
        let stdin = process.stdin.as_ref().map(AsFd::as_fd);
        let of_stdin = add(stdin, !self.input.is_empty(), PollFlags::OUT);
        let of_stdout = add(
            process.stdout.as_ref().map(AsFd::as_fd),
            open,
            PollFlags::IN,
        );
        let of_stderr = add(
            process.stderr.as_ref().map(AsFd::as_fd),
            open,
            PollFlags::IN,
        );
        wait(&mut descriptors, deadline).map_err(|error| system("wait for a command", error))?;
        let ready = |at: Option<usize>| at.is_some_and(|at| !descriptors[at].revents().is_empty());
        Ok(Ready {
            process: ready(of_process),
            stdin: ready(of_stdin),
            stdout: ready(of_stdout),
            stderr: ready(of_stderr),
        })
    }

    fn take_inputs(&mut self) {
        self.call.clear();
        while let Some(input) = self.call.input() {
            match input {
                Input::Data { bytes, .. } if self.process.stdin.is_none() => {
                    self.call.grant(bytes.len());
                }
                Input::Data { bytes, end } => {
                    self.input.extend(bytes);
                    self.input_ended |= end;
                }
                Input::Signal(number) => {
                    if let Some(signal) = Signal::from_named_raw(number) {
                        self.process.signal_group(signal);
                    }
                }
                Input::Resize { rows, columns } => {
                    if let Some(terminal) = &self.process.terminal {
                        spawn::set_size(terminal, rows, columns);
                    }
                }
                Input::Entry(_) => {}
            }
        }
        if self.input.is_empty() && self.input_ended {
            self.process.stdin = None;
        }
        if self.call.is_cancelled() && !self.cancelled {
            self.cancelled = true;
            self.ask_to_end();
        }
    }

    fn apply_limits(&mut self, limit: Option<Instant>) {
        let now = Instant::now();
        match self.ending {
            Ending::No if limit.is_some_and(|limit| now >= limit) => {
                self.timed_out = true;
                self.ask_to_end();
            }
            // The leader is gone, or was patient long enough: nobody of the group remains.
            Ending::Asked(at) if now >= at || self.status.is_some() => {
                self.process.signal_group(Signal::KILL);
                self.ending = Ending::Killed(now + AFTERMATH);
            }
            _ => {}
        }
    }

    fn ask_to_end(&mut self) {
        if self.ending == Ending::No {
            self.process.signal_group(Signal::TERM);
            // A stopped process would not notice.
            self.process.signal_group(Signal::CONT);
            self.ending = Ending::Asked(Instant::now() + GRACE);
        }
    }

    fn is_over(&mut self) -> bool {
        let finished = self.status.is_some() && self.process.stdout.is_none();
        finished || matches!(self.ending, Ending::Killed(at) if Instant::now() >= at)
    }

    fn reap(&mut self) -> Result<(), Failure> {
        let status = self
            .process
            .child
            .wait()
            .map_err(|error| system("wait for a command", error))?;
        let code = status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal));
        self.status = Some(code.unwrap_or(TIMED_OUT));
        self.process.stdin = None;
        if self.process.terminal.is_some() {
            // Who else has the terminal does not matter to the person in front of it; what was
            // written is there already.
            self.drain_terminal();
        }
        Ok(())
    }

    fn drain_terminal(&mut self) {
        let mut buffer = vec![0; CHUNK];
        let mut sink = Live(self.call);
        while rustix::io::ioctl_fionread(
            self.process
                .terminal
                .as_ref()
                .unwrap_or(&self.process.pidfd),
        )
        .is_ok_and(|count| count > 0)
        {
            if read(
                &mut self.process.stdout,
                &mut buffer,
                Channel::Stdout,
                &mut sink,
            ) {
                break;
            }
        }
        self.process.stdout = None;
    }

    fn feed(&mut self) {
        let Some(stdin) = &self.process.stdin else {
            return;
        };
        match rustix::io::write(stdin, &self.input) {
            Ok(count) => {
                self.input.drain(..count);
                self.call.grant(count);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => {
                // Nobody reads it. The host must not wait for credit.
                self.call.grant(self.input.len());
                self.input.clear();
                self.process.stdin = None;
            }
        }
    }
}

/// Reads once. True: it is at its end.
fn read(
    from: &mut Option<OwnedFd>,
    buffer: &mut [u8],
    channel: Channel,
    sink: &mut dyn Sink,
) -> bool {
    let Some(descriptor) = from else { return true };
    match rustix::io::read(&*descriptor, &mut *buffer) {
        Ok(0) => true,
        Ok(count) => {
            sink.take(channel, &buffer[..count]);
            false
        }
        Err(Errno::AGAIN | Errno::INTR) => false,
        // A terminal without another side says so with an error.
        Err(_) => true,
    }
}
