//! Whether an entry of the cache is still what was made.
//!
//! Two numbers are kept beside an entry's content: the *digest* of everything in it, and a *stamp* of
//! what the host knows of its files without reading them (sizes, numbers, times of change). As long as
//! the stamp is the same, the content is not read again: any write through the file system changes it.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs::Metadata, io};

use fs_err as fs;

use crate::Result;

/// Names, in an entry, of what is kept about it.
const DIGEST: &str = "seal";
const STAMP: &str = "seen";

/// Remembers what a new entry is. An ordinary user cannot read every directory of others; what
/// cannot be read counts with what is seen of it from outside.
pub(crate) fn seal(entry: &Path) -> Result<()> {
    let digest = Content::of(entry)?.digest()?;
    Ok(fs::write(entry.join(DIGEST), digest)?)
}

/// Whether it is known what an entry should be.
pub(crate) fn is_sealed(entry: &Path) -> bool {
    entry.join(DIGEST).is_file()
}

/// Whether an entry is what was sealed.
pub(crate) fn is_intact(entry: &Path) -> Result<bool> {
    let Ok(expected) = fs::read_to_string(entry.join(DIGEST)) else {
        return Ok(false);
    };
    let content = Content::of(entry)?;
    let stamp = content.stamp();
    if fs::read_to_string(entry.join(STAMP)).is_ok_and(|known| known == stamp) {
        return Ok(true);
    }
    if content.digest()? != expected {
        return Ok(false);
    }
    // A file whose time of change is this very moment could still change unnoticed.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs() as i64;
    if content.newest() + 1 < now {
        // Only to save time; a cache that cannot be written is fine.
        let _ = fs::write(entry.join(STAMP), stamp);
    }
    Ok(true)
}

/// Everything in an entry, in the order of the names.
struct Content {
    files: Vec<(PathBuf, Metadata)>,
    root: PathBuf,
}

impl Content {
    fn of(entry: &Path) -> Result<Self> {
        let mut content = Self {
            files: Vec::new(),
            root: entry.to_owned(),
        };
        content.collect(entry, true)?;
        Ok(content)
    }

    fn collect(&mut self, directory: &Path, top: bool) -> Result<()> {
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            other => other?,
        };
        let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(|entry| entry.file_name());
        for entry in entries {
            let name = entry.file_name();
            if top && (name == DIGEST || name == STAMP) {
                continue;
            }
            let data = entry.metadata()?;
            let directory = data.is_dir();
            self.files.push((entry.path(), data));
            if directory {
                self.collect(&entry.path(), false)?;
            }
        }
        Ok(())
    }

    /// What is known without reading any file.
    fn stamp(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (path, data) in &self.files {
            self.name(&mut hasher, path);
            let numbers = [
                data.ino() as i64,
                data.size() as i64,
                data.mtime(),
                data.mtime_nsec(),
                data.ctime(),
                data.ctime_nsec(),
            ];
            for number in numbers {
                hasher.update(&number.to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The newest time at which anything changed, in seconds.
    fn newest(&self) -> i64 {
        let times = self.files.iter().map(|(_, data)| data.ctime());
        times.max().unwrap_or(0)
    }

    /// What everything is: names, owners, permissions, contents.
    fn digest(&self) -> Result<String> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = self.files.len().div_ceil(threads).max(1);
        let parts: Vec<Result<Vec<blake3::Hash>>> = std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .files
                .chunks(share)
                .map(|files| scope.spawn(|| files.iter().map(|file| self.one(file)).collect()))
                .collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined
                .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            for hash in part? {
                hasher.update(hash.as_bytes());
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    fn one(&self, (path, data): &(PathBuf, Metadata)) -> Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        self.name(&mut hasher, path);
        for number in [data.mode(), data.uid(), data.gid()] {
            hasher.update(&number.to_le_bytes());
        }
        let kind = data.file_type();
        if kind.is_file() {
            hasher.update(&data.len().to_le_bytes());
            match fs::File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                file => drop(hasher.update_reader(file?)?),
            }
        } else if kind.is_symlink() {
            hasher.update(fs::read_link(path)?.as_os_str().as_bytes());
        } else if kind.is_char_device() || kind.is_block_device() {
            // Overlays mark deleted files so.
            hasher.update(&data.rdev().to_le_bytes());
        }
        Ok(hasher.finalize())
    }

    fn name(&self, hasher: &mut blake3::Hasher, path: &Path) {
        let name = path.strip_prefix(&self.root).unwrap_or(path).as_os_str();
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn entry() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let bin = directory.path().join("tree/usr/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("program"), "content").unwrap();
        symlink("program", bin.join("link")).unwrap();
        fs::create_dir(directory.path().join("tree/empty")).unwrap();
        seal(directory.path()).unwrap();
        directory
    }

    #[test]
    fn every_change_is_seen() {
        type Change = (&'static str, fn(&Path));
        let changes: [Change; 9] = [
            ("a flipped byte", |root| {
                fs::write(root.join("usr/bin/program"), "cOntent").unwrap();
            }),
            ("a byte less", |root| {
                fs::write(root.join("usr/bin/program"), "conten").unwrap();
            }),
            ("permissions", |root| {
                set_permissions(root.join("usr/bin/program"), Permissions::from_mode(0o755))
                    .unwrap();
            }),
            ("a file more", |root| {
                fs::write(root.join("usr/more"), "").unwrap()
            }),
            ("a file less", |root| {
                fs::remove_file(root.join("usr/bin/program")).unwrap()
            }),
            ("a directory less", |root| {
                fs::remove_dir(root.join("empty")).unwrap()
            }),
            ("a name", |root| {
                fs::rename(root.join("empty"), root.join("void")).unwrap()
            }),
            ("a link's target", |root| {
                fs::remove_file(root.join("usr/bin/link")).unwrap();
                symlink("other", root.join("usr/bin/link")).unwrap();
            }),
            ("the digest", |root| {
                fs::write(root.join("../seal"), "").unwrap()
            }),
        ];
        for (what, change) in changes {
            let entry = entry();
            assert!(is_intact(entry.path()).unwrap(), "{what}");
            change(&entry.path().join("tree"));
            assert!(!is_intact(entry.path()).unwrap(), "{what}");
        }
    }

    #[test]
    fn what_was_only_touched_is_intact() {
        let entry = entry();
        let path = entry.path().join("tree/usr/bin/program");
        let before = SystemTime::now() - std::time::Duration::from_secs(60);
        std::fs::File::open(&path)
            .unwrap()
            .set_modified(before)
            .unwrap();
        assert!(is_intact(entry.path()).unwrap());
    }
}
