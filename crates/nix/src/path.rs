//! Paths as the language sees them: bytes, absolute, without `.`, `..` or repeated slashes.

/// Normal form of an absolute path; purely textual.
pub fn canonical(path: &[u8]) -> Vec<u8> {
    let mut result: Vec<u8> = Vec::with_capacity(path.len());
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                let end = result.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                result.truncate(end);
            }
            part => {
                result.push(b'/');
                result.extend_from_slice(part);
            }
        }
    }
    if result.is_empty() {
        result.push(b'/');
    }
    result
}

/// `path`, taken relative to `base` unless it is absolute; not normalised.
pub fn join(base: &[u8], path: &[u8]) -> Vec<u8> {
    if path.starts_with(b"/") {
        return path.to_vec();
    }
    let mut result = base.to_vec();
    result.push(b'/');
    result.extend_from_slice(path);
    result
}

/// What stands before the last slash; `/` for a path at the top.
pub fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(0) | None => b"/",
        Some(end) => &path[..end],
    }
}

/// What stands after the last slash.
pub fn file_name(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => &path[slash + 1..],
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_paths() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/../..", "/"),
            ("//a/./b//", "/a/b"),
            ("/a/b/../c", "/a/c"),
            ("", "/"),
        ] {
            assert_eq!(canonical(path.as_bytes()), expected.as_bytes(), "of {path}");
        }
    }

    #[test]
    fn parts() {
        assert_eq!(parent(b"/a/b"), b"/a");
        assert_eq!(parent(b"/a"), b"/");
        assert_eq!(file_name(b"/a/b"), b"b");
        assert_eq!(join(b"/a", b"b"), b"/a/b");
        assert_eq!(join(b"/a", b"/b"), b"/b");
    }
}
