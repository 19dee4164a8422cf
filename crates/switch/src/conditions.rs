//! What happens to frames on their way from one port to another.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The state of the way from one port to another. The default is a perfect cable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// Nothing passes.
    pub cut: bool,
    /// Frames arrive so much later.
    pub delay: Duration,
    /// Each frame is late by up to this much more; their order is kept.
    pub jitter: Duration,
    /// This part of the frames is lost, from 0 to 1.
    pub loss: f64,
    /// Bytes per second; `None`: as fast as possible.
    pub rate: Option<u64>,
}

/// A change of conditions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Nothing passes.
    Cut,
    /// Makes the cable perfect again.
    Heal,
    /// Delays frames by so much.
    Delay(Duration),
    /// Delays each frame by up to so much more.
    Jitter(Duration),
    /// Loses this part of the frames; values outside of 0 to 1 count as the nearer of them.
    Loss(f64),
    /// Limits the rate in bytes per second; `None` lifts the limit.
    Rate(Option<u64>),
}

impl Conditions {
    /// Applies a change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Cut => self.cut = true,
            Change::Heal => *self = Self::default(),
            Change::Delay(delay) => self.delay = delay,
            Change::Jitter(jitter) => self.jitter = jitter,
            Change::Loss(loss) if loss.is_nan() => self.loss = 0.0,
            Change::Loss(loss) => self.loss = loss.clamp(0.0, 1.0),
            Change::Rate(rate) => self.rate = rate.filter(|rate| *rate > 0),
        }
    }
}
