//! The agent of a machine, as the driver wants it.

use std::io::{Read, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use snowglobe_agent_client as client;
use snowglobe_agent_client::protocol;
use snowglobe_agent_client::protocol::{Channel, Outcome, PowerAction, ToAgent};
use snowglobe_driver as driver;
use snowglobe_driver::{Exec, Facts, Fault, Limit, PtySize, UnitVerdict};
use snowglobe_events::Stream;

/// How often a conversation looks at its limit while nothing comes.
const LOOK: Duration = Duration::from_millis(200);

/// One machine's agent.
pub struct Agent {
    client: client::Agent,
    /// Texts of terminals by their stamps: the driver knows texts, the protocol knows stamps.
    stamps: Mutex<Vec<(String, u64)>>,
}

impl Agent {
    /// Wraps the host's end of the conversation.
    pub fn new(client: client::Agent) -> Self {
        Self {
            client,
            stamps: Mutex::default(),
        }
    }

    /// The same conversation, whose requests end when the limit is cancelled.
    fn under(&self, limit: &Limit) -> client::Agent {
        let cancel = client::Cancel::new();
        let hook = cancel.clone();
        limit.cancel.on_cancel(move || hook.cancel());
        self.client.with_cancel(cancel)
    }
}

/// The client's errors in the driver's terms.
pub fn fault(error: client::Error) -> Fault {
    match error {
        client::Error::Cancelled => Fault::Cancelled,
        client::Error::Unresponsive(_) => Fault::TimedOut,
        client::Error::Disconnected | client::Error::Restarted => Fault::Stopped {
            why: error.to_string(),
        },
        other => Fault::failed(other.to_string()),
    }
}

fn stream(channel: Channel) -> Stream {
    match channel {
        Channel::Stdout => Stream::Stdout,
        Channel::Stderr | Channel::Late => Stream::Stderr,
    }
}

/// When to look next: soon, but not beyond the limit.
fn next_look(limit: &Limit) -> Instant {
    let look = Instant::now() + LOOK;
    limit.until.map_or(look, |until| look.min(until))
}

fn over(limit: &Limit) -> Option<Fault> {
    if limit.cancel.is_cancelled() {
        Some(Fault::Cancelled)
    } else {
        limit.over().then_some(Fault::TimedOut)
    }
}

impl driver::Agent for Agent {
    fn exec(
        &self,
        exec: &Exec,
        limit: &Limit,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<i32, Fault> {
        let mut request = client::ExecRequest::shell(exec.command.clone()).timeout(exec.timeout);
        request.options.cwd = exec.cwd.clone();
        request.options.env = exec.env.clone();
        request.options.user = exec.user.clone();
        request.input = exec.stdin.clone();
        let mut running = self.client.start(&request).map_err(fault)?;
        let mut input = request.input.as_deref();
        loop {
            while let Some(bytes) = input {
                let sent = running.send_some(bytes, true).map_err(fault)?;
                input = (sent < bytes.len()).then_some(&bytes[sent..]);
                if sent == 0 {
                    break;
                }
            }
            match running.next(Some(next_look(limit))).map_err(fault)? {
                Some(client::Event::Data { channel, bytes }) => output(stream(channel), &bytes),
                Some(client::Event::Done(Outcome::Exited { status, .. }, _)) => return Ok(status),
                Some(client::Event::Done(outcome, _)) => {
                    return Err(Fault::failed(format!("the agent answered {outcome:?}")));
                }
                Some(_) => {}
                None => {
                    if let Some(fault) = over(limit) {
                        // Dropping the request cancels it; the command is killed in the machine.
                        return Err(fault);
                    }
                }
            }
        }
    }

    fn wait_unit(
        &self,
        unit: &str,
        user: Option<&str>,
        limit: &Limit,
    ) -> Result<UnitVerdict, Fault> {
        let verdict = self
            .under(limit)
            .wait_for_unit(unit, user, limit.left())
            .map_err(fault)?;
        Ok(match verdict {
            protocol::UnitVerdict::Active => UnitVerdict::Active,
            protocol::UnitVerdict::Failed => UnitVerdict::Failed,
            protocol::UnitVerdict::InactiveWithoutJobs => UnitVerdict::Inactive,
            protocol::UnitVerdict::TimedOut { state } => UnitVerdict::TimedOut { state },
        })
    }

    fn wait_file(&self, path: &str, limit: &Limit) -> Result<bool, Fault> {
        self.under(limit)
            .wait_for_file(path, true, limit.left())
            .map_err(fault)
    }

    fn wait_port(
        &self,
        address: &str,
        port: u16,
        open: bool,
        limit: &Limit,
    ) -> Result<bool, Fault> {
        self.under(limit)
            .wait_for_port(address, port, open, limit.left())
            .map_err(fault)
    }

    fn wait_socket(&self, path: &str, datagram: bool, limit: &Limit) -> Result<bool, Fault> {
        self.under(limit)
            .wait_for_unix_socket(path, datagram, limit.left())
            .map_err(fault)
    }

    fn tty_text(&self, tty: &str, unlike: Option<&str>, limit: &Limit) -> Result<String, Fault> {
        let stamp = unlike.and_then(|text| {
            let stamps = self
                .stamps
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            stamps
                .iter()
                .find(|(known, _)| known == text)
                .map(|(_, stamp)| *stamp)
        });
        let wait = if stamp.is_some() {
            limit.left()
        } else {
            Some(Duration::ZERO)
        };
        let (text, stamp) = self
            .under(limit)
            .tty_text(tty, stamp, wait)
            .map_err(fault)?;
        let mut stamps = self
            .stamps
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        // A few terminals are watched at a time; older texts are not asked about again.
        if stamps.len() > 16 {
            stamps.remove(0);
        }
        stamps.push((text.clone(), stamp));
        Ok(text)
    }

    fn power_off(&self) -> Result<(), Fault> {
        self.client.power(PowerAction::PowerOff).map_err(fault)
    }

    fn put(
        &self,
        target: &str,
        name: &str,
        archive: &mut dyn Read,
        limit: &Limit,
    ) -> Result<(), Fault> {
        let failed = |e: std::io::Error| Fault::failed(e.to_string());
        let folder = tempfile::tempdir().map_err(failed)?;
        tar::Archive::new(archive)
            .unpack(folder.path())
            .map_err(failed)?;
        let source = folder.path().join("named").join(name);
        fs_err::create_dir(folder.path().join("named")).map_err(failed)?;
        fs_err::rename(folder.path().join("tree"), &source).map_err(failed)?;
        self.under(limit).copy_in(&source, target).map_err(fault)
    }

    fn get(&self, source: &str, archive: &mut dyn Write, limit: &Limit) -> Result<(), Fault> {
        let failed = |e: std::io::Error| Fault::failed(e.to_string());
        let folder = tempfile::tempdir().map_err(failed)?;
        let tree = folder.path().join("tree");
        self.under(limit).copy_out(source, &tree).map_err(fault)?;
        let mut tar = tar::Builder::new(archive);
        tar.follow_symlinks(false);
        if tree.symlink_metadata().map_err(failed)?.is_dir() {
            tar.append_dir_all("tree", &tree).map_err(failed)?;
        } else {
            tar.append_path_with_name(&tree, "tree").map_err(failed)?;
        }
        tar.finish().map_err(failed)
    }

    fn pty(
        &self,
        command: Option<&str>,
        size: PtySize,
        term: &str,
    ) -> Result<Box<dyn driver::Pty>, Fault> {
        let pty = protocol::Pty {
            rows: size.rows,
            columns: size.columns,
            term: term.to_owned(),
        };
        let request = self
            .client
            .terminal(command.unwrap_or(""), pty)
            .map_err(fault)?;
        Ok(Box::new(Terminal {
            request: Mutex::new(request),
        }))
    }

    fn facts(&self, limit: &Limit) -> Result<Facts, Fault> {
        let facts = self.under(limit).facts().map_err(fault)?;
        Ok(Facts {
            system_state: facts.system_state,
            failed_units: facts.failed_units,
            jobs: facts.jobs,
            listeners: facts
                .listeners
                .into_iter()
                .map(|l| driver::Listener {
                    protocol: l.protocol,
                    address: l.address,
                    port: l.port,
                })
                .collect(),
            memory_total_kib: facts.memory_total_kib,
            memory_available_kib: facts.memory_available_kib,
            load: f64::from(facts.load_percent) / 100.0,
            uptime_s: facts.uptime_s,
            mounts: facts
                .mounts
                .into_iter()
                .map(|m| driver::Mount {
                    path: m.path,
                    size: m.size,
                    available: m.available,
                })
                .collect(),
        })
    }
}

/// A program on a terminal in a machine.
struct Terminal {
    request: Mutex<client::Request>,
}

impl Terminal {
    fn request(&self) -> std::sync::MutexGuard<'_, client::Request> {
        self.request
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl driver::Pty for Terminal {
    fn read(&self, limit: &Limit) -> Result<Option<Vec<u8>>, Fault> {
        loop {
            // Short turns, so that a writer gets the lock in between.
            let turn = Instant::now() + Duration::from_millis(20);
            let event = self.request().next(Some(turn)).map_err(fault)?;
            match event {
                Some(client::Event::Data { bytes, .. }) => return Ok(Some(bytes)),
                Some(client::Event::Done(..)) => return Ok(None),
                Some(_) => {}
                None => {
                    if let Some(fault) = over(limit) {
                        return Err(fault);
                    }
                }
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Fault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let sent = self.request().send_some(rest, false).map_err(fault)?;
            rest = &rest[sent..];
            if sent == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }

    fn resize(&self, size: PtySize) -> Result<(), Fault> {
        let message = ToAgent::Resize {
            rows: size.rows,
            columns: size.columns,
        };
        self.request().tell(&message).map_err(fault)
    }

    fn close(&self) {
        let _ = self.request().tell(&ToAgent::Cancel);
    }
}
