//! `builtin:env`: the union of several trees, by links.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Deserialize;
use snowglobe_plan::{Derivation, StorePath};
use snowglobe_store::Store;

use super::{BuilderError, flag, inside, json};

/// One of the trees.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Member {
    /// A store path, possibly with something below it.
    pub path: String,
    /// Lower wins.
    #[serde(default = "default_priority")]
    pub priority: i64,
}

fn default_priority() -> i64 {
    5
}

/// The trees of a `builtin:env` derivation.
pub fn members(derivation: &Derivation) -> Result<Vec<Member>, BuilderError> {
    json(derivation, "paths")
}

/// What stands at one place of the union.
enum Node {
    /// A link to this path, from a tree of this priority.
    Link {
        target: String,
        priority: i64,
    },
    Directory(BTreeMap<String, Node>),
}

/// Makes the union. Objects of the store are read where they lie on the host; links that lead out of
/// the store (into the files of Debian packages) count as files.
pub fn build(derivation: &Derivation, out: &Path, store: &Store) -> Result<(), BuilderError> {
    let links: Vec<String> = match derivation.env.get("pathsToLink") {
        Some(_) => json(derivation, "pathsToLink")?,
        None => vec!["/".to_owned()],
    };
    let mut union = Union {
        store,
        ignore_collisions: flag(derivation, "ignoreCollisions"),
        links: links
            .iter()
            .map(|l| l.trim_matches('/').to_owned())
            .collect(),
    };
    let mut root = BTreeMap::new();
    for member in members(derivation)? {
        union.merge(&mut root, &member.path, member.priority, "")?;
    }
    let top = match derivation
        .env
        .get("extraPrefix")
        .map_or("", |p| p.trim_matches('/'))
    {
        "" => out.to_owned(),
        prefix => inside(out, prefix)?,
    };
    write(&top, root)
}

struct Union<'a> {
    store: &'a Store,
    ignore_collisions: bool,
    links: Vec<String>,
}

impl Union<'_> {
    /// Whether this place, or something below it, belongs to the union.
    fn wanted(&self, place: &str) -> bool {
        let below = |a: &str, b: &str| {
            b.is_empty() || a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'))
        };
        self.links
            .iter()
            .any(|link| below(place, link) || below(link, place))
    }

    /// Whether everything below this place belongs to the union.
    fn whole(&self, place: &str) -> bool {
        self.links.iter().any(|link| {
            link.is_empty()
                || place == link
                || place
                    .strip_prefix(link.as_str())
                    .is_some_and(|rest| rest.starts_with('/'))
        })
    }

    fn merge(
        &mut self,
        into: &mut BTreeMap<String, Node>,
        path: &str,
        priority: i64,
        place: &str,
    ) -> Result<(), BuilderError> {
        let Some(folder) = self.folder(path) else {
            return Ok(());
        };
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let here = if place.is_empty() {
                name.clone()
            } else {
                format!("{place}/{name}")
            };
            if !self.wanted(&here) {
                continue;
            }
            let target = format!("{path}/{name}");
            let is_folder = self.folder(&target).is_some();
            if !is_folder && !self.whole(&here) {
                continue;
            }
            match into.get_mut(&name) {
                None if is_folder && !self.whole(&here) => {
                    let mut below = BTreeMap::new();
                    self.merge(&mut below, &target, priority, &here)?;
                    if !below.is_empty() {
                        into.insert(name, Node::Directory(below));
                    }
                }
                None => {
                    into.insert(name, Node::Link { target, priority });
                }
                Some(Node::Directory(below)) if is_folder => {
                    self.merge(below, &target, priority, &here)?;
                }
                Some(Node::Link { target: old, .. }) if *old == target => {}
                Some(node) => {
                    let old = match node {
                        Node::Link { target, priority } => (target.clone(), *priority),
                        Node::Directory(_) => (format!("a folder at {here}"), priority),
                    };
                    if is_folder && self.folder(&old.0).is_some() {
                        let mut below = BTreeMap::new();
                        self.merge(&mut below, &old.0, old.1, &here)?;
                        self.merge(&mut below, &target, priority, &here)?;
                        *node = Node::Directory(below);
                    } else if self.same(&old.0, &target) || old.1 < priority {
                    } else if priority < old.1 || self.ignore_collisions {
                        if priority < old.1 {
                            *node = Node::Link { target, priority };
                        }
                    } else {
                        return Err(BuilderError::Collision {
                            path: here,
                            first: old.0,
                            second: target,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// The folder that a path in the store stands for, links within the store followed.
    fn folder(&self, path: &str) -> Option<PathBuf> {
        let mut path = path.to_owned();
        for _ in 0..40 {
            let host = host_path(self.store, &path)?;
            let data = std::fs::symlink_metadata(&host).ok()?;
            if data.is_dir() {
                return Some(host);
            }
            if !data.is_symlink() {
                return None;
            }
            let target = std::fs::read_link(&host).ok()?;
            let target = target.to_str()?;
            path = if target.starts_with('/') {
                target.to_owned()
            } else {
                lexical(&format!("{}/{target}", path.rsplit_once('/')?.0))
            };
        }
        None
    }

    /// Whether two paths lead to one file: the same link target, or the same content.
    fn same(&self, a: &str, b: &str) -> bool {
        let (Some(a), Some(b)) = (host_path(self.store, a), host_path(self.store, b)) else {
            return false;
        };
        match (std::fs::read_link(&a), std::fs::read_link(&b)) {
            (Ok(a), Ok(b)) => a == b,
            (Err(_), Err(_)) => {
                matches!((std::fs::read(a), std::fs::read(b)), (Ok(a), Ok(b)) if a == b)
            }
            _ => false,
        }
    }
}

/// Where a path in the store lies on this host; `None` for any other path.
fn host_path(store: &Store, path: &str) -> Option<PathBuf> {
    let rest = path.strip_prefix("/nix/store/")?;
    let (base, below) = rest.split_once('/').unwrap_or((rest, ""));
    let object = StorePath::parse(&format!("/nix/store/{base}")).ok()?;
    let host = store.object(&object);
    Some(if below.is_empty() {
        host
    } else {
        host.join(below)
    })
}

/// Takes `.` and `..` out of an absolute path.
fn lexical(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}

fn write(path: &Path, nodes: BTreeMap<String, Node>) -> Result<(), BuilderError> {
    fs::create_dir_all(path)?;
    for (name, node) in nodes {
        match node {
            Node::Link { target, .. } => symlink(target, path.join(name))?,
            Node::Directory(below) => write(&path.join(name), below)?,
        }
    }
    Ok(())
}
