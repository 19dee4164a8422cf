//! Python and its like from the tools layer, each run in a sandbox of its own.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use snowglobe_driver::{Exit, Job, Process, Standard, Tools};
use snowglobe_plan::StorePath;
use snowglobe_sandbox::{Access, Child, ExitStatus, Sandbox, Terminal};
use snowglobe_store::Store;

/// Programs of the tools layer. They see the layer, what a job names, and nothing else.
pub struct SandboxTools {
    layers: Vec<PathBuf>,
    store: Store,
    identity: String,
}

impl SandboxTools {
    /// `layers` are the directories of the tools, lowest first; `identity` changes when their
    /// content does.
    pub fn new(layers: Vec<PathBuf>, store: Store, identity: String) -> Self {
        Self {
            layers,
            store,
            identity,
        }
    }

    /// Where something that a job wants to see lies on the host.
    fn source(&self, path: &Path) -> PathBuf {
        let object = path.to_str().and_then(|path| StorePath::parse(path).ok());
        match object {
            Some(object) if self.store.contains(&object) => self.store.object(&object),
            _ => path.to_owned(),
        }
    }
}

impl Tools for SandboxTools {
    fn start(&self, job: Job) -> io::Result<Box<dyn Process>> {
        let mut sandbox = Sandbox::new(self.layers.iter().cloned());
        for (path, writable) in &job.visible {
            let access = if *writable {
                Access::ReadWrite
            } else {
                Access::ReadOnly
            };
            sandbox.bind(self.source(path), path, access);
        }
        let program = match job.program.as_str() {
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            name => format!("/usr/bin/{name}"),
        };
        let mut command = sandbox.command(&program);
        command
            .args(&job.args)
            .envs(job.env)
            .env("PATH", "/usr/bin:/bin")
            .current_dir(&job.cwd);
        if let Some(descriptor) = job.inherit {
            command.inherit(descriptor);
        }
        match job.standard {
            Standard::Pipes => {
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
            }
            Standard::PipesWithInput => {
                command
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped());
            }
            Standard::Terminal => {
                command
                    .stdin(Stdio::inherit())
                    .stdout(Stdio::inherit())
                    .stderr(Stdio::inherit());
                command.terminal(Terminal::Shared);
            }
        }
        let child = command.spawn().map_err(io::Error::other)?;
        Ok(Box::new(Running(child)))
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }
}

struct Running(Child);

impl Process for Running {
    fn take_stdin(&mut self) -> Option<OwnedFd> {
        self.0.stdin.take().map(OwnedFd::from)
    }

    fn take_stdout(&mut self) -> Option<OwnedFd> {
        self.0.stdout.take().map(OwnedFd::from)
    }

    fn take_stderr(&mut self) -> Option<OwnedFd> {
        self.0.stderr.take().map(OwnedFd::from)
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    fn try_wait(&mut self) -> io::Result<Option<Exit>> {
        let status = self.0.try_wait().map_err(io::Error::other)?;
        Ok(status.map(|status| match status {
            ExitStatus::Exited(code) => Exit::Code(code),
            ExitStatus::Signaled(signal) => Exit::Signal(signal),
        }))
    }
}
