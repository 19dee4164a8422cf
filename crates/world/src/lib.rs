//! The machines and networks of a test, put together: QEMU machines, the agents inside them and the
//! switches between them, behind the driver's traits.

mod agent;
mod checkpoint;
mod machine;
mod tools;
mod turns;
mod vlan;
mod warm;
mod world;

pub use tools::SandboxTools;
pub use warm::Policy;
pub use world::{Parts, World, WorldError};
