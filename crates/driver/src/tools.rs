//! Programs that a run needs on its own side: Python, and what reads text off screens.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program to run.
#[derive(Debug, Default)]
pub struct Job {
    /// `python3`, `tesseract` …
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment, but for `PATH`, which the tools decide.
    pub env: Vec<(String, String)>,
    /// Where it starts.
    pub cwd: PathBuf,
    /// Inherited under the same number.
    pub inherit: Option<OwnedFd>,
    /// Its three streams.
    pub standard: Standard,
    /// Paths of the host that it sees at the same place, and whether it may write there.
    pub visible: Vec<(PathBuf, bool)>,
}

/// A program's three streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standard {
    /// Input is empty; output and error are pipes.
    #[default]
    Pipes,
    /// All three are pipes.
    PipesWithInput,
    /// Ours, for work at a terminal.
    Terminal,
}

/// Starts programs.
pub trait Tools: Send + Sync {
    /// Starts one. It ends with the thread that starts it, and with this process.
    fn start(&self, job: Job) -> io::Result<Box<dyn Process>>;

    /// Which versions these are, for cache keys.
    fn identity(&self) -> String;
}

/// A running program. Dropping it kills it with everything that it started.
pub trait Process: Send {
    /// The other end of its input, once.
    fn take_stdin(&mut self) -> Option<OwnedFd>;
    /// The other end of its output, once.
    fn take_stdout(&mut self) -> Option<OwnedFd>;
    /// The other end of its error stream, once.
    fn take_stderr(&mut self) -> Option<OwnedFd>;
    /// Kills it with everything that it started.
    fn kill(&mut self);
    /// How it ended, if it has.
    fn try_wait(&mut self) -> io::Result<Option<Exit>>;
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// Whether its status was 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with status {code}"),
            Self::Signal(signal) => write!(f, "was killed by signal {signal}"),
        }
    }
}

/// Waits for the end of a process, at most so long; then it is killed. Gives `None` then.
pub(crate) fn wait_for(process: &mut dyn Process, limit: Duration) -> io::Result<Option<Exit>> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            process.kill();
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// What a program wrote and how it ended.
pub(crate) struct Finished {
    pub exit: Exit,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Runs a program to its end.
pub(crate) fn run(
    tools: &dyn Tools,
    job: Job,
    input: &[u8],
    limit: Duration,
) -> io::Result<Finished> {
    use std::io::{Read, Write};
    let name = job.program.clone();
    let mut process = tools.start(job)?;
    let stdin = process.take_stdin();
    let read = |fd: Option<OwnedFd>| {
        let mut bytes = Vec::new();
        if let Some(fd) = fd {
            // A program that floods its output is cut off.
            let mut file = std::fs::File::from(fd).take(64 << 20);
            let _ = file.read_to_end(&mut bytes);
        }
        bytes
    };
    let (stdout, stderr) = (process.take_stdout(), process.take_stderr());
    std::thread::scope(|scope| {
        if let Some(stdin) = stdin {
            // A program that does not read its input says why itself.
            scope.spawn(move || std::fs::File::from(stdin).write_all(input));
        }
        let stdout = scope.spawn(move || read(stdout));
        let stderr = scope.spawn(move || read(stderr));
        let status = wait_for(process.as_mut(), limit)?;
        // Ends whatever the program left running, so that the pipes end.
        process.kill();
        let stdout = stdout.join().unwrap_or_default();
        let stderr = stderr.join().unwrap_or_default();
        match status {
            Some(exit) => Ok(Finished {
                exit,
                stdout,
                stderr,
            }),
            None => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{name} did not end within {} s", limit.as_secs()),
            )),
        }
    })
}

/// The host's own programs, unconfined: for development and tests, and for `SNOWGLOBE_PYTHON`.
#[derive(Clone, Debug)]
pub struct HostTools {
    python: PathBuf,
}

impl HostTools {
    /// Uses this Python.
    pub fn new(python: impl Into<PathBuf>) -> Self {
        Self {
            python: python.into(),
        }
    }

    /// Uses the Python that `SNOWGLOBE_PYTHON` names, if it does.
    pub fn from_env() -> Option<Self> {
        std::env::var_os("SNOWGLOBE_PYTHON")
            .filter(|path| !path.is_empty())
            .map(Self::new)
    }
}

impl Tools for HostTools {
    fn start(&self, job: Job) -> io::Result<Box<dyn Process>> {
        let program: &Path = match job.program.as_str() {
            "python3" => &self.python,
            other => Path::new(other),
        };
        let mut command = Command::new(program);
        command
            .args(&job.args)
            .env_clear()
            .envs(job.env)
            .current_dir(&job.cwd);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        match job.standard {
            Standard::Pipes => {
                command
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped());
            }
            Standard::PipesWithInput => {
                command
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped());
            }
            Standard::Terminal => {}
        }
        if job.standard != Standard::Terminal {
            command.process_group(0);
        }
        let inherited = job.inherit.as_ref().map(AsRawFd::as_raw_fd);
        // SAFETY: between fork and exec only system calls are made, and the descriptor is open
        // because `job.inherit` lives until after the spawn.
        unsafe {
            command.pre_exec(move || {
                if let Some(fd) = inherited {
                    let fd = std::os::fd::BorrowedFd::borrow_raw(fd);
                    rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())?;
                }
                let signal = Some(rustix::process::Signal::KILL);
                rustix::process::set_parent_process_death_signal(signal)?;
                Ok(())
            });
        }
        let child = command.spawn()?;
        let group = job.standard != Standard::Terminal;
        Ok(Box::new(HostProcess { child, group }))
    }

    fn identity(&self) -> String {
        format!("host {}", self.python.display())
    }
}

struct HostProcess {
    child: Child,
    group: bool,
}

impl Process for HostProcess {
    fn take_stdin(&mut self) -> Option<OwnedFd> {
        self.child.stdin.take().map(Into::into)
    }

    fn take_stdout(&mut self) -> Option<OwnedFd> {
        self.child.stdout.take().map(Into::into)
    }

    fn take_stderr(&mut self) -> Option<OwnedFd> {
        self.child.stderr.take().map(Into::into)
    }

    fn kill(&mut self) {
        // The group is gone when its leader was reaped and nothing else is left; then this fails.
        if self.group
            && let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed())
        {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
    }

    fn try_wait(&mut self) -> io::Result<Option<Exit>> {
        let status = self.child.try_wait()?;
        Ok(status.map(|status| match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or(0)),
        }))
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}
