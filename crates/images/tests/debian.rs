//! Images from the real archive. Needs the network and a minute or two, so that it runs only with
//! `SNOWGLOBE_E2E=1`; `SNOWGLOBE_CACHE` lets it use what was downloaded before.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fs_err as fs;
use snowglobe_archive::{Archive, Settings, Silent};
use snowglobe_images::{Cache, ETC_ASIDE, Error, Images};
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

    // A changed tree and a changed image are made again, and are the same.
    let image = images.package_image(&layer).unwrap();
    let program = layer.tree.join("usr/sbin/nginx");
    for file in [&image, &program] {
        let good = fs::read(file).unwrap();
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 1;
        fs::write(file, &bad).unwrap();
        let again = images.packages(&set(&["openssh-server", "nginx"])).unwrap();
        assert_eq!(again.key, layer.key);
        assert_eq!(images.package_image(&again).unwrap(), image);
        assert!(fs::read(file).unwrap() == good, "{}", file.display());
    }

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

/// A layer with owners, special permissions and capabilities, which a stream brings.
fn system_layer(images: &Images) {
    // struct vfs_cap_data, revision 2: cap_net_raw, permitted and effective.
    let mut capability = [0; 20];
    capability[..8].copy_from_slice(&[1, 0, 0, 2, 0, 0x20, 0, 0]);
    let write = |out: &mut dyn std::io::Write| {
        let mut tar = tar::Builder::new(out);
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1);
        let mut add = |path: &str, mode, owner: (u64, u64), content: Option<&str>| {
            header.set_entry_type(match content {
                Some(_) => tar::EntryType::Regular,
                None => tar::EntryType::Directory,
            });
            header.set_mode(mode);
            header.set_uid(owner.0);
            header.set_gid(owner.1);
            let content = content.unwrap_or_default();
            header.set_size(content.len() as u64);
            if path.ends_with("ping") {
                tar.append_pax_extensions([("SCHILY.xattr.security.capability", &capability[..])])?;
            }
            tar.append_data(&mut header, path, content.as_bytes())
        };
        add("./", 0o755, (0, 0), None)?;
        add("wrappers/", 0o755, (0, 0), None)?;
        add("wrappers/ping", 0o755, (0, 0), Some("program"))?;
        add("wrappers/private/", 0o2750, (71, 72), None)?;
        Ok(())
    };
    let make = |key| {
        images
            .stream_to_erofs(key, "write a layer", &write)
            .unwrap()
    };
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
