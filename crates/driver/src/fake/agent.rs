//! The inside of a fake machine.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use snowglobe_events::Stream;

use super::over;
use crate::Limit;
use crate::world::{Agent, Exec, Facts, Fault, Listener, Pty, PtySize, UnitVerdict};

/// Answers as the agent of a machine does.
pub(super) struct FakeAgent {
    pub home: PathBuf,
    pub running: Arc<AtomicBool>,
}

impl FakeAgent {
    /// Looks every few milliseconds until it is so; whether it was in time.
    fn until(&self, limit: &Limit, mut so: impl FnMut() -> bool) -> Result<bool, Fault> {
        loop {
            if so() {
                return Ok(true);
            }
            if !self.running.load(Ordering::SeqCst) {
                return Err(Fault::Stopped {
                    why: "powered off".to_owned(),
                });
            }
            match over(limit) {
                Err(Fault::TimedOut) => return Ok(false),
                other => other?,
            }
            limit.sleep(Duration::from_millis(5));
        }
    }
}

impl Agent for FakeAgent {
    fn exec(
        &self,
        exec: &Exec,
        limit: &Limit,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<i32, Fault> {
        let failed = |error: std::io::Error| Fault::failed(format!("bash: {error}"));
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(format!("set -euo pipefail; {}", exec.command))
            .current_dir(exec.cwd.as_deref().unwrap_or("/tmp"))
            .env("FAKE", &self.home)
            .envs(&exec.env)
            .process_group(0)
            .stdin(if exec.stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(user) = &exec.user {
            command.env("USER", user);
        }
        let mut child = command.spawn().map_err(failed)?;
        let (sender, receiver) = mpsc::channel();
        if let (Some(mut stdin), Some(data)) = (child.stdin.take(), exec.stdin.clone()) {
            std::thread::spawn(move || stdin.write_all(&data));
        }
        let forward = |mut from: Box<dyn Read + Send>, stream| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut buffer = vec![0; 1 << 16];
                while let Ok(count @ 1..) = from.read(&mut buffer) {
                    if sender.send(Ok((stream, buffer[..count].to_vec()))).is_err() {
                        return;
                    }
                }
                let _ = sender.send(Err(stream));
            });
        };
        if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
            forward(Box::new(out), Stream::Stdout);
            forward(Box::new(err), Stream::Stderr);
        }
        let end = exec.timeout.map(|timeout| Instant::now() + timeout);
        let kill = |child: &mut std::process::Child| {
            if let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
                let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
            }
            let _ = child.wait();
        };
        let (mut at_end, mut error_at_end) = (false, false);
        loop {
            while let Ok(piece) = receiver.try_recv() {
                match piece {
                    Ok((stream, bytes)) => output(stream, &bytes),
                    Err(stream) => {
                        at_end |= stream == Stream::Stdout;
                        error_at_end |= stream == Stream::Stderr;
                    }
                }
            }
            if at_end && let Some(status) = child.try_wait().map_err(failed)? {
                // What was written to standard error before the end; a child may hold it open.
                while !error_at_end
                    && let Ok(Ok((stream, bytes))) =
                        receiver.recv_timeout(Duration::from_millis(100))
                {
                    output(stream, &bytes);
                }
                let code = status.code().or(status.signal().map(|signal| 128 + signal));
                return Ok(code.unwrap_or(-1));
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                kill(&mut child);
                return Ok(124);
            }
            if !self.running.load(Ordering::SeqCst) {
                kill(&mut child);
                return Err(Fault::Stopped {
                    why: "powered off".to_owned(),
                });
            }
            if let Err(fault) = over(limit) {
                kill(&mut child);
                return Err(fault);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn wait_unit(
        &self,
        unit: &str,
        _user: Option<&str>,
        limit: &Limit,
    ) -> Result<UnitVerdict, Fault> {
        let mut verdict = UnitVerdict::Inactive;
        let mut state = String::new();
        let reached = self.until(limit, || {
            let read = std::fs::read_to_string(self.home.join("units").join(unit));
            read.unwrap_or_else(|_| "inactive".to_owned())
                .trim()
                .clone_into(&mut state);
            verdict = match state.as_str() {
                "active" => UnitVerdict::Active,
                "failed" => UnitVerdict::Failed,
                "inactive" => UnitVerdict::Inactive,
                _ => return false,
            };
            true
        })?;
        Ok(if reached {
            verdict
        } else {
            UnitVerdict::TimedOut { state }
        })
    }

    fn wait_file(&self, path: &str, limit: &Limit) -> Result<bool, Fault> {
        let exec = Exec {
            command: format!("test -e {path}"),
            ..Exec::default()
        };
        self.until(limit, || {
            self.exec(&exec, limit, &mut |_, _| {})
                .is_ok_and(|status| status == 0)
        })
    }

    fn wait_port(
        &self,
        address: &str,
        port: u16,
        open: bool,
        limit: &Limit,
    ) -> Result<bool, Fault> {
        self.until(limit, || {
            std::net::TcpStream::connect((address, port)).is_ok() == open
        })
    }

    fn wait_socket(&self, path: &str, _datagram: bool, limit: &Limit) -> Result<bool, Fault> {
        self.until(limit, || {
            std::os::unix::net::UnixStream::connect(path).is_ok()
        })
    }

    fn tty_text(&self, tty: &str, unlike: Option<&str>, limit: &Limit) -> Result<String, Fault> {
        let path = self.home.join(format!("tty{tty}"));
        let read = || std::fs::read_to_string(&path).unwrap_or_default();
        self.until(limit, || unlike.is_none_or(|unlike| read() != unlike))?;
        Ok(read())
    }

    fn power_off(&self) -> Result<(), Fault> {
        std::fs::write(self.home.join("off"), b"").map_err(|error| Fault::failed(error.to_string()))
    }

    fn put(
        &self,
        target: &str,
        name: &str,
        archive: &mut dyn Read,
        limit: &Limit,
    ) -> Result<(), Fault> {
        let mut data = Vec::new();
        archive
            .read_to_end(&mut data)
            .map_err(|error| Fault::failed(error.to_string()))?;
        let command = "t=$(mktemp -d); tar -x -C \"$t\"; mkdir -p \"$(dirname \"$target\")\"; \
                       if [ -d \"$target\" ]; then target=\"$target/$name\"; fi; \
                       cp -r \"$t/tree\" \"$target\"; rm -r \"$t\"";
        let env = [("target", target), ("name", name)];
        let exec = Exec {
            command: command.to_owned(),
            env: env
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            stdin: Some(data),
            ..Exec::default()
        };
        let mut error = Vec::new();
        match self.exec(&exec, limit, &mut |_, bytes| error.extend_from_slice(bytes))? {
            0 => Ok(()),
            _ => Err(Fault::failed(String::from_utf8_lossy(&error))),
        }
    }

    fn get(&self, source: &str, archive: &mut dyn Write, limit: &Limit) -> Result<(), Fault> {
        let exec = Exec {
            command: "tar -c -C \"$(dirname \"$source\")\" --transform='s,^[^/]*,tree,S' \"$(basename \"$source\")\""
                .to_owned(),
            env: [("source".to_owned(), source.to_owned())].into(),
            ..Exec::default()
        };
        let (mut out, mut error) = (Vec::new(), Vec::new());
        let status = self.exec(&exec, limit, &mut |stream, bytes| match stream {
            Stream::Stdout => out.extend_from_slice(bytes),
            Stream::Stderr => error.extend_from_slice(bytes),
        })?;
        if status != 0 {
            return Err(Fault::failed(String::from_utf8_lossy(&error)));
        }
        archive
            .write_all(&out)
            .map_err(|error| Fault::failed(error.to_string()))
    }

    fn pty(
        &self,
        _command: Option<&str>,
        _size: PtySize,
        _term: &str,
    ) -> Result<Box<dyn Pty>, Fault> {
        Err(Fault::unsupported("a terminal in a fake machine"))
    }

    fn facts(&self, _limit: &Limit) -> Result<Facts, Fault> {
        let units = std::fs::read_dir(self.home.join("units"))
            .into_iter()
            .flatten()
            .flatten();
        let failed = units.filter(|unit| {
            std::fs::read_to_string(unit.path()).is_ok_and(|state| state.trim() == "failed")
        });
        let failed_units: Vec<String> = failed
            .map(|unit| unit.file_name().to_string_lossy().into_owned())
            .collect();
        let state = if failed_units.is_empty() {
            "running"
        } else {
            "degraded"
        };
        Ok(Facts {
            system_state: state.to_owned(),
            failed_units,
            listeners: vec![Listener {
                protocol: "tcp".to_owned(),
                address: "0.0.0.0".to_owned(),
                port: 80,
            }],
            memory_total_kib: 1 << 20,
            memory_available_kib: 1 << 19,
            ..Facts::default()
        })
    }
}
