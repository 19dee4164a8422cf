//! Finding the files of tests.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::error::{CliError, Result};

/// Files as they are given; folders are searched for files of tests, in the order of their names.
pub fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in given {
        if !path.exists() {
            let shown = path.display();
            let error = CliError::unusable(format!("there is no file '{shown}'"));
            let named = PathBuf::from(format!("{shown}.nix"));
            return Err(if named.exists() {
                error.hint(format!("there is '{}'", named.display()))
            } else {
                error
            });
        }
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        folder(path, 0, &mut files)?;
        if files.len() > before {
            continue;
        }
        // A folder may be one test, as `import` sees it.
        let default = path.join("default.nix");
        if !default.exists() {
            return Err(CliError::unusable(format!(
                "there is no test in the folder '{}'",
                path.display()
            ))
            .hint("a folder is searched for *.nix files that mention `testScript`"));
        }
        files.push(default);
    }
    Ok(files)
}

/// Folders are not searched deeper, so that a loop of links ends.
const DEPTH: usize = 16;
/// A file that is larger is no test.
const SIZE: u64 = 4 << 20;

fn folder(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        entries.push(entry?.path());
    }
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if entry.is_dir() {
            // Results of builds are links into a store.
            if depth < DEPTH && !entry.is_symlink() {
                folder(&entry, depth + 1, files)?;
            }
        } else if name.ends_with(".nix") && is_test(&entry) {
            files.push(entry);
        }
    }
    Ok(())
}

/// Whether a file looks like one that defines a test. What it only imports is another file.
fn is_test(path: &Path) -> bool {
    let small = path.metadata().is_ok_and(|data| data.len() <= SIZE);
    small
        && fs::read(path).is_ok_and(|text| {
            let word = b"testScript";
            text.windows(word.len()).any(|part| part == word)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_for_tests() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("b.nix", "{ testScript = \"\"; }");
        write("a/deep/c.nix", "{ testScript = \"\"; }");
        write("a/module.nix", "{ }");
        write("a/notes.md", "testScript");
        write(".hidden/d.nix", "{ testScript = \"\"; }");
        write("one/default.nix", "import ./module.nix");
        write("none/readme", "");
        std::os::unix::fs::symlink(root, root.join("a/loop")).unwrap();

        let found = files(&[root.to_owned()]).unwrap();
        assert_eq!(found, [root.join("a/deep/c.nix"), root.join("b.nix")]);
        let given = [root.join("a/module.nix"), root.join("one")];
        let found = files(&given).unwrap();
        assert_eq!(found, [given[0].clone(), root.join("one/default.nix")]);
        assert!(files(&[root.join("none")]).is_err());
        let missing = files(&[root.join("b")]).unwrap_err();
        assert!(missing.hints[0].ends_with("b.nix'"), "{missing:?}");
        assert!(files(&[root.join("c")]).unwrap_err().hints.is_empty());
    }
}
