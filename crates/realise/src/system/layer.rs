//! A file system tree in memory, written as a tar stream.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err as fs;

/// Numeric user and group.
pub type Owner = (u32, u32);

#[derive(Debug)]
enum Content {
    Directory,
    Link(String),
    Bytes(Vec<u8>),
    /// A file of the host, read when the stream is written.
    Host(PathBuf),
}

#[derive(Debug)]
struct Entry {
    content: Content,
    mode: u32,
    owner: Owner,
    capabilities: Option<[u8; 20]>,
}

/// Entries by path, without leading slash; later entries replace earlier ones.
#[derive(Debug, Default)]
pub struct Layer {
    entries: BTreeMap<String, Entry>,
}

impl Layer {
    /// A folder with this mode and owner.
    pub fn directory(&mut self, path: &str, mode: u32, owner: Owner) {
        self.insert(path, Content::Directory, mode, owner);
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.insert(path, Content::Link(target.to_owned()), 0o777, (0, 0));
    }

    /// A file.
    pub fn file(&mut self, path: &str, bytes: Vec<u8>, mode: u32, owner: Owner) {
        self.insert(path, Content::Bytes(bytes), mode, owner);
    }

    /// A file with the extended attribute `security.capability`.
    pub fn file_with_capabilities(
        &mut self,
        path: &str,
        bytes: Vec<u8>,
        mode: u32,
        owner: Owner,
        capabilities: Option<[u8; 20]>,
    ) {
        self.file(path, bytes, mode, owner);
        if let Some(entry) = self.entries.get_mut(path) {
            entry.capabilities = capabilities;
        }
    }

    /// A store object: read-only, root's, executable bits kept.
    pub fn object(&mut self, path: &str, host: &Path) -> io::Result<()> {
        self.copy(
            path,
            host,
            (0, 0),
            &|executable| if executable { 0o555 } else { 0o444 },
            0o555,
        )
    }

    /// A tree of the host with one mode for all its files.
    pub fn tree(&mut self, path: &str, host: &Path, mode: u32, owner: Owner) -> io::Result<()> {
        // A folder must be searchable by whoever may read its files.
        let folder = mode | (mode & 0o444) >> 2;
        self.copy(path, host, owner, &|_| mode, folder)
    }

    fn copy(
        &mut self,
        path: &str,
        host: &Path,
        owner: Owner,
        mode: &dyn Fn(bool) -> u32,
        folder: u32,
    ) -> io::Result<()> {
        let data = fs::symlink_metadata(host)?;
        if data.is_symlink() {
            let target = fs::read_link(host)?;
            self.link(path, &target.to_string_lossy());
        } else if data.is_dir() {
            self.insert(path, Content::Directory, folder, owner);
            for entry in fs::read_dir(host)? {
                let entry = entry?;
                let name = entry.file_name();
                let below = format!("{path}/{}", name.to_string_lossy());
                self.copy(&below, &entry.path(), owner, mode, folder)?;
            }
        } else {
            let mode = mode(snowglobe_store::is_executable(data.mode()));
            self.insert(path, Content::Host(host.to_owned()), mode, owner);
        }
        Ok(())
    }

    fn insert(&mut self, path: &str, content: Content, mode: u32, owner: Owner) {
        let mut folder = path;
        while let Some((parent, _)) = folder.rsplit_once('/') {
            self.entries.entry(parent.to_owned()).or_insert(Entry {
                content: Content::Directory,
                mode: 0o755,
                owner: (0, 0),
                capabilities: None,
            });
            folder = parent;
        }
        self.entries.insert(
            path.to_owned(),
            Entry {
                content,
                mode,
                owner,
                capabilities: None,
            },
        );
    }

    /// Writes the stream, parents before children, all times 1 s after the epoch.
    pub fn write(self, to: impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(to);
        // Without an entry of its own, the root would be writable for everybody.
        let mut root = tar::Header::new_gnu();
        root.set_entry_type(tar::EntryType::Directory);
        root.set_mode(0o755);
        root.set_uid(0);
        root.set_gid(0);
        root.set_mtime(1);
        root.set_size(0);
        tar.append_data(&mut root, "./", io::empty())?;
        for (path, entry) in self.entries {
            if let Some(value) = entry.capabilities {
                tar.append_pax_extensions([("SCHILY.xattr.security.capability", &value[..])])?;
            }
            let mut header = tar::Header::new_gnu();
            header.set_mode(entry.mode);
            header.set_uid(entry.owner.0.into());
            header.set_gid(entry.owner.1.into());
            header.set_mtime(1);
            header.set_entry_type(tar::EntryType::Regular);
            match entry.content {
                Content::Directory => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_size(0);
                    tar.append_data(&mut header, format!("{path}/"), io::empty())?;
                }
                Content::Link(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_size(0);
                    tar.append_link(&mut header, path, target)?;
                }
                Content::Bytes(bytes) => {
                    header.set_size(bytes.len() as u64);
                    tar.append_data(&mut header, path, &bytes[..])?;
                }
                Content::Host(file) => {
                    let file = fs::File::open(file)?;
                    header.set_size(file.metadata()?.len());
                    tar.append_data(&mut header, path, file)?;
                }
            }
        }
        tar.into_inner()?.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_comes_first_and_is_closed() {
        let mut layer = Layer::default();
        layer.file("etc/name", b"text".to_vec(), 0o644, (0, 0));
        let mut bytes = Vec::new();
        layer.write(&mut bytes).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let path = entry.path().unwrap().display().to_string();
            (
                path,
                header.mode().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap(),
            )
        });
        let expected = [("./", 0o755), ("etc/", 0o755), ("etc/name", 0o644)];
        assert_eq!(
            entries.collect::<Vec<_>>(),
            expected.map(|(path, mode)| (path.to_owned(), mode, 0, 0))
        );
    }
}
