//! Removing trees whose files belong to others.
//!
//! A tree that was made in a user namespace holds files of ids that are not ours outside. Then they
//! are removed from inside such a namespace, by `rm` of whatever file system is at hand: the
//! tree's own, or another one of the cache.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use snowglobe_sandbox::{Access, Ids, Privileges, Sandbox};

use crate::{Error, Result};

const LIMIT: Duration = Duration::from_secs(600);

/// Removes a directory with everything in it.
pub fn remove_tree(path: &Path) -> Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|it| !it.is_dir()) {
        return Ok(fs::remove_file(path)?);
    }
    make_writable(path);
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        other => return Ok(other?),
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    let Some(tools) = system(path).or_else(|| system_beside(parent)) else {
        return Err(Error::Io(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "cannot remove {}: it holds files of other users",
                path.display()
            ),
        )));
    };
    // The tree may be the very file system that `rm` comes from, so that some of it may be gone
    // before the end: a program that runs keeps what it has opened.
    let mut sandbox = Sandbox::new([tools]);
    sandbox
        .ids(Ids::Range)
        .privileges(Privileges::Install)
        .bind(path, "/mnt/doomed", Access::ReadWrite);
    let output = sandbox
        .command("/usr/bin/find")
        .args(["/mnt/doomed", "-mindepth", "1", "-delete"])
        .output(LIMIT)?;
    if !output.status.success() {
        return Err(Error::Step {
            step: format!("remove {}", path.display()),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Ok(fs::remove_dir(path)?)
}

/// Gives ourselves the right to remove what lies in directories that are read-only.
fn make_writable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if rustix::process::geteuid().is_root() {
        return;
    }
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return;
    };
    if !metadata.is_dir() {
        return;
    }
    let mode = metadata.permissions().mode();
    if mode & 0o700 != 0o700 {
        let _ = std::fs::set_permissions(path, PermissionsExt::from_mode(mode | 0o700));
    }
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        make_writable(&entry.path());
    }
}

/// A file system with `find` in or at a path.
fn system(path: &Path) -> Option<PathBuf> {
    [path.to_owned(), path.join("tree")]
        .into_iter()
        .find(|root| root.join("usr/bin/find").exists())
}

fn system_beside(directory: &Path) -> Option<PathBuf> {
    let trees = directory.parent()?.join("trees");
    std::fs::read_dir(trees)
        .ok()?
        .flatten()
        .find_map(|entry| system(&entry.path()))
}
