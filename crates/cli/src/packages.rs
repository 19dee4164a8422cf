//! Package archives as the evaluator asks for them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use snowglobe_archive::{Archive, Snapshot};
use snowglobe_evaluate::{Package, Packages};
use snowglobe_nix::{HostError, HostResult};

use crate::error::chain;

/// Opens a snapshot of the archive when the first package is asked for.
pub struct ArchivePackages {
    archive: Archive,
    snapshot: Mutex<Option<Arc<Snapshot>>>,
}

impl ArchivePackages {
    /// Nothing is opened yet.
    pub fn new(archive: Archive) -> Self {
        Self {
            archive,
            snapshot: Mutex::default(),
        }
    }

    /// The snapshot in use; fetched when there is none.
    pub fn open(&self) -> snowglobe_archive::Result<Arc<Snapshot>> {
        let mut slot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = &*slot {
            return Ok(snapshot.clone());
        }
        let snapshot = Arc::new(self.archive.open_current_or_fetch()?);
        *slot = Some(snapshot.clone());
        Ok(snapshot)
    }
}

fn host_error(error: snowglobe_archive::Error) -> HostError {
    HostError::new(chain(&error))
}

impl Packages for ArchivePackages {
    fn snapshot(&self) -> HostResult<String> {
        Ok(self.open().map_err(host_error)?.id().to_owned())
    }

    fn package(&self, name: &str) -> HostResult<Option<Package>> {
        let snapshot = self.open().map_err(host_error)?;
        let package = snapshot.package(name).map_err(host_error)?;
        Ok(package.map(|package| Package {
            name: package.name().to_owned(),
            version: package.version().to_owned(),
            description: package.synopsis().to_owned(),
        }))
    }

    fn suggest(&self, word: &str) -> HostResult<Vec<String>> {
        let snapshot = self.open().map_err(host_error)?;
        snapshot.suggest(word).map_err(host_error)
    }

    fn download(&self, url: &str, sha256: Option<&str>) -> HostResult<PathBuf> {
        let digest = sha256.and_then(|hex| {
            snowglobe_archive::Digest::from_hex(snowglobe_archive::Algorithm::Sha256, hex)
        });
        let Some(digest) = digest else {
            return Err(HostError {
                message: format!("'{url}' cannot be fetched without its hash"),
                hint: Some("give `sha256`, so that what is fetched is what was meant".to_owned()),
            });
        };
        let wanted = snowglobe_archive::Wanted {
            name: url.to_owned(),
            urls: vec![url.to_owned()],
            digest,
            size: None,
        };
        self.archive.downloads().get(&wanted).map_err(host_error)
    }
}
