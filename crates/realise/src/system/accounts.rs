//! Users and groups: `/etc/passwd`, `group`, `shadow`, `subuid`, `subgid`, homes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use snowglobe_plan::{Password, System, User};

use super::layer::Layer;
use super::{Files, SystemError};

/// Ids of system users and groups, fixed for their names.
#[derive(Clone, Copy)]
pub struct Ids {
    /// Of a user.
    pub uid: fn(&str) -> u32,
    /// Of a group.
    pub gid: fn(&str) -> u32,
}

/// What is wrong with users and groups.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// A user's group is not defined.
    #[error("users.users.{user}.group is '{group}', but there is no such group in users.groups")]
    NoGroup {
        /// The user.
        user: String,
        /// The group.
        group: String,
    },
    /// Two users have one id.
    #[error("users.users.{first} and users.users.{second} have the same uid {uid}")]
    SameUid {
        /// One of them.
        first: String,
        /// The other.
        second: String,
        /// Their id.
        uid: u32,
    },
    /// A password's text cannot be hashed.
    #[error("the password of users.users.{user} cannot be hashed")]
    Hash {
        /// The user.
        user: String,
    },
    /// A name or field holds a character that would break the line.
    #[error("users.users.{user}: '{value}' may not hold a colon or a line break")]
    Field {
        /// The user.
        user: String,
        /// The field.
        value: String,
    },
}

/// First id of a person's account, as NixOS gives them.
const FIRST_NORMAL: u32 = 1000;

/// Numbers of a node's users and groups.
pub struct Accounts {
    uids: BTreeMap<String, u32>,
    gids: BTreeMap<String, u32>,
}

impl Accounts {
    /// Gives every user and group its number.
    pub fn new(system: &System, ids: Ids) -> Result<Self, AccountError> {
        let mut gids: BTreeMap<String, u32> = system
            .groups
            .iter()
            .filter_map(|g| Some((g.name.clone(), g.gid?)))
            .collect();
        let mut taken: BTreeSet<u32> = gids.values().copied().collect();
        for group in system.groups.iter().filter(|g| g.gid.is_none()) {
            gids.insert(group.name.clone(), free((ids.gid)(&group.name), &mut taken));
        }
        let mut uids = BTreeMap::new();
        let mut owners: BTreeMap<u32, &str> = BTreeMap::new();
        for user in &system.users {
            let Some(uid) = user.uid else { continue };
            if let Some(first) = owners.insert(uid, &user.name) {
                return Err(AccountError::SameUid {
                    first: first.to_owned(),
                    second: user.name.clone(),
                    uid,
                });
            }
            uids.insert(user.name.clone(), uid);
        }
        let mut taken: BTreeSet<u32> = uids.values().copied().collect();
        for user in system.users.iter().filter(|u| u.uid.is_none()) {
            let first = if user.is_normal {
                FIRST_NORMAL
            } else {
                (ids.uid)(&user.name)
            };
            uids.insert(user.name.clone(), free(first, &mut taken));
        }
        for user in &system.users {
            if !gids.contains_key(&user.group) {
                return Err(AccountError::NoGroup {
                    user: user.name.clone(),
                    group: user.group.clone(),
                });
            }
            for value in [&user.name, &user.description, &user.home, &user.shell] {
                if value.contains([':', '\n']) {
                    return Err(AccountError::Field {
                        user: user.name.clone(),
                        value: value.clone(),
                    });
                }
            }
        }
        Ok(Self { uids, gids })
    }

    /// Number of a user.
    pub fn uid(&self, name: &str) -> Option<u32> {
        self.uids.get(name).copied()
    }

    /// Number of a group.
    pub fn gid(&self, name: &str) -> Option<u32> {
        self.gids.get(name).copied()
    }

    /// Adds the files and homes to a layer.
    pub fn write(
        &self,
        layer: &mut Layer,
        system: &System,
        files: &Files,
    ) -> Result<(), SystemError> {
        let (mut passwd, mut shadow) = (String::new(), String::new());
        let (mut subuid, mut subgid) = (String::new(), String::new());
        let mut users: Vec<&User> = system.users.iter().collect();
        users.sort_by_key(|u| (self.uids[&u.name], &u.name));
        for user in users {
            let (uid, gid) = (self.uids[&user.name], self.gids[&user.group]);
            let User {
                name,
                description,
                home,
                shell,
                ..
            } = user;
            let _ = writeln!(passwd, "{name}:x:{uid}:{gid}:{description}:{home}:{shell}");
            let _ = writeln!(shadow, "{name}:{}:1::::::", hash(user, files)?);
            for (start, count) in &user.sub_ids {
                let _ = writeln!(subuid, "{name}:{start}:{count}");
                let _ = writeln!(subgid, "{name}:{start}:{count}");
            }
            if user.create_home && !matches!(home.as_str(), "/" | "/var/empty") {
                let mode = user.home_mode.as_deref().unwrap_or("700");
                let mode = super::octal(mode).ok_or_else(|| SystemError::Value {
                    option: format!("users.users.{name}.homeMode"),
                    what: "the mode",
                    value: mode.to_owned(),
                })?;
                layer.directory(home.trim_matches('/'), mode, (uid, gid));
            }
            if user.linger {
                layer.file(
                    &format!("var/lib/systemd/linger/{name}"),
                    vec![],
                    0o644,
                    (0, 0),
                );
            }
        }
        let mut group = String::new();
        let mut groups: Vec<_> = system.groups.iter().collect();
        groups.sort_by_key(|g| (self.gids[&g.name], &g.name));
        for entry in groups {
            let extra = system
                .users
                .iter()
                .filter(|u| u.extra_groups.contains(&entry.name));
            let members: BTreeSet<&str> = entry
                .members
                .iter()
                .map(String::as_str)
                .chain(extra.map(|u| &*u.name))
                .collect();
            let members = members.into_iter().collect::<Vec<_>>().join(",");
            let _ = writeln!(
                group,
                "{}:x:{}:{members}",
                entry.name, self.gids[&entry.name]
            );
        }
        let shadow_group = self.gid("shadow").unwrap_or(0);
        layer.file("etc/passwd", passwd.into_bytes(), 0o644, (0, 0));
        layer.file("etc/group", group.into_bytes(), 0o644, (0, 0));
        layer.file("etc/shadow", shadow.into_bytes(), 0o640, (0, shadow_group));
        layer.file("etc/subuid", subuid.into_bytes(), 0o644, (0, 0));
        layer.file("etc/subgid", subgid.into_bytes(), 0o644, (0, 0));
        Ok(())
    }
}

/// The first free number from `wanted` on; takes it.
fn free(wanted: u32, taken: &mut BTreeSet<u32>) -> u32 {
    let id = (wanted..)
        .find(|id| !taken.contains(id))
        .expect("fewer than 2^32 users");
    taken.insert(id);
    id
}

/// The password field of `/etc/shadow`.
fn hash(user: &User, files: &Files) -> Result<String, SystemError> {
    Ok(match &user.password {
        Password::Locked => "!".to_owned(),
        Password::Empty => String::new(),
        Password::Hash { value } => value.clone(),
        Password::Plain { value } => {
            crypt(&user.name, value).ok_or_else(|| AccountError::Hash {
                user: user.name.clone(),
            })?
        }
        Password::HashFile { path } => {
            let file = files.find(path).ok_or_else(|| SystemError::NoSuchFile {
                option: format!("users.users.{}.hashedPasswordFile", user.name),
                path: path.clone(),
            })?;
            fs_err::read_to_string(file)?
                .lines()
                .next()
                .unwrap_or("")
                .to_owned()
        }
    })
}

/// SHA-512 crypt. The salt comes from the name and the text, so that a layer is the same each time;
/// few rounds, because machines that are emulated check passwords slowly and guard nothing.
fn crypt(user: &str, password: &str) -> Option<String> {
    use sha_crypt::{CustomizedPasswordHasher, Params, ShaCrypt};
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{user}\0{password}"));
    let params = Params::new(1000).ok()?;
    let hash = ShaCrypt::SHA512.hash_password_customized(
        password.as_bytes(),
        &digest[..12],
        Some("6"),
        None,
        params,
    );
    Some(hash.ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hashed_password_is_accepted_again() {
        use sha_crypt::PasswordVerifier;
        let hash = crypt("alice", "foobar").unwrap();
        assert!(hash.starts_with("$6$rounds=1000$"), "{hash}");
        let parsed = sha_crypt::PasswordHash::new(&hash).unwrap();
        assert!(ShaCrypt::SHA512.verify_password(b"foobar", &parsed).is_ok());
        assert!(ShaCrypt::SHA512.verify_password(b"other", &parsed).is_err());
        assert_eq!(hash, crypt("alice", "foobar").unwrap());
    }

    use sha_crypt::ShaCrypt;
}
