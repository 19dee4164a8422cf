//! The kernel as QEMU can start it directly.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::cache::key;
use crate::{Error, Images, Result};

const FILE: &str = "vmlinux";
/// An unpacked kernel is not larger.
const SIZE_LIMIT: u64 = 512 << 20;
/// Kernels are packed with a window of up to 128 MiB.
const WINDOW_LOG: u32 = 31;

impl Images {
    /// The kernel of the base, unpacked: an ELF file with an entry for PVH, which saves a machine
    /// from unpacking it at every boot.
    pub fn kernel(&self) -> Result<PathBuf> {
        let base = self.base_tree()?;
        let key = key("kernel", &["1", &base.key]);
        self.image(&key, FILE, "unpack the kernel", |entry| {
            let packed = fs::read(base.kernel())?;
            let kernel = unpack(&base.kernel(), &packed)?;
            Ok(fs::write(entry.join(FILE), kernel)?)
        })
    }
}

/// Takes the payload out of a bzImage. Offsets are those of the x86 boot protocol, version 2.08.
fn unpack(path: &Path, image: &[u8]) -> Result<Vec<u8>> {
    let malformed = |reason: &str| Error::Malformed {
        path: path.to_owned(),
        reason: reason.into(),
    };
    let number = |at: usize| {
        let bytes = image.get(at..at + 4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    };
    if image.get(0x202..0x206) != Some(b"HdrS") {
        return Err(malformed("not a Linux kernel"));
    }
    let sectors = match image[0x1f1] {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let (Some(offset), Some(length)) = (number(0x248), number(0x24c)) else {
        return Err(malformed("not a Linux kernel"));
    };
    let start = (sectors + 1) * 512 + offset;
    let payload = image
        .get(start..)
        .and_then(|rest| rest.get(..length))
        .ok_or_else(|| malformed("cut off"))?;
    let mut kernel = Vec::new();
    if payload.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut decoder = zstd::Decoder::with_buffer(Cursor::new(payload))?.single_frame();
        decoder.window_log_max(WINDOW_LOG)?;
        decoder.take(SIZE_LIMIT).read_to_end(&mut kernel)?;
    } else {
        return Err(malformed("packed in a way that is not supported"));
    }
    if !kernel.starts_with(b"\x7fELF") {
        return Err(malformed("its payload is not an ELF file"));
    }
    Ok(kernel)
}
