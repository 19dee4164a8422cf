//! First process of a machine: from the kernel's hands to systemd's.
//!
//! It does with a few system calls what an initial RAM disk usually does with a hundred processes,
//! since under emulation a process costs a tenth of a second. In order: kernel file systems, modules,
//! layers and disk, the overlay that becomes `/`, directories of the disk, what systemd would
//! otherwise make with units, the configuration's own commands, the agent's service, systemd.
//!
//! What goes wrong here ends the machine, with the reason as the last line on its console.

mod disks;
mod filesystems;
mod kernel;
mod modules;
mod root;
mod system;

use std::ffi::CString;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, mount};
use snowglobe_agent_protocol::BootConfig;

/// Why a machine cannot boot.
#[derive(Debug)]
pub struct BootError(String);

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

type Result<T = ()> = std::result::Result<T, BootError>;

/// Adds what was tried to an error.
fn failed<E: fmt::Display>(action: impl fmt::Display) -> impl FnOnce(E) -> BootError {
    move |error| BootError(format!("cannot {action}: {error}"))
}

/// Boots; returns only if that is impossible, which panics the kernel.
pub fn run() -> ExitCode {
    let begin = Instant::now();
    let Err(error) = boot(begin);
    say(&format!("cannot boot: {error}"));
    eprintln!("snowglobe: cannot boot: {error}");
    // The kernel panics at once, and a serial line is slow.
    thread::sleep(Duration::from_millis(300));
    ExitCode::FAILURE
}

fn boot(begin: Instant) -> Result<std::convert::Infallible> {
    let mut steps = Steps {
        begin,
        text: String::new(),
    };
    kernel::mount_api("")?;
    modules::load_of_initrd()?;
    steps.done("modules");
    let layers = disks::mount_layers()?;
    let old_root = fs::File::open("/").map_err(failed("open the initial root"))?;
    let config = root::assemble(&layers)?;
    steps.done("root");
    root::switch(&old_root)?;
    drop(old_root);
    system::prepare(&config)?;
    steps.done("switch");
    modules::load(&config.modules)?;
    if !config.initrd_commands.is_empty() {
        let mut shell = Command::new("/bin/sh");
        run_program(
            "boot.initrd commands",
            shell.args(["-c", &config.initrd_commands]),
        )?;
    }
    filesystems::mount_all(&config.file_systems)?;
    steps.done("configuration");
    if let Some(activation) = &config.activation {
        run_program("activation", &mut Command::new(activation))?;
        steps.done("activation");
    }
    start_service()?;
    say(&format!("starting systemd ({})", steps.text));
    become_systemd(&config)
}

/// When what was done, in milliseconds since the first process began.
struct Steps {
    begin: Instant,
    text: String,
}

impl Steps {
    fn done(&mut self, step: &str) {
        let separator = if self.text.is_empty() { "" } else { ", " };
        self.text += &format!("{separator}{step} {}", self.begin.elapsed().as_millis());
    }
}

/// A line in the kernel's log.
fn say(text: &str) {
    // Before /dev is there, nobody hears it.
    if let Ok(mut log) = fs::OpenOptions::new().write(true).open("/dev/kmsg") {
        // One message is what one call writes.
        let _ = log.write_all(format!("<5>snowglobe: {text}\n").as_bytes());
    }
}

/// The environment of programs that run before systemd.
const PATH: &str = "/run/wrappers/bin:/run/current-system/sw/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a program to its end. Its failure is reported and survived, as NixOS does: what it was for is
/// often not needed by the test, and the console says it.
fn run_program(what: &str, command: &mut Command) -> Result {
    let console = fs::OpenOptions::new().write(true).open("/dev/console");
    let output = |console: &fs::File| {
        console
            .try_clone()
            .map_or_else(|_| Stdio::null(), Stdio::from)
    };
    let (stdout, stderr) = match &console {
        Ok(console) => (output(console), output(console)),
        Err(_) => (Stdio::null(), Stdio::null()),
    };
    let status = command
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .status()
        .map_err(failed(format_args!("run the {what}")))?;
    if !status.success() {
        say(&format!("{what}: {status}"));
    }
    Ok(())
}

/// Starts the agent as a process that systemd lets live: a control group of its own, which is no unit's,
/// and a name that says "not at shutdown" (systemd's rule for storage daemons of the root disk).
fn start_service() -> Result {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("@snowglobe-agent")
        .arg("serve")
        .env_clear()
        .current_dir("/");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = command.spawn().map_err(failed("start the agent"))?;
    let write = |path: &str, text: &str| {
        if let Err(error) = fs::write(path, text) {
            say(&format!("cannot write {path}: {error}"));
        }
    };
    let group = "/sys/fs/cgroup/snowglobe-agent.service";
    if fs::create_dir_all(group).is_ok() {
        write(&format!("{group}/cgroup.procs"), &child.id().to_string());
    }
    write(&format!("/proc/{}/oom_score_adj", child.id()), "-1000");
    Ok(())
}

fn become_systemd(config: &BootConfig) -> Result<std::convert::Infallible> {
    let own = format!("{}/systemd/lib/systemd/systemd", config.toplevel);
    let candidates = [
        config.init.clone(),
        Some(own),
        Some("/usr/lib/systemd/systemd".to_owned()),
    ];
    let candidates = candidates.into_iter().flatten();
    let Some(program) = candidates.into_iter().find(|path| Path::new(path).exists()) else {
        return Err(BootError("there is no systemd in the machine".to_owned()));
    };
    // Words of the kernel's command line that the kernel did not know.
    let error = Command::new(&program)
        .args(std::env::args_os().skip(1))
        .exec();
    Err(failed(format_args!("run {program}"))(error))
}

/// Mounts, making the place.
fn mount_at(source: &str, target: &str, kind: &str, flags: MountFlags, data: &str) -> Result {
    mount_plainly(source, target, kind, flags, data)
        .map_err(failed(format_args!("mount {source} ({kind}) at {target}")))
}

fn mount_plainly(
    source: &str,
    target: &str,
    kind: &str,
    flags: MountFlags,
    data: &str,
) -> io::Result<()> {
    fs::create_dir_all(target)?;
    let data = CString::new(data)?;
    mount(
        source,
        target,
        kind,
        flags,
        (!data.is_empty()).then_some(data.as_c_str()),
    )?;
    Ok(())
}
