//! A host on the real file system, with a store that exists only in memory.

use std::collections::BTreeMap;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::host::{FileType, Host, HostError, HostResult, Message, SearchPathEntry};
use crate::store::{Derivation, Tree, paths};

/// Reads files as they are and remembers what the evaluation puts into the store: texts and
/// sources can be read back, nothing is written.
#[derive(Default)]
pub struct LocalHost {
    /// Search path.
    pub search_path: Vec<SearchPathEntry>,
    /// Environment that programs see.
    pub env: BTreeMap<String, String>,
    /// Where messages go; standard error without.
    pub messages: Option<Mutex<Vec<String>>>,
    store: Mutex<BTreeMap<String, Object>>,
}

enum Object {
    Text(Vec<u8>),
    Tree(Tree),
}

impl LocalHost {
    /// A host with the environment of this process, `NIX_PATH` included.
    pub fn from_env() -> Self {
        let env: BTreeMap<String, String> = std::env::vars().collect();
        let search_path = env
            .get("NIX_PATH")
            .map(|path| SearchPathEntry::parse_list(path))
            .unwrap_or_default();
        Self {
            search_path,
            env,
            ..Self::default()
        }
    }

    /// A derivation that the evaluation made, by its path.
    pub fn derivation(&self, path: &str) -> Option<Vec<u8>> {
        match self.store.lock().ok()?.get(path)? {
            Object::Text(text) => Some(text.clone()),
            Object::Tree(_) => None,
        }
    }

    fn in_store<T>(&self, path: &Path, look: impl FnOnce(&Tree) -> T) -> Option<T> {
        let text = path.to_str()?;
        let (object, rest) = paths::split(text)?;
        let store = self.store.lock().ok()?;
        match store.get(object)? {
            Object::Text(contents) => rest.is_empty().then(|| {
                look(&Tree::Bytes {
                    contents: contents.clone(),
                    executable: false,
                })
            }),
            Object::Tree(tree) => {
                let mut tree = tree;
                for part in rest.split('/').filter(|part| !part.is_empty()) {
                    let Tree::Directory { entries } = tree else {
                        return None;
                    };
                    tree = &entries.iter().find(|entry| entry.0 == part.as_bytes())?.1;
                }
                Some(look(tree))
            }
        }
    }

    fn insert(&self, path: &str, object: Object) -> HostResult<()> {
        let mut store = self
            .store
            .lock()
            .map_err(|_| HostError::new("the store is poisoned"))?;
        store.insert(path.to_owned(), object);
        Ok(())
    }
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> HostError {
    // The number of the error tells a person nothing that its text does not.
    let error = error.to_string();
    let error = error.split(" (os error").next().unwrap_or_default();
    HostError::new(format!("{what} '{}': {error}", path.display()))
}

fn kind_of(metadata: &std::fs::Metadata) -> FileType {
    let kind = metadata.file_type();
    if kind.is_file() {
        FileType::Regular {
            executable: metadata.permissions().mode() & 0o100 != 0,
        }
    } else if kind.is_dir() {
        FileType::Directory
    } else if kind.is_symlink() {
        FileType::Symlink
    } else {
        FileType::Unknown
    }
}

fn kind_of_tree(tree: &Tree) -> FileType {
    match tree {
        Tree::File { executable, .. } | Tree::Bytes { executable, .. } => FileType::Regular {
            executable: *executable,
        },
        Tree::Symlink { .. } => FileType::Symlink,
        Tree::Directory { .. } => FileType::Directory,
    }
}

impl Host for LocalHost {
    fn read_file(&self, path: &Path) -> HostResult<Vec<u8>> {
        let stored = self.in_store(path, |tree| match tree {
            Tree::Bytes { contents, .. } => Some(Ok(contents.clone())),
            Tree::File { path, .. } => Some(Err(PathBuf::from(std::ffi::OsStr::from_bytes(path)))),
            _ => None,
        });
        let real = match stored.flatten() {
            Some(Ok(contents)) => return Ok(contents),
            Some(Err(real)) => real,
            None => path.to_owned(),
        };
        std::fs::read(&real).map_err(|error| failed("opening file", &real, error))
    }

    fn read_dir(&self, path: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        let stored = self.in_store(path, |tree| match tree {
            Tree::Directory { entries } => Some(
                entries
                    .iter()
                    .map(|(name, tree)| (name.clone(), kind_of_tree(tree)))
                    .collect(),
            ),
            _ => None,
        });
        if let Some(entries) = stored.flatten() {
            return Ok(entries);
        }
        let fail = |error| failed("reading directory", path, error);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let metadata = entry.metadata().map_err(fail)?;
            entries.push((entry.file_name().into_vec(), kind_of(&metadata)));
        }
        Ok(entries)
    }

    fn file_type(&self, path: &Path) -> HostResult<Option<FileType>> {
        if let Some(kind) = self.in_store(path, kind_of_tree) {
            return Ok(Some(kind));
        }
        match std::fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(kind_of(&metadata))),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed("getting status of", path, error)),
        }
    }

    fn read_link(&self, path: &Path) -> HostResult<Vec<u8>> {
        let stored = self.in_store(path, |tree| match tree {
            Tree::Symlink { target } => Some(target.clone()),
            _ => None,
        });
        if let Some(target) = stored.flatten() {
            return Ok(target);
        }
        match std::fs::read_link(path) {
            Ok(target) => Ok(target.into_os_string().into_vec()),
            Err(error) => Err(failed("reading symbolic link", path, error)),
        }
    }

    fn search_path(&self) -> Vec<SearchPathEntry> {
        self.search_path.clone()
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn current_time(&self) -> i64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |now| now.as_secs() as i64)
    }

    fn store_text(&self, path: &str, contents: &[u8], _: &[String]) -> HostResult<()> {
        self.insert(path, Object::Text(contents.to_vec()))
    }

    fn store_source(&self, path: &str, tree: &Tree, _: &[u8; 32]) -> HostResult<()> {
        self.insert(path, Object::Tree(tree.clone()))
    }

    fn store_derivation(&self, path: &str, derivation: &Derivation) -> HostResult<()> {
        self.insert(path, Object::Text(derivation.to_aterm()))
    }

    fn message(&self, message: Message<'_>) {
        let text = match message {
            Message::Trace(text) => format!("trace: {text}"),
            Message::Warning(text) => format!("evaluation warning: {text}"),
        };
        match &self.messages {
            Some(messages) => {
                if let Ok(mut messages) = messages.lock() {
                    messages.push(text);
                }
            }
            None => eprintln!("{text}"),
        }
    }
}
