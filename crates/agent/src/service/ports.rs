//! Waits for sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use snowglobe_agent_protocol::{Failure, Outcome};

use super::call::{Answer, Call, deadline, earlier};
use super::users;

/// Between attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// How long one address may stay silent.
const SILENCE: Duration = Duration::from_secs(3);
/// How long a name's addresses are believed; asking costs a process.
const MEMORY: Duration = Duration::from_secs(2);

pub fn wait(
    call: &Call,
    address: &str,
    port: u16,
    open: bool,
    timeout_ms: Option<u64>,
) -> Result<Answer, Failure> {
    let mut name = Name::new(address);
    let reached = wait_until(call, timeout_ms, |left| {
        let is_open = name.addresses().iter().any(|&address| {
            let patience = left.map_or(SILENCE, |left| left.clamp(PAUSE, SILENCE));
            TcpStream::connect_timeout(&SocketAddr::new(address, port), patience).is_ok()
        });
        is_open == open
    })?;
    Ok(Outcome::Reached(reached).into())
}

pub fn wait_unix(
    call: &Call,
    path: &str,
    datagram: bool,
    timeout_ms: Option<u64>,
) -> Result<Answer, Failure> {
    let reached = wait_until(call, timeout_ms, |_| {
        if datagram {
            return UnixDatagram::unbound()
                .and_then(|socket| socket.connect(path))
                .is_ok();
        }
        match connect_stream(path) {
            Ok(()) => true,
            // Its queue is full: it listens.
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    })?;
    Ok(Outcome::Reached(reached).into())
}

/// Connects without blocking on a full queue.
fn connect_stream(path: &str) -> io::Result<()> {
    use rustix::net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = UnixStream::from(socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        flags,
        None,
    )?);
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(())
}

fn wait_until(
    call: &Call,
    timeout_ms: Option<u64>,
    mut holds: impl FnMut(Option<Duration>) -> bool,
) -> Result<bool, Failure> {
    let end = deadline(timeout_ms);
    loop {
        if holds(end.map(|end| end.saturating_duration_since(Instant::now()))) {
            return Ok(true);
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            return Ok(false);
        }
        call.pause(earlier(end, Some(Instant::now() + PAUSE)))?;
    }
}

/// A host name and what it means.
struct Name {
    name: String,
    known: Vec<IpAddr>,
    /// `None`: for good.
    until: Option<Instant>,
}

impl Name {
    fn new(name: &str) -> Self {
        let fixed = |known: &[IpAddr]| Self {
            name: name.to_owned(),
            known: known.to_vec(),
            until: None,
        };
        if name == "localhost" {
            return fixed(&[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        if let Ok(address) = name.trim_matches(['[', ']']).parse() {
            return fixed(&[address]);
        }
        Self {
            name: name.to_owned(),
            known: Vec::new(),
            until: Some(Instant::now()),
        }
    }

    fn addresses(&mut self) -> &[IpAddr] {
        if self.until.is_some_and(|until| Instant::now() >= until) {
            self.known = parse(&users::ask(&["ahosts", &self.name]));
            let memory = if self.known.is_empty() {
                MEMORY / 2
            } else {
                MEMORY
            };
            self.until = Some(Instant::now() + memory);
        }
        &self.known
    }
}

fn parse(answer: &str) -> Vec<IpAddr> {
    let mut known = Vec::new();
    for line in answer.lines() {
        if let Some(address) = line
            .split_whitespace()
            .next()
            .and_then(|word| word.parse().ok())
            && !known.contains(&address)
        {
            known.push(address);
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_counts_once() {
        let answer = "192.168.1.1     STREAM server\n192.168.1.1     DGRAM  \n2001:db8::1 STREAM\nnonsense\n";
        let expected: Vec<IpAddr> = vec![
            "192.168.1.1".parse().unwrap(),
            "2001:db8::1".parse().unwrap(),
        ];
        assert_eq!(parse(answer), expected);
    }
}
