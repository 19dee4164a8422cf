//! The local store: what lies behind `/nix/store` paths on this host.
//!
//! Objects lie in `objects/<hash>-<name>`; what is known of each lies in `info/<hash>-<name>.json`,
//! which is written last: an object without it is not there. Machines and builds see an object at its
//! real path, `/nix/store/<hash>-<name>`; nothing on the host ever does.
//!
//! Several processes may share a store: whoever makes an object holds its lock, and objects appear
//! by a rename.

mod digest;

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use serde::{Deserialize, Serialize};
use snowglobe_plan::StorePath;

pub use digest::{Digest, digest};

/// A store on disk.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// What is known of a valid object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Info {
    /// Store paths that the object's content mentions, itself excepted.
    pub references: BTreeSet<StorePath>,
    /// Digest of the content, lower-case hexadecimal.
    pub digest: String,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation; the message names the file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An object is asked for that was never made here.
    #[error("{0} is not in the store")]
    Missing(StorePath),
    /// An object was changed after it was made.
    #[error("{path} is damaged: its content has changed since it was made")]
    Damaged {
        /// The object.
        path: StorePath,
    },
    /// The description of an object cannot be read.
    #[error("cannot read {path}: {source}")]
    Info {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
}

/// Held while an object is being made, so that no other process makes the same one.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Store {
    /// Opens a store, making its folders if need be.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let root = root.into();
        for part in ["objects", "info", "locks", "new"] {
            fs::create_dir_all(root.join(part))?;
        }
        Ok(Self { root })
    }

    /// Where the object of a path lies on this host, whether or not it is there.
    pub fn object(&self, path: &StorePath) -> PathBuf {
        self.root.join("objects").join(path.base_name())
    }

    /// Whether the object is whole.
    pub fn contains(&self, path: &StorePath) -> bool {
        self.info_file(path).exists() && self.object(path).symlink_metadata().is_ok()
    }

    /// What is known of an object.
    pub fn info(&self, path: &StorePath) -> Result<Info, Error> {
        let file = self.info_file(path);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Missing(path.clone()));
            }
            Err(e) => return Err(e.into()),
        };
        serde_json::from_slice(&text).map_err(|source| Error::Info { path: file, source })
    }

    /// All objects that are whole, in the order of their names.
    pub fn objects(&self) -> Result<Vec<StorePath>, Error> {
        let mut objects = Vec::new();
        for entry in fs::read_dir(self.root.join("info"))? {
            let name = entry?.file_name();
            let path = name
                .to_str()
                .and_then(|name| name.strip_suffix(".json"))
                .and_then(|base| StorePath::parse(&format!("{}/{base}", StorePath::STORE)).ok());
            if let Some(path) = path.filter(|path| self.contains(path)) {
                objects.push(path);
            }
        }
        objects.sort();
        Ok(objects)
    }

    /// When an object was made, or said to be used.
    pub fn used(&self, path: &StorePath) -> Result<SystemTime, Error> {
        Ok(fs::metadata(self.info_file(path))?.modified()?)
    }

    /// Says when an object was used. A store that cannot be written is fine.
    pub fn touch(&self, path: &StorePath, when: SystemTime) -> Result<(), Error> {
        if let Ok(file) = fs::File::open(self.info_file(path)) {
            let _ = file.file().set_modified(when);
        }
        Ok(())
    }

    /// All objects reachable from `roots`, roots included.
    pub fn closure<'a>(
        &self,
        roots: impl IntoIterator<Item = &'a StorePath>,
    ) -> Result<BTreeSet<StorePath>, Error> {
        let mut seen: BTreeSet<StorePath> = roots.into_iter().cloned().collect();
        let mut queue: VecDeque<StorePath> = seen.iter().cloned().collect();
        while let Some(path) = queue.pop_front() {
            for reference in self.info(&path)?.references {
                if seen.insert(reference.clone()) {
                    queue.push_back(reference);
                }
            }
        }
        Ok(seen)
    }

    /// Compares an object with the digest that was taken when it was made. A damaged object is
    /// removed, so that the next attempt makes it again.
    pub fn verify(&self, path: &StorePath) -> Result<(), Error> {
        let info = self.info(path)?;
        let found = digest(&self.object(path))?;
        if found.to_string() == info.digest {
            return Ok(());
        }
        self.remove(path)?;
        Err(Error::Damaged { path: path.clone() })
    }

    /// Waits until no other process makes this object, then keeps the others out.
    pub fn lock(&self, path: &StorePath) -> Result<Lock, Error> {
        let name = self.root.join("locks").join(path.hash());
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)?;
        file.lock()?;
        Ok(Lock { _file: file })
    }

    /// A new empty folder inside the store's file system, to make an object in.
    pub fn stage(&self) -> Result<tempfile::TempDir, Error> {
        Ok(tempfile::Builder::new()
            .prefix("new-")
            .tempdir_in(self.root.join("new"))?)
    }

    /// Takes what lies at `staged` (in a folder from [`Store::stage`]) into the store under `path`.
    /// Permissions become those of a store object: nothing writable, executables stay executable.
    /// An object of that path that is there already stays.
    pub fn add(
        &self,
        path: &StorePath,
        staged: &Path,
        references: BTreeSet<StorePath>,
    ) -> Result<(), Error> {
        if self.contains(path) {
            return Ok(());
        }
        let object = self.object(path);
        let digest = digest(staged)?.to_string();
        remove_any(&object)?;
        make_removable(staged)?;
        fs::rename(staged, &object)?;
        let mut references = references;
        references.remove(path);
        let info = serde_json::to_vec(&Info { references, digest }).expect("plain data");
        let mut file = tempfile::NamedTempFile::new_in(self.root.join("new"))?;
        io::Write::write_all(&mut file, &info)?;
        let name = self.info_file(path);
        file.persist(&name).map_err(|e| e.error)?;
        Ok(())
    }

    /// Removes an object; no error if it is not there.
    pub fn remove(&self, path: &StorePath) -> Result<(), Error> {
        match fs::remove_file(self.info_file(path)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
        Ok(remove_any(&self.object(path))?)
    }

    fn info_file(&self, path: &StorePath) -> PathBuf {
        self.root
            .join("info")
            .join(format!("{}.json", path.base_name()))
    }
}

/// Whether a file of this mode is executable in the sense of a store object.
pub fn is_executable(mode: u32) -> bool {
    mode & 0o100 != 0
}

fn remove_any(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
        Ok(data) if data.is_dir() => {
            make_removable(path)?;
            fs::remove_dir_all(path)
        }
        Ok(_) => fs::remove_file(path),
    }
}

/// Makes folders writable for their owner: an ordinary user can neither rename nor empty others.
fn make_removable(path: &Path) -> io::Result<()> {
    let data = fs::symlink_metadata(path)?;
    if !data.is_dir() {
        return Ok(());
    }
    if data.mode() & 0o700 != 0o700 {
        fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    for entry in fs::read_dir(path)? {
        make_removable(&entry?.path())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> StorePath {
        StorePath::parse(&format!("/nix/store/{}-{name}", "0".repeat(32))).unwrap()
    }

    fn add(store: &Store, path: &StorePath, text: &str, references: &[&StorePath]) {
        let stage = store.stage().unwrap();
        let file = stage.path().join("object");
        fs::write(&file, text).unwrap();
        store
            .add(
                path,
                &file,
                references.iter().map(|p| (*p).clone()).collect(),
            )
            .unwrap();
    }

    #[test]
    fn an_object_is_there_once_added() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (a, b) = (path("a"), path("b"));
        assert!(!store.contains(&a));
        assert!(matches!(store.info(&a), Err(Error::Missing(_))));
        add(&store, &b, "b", &[]);
        add(&store, &a, "see b", &[&b, &a]);
        assert_eq!(fs::read(store.object(&a)).unwrap(), b"see b");
        assert_eq!(store.info(&a).unwrap().references, [b.clone()].into());
        assert_eq!(store.closure([&a]).unwrap(), [a.clone(), b].into());
        store.verify(&a).unwrap();
    }

    #[test]
    fn a_damaged_object_is_found_and_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let a = path("a");
        add(&store, &a, "right", &[]);
        fs::write(store.object(&a), "wrong").unwrap();
        assert!(matches!(store.verify(&a), Err(Error::Damaged { .. })));
        assert!(!store.contains(&a));
    }

    #[test]
    fn an_object_without_description_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let a = path("a");
        fs::write(store.object(&a), "half").unwrap();
        assert!(!store.contains(&a));
        add(&store, &a, "whole", &[]);
        assert_eq!(fs::read(store.object(&a)).unwrap(), b"whole");
    }
}
