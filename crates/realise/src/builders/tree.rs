//! `builtin:tree`: a folder from a list of entries.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use fs_err as fs;
use serde::Deserialize;
use snowglobe_plan::{Derivation, StorePath};
use snowglobe_store::Store;

use super::{BuilderError, inside, json};

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
enum Entry {
    Text {
        path: String,
        text: String,
        #[serde(default)]
        executable: bool,
    },
    Link {
        path: String,
        target: String,
    },
    Directory {
        path: String,
    },
    Copy {
        path: String,
        source: String,
        #[serde(default)]
        mode: Option<String>,
    },
}

/// Makes the entries in their order; a later entry replaces an earlier one of the same path.
pub fn build(derivation: &Derivation, out: &Path, store: &Store) -> Result<(), BuilderError> {
    fs::create_dir(out)?;
    for entry in json::<Vec<Entry>>(derivation, "entries")? {
        match entry {
            Entry::Directory { path } => fs::create_dir_all(inside(out, &path)?)?,
            Entry::Text {
                path,
                text,
                executable,
            } => {
                let file = place(out, &path)?;
                fs::write(&file, text)?;
                set_mode(&file, if executable { 0o755 } else { 0o644 })?;
            }
            Entry::Link { path, target } => symlink(target, place(out, &path)?)?,
            Entry::Copy { path, source, mode } => {
                let file = place(out, &path)?;
                fs::copy(on_host(store, &source)?, &file)?;
                if let Some(mode) = mode {
                    let bits = u32::from_str_radix(&mode, 8)
                        .map_err(|_| BuilderError::Path(format!("{path} (mode {mode})")))?;
                    set_mode(&file, bits & 0o777)?;
                }
            }
        }
    }
    Ok(())
}

/// Where a path that begins with a store path lies on this host.
pub fn on_host(store: &Store, path: &str) -> Result<std::path::PathBuf, BuilderError> {
    let invalid = || BuilderError::Path(path.to_owned());
    let rest = path.strip_prefix("/nix/store/").ok_or_else(invalid)?;
    let (base, below) = rest.split_once('/').unwrap_or((rest, ""));
    let object = StorePath::parse(&format!("/nix/store/{base}")).map_err(|_| invalid())?;
    let object = store.object(&object);
    if below.is_empty() {
        Ok(object)
    } else {
        inside(&object, below)
    }
}

/// The file of a path, its folder made and what stood there gone.
fn place(out: &Path, path: &str) -> Result<std::path::PathBuf, BuilderError> {
    let file = inside(out, path)?;
    fs::create_dir_all(file.parent().expect("a path below the output"))?;
    match fs::remove_file(&file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(file),
    }
}

fn set_mode(file: &Path, mode: u32) -> Result<(), BuilderError> {
    Ok(fs::set_permissions(
        file,
        std::fs::Permissions::from_mode(mode),
    )?)
}
