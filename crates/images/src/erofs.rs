//! Writing file system images with mkfs.erofs of the tools.
//!
//! Not compressed: a machine without hardware virtualisation would spend more time on decompressing
//! than the host on reading. Times are one second after the beginning, as in `/nix/store`, and the identifier is fixed, so that the same tree gives
//! the same bytes.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use snowglobe_sandbox::{Access, Ids, Privileges};

use crate::cache::{Bucket, disk_use};
use crate::step;
use crate::{Error, Images, Result, Tools};

const LIMIT: Duration = Duration::from_secs(900);
const IMAGE: &str = "image.erofs";
/// Bytes that must be free beyond the size of what goes into an image.
const SLACK: u64 = 16 << 20;
const OPTIONS: [&str; 5] = [
    "--quiet",
    "-T1",
    "-x1",
    "-U",
    "534e4f57-474c-4f42-4500-000000000001",
];

/// Owner, permissions and capabilities of a file in an image, where they differ from root's and
/// those of the file on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Path in the tree, relative.
    pub path: PathBuf,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Permissions with special bits; `None`: those of the file on the host.
    pub mode: Option<u32>,
    /// Value of `security.capability`, as [`capability`] makes it; `None`: no capabilities.
    pub capability: Option<Vec<u8>>,
}

/// The value of a file's `security.capability`: permitted capabilities by number, and whether they
/// are effective as soon as the program starts.
pub fn capability(permitted: &[u8], inheritable: &[u8], effective: bool) -> Vec<u8> {
    let mask = |numbers: &[u8]| {
        numbers
            .iter()
            .fold(0_u64, |mask, number| mask | 1 << (number & 63))
    };
    let (permitted, inheritable) = (mask(permitted), mask(inheritable));
    let mut value = Vec::with_capacity(20);
    // Revision 2: without a user namespace.
    value.extend((0x0200_0000_u32 | u32::from(effective)).to_le_bytes());
    for shift in [0, 32] {
        value.extend(((permitted >> shift) as u32).to_le_bytes());
        value.extend(((inheritable >> shift) as u32).to_le_bytes());
    }
    value
}

/// What was last known of an image file, so that it is not read again as long as it is the same.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Stamp {
    length: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Result<Self> {
        let m = fs::metadata(path)?;
        Ok(Self {
            length: m.len(),
            inode: m.ino(),
            modified: (m.mtime(), m.mtime_nsec()),
            changed: (m.ctime(), m.ctime_nsec()),
        })
    }
}

impl Images {
    /// An image in the cache, made by `build` if it is not there or was changed since. `build` gets
    /// the entry's directory and writes `file` in it.
    pub(crate) fn image(
        &self,
        key: &str,
        file: &str,
        what: &str,
        build: impl Fn(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let make = || {
            self.cache().make(Bucket::Images, key, what, |entry| {
                let _step = self.step(what);
                build(entry)?;
                let digest = digest(&entry.join(file))?;
                Ok(fs::write(entry.join("digest"), digest)?)
            })
        };
        let path = make()?.join(file);
        if is_intact(&path)? {
            return Ok(path);
        }
        self.progress()
            .note(&format!("{} is damaged; made again", path.display()));
        self.cache().remove_one(Bucket::Images, key)?;
        Ok(make()?.join(file))
    }

    /// Writes an image of a directory as it is seen inside a sandbox, with all its owners. Further
    /// directories can be shown in place of parts of it.
    pub(crate) fn write_erofs(
        &self,
        tools: &Tools,
        tree: &Path,
        parts: &[(PathBuf, &str)],
        entry: &Path,
    ) -> Result<()> {
        // mkfs.erofs 1.8.6 waits for ever when it cannot write.
        let needed = disk_use(tree) + parts.iter().map(|(part, _)| disk_use(part)).sum::<u64>();
        let disk = rustix::fs::statvfs(entry).map_err(std::io::Error::from)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < needed + needed / 16 + SLACK {
            return Err(Error::NoSpace {
                step: "write a file system image".to_owned(),
                path: entry.to_owned(),
            });
        }
        let mut sandbox = tools.sandbox();
        sandbox
            .ids(Ids::Range)
            .privileges(Privileges::Install)
            .bind(tree, "/mnt/in", Access::ReadOnly)
            .bind(entry, "/mnt/out", Access::ReadWrite);
        for (source, target) in parts {
            sandbox.bind(source, Path::new("/mnt/in").join(target), Access::ReadOnly);
        }
        let mut command = step::command(&sandbox, "/usr/bin/mkfs.erofs");
        command
            .args(OPTIONS)
            .args([&format!("/mnt/out/{IMAGE}"), "/mnt/in"]);
        step::run(&mut command, "write a file system image", LIMIT)?;
        Ok(())
    }

    /// Makes or finds an image of a directory whose files belong to root, except for those whose
    /// attributes are given. The caller names it by `key`, which must change when the tree does.
    /// `prefix` is put before every path (`nix/store/…`), and becomes directories of root's.
    ///
    /// Needs no rights: owners go through a tar stream. Symbolic links, directories and regular files
    /// only; hard links become copies.
    pub fn tree_to_erofs(
        &self,
        key: &str,
        trees: &[(PathBuf, PathBuf)],
        attributes: &[Attributes],
    ) -> Result<PathBuf> {
        self.stream_to_erofs(key, "write an image of trees", &|out| {
            write_tar(out, trees, attributes)
        })
    }

    /// Makes or finds the image of the files in a tar stream. The caller names it by `key`, which
    /// must change when the stream does; `write` writes the stream, and is not called if the image
    /// is there. Needs no rights: owners are in the stream.
    pub fn stream_to_erofs(
        &self,
        key: &str,
        step: &str,
        write: &(dyn Fn(&mut dyn Write) -> Result<()> + Sync),
    ) -> Result<PathBuf> {
        let tools = self.tools(&[])?;
        self.image(key, IMAGE, step, |entry| {
            let mut sandbox = tools.sandbox();
            sandbox.bind(entry, "/mnt/out", Access::ReadWrite);
            let mut command = step::command(&sandbox, "/usr/bin/mkfs.erofs");
            command
                .args(OPTIONS)
                .args(["--tar=f", &format!("/mnt/out/{IMAGE}")]);
            let (read, mut pipe) = std::io::pipe()?;
            command.stdin(read);
            let result = std::thread::scope(|scope| {
                let writer = scope.spawn(move || write(&mut pipe));
                let run = step::run(&mut command, step, LIMIT);
                // The read end is gone with the command, so that the writer cannot wait for ever.
                drop(command);
                let written = writer
                    .join()
                    .unwrap_or_else(|p| std::panic::resume_unwind(p));
                (run, written)
            });
            match result {
                // A failed mkfs.erofs says why; the broken pipe behind it does not matter.
                (Err(error), _) => Err(error),
                (Ok(_), written) => written,
            }
        })
    }
}

/// Writes trees as one tar stream. Of a path that several trees have, the last one's file counts;
/// directories are united.
fn write_tar(
    out: impl Write,
    trees: &[(PathBuf, PathBuf)],
    attributes: &[Attributes],
) -> Result<()> {
    let attributes: BTreeMap<&Path, &Attributes> =
        attributes.iter().map(|a| (a.path.as_path(), a)).collect();
    let mut files = BTreeMap::new();
    for (source, prefix) in trees {
        for ancestor in prefix
            .ancestors()
            .skip(1)
            .filter(|path| !path.as_os_str().is_empty())
        {
            files.entry(ancestor.to_owned()).or_insert(None);
        }
        collect(source, prefix, &mut files)?;
    }
    let mut builder = tar::Builder::new(std::io::BufWriter::with_capacity(1 << 20, out));
    builder.mode(tar::HeaderMode::Deterministic);
    // Without an entry of its own, the root would be writable for everybody.
    append(
        &mut builder,
        Path::new("./"),
        None,
        attributes.get(Path::new("")).copied(),
    )?;
    for (path, source) in &files {
        let attributes = attributes.get(path.as_path());
        append(&mut builder, path, source.as_deref(), attributes.copied())?;
    }
    builder
        .into_inner()?
        .into_inner()
        .map_err(|error| error.into_error())?;
    Ok(())
}

fn collect(
    source: &Path,
    target: &Path,
    files: &mut BTreeMap<PathBuf, Option<PathBuf>>,
) -> Result<()> {
    if !target.as_os_str().is_empty() {
        files.insert(target.to_owned(), Some(source.to_owned()));
    }
    if fs::symlink_metadata(source)?.is_dir() {
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            collect(&entry.path(), &target.join(entry.file_name()), files)?;
        }
    }
    Ok(())
}

fn append(
    builder: &mut tar::Builder<impl Write>,
    path: &Path,
    source: Option<&Path>,
    attributes: Option<&Attributes>,
) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mtime(1);
    let owner = attributes.map_or((0, 0), |a| (a.uid, a.gid));
    header.set_uid(owner.0.into());
    header.set_gid(owner.1.into());
    let mode = |own: u32| attributes.and_then(|a| a.mode).unwrap_or(own) & 0o7777;
    if let Some(value) = attributes.and_then(|a| a.capability.as_deref()) {
        builder.append_pax_extensions([("SCHILY.xattr.security.capability", value)])?;
    }
    let Some(source) = source else {
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(mode(0o755));
        header.set_size(0);
        return Ok(builder.append_data(&mut header, path, std::io::empty())?);
    };
    let metadata = fs::symlink_metadata(source)?;
    let kind = metadata.file_type();
    if kind.is_symlink() {
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        builder.append_link(&mut header, path, fs::read_link(source)?)?;
    } else if kind.is_dir() {
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(mode(metadata.mode()));
        header.set_size(0);
        builder.append_data(&mut header, path, std::io::empty())?;
    } else if kind.is_file() {
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(mode(metadata.mode()));
        header.set_size(metadata.len());
        builder.append_data(&mut header, path, fs::File::open(source)?)?;
    } else if !kind.is_socket() {
        return Err(Error::Malformed {
            path: source.to_owned(),
            reason: "neither file, directory nor link".into(),
        });
    }
    Ok(())
}

/// Whether an image is the one that was written. Its content is read only if something about the
/// file has changed since it was read last.
fn is_intact(path: &Path) -> Result<bool> {
    let Some(entry) = path.parent() else {
        return Ok(false);
    };
    if !path.is_file() {
        return Ok(false);
    }
    let stamp = Stamp::of(path)?;
    let known = entry.join("stamp");
    let recorded: Option<Stamp> = fs::read(&known)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if recorded.as_ref() == Some(&stamp) {
        return Ok(true);
    }
    let expected = fs::read_to_string(entry.join("digest")).unwrap_or_default();
    if digest(path)? != expected {
        return Ok(false);
    }
    // A file whose time of change is this very moment could still change unnoticed.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs() as i64;
    if stamp.changed.0 + 1 < now
        && let Ok(text) = serde_json::to_vec(&stamp)
    {
        // Only to save time; a cache that cannot be written is fine.
        let _ = fs::write(&known, text);
    }
    Ok(true)
}

fn digest(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(path)?)?;
    Ok(BASE64.encode(hasher.finalize().as_bytes()))
}

/// Makes a blank disk of so many MiB; it takes no space until it is written to.
pub fn blank_disk(path: &Path, mebibytes: u64) -> Result<()> {
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?;
    Ok(file.set_len(mebibytes << 20)?)
}
