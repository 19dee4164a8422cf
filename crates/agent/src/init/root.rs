//! The root of the machine: an overlay of its layers, with directories of its disk.

use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::process::Command;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, fstat, openat, unlinkat};
use rustix::mount::{
    MountFlags, UnmountFlags, mount_bind, mount_bind_recursive, mount_move, unmount,
};
use snowglobe_agent_protocol::BootConfig;

use super::{BootError, Result, disks, failed, mount_at};

const ROOT: &str = "/sysroot";

/// Directories that Debian's base has and NixOS has not: scripts make them without `-p`.
const FOREIGN: &[&str] = &["mnt", "media", "opt"];

/// Word of the kernel's command line: an NFS server of the machine may export what lies in its root.
const EXPORTABLE_WORD: &str = "snowglobe.exportable";
/// Costs an entry of an index for everything that is copied up, so only where it is needed.
const EXPORTABLE: &str = ",index=on,nfs_export=on";

fn exportable() -> bool {
    fs::read_to_string("/proc/cmdline")
        .is_ok_and(|line| line.split_whitespace().any(|word| word == EXPORTABLE_WORD))
}

/// Mounts everything below `/sysroot` and reads the machine's configuration there.
pub fn assemble(layers: &[String]) -> Result<BootConfig> {
    let Some(base) = layers.first() else {
        return Err(BootError("there is no layer".to_owned()));
    };
    let disk = disks::mount_disk(base)?;
    let (upper, work) = (disk.join("overlay/upper"), disk.join("overlay/work"));
    let first_boot = !upper.exists();
    for directory in [&upper, &work] {
        fs::create_dir_all(directory)
            .map_err(failed(format_args!("create {}", directory.display())))?;
    }
    // The highest layer stands first.
    let lower = layers
        .iter()
        .rev()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(":");
    let options = format!(
        "lowerdir={lower},upperdir={},workdir={},userxattr{}",
        upper.display(),
        work.display(),
        if exportable() { EXPORTABLE } else { "" }
    );
    mount_at("overlay", ROOT, "overlay", MountFlags::empty(), &options)?;
    if first_boot {
        for name in FOREIGN {
            // One that a package fills stays.
            let _ = fs::remove_dir(Path::new(ROOT).join(name));
        }
    }
    let config = read_config()?;
    for directory in &config.disk_directories {
        bind_directory(&disk, directory)?;
    }
    // The mounts of the root and of its directories keep what they need of these.
    for place in layers.iter().map(String::as_str).chain(["/disk"]) {
        unmount(place, UnmountFlags::DETACH).map_err(failed(format_args!("detach {place}")))?;
    }
    Ok(config)
}

fn read_config() -> Result<BootConfig> {
    let path = BootConfig::PATH;
    let text = fs::read(format!("{ROOT}{path}")).map_err(failed(format_args!("read {path}")))?;
    let config: BootConfig =
        serde_json::from_slice(&text).map_err(failed(format_args!("understand {path}")))?;
    if config.format != BootConfig::FORMAT {
        let (theirs, ours) = (config.format, BootConfig::FORMAT);
        return Err(BootError(format!(
            "{path} has format {theirs}, this agent reads {ours}"
        )));
    }
    Ok(config)
}

/// Puts a directory of the disk in the place of one of the root. At first it is a copy of what the
/// layers hold there.
fn bind_directory(disk: &Path, directory: &str) -> Result {
    let name = directory.trim_matches('/');
    if name.is_empty() || name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(BootError(format!(
            "'{directory}' cannot be a directory of the disk"
        )));
    }
    let place = Path::new(ROOT).join(name);
    let own = disk.join("directories").join(name);
    let seeded = disk.join("seeded").join(name);
    if !seeded.exists() {
        seed(&place, &own, name)?;
        fs::create_dir_all(&seeded).map_err(failed(format_args!("create {}", seeded.display())))?;
    }
    fs::create_dir_all(&place).map_err(failed(format_args!("create {directory}")))?;
    mount_bind(&own, &place).map_err(failed(format_args!("mount {directory}")))
}

fn seed(from: &Path, to: &Path, name: &str) -> Result {
    let seeding = || failed(format!("fill /{name} of the disk"));
    fs::create_dir_all(to).map_err(seeding())?;
    match fs::symlink_metadata(from) {
        Ok(metadata) if metadata.is_dir() => copy_directory(from, to, &metadata).map_err(seeding()),
        _ => {
            let mode = match name {
                "tmp" => 0o1777,
                "root" => 0o700,
                _ => 0o755,
            };
            fs::set_permissions(to, Permissions::from_mode(mode)).map_err(seeding())
        }
    }
}

/// Copies with owners and modes. What is there already was copied by a boot that was cut short.
fn copy_directory(from: &Path, to: &Path, metadata: &Metadata) -> std::io::Result<()> {
    for child in fs::read_dir(from)? {
        let child = child?;
        let (from, to, metadata) = (child.path(), to.join(child.file_name()), child.metadata()?);
        if metadata.is_dir() {
            if !to.is_dir() {
                DirBuilder::new().mode(0o700).create(&to)?;
            }
            copy_directory(&from, &to, &metadata)?;
        } else if metadata.is_symlink() {
            let _ = fs::remove_file(&to);
            symlink(fs::read_link(&from)?, &to)?;
            lchown(&to, Some(metadata.uid()), Some(metadata.gid()))?;
        } else if metadata.is_file() {
            fs::copy(&from, &to)?;
            finish(&to, &metadata)?;
        }
    }
    finish(to, metadata)
}

fn finish(to: &Path, metadata: &Metadata) -> std::io::Result<()> {
    // Changing the owner takes the set-user-id bit away.
    chown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    fs::set_permissions(to, Permissions::from_mode(metadata.mode() & 0o7777))
}

/// Runs a program of another root, before that is ours.
pub fn run_in(root: &str, program: &str, arguments: &[&str]) -> Result {
    for place in ["/dev", "/proc"] {
        let target = format!("{root}{place}");
        mount_bind_recursive(place, target.as_str())
            .map_err(failed(format_args!("mount {target}")))?;
    }
    let inner = root.to_owned();
    let enter = move || {
        rustix::process::chroot(inner.as_str())?;
        rustix::process::chdir("/")?;
        Ok(())
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    // SAFETY: two system calls on a string that was made before.
    unsafe { std::os::unix::process::CommandExt::pre_exec(&mut command, enter) };
    let status = command
        .status()
        .map_err(failed(format_args!("run {program}")));
    for place in ["/proc", "/dev"] {
        let target = format!("{root}{place}");
        unmount(target.as_str(), UnmountFlags::DETACH)
            .map_err(failed(format_args!("unmount {target}")))?;
    }
    let status = status?;
    if status.success() {
        Ok(())
    } else {
        Err(BootError(format!("{program}: {status}")))
    }
}

/// Makes `/sysroot` the root of this process, of those it starts and of the kernel's, and frees the
/// memory of the initrd.
pub fn switch(old_root: &File) -> Result {
    for place in ["/dev", "/proc", "/sys", "/run"] {
        let target = format!("{ROOT}{place}");
        fs::create_dir_all(&target).map_err(failed(format_args!("create {target}")))?;
        mount_move(place, target.as_str()).map_err(failed(format_args!("move {place}")))?;
    }
    rustix::process::chdir(ROOT).map_err(failed("enter the root"))?;
    mount_move(ROOT, "/").map_err(failed("move the root"))?;
    rustix::process::chroot(".").map_err(failed("enter the root"))?;
    rustix::process::chdir("/").map_err(failed("enter the root"))?;
    let device = fstat(old_root)
        .map_err(failed("look at the initial root"))?
        .st_dev;
    // The memory would only be missing; a running program keeps its own file.
    let _ = delete(old_root, device);
    Ok(())
}

fn delete(directory: impl AsFd, device: u64) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match openat(&directory, name, flags, Mode::empty()) {
            Ok(child) if fstat(&child)?.st_dev == device => {
                delete(&child, device)?;
                let _ = unlinkat(&directory, name, AtFlags::REMOVEDIR);
            }
            // Mounted from elsewhere.
            Ok(_) => {}
            Err(_) => drop(unlinkat(&directory, name, AtFlags::empty())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeding_keeps_modes_and_can_be_repeated() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        fs::create_dir_all(from.join("lib/app")).unwrap();
        fs::write(from.join("lib/file"), "x").unwrap();
        fs::set_permissions(from.join("lib/file"), Permissions::from_mode(0o4711)).unwrap();
        fs::set_permissions(from.join("lib/app"), Permissions::from_mode(0o2750)).unwrap();
        symlink("../run", from.join("run")).unwrap();
        for _ in 0..2 {
            seed(&from, &to, "var").unwrap();
        }
        let mode = |path: &str| fs::symlink_metadata(to.join(path)).unwrap().mode() & 0o7777;
        assert_eq!((mode("lib/file"), mode("lib/app")), (0o4711, 0o2750));
        assert_eq!(fs::read_link(to.join("run")).unwrap(), Path::new("../run"));
        seed(&place.path().join("none"), &place.path().join("tmp"), "tmp").unwrap();
        assert_eq!(
            fs::metadata(place.path().join("tmp")).unwrap().mode() & 0o7777,
            0o1777
        );
    }

    #[test]
    fn the_initrd_is_deleted_but_not_what_is_mounted_in_it() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("a/b")).unwrap();
        fs::write(place.path().join("a/b/c"), "x").unwrap();
        symlink("/", place.path().join("a/link")).unwrap();
        let root = File::open(place.path()).unwrap();
        delete(&root, 0xffff).unwrap();
        assert!(place.path().join("a/b/c").exists());
        delete(&root, fstat(&root).unwrap().st_dev).unwrap();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        assert!(Path::new("/etc/passwd").exists());
    }
}
