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

use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::arguments::{Ram, Wiring, arguments};
use crate::console;
use crate::disks;
use crate::error::Error;
use crate::host::Host;
use crate::machine::{COMMAND_LIMIT, Machine};
use crate::qmp::Qmp;
use crate::ram;
use crate::spec::MachineSpec;

/// Changes when a file of a snapshot changes its meaning.
const FORMAT: u32 = 1;
/// How long QEMU may take to save or load a state. All memory may be in it.
const MIGRATION_LIMIT: Duration = Duration::from_secs(600);
/// How often QEMU is asked whether it has finished.
const MIGRATION_LOOK: Duration = Duration::from_millis(1);

const MANIFEST: &str = "manifest.json";
const STATE: &str = "state";
const RAM: &str = "ram";
/// Exists when everything is on the disk of the host.
const SYNCED: &str = "synced";

/// What becomes of a machine when it has been saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It ends. Its disks go into the snapshot.
    End,
    /// It stays paused. Its disks are copied.
    Pause,
}

/// A saved machine on disk. While this exists, the entry is locked against [`Snapshots::remove`] of
/// any process.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    manifest: Manifest,
    /// Holds a shared lock.
    _lock: fs::File,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    format: u32,
    machine: String,
    qemu: String,
    state_bytes: u64,
    state_blake3: String,
    /// Size and bytes that are not holes; absent when the memory is in the state.
    ram: Option<(u64, u64)>,
    disks: usize,
    /// The boot of the host in which it was made: what was not yet written out when that ended is
    /// lost.
    host_boot: String,
}

/// What saving cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Size of the state in bytes.
    pub state_bytes: u64,
    /// Bytes of memory that were written.
    pub ram_bytes: u64,
    /// Until the state was saved, with the machine stopped.
    pub state_time: Duration,
    /// In all.
    pub time: Duration,
}

/// An entry of a folder of snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Bytes that it takes on the host's disk.
    pub bytes: u64,
    /// When it was last opened.
    pub used: std::time::SystemTime,
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

    /// All entries, in no order. What is being made or deleted is not among them.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let directory = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(entries),
            directory => directory?,
        };
        for entry in directory {
            let path = entry?.path();
            let Ok(manifest) = fs::metadata(path.join(MANIFEST)) else {
                continue;
            };
            let Some(key) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if key.starts_with('.') {
                continue;
            }
            let bytes = fs::read_dir(&path)?
                .map(|file| Ok(file?.metadata()?.blocks() * 512))
                .sum::<io::Result<u64>>()?;
            entries.push(Entry {
                key: key.to_owned(),
                bytes,
                used: manifest.modified()?,
            });
        }
        Ok(entries)
    }

    /// Removes a snapshot unless somebody uses it; whether it is gone.
    pub fn remove(&self, key: &str) -> io::Result<bool> {
        let path = self.path(key);
        let manifest = match fs::File::open(path.join(MANIFEST)) {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.discard(key);
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        if manifest.try_lock().is_err() {
            return Ok(false);
        }
        self.discard(key);
        Ok(true)
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
        let mut lock = fs::File::open(path.join(MANIFEST)).map_err(failed)?;
        lock.try_lock_shared()
            .map_err(|error| bad(error.to_string()))?;
        let mut text = String::new();
        lock.read_to_string(&mut text).map_err(failed)?;
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(bad(format!(
                "it has the format {}, not {FORMAT}",
                manifest.format
            )));
        }
        let snapshot = Self {
            path,
            manifest,
            _lock: lock,
        };
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
        // For whoever looks for entries that nobody uses: here by the manifest, in the cache by the
        // folder.
        let now = std::time::SystemTime::now();
        let _ = snapshot._lock.set_modified(now);
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

impl Machine {
    /// What determines a snapshot of this machine, as a hash: its specification with the identity
    /// of every image, and QEMU with its command line.
    ///
    /// # Errors
    ///
    /// When an image cannot be looked at.
    pub fn snapshot_key(&self) -> Result<String, Error> {
        snapshot_key(self.spec(), self.host())
    }

    /// Saves the machine to a new directory, which appears when it is whole. The machine is stopped
    /// first. If the directory exists by then, that is left as it is: somebody else has saved the
    /// same.
    ///
    /// # Errors
    ///
    /// When it does not run, cannot be saved, or the disk is full. It is paused then.
    pub fn save(&self, path: &Path, after: After) -> Result<Saved, Error> {
        let refused = |why: &str| Error::NotSaved {
            name: self.name().to_owned(),
            why: why.into(),
        };
        if let Some(why) = self.spec().unsaveable() {
            return Err(refused(why));
        }
        let running = self
            .running()
            .ok_or_else(|| Error::NotRunning(self.name().to_owned()))?;
        let parent = path
            .parent()
            .ok_or_else(|| refused("the path has no parent"))?;
        let entry = temporary(parent)?;
        let started = Instant::now();

        let qmp = &running.qmp;
        qmp.execute("stop", json!({}), COMMAND_LIMIT)?;
        let memory = running.ram();
        set_capability(qmp, memory.is_some())?;
        // Without a limit of its bandwidth; nobody waits for the machine meanwhile.
        let fast = json!({ "max-bandwidth": 1_u64 << 40 });
        qmp.execute("migrate-set-parameters", fast, COMMAND_LIMIT)?;
        let state = tempfile::Builder::new()
            .prefix("state-")
            .tempfile_in(self.directory())
            .map_err(Error::file("write to", self.directory()))?;
        let uri = format!("file:{}", state.path().display());
        qmp.execute("migrate", json!({ "uri": uri }), COMMAND_LIMIT)?;
        wait_for_migration(qmp).map_err(|why| refused(&why))?;
        let state_time = started.elapsed();

        let target = entry.path();
        let state_path = state.into_temp_path();
        disks::move_file(&state_path, &target.join(STATE))?;
        let _ = state_path.keep();
        let memory = match &memory {
            Some(memory) => {
                let size = u64::from(self.spec().hardware.memory_mib) << 20;
                let path = target.join(RAM);
                let written = ram::copy_sparsely(memory, &path)
                    .map_err(Error::file("copy the memory to", path))?;
                Some((size, written))
            }
            None => None,
        };
        let disks = disks::paths(self.directory(), &self.spec().hardware);
        if after == After::End {
            self.crash(COMMAND_LIMIT)?;
            self.console_was_told();
        }
        for (index, disk) in disks.iter().enumerate() {
            let target = target.join(disk_name(index));
            match after {
                After::End => disks::move_file(disk, &target)?,
                After::Pause => disks::copy_file(disk, &target)?,
            }
        }
        let log = self.directory().join(console::FILE);
        let shown = fs::read(&log).unwrap_or_default();
        let console = target.join(console::FILE);
        fs::write(&console, shown).map_err(Error::file("write", &console))?;
        let state_file = target.join(STATE);
        // With memory in it, the state is large, and nobody will check it before QEMU does.
        let state_blake3 = match memory {
            Some(_) => hash_file(&state_file).map_err(Error::file("read", &state_file))?,
            None => String::new(),
        };
        let manifest = Manifest {
            format: FORMAT,
            machine: self.name().to_owned(),
            qemu: self.host().version().to_owned(),
            state_bytes: fs::metadata(&state_file)
                .map_err(Error::file("read", &state_file))?
                .len(),
            state_blake3,
            ram: memory,
            disks: disks.len(),
            host_boot: host_boot(),
        };
        let manifest_path = target.join(MANIFEST);
        let text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
        fs::File::create_new(&manifest_path)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .map_err(Error::file("write", &manifest_path))?;
        match fs::rename(target, path) {
            Ok(()) => {
                let _ = entry.keep();
                write_out(path.to_owned());
            }
            Err(_) if path.join(MANIFEST).exists() => {}
            Err(error) => return Err(Error::file("make the snapshot", path)(error)),
        }
        Ok(Saved {
            state_bytes: manifest.state_bytes,
            ram_bytes: memory.map_or(0, |(_, written)| written),
            state_time,
            time: started.elapsed(),
        })
    }
}

impl Machine {
    /// Copies the disks of a machine that does not run, as they were left, into a new folder; there
    /// may be none yet.
    ///
    /// # Errors
    ///
    /// When it runs, or a file cannot be copied.
    pub fn copy_disks(&self, folder: &Path) -> Result<(), Error> {
        if self.is_running() {
            return Err(Error::Running(self.name().to_owned()));
        }
        fs::create_dir_all(folder).map_err(Error::file("make the directory", folder))?;
        let disks = disks::paths(self.directory(), &self.spec().hardware);
        for (index, disk) in disks.iter().enumerate() {
            if disk.exists() {
                disks::copy_file(disk, &folder.join(disk_name(index)))?;
            }
        }
        Ok(())
    }

    /// Puts disks in place that [`Machine::copy_disks`] copied.
    ///
    /// # Errors
    ///
    /// When it runs, or a file cannot be copied.
    pub fn put_disks(&self, folder: &Path) -> Result<(), Error> {
        self.forget_state()?;
        let disks = disks::paths(self.directory(), &self.spec().hardware);
        for (index, disk) in disks.iter().enumerate() {
            let saved = folder.join(disk_name(index));
            if saved.exists() {
                disks::copy_file(&saved, disk)?;
            }
        }
        Ok(())
    }
}

/// See [`Machine::snapshot_key`].
pub(crate) fn snapshot_key(spec: &MachineSpec, host: &Host) -> Result<String, Error> {
    // Numbers of descriptors and the machine's directory do not matter.
    let wiring = Wiring {
        accelerator: host.choice().accelerator,
        ram: Ram::Shared(0),
        qmp: 0,
        console: 0,
        agent: 0,
        cards: vec![0; spec.cards.len()],
        disks: disks::paths(Path::new("/"), &spec.hardware),
        allow_reboot: false,
        incoming: false,
    };
    let boot = &spec.boot;
    let images = std::iter::once(&boot.kernel)
        .chain(&boot.initrd)
        .chain(&boot.layers)
        .chain(&boot.disk_template);
    let mut identities = Vec::new();
    for path in images {
        let status = rustix::fs::stat(path).map_err(Error::system("look at an image"))?;
        let time = (status.st_mtime, status.st_mtime_nsec);
        identities.push(json!([path, status.st_size, time.0, time.1]));
    }
    let processor = match host.choice().accelerator {
        crate::Accelerator::Kvm => host_processor(),
        crate::Accelerator::Tcg => String::new(),
    };
    let text = json!({
        "format": FORMAT,
        "qemu": host.version(),
        "arguments": arguments(spec, &wiring),
        "images": identities,
        "processor": processor,
        "program": host.tools().program(),
    });
    Ok(blake3::hash(text.to_string().as_bytes()).to_hex()[..32].to_owned())
}

fn host_processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let wanted = ["model name", "flags", "microcode"];
    let lines = text
        .lines()
        .filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    lines.take(wanted.len()).collect::<Vec<_>>().join("\n")
}

/// Identifies the present boot of the host.
fn host_boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// Puts all files of an entry on the disk, without anyone waiting for it. If our process ends
/// before, the entry is good for this boot of the host only.
fn write_out(path: PathBuf) {
    let _ = std::thread::Builder::new()
        .name("write-out".into())
        .spawn(move || {
            let sync = || -> io::Result<()> {
                for entry in fs::read_dir(&path)? {
                    fs::File::open(entry?.path())?.sync_all()?;
                }
                fs::File::create(path.join(SYNCED))?.sync_all()?;
                fs::File::open(&path)?.sync_all()
            };
            // Nothing depends on it but the next boot of the host.
            let _ = sync();
        });
}

fn disk_name(index: usize) -> String {
    format!("disk{index}.qcow2")
}

/// A directory beside the entries, removed unless it becomes one.
fn temporary(parent: &Path) -> Result<tempfile::TempDir, Error> {
    fs::create_dir_all(parent).map_err(Error::file("make the directory", parent))?;
    tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(parent)
        .map_err(Error::file("make a directory in", parent))
}

fn hash_file(path: &Path) -> io::Result<String> {
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
fn set_capability(qmp: &Qmp, ignore_shared: bool) -> Result<(), Error> {
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
fn wait_for_migration(qmp: &Qmp) -> Result<(), String> {
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
    fn whole_snapshots_open_and_are_locked_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        let snapshots = fake(directory.path());
        assert!(snapshots.get("other").unwrap().is_none());
        let one = snapshots.get("key").unwrap().unwrap();
        let two = snapshots.get("key").unwrap().unwrap();
        let list = snapshots.list().unwrap();
        assert_eq!((list.len(), list[0].key.as_str()), (1, "key"));
        assert!(list[0].bytes > 0);
        assert!(!snapshots.remove("key").unwrap());
        drop((one, two));
        assert!(snapshots.remove("key").unwrap());
        assert!(snapshots.get("key").unwrap().is_none());
        assert_eq!(
            fs::read_dir(directory.path().join("snapshots"))
                .unwrap()
                .count(),
            0
        );
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
