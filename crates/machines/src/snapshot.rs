//! Saved machines.
//!
//! A snapshot is a directory:
//!
//! | file | what |
//! | --- | --- |
//! | `manifest.json` | format, sizes, check sum of the state, what QEMU it was |
//! | `state` | processors and devices, as QEMU migrates them; at most some MiB |
//! | `ram` | memory, sparse; mapped privately by every machine that is restored from it |
//! | `disk0.qcow2` … | the disks, frozen: a restored machine writes into overlays |
//! | `console.log` | what the console had shown |
//! | `synced` | all of it is on the host's disk: it outlives a crash of the host |
//!
//! It appears whole or not at all, by one rename. It holds no host name, address or key that the
//! machine did not have itself; machines restored from the same snapshot share everything that the
//! machine had drawn at random before, except what the agent renews (kernel random pool, by QEMU's
//! vmgenid device; clock).
//!
//! Not in it: frames under way on networks (see `snowglobe_switch::Vlan::save`), open connections to
//! the host, what a program has asked of the agent.
//!
//! A machine that was itself restored has no memory file of its own that could be copied. Saved
//! again (for a checkpoint), its memory is in `state`, and restoring it reads all of it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::console;
use crate::error::Error;
use crate::machine::COMMAND_LIMIT;
use crate::qmp::Qmp;
pub use crate::save::{After, Saved};

/// Changes when a file of a snapshot changes its meaning.
pub(crate) const FORMAT: u32 = 1;
/// How long QEMU may take to save or load a state. All memory may be in it.
const MIGRATION_LIMIT: Duration = Duration::from_secs(600);
/// How often QEMU is asked whether it has finished.
const MIGRATION_LOOK: Duration = Duration::from_millis(1);

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const STATE: &str = "state";
pub(crate) const RAM: &str = "ram";
/// Exists when everything is on the disk of the host.
pub(crate) const SYNCED: &str = "synced";

/// A saved machine on disk.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    manifest: Manifest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub format: u32,
    pub machine: String,
    pub qemu: String,
    pub state_bytes: u64,
    pub state_blake3: String,
    /// Size and bytes that are not holes; absent when the memory is in the state.
    pub ram: Option<(u64, u64)>,
    pub disks: usize,
    /// The boot of the host in which it was made: what was not yet written out when that ended is
    /// lost.
    pub host_boot: String,
}

/// A folder of snapshots by key, shared between processes.
#[derive(Clone, Debug)]
pub struct Snapshots {
    directory: PathBuf,
}

impl Snapshots {
    /// The folder, which is made when it is first needed.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Where the snapshot with this key is, or would be.
    pub fn path(&self, key: &str) -> PathBuf {
        self.directory.join(key)
    }

    /// The snapshot with this key.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] when it is damaged. It has been removed then.
    pub fn get(&self, key: &str) -> Result<Option<Snapshot>, Error> {
        let path = self.path(key);
        if !path.exists() {
            return Ok(None);
        }
        match Snapshot::open(&path) {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(error) => {
                self.discard(key);
                Err(error)
            }
        }
    }

    /// Takes a snapshot out of sight and deletes it. Machines that were restored from it have its
    /// files open.
    pub fn discard(&self, key: &str) {
        let path = self.path(key);
        // One rename, so that nobody finds half of it.
        if let Ok(trash) = temporary(&self.directory)
            && fs::rename(&path, trash.path().join("entry")).is_ok()
        {
            drop(trash);
        }
    }
}

impl Snapshot {
    /// Opens a snapshot and checks it. The memory is not read.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`], when something is missing or damaged.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let bad = |why: String| Error::Snapshot {
            path: path.to_owned(),
            why,
        };
        let failed = |error: io::Error| bad(error.to_string());
        let path = fs::canonicalize(path).map_err(failed)?;
        let text = fs::read_to_string(path.join(MANIFEST)).map_err(failed)?;
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(bad(format!(
                "it has the format {}, not {FORMAT}",
                manifest.format
            )));
        }
        let snapshot = Self { path, manifest };
        let state = snapshot.path.join(STATE);
        let state_bytes = fs::metadata(&state).map_err(failed)?.len();
        if state_bytes != snapshot.manifest.state_bytes {
            return Err(bad("its state has another size".into()));
        }
        // A state that holds memory is checked by QEMU only: it may be large.
        if snapshot.manifest.ram.is_some()
            && hash_file(&state).map_err(failed)? != snapshot.manifest.state_blake3
        {
            return Err(bad("its state is damaged".into()));
        }
        if let Some((size, _)) = snapshot.manifest.ram
            && fs::metadata(snapshot.path.join(RAM)).map_err(failed)?.len() != size
        {
            return Err(bad("its memory has another size".into()));
        }
        for disk in snapshot.disks() {
            if crate::qcow2::virtual_size(&disk).map_err(failed)?.is_none() {
                return Err(bad(format!("'{}' is no disk", disk.display())));
            }
        }
        if snapshot.manifest.host_boot != host_boot() && !snapshot.path.join(SYNCED).exists() {
            return Err(bad("the host crashed before it was written out".into()));
        }
        // For whoever looks for entries that nobody uses.
        let now = std::time::SystemTime::now();
        let _ = fs::File::open(&snapshot.path).and_then(|folder| folder.file().set_modified(now));
        Ok(snapshot)
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The frozen disks.
    pub(crate) fn disks(&self) -> Vec<PathBuf> {
        (0..self.manifest.disks)
            .map(|index| self.path.join(disk_name(index)))
            .collect()
    }

    /// What the console had shown.
    pub fn console(&self) -> PathBuf {
        self.path.join(console::FILE)
    }

    /// The memory, unless it is in the state.
    pub(crate) fn private_ram(&self) -> Option<PathBuf> {
        self.manifest.ram.map(|_| self.path.join(RAM))
    }

    /// Lets a QEMU that waits for it load the state; the machine is paused afterwards.
    pub(crate) fn receive(&self, qmp: &Qmp) -> Result<(), Error> {
        set_capability(qmp, self.manifest.ram.is_some())?;
        let uri = format!("file:{}", self.path.join(STATE).display());
        qmp.execute("migrate-incoming", json!({ "uri": uri }), COMMAND_LIMIT)?;
        wait_for_migration(qmp).map_err(|why| Error::Snapshot {
            path: self.path.clone(),
            why,
        })
    }
}

/// Identifies the present boot of the host.
pub(crate) fn host_boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

pub(crate) fn disk_name(index: usize) -> String {
    format!("disk{index}.qcow2")
}

/// A directory beside the entries, removed unless it becomes one.
pub(crate) fn temporary(parent: &Path) -> Result<tempfile::TempDir, Error> {
    fs::create_dir_all(parent).map_err(Error::file("make the directory", parent))?;
    tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(parent)
        .map_err(Error::file("make a directory in", parent))
}

pub(crate) fn hash_file(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().to_hex().to_string()),
            length => hasher.update(&buffer[..length]),
        };
    }
}

/// Whether shared memory stays out of the stream. Memory that does not has its place in the file by
/// its address (`mapped-ram`), with holes where it is zero: those are not even looked at when it is
/// loaded. A QEMU before 9.0 does not know that, neither here nor when it loads.
pub(crate) fn set_capability(qmp: &Qmp, ignore_shared: bool) -> Result<(), Error> {
    let set = |mapped: Option<bool>| {
        let mut capabilities =
            vec![json!({ "capability": "x-ignore-shared", "state": ignore_shared })];
        if let Some(mapped) = mapped {
            capabilities.push(json!({ "capability": "mapped-ram", "state": mapped }));
        }
        let arguments = json!({ "capabilities": capabilities });
        qmp.execute("migrate-set-capabilities", arguments, COMMAND_LIMIT)
            .map(drop)
    };
    set(Some(!ignore_shared)).or_else(|_| set(None))
}

/// Waits for the end of a migration; the error says why it failed.
pub(crate) fn wait_for_migration(qmp: &Qmp) -> Result<(), String> {
    let deadline = Instant::now() + MIGRATION_LIMIT;
    while Instant::now() < deadline {
        let status = qmp
            .execute("query-migrate", json!({}), COMMAND_LIMIT)
            .map_err(|error| error.to_string())?;
        match status["status"].as_str() {
            Some("completed") => return Ok(()),
            Some("failed" | "cancelled") => {
                let why = status["error-desc"]
                    .as_str()
                    .unwrap_or("QEMU does not say why");
                return Err(why.to_owned());
            }
            _ => std::thread::sleep(MIGRATION_LOOK),
        }
    }
    Err(format!("QEMU did not finish within {MIGRATION_LIMIT:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(directory: &Path) -> Snapshots {
        let snapshots = Snapshots::new(directory.join("snapshots"));
        let path = snapshots.path("key");
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join(STATE), b"state").unwrap();
        fs::write(path.join(RAM), vec![0; 100]).unwrap();
        crate::qcow2::create(&path.join("disk0.qcow2"), 1 << 20, None).unwrap();
        let manifest = Manifest {
            format: FORMAT,
            machine: "m".into(),
            qemu: "q".into(),
            state_bytes: 5,
            state_blake3: blake3::hash(b"state").to_hex().to_string(),
            ram: Some((100, 0)),
            disks: 1,
            host_boot: host_boot(),
        };
        fs::write(path.join(MANIFEST), serde_json::to_vec(&manifest).unwrap()).unwrap();
        snapshots
    }

    #[test]
    fn whole_snapshots_open() {
        let directory = tempfile::tempdir().unwrap();
        let snapshots = fake(directory.path());
        assert!(snapshots.get("other").unwrap().is_none());
        assert!(snapshots.get("key").unwrap().is_some());
        snapshots.discard("key");
        assert!(snapshots.get("key").unwrap().is_none());
        let left = fs::read_dir(directory.path().join("snapshots")).unwrap();
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn damaged_snapshots_are_told_and_dropped() {
        type Damage = fn(&Path);
        let damages: [(&str, Damage); 7] = [
            ("the host crashed", |path| {
                let text = fs::read_to_string(path.join(MANIFEST)).unwrap();
                let text = text.replace(&host_boot(), "another");
                fs::write(path.join(MANIFEST), text).unwrap();
            }),
            ("state is damaged", |path| {
                fs::write(path.join(STATE), b"stat!").unwrap()
            }),
            ("another size", |path| {
                fs::write(path.join(STATE), b"st").unwrap()
            }),
            ("memory has another size", |path| {
                fs::write(path.join(RAM), b"").unwrap()
            }),
            ("is no disk", |path| {
                fs::write(path.join("disk0.qcow2"), b"x").unwrap()
            }),
            ("format", |path| {
                let text = fs::read_to_string(path.join(MANIFEST)).unwrap();
                let text = text.replace("\"format\":1", "\"format\":99");
                fs::write(path.join(MANIFEST), text).unwrap();
            }),
            ("EOF", |path| fs::write(path.join(MANIFEST), b"").unwrap()),
        ];
        for (expected, damage) in damages {
            let directory = tempfile::tempdir().unwrap();
            let snapshots = fake(directory.path());
            damage(&snapshots.path("key"));
            let error = snapshots.get("key").unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
            assert!(snapshots.get("key").unwrap().is_none(), "dropped");
        }
    }
}
