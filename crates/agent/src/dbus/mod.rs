//! As much of D-Bus as systemd's managers need: method calls with text arguments, any answer, and
//! signals, over a manager's private socket. No bus is involved, so it works before there is one.

mod bus;
mod wire;

pub use bus::{Bus, BusError};
pub use wire::{Argument, Kind, Message, Value, WireError, encode_message, parse_message};
