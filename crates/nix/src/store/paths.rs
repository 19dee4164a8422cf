//! Names of store objects.

use super::{STORE_DIR, base32, hash};

/// Longest name of a store object.
const MAX_NAME: usize = 211;

/// Whether a path is that of a store object itself, not of something in it.
pub fn is_store_path(path: &str) -> bool {
    split(path).is_some_and(|(_, rest)| rest.is_empty())
}

/// Cuts a path into that of the store object it lies in and what follows, which is empty or
/// begins with `/`.
pub fn split(path: &str) -> Option<(&str, &str)> {
    let base = path.strip_prefix(STORE_DIR)?.strip_prefix('/')?;
    let end = base.find('/').unwrap_or(base.len());
    let (hash, name) = base[..end].split_once('-')?;
    let valid = hash.len() == 32
        && hash
            .bytes()
            .all(|c| c.is_ascii_digit() || (c.is_ascii_lowercase() && !b"eotu".contains(&c)))
        && check_name(name).is_ok();
    valid.then(|| path.split_at(path.len() - base.len() + end))
}

/// Whether a store object may have a name; why not, in CppNix's words.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("name must not be empty".to_owned());
    }
    if name.len() > MAX_NAME {
        return Err(format!(
            "name '{name}' must be no longer than {MAX_NAME} characters"
        ));
    }
    if name == "." || name == ".." {
        return Err(format!("name '{name}' is not valid"));
    }
    if name.starts_with(".-") || name.starts_with("..-") {
        let part = name.split('-').next().unwrap_or_default();
        return Err(format!(
            "name '{name}' is not valid: first dash-separated component must not be '{part}'"
        ));
    }
    match name
        .chars()
        .find(|&c| !(c.is_ascii_alphanumeric() || "+-._?=".contains(c)))
    {
        Some(c) => Err(format!("name '{name}' contains illegal character '{c}'")),
        None => Ok(()),
    }
}

/// The path of an object: a hash of what it is, folded to 160 bits.
pub fn make(kind: &str, sha256: &[u8; 32], name: &str) -> String {
    let description = format!("{kind}:sha256:{}:{STORE_DIR}:{name}", hash::hex(sha256));
    let digest = hash::sha256(description.as_bytes());
    let mut folded = [0u8; 20];
    for (index, byte) in digest.iter().enumerate() {
        folded[index % 20] ^= byte;
    }
    format!("{STORE_DIR}/{}-{name}", base32::encode(&folded))
}

/// The path of a text; `references` sorted.
pub fn text(name: &str, contents: &[u8], references: &[String]) -> String {
    let mut kind = "text".to_owned();
    for reference in references {
        kind.push(':');
        kind.push_str(reference);
    }
    make(&kind, &hash::sha256(contents), name)
}

/// The path of an object whose content has a known hash.
pub fn fixed(name: &str, recursive: bool, algorithm: hash::Algorithm, digest: &[u8]) -> String {
    if recursive
        && algorithm == hash::Algorithm::Sha256
        && let Ok(digest) = digest.try_into()
    {
        return make("source", digest, name);
    }
    let method = if recursive { "r:" } else { "" };
    let description = format!(
        "fixed:out:{method}{}:{}:",
        algorithm.name(),
        hash::hex(digest)
    );
    make("output:out", &hash::sha256(description.as_bytes()), name)
}

/// The path of a tree with this NAR hash.
pub fn source(name: &str, nar_sha256: &[u8; 32]) -> String {
    make("source", nar_sha256, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_paths_are_recognised() {
        let path = "/nix/store/w2bcj3xslzzcihhgq4zrdr68zcsrsprf-hello";
        assert!(is_store_path(path));
        assert_eq!(split(&format!("{path}/bin/x")), Some((path, "/bin/x")));
        for bad in [
            "/nix/store/short-x",
            "/nix/store",
            "/nix/store/e2bcj3xslzzcihhgq4zrdr68zcsrsprf-hello",
            "/tmp/x",
        ] {
            assert!(!is_store_path(bad), "{bad}");
        }
    }

    #[test]
    fn names_are_checked() {
        for (name, good) in [
            ("a", true),
            ("", false),
            (".", false),
            (".a", true),
            (".-a", false),
            ("a b", false),
            ("a/b", false),
        ] {
            assert_eq!(check_name(name).is_ok(), good, "{name:?}");
        }
    }
}
