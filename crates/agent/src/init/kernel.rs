//! Kernel file systems.

use std::path::Path;

use rustix::mount::MountFlags;

use super::{Result, mount_at, mount_plainly};

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
