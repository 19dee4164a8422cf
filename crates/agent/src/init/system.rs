//! What a NixOS system expects to find when systemd starts, and what the agent needs of systemd.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::mount::mount_bind;
use snowglobe_agent_protocol::BootConfig;

use super::{Result, failed, say};

/// systemd makes the control group of this slice, and nothing else, when basic.target is reached:
/// without a process, and without a client on its socket.
const LOGIN_SLICE: &str = "[Unit]\nDescription=Commands of the test script may run\n\
    DefaultDependencies=no\nAfter=basic.target\nConflicts=shutdown.target\nBefore=shutdown.target\n";

/// journald sends its messages to the agent as well.
const JOURNAL: &str = "[Journal]\nForwardToSocket=/run/snowglobe/journal\nMaxLevelSocket=debug\n";

pub fn prepare(config: &BootConfig) -> Result {
    if !config.host_name.is_empty() {
        let named = rustix::system::sethostname(config.host_name.as_bytes());
        named.map_err(failed(format_args!(
            "set the host name '{}'",
            config.host_name
        )))?;
    }
    link("/run/current-system", &config.toplevel)?;
    link("/run/booted-system", &config.toplevel)?;
    write("/run/systemd/system/snowglobe.slice", LOGIN_SLICE)?;
    make("/run/systemd/system/multi-user.target.wants")?;
    link(
        "/run/systemd/system/multi-user.target.wants/snowglobe.slice",
        "../snowglobe.slice",
    )?;
    write("/run/systemd/journald.conf.d/snowglobe.conf", JOURNAL)?;
    make("/run/snowglobe")?;
    make("/run/lock")?;
    wrappers()?;
    // A machine can do without, if its layer wants it so.
    if let Err(error) = machine_id() {
        say(&error.to_string());
    }
    Ok(())
}

fn wrappers() -> Result {
    make("/run/wrappers")?;
    if Path::new(BootConfig::WRAPPERS).is_dir() {
        let bound = mount_bind(BootConfig::WRAPPERS, "/run/wrappers");
        bound.map_err(failed("mount /run/wrappers"))
    } else {
        make("/run/wrappers/bin")
    }
}

/// Every machine has one of its own from its first boot on: systemd takes a machine without for one
/// that boots for the first time, and enables units by presets.
fn machine_id() -> Result {
    const PATH: &str = "/etc/machine-id";
    let known = fs::read_to_string(PATH).unwrap_or_default();
    let known = known.trim();
    if known.len() == 32 && known.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(failed("read /dev/urandom"))?;
    // As a version 4 UUID.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // A link into the store cannot be written through.
    if fs::symlink_metadata(PATH).is_ok_and(|metadata| metadata.is_symlink()) {
        fs::remove_file(PATH).map_err(failed(format_args!("replace {PATH}")))?;
    }
    fs::write(PATH, id + "\n").map_err(failed(format_args!("write {PATH}")))
}

fn make(path: &str) -> Result {
    fs::create_dir_all(path).map_err(failed(format_args!("create {path}")))
}

fn link(path: &str, target: &str) -> Result {
    symlink(target, path).map_err(failed(format_args!("link {path}")))
}

fn write(path: &str, text: &str) -> Result {
    if let Some(parent) = Path::new(path).parent().and_then(Path::to_str) {
        make(parent)?;
    }
    fs::write(path, text).map_err(failed(format_args!("write {path}")))
}
