//! `builtin:debian`: a view of Debian packages in nixpkgs' file layout, made of links into the file
//! hierarchy where Debian's files lie.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use fs_err as fs;
use serde::Deserialize;
use snowglobe_plan::Derivation;

use super::{BuilderError, inside, json};
use crate::world::{Installed, PackageFile};

/// The parameter of a view.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct View {
    /// Packages that must be installed where the view is used.
    pub install: Vec<String>,
    /// Packages whose files are seen; `None`: those installed.
    #[serde(default)]
    pub files: Option<Vec<String>>,
    /// Further links, from a path in the view to an absolute path.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    /// Top-level folders of the view to keep; `None`: all.
    #[serde(default)]
    pub only: Option<Vec<String>>,
}

/// Reads the parameter of a `builtin:debian` derivation.
pub fn view(derivation: &Derivation) -> Result<View, BuilderError> {
    json(derivation, "debian")
}

/// Longest first: the first prefix that fits decides.
const PLACES: &[(&str, &str)] = &[
    // Where layers keep what packages have in /etc and the configuration is to say.
    ("/usr/share/snowglobe/etc/", "etc/"),
    ("/usr/lib/x86_64-linux-gnu/", "lib/"),
    ("/lib/x86_64-linux-gnu/", "lib/"),
    ("/usr/libexec/", "libexec/"),
    ("/usr/include/", "include/"),
    ("/usr/games/", "bin/"),
    ("/usr/share/", "share/"),
    ("/usr/sbin/", "bin/"),
    ("/usr/bin/", "bin/"),
    ("/usr/lib/", "lib/"),
    ("/sbin/", "bin/"),
    ("/bin/", "bin/"),
    ("/lib/", "lib/"),
    ("/etc/", "etc/"),
];

/// Where a file of a package stands in a view; `None`: nowhere.
fn place(path: &str) -> Option<String> {
    PLACES.iter().find_map(|(prefix, folder)| {
        path.strip_prefix(prefix)
            .filter(|rest| !rest.is_empty())
            .map(|rest| format!("{folder}{rest}"))
    })
}

/// Makes the view.
pub fn build(
    derivation: &Derivation,
    out: &Path,
    installed: &dyn Installed,
) -> Result<(), BuilderError> {
    let view = view(derivation)?;
    let mut links: BTreeMap<String, String> = BTreeMap::new();
    for package in view.files.as_ref().unwrap_or(&view.install) {
        for PackageFile { path, directory } in installed.files(package)? {
            if let (false, Some(place)) = (directory, place(&path)) {
                links.entry(place).or_insert(path);
            }
        }
    }
    links.extend(view.links);
    if let Some(only) = &view.only {
        links.retain(|place, _| only.iter().any(|top| place.split('/').next() == Some(top)));
    }
    fs::create_dir(out)?;
    for (place, target) in links {
        let link = inside(out, &place)?;
        fs::create_dir_all(link.parent().expect("a path below the output"))?;
        if link.symlink_metadata().is_err() {
            symlink(target, link)?;
        }
    }
    // Programs that Debian keeps for the administrator are in `bin` too; some know them as `sbin`.
    if out.join("bin").exists() && !out.join("sbin").exists() {
        symlink("bin", out.join("sbin"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_their_nixpkgs_places() {
        for (path, expected) in [
            ("/usr/sbin/nginx", Some("bin/nginx")),
            ("/usr/bin/curl", Some("bin/curl")),
            ("/usr/lib/x86_64-linux-gnu/libz.so.1", Some("lib/libz.so.1")),
            (
                "/usr/lib/systemd/system/nginx.service",
                Some("lib/systemd/system/nginx.service"),
            ),
            (
                "/usr/share/nginx/html/index.html",
                Some("share/nginx/html/index.html"),
            ),
            ("/etc/nginx/mime.types", Some("etc/nginx/mime.types")),
            (
                "/usr/share/snowglobe/etc/nginx/mime.types",
                Some("etc/nginx/mime.types"),
            ),
            ("/var/lib/nginx", None),
            ("/usr/bin/", None),
        ] {
            assert_eq!(place(path).as_deref(), expected, "{path}");
        }
    }
}
