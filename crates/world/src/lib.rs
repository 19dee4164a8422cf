//! The machines and networks of a test, put together: QEMU machines, the agents inside them and the
//! switches between them, behind the driver's traits.

mod agent;
mod tools;
mod vlan;

pub use agent::Agent;
pub use tools::SandboxTools;
pub use vlan::Vlan;
