//! The process that runs the script, and the conversation with it.

mod output;
mod package;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Map, Value, json};
use snowglobe_events::{Frame, Stream};

use self::output::Output;
use self::wire::{Receiver, Sender};
use crate::error::Raise;
use crate::methods;
use crate::session::{Session, lock};
use crate::tools::{Exit, Job, Process, Standard, Tools, wait_for};
use crate::{Cancel, RunError};

pub(crate) use self::package::ensure as ensure_package;
pub(crate) use self::wire::Incoming;

/// What the process is started with.
pub(crate) struct Setup<'a> {
    pub tools: &'a dyn Tools,
    pub package: &'a Path,
    pub out_dir: &'a Path,
    pub env: Vec<(String, String)>,
    pub visible: Vec<(PathBuf, bool)>,
    pub interactive: bool,
}

/// Where a script was when it was stopped.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub frames: Vec<Frame>,
    /// What it waited for, in words.
    pub calls: Vec<String>,
}

/// How the script ended.
#[derive(Debug)]
pub(crate) enum End {
    Passed,
    /// It raised; what it told about that.
    Raised(Map<String, Value>),
    /// Its process ended without a word.
    Died(Exit),
    /// The global limit was reached; where the script was.
    TimedOut(Place),
    /// The user stopped it; where the script was.
    Cancelled(Place),
    /// The conversation with its process broke.
    Broken(String),
}

/// The process, started but without a script yet.
pub(crate) struct ScriptProcess {
    process: Box<dyn Process>,
    socket: UnixStream,
    stdout: Option<Output>,
    stderr: Option<Output>,
}

/// Calls that are not answered yet.
#[derive(Default)]
struct Active {
    calls: Mutex<BTreeMap<u64, ActiveCall>>,
}

struct ActiveCall {
    cancel: Cancel,
    /// How often the caller wants to check its polling conditions, and when next.
    poll: Option<(Duration, Instant)>,
}

impl ScriptProcess {
    /// Starts Python, which imports what it needs and then waits for the script.
    pub fn start(setup: Setup<'_>) -> Result<Self, RunError> {
        let python = |source| RunError::Python { source };
        let (ours, theirs) = UnixStream::pair().map_err(python)?;
        let theirs = OwnedFd::from(theirs);
        let number = std::os::fd::AsRawFd::as_raw_fd(&theirs);
        let mut visible = setup.visible;
        visible.push((setup.package.to_owned(), false));
        visible.push((setup.out_dir.to_owned(), true));
        let job = Job {
            program: "python3".to_owned(),
            args: vec![
                "-IBu".to_owned(),
                setup.package.join("run.py").display().to_string(),
                number.to_string(),
            ],
            env: setup.env,
            cwd: setup.out_dir.to_owned(),
            inherit: Some(theirs),
            standard: if setup.interactive {
                Standard::Terminal
            } else {
                Standard::Pipes
            },
            visible,
        };
        let mut process = setup.tools.start(job).map_err(python)?;
        let stdout = process
            .take_stdout()
            .map(|fd| Output::new(fd, Stream::Stdout));
        let stderr = process
            .take_stderr()
            .map(|fd| Output::new(fd, Stream::Stderr));
        Ok(Self {
            process,
            socket: ours,
            stdout: stdout.transpose().map_err(python)?,
            stderr: stderr.transpose().map_err(python)?,
        })
    }

    /// Gives it the script and serves it to its end. Nothing of it runs after that.
    pub fn serve(mut self, session: &Arc<Session>, hello: &Value) -> Result<End, RunError> {
        let broken = |source| RunError::Python { source };
        let socket = self.socket.try_clone().map_err(broken)?;
        let sender = Arc::new(Sender::new(socket, PATIENCE).map_err(broken)?);
        sender.send(hello);
        let (wake, waker) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|error| broken(error.into()))?;
        let waker = Arc::new(waker);
        let hook = waker.clone();
        session.cancel.on_cancel(move || {
            let _ = rustix::io::write(&*hook, b"!");
        });
        let mut serving = Serving {
            session: session.clone(),
            sender,
            receiver: Receiver::default(),
            active: Arc::default(),
            finished: None,
            at: None,
        };
        let end = serving.run(&mut self, wake.as_fd());
        self.process.kill();
        // Nobody waits for what is under way.
        for call in lock(&serving.active.calls).values() {
            call.cancel.cancel();
        }
        for output in [&mut self.stdout, &mut self.stderr].into_iter().flatten() {
            output.drain(&session.scope);
            output.flush(&session.scope);
        }
        let patience = Instant::now() + Duration::from_secs(5);
        while !lock(&serving.active.calls).is_empty() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(end)
    }
}

/// The loop of a script.
struct Serving {
    session: Arc<Session>,
    sender: Arc<Sender>,
    receiver: Receiver,
    active: Arc<Active>,
    finished: Option<Map<String, Value>>,
    /// The answer to the question where the script is.
    at: Option<Vec<(u32, String)>>,
}

/// How long the process may leave an answer unread. Its receiving thread does nothing else.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many calls may be under way at once.
const CALLS: usize = 512;
/// How often the process is looked at when nothing happens.
const LOOK: Duration = Duration::from_millis(100);

impl Serving {
    fn run(&mut self, script: &mut ScriptProcess, wake: BorrowedFd<'_>) -> End {
        let mut look = Instant::now() + LOOK;
        loop {
            if self.session.cancel.is_cancelled() {
                return End::Cancelled(self.ask_where(script));
            }
            let until = lock(&self.session.clock).until;
            if until.is_some_and(|until| Instant::now() >= until) {
                return End::TimedOut(self.ask_where(script));
            }
            if self.sender.is_broken() && script.process.try_wait().ok().flatten().is_none() {
                return End::Broken("it does not read its answers".to_owned());
            }
            let mut next = self.poll_conditions().min(LOOK);
            if let Some(until) = until {
                next = next.min(until.saturating_duration_since(Instant::now()));
            }
            let open = match self.step(script, Some(wake), next) {
                Ok(open) => open,
                Err(error) => return End::Broken(error.to_string()),
            };
            // A script that was killed may have left children that hold the socket open.
            let exit = if !open {
                wait_for(script.process.as_mut(), Duration::from_secs(5))
            } else if Instant::now() >= look {
                look = Instant::now() + LOOK;
                script.process.try_wait()
            } else {
                Ok(None)
            };
            let exit = match exit {
                Ok(None) if open => continue,
                Ok(exit) => exit,
                Err(error) => return End::Broken(error.to_string()),
            };
            // What it said last is still there.
            let _ = self.step(script, None, Duration::ZERO);
            return match (self.finished.take(), exit) {
                (Some(told), _) if told.get("ok") == Some(&Value::Bool(true)) => End::Passed,
                (Some(told), _) => End::Raised(told),
                (None, Some(Exit::Code(0))) => End::Passed,
                (None, Some(exit)) => End::Died(exit),
                (None, None) => End::Broken("it closed its connection to the driver".to_owned()),
            };
        }
    }

    /// Waits until something comes, and takes it; whether the socket is still open.
    fn step(
        &mut self,
        script: &mut ScriptProcess,
        wake: Option<BorrowedFd<'_>>,
        timeout: Duration,
    ) -> io::Result<bool> {
        let readable = {
            let mut polled = vec![PollFd::from_borrowed_fd(
                script.socket.as_fd(),
                PollFlags::IN,
            )];
            if let Some(wake) = &wake {
                polled.push(PollFd::from_borrowed_fd(*wake, PollFlags::IN));
            }
            for output in [&script.stdout, &script.stderr].into_iter().flatten() {
                if let Some(fd) = output.open() {
                    polled.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
                }
            }
            let timeout = Timespec::try_from(timeout.min(LOOK)).ok();
            match poll(&mut polled, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            !polled[0].revents().is_empty()
        };
        // The socket is read before the pipes and served after them: whatever was printed before
        // a request was sent is in its pipe by then.
        let open = !readable || self.receiver.read(script.socket.as_fd())?;
        for output in [&mut script.stdout, &mut script.stderr]
            .into_iter()
            .flatten()
        {
            output.drain(&self.session.scope);
        }
        while let Some(message) = self.receiver.next() {
            for output in [&mut script.stdout, &mut script.stderr]
                .into_iter()
                .flatten()
            {
                output.flush(&self.session.scope);
            }
            self.take(message?);
        }
        Ok(open)
    }

    fn take(&mut self, message: Incoming) {
        if let Some(number) = message.abort {
            if let Some(call) = lock(&self.active.calls).get(&number) {
                call.cancel.cancel();
            }
            return;
        }
        match message.call.as_str() {
            "finished" => {
                self.finished = Some(message.args);
                return;
            }
            "where" => {
                self.at = message
                    .args
                    .get("at")
                    .cloned()
                    .and_then(|at| serde_json::from_value(at).ok());
                return;
            }
            _ => {}
        }
        // Not a child of the run's: whoever stops the run is told first what was under way.
        let cancel = Cancel::new();
        let Some(number) = message.id else {
            // What is only told is quick, and its order counts. Nobody hears of its errors.
            let _ = methods::handle(&self.session, message, cancel);
            return;
        };
        if lock(&self.active.calls).len() >= CALLS {
            let raise = Raise::machine(format!("more than {CALLS} calls at once"));
            self.sender
                .send(&json!({"id": number, "error": raise.to_json()}));
            return;
        }
        let quick = methods::is_quick(&message.call);
        let poll = message.poll.map(|seconds| {
            let interval = Duration::from_secs_f64(seconds.clamp(0.05, 3600.0));
            (interval, Instant::now() + interval)
        });
        let call = ActiveCall {
            cancel: cancel.clone(),
            poll,
        };
        lock(&self.active.calls).insert(number, call);
        let (session, sender, active) = (
            self.session.clone(),
            self.sender.clone(),
            self.active.clone(),
        );
        let work = move || {
            let result = catch_unwind(AssertUnwindSafe(|| {
                methods::handle(&session, message, cancel)
            }))
            .unwrap_or_else(|_| {
                Err(Raise::machine(
                    "the driver failed; this is a mistake in Snowglobe",
                ))
            });
            lock(&active.calls).remove(&number);
            match result {
                Ok(answer) => {
                    let mut reply = json!({"id": number, "ok": answer.value});
                    if answer.descriptor.is_some() {
                        reply["fds"] = json!(1);
                    }
                    sender.send_with(&reply, answer.descriptor.as_ref().map(OwnedFd::as_fd));
                }
                Err(raise) => sender.send(&json!({"id": number, "error": raise.to_json()})),
            }
        };
        if quick {
            work();
            return;
        }
        let thread = std::thread::Builder::new()
            .name(format!("call {number}"))
            .spawn(work);
        if let Err(error) = thread {
            lock(&self.active.calls).remove(&number);
            let raise = Raise::machine(format!("too many calls at once: {error}"));
            self.sender
                .send(&json!({"id": number, "error": raise.to_json()}));
        }
    }

    /// Asks those who wait to check their polling conditions when it is time; how long until next.
    fn poll_conditions(&self) -> Duration {
        let now = Instant::now();
        let mut next = LOOK;
        for (number, call) in lock(&self.active.calls).iter_mut() {
            if let Some((interval, due)) = &mut call.poll {
                if *due <= now {
                    *due = now + *interval;
                    self.sender.send(&json!({"id": number, "poll": true}));
                }
                next = next.min(*due - now);
            }
        }
        next
    }

    /// Where the script is. A script that holds the interpreter does not answer; then it is where
    /// its oldest call is.
    fn ask_where(&mut self, script: &mut ScriptProcess) -> Place {
        let mut place = self.session.under_way();
        self.sender.send(&json!({"where": 1}));
        let end = Instant::now() + Duration::from_millis(700);
        while self.at.is_none() && Instant::now() < end {
            if !self
                .step(script, None, Duration::from_millis(20))
                .unwrap_or(false)
            {
                break;
            }
        }
        if let Some(at) = self.at.take().filter(|at| !at.is_empty()) {
            place.frames = self.session.frames(&at);
        }
        place
    }
}
