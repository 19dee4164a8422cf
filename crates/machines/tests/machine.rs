//! Boots real machines. Runs with `SNOWGLOBE_E2E=1`; `SNOWGLOBE_TEST_TOOLS` is a tree with QEMU,
//! `SNOWGLOBE_TEST_KERNEL` a tree with Debian's kernel and busybox.

mod guest;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use guest::{Guest, Shell, timed};
use snowglobe_machines::snapshot::{After, Snapshot, Snapshots};
use snowglobe_machines::{
    Accelerator, Boot, Card, Choice, Ended, Error, Host, Machine, MachineSpec, Observer,
    ProbeInput, Reason, Request, Start, Tools, choose,
};
use snowglobe_plan::{Direction, Disk, Forward, Hardware, Protocol, Resolution, UserNetwork};
use snowglobe_switch::{Change, Vlan};

const LIMIT: Duration = Duration::from_secs(120);

struct Lab {
    directory: tempfile::TempDir,
    guest: Guest,
    host: Arc<Host>,
}

struct Listener {
    lines: Mutex<Sender<String>>,
    ends: Mutex<Sender<Ended>>,
}

impl Observer for Listener {
    fn console(&self, _machine: &str, line: &[u8]) {
        let _ = self
            .lines
            .lock()
            .unwrap()
            .send(String::from_utf8_lossy(line).into_owned());
    }
    fn ended(&self, _machine: &str, ended: &Ended) {
        let _ = self.ends.lock().unwrap().send(ended.clone());
    }
}

struct Subject {
    machine: Machine,
    lines: Receiver<String>,
    ends: Receiver<Ended>,
}

impl Lab {
    /// `None` when the test cannot run here, with the reason on standard error.
    fn new() -> Option<Self> {
        if std::env::var_os("SNOWGLOBE_E2E").is_none() {
            eprintln!("skipped: SNOWGLOBE_E2E is not set");
            return None;
        }
        let tree = |name: &str| {
            let path = std::env::var_os(name).map(PathBuf::from);
            if path.is_none() {
                eprintln!("skipped: {name} is not set");
            }
            path
        };
        let tools = tree("SNOWGLOBE_TEST_TOOLS")?;
        let kernel = tree("SNOWGLOBE_TEST_KERNEL")?;
        let directory = tempfile::tempdir().unwrap();
        let guest = Guest::build(&kernel, directory.path());
        let choice = Choice {
            accelerator: Accelerator::Tcg,
            reason: "test".into(),
        };
        let host = Host::new(Tools::Layers(vec![tools]), choice).unwrap();
        Some(Self {
            directory,
            guest,
            host: Arc::new(host),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn spec(&self, name: &str, number: u8, vlan: bool) -> MachineSpec {
        MachineSpec {
            name: name.into(),
            hardware: Hardware {
                memory_mib: 256,
                cores: 1,
                disk_mib: 64,
                empty_disks: vec![Disk {
                    size_mib: 8,
                    serial: None,
                }],
                graphics: false,
                resolution: Resolution { x: 800, y: 600 },
                qemu_options: vec![],
                user_network: Some(UserNetwork::default()),
                shared_directories: vec![],
            },
            cards: vlan
                .then(|| Card {
                    name: "eth1".into(),
                    vlan: 1,
                    mac: format!("52:54:00:12:01:{number:02x}"),
                })
                .into_iter()
                .collect(),
            boot: Boot {
                kernel: self.guest.kernel.clone(),
                initrd: Some(self.guest.initrd.clone()),
                command_line: "console=ttyS0 mitigations=off panic=-1".into(),
                layers: vec![self.guest.initrd.clone()],
                disk_template: None,
            },
            internet: false,
        }
    }

    fn subject(&self, spec: MachineSpec, vlan: Option<&Vlan>) -> Subject {
        let (lines, line_receiver) = channel();
        let (ends, end_receiver) = channel();
        let listener = Listener {
            lines: Mutex::new(lines),
            ends: Mutex::new(ends),
        };
        let cards = vlan
            .map(|vlan| (vlan.clone(), vlan.add_port(&spec.name)))
            .into_iter()
            .collect();
        let directory = self.path(&spec.name);
        let machine = Machine::new(
            spec,
            self.host.clone(),
            &directory,
            cards,
            Arc::new(listener),
        )
        .unwrap();
        Subject {
            machine,
            lines: line_receiver,
            ends: end_receiver,
        }
    }
}

impl Subject {
    fn boot(&self, start: Start) -> Shell {
        // Lines of an earlier boot.
        while self.lines.try_recv().is_ok() {}
        self.machine
            .start(start)
            .unwrap_or_else(|error| panic!("{error}"));
        self.wait_line("guest is up");
        self.shell()
    }

    fn shell(&self) -> Shell {
        Shell::new(self.machine.take_agent().unwrap())
    }

    #[track_caller]
    fn wait_line(&self, wanted: &str) {
        let mut seen = String::new();
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) if line.contains(wanted) => return,
                Ok(line) => seen += &(line + "\n"),
                Err(_) => panic!("'{wanted}' did not appear:\n{seen}"),
            }
        }
    }
}

#[test]
fn a_machine_lives_and_its_disks_survive_it() {
    let Some(lab) = Lab::new() else { return };
    let subject = lab.subject(lab.spec("one", 1, false), None);
    let machine = &subject.machine;
    let mut shell = timed("cold boot to the shell", || subject.boot(Start::default()));
    assert_eq!(
        shell.succeed(
            "for d in /sys/block/vd?; do echo $(cat $d/serial); done; cat /sys/block/vdb/size"
        ),
        "root\n\nlayer0\n16384\n"
    );
    assert!(matches!(
        machine.start(Start::default()),
        Err(Error::Running(_))
    ));
    shell.succeed("echo kept | dd of=/dev/vda seek=1000 2>/dev/null; sync");

    // Power off.
    shell.send("poweroff -f");
    assert_eq!(
        machine.wait_ended(LIMIT).unwrap().reason,
        Reason::PoweredOff
    );
    assert_eq!(
        subject.ends.recv_timeout(LIMIT).unwrap().reason,
        Reason::PoweredOff
    );
    assert!(!machine.is_running());
    assert!(matches!(machine.pause(), Err(Error::NotRunning(_))));

    // Again, from the same disk; a reboot ends it.
    let mut shell = subject.boot(Start::default());
    assert_eq!(
        shell.succeed("dd if=/dev/vda skip=1000 count=1 2>/dev/null | head -c 5"),
        "kept\n"
    );
    shell.send("reboot -f");
    assert_eq!(machine.wait_ended(LIMIT).unwrap().reason, Reason::Rebooted);

    // A reboot that is allowed; console, keys, monitor, pid.
    let mut shell = subject.boot(Start { allow_reboot: true });
    shell.succeed("echo hello > /dev/ttyS0");
    subject.wait_line("hello");
    machine.send_key("ctrl-alt-f2").unwrap();
    assert!(machine.send_key("no-such-key").is_err());
    assert!(
        machine
            .monitor_command("info status")
            .unwrap()
            .contains("running")
    );
    let pid = machine.pid().unwrap();
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert!(name.starts_with("qemu"), "{name}");
    shell.send("reboot -f");
    subject.wait_line("guest is up");
    shell.succeed("echo something > /dev/vda; sync");

    // Power failure; a panic; killed from outside.
    timed("crash", || machine.crash(LIMIT)).unwrap();
    assert_eq!(machine.last_end().unwrap().reason, Reason::Killed);
    let mut shell = subject.boot(Start::default());
    assert_eq!(shell.succeed("head -c 10 /dev/vda"), "something\n");
    shell.send("echo c > /proc/sysrq-trigger");
    let end = machine.wait_ended(LIMIT).unwrap();
    assert!(
        matches!(end.reason, Reason::Panicked | Reason::Rebooted),
        "{end}"
    );
    drop(subject.boot(Start::default()));
    let pid = machine.pid().unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid as i32).unwrap(),
        rustix::process::Signal::SEGV,
    )
    .unwrap();
    let end = machine.wait_ended(LIMIT).unwrap();
    assert_eq!(end.to_string(), "QEMU ended with signal 11");

    machine.forget_state().unwrap();
    let mut shell = subject.boot(Start::default());
    assert_eq!(shell.succeed("head -c 9 /dev/vda | tr -d '\\0'"), "");
    drop(shell);
    drop(subject);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn what_is_said_before_the_guest_listens_is_heard() {
    let Some(lab) = Lab::new() else { return };
    let subject = lab.subject(lab.spec("early", 1, false), None);
    subject.machine.start(Start::default()).unwrap();
    assert_eq!(subject.shell().succeed("echo heard"), "heard\n");
}

#[test]
fn a_screen_shows_what_the_machine_draws() {
    let Some(lab) = Lab::new() else { return };
    let mut spec = lab.spec("screen", 1, false);
    spec.hardware.graphics = true;
    spec.boot.command_line = "console=ttyS0 console=tty0 mitigations=off".into();
    let subject = lab.subject(spec, None);
    subject.machine.start(Start::default()).unwrap();
    let early = subject.machine.screenshot().unwrap();
    subject.shell().succeed("echo drawn > /dev/tty0");
    let late = subject.machine.screenshot().unwrap();
    assert!(early.starts_with(b"\x89PNG") && late.starts_with(b"\x89PNG"));
    assert!(early != late);
    assert!(subject.machine.screen("ppm").unwrap().starts_with(b"P6"));
    let path = lab.path("snapshot");
    let saved = subject.machine.save(&path, After::End).unwrap();
    eprintln!("saved with a screen: {saved:?}");
    assert!(saved.state_bytes < 32 << 20);
    subject
        .machine
        .restore(&Snapshot::open(&path).unwrap())
        .unwrap();
    subject.shell().succeed("true");
    // Not the same to the bit: the cursor blinks.
    let restored = subject.machine.screenshot().unwrap();
    assert!(restored != early && restored.len().abs_diff(late.len()) < late.len() / 5);
}

#[test]
fn mistakes_are_told_in_qemus_words() {
    let Some(lab) = Lab::new() else { return };
    let mut spec = lab.spec("wrong", 1, false);
    spec.hardware.qemu_options = vec!["-device".into(), "no-such-device".into()];
    let subject = lab.subject(spec, None);
    let error = subject
        .machine
        .start(Start::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("no-such-device"), "{error}");
}

#[test]
fn ports_lead_into_the_machine_and_none_leads_out() {
    let Some(lab) = Lab::new() else { return };
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let planned = taken.local_addr().unwrap().port();
    drop(taken);
    let mut spec = lab.spec("web", 1, false);
    spec.hardware.user_network = Some(UserNetwork {
        forwards: vec![Forward {
            from: Direction::Host,
            proto: Protocol::Tcp,
            host_address: String::new(),
            host_port: planned,
            guest_address: String::new(),
            guest_port: 80,
        }],
    });
    let subject = lab.subject(spec, None);
    let mut shell = subject.boot(Start::default());
    shell.succeed(
        "ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2",
    );
    shell.succeed("mkdir /www; echo page > /www/index.html; httpd -h /www -p 80");
    let free = subject
        .machine
        .forward_port(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, 80)
        .unwrap();
    let fetch = |port: u16| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.ends_with("page\n"), "{text}");
    };
    for port in [planned, free, planned, free] {
        fetch(port);
    }
    // A server of ours that the machine must not reach.
    let server = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    let (status, _) = shell.run(&format!("nc -w 2 10.0.2.2 {port} < /dev/null"));
    assert_ne!(status, 0);

    // The ports move with the machine through a snapshot.
    let path = lab.path("snapshot");
    subject.machine.save(&path, After::End).unwrap();
    subject
        .machine
        .restore(&Snapshot::open(&path).unwrap())
        .unwrap();
    fetch(planned);
    subject.machine.release();
    subject.machine.wait_ended(LIMIT).unwrap();
    assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, free)).is_err());
}

#[test]
fn machines_talk_over_a_vlan_and_faults_hold() {
    let Some(lab) = Lab::new() else { return };
    let vlan = Vlan::new(1).unwrap();
    let subjects = [1, 2]
        .map(|number| lab.subject(lab.spec(&format!("m{number}"), number, true), Some(&vlan)));
    for subject in &subjects {
        subject.machine.start(Start::default()).unwrap();
    }
    let mut shells: Vec<Shell> = subjects
        .iter()
        .zip(1..)
        .map(|(subject, number)| {
            subject.wait_line("guest is up");
            let mut shell = subject.shell();
            shell.succeed(&format!(
                "ip addr add 192.168.1.{number}/24 dev eth1; ip link set eth1 up"
            ));
            shell
        })
        .collect();
    let ports: Vec<_> = subjects
        .iter()
        .map(|subject| subject.machine.cards()[0].1)
        .collect();
    assert_eq!(vlan.spoke(ports[0]), None, "only discovery until here");
    let capture_path = lab.path("capture.pcapng");
    let capture = vlan
        .capture(Box::new(std::fs::File::create(&capture_path).unwrap()))
        .unwrap();
    shells[0].succeed("ping -c 2 -W 10 192.168.1.2");
    assert!(vlan.spoke(ports[0]).unwrap().contains("ARP"));
    drop(capture);
    assert!(std::fs::metadata(&capture_path).unwrap().len() > 500);
    if let Ok(kept) = std::env::var("SNOWGLOBE_TEST_CAPTURE") {
        std::fs::copy(&capture_path, kept).unwrap();
    }

    vlan.change(Some(ports[0]), Some(ports[1]), Change::Cut);
    assert_ne!(shells[0].run("ping -c 1 -W 1 192.168.1.2").0, 0);
    vlan.change(None, None, Change::Heal);
    shells[0].succeed("ping -c 1 -W 10 192.168.1.2");

    subjects[1].machine.set_link(0, false).unwrap();
    assert_eq!(shells[1].succeed("cat /sys/class/net/eth1/carrier"), "0\n");
    subjects[1].machine.set_link(0, true).unwrap();
    shells[0].succeed("ping -c 3 -W 10 192.168.1.2");

    // A checkpoint of both at one instant, the first goes on, then both go back.
    shells[0].succeed("echo before > /state");
    vlan.pause();
    for subject in &subjects {
        subject.machine.pause().unwrap();
    }
    let network = vlan.save();
    let paths = ["c1", "c2"].map(|name| lab.path(name));
    for (subject, path) in subjects.iter().zip(&paths) {
        let saved = subject.machine.save(path, After::Pause).unwrap();
        eprintln!("checkpoint: {saved:?}");
        subject.machine.resume().unwrap();
    }
    vlan.resume();
    shells[0].succeed("echo after > /state; ping -c 1 -W 10 192.168.1.2");
    for subject in &subjects {
        subject.machine.release();
        subject.machine.wait_ended(LIMIT).unwrap();
    }
    for round in 0..2 {
        vlan.pause();
        for (subject, path) in subjects.iter().zip(&paths) {
            let snapshot = Snapshot::open(path).unwrap();
            timed("restore", || {
                subject
                    .machine
                    .restore_paused(&snapshot, snowglobe_machines::Restore::default())
            })
            .unwrap();
        }
        vlan.restore(&network);
        for subject in &subjects {
            subject.machine.resume().unwrap();
        }
        vlan.resume();
        let mut shell = subjects[0].shell();
        assert_eq!(
            timed("first answer", || shell.succeed("cat /state")),
            "before\n",
            "{round}"
        );
        shell.succeed("echo after > /state; ping -c 1 -W 10 192.168.1.2");
        for subject in &subjects {
            subject.machine.crash(LIMIT).unwrap();
        }
    }
}

#[test]
fn saved_once_and_restored_many_times() {
    let Some(lab) = Lab::new() else { return };
    let subject = lab.subject(lab.spec("baked", 1, false), None);
    let mut shell = subject.boot(Start::default());
    shell.succeed("echo memory > /state; echo disk > /dev/vda; sync");
    let snapshots = Snapshots::new(lab.path("snapshots"));
    let key = subject.machine.snapshot_key().unwrap();
    assert!(snapshots.get(&key).unwrap().is_none());
    let saved = subject
        .machine
        .save(&snapshots.path(&key), After::End)
        .unwrap();
    eprintln!("saved: {saved:?}");
    assert!(saved.state_bytes < 32 << 20);
    assert!(!subject.machine.is_running());

    // It itself, then others of the same specification at once.
    let snapshot = snapshots.get(&key).unwrap().unwrap();
    let mut restored = timed("restore and first answer", || {
        subject.machine.restore(&snapshot).unwrap();
        let mut shell = subject.shell();
        assert_eq!(
            shell.succeed("cat /state; head -c 5 /dev/vda"),
            "memory\ndisk\n"
        );
        shell
    });
    let log = std::fs::read_to_string(subject.machine.directory().join("console.log")).unwrap();
    assert!(log.contains("guest is up"));
    restored.succeed("echo changed > /state; echo changed > /dev/vda; sync");

    let clones: u32 =
        std::env::var("SNOWGLOBE_TEST_CLONES").map_or(4, |text| text.parse().unwrap());
    timed("clones at once", || {
        std::thread::scope(|scope| {
            for number in 0..clones {
                let (lab, snapshots, key) = (&lab, &snapshots, &key);
                scope.spawn(move || {
                    let clone = lab.subject(
                        MachineSpec {
                            name: format!("clone{number}"),
                            ..lab.spec("baked", 1, false)
                        },
                        None,
                    );
                    let snapshot = snapshots.get(key).unwrap().unwrap();
                    clone.machine.restore(&snapshot).unwrap();
                    let mut shell = clone.shell();
                    assert_eq!(
                        shell.succeed("cat /state; head -c 5 /dev/vda"),
                        "memory\ndisk\n"
                    );
                });
            }
        });
    });

    // A restored machine can be saved as well, with its memory in the stream.
    let again = lab.path("again");
    let saved = subject.machine.save(&again, After::Pause).unwrap();
    eprintln!("saved a restored one: {saved:?}");
    subject.machine.crash(LIMIT).unwrap();
    subject
        .machine
        .restore(&Snapshot::open(&again).unwrap())
        .unwrap();
    let mut shell = subject.shell();
    assert_eq!(
        shell.succeed("cat /state; head -c 8 /dev/vda"),
        "changed\nchanged\n"
    );
    subject.machine.crash(LIMIT).unwrap();

    // Started after a restore, it boots from the disk as it was left.
    subject.machine.restore(&snapshot).unwrap();
    subject.shell().succeed("echo third > /dev/vda; sync");
    subject.machine.crash(LIMIT).unwrap();
    let mut shell = subject.boot(Start::default());
    assert_eq!(
        shell.succeed("head -c 6 /dev/vda; test -e /state || echo none"),
        "third\nnone\n"
    );
    subject.machine.crash(LIMIT).unwrap();

    // A state that QEMU refuses.
    let state = snapshots.path(&key).join("state");
    drop(snapshot);
    let mut bytes = std::fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    std::fs::write(&state, bytes).unwrap();
    assert!(snapshots.get(&key).is_err());
    assert!(snapshots.get(&key).unwrap().is_none());
}

#[test]
fn the_probe_decides_in_bounded_time() {
    let Some(lab) = Lab::new() else { return };
    let tools = Tools::Layers(vec![PathBuf::from(
        std::env::var_os("SNOWGLOBE_TEST_TOOLS").unwrap(),
    )]);
    let cache = lab.path("cache");
    let input = ProbeInput {
        tools: &tools,
        kernel: &lab.guest.kernel,
        cache: &cache,
    };
    let choice = timed("probe", || choose(Request::Auto, &input)).unwrap();
    eprintln!("{}: {}", choice.accelerator, choice.reason);
    assert_eq!(
        timed("probe, remembered", || choose(Request::Auto, &input)).unwrap(),
        choice
    );
    if choice.accelerator == Accelerator::Tcg {
        assert!(matches!(
            choose(Request::Kvm, &input),
            Err(Error::Accelerator(_))
        ));
    }
}
