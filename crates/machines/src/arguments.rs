//! QEMU's command line.

use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use snowglobe_plan::{Direction, Protocol, UserNetwork};

use crate::accel::Accelerator;
use crate::spec::MachineSpec;

/// What the process has besides the machine's specification.
#[derive(Clone, Debug)]
pub(crate) struct Wiring {
    pub accelerator: Accelerator,
    pub ram: Ram,
    pub qmp: RawFd,
    pub console: RawFd,
    pub agent: RawFd,
    /// One for each card.
    pub cards: Vec<RawFd>,
    pub disks: Vec<PathBuf>,
    pub allow_reboot: bool,
    /// Wait for a saved state.
    pub incoming: bool,
}

/// Where the machine's memory is.
#[derive(Clone, Debug)]
pub(crate) enum Ram {
    /// In a memory file that it shares with us, so that it can be saved by copying.
    Shared(RawFd),
    /// In a file that is read where it is touched, and never written.
    Private(PathBuf),
}

/// Address of `eth0`: QEMU's default.
const USER_MAC: &str = "52:54:00:12:34:56";

/// All arguments, for a machine that is booted or restored.
pub(crate) fn arguments(spec: &MachineSpec, wiring: &Wiring) -> Vec<String> {
    let hardware = &spec.hardware;
    let mut args = Args::default();
    args.add([
        "-name",
        &spec.name,
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
    ]);
    args.add(["-machine", "q35,memory-backend=ram,vmport=off,smm=off"]);
    match wiring.accelerator {
        Accelerator::Kvm => args.add(["-accel", "kvm", "-cpu", "host"]),
        Accelerator::Tcg => args.add(["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"]),
    }
    args.add([
        "-smp",
        &hardware.cores.to_string(),
        "-m",
        &format!("{}M", hardware.memory_mib),
    ]);
    let size = format!("size={}M", hardware.memory_mib);
    let memory = match &wiring.ram {
        Ram::Shared(number) => format!("{size},mem-path=/proc/self/fd/{number},share=on"),
        Ram::Private(path) => {
            format!(
                "{size},mem-path={},share=off,readonly=on,rom=off",
                escaped(path)
            )
        }
    };
    args.add(["-object", &format!("memory-backend-file,id=ram,{memory}")]);
    args.add(["-rtc", "base=utc"]);
    args.device(json!({ "driver": "vmgenid", "guid": "auto" }));
    args.device(json!({ "driver": "virtio-rng-pci" }));

    args.chardev("qmp", wiring.qmp);
    args.add(["-mon", "chardev=qmp,mode=control"]);
    args.chardev("console", wiring.console);
    args.device(json!({ "driver": "isa-serial", "chardev": "console" }));
    args.device(json!({ "driver": "virtio-serial-pci" }));
    args.chardev("agent", wiring.agent);
    args.device(json!({
        "driver": "virtserialport", "chardev": "agent", "name": "snowglobe.agent",
    }));

    if hardware.graphics {
        let (x, y) = (hardware.resolution.x, hardware.resolution.y);
        args.device(json!({ "driver": "virtio-vga", "xres": x, "yres": y }));
        args.device(json!({ "driver": "virtio-keyboard-pci" }));
        args.device(json!({ "driver": "virtio-tablet-pci" }));
    }

    disks(&mut args, spec, wiring);

    if let Some(network) = &hardware.user_network {
        args.add(["-netdev", &user_network(network, spec.internet)]);
        args.card("user", USER_MAC);
    }
    for (index, (card, number)) in spec.cards.iter().zip(&wiring.cards).enumerate() {
        let id = card_id(index);
        args.add([
            "-netdev",
            &format!("dgram,id={id},local.type=fd,local.str={number}"),
        ]);
        args.card(&id, &card.mac);
    }

    for directory in &hardware.shared_directories {
        let path = escaped(Path::new(&directory.source));
        let tag = &directory.tag;
        args.add([
            "-virtfs",
            &format!("local,path={path},mount_tag={tag},security_model=mapped-xattr"),
        ]);
    }

    args.add(["-kernel", &spec.boot.kernel.to_string_lossy()]);
    if let Some(initrd) = &spec.boot.initrd {
        args.add(["-initrd", &initrd.to_string_lossy()]);
    }
    args.add(["-append", &spec.boot.command_line]);
    if !wiring.allow_reboot {
        args.add(["-no-reboot"]);
    }
    if wiring.incoming {
        args.add(["-S", "-incoming", "defer"]);
    }
    args.0.extend(hardware.qemu_options.iter().cloned());
    args.0
}

/// Name of a card on a virtual network, counted from 0, as the monitor knows it.
pub(crate) fn card_id(index: usize) -> String {
    format!("vlan{}", index + 1)
}

/// Whether QEMU needs the host's network: only sockets of ours reach it otherwise.
pub(crate) fn needs_network(spec: &MachineSpec) -> bool {
    spec.hardware.user_network.as_ref().is_some_and(|network| {
        spec.internet
            || network
                .forwards
                .iter()
                .any(|forward| forward.from == Direction::Guest || forward.proto == Protocol::Udp)
    })
}

fn disks(args: &mut Args, spec: &MachineSpec, wiring: &Wiring) {
    let empty = spec.hardware.empty_disks.iter();
    let serials = std::iter::once(Some("root")).chain(empty.map(|disk| disk.serial.as_deref()));
    for (index, (path, serial)) in wiring.disks.iter().zip(serials).enumerate() {
        let node = format!("disk{index}");
        args.blockdev(json!({
            "driver": "qcow2", "node-name": node, "discard": "unmap",
            // What the machine writes must survive the machine, not the host.
            "cache": { "direct": false, "no-flush": true },
            "file": {
                "driver": "file", "filename": path, "discard": "unmap",
                "cache": { "direct": false, "no-flush": true },
            },
        }));
        let mut device = json!({ "driver": "virtio-blk-pci", "drive": node });
        if let Some(serial) = serial {
            device["serial"] = json!(serial);
        }
        args.device(device);
    }
    for (index, path) in spec.boot.layers.iter().enumerate() {
        let node = format!("layer{index}");
        args.blockdev(json!({
            "driver": "raw", "node-name": node, "read-only": true,
            "file": { "driver": "file", "filename": path, "read-only": true },
        }));
        args.device(json!({ "driver": "virtio-blk-pci", "drive": node, "serial": node }));
    }
}

fn user_network(network: &UserNetwork, internet: bool) -> String {
    let mut text = "user,id=user".to_owned();
    if !internet {
        text.push_str(",restrict=on");
    }
    for forward in &network.forwards {
        let (guest_port, host_port) = (forward.guest_port, forward.host_port);
        let protocol = match forward.proto {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        match forward.from {
            // Others are done by us: see `forward`.
            Direction::Host if internet || forward.proto == Protocol::Udp => {
                let host = if forward.host_address.is_empty() {
                    "127.0.0.1"
                } else {
                    &forward.host_address
                };
                let guest = &forward.guest_address;
                text.push_str(&format!(
                    ",hostfwd={protocol}:{host}:{host_port}-{guest}:{guest_port}"
                ));
            }
            Direction::Host => {}
            Direction::Guest => {
                let guest = if forward.guest_address.is_empty() {
                    "10.0.2.100"
                } else {
                    &forward.guest_address
                };
                let host = if forward.host_address.is_empty() {
                    "127.0.0.1"
                } else {
                    &forward.host_address
                };
                text.push_str(&format!(
                    ",guestfwd=tcp:{guest}:{guest_port}-tcp:{host}:{host_port}"
                ));
            }
        }
    }
    text
}

/// QEMU's option syntax separates by commas; a comma in a value is doubled.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[derive(Default)]
struct Args(Vec<String>);

impl Args {
    fn add<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) {
        self.0.extend(words.into_iter().map(str::to_owned));
    }

    fn device(&mut self, properties: Value) {
        self.0
            .extend(["-device".to_owned(), properties.to_string()]);
    }

    fn blockdev(&mut self, properties: Value) {
        self.0
            .extend(["-blockdev".to_owned(), properties.to_string()]);
    }

    fn chardev(&mut self, id: &str, number: RawFd) {
        self.add(["-chardev", &format!("socket,id={id},fd={number}")]);
    }

    fn card(&mut self, netdev: &str, mac: &str) {
        // Without a boot ROM, the firmware has nothing to try.
        self.device(json!({
            "driver": "virtio-net-pci", "netdev": netdev, "mac": mac, "romfile": "",
        }));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use snowglobe_plan::{Disk, Forward, Hardware, Resolution};

    use super::*;
    use crate::spec::{Boot, Card};

    pub(crate) fn spec() -> MachineSpec {
        MachineSpec {
            name: "m".into(),
            hardware: Hardware {
                memory_mib: 512,
                cores: 2,
                disk_mib: 1024,
                empty_disks: vec![Disk {
                    size_mib: 10,
                    serial: Some("data".into()),
                }],
                graphics: false,
                resolution: Resolution { x: 1024, y: 768 },
                qemu_options: vec!["-device".into(), "edu".into()],
                user_network: Some(UserNetwork::default()),
                shared_directories: vec![],
            },
            cards: vec![Card {
                name: "eth1".into(),
                vlan: 1,
                mac: "52:54:00:12:01:01".into(),
            }],
            boot: Boot {
                kernel: "/k".into(),
                initrd: Some("/i".into()),
                command_line: "console=ttyS0".into(),
                layers: vec!["/base,x.erofs".into(), "/system.erofs".into()],
                disk_template: None,
            },
            internet: false,
        }
    }

    fn wiring() -> Wiring {
        Wiring {
            accelerator: Accelerator::Tcg,
            ram: Ram::Shared(7),
            qmp: 8,
            console: 9,
            agent: 10,
            cards: vec![11],
            disks: vec!["/d/root.qcow2".into(), "/d/empty0.qcow2".into()],
            allow_reboot: false,
            incoming: false,
        }
    }

    fn text(spec: &MachineSpec, wiring: &Wiring) -> String {
        arguments(spec, wiring).join(" ")
    }

    #[test]
    fn disks_come_in_the_order_that_machines_rely_on() {
        let text = text(&spec(), &wiring());
        let at = |needle: &str| {
            text.find(needle)
                .unwrap_or_else(|| panic!("{needle} in {text}"))
        };
        let order = [
            "\"serial\":\"root\"",
            "\"serial\":\"data\"",
            "\"serial\":\"layer0\"",
            "\"serial\":\"layer1\"",
        ];
        assert!(order.map(at).is_sorted(), "{text}");
        at("/base,x.erofs");
        at("local.type=fd,local.str=11");
        at("mem-path=/proc/self/fd/7,share=on");
        at("-no-reboot");
        assert!(text.ends_with("-device edu"));
    }

    #[test]
    fn a_restored_machine_differs_only_in_its_memory_and_in_waiting() {
        let booted = arguments(&spec(), &wiring());
        let ram = Ram::Private("/s/r,am".into());
        let restored = arguments(
            &spec(),
            &Wiring {
                ram,
                incoming: true,
                ..wiring()
            },
        );
        let new: Vec<_> = restored
            .iter()
            .filter(|arg| !booted.contains(arg))
            .collect();
        assert_eq!(
            new,
            [
                "memory-backend-file,id=ram,size=512M,mem-path=/s/r,,am,share=off,readonly=on,rom=off",
                "-S",
                "-incoming",
                "defer"
            ]
        );
    }

    #[test]
    fn the_user_network_has_no_way_out_unless_asked() {
        let mut spec = spec();
        assert!(text(&spec, &wiring()).contains("user,id=user,restrict=on "));
        assert!(!needs_network(&spec));
        spec.internet = true;
        assert!(!text(&spec, &wiring()).contains("restrict"));
        assert!(needs_network(&spec));
        spec.internet = false;
        let forward = |from, proto| Forward {
            from,
            proto,
            host_address: String::new(),
            host_port: 80,
            guest_address: String::new(),
            guest_port: 8080,
        };
        for (from, proto, expected, network) in [
            (
                Direction::Host,
                Protocol::Tcp,
                "user,id=user,restrict=on ",
                false,
            ),
            (
                Direction::Host,
                Protocol::Udp,
                ",hostfwd=udp:127.0.0.1:80-:8080 ",
                true,
            ),
            (
                Direction::Guest,
                Protocol::Tcp,
                ",guestfwd=tcp:10.0.2.100:8080-tcp:127.0.0.1:80 ",
                true,
            ),
        ] {
            spec.hardware.user_network = Some(UserNetwork {
                forwards: vec![forward(from, proto)],
            });
            let text = text(&spec, &wiring());
            assert!(text.contains(expected), "{text}");
            assert_eq!(needs_network(&spec), network);
        }
    }
}
