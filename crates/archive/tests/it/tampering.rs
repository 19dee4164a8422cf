//! What was changed on its way or in the cache is refused or fetched again, and named.

use std::fs;

use snowglobe_archive::{Deb, Error, Settings};

use crate::mirror::{Mirror, Release, flip};

const IN_RELEASE: &str = "debian/dists/trixie/InRelease";

#[track_caller]
fn refused(mirror: &Mirror, words: &[&str]) -> Error {
    let cache = tempfile::tempdir().unwrap();
    let error = mirror
        .archive(cache.path())
        .open_current_or_fetch()
        .unwrap_err();
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "'{word}' is not in: {text}");
    }
    // Nothing was chosen, and nothing half made stays.
    let left: Vec<_> = fs::read_dir(cache.path().join("archive"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["lock"]);
    error
}

#[test]
fn a_flipped_byte_in_a_release() {
    let mirror = Mirror::new();
    flip(&mirror.path(IN_RELEASE));
    let error = refused(
        &mirror,
        &["dists/trixie/InRelease", "not signed by a trusted key"],
    );
    assert!(matches!(error, Error::Signature { .. }));
}

#[test]
fn a_release_without_signature_or_with_text_around_it() {
    for change in [
        |_: String| "Codename: trixie\n".to_owned(),
        |text: String| format!("x\n{text}"),
    ] {
        let mirror = Mirror::new();
        let path = mirror.path(IN_RELEASE);
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
        refused(&mirror, &["dists/trixie/InRelease"]);
    }
}

#[test]
fn a_release_signed_by_somebody_else() {
    let (mirror, other) = (Mirror::new(), Mirror::new());
    fs::copy(other.path(IN_RELEASE), mirror.path(IN_RELEASE)).unwrap();
    refused(&mirror, &["unknown key"]);
}

#[test]
fn debians_keys_do_not_accept_the_test_mirror() {
    let mirror = Mirror::new();
    let cache = tempfile::tempdir().unwrap();
    let settings = Settings {
        keys: snowglobe_archive::Keyring::debian(),
        ..mirror.settings()
    };
    let archive = snowglobe_archive::Archive::new(cache.path(), settings);
    assert!(matches!(
        archive.open_current_or_fetch(),
        Err(Error::Signature { .. })
    ));
}

#[test]
fn an_expired_release_and_one_of_another_suite() {
    let mirror = Mirror::new();
    let old = Release {
        valid_until: "Sat, 21 Nov 2020 00:00:00 UTC",
        ..Release::default()
    };
    mirror.suite("debian", "trixie-updates", "", old);
    refused(
        &mirror,
        &["trixie-updates/InRelease", "2020-11-21T00:00:00Z"],
    );
    let other = Release {
        codename: Some("bookworm"),
        ..Release::default()
    };
    mirror.suite("debian", "trixie-updates", "", other);
    refused(
        &mirror,
        &["the release of 'bookworm', not of 'trixie-updates'"],
    );
}

#[test]
fn a_flipped_byte_in_a_package_list() {
    let mirror = Mirror::new();
    let list = "debian/dists/trixie/main/binary-amd64/Packages.xz";
    flip(&mirror.path(list));
    let error = refused(&mirror, &[list, "is damaged"]);
    assert!(matches!(error, Error::Digest { .. }));
}

#[test]
fn a_flipped_byte_in_a_package() {
    let mirror = Mirror::new();
    let cache = tempfile::tempdir().unwrap();
    let archive = mirror.archive(cache.path());
    let package = archive
        .open_current_or_fetch()
        .unwrap()
        .require("hello")
        .unwrap();
    let wanted = archive.wanted(&package).unwrap();
    let path = mirror.path("debian").join(package.file_name());
    flip(&path);
    let error = archive.downloads().get(&wanted).unwrap_err();
    assert!(matches!(error, Error::Digest { .. }), "{error}");
    assert!(error.to_string().contains("hello_1.0-1_all.deb"), "{error}");
    // The next attempt begins anew.
    flip(&path);
    let path = archive.downloads().get(&wanted).unwrap();
    Deb::open(&path).unwrap();
}

#[test]
fn a_damaged_download_is_fetched_again() {
    let mirror = Mirror::new();
    let cache = tempfile::tempdir().unwrap();
    let archive = mirror.archive(cache.path());
    let package = archive
        .open_current_or_fetch()
        .unwrap()
        .require("hello")
        .unwrap();
    let wanted = archive.wanted(&package).unwrap();
    let path = archive.downloads().get(&wanted).unwrap();
    let good = fs::read(&path).unwrap();
    flip(&path);
    archive
        .downloads()
        .get_each(std::slice::from_ref(&wanted), |_, path| {
            assert_eq!(fs::read(path).unwrap(), good);
            Ok::<_, Error>(())
        })
        .unwrap();
    // A partial file with wrong content does not last either.
    fs::remove_file(&path).unwrap();
    let partial = cache
        .path()
        .join("downloads/partial")
        .join(wanted.digest.hex());
    fs::write(&partial, b"something else").unwrap();
    assert_eq!(
        fs::read(archive.downloads().get(&wanted).unwrap()).unwrap(),
        good
    );
    assert!(!partial.exists());
}

#[test]
fn a_damaged_index_is_made_again_without_network() {
    let mirror = Mirror::new();
    let cache = tempfile::tempdir().unwrap();
    let archive = mirror.archive(cache.path());
    let snapshot = archive.open_current_or_fetch().unwrap();
    let index = snapshot.directory().join("index");
    let good = fs::read(&index).unwrap();
    let id = snapshot.id().to_owned();
    drop(snapshot);
    fs::rename(mirror.path("debian"), mirror.path("away")).unwrap();
    flip(&index);
    archive.open(&id).unwrap();
    assert_eq!(fs::read(&index).unwrap(), good);
    fs::remove_file(&index).unwrap();
    archive.open_current_or_fetch().unwrap();
    assert_eq!(fs::read(&index).unwrap(), good);
    // But not from releases that nobody signed.
    flip(&index);
    flip(&index.with_file_name("InRelease.trixie"));
    assert!(matches!(archive.open(&id), Err(Error::Signature { .. })));
}

#[test]
fn offline_says_what_is_missing() {
    let mirror = Mirror::new();
    let cache = tempfile::tempdir().unwrap();
    let snapshot = mirror
        .archive(cache.path())
        .open_current_or_fetch()
        .unwrap();
    let mut settings = mirror.settings();
    settings.mirrors = snowglobe_archive::Mirrors::at("http://mirror.invalid/debian");
    settings.offline = true;
    let archive = snowglobe_archive::Archive::new(cache.path(), settings);
    let wanted: Vec<_> = ["hello", "libhello"]
        .iter()
        .map(|name| archive.wanted(&snapshot.require(name).unwrap()).unwrap())
        .collect();
    let error = archive
        .downloads()
        .get_each(&wanted, |_, _| Ok::<_, Error>(()))
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("hello 1.0-1") && text.contains("libhello 1.0-1+deb13u1"),
        "{text}"
    );
    let empty = tempfile::tempdir().unwrap();
    let mut settings = mirror.settings();
    settings.mirrors = snowglobe_archive::Mirrors::at("http://mirror.invalid/debian");
    settings.offline = true;
    let archive = snowglobe_archive::Archive::new(empty.path(), settings);
    let error = archive.open_current_or_fetch().unwrap_err().to_string();
    assert!(
        error.contains("offline") && error.contains("snapshot"),
        "{error}"
    );
}
