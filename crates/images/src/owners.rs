//! Giving files their owners.
//!
//! Debian's scripts number users in the order in which they are made. After they have run, every
//! number is replaced by the one that [`crate::ids`] gives to the name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use fs_err as fs;

use crate::{Result, ids};

/// Numbers to be replaced, of users and of groups.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Renumbering {
    users: BTreeMap<u32, u32>,
    groups: BTreeMap<u32, u32>,
}

impl Renumbering {
    /// What must change for the names in the `passwd` and `group` files of a system.
    pub(crate) fn of(etc: &Path) -> Result<Self> {
        let read = |name: &str| fs::read_to_string(etc.join(name));
        let numbers = |text: &str, wanted: fn(&str) -> u32| {
            text.lines()
                .filter_map(|line| {
                    let mut fields = line.split(':');
                    let (name, number) = (fields.next()?, fields.nth(1)?.parse::<u32>().ok()?);
                    let wanted = wanted(name);
                    (wanted != number).then_some((number, wanted))
                })
                .collect()
        };
        Ok(Self {
            users: numbers(&read("passwd")?, ids::uid),
            groups: numbers(&read("group")?, ids::gid),
        })
    }

    /// The table that `owners.pl` reads.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for (kind, numbers) in [('u', &self.users), ('g', &self.groups)] {
            for (old, new) in numbers {
                let _ = writeln!(text, "{kind} {old} {new}");
            }
        }
        text
    }

    /// `passwd` or `group` with the new numbers.
    pub(crate) fn apply(&self, file: &str, text: &str) -> String {
        let mut result = String::new();
        for line in text.lines() {
            let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
            let mut replace = |at: usize, numbers: &BTreeMap<u32, u32>| {
                if let Some(field) = fields.get_mut(at)
                    && let Some(new) = field.parse().ok().and_then(|old: u32| numbers.get(&old))
                {
                    *field = new.to_string();
                }
            };
            if file == "group" {
                replace(2, &self.groups);
            } else {
                replace(2, &self.users);
                replace(3, &self.groups);
            }
            let _ = writeln!(result, "{}", fields.join(":"));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renumbers() {
        let etc = tempfile::tempdir().unwrap();
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:101:104::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n";
        let group = "root:x:0:\nshadow:x:42:\npostgres:x:104:\n";
        fs::write(etc.path().join("passwd"), passwd).unwrap();
        fs::write(etc.path().join("group"), group).unwrap();
        let numbers = Renumbering::of(etc.path()).unwrap();
        assert_eq!(numbers.table(), "u 101 71\ng 42 318\ng 104 71\n");
        assert_eq!(
            numbers.apply("passwd", passwd),
            passwd.replace(":101:104:", ":71:71:")
        );
        assert_eq!(
            numbers.apply("group", group),
            "root:x:0:\nshadow:x:318:\npostgres:x:71:\n"
        );
    }
}
