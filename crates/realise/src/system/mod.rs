//! The system layer of a node: store closure, `/etc`, accounts, homes, wrappers and what the first
//! process must know. It is written as a tar stream, so that owners and modes never touch the
//! host's file system.

mod accounts;
mod capabilities;
mod layer;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
use snowglobe_plan::{EtcKind, Node, StorePath, System};
use snowglobe_store::Store;

pub use accounts::Ids;
use accounts::{AccountError, Accounts};
use layer::Layer;

use crate::Installed;

/// Why a system layer cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// A file operation; the message names the file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] snowglobe_store::Error),
    /// Users and groups.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A file that an option names is in no layer and not in the store.
    #[error("{option} is '{path}', which does not exist in the machine")]
    NoSuchFile {
        /// The option.
        option: String,
        /// Its value.
        path: String,
    },
    /// A mode or owner cannot be read.
    #[error("{option} has {what} '{value}', which cannot be understood")]
    Value {
        /// The option.
        option: String,
        /// What the value is.
        what: &'static str,
        /// The value.
        value: String,
    },
}

/// Writes the system layer of a node as a tar stream. `paths` is what the node's toplevel and the
/// test's script refer to; `boot` is the text of `/.snowglobe/boot.json`.
pub fn write_layer(
    node: &Node,
    paths: &BTreeSet<StorePath>,
    installed: &dyn Installed,
    store: &Store,
    ids: Ids,
    boot: &str,
    to: impl Write,
) -> Result<(), SystemError> {
    let mut layer = Layer::default();
    let accounts = Accounts::new(&node.system, ids)?;
    let files = Files {
        store,
        layers: installed.layers(),
    };
    layer.directory("nix", 0o755, (0, 0));
    layer.directory("nix/store", 0o755, (0, 0));
    for path in paths {
        layer.object(
            &format!("nix/store/{}", path.base_name()),
            &store.object(path),
        )?;
    }
    etc(&mut layer, &node.system, &accounts, &files)?;
    accounts.write(&mut layer, &node.system, &files)?;
    wrappers(&mut layer, &node.system, &accounts, &files)?;
    layer.directory(".snowglobe", 0o755, (0, 0));
    layer.file(
        ".snowglobe/boot.json",
        boot.as_bytes().to_vec(),
        0o644,
        (0, 0),
    );
    Ok(layer.write(to)?)
}

/// The store paths that a node's system layer must hold, besides their references.
pub fn roots(node: &Node, references: &[StorePath]) -> BTreeSet<StorePath> {
    let mut roots: BTreeSet<StorePath> = references.iter().cloned().collect();
    roots.insert(node.system.toplevel.clone());
    roots.extend(node.system.activation.clone());
    let sources = node.system.etc.iter().map(|e| e.source.as_str());
    let wrappers = node.system.wrappers.iter().map(|w| w.source.as_str());
    roots.extend(sources.chain(wrappers).filter_map(crate::object_of));
    roots
}

fn etc(
    layer: &mut Layer,
    system: &System,
    accounts: &Accounts,
    files: &Files,
) -> Result<(), SystemError> {
    layer.directory("etc", 0o755, (0, 0));
    let linked = files.find(&format!("{}/etc", system.toplevel)).is_some();
    if linked {
        layer.link("etc/static", &format!("{}/etc", system.toplevel));
    }
    for entry in &system.etc {
        let target = entry.target.trim_matches('/');
        match &entry.kind {
            EtcKind::Symlink => {
                layer.link(&format!("etc/{target}"), &format!("/etc/static/{target}"));
                if !linked {
                    layer.link(&format!("etc/static/{target}"), &entry.source);
                }
            }
            EtcKind::DirectSymlink => layer.link(&format!("etc/{target}"), &entry.source),
            EtcKind::File { mode, user, group } => {
                let option = || format!("environment.etc.\"{target}\"");
                let source = files
                    .find(&entry.source)
                    .ok_or_else(|| SystemError::NoSuchFile {
                        option: format!("{}.source", option()),
                        path: entry.source.clone(),
                    })?;
                let mode = octal(mode).ok_or_else(|| SystemError::Value {
                    option: option(),
                    what: "the mode",
                    value: mode.clone(),
                })?;
                let owner = |value: &str, ids: &dyn Fn(&str) -> Option<u32>, what| {
                    let id = value.strip_prefix('+').and_then(|id| id.parse().ok());
                    id.or_else(|| ids(value)).ok_or_else(|| SystemError::Value {
                        option: option(),
                        what,
                        value: value.to_owned(),
                    })
                };
                let owner = (
                    owner(user, &|name| accounts.uid(name), "the user")?,
                    owner(group, &|name| accounts.gid(name), "the group")?,
                );
                layer.tree(&format!("etc/{target}"), &source, mode, owner)?;
            }
        }
    }
    Ok(())
}

fn wrappers(
    layer: &mut Layer,
    system: &System,
    accounts: &Accounts,
    files: &Files,
) -> Result<(), SystemError> {
    layer.directory(".snowglobe/wrappers/bin", 0o755, (0, 0));
    for wrapper in &system.wrappers {
        let option = |part: &str| format!("security.wrappers.{}.{part}", wrapper.program);
        let source = files
            .find(&wrapper.source)
            .ok_or_else(|| SystemError::NoSuchFile {
                option: option("source"),
                path: wrapper.source.clone(),
            })?;
        let value = |part, what, value: &str| SystemError::Value {
            option: option(part),
            what,
            value: value.to_owned(),
        };
        let uid = accounts.uid(&wrapper.owner);
        let uid = uid.ok_or_else(|| value("owner", "the user", &wrapper.owner))?;
        let gid = accounts.gid(&wrapper.group);
        let gid = gid.ok_or_else(|| value("group", "the group", &wrapper.group))?;
        let mut mode = permissions(&wrapper.permissions)
            .ok_or_else(|| value("permissions", "the mode", &wrapper.permissions))?;
        if wrapper.setuid {
            mode |= 0o4000;
        }
        if wrapper.setgid {
            mode |= 0o2000;
        }
        let capabilities = match wrapper.capabilities.as_str() {
            "" => None,
            text => Some(
                capabilities::parse(text)
                    .ok_or_else(|| value("capabilities", "the capabilities", text))?,
            ),
        };
        let place = format!(".snowglobe/wrappers/bin/{}", wrapper.program);
        layer.file_with_capabilities(&place, fs::read(source)?, mode, (uid, gid), capabilities);
    }
    Ok(())
}

fn octal(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
}

/// Permissions as `chmod` takes them, octal or as `u+rx,g+x,o+x`, over no permissions at all.
fn permissions(text: &str) -> Option<u32> {
    if let Some(mode) = octal(text) {
        return Some(mode);
    }
    let mut mode = 0;
    for clause in text.split(',') {
        let (who, what) = clause.split_once(['+', '='])?;
        let mut bits = 0;
        for c in what.chars() {
            bits |= match c {
                'r' => 4,
                'w' => 2,
                'x' => 1,
                _ => return None,
            };
        }
        for c in if who.is_empty() { "ugo" } else { who }.chars() {
            mode |= match c {
                'u' => bits << 6,
                'g' => bits << 3,
                'o' => bits,
                'a' => bits << 6 | bits << 3 | bits,
                _ => return None,
            };
        }
    }
    Some(mode)
}

/// Files as a machine sees them, found on this host.
pub(crate) struct Files<'a> {
    store: &'a Store,
    layers: Vec<PathBuf>,
}

impl Files<'_> {
    /// Where the file of an absolute path in the machine lies on this host, links followed.
    pub(crate) fn find(&self, path: &str) -> Option<PathBuf> {
        let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut at = String::new();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    at.truncate(at.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let next = format!("{at}/{part}");
            let host = self.one(&next);
            match host.as_deref().map(Path::symlink_metadata) {
                Some(Ok(data)) if data.is_symlink() => {
                    links += 1;
                    if links > 40 {
                        return None;
                    }
                    let target = std::fs::read_link(host?).ok()?;
                    let target = target.to_str()?;
                    if target.starts_with('/') {
                        at.clear();
                    }
                    rest.extend(target.split('/').rev().map(str::to_owned));
                }
                Some(Ok(_)) => at = next,
                _ if next == "/nix" || next == "/nix/store" => at = next,
                _ => return None,
            }
        }
        self.one(&at)
    }

    /// Where a path without links in its folders lies.
    fn one(&self, path: &str) -> Option<PathBuf> {
        if let Some(object) = crate::object_of(path) {
            let below = path.get(object.as_str().len() + 1..).unwrap_or("");
            let host = self.store.object(&object);
            let host = if below.is_empty() {
                host
            } else {
                host.join(below)
            };
            return host.symlink_metadata().is_ok().then_some(host);
        }
        let relative = path.trim_start_matches('/');
        let found = self.layers.iter().rev().map(|layer| layer.join(relative));
        found
            .into_iter()
            .find(|host| host.symlink_metadata().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::permissions;

    #[test]
    fn permissions_are_read_in_both_forms() {
        for (text, expected) in [
            ("u+rx,g+x,o+x", Some(0o511)),
            ("0750", Some(0o750)),
            ("a+rx", Some(0o555)),
            ("u+q", None),
            ("", None),
        ] {
            assert_eq!(permissions(text), expected, "{text}");
        }
    }
}
