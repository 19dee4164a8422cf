//! Images from the real archive. Needs the network and a minute or two, so that it runs only with
//! `SNOWGLOBE_E2E=1`; `SNOWGLOBE_CACHE` lets it use what was downloaded before.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fs_err as fs;
use snowglobe_archive::{Archive, Settings, Silent};
use snowglobe_images::{Attributes, Cache, ETC_ASIDE, Error, Images, capability};
use snowglobe_sandbox::{Access, Sandbox};

/// Images in a cache of their own that shares downloads with the user's cache; `None` when the
/// test should not run.
fn images() -> Option<(tempfile::TempDir, Images)> {
    if std::env::var_os("SNOWGLOBE_E2E").is_none_or(|value| value != "1") {
        eprintln!("skipped: set SNOWGLOBE_E2E=1 to run tests that download Debian packages");
        return None;
    }
    let user = Cache::of_user().unwrap();
    let directory = tempfile::tempdir_in(user.root()).unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    // The archive is the user's, so that nothing is downloaded twice.
    let archive = Archive::new(user.root(), Settings::default());
    let snapshot = archive.open_current_or_fetch().unwrap();
    Some((
        directory,
        Images::new(cache, archive, snapshot, Arc::new(Silent)),
    ))
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Runs a program of the base and a layer over it.
fn run(layers: &[&Path], program: &str, args: &[&str]) -> String {
    let mut sandbox = Sandbox::new(layers.iter().map(|layer| layer.to_path_buf()));
    sandbox.discard_writes();
    let output = sandbox
        .command(program)
        .env("PATH", "/usr/sbin:/usr/bin")
        .args(args.iter().copied())
        .output(Duration::from_secs(60))
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn base_packages_and_system_layers() {
    let Some((_directory, images)) = images() else {
        return;
    };
    let layer = images.packages(&set(&["nginx", "openssh-server"])).unwrap();
    let base = images.base().unwrap();

    // The programs work, with everything that they need.
    let version = run(&[&base.tree, &layer.tree], "/usr/sbin/nginx", &["-v"]);
    assert!(version.contains("nginx/"), "{version}");

    // Lists tell where files are in a machine.
    let files = layer.files("nginx-common").unwrap().unwrap();
    let aside = PathBuf::from(format!("{ETC_ASIDE}/nginx/mime.types"));
    assert!(files.contains(&aside), "{files:?}");
    assert!(layer.tree.join(aside.strip_prefix("/").unwrap()).is_file());
    assert!(
        layer
            .files("coreutils")
            .unwrap()
            .unwrap()
            .contains(&"/usr/bin/ls".into())
    );
    assert!(layer.files("no-such-package").unwrap().is_none());
    assert!(layer.packages().unwrap().contains("openssh-server"));
    assert!(!layer.packages().unwrap().contains("coreutils"));

    // Nothing that all machines would share, nothing that the configuration is to say.
    for path in [
        "etc/passwd",
        "etc/ssh",
        "etc/nginx",
        "etc/systemd",
        "var/lib/dpkg",
        "etc/machine-id",
    ] {
        assert!(!layer.tree.join(path).exists(), "{path}");
    }
    let keys = layer
        .tree
        .join(ETC_ASIDE.trim_start_matches('/'))
        .join("ssh");
    for entry in fs::read_dir(keys).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with("ssh_host_"), "{name}");
    }
    assert!(layer.tree.join("var/lib/nginx").is_dir());

    // A changed image is made again, and is the same.
    let good = fs::read(&layer.image).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&layer.image, &bad).unwrap();
    let again = images.packages(&set(&["openssh-server", "nginx"])).unwrap();
    assert_eq!(again.key, layer.key);
    assert!(fs::read(&again.image).unwrap() == good);

    // The kernel and its initial RAM disk.
    assert!(
        fs::read(images.kernel().unwrap())
            .unwrap()
            .starts_with(b"\x7fELF")
    );
    let initrd = fs::read(images.initrd(b"the agent").unwrap()).unwrap();
    let text = String::from_utf8_lossy(&initrd);
    assert!(text.starts_with("070701") && text.contains("/modules/virtio_blk.ko\n"));

    system_layer(&images);
    errors(&images);
}

/// A tree with owners that the caller gives, as the system layer has.
fn system_layer(images: &Images) {
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("ping"), "program").unwrap();
    fs::create_dir(tree.path().join("private")).unwrap();
    fs::os::unix::fs::symlink("ping", tree.path().join("link")).unwrap();
    let attributes = [
        Attributes {
            path: "wrappers/ping".into(),
            mode: Some(0o755),
            capability: Some(capability(&[13], &[], true)),
            ..Attributes::default()
        },
        Attributes {
            path: "wrappers/private".into(),
            uid: 71,
            gid: 72,
            mode: Some(0o2750),
            ..Attributes::default()
        },
    ];
    let trees = [(tree.path().to_owned(), PathBuf::from("wrappers"))];
    let make = |key| images.tree_to_erofs(key, &trees, &attributes).unwrap();
    let image = make("system-1");
    assert!(fs::read(&image).unwrap() == fs::read(make("system-2")).unwrap());

    let mut sandbox = images.tools(&[]).unwrap().sandbox();
    sandbox.bind(&image, "/mnt/image", Access::ReadOnly);
    let show = |path: &str| {
        let arguments = [format!("--path={path}"), "/mnt/image".to_owned()];
        let output = sandbox
            .command("/usr/bin/dump.erofs")
            .args(arguments)
            .output(Duration::from_secs(20))
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let private = show("/wrappers/private");
    assert!(
        private.contains("Uid: 71") && private.contains("Gid: 72"),
        "{private}"
    );
    assert!(private.contains("0750"), "{private}");
    let ping = show("/wrappers/ping");
    assert!(
        ping.contains("Xattr size: ") && !ping.contains("Xattr size: 0"),
        "{ping}"
    );
}

fn errors(images: &Images) {
    let error = images.packages(&set(&["ngnix"])).unwrap_err().to_string();
    assert!(
        error.contains("'ngnix' does not exist") && error.contains("nginx"),
        "{error}"
    );
    // Two packages that conflict.
    let error = images
        .packages(&set(&["exim4-daemon-light", "postfix"]))
        .unwrap_err();
    assert!(matches!(error, Error::Unsolvable { .. }), "{error}");
}
