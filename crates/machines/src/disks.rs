//! The writable disks of a machine, as files in its directory.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use snowglobe_plan::Hardware;

use crate::error::Error;
use crate::qcow2::{self, Format};
use crate::ram;

const MIB: u64 = 1 << 20;

/// Paths of a machine's disks: the root disk first, then the empty ones.
pub(crate) fn paths(directory: &Path, hardware: &Hardware) -> Vec<PathBuf> {
    let mut paths = vec![directory.join("root.qcow2")];
    paths
        .extend((0..hardware.empty_disks.len()).map(|i| directory.join(format!("empty{i}.qcow2"))));
    paths
}

/// Makes those disks that do not exist.
pub(crate) fn ensure(
    directory: &Path,
    hardware: &Hardware,
    template: Option<&Path>,
) -> Result<Vec<PathBuf>, Error> {
    let paths = paths(directory, hardware);
    let sizes = std::iter::once(hardware.disk_mib)
        .chain(hardware.empty_disks.iter().map(|disk| disk.size_mib))
        .map(|mib| u64::from(mib) * MIB);
    for (index, (path, size)) in paths.iter().zip(sizes).enumerate() {
        if path.exists() {
            continue;
        }
        let backing = match template.filter(|_| index == 0) {
            Some(template) => {
                let failed = Error::file("open", template);
                let length = fs::metadata(template).map_err(failed)?.len();
                Some((template, length))
            }
            None => None,
        };
        let size = backing.map_or(size, |(_, length)| size.max(length));
        make(
            path,
            size,
            backing.map(|(template, _)| (template, Format::Raw)),
        )?;
    }
    Ok(paths)
}

/// Replaces the disks by ones that show `frozen` until something is written.
pub(crate) fn overlay(
    directory: &Path,
    hardware: &Hardware,
    frozen: &[PathBuf],
) -> Result<Vec<PathBuf>, Error> {
    forget(directory, hardware)?;
    let paths = paths(directory, hardware);
    for (path, frozen) in paths.iter().zip(frozen) {
        let size = qcow2::virtual_size(frozen).map_err(Error::file("read", frozen))?;
        let size = size.ok_or_else(|| Error::Snapshot {
            path: frozen.clone(),
            why: "it is not a qcow2 image".into(),
        })?;
        make(path, size, Some((frozen, Format::Qcow2)))?;
    }
    Ok(paths)
}

/// Deletes the disks.
pub(crate) fn forget(directory: &Path, hardware: &Hardware) -> Result<(), Error> {
    for path in paths(directory, hardware) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::file("delete", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// All files that the disks are built on.
pub(crate) fn backing(disks: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for disk in disks {
        for file in qcow2::backing_chain(disk).map_err(Error::file("read", disk))? {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// Moves a file, also to another file system.
pub(crate) fn move_file(from: &Path, to: &Path) -> Result<(), Error> {
    match fs::rename(from, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy_file(from, to)?;
            fs::remove_file(from).map_err(Error::file("delete", from))
        }
        Err(error) => Err(Error::file("move", from)(error)),
    }
}

/// Copies a file with its holes.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    let source = fs::File::open(from).map_err(Error::file("open", from))?;
    ram::copy_sparsely(&source, to)
        .map(drop)
        .map_err(Error::file("copy to", to))
}

fn make(path: &Path, size: u64, backing: Option<(&Path, Format)>) -> Result<(), Error> {
    // A run that was killed here must not leave half an image.
    let temporary = path.with_extension("new");
    let _ = fs::remove_file(&temporary);
    qcow2::create(&temporary, size, backing).map_err(Error::file("make the disk", path))?;
    fs::rename(&temporary, path).map_err(Error::file("make the disk", path))
}
