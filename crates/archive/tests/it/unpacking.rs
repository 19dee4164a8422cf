//! Archives that want to write outside of their place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use snowglobe_archive::{Deb, Error, Unpacked, unpack_tar};
use tar::EntryType;

use crate::mirror::deb;

/// One entry, written without the checks that the tar library makes.
fn entry(kind: EntryType, name: &str, target: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    let bytes = header.as_mut_bytes();
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o4755);
    header.set_uid(12);
    header.set_gid(34);
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend(content);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn file(name: &str) -> Vec<u8> {
    entry(EntryType::Regular, name, "", b"bad")
}

fn link(name: &str, target: &str) -> Vec<u8> {
    entry(EntryType::Symlink, name, target, b"")
}

fn unpack(root: &Path, entries: &[Vec<u8>]) -> Result<Unpacked, Error> {
    let tar = [entries.concat(), vec![0; 1024]].concat();
    unpack_tar(tar.as_slice(), Path::new("evil.tar"), root, 0, &|_| true)
}

#[test]
fn nothing_leaves_its_place() {
    let rows: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("parent", vec![file("../outside")]),
        ("parent inside", vec![file("a/../../outside")]),
        ("absolute", vec![file("/outside")]),
        (
            "link to the parent",
            vec![link("a", ".."), file("a/outside")],
        ),
        (
            "absolute link",
            vec![link("a", "/tmp"), file("a/snowglobe-outside")],
        ),
        (
            "hard link",
            vec![entry(EntryType::Link, "a", "../secret", b"")],
        ),
        (
            "hard link through a link",
            vec![
                link("d", ".."),
                entry(EntryType::Link, "a", "d/secret", b""),
            ],
        ),
        ("device", vec![entry(EntryType::Block, "a", "", b"")]),
        ("pipe", vec![entry(EntryType::Fifo, "a", "", b"")]),
        (
            "replaced by a file",
            vec![link("a", "../secret"), file("a")],
        ),
    ];
    for (what, entries) in rows {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir(&root).unwrap();
        let secret = directory.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        let result = unpack(&root, &entries);
        assert_eq!(fs::read_to_string(&secret).unwrap(), "secret", "{what}");
        let mut names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["root", "secret"], "{what}");
        assert!(!Path::new("/tmp/snowglobe-outside").exists(), "{what}");
        let linked = fs::read(root.join("a")).is_ok_and(|content| content == b"secret");
        assert!(!linked, "{what}");
        if ["parent", "absolute", "device", "pipe", "hard link"].contains(&what) {
            let error = result.unwrap_err();
            assert!(matches!(error, Error::Member { .. }), "{what}: {error}");
            assert!(error.to_string().contains("evil.tar"), "{what}: {error}");
        }
    }
}

#[test]
fn modes_links_and_owners() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let unpacked = unpack(
        root,
        &[
            file("./usr/bin/tool"),
            entry(EntryType::Link, "./usr/bin/same", "./usr/bin/tool", b""),
            link("./bin", "usr/bin"),
            file("./bin/other"),
        ],
    )
    .unwrap();
    assert_eq!(unpacked.paths.len(), 4);
    assert_eq!((unpacked.owners[0].uid, unpacked.owners[0].gid), (12, 34));
    let mode = fs::metadata(root.join("usr/bin/tool"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o4755);
    assert_eq!(fs::read(root.join("usr/bin/same")).unwrap(), b"bad");
    // A package that still uses /bin is unpacked through the link, as dpkg does.
    assert_eq!(fs::read(root.join("usr/bin/other")).unwrap(), b"bad");
    // Again over what is there.
    unpack(
        root,
        &[
            file("usr/bin/tool"),
            link("bin", "usr/bin"),
            file("bin/other"),
        ],
    )
    .unwrap();
}

#[test]
fn packages() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.deb");
    let good = deb("hello", "1.0");
    fs::write(&path, &good).unwrap();
    let package = Deb::open(&path).unwrap();
    let control = package.control().unwrap();
    assert!(control["control"].0.starts_with(b"Package: hello\n"));
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    package.unpack(&root, &|_| true).unwrap();
    assert_eq!(fs::read(root.join("usr/share/hello/data")).unwrap(), b"1.0");
    // However it is cut, it ends in an error or a shorter package, never in a panic.
    for length in (0..good.len()).step_by(7) {
        fs::write(&path, &good[..length]).unwrap();
        if let Ok(package) = Deb::open(&path) {
            let _ = package.control();
            let _ = package.unpack(&root, &|_| true);
        }
    }
}
