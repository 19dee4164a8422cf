//! Everything in one place: what can be asked for, and the cache that remembers it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use snowglobe_archive::{Archive, Progress, Snapshot};

use crate::{BaseTree, Bucket, Cache, Result, ToolSet};

/// Makes images from one snapshot of the archive, or finds them in the cache. Can be used from
/// several threads and processes at once: each image is made once.
pub struct Images {
    cache: Cache,
    archive: Archive,
    snapshot: Snapshot,
    progress: Arc<dyn Progress>,
    /// Found before by this process, which spares it following dependencies again.
    pub(crate) known: Known,
}

/// What was found before.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) base: Mutex<Option<BaseTree>>,
    pub(crate) tools: Mutex<BTreeMap<ToolSet, PathBuf>>,
}

/// The value behind a lock. A panic elsewhere leaves it whole: it is replaced as one.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Images {
    /// Images from a snapshot; `archive` should use the same cache directory.
    pub fn new(
        cache: Cache,
        archive: Archive,
        snapshot: Snapshot,
        progress: Arc<dyn Progress>,
    ) -> Self {
        Self {
            cache,
            archive,
            snapshot,
            progress,
            known: Known::default(),
        }
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The archive that packages come from.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Its state that packages are taken from.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// An entry of the cache as [`Cache::make_intact`] gives it; damage is told.
    pub fn make_intact(
        &self,
        bucket: Bucket,
        key: &str,
        what: &str,
        build: impl Fn(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let damaged = |path: &Path| {
            let note = format!("{} is damaged; made again", path.display());
            self.progress.note(&note);
        };
        self.cache.make_intact(bucket, key, what, &damaged, build)
    }

    /// Who is told what happens.
    pub(crate) fn progress(&self) -> &dyn Progress {
        &*self.progress
    }

    /// Tells the progress that a step begins, and that it has ended when the result is dropped.
    pub(crate) fn step(&self, name: &str) -> Step<'_> {
        self.progress.started(name);
        Step {
            progress: &*self.progress,
            name: name.to_owned(),
        }
    }
}

pub(crate) struct Step<'a> {
    progress: &'a dyn Progress,
    name: String,
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.progress.finished(&self.name);
    }
}
