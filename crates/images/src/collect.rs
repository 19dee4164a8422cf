//! What the cache holds, and how it is made smaller.
//!
//! Whoever works with the cache says so by a locked file in `uses/`. Everything that is used gets the
//! time of its use, and nothing is removed that was used since the longest running of those
//! processes began. What links made by `snowglobe build` lead to is kept, with all that it refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use snowglobe_plan::StorePath;
use snowglobe_store::Store;

use crate::cache::{Bucket, Cache, TEMPORARY, disk_use, list};
use crate::remove::remove_tree;
use crate::{Error, Result};

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
    /// Why it is not collected, whatever its age.
    pub kept: Option<Kept>,
    path: PathBuf,
}

/// Why an entry is not collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A process that runs now may have it.
    InUse,
    /// This link leads to it, or to something that refers to it.
    Linked(PathBuf),
    /// It is the state of the archives in use.
    Current,
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse => f.write_str("in use"),
            Self::Linked(link) => write!(f, "linked by {}", link.display()),
            Self::Current => f.write_str("the state of the archives in use"),
        }
    }
}

/// How much may stay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Bytes of all entries together.
    pub max_size: Option<u64>,
    /// Time since the last use.
    pub older_than: Option<Duration>,
}

/// Says, as long as it lives, that this process works with the cache.
#[derive(Debug)]
pub struct Use {
    path: PathBuf,
    _lock: File,
}

impl Drop for Use {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Cache {
    /// Begins to work with the cache.
    pub fn begin_use(&self) -> Result<Use> {
        let directory = self.root().join("uses");
        fs::create_dir_all(&directory)?;
        for number in 0.. {
            let path = directory.join(format!("{}-{number}", std::process::id()));
            let file = match fs::File::options().write(true).create_new(true).open(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && number < 1000 => continue,
                other => other?.into_file(),
            };
            file.lock()?;
            return Ok(Use { path, _lock: file });
        }
        unreachable!("a name is found or an error is returned")
    }

    /// When the longest running process that works with the cache began to; `None`: there is none.
    fn in_use_since(&self) -> Result<Option<SystemTime>> {
        let mut oldest: Option<SystemTime> = None;
        for (_, path) in list(&self.root().join("uses"))? {
            let Ok(file) = fs::File::open(&path) else {
                continue;
            };
            // Its process is gone, and was killed: nobody else removes the file.
            if file.file().try_lock().is_ok() {
                let _ = fs::remove_file(&path);
                continue;
            }
            let began = file.metadata()?.modified()?;
            oldest = Some(oldest.map_or(began, |time| time.min(began)));
        }
        Ok(oldest)
    }

    /// Every complete entry, the longest unused first.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let since = self.in_use_since()?;
        let mut entries = Vec::new();
        for bucket in Bucket::ALL {
            match bucket {
                Bucket::Store => self.store_entries(&mut entries)?,
                Bucket::Downloads => {
                    for (algorithm, directory) in list(&self.root().join(bucket.name()))? {
                        if algorithm != "partial" && directory.is_dir() {
                            plain_entries(bucket, &directory, &mut entries)?;
                        }
                    }
                }
                _ => plain_entries(bucket, &self.root().join(bucket.name()), &mut entries)?,
            }
        }
        let current = fs::read_to_string(self.root().join("archive/current")).unwrap_or_default();
        for entry in &mut entries {
            if entry.bucket == Bucket::Archive && entry.key == current.trim() {
                entry.kept = Some(Kept::Current);
            }
            if entry.kept.is_none() && since.is_some_and(|since| entry.used >= since) {
                entry.kept = Some(Kept::InUse);
            }
        }
        entries.sort_by(|a, b| a.used.cmp(&b.used).then_with(|| a.key.cmp(&b.key)));
        Ok(entries)
    }

    /// Bytes of what is in the cache without being an entry.
    pub fn rest_size(&self) -> Result<u64> {
        let buckets: BTreeSet<&str> = Bucket::ALL.iter().map(|b| b.name()).collect();
        let all = list(self.root())?.into_iter();
        let rest = all.filter(|(name, _)| !buckets.contains(name.as_str()));
        Ok(rest.map(|(_, path)| disk_use(&path)).sum())
    }

    /// Removes entries whose key is `key` or, if there is only one such, starts with it. What
    /// refers to a removed store object goes with it. Entries in use or linked are refused.
    pub fn remove(&self, key: &str) -> Result<Vec<Entry>> {
        let entries = self.entries()?;
        let exact: Vec<_> = entries.iter().filter(|e| e.key == key).collect();
        let chosen: Vec<_> = if exact.is_empty() {
            let begins = |e: &&Entry| !key.is_empty() && e.key.starts_with(key);
            entries.iter().filter(begins).collect()
        } else {
            exact
        };
        let names: BTreeSet<&str> = chosen.iter().map(|e| e.key.as_str()).collect();
        match names.len() {
            0 => return Err(Error::NoEntry { key: key.into() }),
            1 => {}
            _ => {
                return Err(Error::ManyEntries {
                    key: key.into(),
                    keys: names.into_iter().map(str::to_owned).collect(),
                });
            }
        }
        let mut doomed = Vec::new();
        for entry in chosen {
            if entry.bucket == Bucket::Store {
                doomed.extend(self.with_referrers(entry, &entries)?);
            } else {
                doomed.push(entry.clone());
            }
        }
        if let Some((entry, kept)) = doomed.iter().find_map(|e| e.kept.clone().map(|k| (e, k))) {
            return Err(Error::Kept {
                key: entry.key.clone(),
                kept,
            });
        }
        self.remove_all(doomed)
    }

    /// Removes what interrupted builds left behind, then entries that are older than allowed, then
    /// the longest unused until the rest is small enough. Returns what was removed.
    pub fn collect(&self, limits: Limits) -> Result<Vec<Entry>> {
        self.remove_leftovers()?;
        let entries = self.entries()?;
        let mut total: u64 = entries.iter().map(|entry| entry.size).sum();
        let now = SystemTime::now();
        let mut doomed = Vec::new();
        let mut gone: BTreeSet<&str> = BTreeSet::new();
        let referrers = self.referrers(&entries)?;
        for entry in &entries {
            let age = now.duration_since(entry.used).unwrap_or_default();
            let old = limits.older_than.is_some_and(|limit| age > limit);
            let big = limits.max_size.is_some_and(|limit| total > limit);
            if entry.kept.is_some() || !(old || big) {
                continue;
            }
            // Never something that what stays refers to. Whoever refers to it was used as early.
            let needed = entry.bucket == Bucket::Store
                && referrers
                    .get(entry.key.as_str())
                    .is_some_and(|all| all.iter().any(|r| !gone.contains(r.as_str())));
            if needed {
                continue;
            }
            total -= entry.size;
            gone.insert(&entry.key);
            doomed.push(entry.clone());
        }
        self.remove_all(doomed)
    }

    pub(crate) fn remove_all(&self, doomed: Vec<Entry>) -> Result<Vec<Entry>> {
        let store = self.store()?;
        let mut removed = Vec::new();
        for entry in doomed {
            if entry.bucket == Bucket::Store {
                let path = StorePath::parse(&format!("{}/{}", StorePath::STORE, entry.key));
                if let Ok(path) = path {
                    store.remove(&path)?;
                }
            } else if !self.remove_path(&entry)? {
                continue;
            }
            removed.push(entry);
        }
        Ok(removed)
    }

    /// Removes one entry; `false` if it was used just now, after all.
    fn remove_path(&self, entry: &Entry) -> Result<bool> {
        let Some(name) = entry.path.file_name() else {
            return Ok(false);
        };
        let doomed = format!(
            "{TEMPORARY}rm-{}-{}",
            std::process::id(),
            name.to_string_lossy()
        );
        let doomed = entry.path.with_file_name(doomed);
        // Renamed first: from then on nobody takes it for complete.
        match fs::rename(&entry.path, &doomed) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        let used = fs::symlink_metadata(&doomed)?.modified()?;
        if used > entry.used && fs::rename(&doomed, &entry.path).is_ok() {
            return Ok(false);
        }
        if doomed.is_dir() {
            remove_tree(&doomed)?;
        } else {
            fs::remove_file(&doomed)?;
        }
        Ok(true)
    }

    fn store(&self) -> Result<Store> {
        Ok(Store::open(self.root().join(Bucket::Store.name()))?)
    }

    fn store_entries(&self, entries: &mut Vec<Entry>) -> Result<()> {
        let store = self.store()?;
        let linked = self.linked(&store)?;
        let mut own = BTreeMap::new();
        for path in store.objects()? {
            own.insert(path.clone(), store.used(&path)?);
        }
        // What something refers to was used whenever that was.
        let mut used = own.clone();
        for (path, time) in &own {
            for below in store.closure([path]).unwrap_or_default() {
                if let Some(known) = used.get_mut(&below) {
                    *known = (*known).max(*time);
                }
            }
        }
        for (path, used) in used {
            let object = store.object(&path);
            entries.push(Entry {
                bucket: Bucket::Store,
                key: path.base_name().to_owned(),
                size: disk_use(&object),
                used,
                kept: linked.get(&path).cloned().map(Kept::Linked),
                path: object,
            });
        }
        Ok(())
    }

    /// Store objects that links lead to, with the links. Links that are gone are forgotten.
    fn linked(&self, store: &Store) -> Result<BTreeMap<StorePath, PathBuf>> {
        let mut linked = BTreeMap::new();
        for (_, root) in list(&self.root().join("roots"))? {
            let Ok(link) = fs::read_link(&root) else {
                continue;
            };
            let target = fs::read_link(&link).ok();
            let base = target.as_deref().and_then(Path::file_name);
            let path = base
                .and_then(|base| base.to_str())
                .and_then(|base| StorePath::parse(&format!("{}/{base}", StorePath::STORE)).ok())
                .filter(|path| target.as_deref() == Some(&*store.object(path)));
            let Some(path) = path else {
                let _ = fs::remove_file(&root);
                continue;
            };
            for object in store.closure([&path]).unwrap_or_default() {
                linked.entry(object).or_insert_with(|| link.clone());
            }
        }
        Ok(linked)
    }

    /// Who refers to a store object, by keys.
    fn referrers(&self, entries: &[Entry]) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let store = self.store()?;
        let mut referrers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for entry in entries.iter().filter(|e| e.bucket == Bucket::Store) {
            let path = StorePath::parse(&format!("{}/{}", StorePath::STORE, entry.key));
            let Some(info) = path.ok().and_then(|path| store.info(&path).ok()) else {
                continue;
            };
            for reference in info.references {
                referrers
                    .entry(reference.base_name().to_owned())
                    .or_default()
                    .insert(entry.key.clone());
            }
        }
        Ok(referrers)
    }

    /// A store object and all that refers to it, referrers first.
    fn with_referrers(&self, entry: &Entry, entries: &[Entry]) -> Result<Vec<Entry>> {
        let referrers = self.referrers(entries)?;
        let mut chosen = vec![entry.key.clone()];
        let mut next = 0;
        while let Some(key) = chosen.get(next) {
            for referrer in referrers.get(key).into_iter().flatten() {
                if !chosen.contains(referrer) {
                    chosen.push(referrer.clone());
                    break;
                }
            }
            let all_known = referrers
                .get(&chosen[next])
                .is_none_or(|all| all.iter().all(|r| chosen.contains(r)));
            if all_known {
                next += 1;
            }
        }
        let by_key = |key: &String| {
            let of_store = |e: &&Entry| e.bucket == Bucket::Store && e.key == *key;
            entries.iter().find(of_store).cloned()
        };
        Ok(chosen.iter().rev().filter_map(by_key).collect())
    }

    fn remove_leftovers(&self) -> Result<()> {
        let since = self.in_use_since()?;
        for bucket in Bucket::ALL {
            for (name, path) in list(&self.root().join(bucket.name()))? {
                match name.strip_prefix(TEMPORARY) {
                    Some(key) if bucket.is_locked() => {
                        // Somebody who holds the lock is at work there.
                        let lock = self.lock_path(bucket, key);
                        if let Some(_lock) = snowglobe_archive::FileLock::try_acquire(&lock)? {
                            remove_tree(&path)?;
                        }
                    }
                    Some(_) => remove_leftover(&path, since)?,
                    None if name.starts_with(".tmp") => remove_leftover(&path, since)?,
                    None => {}
                }
            }
        }
        for place in ["store/new", "downloads/partial"] {
            for (_, path) in list(&self.root().join(place))? {
                remove_leftover(&path, since)?;
            }
        }
        Ok(())
    }
}

/// Removes what nobody locks and nobody makes any more: whoever makes it runs, and began before.
fn remove_leftover(path: &Path, since: Option<SystemTime>) -> Result<()> {
    let Ok(data) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if since.is_none_or(|since| data.modified().is_ok_and(|time| time < since)) {
        remove_tree(path)?;
    }
    Ok(())
}

fn plain_entries(bucket: Bucket, directory: &Path, entries: &mut Vec<Entry>) -> Result<()> {
    for (key, path) in list(directory)? {
        if key.starts_with('.') || (bucket == Bucket::Archive && !path.is_dir()) {
            continue;
        }
        let Ok(data) = fs::symlink_metadata(&path) else {
            continue;
        };
        entries.push(Entry {
            bucket,
            size: disk_use(&path),
            used: data.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            key,
            kept: None,
            path,
        });
    }
    Ok(())
}
