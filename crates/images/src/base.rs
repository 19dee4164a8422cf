//! The base: the lowest layer of every machine, and the file system in which packages are
//! installed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use snowglobe_archive::{Closure, close};
use snowglobe_sandbox::{Access, Ids, Privileges, Sandbox};

use crate::cache::{Bucket, key};
use crate::dpkg::{self, Done};
use crate::images::hold;
use crate::owners::Renumbering;
use crate::packages::ETC_KEPT;
use crate::tools::{make_directory, prepare_root};
use crate::{Images, Result};

/// What the base holds, besides what these depend on: everything essential, what a NixOS machine
/// has in its default path, systemd and what it needs, and the kernel.
const PACKAGES: &[&str] = &[
    // Essential in Debian's sense.
    "base-files",
    "base-passwd",
    "bash",
    "coreutils",
    "dash",
    "debianutils",
    "diffutils",
    "dpkg",
    "findutils",
    "libc-bin",
    "grep",
    "gzip",
    "hostname",
    "init-system-helpers",
    "ncurses-base",
    "ncurses-bin",
    "perl-base",
    "sed",
    "sysvinit-utils",
    "tar",
    "bsdutils",
    "util-linux",
    // The system.
    "apt",
    "systemd",
    "systemd-sysv",
    "dbus",
    "dbus-daemon",
    "udev",
    "libpam-systemd",
    "kmod",
    "passwd",
    "login",
    "sudo",
    "util-linux-extra",
    "mount",
    "e2fsprogs",
    "linux-sysctl-defaults",
    "ca-certificates",
    "tzdata",
    "netbase",
    "dhcpcd-base",
    "adduser",
    // What the library names with the programs of a default path, so that a test that asks for
    // nothing needs no layer of packages.
    "time",
    "fdisk",
    "bsdextrautils",
    "eject",
    "uuid-runtime",
    "lastlog2",
    "uidmap",
    "libnss-myhostname",
    "libnss-systemd",
    "dbus-user-session",
    "iputils-arping",
    "iputils-tracepath",
    "iputils-clockdiff",
    // Programs that everybody expects.
    "iproute2",
    "iputils-ping",
    "iptables",
    "nftables",
    "procps",
    "psmisc",
    "openssh-client",
    "netcat-openbsd",
    "whois",
    "curl",
    "less",
    "rsync",
    "strace",
    "perl",
    "zstd",
    "xz-utils",
    "bzip2",
    "acl",
    "attr",
    "cpio",
    "file",
    "gawk",
    "patch",
    "libcap2-bin",
    "ncurses-term",
    // The rest of what every NixOS system has, so that a test which names no package needs no layer
    // of its own.
    "bsdextrautils",
    "dbus-user-session",
    "eject",
    "fdisk",
    "iputils-arping",
    "iputils-clockdiff",
    "iputils-tracepath",
    "lastlog2",
    "libnss-myhostname",
    "libnss-systemd",
    "nano",
    "time",
    "uidmap",
    "uuid-runtime",
];

/// The kernel, which dpkg is not told about: its scripts would build an initial RAM disk.
const KERNEL: &str = "linux-image-amd64";
const KERNEL_LEFT_OUT: [&str; 4] = [
    "initramfs-tools",
    "linux-initramfs-tool",
    "linux-base",
    "kmod",
];

const LIMIT: Duration = Duration::from_secs(600);
/// Changes when the recipe does.
const RECIPE: &str = "base 3";
const SCRIPT: &str = include_str!("../scripts/base.sh");
const MACHINE: &str = include_str!("../scripts/machine.sh");
pub(crate) const OWNERS: &str = include_str!("../scripts/owners.pl");

/// The unpacked base.
#[derive(Clone, Debug)]
pub struct BaseTree {
    /// Its key in the cache.
    pub key: String,
    entry: PathBuf,
}

impl BaseTree {
    /// The file system.
    pub fn tree(&self) -> PathBuf {
        self.entry.join("tree")
    }

    /// Where the modules of the kernel lie.
    pub fn modules(&self) -> Result<PathBuf> {
        let all = self.tree().join("usr/lib/modules");
        let mut versions = fs::read_dir(&all)?.collect::<std::io::Result<Vec<_>>>()?;
        versions.sort_by_key(|entry| entry.file_name());
        versions
            .pop()
            .map(|entry| entry.path())
            .ok_or_else(|| crate::Error::Malformed {
                path: all,
                reason: "no kernel".into(),
            })
    }

    /// The kernel as Debian ships it.
    pub(crate) fn kernel(&self) -> PathBuf {
        self.entry.join("vmlinuz")
    }

    /// What machines see in place of a directory of the tree, since the tree's own is for
    /// installing packages.
    pub(crate) fn part(&self, name: &str) -> PathBuf {
        self.entry.join("machine").join(name)
    }

    /// Directory with a file for each package, which lists its paths.
    pub(crate) fn lists(&self) -> PathBuf {
        self.entry.join("lists")
    }
}

impl Images {
    /// What the base is made of, the kernel apart, and its key in the cache.
    fn base_recipe(&self) -> Result<(Closure, Closure, String)> {
        let snapshot = self.snapshot();
        let closure = close(snapshot, PACKAGES, &[])?;
        let mut left_out: Vec<&str> = closure.keys().map(String::as_str).collect();
        left_out.extend(KERNEL_LEFT_OUT);
        let kernel = close(snapshot, &[KERNEL], &left_out)?;
        let versions: Vec<String> = closure
            .values()
            .chain(kernel.values())
            .map(|package| format!("{}={}", package.name(), package.version()))
            .collect();
        let mut parts = vec![RECIPE, SCRIPT, MACHINE, OWNERS];
        parts.extend(ETC_KEPT);
        parts.extend(versions.iter().map(String::as_str));
        let key = key("base", &parts);
        Ok((closure, kernel, key))
    }

    /// The unpacked and configured base.
    pub fn base_tree(&self) -> Result<BaseTree> {
        if let Some(base) = hold(&self.known.base).clone()
            && base.entry.is_dir()
        {
            return Ok(base);
        }
        let (closure, kernel, key) = self.base_recipe()?;
        let entry = self.make_intact(Bucket::Trees, &key, "make the base", |entry| {
            self.make_base(entry, &closure, &kernel)
        })?;
        let base = BaseTree { key, entry };
        *hold(&self.known.base) = Some(base.clone());
        Ok(base)
    }

    /// Whether the base is in the cache.
    pub(crate) fn has_base(&self) -> Result<bool> {
        if hold(&self.known.base).is_some() {
            return Ok(true);
        }
        let (_, _, key) = self.base_recipe()?;
        Ok(self.cache().path(Bucket::Trees, &key).is_dir())
    }

    /// Downloads what some packages most likely need besides the base.
    pub(crate) fn prefetch(&self, names: &BTreeSet<String>) -> Result<()> {
        let (base, _, _) = self.base_recipe()?;
        let base: Vec<&str> = base.keys().map(String::as_str).collect();
        let names: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| !base.contains(name))
            .collect();
        let wanted = close(self.snapshot(), &names, &base)?
            .values()
            .map(|package| self.archive().wanted(package))
            .collect::<snowglobe_archive::Result<Vec<_>>>()?;
        self.archive()
            .downloads()
            .get_each(&wanted, |_, _| Ok::<_, crate::Error>(()))
    }

    fn make_base(&self, entry: &Path, closure: &Closure, kernel: &Closure) -> Result<()> {
        // Before anything is downloaded.
        snowglobe_sandbox::can_map_range()?;
        let tree = entry.join("tree");
        prepare_root(&tree)?;
        let done = {
            let _step = self.step("unpack the base");
            let all = closure.clone().into_iter().chain(kernel.clone()).collect();
            dpkg::unpack(self.archive(), &all, &tree, &keep)?
        };
        let (kernel, packages): (BTreeMap<_, _>, BTreeMap<_, _>) = done
            .into_iter()
            .partition(|(name, _)| kernel.contains_key(name));
        // Its script wants to make these in a root that it cannot write to.
        for name in ["srv", "home", "opt", "media", "root", "boot"] {
            make_directory(&tree.join(name))?;
        }
        dpkg::write_database(&tree, &packages)?;
        write_lists(&entry.join("lists"), packages.iter().chain(&kernel))?;
        move_kernel(&tree, &entry.join("vmlinuz"))?;

        let _step = self.step("configure the base");
        let work = entry.join("work");
        fs::create_dir(&work)?;
        let mut owners = String::new();
        for owner in packages.values().flat_map(|done| &done.unpacked.owners) {
            if keep(&owner.path) {
                let path = owner.path.display();
                let _ = writeln!(
                    owners,
                    "{} {} {:o} {path}",
                    owner.uid, owner.gid, owner.mode
                );
            }
        }
        fs::write(work.join("owners"), owners)?;
        write_policy(&work)?;
        fs::write(work.join("owners.pl"), OWNERS)?;
        fs::write(work.join("machine.sh"), MACHINE)?;

        let mut sandbox = install_sandbox([tree.clone()], &work);
        for directory in fs::read_dir(&tree)? {
            let directory = directory?;
            let name = directory.file_name();
            let skipped = ["proc", "dev", "sys", "run", "tmp", "mnt"];
            if directory.file_type()?.is_dir() && !skipped.iter().any(|skip| name == *skip) {
                sandbox.bind(
                    directory.path(),
                    Path::new("/").join(name),
                    Access::ReadWrite,
                );
            }
        }
        // In memory, since dpkg waits for the disk after every change of it.
        sandbox.bind(tree.join("var/lib/dpkg"), "/mnt/dpkg", Access::ReadWrite);
        sandbox.tmpfs("/var/lib/dpkg", 0o755);
        sandbox.bind(
            work.join("policy-rc.d"),
            "/usr/sbin/policy-rc.d",
            Access::ReadOnly,
        );
        let machine = entry.join("machine");
        make_directory(&machine)?;
        sandbox.bind(&machine, "/mnt/machine", Access::ReadWrite);
        fs::write(work.join("kept"), ETC_KEPT.join("\n"))?;
        self.shell(&sandbox, "configure the base", SCRIPT, LIMIT)?;

        let etc = tree.join("etc");
        let numbers = Renumbering::of(&etc)?;
        fs::write(work.join("table"), numbers.table())?;
        for file in ["passwd", "group"] {
            let text = fs::read_to_string(etc.join(file))?;
            fs::write(work.join(file), numbers.apply(file, &text))?;
        }
        let script = "perl /mnt/work/owners.pl /mnt/work/table /usr /etc /var /root /home /opt /srv; \
            cat /mnt/work/passwd > /etc/passwd; cat /mnt/work/group > /etc/group; . /mnt/work/machine.sh";
        self.shell(&sandbox, "give files their owners", script, LIMIT)?;
        // The mount point of the policy was made in the tree by nobody, since it is read-only.
        crate::remove::remove_tree(&work)?;
        Ok(())
    }
}

/// A sandbox in which packages can be configured: their scripts may change owners, and have no
/// network.
pub(crate) fn install_sandbox(layers: impl IntoIterator<Item = PathBuf>, work: &Path) -> Sandbox {
    let mut sandbox = Sandbox::new(layers);
    sandbox
        .ids(Ids::Range)
        .privileges(Privileges::Install)
        .hostname("localhost")
        .bind(work, "/mnt/work", Access::ReadWrite)
        .tmpfs("/run", 0o755);
    sandbox
}

/// Writes the program that keeps package scripts from starting services.
pub(crate) fn write_policy(work: &Path) -> Result<()> {
    let path = work.join("policy-rc.d");
    fs::write(&path, "#!/bin/sh\nexit 101\n")?;
    Ok(fs::set_permissions(
        &path,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?)
}

/// Writes what belongs to each package, a file each.
pub(crate) fn write_lists<'a>(
    directory: &Path,
    packages: impl IntoIterator<Item = (&'a String, &'a Done)>,
) -> Result<()> {
    fs::create_dir_all(directory)?;
    for (name, done) in packages {
        fs::write(directory.join(name), dpkg::list(&done.unpacked))?;
    }
    Ok(())
}

fn move_kernel(tree: &Path, to: &Path) -> Result<()> {
    let boot = tree.join("boot");
    for file in fs::read_dir(&boot)? {
        let file = file?;
        if file.file_name().as_encoded_bytes().starts_with(b"vmlinuz-") {
            fs::rename(file.path(), to)?;
            return Ok(());
        }
    }
    Err(crate::Error::Malformed {
        path: boot,
        reason: "no kernel".into(),
    })
}

/// What of the packages is written: not what nobody reads in a test's machine, nor drivers of
/// hardware that no virtual machine has.
fn keep(path: &Path) -> bool {
    let Some(text) = path.to_str() else {
        return true;
    };
    let useless = [
        "usr/share/doc/",
        "usr/share/locale/",
        "usr/share/lintian/",
        "usr/share/info/",
        "usr/share/bug/",
    ];
    if useless.iter().any(|prefix| text.starts_with(prefix)) {
        return false;
    }
    let driver = text
        .strip_prefix("usr/lib/modules/")
        .and_then(|rest| rest.split_once("/kernel/drivers/"))
        .map(|(_, driver)| driver);
    let hardware = [
        "gpu/drm/amd/",
        "gpu/drm/i915/",
        "gpu/drm/nouveau/",
        "gpu/drm/radeon/",
        "gpu/drm/xe/",
        "media/",
        "infiniband/",
        "net/wireless/",
        "net/ethernet/mellanox/",
        "net/ethernet/broadcom/",
        "net/ethernet/chelsio/",
        "net/ethernet/qlogic/",
        "net/ethernet/netronome/",
        "net/ethernet/sfc/",
        "net/ethernet/cisco/",
        "net/ethernet/emulex/",
        "net/ethernet/marvell/",
        "net/ethernet/cavium/",
        "net/ethernet/huawei/",
        "net/ethernet/amazon/",
        "net/ethernet/pensando/",
        "iio/",
        "comedi/",
        "staging/",
        "scsi/lpfc/",
        "scsi/qla2xxx/",
        "scsi/be2iscsi/",
        "scsi/bfa/",
        "scsi/aic7xxx/",
        "crypto/qat/",
        "bluetooth/",
        "accel/",
        "isdn/",
        "platform/x86/",
        "mfd/",
        "hwmon/",
        "edac/",
        "thunderbolt/",
    ];
    !driver.is_some_and(|driver| hardware.iter().any(|prefix| driver.starts_with(prefix)))
}
