//! The cache: entries that are either complete or not there.
//!
//! An entry is a directory `<bucket>/<key>`. It is made under a temporary name in the same bucket and
//! renamed when it is complete, while a lock keeps other processes from making it twice. What a
//! killed process left behind is removed by the next one that makes the same entry, or by
//! [`Cache::collect`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use snowglobe_archive::FileLock;

use crate::remove::remove_tree;
use crate::{Error, Result};

/// How long another process may take to make an entry.
const LOCK_LIMIT: Duration = Duration::from_secs(1800);

/// Parts of the cache that hold entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    /// Unpacked file systems.
    Trees,
    /// File system images, kernels and initial RAM disks.
    Images,
    /// Objects of `/nix/store`.
    Store,
    /// Saved machines.
    Snapshots,
}

impl Bucket {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Trees, Self::Images, Self::Store, Self::Snapshots];

    /// Name of its directory.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trees => "trees",
            Self::Images => "images",
            Self::Store => "store",
            Self::Snapshots => "snapshots",
        }
    }
}

/// One entry, as `snowglobe cache list` shows it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it is.
    pub bucket: Bucket,
    /// Its name.
    pub key: String,
    /// Bytes on the disk.
    pub size: u64,
    /// When it was used last.
    pub used: SystemTime,
}

/// A cache directory.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// A cache in a directory, which is made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        fs::create_dir_all(&root)?;
        // Absolute, since paths are handed to programs with other working directories.
        Ok(Self {
            root: fs::canonicalize(root)?,
        })
    }

    /// The user's cache: `$SNOWGLOBE_CACHE`, else `snowglobe` below `$XDG_CACHE_HOME` or `~/.cache`.
    pub fn of_user() -> Result<Self> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = match variable("SNOWGLOBE_CACHE") {
            Some(path) => PathBuf::from(path),
            None => variable("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")))
                .ok_or(Error::NoCache)?
                .join("snowglobe"),
        };
        Self::open(root)
    }

    /// Its directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where an entry lies, whether it is there or not.
    pub fn path(&self, bucket: Bucket, key: &str) -> PathBuf {
        self.root.join(bucket.name()).join(key)
    }

    /// A complete entry, which counts as used now.
    pub fn find(&self, bucket: Bucket, key: &str) -> Option<PathBuf> {
        let path = self.path(bucket, key);
        path.is_dir().then(|| {
            touch(&path);
            path
        })
    }

    /// An entry, made by `build` if it is not there. `build` gets an empty directory that becomes
    /// the entry when it succeeds. `what` is for messages: "make the base".
    pub fn make(
        &self,
        bucket: Bucket,
        key: &str,
        what: &str,
        build: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        if let Some(path) = self.find(bucket, key) {
            return Ok(path);
        }
        let _lock = FileLock::acquire(&self.lock_path(bucket, key), what, LOCK_LIMIT)?;
        // Made by the process that held the lock before?
        if let Some(path) = self.find(bucket, key) {
            return Ok(path);
        }
        let path = self.path(bucket, key);
        let temporary = path.with_file_name(format!("{TEMPORARY}{key}"));
        let attempt = || -> Result<()> {
            if temporary.exists() {
                remove_tree(&temporary)?;
            }
            fs::create_dir_all(&temporary)?;
            build(&temporary)?;
            fs::rename(&temporary, &path)?;
            Ok(())
        };
        attempt().map_err(|error| {
            // The error matters more than a failure to tidy up, which the next attempt repeats.
            let _ = remove_tree(&temporary);
            if error.is_full() {
                Error::NoSpace {
                    step: what.to_owned(),
                    path: self.root.clone(),
                }
            } else {
                error
            }
        })?;
        Ok(path)
    }

    /// Every complete entry, the longest unused first.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for bucket in Bucket::ALL {
            for (key, path) in list(&self.root.join(bucket.name()))? {
                if key.starts_with('.') {
                    continue;
                }
                let used = fs::symlink_metadata(&path)?
                    .modified()
                    .unwrap_or(SystemTime::UNIX_EPOCH);
                entries.push(Entry {
                    bucket,
                    size: disk_use(&path),
                    key,
                    used,
                });
            }
        }
        entries.sort_by_key(|entry| entry.used);
        Ok(entries)
    }

    /// Bytes that the downloads take.
    pub fn downloads_size(&self) -> u64 {
        disk_use(&self.root.join("downloads"))
    }

    /// Removes entries whose key is `key` or, if only one entry does, starts with it.
    pub fn remove(&self, key: &str) -> Result<Vec<Entry>> {
        let entries = self.entries()?;
        let exact: Vec<_> = entries
            .iter()
            .filter(|entry| entry.key == key)
            .cloned()
            .collect();
        let chosen = if exact.is_empty() {
            entries
                .into_iter()
                .filter(|e| !key.is_empty() && e.key.starts_with(key))
                .collect()
        } else {
            exact
        };
        if chosen.is_empty() {
            return Err(Error::NoEntry {
                key: key.to_owned(),
            });
        }
        for entry in &chosen {
            self.remove_one(entry.bucket, &entry.key)?;
        }
        Ok(chosen)
    }

    /// Removes what is older than `older_than`, then the longest unused until entries and downloads
    /// take at most `max_size` bytes; and whatever interrupted builds left behind. Entries that are
    /// being made are not touched. Returns what was removed.
    pub fn collect(
        &self,
        max_size: Option<u64>,
        older_than: Option<Duration>,
    ) -> Result<Vec<Entry>> {
        self.remove_leftovers()?;
        let mut entries = self.entries()?;
        let mut total: u64 = entries.iter().map(|entry| entry.size).sum();
        let mut removed = Vec::new();
        let now = SystemTime::now();
        entries.retain(|entry| {
            let age = now.duration_since(entry.used).unwrap_or_default();
            let old = older_than.is_some_and(|limit| age > limit);
            if old {
                total -= entry.size;
                removed.push(entry.clone());
            }
            !old
        });
        if let Some(limit) = max_size {
            let mut downloads = self.downloads_size();
            // Downloads first: what was made of them is worth more.
            if total + downloads > limit {
                self.remove_downloads()?;
                downloads = 0;
            }
            for entry in entries {
                if total + downloads <= limit {
                    break;
                }
                total -= entry.size;
                removed.push(entry);
            }
        }
        for entry in &removed {
            self.remove_one(entry.bucket, &entry.key)?;
        }
        Ok(removed)
    }

    fn lock_path(&self, bucket: Bucket, key: &str) -> PathBuf {
        self.root
            .join("locks")
            .join(format!("{}-{key}", bucket.name()))
    }

    /// Removes one entry; it need not be there.
    pub(crate) fn remove_one(&self, bucket: Bucket, key: &str) -> Result<()> {
        let path = self.path(bucket, key);
        // Renamed first: from then on nobody takes it for complete.
        let doomed = path.with_file_name(format!("{TEMPORARY}rm-{}-{key}", std::process::id()));
        match fs::rename(&path, &doomed) {
            Ok(()) => remove_tree(&doomed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn remove_leftovers(&self) -> Result<()> {
        for bucket in Bucket::ALL {
            for (name, path) in list(&self.root.join(bucket.name()))? {
                let Some(key) = name.strip_prefix(TEMPORARY) else {
                    continue;
                };
                // Somebody who holds the lock is at work there.
                if let Some(_lock) = FileLock::try_acquire(&self.lock_path(bucket, key))? {
                    remove_tree(&path)?;
                }
            }
        }
        Ok(())
    }

    fn remove_downloads(&self) -> Result<()> {
        for (name, path) in list(&self.root.join("downloads"))? {
            if name != "partial" {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(())
    }
}

const TEMPORARY: &str = ".new-";

fn touch(path: &Path) {
    // Only for `collect` to know; a read-only cache is fine.
    if let Ok(directory) = std::fs::File::open(path) {
        let _ = directory.set_modified(SystemTime::now());
    }
}

fn list(directory: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    entries
        .map(|entry| {
            let entry = entry?;
            Ok((
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            ))
        })
        .collect()
}

/// Bytes on the disk below a path, as far as it can be read.
fn disk_use(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return 0;
    };
    let mut size = metadata.blocks() * 512;
    if metadata.is_dir()
        && let Ok(entries) = std::fs::read_dir(path)
    {
        size += entries
            .flatten()
            .map(|entry| disk_use(&entry.path()))
            .sum::<u64>();
    }
    size
}

/// Key of an entry: a short digest of everything that goes into it, with a name in front for people.
pub fn key(name: &str, parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    format!("{name}-{}", &hasher.finalize().to_hex()[..20])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path().join("cache")).unwrap();
        (directory, cache)
    }

    #[test]
    fn made_once() {
        let (_directory, cache) = cache();
        let mut made = 0;
        for _ in 0..2 {
            let path = cache
                .make(Bucket::Trees, "a", "make a test", |path| {
                    made += 1;
                    Ok(fs::write(path.join("file"), "content")?)
                })
                .unwrap();
            assert_eq!(fs::read_to_string(path.join("file")).unwrap(), "content");
        }
        assert_eq!(made, 1);
        assert_eq!(cache.entries().unwrap().len(), 1);
    }

    #[test]
    fn a_failure_leaves_nothing() {
        let (_directory, cache) = cache();
        let result = cache.make(Bucket::Trees, "a", "make a test", |path| {
            fs::write(path.join("half"), "")?;
            Err(io::Error::from(io::ErrorKind::StorageFull).into())
        });
        let text = result.unwrap_err().to_string();
        assert!(text.contains("to make a test"), "{text}");
        assert_eq!(list(&cache.root.join("trees")).unwrap().len(), 0);
    }

    #[test]
    fn leftovers_of_a_killed_process_do_not_matter() {
        let (_directory, cache) = cache();
        let leftover = cache.root.join("trees/.new-a");
        fs::create_dir_all(leftover.join("usr")).unwrap();
        let path = cache
            .make(Bucket::Trees, "a", "make a test", |_| Ok(()))
            .unwrap();
        assert_eq!(list(&path).unwrap().len(), 0);
        fs::create_dir_all(&leftover).unwrap();
        cache.collect(None, None).unwrap();
        assert!(!leftover.exists());
        assert!(path.exists());
    }

    #[test]
    fn collects_the_longest_unused() {
        let (_directory, cache) = cache();
        for (age, key) in [(300, "old"), (200, "middle"), (100, "young")] {
            let path = cache
                .make(Bucket::Images, key, "make a test", |path| {
                    Ok(fs::write(path.join("file"), vec![1; 1 << 20])?)
                })
                .unwrap();
            let used = SystemTime::now() - Duration::from_secs(age);
            std::fs::File::open(&path)
                .unwrap()
                .set_modified(used)
                .unwrap();
        }
        let keys = |entries: Vec<Entry>| entries.into_iter().map(|e| e.key).collect::<Vec<_>>();
        assert_eq!(keys(cache.entries().unwrap()), ["old", "middle", "young"]);
        let removed = cache.collect(None, Some(Duration::from_secs(250))).unwrap();
        assert_eq!(keys(removed), ["old"]);
        let removed = cache.collect(Some(3 << 19), None).unwrap();
        assert_eq!(keys(removed), ["middle"]);
        assert_eq!(keys(cache.remove("you").unwrap()), ["young"]);
        assert!(matches!(cache.remove("you"), Err(Error::NoEntry { .. })));
    }

    #[test]
    fn keys_depend_on_where_parts_end() {
        assert_ne!(key("x", &["ab", "c"]), key("x", &["a", "bc"]));
        assert!(key("base", &[]).starts_with("base-"));
    }
}
