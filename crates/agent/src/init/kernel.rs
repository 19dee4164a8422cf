//! Kernel file systems and modules.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::system::finit_module;

use super::{Result, failed, mount_at, mount_plainly, run_program, say};

/// Mounts what every Linux system has, below `root`. systemd makes none of it again.
pub fn mount_api(root: &str) -> Result {
    const PLAIN: MountFlags = MountFlags::NOSUID
        .union(MountFlags::NODEV)
        .union(MountFlags::NOEXEC);
    const DEVICES: MountFlags = MountFlags::NOSUID;
    let mount = |kind: &str, at: &str, flags, data| {
        mount_at(kind, &format!("{root}{at}"), kind, flags, data)
    };
    mount("proc", "/proc", PLAIN, "")?;
    mount("sysfs", "/sys", PLAIN, "")?;
    // The kernel may have mounted it already.
    if !Path::new(&format!("{root}/dev/kmsg")).exists() {
        mount("devtmpfs", "/dev", DEVICES, "mode=0755")?;
    }
    mount(
        "devpts",
        "/dev/pts",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        "gid=5,mode=620,ptmxmode=000",
    )?;
    mount(
        "tmpfs",
        "/dev/shm",
        MountFlags::NOSUID | MountFlags::NODEV,
        "mode=1777",
    )?;
    mount(
        "tmpfs",
        "/run",
        MountFlags::NOSUID | MountFlags::NODEV,
        "mode=0755,size=25%",
    )?;
    mount(
        "cgroup2",
        "/sys/fs/cgroup",
        PLAIN,
        "nsdelegate,memory_recursiveprot",
    )?;
    // Here for the units that are masked because each would cost a process. Not every kernel has all.
    let optional = [
        ("mqueue", "/dev/mqueue", PLAIN, ""),
        (
            "hugetlbfs",
            "/dev/hugepages",
            MountFlags::NOSUID | MountFlags::NODEV,
            "",
        ),
        ("debugfs", "/sys/kernel/debug", PLAIN, ""),
        ("tracefs", "/sys/kernel/tracing", PLAIN, ""),
        ("securityfs", "/sys/kernel/security", PLAIN, ""),
        ("bpf", "/sys/fs/bpf", PLAIN, "mode=0700"),
    ];
    for (kind, at, flags, data) in optional {
        let at = format!("{root}{at}");
        // In sysfs the places cannot be made; they are there when the kernel knows the file system.
        let _ = mount_plainly(kind, &at, kind, flags, data);
    }
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ] {
        // devtmpfs may have them.
        let _ = std::os::unix::fs::symlink(target, format!("{root}/dev/{link}"));
    }
    Ok(())
}

/// Loads the initrd's modules, in the order of the list. Those that fail are tried again after the
/// others: some need one that their dependencies do not name (libcrc32c its algorithm).
pub fn load_modules() -> Result {
    const LIST: &str = "/etc/modules.load";
    let list = match fs::read_to_string(LIST) {
        Ok(list) => list,
        // A kernel with everything built in.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(format_args!("read {LIST}"))(error)),
    };
    let lines = list.lines().map(str::trim);
    let mut left: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    loop {
        let mut failures = Vec::new();
        for path in &left {
            let module = File::open(path).map_err(failed(format_args!("open {path}")))?;
            match finit_module(&module, c"", 0) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => failures.push((*path, error)),
            }
        }
        if failures.len() == left.len() {
            for (path, error) in failures {
                // It may be for hardware that is not there; what is needed is missed later, by name.
                say(&format!("cannot load {path}: {error}"));
            }
            return Ok(());
        }
        left = failures.into_iter().map(|(path, _)| path).collect();
    }
}

/// Loads modules of the machine's own root.
pub fn load_more_modules(names: &[String]) -> Result {
    let missing: Vec<_> = names.iter().filter(|name| !is_loaded(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    // With a filter for those that it does not know: one such must not keep out the others.
    let mut command = Command::new("/usr/sbin/modprobe");
    run_program("modules", command.arg("--all").arg("--quiet").args(missing))
}

fn is_loaded(name: &str) -> bool {
    Path::new("/sys/module")
        .join(name.replace('-', "_"))
        .exists()
}
