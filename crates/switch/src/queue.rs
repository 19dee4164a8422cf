//! Frames in flight, in the order in which they arrive.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::switch::{Frame, PortId};

/// Bytes that may be in flight at once; more are dropped, as by a full switch.
const MAX_BYTES: usize = 64 << 20;

#[derive(Debug)]
pub(crate) struct InFlight {
    pub due: Duration,
    /// Frames that are due at the same time keep their order.
    order: u64,
    pub from: PortId,
    pub to: PortId,
    pub frame: Frame,
}

impl PartialEq for InFlight {
    fn eq(&self, other: &Self) -> bool {
        (self.due, self.order) == (other.due, other.order)
    }
}
impl Eq for InFlight {}
impl PartialOrd for InFlight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for InFlight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

/// Frames in flight, earliest first.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<InFlight>>,
    order: u64,
    bytes: usize,
}

impl Queue {
    /// Takes a frame; gives `false` when there is no room for it.
    pub fn push(&mut self, due: Duration, from: PortId, to: PortId, frame: Frame) -> bool {
        if self.bytes + frame.len() > MAX_BYTES {
            return false;
        }
        self.bytes += frame.len();
        self.order += 1;
        self.heap.push(Reverse(InFlight {
            due,
            order: self.order,
            from,
            to,
            frame,
        }));
        true
    }

    /// The next frame that is due by `now`.
    pub fn pop(&mut self, now: Duration) -> Option<InFlight> {
        if self.next_due()? > now {
            return None;
        }
        let Reverse(next) = self.heap.pop()?;
        self.bytes -= next.frame.len();
        Some(next)
    }

    pub fn next_due(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse(next)| next.due)
    }

    /// All frames, earliest first.
    pub fn drain(&mut self) -> Vec<InFlight> {
        self.bytes = 0;
        let mut all: Vec<_> = self.heap.drain().map(|Reverse(next)| next).collect();
        all.sort_unstable();
        all
    }

    pub fn iter(&self) -> impl Iterator<Item = &InFlight> {
        self.heap.iter().map(|Reverse(next)| next)
    }
}
