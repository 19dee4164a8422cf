//! Tests of the switch: what is sent where, when, and that random steps keep its promises.

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
