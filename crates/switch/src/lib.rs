//! The virtual Ethernet between machines.
//!
//! [`Switch`] is the pure part: a learning switch with faults, in virtual time, without I/O and
//! with seeded randomness. Everything that can happen to it is an [`Event`]; what it wants sent is in
//! the list that [`Switch::handle`] fills. [`Vlan`] is a switch with a thread that moves frames
//! between it and datagram sockets; the other end of each socket is a machine's network card
//! (QEMU's `-netdev dgram,local.type=fd`).
//!
//! A slow or stopped machine never holds up the others: what it does not take waits in a bounded
//! queue, and what does not fit is dropped and counted.

mod conditions;
mod frame;
mod pcapng;
mod queue;
mod random;
mod switch;
mod vlan;

pub use conditions::{Change, Conditions};
pub use frame::{Mac, speech};
pub use pcapng::PcapNg;
pub use switch::{Delivery, Event, Fate, Frame, PortId, PortStats, Switch, SwitchState};
pub use vlan::{Capture, Vlan, VlanState};
