//! Unpacking tar archives without trusting them.
//!
//! Every name is resolved by the kernel with the target directory as its root (`openat2` with
//! `RESOLVE_IN_ROOT`), so that neither `..` nor a symbolic link, made before or by the archive
//! itself, leads outside. Names with `..` and absolute names are refused besides, because no honest
//! package has them. Devices, pipes and sockets are refused, too.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use fs_err as fs;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use tar::EntryType;

use crate::{Error, Result};

/// An entry whose owner is not root: the files are made as the calling user, who is root in the
/// name space where the tree will be used; owners are given there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Path below the target directory.
    pub path: PathBuf,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Permissions with the special bits, which changing the owner may clear.
    pub mode: u32,
}

/// What was unpacked.
#[derive(Clone, Debug, Default)]
pub struct Unpacked {
    /// Every path of the archive, also those that were left out, below the target directory and
    /// in the archive's order.
    pub paths: Vec<PathBuf>,
    /// Entries that should not belong to root.
    pub owners: Vec<Ownership>,
}

/// Unpacks a tar stream into a directory.
///
/// `archive` names it in errors. The first `strip` parts of each name are dropped. Paths for which
/// `keep` says no are not written. Existing files are replaced, existing directories used.
pub fn unpack_tar(
    stream: impl Read,
    archive: &Path,
    root: &Path,
    strip: usize,
    keep: &dyn Fn(&Path) -> bool,
) -> Result<Unpacked> {
    let handle = fs::File::open(root)?.into_parts().0;
    let mut tree = Tree {
        archive,
        root: handle,
        parent: None,
    };
    let mut result = Unpacked::default();
    let mut late_modes = Vec::new();
    let mut reader = tar::Archive::new(stream);
    let context = |error: io::Error| crate::error::at(error, archive.display());
    for entry in reader.entries().map_err(context)? {
        let mut entry = entry.map_err(context)?;
        let name = entry.path().map_err(context)?.into_owned();
        let Some(path) = inside(archive, &name, strip)? else {
            continue;
        };
        result.paths.push(path.clone());
        if !keep(&path) {
            continue;
        }
        let header = entry.header();
        let kind = header.entry_type();
        let mode = header.mode().map_err(context)? & 0o7777;
        // npm leaves these empty.
        let (uid, gid) = (header.uid().unwrap_or(0), header.gid().unwrap_or(0));
        match kind {
            EntryType::Directory => {
                tree.directory(&path)?;
                if mode != 0o755 {
                    late_modes.push((path.clone(), mode));
                }
            }
            EntryType::Regular | EntryType::Continuous => tree.file(&path, mode, &mut entry)?,
            EntryType::Symlink => {
                let target = link_target(archive, &entry)?;
                tree.symlink(&path, &target)?;
            }
            EntryType::Link => {
                let target = link_target(archive, &entry)?;
                let target = inside(archive, &target, strip)?.ok_or_else(|| {
                    Error::member(archive, &path, "a link to the archive's own root")
                })?;
                tree.link(&path, &target)?;
            }
            EntryType::XGlobalHeader => {
                result.paths.pop();
            }
            other => {
                let reason = format!("an entry of type {other:?}; packages hold none");
                return Err(Error::member(archive, &path, reason));
            }
        }
        if (uid, gid) != (0, 0) && kind != EntryType::Symlink {
            let id = |id: u64| {
                u32::try_from(id).map_err(|_| Error::member(archive, &path, "its owner's id"))
            };
            result.owners.push(Ownership {
                uid: id(uid)?,
                gid: id(gid)?,
                mode,
                path,
            });
        }
    }
    // Last, since a directory that is not writable could not be filled.
    for (path, mode) in late_modes {
        let directory = tree.open(&path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode))
            .map_err(|error| tree.failed("fchmod", &path, error))?;
    }
    Ok(result)
}

fn link_target(archive: &Path, entry: &tar::Entry<'_, impl Read>) -> Result<PathBuf> {
    let name = entry
        .path()
        .map(|path| path.into_owned())
        .unwrap_or_default();
    match entry.link_name() {
        Ok(Some(target)) if !target.as_os_str().is_empty() => Ok(target.into_owned()),
        _ => Err(Error::member(archive, &name, "a link without target")),
    }
}

/// The path below the root; `None` for the root itself. Fails for a name that points elsewhere.
pub(crate) fn inside(archive: &Path, name: &Path, strip: usize) -> Result<Option<PathBuf>> {
    let mut path = PathBuf::new();
    let mut skipped = 0;
    for component in name.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(_) if skipped < strip => skipped += 1,
            Component::Normal(part) => path.push(part),
            Component::ParentDir => {
                return Err(Error::member(archive, name, "its name has '..'"));
            }
            Component::RootDir | Component::Prefix(_) => {
                return Err(Error::member(archive, name, "its name is absolute"));
            }
        }
    }
    Ok((!path.as_os_str().is_empty()).then_some(path))
}

/// A directory as the whole world.
pub(crate) struct Tree<'a> {
    archive: &'a Path,
    root: File,
    /// The directory used last, since neighbours follow each other.
    parent: Option<(PathBuf, OwnedFd)>,
}

impl<'a> Tree<'a> {
    /// Opens a directory; `archive` names the source of what will be written, in errors.
    pub(crate) fn new(archive: &'a Path, root: &Path) -> Result<Self> {
        Ok(Self {
            archive,
            root: fs::File::open(root)?.into_parts().0,
            parent: None,
        })
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        self.open_raw(path, flags, Mode::empty())
            .map_err(|error| self.failed("openat2", path, error))
    }

    fn open_raw(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            match rustix::fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, mode, resolve) {
                // Something was renamed or mounted meanwhile; the kernel asks to try again.
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return result,
            }
        }
    }

    /// The directory that holds a path, made if necessary, and the last part of the path.
    fn parent_of<'p>(&mut self, path: &'p Path) -> Result<(BorrowedFd<'_>, &'p Path)> {
        let name = Path::new(path.file_name().unwrap_or_default());
        let directory = path.parent().unwrap_or(Path::new(""));
        if directory.as_os_str().is_empty() {
            return Ok((self.root.as_fd(), name));
        }
        let known = self
            .parent
            .as_ref()
            .is_some_and(|(known, _)| known == directory);
        if !known {
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            let handle = match self.open_raw(directory, flags, Mode::empty()) {
                Err(Errno::NOENT) => {
                    self.directory(directory)?;
                    self.open(directory, flags)?
                }
                Err(error) => return Err(self.failed("openat2", directory, error)),
                Ok(handle) => handle,
            };
            self.parent = Some((directory.to_owned(), handle));
        }
        match &self.parent {
            Some((_, handle)) => Ok((handle.as_fd(), name)),
            None => Ok((self.root.as_fd(), name)),
        }
    }

    /// Makes a directory with its parents; a link to a directory is as good as one.
    pub(crate) fn directory(&mut self, path: &Path) -> Result<()> {
        let (parent, name) = self.parent_of(path)?;
        match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
            // The umask of the caller must not matter.
            Ok(()) => {
                rustix::fs::chmodat(parent, name, Mode::from_raw_mode(0o755), AtFlags::empty())
                    .map_err(|error| self.failed("chmodat", path, error))
            }
            Err(Errno::EXIST) => self.open(path, OFlags::PATH | OFlags::DIRECTORY).map(drop),
            Err(error) => Err(self.failed("mkdirat", path, error)),
        }
    }

    /// Writes a file.
    pub(crate) fn file(&mut self, path: &Path, mode: u32, content: &mut impl Read) -> Result<()> {
        let (parent, name) = self.parent_of(path)?;
        let create = |parent: BorrowedFd<'_>| {
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))
        };
        let handle = match create(parent) {
            Err(Errno::EXIST) => {
                rustix::fs::unlinkat(parent, name, AtFlags::empty())
                    .map_err(|error| self.failed("unlinkat", path, error))?;
                let (parent, _) = self.parent_of(path)?;
                create(parent)
            }
            other => other,
        };
        let handle = handle.map_err(|error| self.failed("openat", path, error))?;
        let mut file = File::from(handle);
        let place = || format!("{} from {}", path.display(), self.archive.display());
        io::copy(content, &mut file).map_err(|error| crate::error::at(error, place()))?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
            .map_err(|error| self.failed("fchmod", path, error))
    }

    fn symlink(&mut self, path: &Path, target: &Path) -> Result<()> {
        let (parent, name) = self.parent_of(path)?;
        match rustix::fs::symlinkat(target, parent, name) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(self.failed("symlinkat", path, error)),
        }
        let old = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| self.failed("statat", path, error))?;
        match FileType::from_raw_mode(old.st_mode) {
            // As dpkg does: a directory that is there already wins.
            FileType::Directory => return Ok(()),
            FileType::Symlink => {
                let (parent, _) = self.parent_of(path)?;
                let now = rustix::fs::readlinkat(parent, name, Vec::new());
                if now.is_ok_and(|now| now.as_bytes() == target.as_os_str().as_encoded_bytes()) {
                    return Ok(());
                }
            }
            _ => {}
        }
        let (parent, _) = self.parent_of(path)?;
        rustix::fs::unlinkat(parent, name, AtFlags::empty())
            .and_then(|()| rustix::fs::symlinkat(target, parent, name))
            .map_err(|error| self.failed("symlinkat", path, error))
    }

    fn link(&mut self, path: &Path, target: &Path) -> Result<()> {
        // The parent is resolved inside the root and the last part not at all, so that a link
        // cannot be led outside by a symbolic link.
        let (source_parent, source_name) = self.parent_of(target)?;
        let source_parent = source_parent
            .try_clone_to_owned()
            .map_err(|error| crate::error::at(error, target.display()))?;
        let archive = self.archive;
        let kind = rustix::fs::statat(&source_parent, source_name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|_| Error::member(archive, path, "a link to a file that does not exist"))?;
        if FileType::from_raw_mode(kind.st_mode) == FileType::Directory {
            return Err(Error::member(archive, path, "a hard link to a directory"));
        }
        let (parent, name) = self.parent_of(path)?;
        let make =
            || rustix::fs::linkat(&source_parent, source_name, parent, name, AtFlags::empty());
        match make() {
            Err(Errno::EXIST) => rustix::fs::unlinkat(parent, name, AtFlags::empty())
                .and_then(|()| make())
                .map_err(|error| self.failed("linkat", path, error)),
            other => other.map_err(|error| self.failed("linkat", path, error)),
        }
    }

    fn failed(&self, call: &str, path: &Path, error: Errno) -> Error {
        // These say that the archive wanted something odd, not that the machine failed.
        match error {
            Errno::XDEV | Errno::LOOP | Errno::NOTDIR => {
                Error::member(self.archive, path, format!("{call}: {error}"))
            }
            _ => {
                let place = format!(
                    "{call} of {} from {}",
                    path.display(),
                    self.archive.display()
                );
                crate::error::at(error.into(), place)
            }
        }
    }
}
