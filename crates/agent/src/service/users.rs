//! Users, from `/etc/passwd` and `/etc/group`; what is not there is asked of `getent`.

use std::fs;
use std::process::{Command, Stdio};

use snowglobe_agent_protocol::Failure;

use super::call::invalid;

/// A user of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
    pub shell: String,
    pub groups: Vec<u32>,
}

impl User {
    pub fn root() -> Self {
        Self {
            name: "root".into(),
            uid: 0,
            gid: 0,
            home: "/root".into(),
            shell: "/bin/sh".into(),
            groups: vec![0],
        }
    }

    /// Finds a user by name.
    pub fn find(name: &str) -> Result<Self, Failure> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let groups = read("/etc/group");
        if let Some(user) = Self::parse(&read("/etc/passwd"), &groups, name) {
            return Ok(user);
        }
        let entry = ask(&["passwd", name]);
        let mut user = Self::parse(&entry, &groups, name)
            .ok_or_else(|| invalid(format!("there is no user '{name}'")))?;
        // `name gid gid …`
        let more = ask(&["initgroups", name]);
        user.groups.extend(
            more.split_whitespace()
                .skip(1)
                .filter_map(|id| id.parse::<u32>().ok()),
        );
        user.groups.sort_unstable();
        user.groups.dedup();
        Ok(user)
    }

    fn parse(passwd: &str, group: &str, name: &str) -> Option<Self> {
        let line = passwd
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let fields: Vec<_> = line.split(':').collect();
        let [_, _, uid, gid, _, home, shell] = fields[..] else {
            return None;
        };
        let gid = gid.parse().ok()?;
        let mut groups = vec![gid];
        for line in group.lines() {
            let mut fields = line.split(':').skip(2);
            if let (Some(id), Some(members)) = (fields.next(), fields.next())
                && members.split(',').any(|member| member == name)
                && let Ok(id) = id.parse()
                && !groups.contains(&id)
            {
                groups.push(id);
            }
        }
        Some(Self {
            name: name.to_owned(),
            uid: uid.parse().ok()?,
            gid,
            home: home.to_owned(),
            shell: shell.to_owned(),
            groups,
        })
    }
}

/// What the name service says; empty if it knows nothing. A static program cannot load its modules.
pub fn ask(question: &[&str]) -> String {
    for program in ["/run/current-system/sw/bin/getent", "/usr/bin/getent"] {
        let mut command = Command::new(program);
        if let Ok(output) = command
            .args(question)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
        {
            return String::from_utf8_lossy(&output.stdout).into_owned();
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_their_groups() {
        let passwd =
            "root:x:0:0::/root:/bin/bash\nalice:x:1000:100:Alice,,:/home/alice:/bin/sh\nbad:x\n";
        let group = "wheel:x:1:bob,alice\nusers:x:100:\nali:x:7:alic\nempty\n";
        let alice = User::parse(passwd, group, "alice").unwrap();
        assert_eq!(
            (alice.uid, alice.gid, &alice.groups[..]),
            (1000, 100, &[100, 1][..])
        );
        assert_eq!(alice.home, "/home/alice");
        assert_eq!(User::parse(passwd, group, "bad"), None);
        assert_eq!(User::parse(passwd, group, "nobody"), None);
    }
}
