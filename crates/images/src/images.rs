//! Everything in one place: what can be asked for, and the cache that remembers it.

use std::sync::Arc;

use snowglobe_archive::{Archive, Progress, Snapshot};

use crate::Cache;

/// Makes images from one snapshot of the archive, or finds them in the cache. Can be used from
/// several threads and processes at once: each image is made once.
pub struct Images {
    cache: Cache,
    archive: Archive,
    snapshot: Snapshot,
    progress: Arc<dyn Progress>,
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
