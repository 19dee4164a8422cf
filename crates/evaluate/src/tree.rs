//! The embedded `nixpkgs/` folder as a read-only file system in memory.

use std::collections::BTreeSet;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Where the tree stands in the evaluator's view of the file system.
pub const ROOT: &str = "/snowglobe/nixpkgs";

/// What a path of the tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Directory,
}

/// The part of an absolute path below [`ROOT`]; `None` for a path outside, `Some("")` for the root.
pub fn relative(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(ROOT)?;
    if rest.is_empty() {
        Some("")
    } else {
        rest.strip_prefix('/')
    }
}

/// Content of a file.
pub fn read(relative: &str) -> Option<&'static [u8]> {
    let index = FILES
        .binary_search_by_key(&relative, |(path, _)| path)
        .ok()?;
    Some(FILES[index].1)
}

/// What there is at a path.
pub fn kind(relative: &str) -> Option<Kind> {
    if read(relative).is_some() {
        return Some(Kind::File);
    }
    (relative.is_empty() || !below(relative).is_empty()).then_some(Kind::Directory)
}

/// Names and kinds in a folder; `None` if it is none.
pub fn list(relative: &str) -> Option<Vec<(&'static str, Kind)>> {
    if kind(relative)? != Kind::Directory {
        return None;
    }
    let skip = if relative.is_empty() {
        0
    } else {
        relative.len() + 1
    };
    let mut seen = BTreeSet::new();
    let mut entries = Vec::new();
    for (path, _) in below(relative) {
        let rest = &path[skip..];
        let (name, kind) = match rest.split_once('/') {
            Some((folder, _)) => (folder, Kind::Directory),
            None => (rest, Kind::File),
        };
        if seen.insert(name) {
            entries.push((name, kind));
        }
    }
    Some(entries)
}

/// The files below a folder.
fn below(folder: &str) -> &'static [(&'static str, &'static [u8])] {
    if folder.is_empty() {
        return FILES;
    }
    let prefix = format!("{folder}/");
    let start = FILES.partition_point(|(path, _)| *path < prefix.as_str());
    let count = FILES[start..]
        .iter()
        .take_while(|(path, _)| path.starts_with(&prefix))
        .count();
    &FILES[start..start + count]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_found_and_listed() {
        for (path, content) in FILES {
            assert_eq!(read(path), Some(*content), "{path}");
            assert_eq!(kind(path), Some(Kind::File), "{path}");
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            assert!(
                list(folder).unwrap().contains(&(name, Kind::File)),
                "{path}"
            );
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert_eq!(kind("no/such/file.nix"), None);
        assert_eq!(list("no"), None);
        assert_eq!(relative("/snowglobe/nixpkgs-other"), None);
        assert_eq!(relative("/snowglobe/nixpkgs/lib"), Some("lib"));
    }
}
