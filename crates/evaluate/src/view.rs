//! The file system as a test file sees it: the host's, with the embedded tree and the store in
//! their places.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use snowglobe_nix::{FileType, HostError, HostResult};
use snowglobe_plan::StorePath;
use snowglobe_store::Store;

use crate::tree;

/// Where a path of the evaluation really lies.
enum Place<'a> {
    /// In the embedded tree, relative to its root.
    Tree(&'a str),
    /// In the host's file system.
    Host(PathBuf),
    /// In the store, where only store objects are.
    Store,
}

/// The view; cheap to make.
#[derive(Clone, Debug)]
pub struct View {
    store: Store,
}

impl View {
    /// Objects of `store` are seen below `/nix/store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    fn place<'a>(&self, path: &'a Path) -> Place<'a> {
        let Some(text) = path.to_str() else {
            return Place::Host(path.to_owned());
        };
        if let Some(relative) = tree::relative(text) {
            return Place::Tree(relative);
        }
        if text == StorePath::STORE {
            return Place::Store;
        }
        if let Some(rest) = text.strip_prefix("/nix/store/") {
            let (base, below) = rest.split_once('/').unwrap_or((rest, ""));
            if let Ok(object) = StorePath::parse(&format!("/nix/store/{base}")) {
                let object = self.store.object(&object);
                // A host with Nix has a store of its own; ours comes first.
                if object.symlink_metadata().is_ok() {
                    return Place::Host(if below.is_empty() {
                        object
                    } else {
                        object.join(below)
                    });
                }
            }
        }
        Place::Host(path.to_owned())
    }

    /// Content of a file.
    pub fn read_file(&self, path: &Path) -> HostResult<Vec<u8>> {
        match self.place(path) {
            Place::Tree(relative) => match tree::read(relative) {
                Some(content) => Ok(content.to_vec()),
                None => Err(error("opening file", path, &io::ErrorKind::NotFound.into())),
            },
            Place::Host(file) => fs::read(file).map_err(|e| error("opening file", path, &e)),
            Place::Store => Err(error(
                "opening file",
                path,
                &io::ErrorKind::IsADirectory.into(),
            )),
        }
    }

    /// Names and types in a folder.
    pub fn read_dir(&self, path: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        match self.place(path) {
            Place::Tree(relative) => {
                let entries = tree::list(relative).ok_or_else(|| {
                    error("opening directory", path, &io::ErrorKind::NotFound.into())
                })?;
                let entries = entries.into_iter();
                Ok(entries
                    .map(|(name, kind)| (name.into(), kind_of_tree(kind)))
                    .collect())
            }
            Place::Host(folder) => {
                let list = || -> io::Result<Vec<(Vec<u8>, FileType)>> {
                    let mut entries = Vec::new();
                    for entry in fs::read_dir(&folder)? {
                        let entry = entry?;
                        let kind = kind_of_host(&entry.metadata()?);
                        entries.push((entry.file_name().as_bytes().to_owned(), kind));
                    }
                    Ok(entries)
                };
                list().map_err(|e| error("opening directory", path, &e))
            }
            Place::Store => Err(error(
                "opening directory",
                path,
                &io::ErrorKind::PermissionDenied.into(),
            )),
        }
    }

    /// What a path is; links are not followed.
    pub fn file_type(&self, path: &Path) -> HostResult<Option<FileType>> {
        match self.place(path) {
            Place::Tree(relative) => Ok(tree::kind(relative).map(kind_of_tree)),
            Place::Store => Ok(Some(FileType::Directory)),
            Place::Host(file) => match fs::symlink_metadata(file) {
                Ok(data) => Ok(Some(kind_of_host(&data))),
                Err(e) => match e.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                        let above = tree::ROOT.starts_with(&format!("{}/", path.display()));
                        Ok(above.then_some(FileType::Directory))
                    }
                    _ => Err(error("getting status of", path, &e)),
                },
            },
        }
    }

    /// Target of a link.
    pub fn read_link(&self, path: &Path) -> HostResult<Vec<u8>> {
        match self.place(path) {
            Place::Host(link) => match fs::read_link(link) {
                Ok(target) => Ok(target.as_os_str().as_bytes().to_owned()),
                Err(e) => Err(error("reading symbolic link", path, &e)),
            },
            _ => Err(error(
                "reading symbolic link",
                path,
                &io::ErrorKind::InvalidInput.into(),
            )),
        }
    }
}

fn kind_of_tree(kind: tree::Kind) -> FileType {
    match kind {
        tree::Kind::File => FileType::Regular { executable: false },
        tree::Kind::Directory => FileType::Directory,
    }
}

fn kind_of_host(data: &fs::Metadata) -> FileType {
    if data.is_symlink() {
        FileType::Symlink
    } else if data.is_dir() {
        FileType::Directory
    } else if data.is_file() {
        FileType::Regular {
            executable: snowglobe_store::is_executable(data.mode()),
        }
    } else {
        FileType::Unknown
    }
}

fn error(doing: &str, path: &Path, error: &io::Error) -> HostError {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "No such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "Permission denied".to_owned(),
        _ => error.to_string(),
    };
    HostError::new(format!("{doing} '{}': {reason}", path.display()))
}
