//! Saving machines: what goes into a snapshot, and what it is known by.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;
use serde_json::json;

use crate::arguments::{Ram, Wiring, arguments};
use crate::console;
use crate::disks;
use crate::error::Error;
use crate::host::Host;
use crate::machine::{COMMAND_LIMIT, Machine};
use crate::ram;
use crate::snapshot::{
    FORMAT, MANIFEST, Manifest, RAM, STATE, SYNCED, disk_name, hash_file, host_boot,
    set_capability, temporary, wait_for_migration,
};
use crate::spec::MachineSpec;

/// What becomes of a machine when it has been saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It ends. Its disks go into the snapshot.
    End,
    /// It stays paused. Its disks are copied.
    Pause,
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
