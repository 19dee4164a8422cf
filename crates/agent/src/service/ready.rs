//! The point at which a machine may be saved.

use std::fs;
use std::time::{Duration, Instant};

use snowglobe_agent_protocol::{Failure, Outcome, Ready};

use super::call::{Answer, Call};
use super::session::Context;
use super::units::{self, MANAGER, MANAGER_PATH, Manager};
use crate::dbus::{Bus, BusError, Value};

/// Between looks: each costs systemd some work, and the machine shall be idle.
const LOOK: Duration = Duration::from_millis(200);
/// How much of the processors' time may be in use. Services that start use all of it; an idle machine
/// whose host is busy elsewhere seems to use up to a quarter.
const BUSY_PERCENT: u64 = 40;

pub fn wait(
    context: &Context,
    call: &Call,
    idle_ms: u64,
    timeout_ms: u64,
) -> Result<Answer, Failure> {
    let end = Instant::now() + Duration::from_millis(timeout_ms);
    let idle = Duration::from_millis(idle_ms);
    let manager = Manager::find(context, None)?;
    let mut calm: Option<(Instant, Load)> = None;
    let reason = loop {
        let obstacle = match manager.connect().and_then(|mut bus| obstacle(&mut bus)) {
            Ok(obstacle) => obstacle,
            Err(error) => Some(format!("systemd does not answer: {error}")),
        };
        let reason = match (&obstacle, &calm) {
            (Some(reason), _) => {
                calm = None;
                reason.clone()
            }
            (None, None) => {
                calm = Some((Instant::now(), Load::now()));
                "not idle for long enough".to_owned()
            }
            (None, Some((since, load))) => {
                let busy = load.busy_percent_since();
                if since.elapsed() >= idle {
                    if busy <= BUSY_PERCENT {
                        return Ok(Outcome::Ready(Ready {
                            idle: true,
                            reason: String::new(),
                        })
                        .into());
                    }
                    calm = Some((Instant::now(), Load::now()));
                }
                format!("its processors are busy ({busy} %)")
            }
        };
        if Instant::now() >= end {
            break reason;
        }
        let left = calm
            .as_ref()
            .map_or(LOOK, |(since, _)| idle.saturating_sub(since.elapsed()));
        call.sleep(left.clamp(Duration::from_millis(10), LOOK))?;
    };
    Ok(Outcome::Ready(Ready {
        idle: false,
        reason,
    })
    .into())
}

/// What is still to come, by systemd's word.
fn obstacle(bus: &mut Bus) -> Result<Option<String>, BusError> {
    let mut manager = |name: &str| units::property(bus, MANAGER_PATH, MANAGER, name);
    if manager("NJobs")?.integer().unwrap_or(0) > 0 {
        return Ok(Some(format!(
            "jobs are pending: {}",
            units::jobs(bus)?.join(", ")
        )));
    }
    let target = bus.call(MANAGER_PATH, MANAGER, "GetDefaultTarget", &[])?;
    let target = target
        .first()
        .and_then(Value::text)
        .unwrap_or("default.target")
        .to_owned();
    let path = units::load(bus, &target)?;
    let state = units::active_state(bus, &path)?;
    Ok((state != "active").then(|| format!("{target} is {state}")))
}

/// Processor time since boot, in ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Load {
    total: u64,
    idle: u64,
}

impl Load {
    fn now() -> Self {
        Self::parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let line = text.lines().next().unwrap_or_default();
        let fields = line.split_whitespace().skip(1);
        let times: Vec<u64> = fields.map(|field| field.parse().unwrap_or(0)).collect();
        // Guest time is counted in user time already; waiting for a disk is not being idle.
        let total = times.iter().take(8).sum();
        Self {
            total,
            idle: times.get(3).copied().unwrap_or(0),
        }
    }

    fn busy_percent_since(&self) -> u64 {
        let now = Self::now();
        let total = now.total.saturating_sub(self.total);
        let idle = now.idle.saturating_sub(self.idle);
        ((total - idle.min(total)) * 100)
            .checked_div(total)
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read() {
        let load = Load::parse("cpu  10 1 5 80 4 0 0 0 7 0\ncpu0 1 1 1 1\n");
        assert_eq!(
            load,
            Load {
                total: 100,
                idle: 80
            }
        );
        assert_eq!(Load::parse(""), Load { total: 0, idle: 0 });
        assert!(Load::now().total > 0);
    }
}
