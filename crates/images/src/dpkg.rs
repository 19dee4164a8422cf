//! The part of dpkg that we do ourselves: unpacking packages in parallel and telling dpkg about it,
//! so that dpkg has only to configure them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use fs_err as fs;
use snowglobe_archive::{Archive, Closure, Control, Deb, Package, Stanza, Unpacked};

use crate::tools::make_directory;
use crate::{Error, Result};

/// Where packages are told about.
const DATABASE: &str = "var/lib/dpkg";

/// A package that was unpacked.
pub(crate) struct Done {
    pub control: Control,
    pub unpacked: Unpacked,
}

/// Downloads packages and unpacks them below a directory, as they arrive.
pub(crate) fn unpack(
    archive: &Archive,
    closure: &Closure,
    root: &Path,
    keep: &(dyn Fn(&Path) -> bool + Sync),
) -> Result<BTreeMap<String, Done>> {
    let packages: Vec<&Package> = closure.values().collect();
    let wanted = packages
        .iter()
        .map(|package| archive.wanted(package))
        .collect::<snowglobe_archive::Result<Vec<_>>>()?;
    let done = Mutex::new(BTreeMap::new());
    archive.downloads().get_each(&wanted, |number, path| {
        let deb = Deb::open(path)?;
        let result = Done {
            control: deb.control()?,
            unpacked: deb.unpack(root, keep)?,
        };
        let name = packages[number].name().to_owned();
        done.lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .insert(name, result);
        Ok::<_, Error>(())
    })?;
    Ok(done
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner()))
}

/// Writes the database of a system in which the packages are unpacked and not configured.
pub(crate) fn write_database(root: &Path, packages: &BTreeMap<String, Done>) -> Result<()> {
    let database = root.join(DATABASE);
    let info = database.join("info");
    make_directory(&root.join("var/lib"))?;
    make_directory(&database)?;
    for directory in ["info", "updates", "triggers", "alternatives", "parts"] {
        make_directory(&database.join(directory))?;
    }
    fs::write(info.join("format"), "1\n")?;
    fs::write(database.join("available"), "")?;
    fs::write(database.join("diversions"), "")?;
    fs::write(database.join("statoverride"), "")?;
    let mut status = String::new();
    let mut triggers: BTreeMap<String, String> = BTreeMap::new();
    for (name, done) in packages {
        let malformed = || Error::Malformed {
            path: name.into(),
            reason: "the package has no control file".into(),
        };
        let (control, _) = done.control.get("control").ok_or_else(malformed)?;
        let control = std::str::from_utf8(control).map_err(|_| malformed())?;
        for (field, value) in Stanza::new(control).fields() {
            let _ = writeln!(status, "{field}: {value}");
            if field == "Package" {
                status.push_str("Status: install ok unpacked\n");
            }
        }
        status.push('\n');
        let same = Stanza::new(control).get("Multi-Arch") == Some("same");
        let base = if same {
            format!("{name}:amd64")
        } else {
            name.clone()
        };
        for (file, (content, mode)) in &done.control {
            if file == "control" {
                continue;
            }
            let path = info.join(format!("{base}.{file}"));
            fs::write(&path, content)?;
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(*mode))?;
        }
        fs::write(info.join(format!("{base}.list")), list(&done.unpacked))?;
        if let Some((content, _)) = done.control.get("triggers") {
            add_triggers(&mut triggers, name, &String::from_utf8_lossy(content));
        }
    }
    fs::write(database.join("status"), status)?;
    for (file, content) in triggers {
        fs::write(database.join("triggers").join(file), content)?;
    }
    Ok(())
}

/// The paths of a package, as dpkg lists them.
pub(crate) fn list(unpacked: &Unpacked) -> String {
    let mut text = "/.\n".to_owned();
    for path in &unpacked.paths {
        let _ = writeln!(text, "/{}", path.display());
    }
    text
}

/// Notes what a package wants to be told about: files by path in one list, named triggers in a
/// list each.
fn add_triggers(triggers: &mut BTreeMap<String, String>, package: &str, text: &str) {
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let (Some(directive), Some(trigger)) = (words.next(), words.next()) else {
            continue;
        };
        let mark = match directive {
            "interest" | "interest-await" => "",
            "interest-noawait" => "/noawait",
            _ => continue,
        };
        if trigger.starts_with('/') {
            let file = triggers.entry("File".into()).or_default();
            let _ = writeln!(file, "{trigger} {package}{mark}");
        } else if !trigger.contains('/') {
            let file = triggers.entry(trigger.to_owned()).or_default();
            let _ = writeln!(file, "{package}{mark}");
        }
    }
}
