//! Boots a machine with QEMU and measures its agent: for work on the first process and the service,
//! without the rest of Snowglobe.
//!
//! `boot KERNEL INITRD DISK LAYER…` with raw images; prints seconds since QEMU's start. What follows
//! `--` is run in the machine as shell commands, in order.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use snowglobe_agent_client::protocol::PowerAction;
use snowglobe_agent_client::{Agent, Error, ExecRequest};

const LONG: Option<Duration> = Some(Duration::from_secs(180));

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut parts = words.split(|word| word == "--");
    let files = parts.next().unwrap_or_default();
    let commands = parts.next().unwrap_or_default();
    let [kernel, initrd, disk, layers @ ..] = files else {
        return Err("usage: boot KERNEL INITRD DISK LAYER… [-- COMMAND…]".into());
    };
    let cores = std::env::var("CORES").unwrap_or("1".into());
    let (ours, theirs) = UnixStream::pair()?;
    let theirs = OwnedFd::from(theirs);
    let number = theirs.as_raw_fd();
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args([
        "-M",
        "q35",
        "-cpu",
        "max",
        "-accel",
        "tcg",
        "-m",
        "1024",
        "-nodefaults",
        "-nographic",
    ]);
    if std::env::var_os("REBOOT").is_none() {
        qemu.arg("-no-reboot");
    }
    qemu.args([
        "-smp", &cores, "-kernel", kernel, "-initrd", initrd, "-append",
    ]);
    qemu.arg("console=ttyS0 mitigations=off nokaslr audit=0 panic=1 lsm=landlock,lockdown,yama,integrity,apparmor systemd.show_status=false");
    let console = std::env::var("CONSOLE").unwrap_or("/dev/null".into());
    qemu.args([
        "-serial",
        &format!("file:{console}"),
        "-device",
        "virtio-rng-pci",
    ]);
    qemu.args([
        "-device",
        "virtio-serial-pci",
        "-chardev",
        &format!("socket,id=agent,fd={number}"),
    ]);
    qemu.args([
        "-device",
        "virtserialport,chardev=agent,name=snowglobe.agent",
    ]);
    let mut add = |serial: &str, file: &str, more: &str| {
        qemu.args([
            "-drive",
            &format!("file={file},if=none,id={serial},format=raw,cache=unsafe{more}"),
        ]);
        qemu.args([
            "-device",
            &format!("virtio-blk-pci,drive={serial},serial={serial}"),
        ]);
    };
    add("root", disk, "");
    if let Ok(extra) = std::env::var("EXTRA") {
        add("extra", &extra, "");
    }
    for (at, layer) in layers.iter().enumerate() {
        add(&format!("layer{at}"), layer, ",readonly=on");
    }
    // SAFETY: one system call.
    unsafe {
        qemu.pre_exec(move || {
            let inherited = std::os::fd::BorrowedFd::borrow_raw(number);
            rustix::io::fcntl_setfd(inherited, rustix::io::FdFlags::empty())?;
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            Ok(())
        });
    }
    let begin = Instant::now();
    let mut qemu = qemu.stdin(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/stat", qemu.id());
    let at = |what: &str| {
        // User and system time in ticks of 10 ms: what counts on a computer with other work.
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let fields = text
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let ticks: u64 = fields
            .skip(11)
            .take(2)
            .filter_map(|word| word.parse::<u64>().ok())
            .sum();
        let (wall, busy) = (begin.elapsed().as_secs_f64(), ticks as f64 / 100.0);
        println!("{wall:7.2} s, {busy:6.2} s of processor  {what}");
    };
    drop(theirs);
    let agent = Agent::connect(ours)?;
    let reply = agent.hello(LONG)?;
    at(&format!("hello, {:?}", reply.phase));
    let result = agent.exec(&ExecRequest::shell("true"))?;
    at(&format!("first command answered: {}", result.status));

    let verdict = agent.wait_for_unit("default.target", None, LONG)?;
    at(&format!("default.target: {verdict:?}"));
    let ready = agent.wait_for_ready(Duration::from_secs(1), Duration::from_secs(60))?;
    at(&format!("ready: {ready:?}"));
    let mut best = [Duration::MAX; 2];
    for _ in 0..20 {
        best[0] = best[0].min(agent.ping()?);
        let begin = Instant::now();
        agent.exec(&ExecRequest::shell("true"))?;
        best[1] = best[1].min(begin.elapsed());
    }
    let loops = agent.exec(&ExecRequest::shell("for i in 1 2 3 4 5; do bash -c true; done; s=$(date +%s%N); for i in 1 2 3 4 5; do bash -c true; done; e=$(date +%s%N); echo $(( (e-s)/5 ))"))?;
    println!(
        "ping {:?}, exec true {:?}, bash -c true inside {} ns",
        best[0],
        best[1],
        String::from_utf8_lossy(&loops.stdout).trim()
    );
    for command in commands {
        let begin = Instant::now();
        let result = match command.split_once(':') {
            Some(("@unit", unit)) => format!("{:?}", agent.wait_for_unit(unit, None, LONG)),
            Some(("@user", unit)) => {
                format!("{:?}", agent.wait_for_unit(unit, Some("alice"), LONG))
            }
            Some(("@start", unit)) => format!(
                "{:?}",
                agent.unit_job(
                    unit,
                    None,
                    snowglobe_agent_client::protocol::UnitJob::Start,
                    LONG
                )
            ),
            Some(("@show", words)) => {
                let (unit, name) = words.split_once(' ').unwrap_or((words, "ActiveState"));
                format!("{:?}", agent.unit_properties(unit, None, &[name]))
            }
            Some(("@reboot", _)) => {
                agent.power(PowerAction::Reboot)?;
                let end = agent.wait_for_file("/nowhere", true, None);
                let hello = agent.hello(LONG);
                format!("{end:?}, then {hello:?}; QEMU: {:?}", qemu.try_wait())
            }
            Some(("@facts", _)) => format!("{:?}", agent.facts()?),
            Some(("@tty", tty)) => format!("{:?}", agent.tty_text(tty, None, None)?),
            Some(("@restored", _)) => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
                format!("{:?}", agent.restored(now.as_nanos() as u64, &[7; 64]))
            }
            Some(("@journal", text)) => {
                let mut journal = agent.journal()?;
                let mut found = None;
                let mut seen = 0;
                while let Some(entry) =
                    journal.next(Some(Instant::now() + Duration::from_secs(10)))?
                {
                    seen += 1;
                    if entry.message.contains(text) {
                        found = Some(entry);
                        break;
                    }
                }
                format!("after {seen}: {found:?}")
            }
            _ => {
                let result = agent.exec(&ExecRequest::shell(command.clone()))?;
                let text = [&result.stdout[..], &result.stderr[..]].concat();
                format!("{} {}", result.status, String::from_utf8_lossy(&text))
            }
        };
        println!("{command}: [{:?}] {result}", begin.elapsed());
    }
    agent.power(PowerAction::PowerOff)?;
    let end = agent.wait_for_file("/nowhere", true, None);
    assert!(matches!(end, Err(Error::Disconnected)), "{end:?}");
    at(&format!("off: {}", qemu.wait()?));
    Ok(())
}
