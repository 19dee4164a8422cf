//! Builds the file system that a sandbox sees. Runs as process 1 of the sandbox, in its own mount
//! namespace, before anything foreign runs.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags, fstat, fstatvfs, mkdirat, open,
    openat, openat2, symlinkat,
};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive,
    mount_change, mount_move, mount_remount, unmount,
};
use rustix::process::{chdir, chroot, pivot_root};

use crate::error::Failure;
use crate::spec::{Access, Mount, Root, Spec};

/// Where the new root is put together. Any directory that every host has will do: what is mounted
/// there is seen by this process only.
const WORKSHOPS: &[&str] = &["/tmp", "/run", "/var/tmp", "/mnt", "/srv"];

/// Devices that every sandbox has, by binding the host's.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// Parts of `/proc` through which a program with root's rights would change the host.
const READ_ONLY_PROC: &[&str] = &["sys", "irq", "bus", "fs", "sysrq-trigger"];

type Result<T> = std::result::Result<T, Failure>;

/// Builds the root that `spec` asks for and makes it the root of this process.
pub(crate) fn enter(spec: &Spec) -> Result<()> {
    // Nothing that is mounted here may reach the host, nor the other way round.
    mount_change(
        "/",
        MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
    )
    .map_err(|errno| Failure::at("mount private", "/", errno))?;
    let sources = Sources::open(spec)?;
    let workshop = WORKSHOPS
        .iter()
        .copied()
        .find(|path| Path::new(path).is_dir())
        .ok_or_else(|| Failure::at("open", WORKSHOPS[0], Errno::NOENT))?;
    mount_tmpfs(workshop, 0o755)?;
    let workshop = open_path(Path::new(workshop))?;
    for name in ["root", "skeleton", "probe", "upper", "work"] {
        make_directory(workshop.as_fd(), name)?;
    }

    let root = assemble(spec, &sources, &workshop)?;
    mount_proc(&root)?;
    mount_dev(&root, spec)?;
    let mut binds = sources.binds.iter();
    for wanted in &spec.mounts {
        match wanted {
            Mount::Tmpfs { target, mode } => {
                let place = ensure(&root, target, FileType::Directory)?;
                mount_tmpfs(&magic(&place), *mode)?;
            }
            Mount::Bind {
                source,
                target,
                access,
            } => {
                let Some((descriptor, kind)) = binds.next() else {
                    break;
                };
                let place = ensure(&root, target, *kind)?;
                bind(&root, &place, descriptor, source, target, *access)?;
            }
        }
    }
    pivot(&root)
}

/// What is mounted, opened before any mount hides it.
struct Sources {
    layers: Vec<OwnedFd>,
    upper: Option<(OwnedFd, OwnedFd)>,
    /// With their types, which decide whether a mount point is a directory.
    binds: Vec<(OwnedFd, FileType)>,
}

impl Sources {
    fn open(spec: &Spec) -> Result<Self> {
        let upper = match &spec.root {
            Root::Overlay { upper, work, .. } => Some((open_path(upper)?, open_path(work)?)),
            Root::ReadOnly | Root::Discarded => None,
        };
        let bind_source = |mount: &Mount| match mount {
            Mount::Bind { source, .. } => Some(open_path(source).and_then(|descriptor| {
                let status =
                    fstat(&descriptor).map_err(|errno| Failure::at("fstat", source, errno))?;
                Ok((descriptor, FileType::from_raw_mode(status.st_mode)))
            })),
            Mount::Tmpfs { .. } => None,
        };
        Ok(Self {
            layers: spec
                .layers
                .iter()
                .map(|path| open_path(path))
                .collect::<Result<_>>()?,
            upper,
            binds: spec
                .mounts
                .iter()
                .filter_map(bind_source)
                .collect::<Result<_>>()?,
        })
    }
}

/// Mounts the root itself and returns it.
fn assemble(spec: &Spec, sources: &Sources, workshop: &OwnedFd) -> Result<OwnedFd> {
    let skeleton = open_below(workshop, "skeleton")?;
    let mut layers: Vec<&OwnedFd> = sources.layers.iter().rev().collect();
    // Mount points that no layer has are put into a layer of our own, so that read-only layers
    // suffice and an upper directory stays clean.
    if layers.is_empty() {
        make_skeleton(spec, sources, None, &skeleton)?;
    } else {
        let probe = open_below(workshop, "probe")?;
        if let [single] = layers[..] {
            mount_bind(magic(single), magic(&probe))
                .map_err(|errno| Failure::at("mount --bind", &spec.layers[0], errno))?;
        } else {
            mount_overlay(&magic(&probe), &layers, "", MountFlags::RDONLY)?;
        }
        let mounted = open_below(workshop, "probe")?;
        make_skeleton(spec, sources, Some(&mounted), &skeleton)?;
        drop(mounted);
        unmount(magic(&open_below(workshop, "probe")?), UnmountFlags::DETACH)
            .map_err(|errno| Failure::new("umount", errno))?;
    }
    layers.insert(0, &skeleton);

    let place = open_below(workshop, "root")?;
    let target = magic(&place);
    match &spec.root {
        Root::ReadOnly if layers.len() == 1 => {
            mount_bind(magic(&skeleton), &target)
                .map_err(|errno| Failure::new("mount --bind the root", errno))?;
            let bound = open_below(workshop, "root")?;
            mount_remount(magic(&bound), MountFlags::BIND | MountFlags::RDONLY, "")
                .map_err(|errno| Failure::new("mount -o remount,ro the root", errno))?;
        }
        Root::ReadOnly => mount_overlay(&target, &layers, "", MountFlags::RDONLY)?,
        Root::Discarded => {
            let upper = open_below(workshop, "upper")?;
            let work = open_below(workshop, "work")?;
            let options = format!(",upperdir={},workdir={}", magic(&upper), magic(&work));
            mount_overlay(&target, &layers, &options, MountFlags::empty())?;
        }
        Root::Overlay { volatile, .. } => {
            let Some((upper, work)) = &sources.upper else {
                return Err(Failure::new("mount overlay", Errno::NOENT));
            };
            let volatile = if *volatile { ",volatile" } else { "" };
            let options = format!(
                ",upperdir={},workdir={}{volatile}",
                magic(upper),
                magic(work)
            );
            mount_overlay(&target, &layers, &options, MountFlags::empty())?;
        }
    }
    open_below(workshop, "root")
}

/// Makes in `skeleton` those mount points that `existing` does not have.
fn make_skeleton(
    spec: &Spec,
    sources: &Sources,
    existing: Option<&OwnedFd>,
    skeleton: &OwnedFd,
) -> Result<()> {
    let mut kinds = sources.binds.iter().map(|(_, kind)| *kind);
    let fixed = [
        (Path::new("/proc"), FileType::Directory),
        (Path::new("/dev"), FileType::Directory),
    ];
    let mut wanted: Vec<(&Path, FileType)> = fixed.to_vec();
    for mount in &spec.mounts {
        let kind = match mount {
            Mount::Tmpfs { .. } => FileType::Directory,
            Mount::Bind { .. } => kinds.next().unwrap_or(FileType::RegularFile),
        };
        wanted.push((mount.target(), kind));
    }
    for (path, kind) in wanted {
        let path = match existing {
            Some(root) => match real_path(root, path)? {
                Some(missing) => missing,
                None => continue,
            },
            None => path.to_owned(),
        };
        ensure(skeleton, &path, kind)?;
    }
    Ok(())
}

/// Where `path` would lie in `root` once the links in its existing part are followed; `None` when
/// all of it exists.
fn real_path(root: &OwnedFd, path: &Path) -> Result<Option<PathBuf>> {
    if resolve(root, path).is_ok() {
        return Ok(None);
    }
    let names = names(path)?;
    for length in (0..names.len()).rev() {
        let prefix: PathBuf = names[..length].iter().collect();
        let Ok(found) = resolve(root, &prefix) else {
            continue;
        };
        let whole = read_magic(&found)?;
        let base = read_magic(root)?;
        let inside = whole.strip_prefix(&base).unwrap_or(&prefix);
        return Ok(Some(
            inside.join(names[length..].iter().collect::<PathBuf>()),
        ));
    }
    Err(Failure::at("open", path, Errno::NOENT))
}

/// Opens `path` in `root`, making what is missing.
fn ensure(root: &OwnedFd, path: &Path, kind: FileType) -> Result<OwnedFd> {
    if let Ok(found) = resolve(root, path) {
        return Ok(found);
    }
    let names = names(path)?;
    let mut place =
        resolve(root, Path::new("")).map_err(|errno| Failure::at("open", path, errno))?;
    for (index, name) in names.iter().enumerate() {
        let prefix: PathBuf = names[..=index].iter().collect();
        place = match resolve(root, &prefix) {
            Ok(found) => found,
            Err(_) => {
                let made = if index + 1 == names.len() && kind != FileType::Directory {
                    openat(
                        &place,
                        name.as_path(),
                        OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC,
                        Mode::from_raw_mode(0o644),
                    )
                    .map(drop)
                } else {
                    mkdirat(&place, name.as_path(), Mode::from_raw_mode(0o755))
                };
                made.map_err(|errno| Failure::at("make the mount point", path, errno))?;
                resolve(root, &prefix).map_err(|errno| Failure::at("open", path, errno))?
            }
        };
    }
    Ok(place)
}

/// The names in a path, which must not contain `..`.
fn names(path: &Path) -> Result<Vec<PathBuf>> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(Ok(PathBuf::from(name))),
            Component::RootDir | Component::CurDir => None,
            Component::ParentDir | Component::Prefix(_) => {
                Some(Err(Failure::at("resolve", path, Errno::INVAL)))
            }
        })
        .collect()
}

/// Opens `path` as a process whose root is `root` would.
fn resolve(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    openat2(
        root,
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::IN_ROOT,
    )
}

fn mount_proc(root: &OwnedFd) -> Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let place = ensure(root, Path::new("proc"), FileType::Directory)?;
    mount("proc", magic(&place), "proc", flags, None)
        .map_err(|errno| Failure::new("mount proc", errno))?;
    for name in READ_ONLY_PROC {
        let path = Path::new("proc").join(name);
        let Ok(part) = resolve(root, &path) else {
            continue;
        };
        let bound = mount_bind(magic(&part), magic(&part)).and_then(|()| {
            let covered = resolve(root, &path)?;
            mount_remount(
                magic(&covered),
                flags | MountFlags::BIND | MountFlags::RDONLY,
                "",
            )
        });
        bound.map_err(|errno| {
            Failure::at("mount -o remount,ro", Path::new("/").join(path), errno)
        })?;
    }
    Ok(())
}

fn mount_dev(root: &OwnedFd, spec: &Spec) -> Result<()> {
    let place = ensure(root, Path::new("dev"), FileType::Directory)?;
    mount_tmpfs(&magic(&place), 0o755)?;
    let dev = ensure(root, Path::new("dev"), FileType::Directory)?;
    let shm = ensure(root, Path::new("dev/shm"), FileType::Directory)?;
    mount_tmpfs(&magic(&shm), 0o1777)?;
    let pts = ensure(root, Path::new("dev/pts"), FileType::Directory)?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    let devpts = |options: &str| {
        let options = CString::new(options).map_err(|_| Errno::INVAL)?;
        mount("devpts", magic(&pts), "devpts", flags, options.as_c_str())
    };
    // Group tty does not exist where only one id is mapped.
    devpts("newinstance,ptmxmode=0666,mode=0620,gid=5")
        .or_else(|_| devpts("newinstance,ptmxmode=0666,mode=0620"))
        .map_err(|errno| Failure::new("mount devpts", errno))?;
    for (target, name) in [
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ] {
        symlinkat(target, &dev, name).map_err(|errno| Failure::at("symlink", name, errno))?;
    }
    let standard = DEVICES.iter().map(|name| Path::new("/dev").join(name));
    for device in standard.chain(spec.devices.iter().cloned()) {
        let source = open_path(&device)?;
        let place = ensure(root, &device, FileType::RegularFile)?;
        mount_bind(magic(&source), magic(&place))
            .map_err(|errno| Failure::at("mount --bind", &device, errno))?;
    }
    Ok(())
}

fn bind(
    root: &OwnedFd,
    place: &OwnedFd,
    source: &OwnedFd,
    path: &Path,
    target: &Path,
    access: Access,
) -> Result<()> {
    mount_bind(magic(source), magic(place))
        .or_else(|errno| match (errno, access) {
            // In a user namespace, a tree may not be shown without what the host mounted below it.
            (Errno::INVAL, Access::ReadWrite) => mount_bind_recursive(magic(source), magic(place)),
            _ => Err(errno),
        })
        .map_err(|errno| Failure::at("mount --bind", path, errno))?;
    if access == Access::ReadWrite {
        return Ok(());
    }
    let bound = resolve(root, target).map_err(|errno| Failure::at("open", target, errno))?;
    // In a user namespace, flags that the host has set must be repeated.
    let held = fstatvfs(&bound)
        .map_err(|errno| Failure::at("fstatvfs", target, errno))?
        .f_flag;
    let mut flags = MountFlags::BIND | MountFlags::RDONLY;
    for (held_flag, flag) in [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ] {
        if held.contains(held_flag) {
            flags |= flag;
        }
    }
    mount_remount(magic(&bound), flags, "")
        .map_err(|errno| Failure::at("mount -o remount,ro", target, errno))
}

/// Makes `root` the root directory of this process and lets go of the host's.
fn pivot(root: &OwnedFd) -> Result<()> {
    rustix::process::fchdir(root).map_err(|errno| Failure::new("fchdir to the new root", errno))?;
    match pivot_root(".", ".") {
        Ok(()) => unmount(".", UnmountFlags::DETACH)
            .map_err(|errno| Failure::new("umount the old root", errno))?,
        // The host runs from its initial RAM file system, which cannot be pivoted away.
        Err(Errno::INVAL) => mount_move(".", "/")
            .and_then(|()| chroot("."))
            .map_err(|errno| Failure::new("mount --move the new root", errno))?,
        Err(errno) => return Err(Failure::new("pivot_root", errno)),
    }
    chdir("/").map_err(|errno| Failure::at("chdir", "/", errno))
}

/// Mounts an overlay of `layers`, highest first. Paths of descriptors keep the options short and
/// free of characters that overlayfs treats specially.
fn mount_overlay(target: &str, layers: &[&OwnedFd], more: &str, flags: MountFlags) -> Result<()> {
    let lower: Vec<String> = layers.iter().map(|layer| magic(*layer)).collect();
    let options = format!("userxattr,lowerdir={}{more}", lower.join(":"));
    let options = CString::new(options).map_err(|_| Failure::new("mount overlay", Errno::INVAL))?;
    mount(
        "overlay",
        target,
        "overlay",
        flags | MountFlags::NODEV,
        options.as_c_str(),
    )
    .map_err(|errno| Failure::new("mount overlay", errno))
}

fn mount_tmpfs(target: &str, mode: u32) -> Result<()> {
    let options = CString::new(format!("mode={mode:o}"))
        .map_err(|_| Failure::new("mount tmpfs", Errno::INVAL))?;
    mount(
        "tmpfs",
        target,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        options.as_c_str(),
    )
    .map_err(|errno| Failure::at("mount tmpfs", target, errno))
}

fn make_directory(parent: BorrowedFd<'_>, name: &str) -> Result<()> {
    let made = mkdirat(parent, name, Mode::from_raw_mode(0o755));
    made.map_err(|errno| Failure::at("mkdir", name, errno))
}

/// A path that means exactly this open file, whatever is mounted meanwhile.
fn magic(descriptor: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}

fn read_magic(descriptor: &OwnedFd) -> Result<PathBuf> {
    fs_err::read_link(magic(descriptor)).map_err(|error| Failure::io("readlink", &error))
}

fn open_path(path: &Path) -> Result<OwnedFd> {
    open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| Failure::at("open", path, errno))
}

fn open_below(parent: &OwnedFd, name: &str) -> Result<OwnedFd> {
    openat(parent, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| Failure::at("open", name, errno))
}
