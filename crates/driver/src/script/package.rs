//! The embedded Python package.

use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::RunError;
use crate::tools::{Job, Tools};

/// Files of `python/`, by path.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("run.py", include_str!("../../../../python/run.py")),
    (
        "test_driver/__init__.py",
        include_str!("../../../../python/test_driver/__init__.py"),
    ),
    (
        "test_driver/_assertions.py",
        include_str!("../../../../python/test_driver/_assertions.py"),
    ),
    (
        "test_driver/_channel.py",
        include_str!("../../../../python/test_driver/_channel.py"),
    ),
    (
        "test_driver/_durations.py",
        include_str!("../../../../python/test_driver/_durations.py"),
    ),
    (
        "test_driver/_main.py",
        include_str!("../../../../python/test_driver/_main.py"),
    ),
    (
        "test_driver/_retry.py",
        include_str!("../../../../python/test_driver/_retry.py"),
    ),
    (
        "test_driver/debug.py",
        include_str!("../../../../python/test_driver/debug.py"),
    ),
    (
        "test_driver/driver.py",
        include_str!("../../../../python/test_driver/driver.py"),
    ),
    (
        "test_driver/errors.py",
        include_str!("../../../../python/test_driver/errors.py"),
    ),
    (
        "test_driver/logger.py",
        include_str!("../../../../python/test_driver/logger.py"),
    ),
    (
        "test_driver/machine/__init__.py",
        include_str!("../../../../python/test_driver/machine/__init__.py"),
    ),
    (
        "test_driver/machine/qmp.py",
        include_str!("../../../../python/test_driver/machine/qmp.py"),
    ),
    (
        "test_driver/polling_condition.py",
        include_str!("../../../../python/test_driver/polling_condition.py"),
    ),
    (
        "test_driver/py.typed",
        include_str!("../../../../python/test_driver/py.typed"),
    ),
    (
        "test_driver/vlan.py",
        include_str!("../../../../python/test_driver/vlan.py"),
    ),
];

/// The directory that the package lies in, below a cache; written and compiled once for each
/// version of the package and of Python.
pub(crate) fn ensure(cache: &Path, tools: &dyn Tools) -> Result<PathBuf, RunError> {
    let mut hash = Sha256::new();
    hash.update(tools.identity());
    for (name, text) in FILES {
        hash.update(name);
        hash.update([0]);
        hash.update(text);
    }
    let key = &HEXLOWER.encode(&hash.finalize())[..32];
    let parent = cache.join("python");
    let place = parent.join(key);
    if place.is_dir() {
        // Used now: whoever makes the cache smaller leaves it to us.
        if let Ok(folder) = std::fs::File::open(&place) {
            let _ = folder.set_modified(std::time::SystemTime::now());
        }
        return Ok(place);
    }
    let fail = |action, path: &Path| {
        let path = path.to_owned();
        move |source| RunError::File {
            action,
            path,
            source,
        }
    };
    std::fs::create_dir_all(&parent).map_err(fail("create", &parent))?;
    let temporary = tempfile::tempdir_in(&parent).map_err(fail("create", &parent))?;
    for (name, text) in FILES {
        let path = temporary.path().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(fail("create", parent))?;
        }
        std::fs::write(&path, text).map_err(fail("write", &path))?;
    }
    // Compiled now, since no script may write here later. Without it Python only starts slower.
    let job = Job {
        program: "python3".to_owned(),
        args: [
            "-I",
            "-m",
            "compileall",
            "-q",
            "--invalidation-mode=unchecked-hash",
            "test_driver",
        ]
        .map(str::to_owned)
        .to_vec(),
        cwd: temporary.path().to_owned(),
        visible: vec![(temporary.path().to_owned(), true)],
        ..Job::default()
    };
    let _ = crate::tools::run(tools, job, b"", Duration::from_secs(60));
    // `tempdir` makes it private; the script's process may be another user inside its sandbox.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(temporary.path(), mode).map_err(fail("create", &place))?;
    match std::fs::rename(temporary.path(), &place) {
        Ok(()) => {
            let _ = temporary.keep();
            Ok(place)
        }
        // Another process was quicker.
        Err(_) if place.is_dir() => Ok(place),
        Err(source) => Err(RunError::File {
            action: "create",
            path: place,
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_package_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/test_driver");
        let mut missing = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(root.parent().unwrap()).unwrap();
                let name = name.to_str().unwrap().to_owned();
                if path.is_dir() {
                    if !name.ends_with("__pycache__") && !name.contains("cache") {
                        folders.push(path);
                    }
                } else if !FILES.iter().any(|(known, _)| *known == name) {
                    missing.push(name);
                }
            }
        }
        assert!(missing.is_empty(), "not embedded: {missing:?}");
    }
}
