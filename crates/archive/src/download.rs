//! The cache of downloads, addressed by digest.
//!
//! `downloads/<algorithm>/<digest>` is a complete file whose content was checked; half of one lies in
//! `downloads/partial/` and is continued by whoever wants the file next. Two processes that want the
//! same file share one download: the second waits for the first one's lock.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::num::NonZero;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime};

use fs_err as fs;

use crate::{Digest, Digester, Error, Fetcher, LockError, Result};

/// Connections at a time.
const CONNECTIONS: usize = 6;
/// How long another process may take with the same file.
const LOCK_LIMIT: Duration = Duration::from_secs(600);

/// A file with known content.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// How it is called in messages.
    pub name: String,
    /// Where it may be found, best first.
    pub urls: Vec<String>,
    /// Its content.
    pub digest: Digest,
    /// Its length in bytes, if known.
    pub size: Option<u64>,
}

/// The cache of downloads.
#[derive(Clone)]
pub struct Downloads {
    directory: PathBuf,
    fetcher: Fetcher,
}

impl Downloads {
    /// The cache in a directory, which is made when something is put there.
    pub fn new(directory: PathBuf, fetcher: Fetcher) -> Self {
        Self { directory, fetcher }
    }

    /// What reads addresses.
    pub fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// Where a file lies once it is there.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.directory
            .join(digest.algorithm().name())
            .join(digest.hex())
    }

    /// Whether a file is in the cache; its content is not looked at.
    pub fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Gives the path of a file whose content was checked just now, from the cache or downloaded.
    /// A damaged file in the cache is downloaded again.
    pub fn get(&self, wanted: &Wanted) -> Result<PathBuf> {
        let path = self.path(&wanted.digest);
        if self.is_intact(&path, &wanted.digest)? {
            return Ok(path);
        }
        if self.fetcher.is_offline() && !wanted.urls.iter().any(|url| url.starts_with("file://")) {
            return Err(Error::Offline {
                missing: vec![wanted.name.clone()],
            });
        }
        self.fetcher.progress().planned(1, wanted.size.unwrap_or(0));
        self.download(wanted)?;
        Ok(path)
    }

    /// Gets files in parallel and hands each to `each`, with its number in `wanted`, as soon as it is
    /// there. `each` runs on as many threads as there are processors, beside the downloads. After
    /// an error, from either side, nothing new is begun; the first error is returned.
    pub fn get_each<E: From<Error> + Send>(
        &self,
        wanted: &[Wanted],
        each: impl Fn(usize, &Path) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let missing: Vec<&Wanted> = wanted
            .iter()
            .filter(|wanted| !self.has(&wanted.digest))
            .collect();
        let local = |w: &&Wanted| w.urls.iter().any(|url| url.starts_with("file://"));
        if self.fetcher.is_offline() && !missing.iter().all(local) {
            let missing = missing.iter().map(|wanted| wanted.name.clone()).collect();
            return Err(Error::Offline { missing }.into());
        }
        let bytes = missing.iter().filter_map(|wanted| wanted.size).sum();
        self.fetcher.progress().planned(missing.len(), bytes);

        // The largest first: they decide how long everything takes. What is there already comes
        // before all others, to keep the consumers busy.
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_by_key(|&number| {
            let wanted = &wanted[number];
            (!self.has(&wanted.digest), std::cmp::Reverse(wanted.size))
        });
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let first: Mutex<Option<E>> = Mutex::new(None);
        let fail = |error: E| {
            stop.store(true, Ordering::Relaxed);
            first
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .get_or_insert(error);
        };
        let (sender, receiver) = mpsc::channel::<(usize, PathBuf)>();
        let receiver = Mutex::new(receiver);
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS.min(wanted.len()) {
                let sender = sender.clone();
                let (next, stop, fail, order) = (&next, &stop, &fail, &order);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let Some(&number) = order.get(next.fetch_add(1, Ordering::Relaxed)) else {
                            return;
                        };
                        let path = self.path(&wanted[number].digest);
                        let result = match self.is_intact(&path, &wanted[number].digest) {
                            Ok(true) => Ok(()),
                            Ok(false) => self.download(&wanted[number]),
                            Err(error) => Err(error),
                        };
                        match result {
                            // The receiver is gone only after an error.
                            Ok(()) => drop(sender.send((number, path))),
                            Err(error) => return fail(error.into()),
                        }
                    }
                });
            }
            drop(sender);
            let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let item = {
                            let receiver = receiver
                                .lock()
                                .unwrap_or_else(|poisoned| poisoned.into_inner());
                            receiver.recv()
                        };
                        let Ok((number, path)) = item else { return };
                        if stop.load(Ordering::Relaxed) {
                            continue;
                        }
                        if self.fetcher.progress().is_cancelled() {
                            fail(Error::Cancelled.into());
                            continue;
                        }
                        if let Err(error) = each(number, &path) {
                            fail(error);
                        }
                    }
                });
            }
        });
        let first = first
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        first.map_or(Ok(()), Err)
    }

    /// Whether a file is there and has the right content; a file with another content is removed.
    fn is_intact(&self, path: &Path, digest: &Digest) -> Result<bool> {
        let mut file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let mut digester = Digester::new(digest.algorithm());
        digester.read(&mut file)?;
        if digester.finish() == *digest {
            // For whoever collects what is not used.
            let _ = file.file().set_modified(SystemTime::now());
            return Ok(true);
        }
        self.fetcher
            .progress()
            .note(&format!("{} is damaged; removed", path.display()));
        fs::remove_file(path)?;
        Ok(false)
    }

    fn download(&self, wanted: &Wanted) -> Result<()> {
        let path = self.path(&wanted.digest);
        let partial = self.directory.join("partial").join(wanted.digest.hex());
        for directory in [&path, &partial] {
            fs::create_dir_all(directory.parent().unwrap_or(&self.directory))?;
        }
        let Some(file) = self.lock(&partial, &path)? else {
            // Somebody else has just completed it.
            self.fetcher
                .progress()
                .received(wanted.size.unwrap_or(0) as i64);
            self.fetcher.progress().fetched(&wanted.name);
            return Ok(());
        };
        let mut last = None;
        // A second round from nothing, in case that the partial file or a proxy's copy was bad.
        for round in 0..2 {
            for url in &wanted.urls {
                match self.fill(&file, url, wanted) {
                    Ok(()) => {
                        // Not flushed to the disk: whoever reads it checks its content.
                        fs::rename(&partial, &path)?;
                        self.fetcher.progress().fetched(&wanted.name);
                        return Ok(());
                    }
                    Err(error @ (Error::Digest { .. } | Error::Size { .. })) => {
                        let length = file.metadata()?.len();
                        self.fetcher.progress().received(-(length as i64));
                        file.set_len(0)?;
                        last = Some(error);
                    }
                    Err(error @ (Error::NotFound { .. } | Error::Network { .. })) => {
                        last = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            if round == 0 && !matches!(last, Some(Error::Digest { .. } | Error::Size { .. })) {
                break;
            }
        }
        Err(last.unwrap_or_else(|| Error::malformed(&wanted.name, "no address to download from")))
    }

    /// Opens and locks the partial file; `None` if the whole file appeared meanwhile.
    fn lock(&self, partial: &Path, complete: &Path) -> Result<Option<File>> {
        let start = Instant::now();
        loop {
            let file = fs::OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(partial)?
                .into_parts()
                .0;
            let locked = file.try_lock().is_ok();
            if complete.is_file() {
                if locked {
                    // Ours may be a fresh empty file that nobody will complete.
                    let _ = fs::remove_file(partial);
                }
                return Ok(None);
            }
            // Whoever held the lock before may have renamed or removed the file that we locked.
            let same = fs::metadata(partial)
                .is_ok_and(|m| file.metadata().is_ok_and(|own| own.ino() == m.ino()));
            if locked && same {
                return Ok(Some(file));
            }
            let waited = start.elapsed();
            if waited > LOCK_LIMIT {
                let what = "download the same file".to_owned();
                return Err(LockError::Timeout {
                    what,
                    path: partial.to_owned(),
                    waited,
                }
                .into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Completes a partial file from one address and checks it.
    fn fill(&self, mut file: &File, url: &str, wanted: &Wanted) -> Result<()> {
        let mut digester = Digester::new(wanted.digest.algorithm());
        file.seek(SeekFrom::Start(0))?;
        let mut length = digester.read(&mut file.take(u64::MAX))?;
        let progress = self.fetcher.progress();
        progress.received(length as i64);
        if wanted.size != Some(length) {
            self.fetcher.read(url, length, &mut |offset, piece| {
                if offset != length {
                    // The server began from the start again.
                    progress.received(-(length as i64));
                    file.set_len(0)?;
                    file.seek(SeekFrom::Start(0))?;
                    digester = Digester::new(wanted.digest.algorithm());
                    length = 0;
                }
                file.write_all(piece)
                    .map_err(|error| crate::error::at(error, "downloads"))?;
                digester.update(piece);
                length += piece.len() as u64;
                progress.received(piece.len() as i64);
                match wanted.size {
                    Some(expected) if length > expected => Err(size(url, expected, length)),
                    _ => Ok(()),
                }
            })?;
        }
        match wanted.size {
            Some(expected) if length != expected => Err(size(url, expected, length)),
            _ => {
                let found = digester.finish();
                if found == wanted.digest {
                    return Ok(());
                }
                let expected = wanted.digest.clone();
                Err(Error::Digest {
                    what: url.to_owned(),
                    expected,
                    found,
                })
            }
        }
    }
}

fn size(url: &str, expected: u64, found: u64) -> Error {
    Error::Size {
        what: url.to_owned(),
        expected,
        found,
    }
}
