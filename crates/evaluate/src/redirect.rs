//! Which paths and addresses mean "nixpkgs", and therefore our embedded tree.
//!
//! Tests of nixpkgs itself begin with `import ./make-test-python.nix` or `import ../lib/testing-python.nix`,
//! or take `../..` for the whole of nixpkgs. When someone has only the test file, those files are
//! not there; they are found by what the path looks like from where nixpkgs keeps its tests.

use crate::tree;

/// Where nixpkgs keeps a test, as seen from its root; the folders that a lonely file may stand for.
const TEST_FOLDERS: &[&str] = &["nixos/tests", "nixos/tests/x"];

/// The file of the embedded tree that a missing `path` means, if the file that mentions it lies in
/// `folder`. Both are absolute and have no `.` or `..`.
pub fn missing_path(path: &str, folder: &str) -> Option<String> {
    // A checkout of nixpkgs, whole or in part: what stands behind `/nixos/` or a top-level folder.
    for marker in [
        "/nixos/lib/",
        "/nixos/modules/",
        "/nixos/tests/",
        "/pkgs/",
        "/lib/",
    ] {
        if let Some(at) = path.find(marker) {
            let relative = &path[at + 1..];
            if tree::kind(relative).is_some() {
                return Some(format!("{}/{relative}", tree::ROOT));
            }
        }
    }
    // Relative to the lonely test, as if it lay where nixpkgs keeps its tests.
    for home in TEST_FOLDERS {
        if let Some(relative) = transplant(path, folder, home)
            && tree::kind(&relative).is_some()
        {
            return Some(
                format!("{}/{relative}", tree::ROOT)
                    .trim_end_matches('/')
                    .to_owned(),
            );
        }
    }
    None
}

/// `path` as it would be if `folder` were `home`.
fn transplant(path: &str, folder: &str, home: &str) -> Option<String> {
    let path: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    let folder: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    let common = path.iter().zip(&folder).take_while(|(a, b)| a == b).count();
    let home: Vec<&str> = home.split('/').collect();
    let up = folder.len() - common;
    let kept = home.len().checked_sub(up)?;
    let parts: Vec<&str> = home[..kept]
        .iter()
        .chain(&path[common..])
        .copied()
        .collect();
    Some(parts.join("/"))
}

/// Whether an address is that of a nixpkgs source, of any version.
pub fn is_nixpkgs_url(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let github = [
        "https://github.com/NixOS/nixpkgs/",
        "https://github.com/nixos/nixpkgs/",
    ];
    let api = "https://api.github.com/repos/NixOS/nixpkgs/";
    let channel = path.contains("://nixos.org/channels/")
        || path.contains("://channels.nixos.org/")
        || path.contains("://releases.nixos.org/");
    github.iter().any(|prefix| path.starts_with(prefix))
        || path
            .to_ascii_lowercase()
            .starts_with(&api.to_ascii_lowercase())
        || path.starts_with("https://codeload.github.com/NixOS/nixpkgs/")
        || (channel && path.contains("nixexprs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nixpkgs_sources_are_known() {
        for url in [
            "https://github.com/NixOS/nixpkgs/tarball/nixos-24.11",
            "https://github.com/NixOS/nixpkgs/archive/refs/tags/24.11.tar.gz",
            "https://github.com/nixos/nixpkgs/archive/0123abc.zip",
            "https://nixos.org/channels/nixos-unstable/nixexprs.tar.xz",
            "https://channels.nixos.org/nixos-24.11/nixexprs.tar.xz",
        ] {
            assert!(is_nixpkgs_url(url), "{url}");
        }
        for url in [
            "https://github.com/NixOS/nixos-hardware/archive/master.tar.gz",
            "https://example.org/nixpkgs.tar.gz",
        ] {
            assert!(!is_nixpkgs_url(url), "{url}");
        }
    }

    #[test]
    fn a_lonely_test_is_moved_to_where_nixpkgs_keeps_tests() {
        assert_eq!(
            transplant("/home/me/make-test-python.nix", "/home/me", "nixos/tests").as_deref(),
            Some("nixos/tests/make-test-python.nix")
        );
        assert_eq!(
            transplant("/home/lib/testing-python.nix", "/home/me", "nixos/tests").as_deref(),
            Some("nixos/lib/testing-python.nix")
        );
        assert_eq!(
            transplant("/", "/home/me", "nixos/tests").as_deref(),
            Some("")
        );
        assert_eq!(transplant("/", "/a/b/c/d", "nixos/tests"), None);
    }
}
