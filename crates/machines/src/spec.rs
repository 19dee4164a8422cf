//! What a machine is.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use snowglobe_plan::{Hardware, Node};

/// A machine, independent of where it runs. Everything here determines what a snapshot holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineSpec {
    /// Name of the node.
    pub name: String,
    /// Memory, processors, disks, screen, user network.
    pub hardware: Hardware,
    /// Cards on virtual networks, in the order in which the machine sees them after `eth0`.
    pub cards: Vec<Card>,
    /// What it boots.
    pub boot: Boot,
    /// Whether the user network has a way out of the host.
    pub internet: bool,
}

/// A card on a virtual network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Name inside the machine.
    pub name: String,
    /// Number of the virtual network.
    pub vlan: u16,
    /// `52:54:00:12:NN:MM`.
    pub mac: String,
}

/// Paths of what a machine boots. They are read, never written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// A kernel: bzImage, or an ELF file with a PVH note, which starts faster.
    pub kernel: PathBuf,
    /// The initial RAM file system.
    pub initrd: Option<PathBuf>,
    /// Kernel parameters.
    pub command_line: String,
    /// Images of read-only layers, lowest first; the machine sees them with the serial numbers
    /// `layer0` …
    pub layers: Vec<PathBuf>,
    /// A raw image that the root disk is at first; without it, the disk is blank.
    pub disk_template: Option<PathBuf>,
}

impl MachineSpec {
    /// The machine of a node.
    pub fn new(node: &Node, boot: Boot, internet: bool) -> Self {
        let card = |interface: &snowglobe_plan::Interface| Card {
            name: interface.name.clone(),
            vlan: interface.vlan,
            mac: interface.mac.clone(),
        };
        Self {
            name: node.name.clone(),
            hardware: node.hardware.clone(),
            cards: node.interfaces.iter().map(card).collect(),
            boot,
            internet,
        }
    }

    /// Why the machine cannot be saved at all; `None`: it can.
    pub fn unsaveable(&self) -> Option<&'static str> {
        if !self.hardware.shared_directories.is_empty() {
            return Some("it sees folders of the host");
        }
        None
    }
}
