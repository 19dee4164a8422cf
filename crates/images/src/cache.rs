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
use crate::{Error, Result, intact};

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
    /// Files as they were downloaded.
    Downloads,
    /// States of Debian's archives.
    Archive,
    /// Unpacked packages of other registries.
    Unpacked,
    /// Logs of builds.
    Logs,
    /// Scripts that passed their checks.
    Checked,
    /// Tests that passed.
    Passed,
    /// What the type checker remembers of the library.
    Mypy,
    /// The library of test scripts.
    Python,
}

impl Bucket {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Trees,
        Self::Images,
        Self::Store,
        Self::Snapshots,
        Self::Downloads,
        Self::Archive,
        Self::Unpacked,
        Self::Logs,
        Self::Checked,
        Self::Passed,
        Self::Mypy,
        Self::Python,
    ];

    /// Name of its directory.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trees => "trees",
            Self::Images => "images",
            Self::Store => "store",
            Self::Snapshots => "snapshots",
            Self::Downloads => "downloads",
            Self::Archive => "archive",
            Self::Unpacked => "unpacked",
            Self::Logs => "logs",
            Self::Checked => "checked",
            Self::Passed => "passed",
            Self::Mypy => "mypy",
            Self::Python => "python",
        }
    }

    /// Whether entries are made by [`Cache::make`], under a lock. What is made of the others may be at
    /// work wherever a process uses the cache.
    pub(crate) fn is_locked(self) -> bool {
        matches!(self, Self::Trees | Self::Images | Self::Unpacked)
    }

    /// What it holds, in a few words.
    pub fn description(self) -> &'static str {
        match self {
            Self::Trees => "unpacked base, tools and packages",
            Self::Images => "images that machines boot",
            Self::Store => "objects of /nix/store",
            Self::Snapshots => "saved machines",
            Self::Downloads => "packages as they were downloaded",
            Self::Archive => "states of Debian's archives",
            Self::Unpacked => "packages of npm and PyPI",
            Self::Logs => "logs of builds",
            Self::Checked => "scripts that passed their checks",
            Self::Passed => "tests that passed",
            Self::Mypy => "what the type checker remembers",
            Self::Python => "the library of test scripts",
        }
    }
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

    /// An entry as [`Cache::make`] gives it, whose content is what was made: one that was changed since is
    /// removed and made again, and `damaged` is told where it lay. Entries from before digests were kept
    /// are taken as they are, once.
    pub fn make_intact(
        &self,
        bucket: Bucket,
        key: &str,
        what: &str,
        damaged: &dyn Fn(&Path),
        build: impl Fn(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let make = || {
            self.make(bucket, key, what, |entry| {
                build(entry)?;
                intact::seal(entry)
            })
        };
        let path = make()?;
        if !intact::is_sealed(&path) {
            intact::seal(&path)?;
        }
        if intact::is_intact(&path)? {
            return Ok(path);
        }
        {
            let _lock = FileLock::acquire(&self.lock_path(bucket, key), what, LOCK_LIMIT)?;
            // Mended by the process that held the lock before?
            if path.is_dir() && !intact::is_intact(&path)? {
                damaged(&path);
                self.remove_one(bucket, key)?;
            }
        }
        make()
    }

    pub(crate) fn lock_path(&self, bucket: Bucket, key: &str) -> PathBuf {
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
}

pub(crate) const TEMPORARY: &str = ".new-";

fn touch(path: &Path) {
    // Only for `collect` to know; a read-only cache is fine.
    if let Ok(directory) = std::fs::File::open(path) {
        let _ = directory.set_modified(SystemTime::now());
    }
}

pub(crate) fn list(directory: &Path) -> Result<Vec<(String, PathBuf)>> {
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
pub fn disk_use(path: &Path) -> u64 {
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
    use crate::{Entry, Kept, Limits};

    fn older(seconds: u64) -> Limits {
        Limits {
            max_size: None,
            older_than: Some(Duration::from_secs(seconds)),
        }
    }

    /// An object of the store that was used so many seconds ago.
    fn object(cache: &Cache, name: &str, references: &[&str], age: u64) {
        let store = snowglobe_store::Store::open(cache.root().join("store")).unwrap();
        let path = |name: &str| {
            let text = format!("/nix/store/{}-{name}", "0".repeat(32));
            snowglobe_plan::StorePath::parse(&text).unwrap()
        };
        let stage = store.stage().unwrap();
        let file = stage.path().join("object");
        fs::write(&file, name).unwrap();
        let references = references.iter().map(|name| path(name)).collect();
        store.add(&path(name), &file, references).unwrap();
        let used = SystemTime::now() - Duration::from_secs(age);
        store.touch(&path(name), used).unwrap();
    }

    fn names(entries: &[Entry]) -> Vec<&str> {
        entries
            .iter()
            .map(|e| e.key.rsplit('-').next().unwrap())
            .collect()
    }

    #[test]
    fn store_objects_go_after_what_refers_to_them() {
        let (_directory, cache) = cache();
        object(&cache, "low", &[], 500);
        object(&cache, "high", &["low"], 100);
        object(&cache, "alone", &[], 300);
        // The lowest is as young as what needs it.
        let removed = cache.collect(older(200)).unwrap();
        assert_eq!(names(&removed), ["alone"]);
        let removed = cache.remove(&format!("{}-low", "0".repeat(32))).unwrap();
        assert_eq!(names(&removed), ["high", "low"]);
    }

    #[test]
    fn what_a_link_leads_to_stays() {
        let (directory, cache) = cache();
        object(&cache, "low", &[], 500);
        object(&cache, "high", &["low"], 500);
        let high = cache
            .root()
            .join(format!("store/objects/{}-high", "0".repeat(32)));
        let link = directory.path().join("result");
        std::os::unix::fs::symlink(&high, &link).unwrap();
        fs::create_dir_all(cache.root().join("roots")).unwrap();
        std::os::unix::fs::symlink(&link, cache.root().join("roots/1")).unwrap();
        assert_eq!(cache.collect(older(0)).unwrap().len(), 0);
        assert!(matches!(
            cache.remove(&format!("{}-low", "0".repeat(32))),
            Err(Error::Kept {
                kept: Kept::Linked(_),
                ..
            })
        ));
        fs::remove_file(&link).unwrap();
        assert_eq!(names(&cache.collect(older(0)).unwrap()).len(), 2);
    }

    #[test]
    fn what_a_process_uses_stays() {
        let (_directory, cache) = cache();
        let make = |key: &str| {
            cache
                .make(Bucket::Trees, key, "make a test", |_| Ok(()))
                .unwrap()
        };
        let old = make("old");
        let before = SystemTime::now() - Duration::from_secs(60);
        std::fs::File::open(&old)
            .unwrap()
            .set_modified(before)
            .unwrap();
        let working = cache.begin_use().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        make("new");
        let removed = cache.collect(older(0)).unwrap();
        assert_eq!(names(&removed), ["old"]);
        assert!(cache.find(Bucket::Trees, "new").is_some());
        drop(working);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(names(&cache.collect(older(0)).unwrap()), ["new"]);
    }

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
    fn a_damaged_entry_is_named_and_made_again() {
        let (_directory, cache) = cache();
        let told = std::cell::RefCell::new(Vec::new());
        let make = || {
            cache
                .make_intact(
                    Bucket::Trees,
                    "a",
                    "make a test",
                    &|path| told.borrow_mut().push(path.to_owned()),
                    |path| {
                        fs::create_dir(path.join("tree"))?;
                        Ok(fs::write(path.join("tree/file"), "content")?)
                    },
                )
                .unwrap()
        };
        let path = make();
        make();
        assert!(told.borrow().is_empty());
        fs::write(path.join("tree/file"), "cOntent").unwrap();
        assert_eq!(make(), path);
        assert_eq!(*told.borrow(), std::slice::from_ref(&path));
        assert_eq!(
            fs::read_to_string(path.join("tree/file")).unwrap(),
            "content"
        );
        make();
        assert_eq!(told.borrow().len(), 1);
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
        cache.collect(Limits::default()).unwrap();
        assert!(!leftover.exists());
        assert!(path.exists());
    }

    #[test]
    fn what_a_running_process_makes_stays() {
        let (_directory, cache) = cache();
        let working = cache.begin_use().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let baking = cache.root.join("snapshots/.new-x");
        fs::create_dir_all(&baking).unwrap();
        fs::create_dir_all(cache.root.join("python")).unwrap();
        let writing = cache.root.join("python/.tmpx");
        fs::write(&writing, "").unwrap();
        cache.collect(Limits::default()).unwrap();
        assert!(baking.exists() && writing.exists());
        drop(working);
        cache.collect(Limits::default()).unwrap();
        assert!(!baking.exists() && !writing.exists());
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
        let removed = cache.collect(older(250)).unwrap();
        assert_eq!(keys(removed), ["old"]);
        let removed = cache
            .collect(Limits {
                max_size: Some(3 << 19),
                older_than: None,
            })
            .unwrap();
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
