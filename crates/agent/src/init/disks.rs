//! Disks by their serial numbers, layers, and the writable disk.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::ioctl::{Opcode, Setter, ioctl};
use rustix::mount::MountFlags;

use super::{BootError, Result, failed, mount_at, say};

/// Disks appear while modules are loaded; longer than this none takes.
const PATIENCE: Duration = Duration::from_secs(60);
const DISK: &str = "root";

/// Mounts `layer0`, `layer1`, … and says where, lowest first.
pub fn mount_layers() -> Result<Vec<String>> {
    // The writable disk comes first on the bus.
    let _ = find(DISK)?;
    let mut layers = Vec::new();
    let mut serial = "layer0".to_owned();
    find(&serial)?;
    while let Some(device) = look(&serial) {
        let place = format!("/layers/{}", layers.len());
        mount_at(&device, &place, "erofs", MountFlags::RDONLY, "")?;
        layers.push(place);
        serial = format!("layer{}", layers.len());
    }
    Ok(layers)
}

/// Waits for the disk with a serial number.
pub fn find(serial: &str) -> Result<String> {
    let begin = Instant::now();
    loop {
        if let Some(device) = look(serial) {
            return Ok(device);
        }
        if begin.elapsed() > PATIENCE {
            let known = serials()
                .map(|(serial, _)| serial)
                .collect::<Vec<_>>()
                .join(", ");
            return Err(BootError(format!(
                "there is no disk '{serial}'; there are: {known}"
            )));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn look(serial: &str) -> Option<String> {
    serials()
        .find(|(known, _)| known == serial)
        .map(|(_, device)| device)
}

fn serials() -> impl Iterator<Item = (String, String)> {
    fs::read_dir("/sys/block")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|disk| {
            let serial = fs::read_to_string(disk.path().join("serial")).ok()?;
            let name = disk.file_name().into_string().ok()?;
            Some((serial.trim().to_owned(), format!("/dev/{name}")))
        })
}

/// Mounts the writable disk at `/disk`. `programs` is a root with `mkfs.ext4` in it, for a disk that is
/// blank.
pub fn mount_disk(programs: &str) -> Result<PathBuf> {
    const PLACE: &str = "/disk";
    let device = find(DISK)?;
    let superblock = match Superblock::read(&device)? {
        Some(superblock) => superblock,
        None if is_blank(&device)? => {
            super::root::run_in(
                programs,
                "/usr/sbin/mkfs.ext4",
                &[
                    "-q",
                    "-F",
                    "-E",
                    "lazy_itable_init=1,lazy_journal_init=1,nodiscard",
                    &device,
                ],
            )?;
            let made = Superblock::read(&device)?;
            made.ok_or_else(|| BootError(format!("mkfs.ext4 made no file system on {device}")))?
        }
        None => {
            return Err(BootError(format!(
                "{device} holds something that is not ext4"
            )));
        }
    };
    mount_at(&device, PLACE, "ext4", MountFlags::empty(), "")?;
    if let Err(error) = grow(&device, PLACE, &superblock) {
        // The machine has less space than it was promised, which only some tests need.
        say(&format!("{device}: {error}"));
    }
    Ok(PLACE.into())
}

/// What matters of an ext4 superblock.
#[derive(Debug, PartialEq, Eq)]
struct Superblock {
    blocks: u64,
    block_size: u64,
}

impl Superblock {
    fn read(device: &str) -> Result<Option<Self>> {
        let reading = || failed(format!("read {device}"));
        let file = File::open(device).map_err(reading())?;
        let mut bytes = [0; 1024];
        file.read_exact_at(&mut bytes, 1024).map_err(reading())?;
        Ok(Self::parse(&bytes))
    }

    fn parse(bytes: &[u8; 1024]) -> Option<Self> {
        let number = |at: usize| {
            u64::from(u32::from_le_bytes([
                bytes[at],
                bytes[at + 1],
                bytes[at + 2],
                bytes[at + 3],
            ]))
        };
        if bytes[56..58] != [0x53, 0xef] {
            return None;
        }
        let has_64_bits = number(96) & 0x80 != 0;
        let high = if has_64_bits { number(336) << 32 } else { 0 };
        let size = u32::try_from(number(24)).ok().filter(|&size| size <= 6)?;
        Some(Self {
            blocks: number(4) | high,
            block_size: 1024 << size,
        })
    }
}

/// Whether the beginning of a device holds nothing.
pub fn is_blank(device: &str) -> Result<bool> {
    let reading = || failed(format!("read {device}"));
    let mut file = File::open(device).map_err(reading())?;
    let mut bytes = Vec::new();
    file.by_ref()
        .take(256 * 1024)
        .read_to_end(&mut bytes)
        .map_err(reading())?;
    Ok(bytes.iter().all(|&byte| byte == 0))
}

/// Makes the mounted file system as large as its disk, if that is larger: templates are small.
fn grow(device: &str, place: &str, superblock: &Superblock) -> Result {
    /// `EXT4_IOC_RESIZE_FS`.
    const RESIZE: Opcode = 0x4008_6610;
    let mut file = File::open(device).map_err(failed("open it"))?;
    let size = file.seek(SeekFrom::End(0)).map_err(failed("measure it"))?;
    let blocks = size / superblock.block_size;
    // The last group may be too short to be used.
    if blocks <= superblock.blocks + superblock.blocks / 64 {
        return Ok(());
    }
    let root = File::open(place).map_err(failed("open it"))?;
    // SAFETY: the kernel reads one number of 64 bits.
    let resized = unsafe { ioctl(&root, Setter::<RESIZE, u64>::new(blocks)) };
    resized.map_err(failed(format_args!("grow it to {blocks} blocks")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn superblocks_are_told_from_other_things() {
        let mut bytes = [0; 1024];
        assert_eq!(Superblock::parse(&bytes), None);
        bytes[4..8].copy_from_slice(&262_144u32.to_le_bytes());
        bytes[24] = 2;
        bytes[56..58].copy_from_slice(&[0x53, 0xef]);
        assert_eq!(
            Superblock::parse(&bytes),
            Some(Superblock {
                blocks: 262_144,
                block_size: 4096
            })
        );
        bytes[24] = 60;
        assert_eq!(Superblock::parse(&bytes), None);
    }
}
