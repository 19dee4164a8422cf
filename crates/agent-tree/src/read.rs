//! From files to entries.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use snowglobe_agent_protocol::{CHUNK, Entry, EntryKind};

use crate::TreeError;

/// What a tree consists of, in order.
#[derive(Debug)]
pub enum Item<'a> {
    /// A member, or the end.
    Entry(Entry),
    /// Data of the file that came last, at most [`CHUNK`] bytes.
    Data(&'a [u8]),
}

/// Reads a file or a directory with everything below it. `sink` gets it piece by piece and may
/// stop it.
pub fn read_tree<E: From<TreeError>>(
    root: &Path,
    sink: &mut dyn FnMut(Item<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let metadata = fs::metadata(root).map_err(|error| TreeError::io("read", root, error))?;
    if !metadata.is_file() && !metadata.is_dir() {
        let error = std::io::Error::other("neither a file nor a directory");
        return Err(TreeError::io("copy", root, error).into());
    }
    let mut reader = Reader {
        sink,
        above: Vec::new(),
        buffer: vec![0; CHUNK],
    };
    reader.member(root.to_path_buf(), Vec::new(), &metadata)?;
    let end = Entry {
        path: Vec::new(),
        kind: EntryKind::End,
        mode: 0,
    };
    sink(Item::Entry(end))
}

struct Reader<'a, E> {
    sink: &'a mut dyn FnMut(Item<'_>) -> Result<(), E>,
    /// Device and inode of the directories that lead here.
    above: Vec<(u64, u64)>,
    buffer: Vec<u8>,
}

impl<E: From<TreeError>> Reader<'_, E> {
    fn member(&mut self, path: PathBuf, names: Vec<String>, metadata: &Metadata) -> Result<(), E> {
        let mode = metadata.permissions().mode() & 0o777;
        if metadata.is_file() {
            let mut file =
                File::open(&path).map_err(|error| TreeError::io("open", &path, error))?;
            let kind = EntryKind::File {
                length: metadata.len(),
            };
            (self.sink)(Item::Entry(Entry {
                path: names,
                kind,
                mode,
            }))?;
            loop {
                let count = file
                    .read(&mut self.buffer)
                    .map_err(|error| TreeError::io("read", &path, error))?;
                if count == 0 {
                    return Ok(());
                }
                (self.sink)(Item::Data(&self.buffer[..count]))?;
            }
        }
        if !metadata.is_dir() {
            return Ok(());
        }
        let entry = Entry {
            path: names.clone(),
            kind: EntryKind::Directory,
            mode,
        };
        (self.sink)(Item::Entry(entry))?;
        self.above.push((metadata.dev(), metadata.ino()));
        let unreadable = |error| TreeError::io("list", &path, error);
        let listing = fs::read_dir(&path).map_err(unreadable)?;
        let mut children = listing.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        children.sort_by_key(fs::DirEntry::file_name);
        for child in children {
            let path = child.path();
            let Ok(name) = child.file_name().into_string() else {
                return Err(TreeError::Name { path }.into());
            };
            let mut names = names.clone();
            names.push(name);
            self.child(path, names)?;
        }
        self.above.pop();
        Ok(())
    }

    fn child(&mut self, path: PathBuf, names: Vec<String>) -> Result<(), E> {
        let above = |metadata: &Metadata| self.above.contains(&(metadata.dev(), metadata.ino()));
        match fs::metadata(&path) {
            Ok(metadata) if !above(&metadata) => return self.member(path, names, &metadata),
            Err(error) if !path.is_symlink() => {
                // Gone since the directory was listed.
                if error.kind() == std::io::ErrorKind::NotFound {
                    return Ok(());
                }
                return Err(TreeError::io("read", path, error).into());
            }
            Ok(_) | Err(_) => {}
        }
        let target = fs::read_link(&path).map_err(|error| TreeError::io("read", &path, error))?;
        let Some(target) = target.to_str() else {
            return Err(TreeError::Name { path }.into());
        };
        let kind = EntryKind::Link {
            target: target.to_owned(),
        };
        (self.sink)(Item::Entry(Entry {
            path: names,
            kind,
            mode: 0o777,
        }))
    }
}
