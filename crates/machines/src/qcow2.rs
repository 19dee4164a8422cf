//! Makes blank qcow2 images, and reads of others what they are built on.
//!
//! QEMU's `docs/interop/qcow2.txt` describes the format. A blank image of version 3 is a header, a
//! table of reference counts with one block, and a first-level table of zeros.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;

const MAGIC: [u8; 4] = *b"QFI\xfb";
const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
const HEADER_LENGTH: u32 = 104;
/// Longest backing file name that the format allows.
const MAX_NAME: usize = 1023;
/// Names the format of the backing file.
const EXTENSION_BACKING_FORMAT: u32 = 0xe279_2aca;
/// A chain longer than this is taken for a circle.
const MAX_CHAIN: usize = 64;

/// What an image is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Bytes as they are.
    Raw,
    /// Another qcow2 image.
    Qcow2,
}

/// Makes an image of `size` bytes at `path`, which must not exist: blank, or showing `backing` where
/// nothing was written.
///
/// # Errors
///
/// When the file cannot be written, or the backing path is too long or not absolute.
pub fn create(path: &Path, size: u64, backing: Option<(&Path, Format)>) -> io::Result<()> {
    let image = blank(size, backing)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?;
    file.write_all(&image)
}

/// Size in bytes that the machine sees, if the file is a qcow2 image.
pub fn virtual_size(path: &Path) -> io::Result<Option<u64>> {
    let Some(header) = header(path)? else {
        return Ok(None);
    };
    Ok(field(&header, 24).map(u64::from_be_bytes))
}

/// The files that an image is built on, nearest first. A raw file is built on none.
///
/// # Errors
///
/// When one cannot be read.
pub fn backing_chain(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut chain = Vec::new();
    let mut path = path.to_owned();
    while let Some(backing) = backing_file(&path)? {
        if chain.len() == MAX_CHAIN {
            return Err(io::Error::other("the chain of backing files has no end"));
        }
        chain.push(backing.clone());
        path = backing;
    }
    Ok(chain)
}

fn backing_file(path: &Path) -> io::Result<Option<PathBuf>> {
    let Some(header) = header(path)? else {
        return Ok(None);
    };
    let (Some(offset), Some(length)) = (
        field(&header, 8).map(u64::from_be_bytes),
        field(&header, 16).map(u32::from_be_bytes),
    ) else {
        return Ok(None);
    };
    if offset == 0 {
        return Ok(None);
    }
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let name = header.get(start..start.saturating_add(length as usize));
    let name = name.ok_or_else(|| io::Error::other("the header of the image is damaged"))?;
    let name = PathBuf::from(std::str::from_utf8(name).map_err(io::Error::other)?);
    Ok(Some(path.parent().unwrap_or(Path::new("/")).join(name)))
}

/// The first cluster, if it is that of a qcow2 image.
fn header(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(CLUSTER)
        .read_to_end(&mut bytes)?;
    Ok(bytes.starts_with(&MAGIC).then_some(bytes))
}

fn field<const N: usize>(header: &[u8], at: usize) -> Option<[u8; N]> {
    header.get(at..at + N)?.try_into().ok()
}

fn blank(size: u64, backing: Option<(&Path, Format)>) -> io::Result<Vec<u8>> {
    // Each entry of the first-level table covers a cluster of second-level entries of 8 bytes.
    let covered = CLUSTER * (CLUSTER / 8);
    let entries = size.div_ceil(covered).max(1);
    let l1_clusters = (entries * 8).div_ceil(CLUSTER);
    // Header, reference table, reference block, first-level table.
    let clusters = 3 + l1_clusters;

    let mut header = Vec::new();
    header.extend(MAGIC);
    header.extend(3_u32.to_be_bytes()); // version
    header.extend([0; 12]); // backing file: filled in below
    header.extend(CLUSTER_BITS.to_be_bytes());
    header.extend(size.to_be_bytes());
    header.extend(0_u32.to_be_bytes()); // no encryption
    header.extend((entries as u32).to_be_bytes());
    header.extend((3 * CLUSTER).to_be_bytes()); // first-level table
    header.extend(CLUSTER.to_be_bytes()); // reference table
    header.extend(1_u32.to_be_bytes()); // its clusters
    header.extend([0; 12]); // no internal snapshots
    header.extend([0; 24]); // features
    header.extend(4_u32.to_be_bytes()); // references of 16 bits
    header.extend(HEADER_LENGTH.to_be_bytes());
    if let Some((path, format)) = backing {
        let name = path
            .to_str()
            .filter(|name| name.len() <= MAX_NAME && path.is_absolute());
        let name = name.ok_or_else(|| {
            io::Error::other(format!("'{}' cannot be a backing file", path.display()))
        })?;
        let format: &[u8] = match format {
            Format::Raw => b"raw",
            Format::Qcow2 => b"qcow2",
        };
        header.extend(EXTENSION_BACKING_FORMAT.to_be_bytes());
        header.extend((format.len() as u32).to_be_bytes());
        header.extend(format);
        header.resize(header.len().next_multiple_of(8), 0);
        header.extend([0; 8]); // end of extensions
        let offset = header.len() as u64;
        header[8..16].copy_from_slice(&offset.to_be_bytes());
        header[16..20].copy_from_slice(&(name.len() as u32).to_be_bytes());
        header.extend(name.as_bytes());
    } else {
        header.extend([0; 8]);
    }

    let mut image = header;
    image.resize(CLUSTER as usize, 0);
    image.extend((2 * CLUSTER).to_be_bytes()); // the one reference block
    image.resize(2 * CLUSTER as usize, 0);
    for _ in 0..clusters {
        image.extend(1_u16.to_be_bytes());
    }
    image.resize((clusters * CLUSTER) as usize, 0);
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("raw"), vec![7; 4096]).unwrap();
        create(&path("a"), 1 << 30, Some((&path("raw"), Format::Raw))).unwrap();
        create(&path("b"), 1 << 30, Some((&path("a"), Format::Qcow2))).unwrap();
        create(&path("blank"), 40 << 30, None).unwrap();
        assert_eq!(backing_chain(&path("b")).unwrap(), [path("a"), path("raw")]);
        assert!(backing_chain(&path("raw")).unwrap().is_empty());
        assert!(backing_chain(&path("blank")).unwrap().is_empty());
        assert_eq!(virtual_size(&path("blank")).unwrap(), Some(40 << 30));
        assert_eq!(virtual_size(&path("raw")).unwrap(), None);
        assert!(create(&path("b"), 1, None).is_err(), "never overwrites");
    }

    #[test]
    fn damaged_headers_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        let mut image = blank(1 << 20, Some((Path::new("/x"), Format::Raw))).unwrap();
        image[8..16].copy_from_slice(&u64::MAX.to_be_bytes());
        fs::write(&path, &image).unwrap();
        assert!(backing_chain(&path).is_err());
        fs::write(&path, &image[..10]).unwrap();
        assert!(backing_chain(&path).unwrap().is_empty());
    }
}
