//! One program to be run in a sandbox.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::thread::CapabilitySet;

use crate::child::{Child, ExitStatus};
use crate::connector::Connector;
use crate::error::{Error, explain};
use crate::idmap;
use crate::protocol::{FromStage, ToStage, send};
use crate::spec::{Access, Ids, Limit, Mount, Network, Root, Spec, Terminal, UserNamespace};
use crate::stage;
use crate::world::Sandbox;

/// How long the preparation of a sandbox may take.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How often it is asked whether a program is still wanted.
const TICK: Duration = Duration::from_millis(100);

/// Variables of the host that programs with network need.
const NETWORK_VARIABLES: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];

/// Variables of the host that name certificate files or directories.
const CERTIFICATE_VARIABLES: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NIX_SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
];

/// A program, its arguments and what it is given besides the [`Sandbox`].
///
/// The environment is empty except for what is set here (and the host's proxy and certificate
/// variables with [`Network::Host`]). Standard input, output and error are `/dev/null` by default.
#[derive(Debug)]
pub struct Command {
    sandbox: Sandbox,
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: PathBuf,
    uid: u32,
    gid: u32,
    limits: Vec<Limit>,
    terminal: Terminal,
    inherited: Vec<OwnedFd>,
    connectable: bool,
    stdin: Stdio,
    stdout: Stdio,
    stderr: Stdio,
}

/// What a program wrote before it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Everything written to standard output.
    pub stdout: Vec<u8>,
    /// Everything written to standard error.
    pub stderr: Vec<u8>,
}

impl Command {
    pub(crate) fn new(sandbox: Sandbox, program: OsString) -> Self {
        Self {
            sandbox,
            program,
            args: Vec::new(),
            env: Vec::new(),
            cwd: "/".into(),
            uid: 0,
            gid: 0,
            limits: Vec::new(),
            terminal: Terminal::Detached,
            inherited: Vec::new(),
            connectable: false,
            stdin: Stdio::null(),
            stdout: Stdio::null(),
            stderr: Stdio::null(),
        }
    }

    /// Adds one argument.
    pub fn arg(&mut self, arg: impl Into<OsString>) -> &mut Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<OsString>>(&mut self, args: impl IntoIterator<Item = A>) -> &mut Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets one variable.
    pub fn env(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> &mut Self {
        let name = name.into();
        self.env.retain(|(other, _)| *other != name);
        self.env.push((name, value.into()));
        self
    }

    /// Sets several variables.
    pub fn envs<N: Into<OsString>, V: Into<OsString>>(
        &mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> &mut Self {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// The working directory inside; `/` by default.
    pub fn current_dir(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.cwd = path.into();
        self
    }

    /// The ids of the program inside; root by default.
    pub fn user(&mut self, uid: u32, gid: u32) -> &mut Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    /// Sets a resource limit.
    pub fn limit(&mut self, limit: Limit) -> &mut Self {
        self.limits.push(limit);
        self
    }

    /// Whether the program belongs to our terminal session; it does not by default.
    pub fn terminal(&mut self, terminal: Terminal) -> &mut Self {
        self.terminal = terminal;
        self
    }

    /// Gives a descriptor to the program, which has it under the number that is returned. It is
    /// kept open here until this command is dropped or spawned.
    pub fn inherit(&mut self, descriptor: impl Into<OwnedFd>) -> RawFd {
        let descriptor = descriptor.into();
        let number = descriptor.as_raw_fd();
        self.inherited.push(descriptor);
        number
    }

    /// Lets us connect to what listens on the sandbox's loopback: [`Child::take_connector`].
    pub fn connectable(&mut self) -> &mut Self {
        self.connectable = true;
        self
    }

    /// Where standard input comes from.
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.stdin = stdin.into();
        self
    }

    /// Where standard output goes.
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.stdout = stdout.into();
        self
    }

    /// Where standard error goes.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.stderr = stderr.into();
        self
    }

    /// Starts the program. Returns when it runs.
    ///
    /// # Errors
    ///
    /// When something given is missing, the host forbids what is needed (with a hint what to
    /// change), or the program cannot be executed.
    pub fn spawn(&mut self) -> Result<Child, Error> {
        let mut spec = self.spec()?;
        let connector = match self.connectable {
            true => Some(Connector::pair().map_err(Error::Stage)?),
            false => None,
        };
        spec.connector = connector.as_ref().map(|(_, theirs)| theirs.as_raw_fd());
        let spec_text = serde_json::to_vec(&spec).map_err(|error| Error::Stage(error.into()))?;
        let spec_file = memfd_create("snowglobe-sandbox", MemfdFlags::CLOEXEC)
            .map_err(|errno| Error::Stage(errno.into()))?;
        fs_err::File::from_parts(
            spec_file.try_clone().map_err(Error::Stage)?.into(),
            "(memfd)",
        )
        .write_all(&spec_text)
        .map_err(Error::Stage)?;
        let (control, stage_control) = UnixStream::pair().map_err(Error::Stage)?;

        let mut passed: Vec<RawFd> = self.inherited.iter().map(AsRawFd::as_raw_fd).collect();
        passed.extend([spec_file.as_raw_fd(), stage_control.as_raw_fd()]);
        passed.extend(spec.connector);
        // Without a mention of it, the linker might leave the hook out.
        std::hint::black_box(&stage::HOOK);
        let mut command = std::process::Command::new("/proc/self/exe");
        command
            .arg0(stage::FIRST)
            .arg(spec_file.as_raw_fd().to_string())
            .arg(stage_control.as_raw_fd().to_string())
            .env_clear()
            .current_dir("/")
            .stdin(std::mem::replace(&mut self.stdin, Stdio::null()))
            .stdout(std::mem::replace(&mut self.stdout, Stdio::null()))
            .stderr(std::mem::replace(&mut self.stderr, Stdio::null()));
        // SAFETY: the closure runs between fork and exec. It makes plain system calls on
        // descriptors that are open then, and neither allocates nor locks.
        unsafe {
            command.pre_exec(move || {
                for number in &passed {
                    fcntl_setfd(BorrowedFd::borrow_raw(*number), FdFlags::empty())?;
                }
                Ok(())
            });
        }
        let process = command.spawn().map_err(Error::Stage)?;
        drop(command);
        drop(stage_control);
        self.inherited.clear();
        let mut child = Child::new(process, control, spec.program.clone())?;
        child.connector = connector.map(|(ours, _)| ours);
        match self.accompany(&mut child, &spec) {
            Ok(()) => Ok(child),
            Err(error) => {
                child.kill();
                Err(error)
            }
        }
    }

    /// Runs the program to its end and collects what it writes.
    ///
    /// # Errors
    ///
    /// As [`Command::spawn`], and when it takes longer than `limit`; it is killed then.
    pub fn output(&mut self, limit: Duration) -> Result<Output, Error> {
        self.output_unless(limit, &|| false)
    }

    /// As [`Command::output`], unless `stop` says yes, which is asked again and again: then the program
    /// is killed.
    ///
    /// # Errors
    ///
    /// As [`Command::output`], and [`Error::Stopped`].
    pub fn output_unless(
        &mut self,
        limit: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Output, Error> {
        self.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn()?;
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        let begun = Instant::now();
        let status = loop {
            let left = limit.saturating_sub(begun.elapsed());
            if let Some(status) = child.wait_timeout(left.min(TICK))? {
                break status;
            }
            let program = child.program().to_owned();
            if stop() {
                child.kill();
                return Err(Error::Stopped { program });
            }
            if left.is_zero() {
                child.kill();
                return Err(Error::TimedOut { program, limit });
            }
        };
        let finish = |reader: Option<Collector>| match reader {
            Some(reader) => reader
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the reader panicked")))
                .map_err(|source| Error::Io {
                    what: "read the output of",
                    source,
                }),
            None => Ok(Vec::new()),
        };
        Ok(Output {
            status,
            stdout: finish(stdout)?,
            stderr: finish(stderr)?,
        })
    }

    /// Answers the stages until the program runs.
    fn accompany(&self, child: &mut Child, spec: &Spec) -> Result<(), Error> {
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            let message = child
                .receive(deadline)?
                .ok_or_else(|| Error::Protocol("ended before the program ran".into()))?;
            match message {
                FromStage::MapIds => {
                    idmap::map_range(child.id())?;
                    send(child.control(), &ToStage::IdsMapped).map_err(Error::Stage)?;
                }
                FromStage::Started => return Ok(()),
                FromStage::Failed(failure) => return Err(explain(failure)),
                FromStage::NotExecuted { errno } => {
                    return Err(Error::Execute {
                        program: spec.program.clone(),
                        source: io::Error::from_raw_os_error(errno),
                    });
                }
                message @ FromStage::Ended(_) => {
                    return Err(Error::Protocol(format!("said {message:?} too early")));
                }
            }
        }
    }

    fn spec(&self) -> Result<Spec, Error> {
        let world = &self.sandbox;
        let layers = world
            .layers
            .iter()
            .map(|path| existing("the layer", path))
            .collect::<Result<_, _>>()?;
        let root = match &world.root {
            Root::Overlay {
                upper,
                work,
                volatile,
            } => Root::Overlay {
                upper: existing("the upper directory", upper)?,
                work: existing("the work directory", work)?,
                volatile: *volatile,
            },
            other => other.clone(),
        };
        let mut mounts = Vec::new();
        let mut env = Vec::new();
        if world.network == Network::Host {
            for (name, value) in network_environment() {
                if CERTIFICATE_VARIABLES.contains(&name)
                    && let Ok(source) = fs_err::canonicalize(&value)
                {
                    let target = PathBuf::from(&value);
                    mounts.push(Mount::Bind {
                        source,
                        target,
                        access: Access::ReadOnly,
                    });
                }
                env.push((name.to_owned(), value));
            }
            for file in ["/etc/resolv.conf", "/etc/hosts"] {
                if let Ok(source) = fs_err::canonicalize(file) {
                    let target = file.into();
                    mounts.push(Mount::Bind {
                        source,
                        target,
                        access: Access::ReadOnly,
                    });
                }
            }
        }
        for mount in &world.mounts {
            mounts.push(match mount {
                Mount::Bind {
                    source,
                    target,
                    access,
                } => Mount::Bind {
                    source: existing("the bind source", source)?,
                    target: target.clone(),
                    access: *access,
                },
                other => other.clone(),
            });
        }
        for (name, value) in &self.env {
            let name = text("a variable's name", name.clone())?;
            env.retain(|(other, _)| *other != name);
            env.push((name, text("a variable", value.clone())?));
        }
        Ok(Spec {
            user_namespace: self.user_namespace(),
            network: world.network,
            terminal: self.terminal,
            hostname: world.hostname.clone(),
            layers,
            root,
            mounts,
            devices: world.devices.clone(),
            program: text("the program", self.program.clone())?,
            args: self
                .args
                .iter()
                .map(|arg| text("an argument", arg.clone()))
                .collect::<Result<_, _>>()?,
            env,
            cwd: self.cwd.clone(),
            uid: self.uid,
            gid: self.gid,
            privileges: world.privileges,
            limits: self.limits.clone(),
            inherited: self.inherited.iter().map(AsRawFd::as_raw_fd).collect(),
            connector: None,
        })
    }

    fn user_namespace(&self) -> Option<UserNamespace> {
        let privileged = rustix::thread::capabilities(None)
            .is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN));
        if privileged && !self.sandbox.always_user_namespace {
            return None;
        }
        Some(match self.sandbox.ids {
            Ids::Single => UserNamespace::Single {
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
            },
            Ids::Range => UserNamespace::Range,
        })
    }
}

type Collector = std::thread::JoinHandle<io::Result<Vec<u8>>>;

fn collect(mut source: impl Read + Send + 'static) -> Collector {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes)?;
        Ok(bytes)
    })
}

/// The host's variables that programs with network need.
fn network_environment() -> Vec<(&'static str, String)> {
    NETWORK_VARIABLES
        .iter()
        .chain(CERTIFICATE_VARIABLES)
        .filter_map(|name| Some((*name, std::env::var(name).ok()?)))
        .collect()
}

/// Checks that a path can be opened, and makes it absolute and free of links.
fn existing(what: &'static str, path: &Path) -> Result<PathBuf, Error> {
    let given = |source| Error::Given {
        what,
        path: path.to_owned(),
        source,
    };
    let path = path.canonicalize().map_err(given)?;
    match path.to_str() {
        Some(_) => Ok(path),
        None => Err(Error::NotUtf8 {
            what,
            value: path.into_os_string(),
        }),
    }
}

fn text(what: &'static str, value: OsString) -> Result<String, Error> {
    value
        .into_string()
        .map_err(|value| Error::NotUtf8 { what, value })
}
