//! One number for a tree's content: file types, contents, executable bits, link targets, names.

use std::fmt;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use fs_err as fs;

/// BLAKE3 of a tree's canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Digests what lies at `path`: a file, a link (not followed) or a folder with all below it.
/// Owners, times and other permission bits do not count; neither does the name of `path` itself.
pub fn digest(path: &Path) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    feed(&mut hasher, path)?;
    Ok(Digest(*hasher.finalize().as_bytes()))
}

fn feed(hasher: &mut blake3::Hasher, path: &Path) -> io::Result<()> {
    let data = fs::symlink_metadata(path)?;
    if data.is_symlink() {
        let target = fs::read_link(path)?;
        field(hasher, b'l', target.as_os_str().as_bytes());
    } else if data.is_dir() {
        let mut names: Vec<_> = fs::read_dir(path)?
            .map(|e| e.map(|e| e.file_name()))
            .collect::<Result<_, _>>()?;
        names.sort();
        hasher.update(b"d");
        hasher.update(&(names.len() as u64).to_le_bytes());
        for name in names {
            field(hasher, b'n', name.as_bytes());
            feed(hasher, &path.join(&name))?;
        }
    } else if data.is_file() {
        let kind = if crate::is_executable(data.mode()) {
            b'x'
        } else {
            b'f'
        };
        hasher.update(&[kind]);
        hasher.update(&data.len().to_le_bytes());
        let mut file = fs::File::open(path)?;
        let mut buffer = [0; 65536];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                n => hasher.update(&buffer[..n]),
            };
        }
    } else {
        let message = format!("{} is neither a file, a link nor a folder", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(())
}

/// Lengths come first, so that no two trees have the same form.
fn field(hasher: &mut blake3::Hasher, kind: u8, bytes: &[u8]) {
    hasher.update(&[kind]);
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn every_part_of_the_content_counts() {
        let variants: [fn(&Path); 7] = [
            |p| fs::write(p, "a").unwrap(),
            |p| fs::write(p, "b").unwrap(),
            |p| {
                fs::write(p, "a").unwrap();
                fs::set_permissions(p, std::fs::Permissions::from_mode(0o755)).unwrap();
            },
            |p| symlink("a", p).unwrap(),
            |p| fs::create_dir(p).unwrap(),
            |p| {
                fs::create_dir(p).unwrap();
                fs::write(p.join("x"), "a").unwrap();
            },
            |p| {
                fs::create_dir(p).unwrap();
                fs::write(p.join("y"), "a").unwrap();
            },
        ];
        let mut seen = std::collections::HashSet::new();
        for make in variants {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("object");
            make(&path);
            assert_eq!(digest(&path).unwrap(), digest(&path).unwrap());
            assert!(seen.insert(digest(&path).unwrap().to_string()));
        }
    }
}
