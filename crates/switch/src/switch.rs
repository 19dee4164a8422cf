//! The switch itself: no I/O, no clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::conditions::{Change, Conditions};
use crate::frame::{Mac, addresses, speech};
use crate::queue::Queue;
use crate::random::Random;

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

/// What a checkpoint keeps of a switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SwitchState {
    ports: Vec<SavedPort>,
    conditions: Vec<Vec<Conditions>>,
    stations: Vec<(Mac, usize, Duration)>,
    in_flight: Vec<SavedFrame>,
    random: Random,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedPort {
    name: String,
    up: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedFrame {
    due_in: Duration,
    from: usize,
    to: usize,
    bytes: Vec<u8>,
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

    /// What a checkpoint keeps: learned addresses, faults, frames in flight.
    pub fn save(&self, now: Duration) -> SwitchState {
        let mut stations: Vec<_> = self
            .stations
            .iter()
            .map(|(mac, (port, seen))| (*mac, port.0, now.saturating_sub(*seen)))
            .collect();
        stations.sort_unstable();
        let mut in_flight: Vec<_> = self.queue.iter().collect();
        in_flight.sort_unstable();
        SwitchState {
            ports: self
                .ports
                .iter()
                .map(|port| SavedPort {
                    name: port.name.clone(),
                    up: port.up,
                })
                .collect(),
            conditions: self
                .ways
                .iter()
                .map(|ways| ways.iter().map(|way| way.conditions).collect())
                .collect(),
            stations,
            in_flight: in_flight
                .into_iter()
                .map(|frame| SavedFrame {
                    due_in: frame.due.saturating_sub(now),
                    from: frame.from.0,
                    to: frame.to.0,
                    bytes: frame.frame.to_vec(),
                })
                .collect(),
            random: self.random.clone(),
        }
    }

    /// Goes back to a state that was saved. Ports are matched by name; counters go on.
    pub fn restore(&mut self, now: Duration, state: &SwitchState) {
        let own = |saved: usize| {
            let name = &state.ports.get(saved)?.name;
            self.ports.iter().position(|port| port.name == *name)
        };
        let map: Vec<Option<usize>> = (0..state.ports.len()).map(own).collect();
        let mapped = |saved: usize| map.get(saved).copied().flatten();
        self.queue.drain();
        self.stations.clear();
        self.random = state.random.clone();
        for way in self.ways.iter_mut().flatten() {
            *way = Way::default();
        }
        for (saved, port) in state.ports.iter().enumerate() {
            if let Some(own) = mapped(saved) {
                self.ports[own].up = port.up;
            }
        }
        for (from, ways) in state.conditions.iter().enumerate() {
            for (to, conditions) in ways.iter().enumerate() {
                if let (Some(from), Some(to)) = (mapped(from), mapped(to)) {
                    self.ways[from][to].conditions = *conditions;
                }
            }
        }
        for (mac, port, age) in &state.stations {
            if let Some(port) = mapped(*port) {
                self.stations
                    .insert(*mac, (PortId(port), now.saturating_sub(*age)));
            }
        }
        for frame in &state.in_flight {
            if let (Some(from), Some(to)) = (mapped(frame.from), mapped(frame.to)) {
                let due = now + frame.due_in;
                self.ways[from][to].last_due = due;
                self.queue
                    .push(due, PortId(from), PortId(to), frame.bytes.as_slice().into());
            }
        }
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// A frame from the machine `from` to the machine `to` (255: broadcast), with a number in it.
    fn frame(from: u8, to: u8, number: u8) -> Frame {
        let mut bytes = if to == 255 {
            vec![255; 6]
        } else {
            vec![2, 0, 0, 0, 0, to]
        };
        bytes.extend([2, 0, 0, 0, 0, from, 0x08, 0x00, number]);
        bytes.into()
    }

    struct Bench {
        switch: Switch,
        ports: Vec<PortId>,
        now: Duration,
    }

    impl Bench {
        fn new(count: usize) -> Self {
            let mut switch = Switch::new(1);
            let ports = (0..count)
                .map(|index| switch.add_port(format!("m{index}")))
                .collect();
            Self {
                switch,
                ports,
                now: Duration::ZERO,
            }
        }

        fn handle(&mut self, event: Event) -> Vec<(usize, u8)> {
            let mut out = Vec::new();
            self.switch.handle(self.now, event, &mut out);
            out.iter()
                .map(|d| (d.port.0, *d.frame.last().unwrap()))
                .collect()
        }

        fn send(&mut self, from: u8, to: u8, number: u8) -> Vec<(usize, u8)> {
            let port = self.ports[usize::from(from)];
            self.handle(Event::Arrived {
                port,
                frame: frame(from, to, number),
            })
        }

        fn change(&mut self, a: Option<usize>, b: Option<usize>, change: Change) {
            let port = |index: usize| self.ports[index];
            let event = Event::Change {
                a: a.map(port),
                b: b.map(port),
                change,
            };
            assert_eq!(self.handle(event), []);
        }

        fn at(&mut self, now: Duration) -> Vec<(usize, u8)> {
            self.now = now;
            self.handle(Event::Tick)
        }
    }

    #[test]
    fn learns_where_stations_are() {
        let mut bench = Bench::new(3);
        assert_eq!(bench.send(0, 1, 7), [(1, 7), (2, 7)], "unknown: flooded");
        assert_eq!(bench.send(1, 0, 8), [(0, 8)], "known");
        assert_eq!(bench.send(0, 1, 9), [(1, 9)]);
        assert_eq!(bench.send(0, 255, 1), [(1, 1), (2, 1)], "broadcast");
        assert_eq!(bench.send(0, 0, 1), [], "to itself");
        bench.now += AGING;
        assert_eq!(bench.send(1, 0, 2), [(0, 2), (2, 2)], "forgotten");
    }

    #[test]
    fn a_station_that_moves_is_found() {
        let mut bench = Bench::new(3);
        bench.send(0, 255, 0);
        let moved = Event::Arrived {
            port: bench.ports[2],
            frame: frame(0, 255, 0),
        };
        bench.handle(moved);
        assert_eq!(bench.send(1, 0, 5), [(2, 5)]);
    }

    #[test]
    fn cuts_are_between_those_named_and_heal() {
        let mut bench = Bench::new(3);
        bench.change(Some(0), Some(1), Change::Cut);
        assert_eq!(bench.send(0, 255, 1), [(2, 1)]);
        assert_eq!(bench.send(1, 255, 2), [(2, 2)]);
        bench.change(Some(2), None, Change::Cut);
        assert_eq!(bench.send(2, 255, 3), []);
        bench.change(None, None, Change::Heal);
        assert_eq!(bench.send(0, 255, 4), [(1, 4), (2, 4)]);
        assert_eq!(bench.switch.stats(bench.ports[1]).unwrap().lost, 2);
    }

    #[test]
    fn an_unplugged_port_neither_speaks_nor_hears() {
        let mut bench = Bench::new(2);
        let port = bench.ports[0];
        bench.handle(Event::Link { port, up: false });
        assert_eq!(bench.send(0, 255, 1), []);
        assert_eq!(bench.send(1, 255, 2), []);
        bench.handle(Event::Link { port, up: true });
        assert_eq!(bench.send(1, 255, 3), [(0, 3)]);
    }

    #[test]
    fn delay_holds_frames_back_in_order() {
        let mut bench = Bench::new(2);
        bench.change(None, None, Change::Delay(ms(100)));
        assert_eq!(bench.send(0, 1, 1), []);
        assert_eq!(bench.switch.next_tick(), Some(ms(100)));
        assert_eq!(bench.at(ms(50)), []);
        assert_eq!(bench.send(0, 1, 2), []);
        assert_eq!(bench.at(ms(100)), [(1, 1)]);
        assert_eq!(bench.at(ms(200)), [(1, 2)]);
        assert_eq!(bench.switch.next_tick(), None);
    }

    #[test]
    fn a_cut_loses_what_is_in_the_cable() {
        let mut bench = Bench::new(2);
        bench.change(None, None, Change::Delay(ms(100)));
        bench.send(0, 1, 1);
        bench.change(None, None, Change::Cut);
        assert_eq!(bench.at(ms(200)), []);
    }

    #[test]
    fn a_rate_spaces_frames_and_a_backlog_is_bounded() {
        let mut bench = Bench::new(2);
        bench.change(None, None, Change::Rate(Some(150))); // ten frames of 15 bytes a second
        for number in 0..30 {
            bench.send(0, 1, number);
        }
        assert_eq!(bench.at(ms(99)), []);
        assert_eq!(bench.at(ms(100)), [(1, 0)]);
        assert_eq!(bench.at(ms(1000)).len(), 9);
        let rest = bench.at(ms(10_000)).len();
        let dropped = bench.switch.stats(bench.ports[1]).unwrap().overflowed;
        assert_eq!(10 + rest as u64 + dropped, 30);
        assert!(dropped > 0);
    }

    #[test]
    fn saved_and_restored_it_goes_on() {
        let mut bench = Bench::new(3);
        bench.change(Some(0), Some(1), Change::Delay(ms(100)));
        bench.change(Some(0), Some(2), Change::Cut);
        bench.send(0, 255, 1);
        bench.send(2, 255, 9);
        let text = serde_json::to_string(&bench.switch.save(ms(40))).unwrap();
        let state: SwitchState = serde_json::from_str(&text).unwrap();

        let mut later = Bench::new(3);
        later.now = ms(5000);
        later.switch.restore(later.now, &state);
        assert_eq!(later.switch.save(later.now), state);
        assert_eq!(later.send(1, 2, 5), [(2, 5)], "stations are remembered");
        assert_eq!(later.at(ms(5060)), [(1, 1)], "frames in flight arrive");
        assert_eq!(later.send(2, 0, 6), [], "faults stay");
    }

    #[test]
    fn it_notices_when_a_machine_speaks() {
        let mut bench = Bench::new(2);
        let quiet: Frame = [&frame(0, 255, 0)[..12], &[0x08, 0x06], &[0; 28]]
            .concat()
            .into();
        let port = bench.ports[0];
        bench.handle(Event::Arrived { port, frame: quiet });
        assert_eq!(bench.switch.spoke(port), None);
        let loud: Frame = [&frame(0, 255, 0)[..12], &[0x88, 0xcc]].concat().into();
        bench.handle(Event::Arrived { port, frame: loud });
        assert_eq!(
            bench.switch.spoke(port),
            Some("a frame of Ethernet type 0x88cc")
        );
    }

    #[derive(Clone, Debug)]
    enum Step {
        Send(u8, u8),
        Pass(u64),
        Change(Option<usize>, Option<usize>, Change),
        Link(usize, bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        let port = || prop::option::of(0..4_usize);
        let change = prop_oneof![
            Just(Change::Cut),
            Just(Change::Heal),
            (0..500_u64).prop_map(|t| Change::Delay(ms(t))),
            (0..500_u64).prop_map(|t| Change::Jitter(ms(t))),
            (-1.0..2.0).prop_map(Change::Loss),
            prop::option::of(0..100_000_u64).prop_map(Change::Rate),
        ];
        prop_oneof![
            8 => (0..4_u8, prop_oneof![0..4_u8, Just(255_u8)]).prop_map(|(a, b)| Step::Send(a, b)),
            4 => (0..300_u64).prop_map(Step::Pass),
            2 => (port(), port(), change).prop_map(|(a, b, change)| Step::Change(a, b, change)),
            1 => (0..4_usize, any::<bool>()).prop_map(|(port, up)| Step::Link(port, up)),
        ]
    }

    /// Every delivery as (time, port, number of the frame).
    fn play(steps: &[Step]) -> Vec<(Duration, usize, u8, u8)> {
        let mut bench = Bench::new(4);
        let mut log = Vec::new();
        let mut number = 0_u8;
        for step in steps {
            let mut out = Vec::new();
            let event = match step {
                Step::Send(from, to) => {
                    number = number.wrapping_add(1);
                    let port = bench.ports[usize::from(*from)];
                    Event::Arrived {
                        port,
                        frame: frame(*from, *to, number),
                    }
                }
                Step::Pass(time) => {
                    bench.now += ms(*time);
                    Event::Tick
                }
                Step::Change(a, b, change) => {
                    let port = |index: usize| bench.ports[index];
                    Event::Change {
                        a: a.map(port),
                        b: b.map(port),
                        change: *change,
                    }
                }
                Step::Link(port, up) => Event::Link {
                    port: bench.ports[*port],
                    up: *up,
                },
            };
            bench.switch.handle(bench.now, event, &mut out);
            for delivery in out {
                let bytes = &delivery.frame;
                log.push((bench.now, delivery.port.0, bytes[11], bytes[14]));
            }
        }
        log
    }

    proptest! {
        #[test]
        fn the_same_seed_gives_the_same_deliveries(steps in prop::collection::vec(step(), 0..60)) {
            prop_assert_eq!(play(&steps), play(&steps));
        }

        #[test]
        fn nothing_comes_back_doubled_or_from_nowhere(
            steps in prop::collection::vec(step(), 0..120),
        ) {
            let mut seen = std::collections::HashSet::new();
            for (_, port, from, number) in play(&steps) {
                prop_assert_ne!(port, usize::from(from), "a machine heard itself");
                prop_assert!(seen.insert((port, number)), "a frame arrived twice");
            }
        }

        #[test]
        fn jitter_keeps_the_order(gaps in prop::collection::vec(0..40_u64, 1..60)) {
            let mut steps = vec![Step::Change(None, None, Change::Jitter(ms(200)))];
            for gap in gaps {
                steps.extend([Step::Send(0, 1), Step::Pass(gap)]);
            }
            steps.extend([Step::Pass(250), Step::Pass(0)]);
            let numbers: Vec<u8> =
                play(&steps).iter().filter(|(_, port, ..)| *port == 1).map(|d| d.3).collect();
            prop_assert!(numbers.is_sorted(), "{:?}", numbers);
            prop_assert_eq!(numbers.len(), (steps.len() - 3) / 2);
        }
    }
}
