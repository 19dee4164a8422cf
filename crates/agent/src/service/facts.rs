//! What a report of a failure shows about the machine.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use snowglobe_agent_protocol::{Facts, Failure, Listener, Mount, Outcome};

use super::call::{Answer, Call};
use super::session::Context;
use super::units::{self, MANAGER, MANAGER_PATH, Manager};
use crate::dbus::{Bus, BusError, Value};

pub fn collect(context: &Context, call: &Call) -> Result<Answer, Failure> {
    call.check()?;
    let mut facts = Facts::default();
    if let Ok(mut bus) = Manager::find(context, None)?.connect() {
        // What systemd does not answer is missing from the report, which says so by being empty.
        let _ = ask_systemd(&mut bus, &mut facts);
    }
    facts.listeners = listeners();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = |name: &str| {
        let line = memory.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0)
    };
    facts.memory_total_kib = kib("MemTotal");
    facts.memory_available_kib = kib("MemAvailable");
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0.0);
    facts.load_percent = (load * 100.0) as u32;
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    facts.uptime_s = uptime
        .split('.')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0);
    facts.mounts = mounts();
    Ok(Outcome::Facts(Box::new(facts)).into())
}

fn ask_systemd(bus: &mut Bus, facts: &mut Facts) -> Result<(), BusError> {
    let state = units::property(bus, MANAGER_PATH, MANAGER, "SystemState")?;
    facts.system_state = state.text().unwrap_or_default().to_owned();
    facts.jobs = units::jobs(bus)?;
    if units::property(bus, MANAGER_PATH, MANAGER, "NFailedUnits")?.integer() == Some(0) {
        return Ok(());
    }
    let all = bus.call(MANAGER_PATH, MANAGER, "ListUnits", &[])?;
    for unit in all.first().map(Value::members).unwrap_or_default() {
        let text = |at: usize| {
            unit.members()
                .get(at)
                .and_then(Value::text)
                .unwrap_or_default()
        };
        if text(3) == "failed" {
            facts.failed_units.push(text(0).to_owned());
        }
    }
    Ok(())
}

fn listeners() -> Vec<Listener> {
    let mut found = BTreeSet::new();
    // State 0A listens; 07 is a datagram socket that is not connected.
    for (file, protocol, state) in [
        ("tcp", "tcp", "0A"),
        ("tcp6", "tcp", "0A"),
        ("udp", "udp", "07"),
        ("udp6", "udp", "07"),
    ] {
        let text = fs::read_to_string(format!("/proc/net/{file}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            if let Some((address, port)) = parse_socket(line, state) {
                found.insert((protocol, port, address));
            }
        }
    }
    found
        .into_iter()
        .map(|(protocol, port, address)| Listener {
            protocol: protocol.to_owned(),
            address: address.to_string(),
            port,
        })
        .collect()
}

fn parse_socket(line: &str, state: &str) -> Option<(IpAddr, u16)> {
    let mut fields = line.split_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    if fields.nth(1)? != state {
        return None;
    }
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok();
    let address = if address.len() == 8 {
        IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes()))
    } else {
        let mut bytes = [0; 16];
        for (at, part) in bytes.chunks_mut(4).enumerate() {
            part.copy_from_slice(&word(at * 8)?.to_ne_bytes());
        }
        IpAddr::V6(Ipv6Addr::from(bytes))
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}

fn mounts() -> Vec<Mount> {
    let mut found = Vec::new();
    let text = fs::read_to_string("/proc/mounts").unwrap_or_default();
    for line in text.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        let [device, path, kind, ..] = fields[..] else {
            continue;
        };
        if !(device.starts_with("/dev/") || kind == "overlay") {
            continue;
        }
        let path = path.replace("\\040", " ");
        if let Ok(space) = rustix::fs::statvfs(path.as_str()) {
            let (size, available) = (
                space.f_blocks * space.f_frsize,
                space.f_bavail * space.f_frsize,
            );
            found.push(Mount {
                path,
                size,
                available,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_read() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000";
        assert_eq!(
            parse_socket(line, "0A"),
            Some(("127.0.0.1".parse().unwrap(), 8080))
        );
        assert_eq!(parse_socket(line, "07"), None);
        let line = "   0: 00000000000000000000000001000000:0050 0:0 0A";
        assert_eq!(parse_socket(line, "0A"), Some(("::1".parse().unwrap(), 80)));
        assert_eq!(parse_socket("nonsense", "0A"), None);
        assert_eq!(parse_socket("0: 12:34 0:0 0A", "0A"), None);
    }
}
