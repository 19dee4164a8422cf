//! The switch itself: no I/O, no clock.

mod state;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::conditions::{Change, Conditions};
use crate::frame::{Mac, addresses, speech};
use crate::queue::Queue;
use crate::random::Random;

pub use state::SwitchState;

/// How long a station is remembered after its last frame.
const AGING: Duration = Duration::from_secs(300);
/// Addresses that are remembered; more are flooded.
const MAX_STATIONS: usize = 65_536;
/// A sender on a way with limited rate may be so far ahead; then frames are dropped.
const MAX_BACKLOG: Duration = Duration::from_secs(1);

/// An Ethernet frame without preamble and check sum.
pub type Frame = Arc<[u8]>;

/// One of a switch's ports, in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortId(pub(crate) usize);

impl PortId {
    /// Counted from 0.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Everything that can happen to a switch.
#[derive(Clone, Debug)]
pub enum Event {
    /// A machine sent a frame.
    Arrived {
        /// Where it came in.
        port: PortId,
        /// The frame.
        frame: Frame,
    },
    /// Time has passed.
    Tick,
    /// Conditions change between two ports, in both directions; `None` means every port.
    Change {
        /// One end.
        a: Option<PortId>,
        /// The other.
        b: Option<PortId>,
        /// What changes.
        change: Change,
    },
    /// A cable is plugged in or pulled out.
    Link {
        /// Of this port.
        port: PortId,
        /// Whether it is plugged in.
        up: bool,
    },
}

/// A frame to be sent to a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it goes out.
    pub port: PortId,
    /// The frame.
    pub frame: Frame,
}

/// What became of a frame that arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// Ports that it was on the way to and did not or will not reach, with the reason.
    pub lost: Vec<(PortId, &'static str)>,
}

/// Counters of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortStats {
    /// From the machine.
    pub frames_in: u64,
    /// From the machine.
    pub bytes_in: u64,
    /// To the machine.
    pub frames_out: u64,
    /// To the machine.
    pub bytes_out: u64,
    /// Frames for the machine that a fault kept away.
    pub lost: u64,
    /// Frames for the machine that were dropped since too many waited.
    pub overflowed: u64,
}

#[derive(Clone, Debug)]
struct Port {
    name: String,
    up: bool,
    stats: PortStats,
    spoke: Option<String>,
}

/// The way from one port to another.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    conditions: Conditions,
    /// When the last frame arrives, or arrived.
    last_due: Duration,
    /// When the last byte has been sent, where the rate is limited.
    free_at: Duration,
}

/// A learning Ethernet switch with faults.
///
/// Time is a duration since an arbitrary start, and must not go back.
#[derive(Debug)]
pub struct Switch {
    ports: Vec<Port>,
    /// `ways[from][to]`.
    ways: Vec<Vec<Way>>,
    stations: HashMap<Mac, (PortId, Duration)>,
    queue: Queue,
    random: Random,
}

impl Switch {
    /// A switch without ports. The same seed loses the same frames.
    pub fn new(seed: u64) -> Self {
        Self {
            ports: Vec::new(),
            ways: Vec::new(),
            stations: HashMap::new(),
            queue: Queue::default(),
            random: Random::new(seed),
        }
    }

    /// Adds a port with a perfect cable.
    pub fn add_port(&mut self, name: impl Into<String>) -> PortId {
        let port = Port {
            name: name.into(),
            up: true,
            stats: PortStats::default(),
            spoke: None,
        };
        self.ports.push(port);
        for ways in &mut self.ways {
            ways.push(Way::default());
        }
        self.ways.push(vec![Way::default(); self.ports.len()]);
        PortId(self.ports.len() - 1)
    }

    /// Handles an event at the time `now`; appends to `out` what is to be sent now.
    pub fn handle(&mut self, now: Duration, event: Event, out: &mut Vec<Delivery>) -> Fate {
        let fate = match event {
            Event::Arrived { port, frame } => self.arrived(now, port, frame),
            Event::Tick => Fate::default(),
            Event::Change { a, b, change } => {
                self.change(a, b, change);
                Fate::default()
            }
            Event::Link { port, up } => {
                if let Some(port) = self.ports.get_mut(port.0) {
                    port.up = up;
                }
                Fate::default()
            }
        };
        while let Some(arriving) = self.queue.pop(now) {
            // A cable that was cut meanwhile has lost what was in it.
            let cut = self.ways[arriving.from.0][arriving.to.0].conditions.cut;
            let Some(port) = self.ports.get_mut(arriving.to.0) else {
                continue;
            };
            if cut || !port.up {
                port.stats.lost += 1;
                continue;
            }
            port.stats.frames_out += 1;
            port.stats.bytes_out += arriving.frame.len() as u64;
            out.push(Delivery {
                port: arriving.to,
                frame: arriving.frame,
            });
        }
        fate
    }

    /// When [`Event::Tick`] is next needed.
    pub fn next_tick(&self) -> Option<Duration> {
        self.queue.next_due()
    }

    /// Name of a port.
    pub fn port_name(&self, port: PortId) -> Option<&str> {
        Some(&self.ports.get(port.0)?.name)
    }

    /// Names of all ports, in their order.
    pub fn port_names(&self) -> impl Iterator<Item = &str> {
        self.ports.iter().map(|port| port.name.as_str())
    }

    /// Counters of a port.
    pub fn stats(&self, port: PortId) -> Option<&PortStats> {
        Some(&self.ports.get(port.0)?.stats)
    }

    /// Counts a frame that a full queue outside of the switch dropped.
    pub(crate) fn overflowed(&mut self, port: PortId) {
        if let Some(port) = self.ports.get_mut(port.0) {
            port.stats.overflowed += 1;
        }
    }

    /// What the machine first said besides what every machine sends by itself (see [`speech`]).
    pub fn spoke(&self, port: PortId) -> Option<&str> {
        self.ports.get(port.0)?.spoke.as_deref()
    }

    /// Listens anew for [`Switch::spoke`].
    pub fn forget_speech(&mut self, port: PortId) {
        if let Some(port) = self.ports.get_mut(port.0) {
            port.spoke = None;
        }
    }

    /// The conditions on the way from one port to another.
    pub fn conditions(&self, from: PortId, to: PortId) -> Option<Conditions> {
        Some(self.ways.get(from.0)?.get(to.0)?.conditions)
    }

    fn change(&mut self, a: Option<PortId>, b: Option<PortId>, change: Change) {
        let fits = |wanted: Option<PortId>, index| wanted.is_none_or(|port| port.0 == index);
        for (from, ways) in self.ways.iter_mut().enumerate() {
            for (to, way) in ways.iter_mut().enumerate() {
                let forth = fits(a, from) && fits(b, to);
                let back = fits(a, to) && fits(b, from);
                if from != to && (forth || back) {
                    way.conditions.apply(change);
                    way.last_due = Duration::ZERO;
                }
            }
        }
    }

    fn arrived(&mut self, now: Duration, port: PortId, frame: Frame) -> Fate {
        let mut fate = Fate::default();
        let Some(sender) = self.ports.get_mut(port.0) else {
            return fate;
        };
        let Some((destination, source)) = addresses(&frame) else {
            return fate;
        };
        sender.stats.frames_in += 1;
        sender.stats.bytes_in += frame.len() as u64;
        if sender.spoke.is_none() {
            sender.spoke = speech(&frame);
        }
        if !sender.up {
            return fate;
        }
        if !source.is_group() {
            self.learn(now, source, port);
        }
        let known = self
            .stations
            .get(&destination)
            .filter(|(_, seen)| !destination.is_group() && now.saturating_sub(*seen) < AGING);
        match known {
            Some((to, _)) if *to == port => {}
            Some((to, _)) => self.forward(now, port, *to, &frame, &mut fate),
            None => {
                for to in (0..self.ports.len()).filter(|to| *to != port.0) {
                    self.forward(now, port, PortId(to), &frame, &mut fate);
                }
            }
        }
        fate
    }

    fn learn(&mut self, now: Duration, source: Mac, port: PortId) {
        if self.stations.len() >= MAX_STATIONS && !self.stations.contains_key(&source) {
            self.stations
                .retain(|_, (_, seen)| now.saturating_sub(*seen) < AGING);
            if self.stations.len() >= MAX_STATIONS {
                return;
            }
        }
        self.stations.insert(source, (port, now));
    }

    fn forward(&mut self, now: Duration, from: PortId, to: PortId, frame: &Frame, fate: &mut Fate) {
        let way = &mut self.ways[from.0][to.0];
        let conditions = way.conditions;
        let lost = if !self.ports[to.0].up {
            Some("unplugged")
        } else if conditions.cut {
            Some("cut")
        } else if conditions.loss > 0.0 && self.random.unit() < conditions.loss {
            Some("lost")
        } else {
            None
        };
        if let Some(reason) = lost {
            self.ports[to.0].stats.lost += 1;
            fate.lost.push((to, reason));
            return;
        }
        let mut due = now;
        if let Some(rate) = conditions.rate {
            let start = way.free_at.max(now);
            if start - now > MAX_BACKLOG {
                self.ports[to.0].stats.overflowed += 1;
                fate.lost.push((to, "overflow"));
                return;
            }
            way.free_at = start + Duration::from_secs_f64(frame.len() as f64 / rate as f64);
            due = way.free_at;
        }
        due += conditions.delay;
        if !conditions.jitter.is_zero() {
            due += conditions.jitter.mul_f64(self.random.unit());
        }
        // Frames never overtake each other while the conditions stay as they are.
        due = due.max(way.last_due);
        way.last_due = due;
        if !self.queue.push(due, from, to, frame.clone()) {
            self.ports[to.0].stats.overflowed += 1;
            fate.lost.push((to, "overflow"));
        }
    }
}

#[cfg(test)]
mod tests;
