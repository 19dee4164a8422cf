//! What a checkpoint keeps of a switch.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{PortId, Switch, Way};
use crate::conditions::Conditions;
use crate::frame::Mac;
use crate::random::Random;

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
}
