//! Numbers that look random and are the same for the same seed.

use serde::{Deserialize, Serialize};

/// SplitMix64: small, good enough for losing frames, and easy to save.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to but not 1.
    pub fn unit(&mut self) -> f64 {
        // The 53 bits that a double can hold.
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
