//! Locks between processes that share the cache.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;

/// An exclusive lock on a file, held until dropped. The kernel releases it when the process ends,
/// however it ends, so a lock never outlives its holder.
#[derive(Debug)]
pub struct FileLock {
    // Never read: closing it releases the lock.
    _file: File,
}

/// Why a lock was not obtained.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Someone else held it all the time.
    #[error(
        "waited {} s for another process to {what} (lock file {}); \
         if no other snowglobe is running, end the process that holds the lock (`fuser {}`)",
        waited.as_secs(), path.display(), path.display()
    )]
    Timeout {
        /// What the other process does, such as "make the base".
        what: String,
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// The lock file could not be used.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FileLock {
    /// Waits for the lock, at most `limit`. The lock file is made if necessary and never removed,
    /// since a removed file may still be locked by someone who opened it before.
    pub fn acquire(path: &Path, what: &str, limit: Duration) -> Result<Self, LockError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(lock);
            }
            let waited = start.elapsed();
            if waited >= limit {
                return Err(LockError::Timeout {
                    what: what.to_owned(),
                    path: path.to_owned(),
                    waited,
                });
            }
            std::thread::sleep(pause.min(limit - waited));
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// Takes the lock if it is free.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, LockError> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?
            .into_parts()
            .0;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(LockError::Io(io::Error::new(
                error.kind(),
                format!("cannot lock {}: {error}", path.display()),
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_times_out_with_its_purpose() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("locks/base");
        let held = FileLock::acquire(&path, "make the base", Duration::ZERO).unwrap();
        let error = FileLock::acquire(&path, "make the base", Duration::from_millis(20));
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("make the base") && text.contains("locks/base"),
            "{text}"
        );
        drop(held);
        FileLock::acquire(&path, "make the base", Duration::ZERO).unwrap();
    }
}
