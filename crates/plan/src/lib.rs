//! The data that passes from evaluating a test to running it.
//!
//! A [`Plan`] is everything that the rest of the program needs to know about the tests of one
//! file: it is what `snowglobe eval --plan` prints, and what the embedded Nix library
//! (`nixpkgs/snowglobe/plan.nix`) produces. The types hold no logic. Field names in JSON are
//! camelCase and are the contract with the Nix side; an unknown field is an error, so that the
//! two cannot drift apart unnoticed.

mod node;
mod store;
mod system;
mod test;

pub use node::{
    Direction, Disk, Forward, Hardware, Interface, Node, Protocol, Resolution, SharedDirectory,
    SnapshotPolicy, UserNetwork,
};
pub use store::{Derivation, DerivationOutput, FixedHash, StoreObject, StorePath};
pub use system::{EtcEntry, EtcKind, FileSystem, Group, Kernel, Password, System, User, Wrapper};
pub use test::{Plan, Position, Script, Test};

/// Version of the plan's format; changes when a field changes its meaning.
pub const FORMAT: u32 = 1;
