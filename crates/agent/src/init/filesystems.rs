//! File systems of the configuration that systemd needs to find mounted.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, mount_bind, mount_bind_recursive};
use snowglobe_agent_protocol::BootFileSystem;

use super::{BootError, Result, disks, failed, mount_plainly, run_program};

const PATIENCE: Duration = Duration::from_secs(30);

pub fn mount_all(file_systems: &[BootFileSystem]) -> Result {
    file_systems.iter().try_for_each(mount_one)
}

fn mount_one(file_system: &BootFileSystem) -> Result {
    let options = Options::parse(&file_system.options);
    let outcome = try_mount(file_system, &options);
    match outcome {
        // As fstab means it.
        Err(error) if options.may_fail => {
            super::say(&error.to_string());
            Ok(())
        }
        outcome => outcome,
    }
}

fn try_mount(file_system: &BootFileSystem, options: &Options) -> Result {
    let BootFileSystem {
        mount_point,
        fs_type,
        ..
    } = file_system;
    let mounting = || failed(format!("mount {} at {mount_point}", file_system.device));
    if !mount_point.starts_with('/') {
        return Err(BootError(format!(
            "'{mount_point}' is not an absolute path"
        )));
    }
    std::fs::create_dir_all(mount_point).map_err(mounting())?;
    let device = device(&file_system.device)?;
    if options.bind {
        return mount_bind(device.as_str(), mount_point.as_str())
            .map_err(std::io::Error::from)
            .map_err(mounting());
    }
    if options.recursive_bind {
        return mount_bind_recursive(device.as_str(), mount_point.as_str())
            .map_err(std::io::Error::from)
            .map_err(mounting());
    }
    if file_system.auto_format && disks::is_blank(&device)? {
        let program = format!("mkfs.{fs_type}");
        // Those of ext ask before they write on a whole disk.
        let force = fs_type.starts_with("ext").then_some("-F");
        run_program(
            &program,
            Command::new(format!("/usr/sbin/{program}"))
                .args(force)
                .arg(&device),
        )?;
    }
    know(fs_type)?;
    let plain = mount_plainly(
        &device,
        mount_point,
        fs_type,
        options.flags,
        &options.data.join(","),
    );
    let Err(error) = plain else { return Ok(()) };
    // Some kinds have helpers, and only `mount` knows them and what it would guess.
    let mut command = Command::new("/usr/bin/mount");
    command.args(["-t", fs_type]);
    if !file_system.options.is_empty() {
        command.args(["-o", &file_system.options.join(",")]);
    }
    command
        .args([&device, mount_point])
        .env_clear()
        .env("PATH", super::PATH);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(mounting()(error)),
    }
}

/// Loads the module of a file system that the kernel does not know yet.
fn know(fs_type: &str) -> Result {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if known
        .lines()
        .any(|line| line.split_whitespace().last() == Some(fs_type))
    {
        return Ok(());
    }
    match fs_type {
        "9p" => super::modules::load(&["9pnet_virtio".to_owned(), "9p".to_owned()]),
        // What these mean is found out by `mount`.
        "auto" | "none" => Ok(()),
        _ => super::modules::load(&[fs_type.to_owned()]),
    }
}

/// The device itself. There is no udev yet that would have made links.
fn device(name: &str) -> Result<String> {
    if let Some(serial) = name
        .strip_prefix("serial:")
        .or_else(|| name.strip_prefix("/dev/disk/by-id/virtio-"))
    {
        return disks::find(serial);
    }
    for (tag, link) in [
        ("LABEL", "label"),
        ("UUID", "uuid"),
        ("PARTLABEL", "partlabel"),
        ("PARTUUID", "partuuid"),
    ] {
        let value = name
            .strip_prefix(&format!("{tag}="))
            .or_else(|| name.strip_prefix(&format!("/dev/disk/by-{link}/")));
        if let Some(value) = value {
            return by_tag(tag, value);
        }
    }
    if name.starts_with("/dev/") {
        let begin = Instant::now();
        while !Path::new(name).exists() {
            if begin.elapsed() > PATIENCE {
                return Err(BootError(format!("there is no device {name}")));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(name.to_owned())
}

fn by_tag(tag: &str, value: &str) -> Result<String> {
    let mut command = Command::new("/usr/sbin/blkid");
    command
        .args(["-c", "/dev/null", "-o", "device", "-l", "-t"])
        .arg(format!("{tag}={value}"));
    let output = command.output().map_err(failed("run blkid"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next() {
        Some(device) if !device.is_empty() => Ok(device.to_owned()),
        _ => Err(BootError(format!("there is no device with {tag}={value}"))),
    }
}

/// The words of fstab's fourth column.
#[derive(Debug, PartialEq)]
struct Options {
    flags: MountFlags,
    bind: bool,
    recursive_bind: bool,
    may_fail: bool,
    /// For the file system itself.
    data: Vec<String>,
}

impl Options {
    fn parse(words: &[String]) -> Self {
        let mut options = Self {
            flags: MountFlags::empty(),
            bind: false,
            recursive_bind: false,
            may_fail: false,
            data: Vec::new(),
        };
        for word in words.iter().flat_map(|words| words.split(',')) {
            let flag = match word {
                "ro" => MountFlags::RDONLY,
                "nosuid" => MountFlags::NOSUID,
                "nodev" => MountFlags::NODEV,
                "noexec" => MountFlags::NOEXEC,
                "sync" => MountFlags::SYNCHRONOUS,
                "dirsync" => MountFlags::DIRSYNC,
                "noatime" => MountFlags::NOATIME,
                "nodiratime" => MountFlags::NODIRATIME,
                "relatime" => MountFlags::RELATIME,
                "strictatime" => MountFlags::STRICTATIME,
                _ => MountFlags::empty(),
            };
            options.flags |= flag;
            match word {
                "bind" => options.bind = true,
                "rbind" => options.recursive_bind = true,
                "nofail" => options.may_fail = true,
                "" | "defaults" | "auto" | "noauto" | "user" | "users" | "nouser" | "owner"
                | "group" | "_netdev" | "rw" | "suid" | "dev" | "exec" | "async" | "atime"
                | "diratime" | "norelatime" | "nostrictatime" => {}
                _ if word.starts_with("x-") || word.starts_with("comment=") => {}
                _ if flag.is_empty() => options.data.push(word.to_owned()),
                _ => {}
            }
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_sorted_into_flags_and_data() {
        let words = [
            "defaults,ro,trans=virtio",
            "nofail",
            "x-systemd.automount",
            "msize=16384",
            "noatime",
        ];
        let options = Options::parse(&words.map(str::to_owned));
        assert_eq!(options.flags, MountFlags::RDONLY | MountFlags::NOATIME);
        assert_eq!(options.data, ["trans=virtio", "msize=16384"]);
        assert!(options.may_fail && !options.bind);
        assert!(Options::parse(&["bind".to_owned()]).bind);
    }
}
