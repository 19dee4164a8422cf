//! `builtin:npm` and `builtin:pypi`: unpacked packages of other registries.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;
use snowglobe_plan::Derivation;

use super::{BuilderError, inside, json};
use crate::world::{Foreign, World};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Npm {
    package: String,
    version: String,
    integrity: String,
    #[serde(default)]
    links: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pypi {
    package: String,
    version: String,
    sha256: String,
}

/// Unpacks an npm package below `lib/node_modules` and makes its links.
pub fn npm(derivation: &Derivation, out: &Path, world: &dyn World) -> Result<(), BuilderError> {
    let npm: Npm = json(derivation, "npm")?;
    let package = Foreign::Npm {
        package: npm.package.clone(),
        version: npm.version,
        integrity: npm.integrity,
    };
    let folder = format!("lib/node_modules/{}", npm.package);
    copy_tree(&world.unpack(&package)?, &inside(out, &folder)?)?;
    for (place, target) in npm.links {
        let link = inside(out, &place)?;
        inside(out, &target)?;
        fs::create_dir_all(link.parent().expect("a path below the output"))?;
        let up = "../".repeat(place.matches('/').count());
        symlink(format!("{up}{folder}/{target}"), link)?;
    }
    Ok(())
}

/// Unpacks a wheel into `lib/python3/site-packages`.
pub fn pypi(derivation: &Derivation, out: &Path, world: &dyn World) -> Result<(), BuilderError> {
    let Pypi {
        package,
        version,
        sha256,
    } = json(derivation, "pypi")?;
    let tree = world.unpack(&Foreign::Pypi {
        package,
        version,
        sha256,
    })?;
    copy_tree(&tree, &out.join("lib/python3/site-packages"))
}

/// Copies files, links and executable bits.
pub fn copy_tree(from: &Path, to: &Path) -> Result<(), BuilderError> {
    let data = fs::symlink_metadata(from)?;
    if data.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
    } else if data.is_dir() {
        fs::create_dir_all(to)?;
        let mut names: Vec<PathBuf> = fs::read_dir(from)?
            .map(|e| e.map(|e| e.path()))
            .collect::<Result<_, _>>()?;
        names.sort();
        for name in names {
            let file = name.file_name().expect("an entry of a folder has a name");
            copy_tree(&name, &to.join(file))?;
        }
    } else {
        fs::copy(from, to)?;
    }
    Ok(())
}
