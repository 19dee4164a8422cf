//! Answers of one run that the next one need not find out again.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a file remembers; nothing if it is not there or damaged.
pub(crate) fn recall<T: DeserializeOwned>(file: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// Puts an answer in the place of what the file remembered.
pub(crate) fn remember<T: Serialize>(file: &Path, known: &T) -> io::Result<()> {
    let directory = file.parent().map_or_else(PathBuf::new, Path::to_owned);
    fs::create_dir_all(&directory)?;
    let temporary = tempfile::NamedTempFile::new_in(&directory)?;
    fs::write(temporary.path(), serde_json::to_vec_pretty(known)?)?;
    temporary.persist(file)?;
    Ok(())
}
