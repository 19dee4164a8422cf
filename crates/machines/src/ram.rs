//! The memory of machines, as files.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use fs_err as fs;
use rustix::fs::{MemfdFlags, SeekFrom, ftruncate, memfd_create, seek};
use rustix::io::Errno;

/// Bytes copied at once.
const CHUNK: usize = 1 << 20;
/// Blocks that are all zero become holes.
const BLOCK: usize = 4096;

/// Blank memory of `size` bytes, taken from the host as it is written.
pub(crate) fn blank(size: u64) -> io::Result<rustix::fd::OwnedFd> {
    let memory = memfd_create("snowglobe-ram", MemfdFlags::CLOEXEC)?;
    ftruncate(&memory, size)?;
    Ok(memory)
}

/// Copies what is not zero to a new file at `path`, which has the same size and is sparse. Gives
/// the number of bytes written.
pub(crate) fn copy_sparsely(source: impl AsFd, path: &Path) -> io::Result<u64> {
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?;
    let size = rustix::fs::fstat(&source)?.st_size as u64;
    ftruncate(&file, size)?;
    let mut buffer = vec![0; CHUNK];
    let mut written = 0;
    let mut at = 0;
    while at < size {
        at = match seek(&source, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let end = seek(&source, SeekFrom::Hole(at))?.min(size);
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            let length = rustix::io::pread(&source, &mut buffer[..wanted], at)?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            written += write_blocks(&file, &buffer[..length], at)?;
            at += length as u64;
        }
    }
    Ok(written)
}

/// Writes runs of blocks that are not zero.
fn write_blocks(file: impl AsFd, bytes: &[u8], offset: u64) -> io::Result<u64> {
    let mut written = 0;
    let mut run: Option<usize> = None;
    let starts = (0..bytes.len()).step_by(BLOCK).map(Some).chain([None]);
    for start in starts {
        let zero = start.is_none_or(|start| {
            bytes[start..bytes.len().min(start + BLOCK)]
                .iter()
                .all(|byte| *byte == 0)
        });
        match (zero, run, start) {
            (false, None, Some(start)) => run = Some(start),
            (true, Some(begin), _) => {
                let end = start.unwrap_or(bytes.len());
                write_all_at(&file, &bytes[begin..end], offset + begin as u64)?;
                written += (end - begin) as u64;
                run = None;
            }
            _ => {}
        }
    }
    Ok(written)
}

fn write_all_at(file: impl AsFd, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(&file, bytes, offset) {
            Ok(length) => {
                bytes = &bytes[length..];
                offset += length as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn copies_are_equal_and_sparse() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ram");
        let size = 64 << 20;
        let memory = blank(size).unwrap();
        let pieces: [(u64, Vec<u8>); 4] = [
            (0, vec![1; 10]),
            (BLOCK as u64 * 3 - 1, vec![2; 2]),
            (5 << 20, vec![0; 3 << 20]),
            (size - 5, vec![3; 5]),
        ];
        for (offset, bytes) in &pieces {
            write_all_at(&memory, bytes, *offset).unwrap();
        }
        let written = copy_sparsely(&memory, &path).unwrap();
        assert_eq!(written, 4 * BLOCK as u64);
        let copy = fs::read(&path).unwrap();
        let mut expected = vec![0; size as usize];
        for (offset, bytes) in &pieces {
            expected[*offset as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        assert!(copy == expected);
        assert!(fs::metadata(&path).unwrap().blocks() * 512 < 1 << 20);
    }
}
