//! Keeping the cache at a size that its user does not have to think about.

use std::time::SystemTime;

use fs_err as fs;

use crate::cache::{Bucket, Cache};
use crate::collect::{Entry, Limits};
use crate::{Error, Result};

/// File whose time says when the cache was looked at last.
const LOOKED: &str = "looked";

/// Bytes that the cache may have, unless its user says otherwise.
const USUAL: u64 = 30 << 30;

/// How large the cache may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// 30 GiB, but at most half of what its file system could give it.
    Usual,
    /// So many bytes.
    Bytes(u64),
    /// As large as it gets.
    None,
}

impl Cache {
    /// Removes the longest unused entries of a cache that has grown too large, and what interrupted builds
    /// left. Nothing is looked at unless something was added since the last time, so that a run that
    /// makes nothing does not pay for it. Returns what was removed.
    pub fn keep_below(&self, bound: Bound) -> Result<Vec<Entry>> {
        let limit = match bound {
            Bound::None => return Ok(Vec::new()),
            Bound::Usual => None,
            Bound::Bytes(bytes) => Some(bytes),
        };
        let now = SystemTime::now();
        if !self.has_grown()? {
            return Ok(Vec::new());
        }
        let limit = match limit {
            Some(bytes) => bytes,
            None => {
                let size: u64 = self.entries()?.iter().map(|entry| entry.size).sum();
                let disk = rustix::fs::statvfs(self.root())
                    .map_err(|error| Error::Io(std::io::Error::from(error)))?;
                usual(size, disk.f_bavail.saturating_mul(disk.f_frsize))
            }
        };
        let mut removed = self.remove_snapshots(limit)?;
        removed.extend(self.collect(Limits {
            max_size: Some(limit),
            older_than: None,
        })?);
        // As of before: what others added meanwhile is looked at next time.
        let looked = fs::File::create(self.root().join(LOOKED))?;
        looked.file().set_modified(now)?;
        Ok(removed)
    }

    /// Removes saved machines, the longest unused first, until the whole is small enough: they are most of it, and making one
    /// again takes a boot and no network.
    fn remove_snapshots(&self, limit: u64) -> Result<Vec<Entry>> {
        let entries = self.entries()?;
        let mut total: u64 = entries.iter().map(|entry| entry.size).sum();
        let mut doomed = Vec::new();
        for entry in entries {
            if total <= limit {
                break;
            }
            if entry.bucket == Bucket::Snapshots && entry.kept.is_none() {
                total = total.saturating_sub(entry.size);
                doomed.push(entry);
            }
        }
        self.remove_all(doomed)
    }

    /// Whether a large entry was added, or removed, since the cache was looked at.
    fn has_grown(&self) -> Result<bool> {
        let Ok(looked) = fs::metadata(self.root().join(LOOKED)) else {
            return Ok(true);
        };
        let looked = looked.modified()?;
        let buckets = [Bucket::Trees, Bucket::Images, Bucket::Snapshots];
        Ok(buckets.into_iter().any(|bucket| {
            fs::metadata(self.root().join(bucket.name()))
                .and_then(|data| data.modified())
                .is_ok_and(|changed| changed > looked)
        }))
    }
}

/// The usual limit of a cache that has `size` bytes, on a file system with `free` more.
fn usual(size: u64, free: u64) -> u64 {
    USUAL.min(size.saturating_add(free) / 2)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn half_of_a_small_disk() {
        assert_eq!(usual(0, 200 << 30), 30 << 30);
        assert_eq!(usual(10 << 30, 10 << 30), 10 << 30);
        assert_eq!(usual(u64::MAX, 1), USUAL);
    }

    #[test]
    fn the_longest_unused_goes_when_something_was_added() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path().join("cache")).unwrap();
        let add = |key: &str, age: u64| {
            let path = cache
                .make(Bucket::Images, key, "make a test", |path| {
                    Ok(fs::write(path.join("file"), vec![1; 1 << 20])?)
                })
                .unwrap();
            let used = SystemTime::now() - Duration::from_secs(age);
            let file = std::fs::File::open(&path).unwrap();
            file.set_modified(used).unwrap();
        };
        let keys = |bound| -> Vec<String> {
            let removed = cache.keep_below(bound).unwrap();
            removed.into_iter().map(|entry| entry.key).collect()
        };
        let two = Bound::Bytes(5 << 19);
        add("old", 300);
        add("middle", 200);
        assert!(keys(two).is_empty());
        std::thread::sleep(Duration::from_millis(20));
        // Nothing was added: nothing is looked at, even if it is too much by now.
        assert!(keys(Bound::Bytes(0)).is_empty());
        add("young", 100);
        assert!(keys(Bound::None).is_empty());
        // A saved machine goes first, however young.
        let saved = cache.root().join("snapshots/machine");
        fs::create_dir_all(&saved).unwrap();
        fs::write(saved.join("ram"), vec![1; 1 << 20]).unwrap();
        assert_eq!(keys(two), ["machine", "old"]);
    }
}
