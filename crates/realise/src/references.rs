//! Which store paths a tree mentions, found by their hashes.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use fs_err as fs;
use snowglobe_plan::StorePath;

const HASH: usize = 32;

/// Looks for candidates in contents and link targets below `tree`. A mention is the hash part of a
/// path; the name need not follow, as in Nix.
pub fn scan<'a>(
    tree: &Path,
    candidates: impl IntoIterator<Item = &'a StorePath>,
) -> io::Result<BTreeSet<StorePath>> {
    let mut open: HashMap<[u8; HASH], &StorePath> = HashMap::new();
    for path in candidates {
        open.insert(
            path.hash()
                .as_bytes()
                .try_into()
                .expect("a hash has 32 characters"),
            path,
        );
    }
    let mut found = BTreeSet::new();
    walk(tree, &mut open, &mut found)?;
    Ok(found)
}

fn walk(
    path: &Path,
    open: &mut HashMap<[u8; HASH], &StorePath>,
    found: &mut BTreeSet<StorePath>,
) -> io::Result<()> {
    if open.is_empty() {
        return Ok(());
    }
    let data = fs::symlink_metadata(path)?;
    if data.is_symlink() {
        search(fs::read_link(path)?.as_os_str().as_bytes(), open, found);
    } else if data.is_dir() {
        for entry in fs::read_dir(path)? {
            walk(&entry?.path(), open, found)?;
        }
    } else if data.is_file() {
        search(&fs::read(path)?, open, found);
    }
    Ok(())
}

fn search(
    bytes: &[u8],
    open: &mut HashMap<[u8; HASH], &StorePath>,
    found: &mut BTreeSet<StorePath>,
) {
    let mut start = 0;
    while start + HASH <= bytes.len() {
        // The last character that cannot be part of a hash rules out all windows that hold it.
        let window = &bytes[start..start + HASH];
        if let Some(bad) = window.iter().rposition(|c| !is_base32(*c)) {
            start += bad + 1;
            continue;
        }
        let key: &[u8; HASH] = window.try_into().expect("32 bytes");
        if let Some(path) = open.remove(key) {
            found.insert(path.clone());
        }
        start += 1;
    }
}

fn is_base32(c: u8) -> bool {
    matches!(c, b'0'..=b'9' | b'a'..=b'z') && !matches!(c, b'e' | b'o' | b'u' | b't')
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn path(c: char) -> StorePath {
        StorePath::parse(&format!("/nix/store/{}-x", c.to_string().repeat(32))).unwrap()
    }

    #[test]
    fn mentions_are_found_in_texts_and_links() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, c) = (path('a'), path('b'), path('c'));
        fs::create_dir(dir.path().join("d")).unwrap();
        fs::write(
            dir.path().join("d/f"),
            format!("zz{a}/bin\n{}", &b.hash()[1..]),
        )
        .unwrap();
        symlink(format!("{c}/y"), dir.path().join("l")).unwrap();
        let found = scan(dir.path(), [&a, &b, &c]).unwrap();
        assert_eq!(found, [a, c].into());
    }
}
