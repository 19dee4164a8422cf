//! Everything in one place: what can be asked for, and the cache that remembers it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use snowglobe_archive::{Archive, Progress, Snapshot};

use crate::{BaseImage, BaseTree, Cache, PackageLayer, Result, ToolSet, Tools};

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

    /// Everything that the machines of a test have in common, made in parallel as far as one does not
    /// need the other. `agent` is the program that becomes `/init`.
    pub fn prepare(&self, names: &BTreeSet<String>, agent: &[u8]) -> Result<Prepared> {
        // Whoever comes first makes the base and the tools; the others wait for the lock.
        let (base, packages, boot) = std::thread::scope(|scope| {
            let base = scope.spawn(|| self.base());
            let boot = scope.spawn(|| Ok((self.kernel()?, self.initrd(agent)?)));
            let packages = self.packages(names);
            let boot: Result<_> = boot.join().unwrap_or_else(|p| std::panic::resume_unwind(p));
            let base = base.join().unwrap_or_else(|p| std::panic::resume_unwind(p));
            (base, packages, boot)
        });
        // An unknown package is what the user can do something about, so it is reported first.
        let packages = packages?;
        let (kernel, initrd) = boot?;
        Ok(Prepared {
            base: base?,
            packages,
            kernel,
            initrd,
            tools: self.tools(&[])?,
        })
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

/// What [`Images::prepare`] makes.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The lowest layer.
    pub base: BaseImage,
    /// The layer of the test's packages.
    pub packages: PackageLayer,
    /// An ELF file with an entry for PVH.
    pub kernel: PathBuf,
    /// The initial RAM disk.
    pub initrd: PathBuf,
    /// The programs that run on the host.
    pub tools: Tools,
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
