//! A node and the hardware of its machine.

use serde::{Deserialize, Serialize};

use crate::System;

/// The configuration of one machine of a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Node {
    /// Attribute name in `nodes`.
    pub name: String,
    /// From 1, alphabetical over all machines of the test; last part of addresses.
    pub number: u16,
    /// `networking.hostName`.
    pub host_name: String,
    /// What the machine runs.
    pub system: System,
    /// What the machine is.
    pub hardware: Hardware,
    /// Network cards on virtual networks, sorted by name; the user network is not among them.
    pub interfaces: Vec<Interface>,
    /// Whether the machine may be restored from a snapshot.
    #[serde(default)]
    pub snapshot: SnapshotPolicy,
}

/// Whether a booted machine may be saved and restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnapshotPolicy {
    /// Why not, in words for the report; `None`: it may.
    #[serde(default)]
    pub refused: Option<String>,
}

/// A network card on a virtual network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Interface {
    /// Name inside the machine, such as `eth1`.
    pub name: String,
    /// Number of the virtual network.
    pub vlan: u16,
    /// Lower-case hexadecimal, `52:54:00:12:NN:MM`.
    pub mac: String,
}

/// `virtualisation.*`: the emulated hardware.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hardware {
    /// RAM in MiB.
    pub memory_mib: u32,
    /// Virtual processors.
    pub cores: u16,
    /// Size of the writable disk in MiB (sparse).
    pub disk_mib: u32,
    /// Further blank disks, `/dev/vdb` onwards in this order.
    #[serde(default)]
    pub empty_disks: Vec<Disk>,
    /// Whether the machine has a screen, a keyboard and a tablet.
    pub graphics: bool,
    /// Size of the screen.
    pub resolution: Resolution,
    /// Further arguments to QEMU, already split into words.
    #[serde(default)]
    pub qemu_options: Vec<String>,
    /// The user network on `eth0`; `None`: no such card.
    #[serde(default)]
    pub user_network: Option<UserNetwork>,
    /// Folders of the host seen by the machine.
    #[serde(default)]
    pub shared_directories: Vec<SharedDirectory>,
}

/// A blank disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Disk {
    /// MiB.
    pub size_mib: u32,
    /// Serial number that the machine sees, if any.
    #[serde(default)]
    pub serial: Option<String>,
}

/// Pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "width and height")]
pub struct Resolution {
    pub x: u32,
    pub y: u32,
}

/// QEMU's user-mode network on `eth0`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserNetwork {
    /// `virtualisation.forwardPorts`.
    #[serde(default)]
    pub forwards: Vec<Forward>,
}

/// One forwarded port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are upstream's")]
pub struct Forward {
    pub from: Direction,
    pub proto: Protocol,
    #[serde(default)]
    pub host_address: String,
    pub host_port: u16,
    #[serde(default)]
    pub guest_address: String,
    pub guest_port: u16,
}

/// Which side connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are upstream's")]
pub enum Direction {
    Host,
    Guest,
}

/// Transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "well known")]
pub enum Protocol {
    Tcp,
    Udp,
}

/// `virtualisation.sharedDirectories`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SharedDirectory {
    /// 9p mount tag.
    pub tag: String,
    /// Folder on the host.
    pub source: String,
    /// Where it is mounted in the machine.
    pub target: String,
}
