//! The archive format whose hash identifies a tree of files.
//!
//! Every string is its length (64 bit, little endian), its bytes, and zeros up to a multiple of
//! eight.

use std::io::{self, Write};

/// A tree of files that is to be archived; contents are read when they are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// A regular file.
    File {
        /// Where its content is, as the host knows it.
        path: Vec<u8>,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A file whose content is here.
    Bytes {
        /// Its content.
        contents: Vec<u8>,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: Vec<u8>,
    },
    /// A directory.
    Directory {
        /// What is in it, in any order, each name once.
        entries: Vec<(Vec<u8>, Tree)>,
    },
}

fn string(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(bytes)?;
    out.write_all(&[0; 8][..(8 - bytes.len() % 8) % 8])
}

fn strings(out: &mut impl Write, all: &[&[u8]]) -> io::Result<()> {
    all.iter().try_for_each(|bytes| string(out, bytes))
}

/// Writes an archive. `read` gives the content of a [`Tree::File`].
pub fn write<E: From<io::Error>>(
    out: &mut impl Write,
    tree: &Tree,
    read: &mut impl FnMut(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<(), E> {
    string(out, b"nix-archive-1")?;
    node(out, tree, read)
}

fn node<E: From<io::Error>>(
    out: &mut impl Write,
    tree: &Tree,
    read: &mut impl FnMut(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<(), E> {
    strings(out, &[b"(", b"type"])?;
    match tree {
        Tree::File { path, executable } => file(out, &read(path)?, *executable)?,
        Tree::Bytes {
            contents,
            executable,
        } => file(out, contents, *executable)?,
        Tree::Symlink { target } => strings(out, &[b"symlink", b"target", target])?,
        Tree::Directory { entries } => {
            string(out, b"directory")?;
            let mut sorted: Vec<&(Vec<u8>, Tree)> = entries.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            for (name, inner) in sorted {
                strings(out, &[b"entry", b"(", b"name", name, b"node"])?;
                node(out, inner, read)?;
                string(out, b")")?;
            }
        }
    }
    string(out, b")")?;
    Ok(())
}

fn file(out: &mut impl Write, contents: &[u8], executable: bool) -> io::Result<()> {
    string(out, b"regular")?;
    if executable {
        strings(out, &[b"executable", b""])?;
    }
    string(out, b"contents")?;
    string(out, contents)
}

/// SHA-256 of an archive, without keeping it.
pub fn sha256<E: From<io::Error>>(
    tree: &Tree,
    read: &mut impl FnMut(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<[u8; 32], E> {
    let mut hasher = Hasher::<sha2::Sha256>::default();
    write(&mut hasher, tree, read)?;
    Ok(sha2::Digest::finalize(hasher.0).into())
}

/// A digest as something to write to.
#[derive(Default)]
pub struct Hasher<D>(pub D);

impl<D: sha2::Digest> Write for Hasher<D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(tree: &Tree) -> String {
        let mut read = |_: &[u8]| -> io::Result<Vec<u8>> { Ok(b"x".to_vec()) };
        super::super::hash::hex(&sha256(tree, &mut read).unwrap())
    }

    #[test]
    fn archives_have_the_known_layout() {
        let mut bytes = Vec::new();
        let tree = Tree::Bytes {
            contents: b"hi\n".to_vec(),
            executable: true,
        };
        write(&mut bytes, &tree, &mut |_: &[u8]| -> io::Result<Vec<u8>> {
            Ok(Vec::new())
        })
        .unwrap();
        assert_eq!(bytes.len() % 8, 0);
        assert!(bytes.starts_with(b"\x0d\0\0\0\0\0\0\0nix-archive-1\0\0\0"));
        assert!(
            bytes.ends_with(b"\x03\0\0\0\0\0\0\0hi\n\0\0\0\0\0\x01\0\0\0\0\0\0\0)\0\0\0\0\0\0\0")
        );
    }

    #[test]
    fn order_of_entries_does_not_matter() {
        let file = |name: &str| {
            (
                name.as_bytes().to_vec(),
                Tree::File {
                    path: Vec::new(),
                    executable: false,
                },
            )
        };
        let a = Tree::Directory {
            entries: vec![file("a"), file("b")],
        };
        let b = Tree::Directory {
            entries: vec![file("b"), file("a")],
        };
        assert_eq!(hash(&a), hash(&b));
        assert_ne!(
            hash(&a),
            hash(&Tree::Directory {
                entries: vec![file("a")]
            })
        );
    }
}
