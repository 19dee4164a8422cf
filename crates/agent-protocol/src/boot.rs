//! What the first process of a machine reads.

use serde::{Deserialize, Serialize};

/// `/.snowglobe/boot.json` of a system layer: what differs between nodes. Written when the layer is
/// made. The initrd, which is the same for all nodes, has `/etc/modules.load` beside the agent: one
/// path of an uncompressed module a line, in the order of loading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BootConfig {
    /// [`BootConfig::FORMAT`] of the writer.
    pub format: u32,
    /// Kernel's host name before systemd sets it; empty: none.
    #[serde(default)]
    pub host_name: String,
    /// `/nix/store/…`: target of `/run/current-system` and `/run/booted-system`.
    pub toplevel: String,
    /// The program that becomes process 1; `None`: `<toplevel>/systemd/lib/systemd/systemd` if it
    /// exists, else `/usr/lib/systemd/systemd`.
    #[serde(default)]
    pub init: Option<String>,
    /// Names of kernel modules that are loaded, with what they depend on, after the layers are
    /// mounted (by `modprobe` of the machine). Modules of the initrd need not be named.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Shell text run once by the machine's `/bin/sh`, in the mounted root, before the file
    /// systems below are mounted (`boot.initrd.postDeviceCommands` and friends).
    #[serde(default)]
    pub initrd_commands: String,
    /// File systems besides the root that are needed before systemd starts, in mount order.
    #[serde(default)]
    pub file_systems: Vec<BootFileSystem>,
    /// A program run as root after everything is mounted and before systemd starts.
    #[serde(default)]
    pub activation: Option<String>,
    /// Directories of the root that are not overlay but directories of the writable disk; the
    /// default is `/var /home /root /srv /tmp`. Each begins as a copy of what the layers hold.
    #[serde(default = "BootConfig::default_disk_directories")]
    pub disk_directories: Vec<String>,
}

impl BootConfig {
    /// Version of the format.
    pub const FORMAT: u32 = 1;
    /// Where it lies in the root of a machine.
    pub const PATH: &str = "/.snowglobe/boot.json";
    /// Where the system layer may hold wrapped programs (`bin/…`, with owners, modes and
    /// capabilities); becomes `/run/wrappers`.
    pub const WRAPPERS: &str = "/.snowglobe/wrappers";

    /// `/var /home /root /srv /tmp`.
    pub fn default_disk_directories() -> Vec<String> {
        ["/var", "/home", "/root", "/srv", "/tmp"]
            .map(str::to_owned)
            .to_vec()
    }
}

/// One file system that the first process mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BootFileSystem {
    /// Absolute path in the machine.
    pub mount_point: String,
    /// A device path, `serial:NAME` for a disk by its serial number, or the source of a special
    /// file system (`tmpfs`, a 9p tag, a directory to bind).
    pub device: String,
    /// Type; `auto` tries those that the kernel knows; `none` with `bind` among the options.
    pub fs_type: String,
    /// As in fstab.
    #[serde(default)]
    pub options: Vec<String>,
    /// Make the file system (`mkfs.<type>` of the machine) when the device is blank.
    #[serde(default)]
    pub auto_format: bool,
}
