//! The tools: programs that we run on the host, from Debian, in a sandbox.
//!
//! Only unpacked, never configured: they need no users, no services and no configuration. What
//! few maintainer scripts would do for them is done here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use snowglobe_archive::{Closure, Deb, close};
use snowglobe_sandbox::Sandbox;

use crate::cache::{Bucket, key};
use crate::images::hold;
use crate::{Images, Result};

/// Groups of tools, fetched when first needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ToolSet {
    /// QEMU, `qemu-img`, makers of file systems, CPython with mypy, pyflakes and ptpython, a shell.
    Core,
    /// tesseract and ImageMagick, to read text off screens.
    Ocr,
    /// swtpm.
    Tpm,
    /// OVMF.
    Uefi,
    /// CppNix, which the evaluator is compared with. No test needs it.
    Nix,
}

impl ToolSet {
    fn name(self) -> &'static str {
        match self {
            Self::Core => "tools",
            Self::Ocr => "tools-ocr",
            Self::Tpm => "tools-tpm",
            Self::Uefi => "tools-uefi",
            Self::Nix => "tools-nix",
        }
    }

    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Core => &[
                "qemu-system-x86",
                "qemu-utils",
                "ipxe-qemu",
                "seabios",
                "erofs-utils",
                "e2fsprogs",
                "python3",
                "mypy",
                "python3-pyflakes",
                "ptpython",
                "libc-bin",
                "dash",
                "bash",
                "coreutils",
                "findutils",
                "attr",
                "libcap2-bin",
                "base-files",
                "tzdata",
            ],
            Self::Ocr => &["tesseract-ocr", "tesseract-ocr-eng", "imagemagick"],
            Self::Tpm => &["swtpm", "swtpm-tools"],
            Self::Uefi => &["ovmf"],
            Self::Nix => &["nix-bin"],
        }
    }

    /// Run in the unpacked file system, as the only thing that is ever configured.
    fn finish(self) -> &'static str {
        match self {
            Self::Core => {
                "ldconfig; cd /usr/lib; for d in python3/dist-packages python3.*; do \
                 python3 -m compileall -q -j 2 --invalidation-mode unchecked-hash \
                 -x '/(test|tests|idlelib|lib2to3|tkinter|config-)' $d >/dev/null 2>&1 || :; done"
            }
            // Debian names ImageMagick's programs by alternatives.
            Self::Ocr => {
                "ldconfig; cd /usr/bin; for p in *-im7.q16; do ln -sf $p ${p%-im7.q16}; done; \
                 test -e magick"
            }
            Self::Tpm | Self::Uefi | Self::Nix => "ldconfig",
        }
    }
}

/// Packages that tools depend on only for maintainer scripts.
const LEFT_OUT: [&str; 16] = [
    "debconf",
    "dpkg",
    "adduser",
    "passwd",
    "perl",
    "perl:any",
    "perl-base",
    "init-system-helpers",
    "ucf",
    "sensible-utils",
    "systemd",
    "udev",
    "usrmerge",
    "libpam-modules",
    "login",
    "awk",
];

const LIMIT: Duration = Duration::from_secs(300);
/// Changes when the recipe does.
const RECIPE: &str = "tools 2";

/// A set of tools: directories to be used as layers of a sandbox.
#[derive(Clone, Debug)]
pub struct Tools {
    layers: Vec<PathBuf>,
}

impl Tools {
    /// The file systems, lowest first.
    pub fn layers(&self) -> &[PathBuf] {
        &self.layers
    }

    /// A sandbox whose root they are.
    pub fn sandbox(&self) -> Sandbox {
        Sandbox::new(self.layers.iter().cloned())
    }
}

impl Images {
    /// The tools of the named sets. [`ToolSet::Core`] is always among them.
    pub fn tools(&self, sets: &[ToolSet]) -> Result<Tools> {
        let mut wanted = vec![ToolSet::Core];
        wanted.extend(sets);
        wanted.sort();
        wanted.dedup();
        let layers = wanted
            .into_iter()
            .map(|set| self.tool_set(set))
            .collect::<Result<_>>()?;
        Ok(Tools { layers })
    }

    fn tool_set(&self, set: ToolSet) -> Result<PathBuf> {
        if let Some(tree) = hold(&self.known.tools).get(&set)
            && tree.is_dir()
        {
            return Ok(tree.clone());
        }
        let tree = self.find_tool_set(set)?;
        hold(&self.known.tools).insert(set, tree.clone());
        Ok(tree)
    }

    fn find_tool_set(&self, set: ToolSet) -> Result<PathBuf> {
        let snapshot = self.snapshot();
        let mut left_out = LEFT_OUT.to_vec();
        let core = match set {
            ToolSet::Core => Closure::new(),
            _ => close(snapshot, ToolSet::Core.packages(), &LEFT_OUT)?,
        };
        left_out.extend(core.keys().map(String::as_str));
        let closure = close(snapshot, set.packages(), &left_out)?;
        let versions: Vec<String> = closure
            .values()
            .map(|p| format!("{}={}", p.name(), p.version()))
            .collect();
        let mut parts = vec![RECIPE, set.finish()];
        parts.extend(versions.iter().map(String::as_str));
        let key = key(set.name(), &parts);
        // The others stand on the core; making it first keeps the locks in one order.
        let below = match set {
            ToolSet::Core => None,
            _ => Some(self.tool_set(ToolSet::Core)?),
        };
        let step = format!("unpack {}", set.name());
        let entry = self.make_intact(Bucket::Trees, &key, &step, |entry| {
            let _step = self.step(&step);
            let tree = entry.join("tree");
            prepare_root(&tree)?;
            let wanted = closure
                .values()
                .map(|package| self.archive().wanted(package))
                .collect::<snowglobe_archive::Result<Vec<_>>>()?;
            self.archive().downloads().get_each(&wanted, |_, path| {
                Deb::open(path)?.unpack(&tree, &keep).map(drop)
            })?;
            // An overlay over itself: what is written goes to a directory that is merged after.
            let (upper, work) = (entry.join("upper"), entry.join("work"));
            fs::create_dir(&upper)?;
            fs::create_dir(&work)?;
            let mut sandbox = Sandbox::new(below.iter().cloned().chain([tree.clone()]));
            for part in ["usr", "etc"] {
                let target = format!("/{part}");
                if set == ToolSet::Core {
                    sandbox.bind(
                        tree.join(part),
                        target,
                        snowglobe_sandbox::Access::ReadWrite,
                    );
                }
            }
            if set != ToolSet::Core {
                sandbox.writable(&upper, &work);
            }
            self.shell(&sandbox, &step, set.finish(), LIMIT)?;
            if set != ToolSet::Core {
                merge(&upper, &tree)?;
            }
            for path in [&upper, &work] {
                crate::remove::remove_tree(path)?;
            }
            Ok(())
        })?;
        Ok(entry.join("tree"))
    }
}

/// Makes the links of a merged `/usr`, which packages rely on, and mount points.
pub(crate) fn prepare_root(tree: &Path) -> Result<()> {
    make_directory(tree)?;
    make_directory(&tree.join("usr"))?;
    for name in ["bin", "sbin", "lib", "lib64"] {
        make_directory(&tree.join("usr").join(name))?;
        fs::os::unix::fs::symlink(format!("usr/{name}"), tree.join(name))?;
    }
    for name in ["proc", "dev", "sys", "run", "tmp", "mnt", "etc", "var"] {
        make_directory(&tree.join(name))?;
    }
    Ok(())
}

/// Makes a directory that everybody may enter, whatever the caller's umask; it may exist.
pub(crate) fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path)?;
    Ok(fs::set_permissions(
        path,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?)
}

/// Documentation and translations are nothing that a tool needs.
fn keep(path: &Path) -> bool {
    let useless = [
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "usr/share/lintian",
    ];
    let more = [
        "usr/share/bug",
        "usr/share/info",
        "usr/share/doc-base",
        "usr/share/icons",
    ];
    !useless
        .iter()
        .chain(&more)
        .any(|prefix| path.starts_with(prefix) && path != Path::new(prefix))
}

/// Moves the files of one directory over those of another. Deletions are not expected.
fn merge(from: &Path, into: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = into.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            merge(&entry.path(), &target)?;
        } else {
            fs::rename(entry.path(), &target)?;
        }
    }
    Ok(())
}
