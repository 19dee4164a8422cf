//! Reading addresses: HTTP, HTTPS and `file:`.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fs_err as fs;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;

use crate::resolver::Remembering;
use crate::{Error, Progress, Result};

/// Attempts at one address that bring nothing new, before it is given up.
const ATTEMPTS: u32 = 5;
/// The same while nothing has come from anywhere yet: most likely there is no network, and whoever
/// waits wants to know.
const FIRST_ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// Reads addresses, with patience. Honours `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`;
/// trusts the certificates that the host trusts, or those of `SSL_CERT_FILE`.
#[derive(Clone)]
pub struct Fetcher {
    agent: Agent,
    offline: bool,
    progress: Arc<dyn Progress>,
    reached: Arc<AtomicBool>,
}

impl Fetcher {
    /// A fetcher. An offline one reads only `file:` addresses.
    pub fn new(offline: bool, progress: Arc<dyn Progress>) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .user_agent(concat!("snowglobe/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(Duration::from_secs(20)))
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .timeout_per_read(Some(Duration::from_secs(30)))
            .http_status_as_error(false)
            .max_idle_connections_per_host(16)
            .build();
        let connector = DefaultConnector::default();
        let agent = Agent::with_parts(config, connector, Remembering::default());
        Self {
            agent,
            offline,
            progress,
            reached: Arc::default(),
        }
    }

    /// Whether the network must not be used.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// Who is told what happens.
    pub fn progress(&self) -> &Arc<dyn Progress> {
        &self.progress
    }

    /// The whole content of an address, at most `limit` bytes.
    pub fn bytes(&self, url: &str, limit: u64) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        self.read(url, 0, &mut |offset, piece| {
            content.truncate(offset as usize);
            content.extend_from_slice(piece);
            if content.len() as u64 > limit {
                return Err(Error::malformed(url, format!("more than {limit} bytes")));
            }
            Ok(())
        })?;
        Ok(content)
    }

    /// Reads an address from `start` on and gives the pieces with their offsets to `sink`. After an
    /// interruption it goes on where it was; when the server cannot do that, offsets start at 0
    /// again. Fails when several attempts in a row brought nothing, or when `sink` fails.
    pub fn read(
        &self,
        url: &str,
        start: u64,
        sink: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        if let Some(path) = url.strip_prefix("file://") {
            return read_file(path, start, sink);
        }
        if self.offline {
            return Err(Error::Offline {
                missing: vec![url.to_owned()],
            });
        }
        let mut position = start;
        let mut failures = 0;
        loop {
            if self.progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let before = position;
            match self.attempt(url, &mut position, sink) {
                Ok(()) => return Ok(()),
                Err(Attempt::Final(error)) => return Err(error),
                Err(Attempt::Again(reason)) => {
                    failures = if position > before { 1 } else { failures + 1 };
                    let reached = self.reached.load(Ordering::Relaxed);
                    if failures >= if reached { ATTEMPTS } else { FIRST_ATTEMPTS } {
                        return Err(Error::Network {
                            url: url.to_owned(),
                            reason,
                        });
                    }
                    if failures == 1 {
                        let note = format!("{url}: {reason}; trying again");
                        self.progress.note(&note);
                    }
                    std::thread::sleep(FIRST_PAUSE * 3_u32.pow(failures - 1));
                }
            }
        }
    }

    fn attempt(
        &self,
        url: &str,
        position: &mut u64,
        sink: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<(), Attempt> {
        let mut request = self.agent.get(url);
        if *position > 0 {
            request = request.header("Range", format!("bytes={position}-"));
        }
        let response = request.call().map_err(|error| match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl => {
                Attempt::Final(Error::Network {
                    url: url.to_owned(),
                    reason: error.to_string(),
                })
            }
            error => Attempt::Again(words(&error)),
        })?;
        self.reached.store(true, Ordering::Relaxed);
        let status = response.status().as_u16();
        match status {
            200 => *position = 0,
            206 => {}
            // Nothing behind the end: everything was read already.
            416 if *position > 0 => return Ok(()),
            404 | 410 => {
                return Err(Attempt::Final(Error::NotFound {
                    url: url.to_owned(),
                    status,
                }));
            }
            408 | 429 | 500..=599 => return Err(Attempt::Again(format!("HTTP {status}"))),
            _ => {
                let reason = format!("HTTP {status}");
                return Err(Attempt::Final(Error::Network {
                    url: url.to_owned(),
                    reason,
                }));
            }
        }
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 128 << 10];
        loop {
            if self.progress.is_cancelled() {
                return Err(Attempt::Final(Error::Cancelled));
            }
            let length = match body.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Attempt::Again(error.to_string())),
            };
            sink(*position, &buffer[..length]).map_err(Attempt::Final)?;
            *position += length as u64;
        }
    }
}

/// Why nothing came, without the name of the layer that noticed.
fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

enum Attempt {
    Again(String),
    Final(Error),
}

fn read_file(path: &str, start: u64, sink: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
    let mut file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::NotFound {
                url: format!("file://{path}"),
                status: 404,
            });
        }
        other => other?,
    };
    let mut position = file.seek(SeekFrom::Start(start))?;
    let mut buffer = vec![0; 128 << 10];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        sink(position, &buffer[..length])?;
        position += length as u64;
    }
}
