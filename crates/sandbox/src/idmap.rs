//! Maps ranges of ids into a user namespace, from outside of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::thread::CapabilitySet;

use crate::error::Error;

/// Ids that exist inside, from zero.
const COUNT: u32 = 65536;

/// A user's range of subordinate ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: u32,
    count: u32,
}

/// A program that maps ids for us, and what it may map.
struct Helper {
    program: PathBuf,
    /// Where that is allowed.
    table: &'static str,
    own: u32,
    range: Range,
}

/// Whether a sandbox can have a range of ids ([`crate::Ids::Range`]) here.
///
/// # Errors
///
/// Says what has to be installed or allowed.
pub fn can_map_range() -> Result<(), Error> {
    if !may_map() {
        helpers()?;
    }
    Ok(())
}

/// Whether we have the rights to map any id.
fn may_map() -> bool {
    let rights = CapabilitySet::SETUID | CapabilitySet::SETGID;
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(rights))
}

fn helpers() -> Result<[Helper; 2], Error> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let user = user_name(uid);
    let helper = |program: &str, table, own| {
        let program = find_program(program).ok_or_else(|| Error::IdRange {
            reason: format!("the program '{program}' is not installed"),
            hint: "install it: package `uidmap` on Debian and Ubuntu, `shadow-utils` on Fedora, `shadow` on Arch".into(),
        })?;
        let text = fs_err::read_to_string(table).unwrap_or_default();
        let range = find_range(&text, user.as_deref(), uid).ok_or_else(|| Error::IdRange {
            reason: format!(
                "{table} gives no range of {} ids to the user '{}'",
                COUNT - 1,
                user.clone().unwrap_or_else(|| uid.to_string())
            ),
            hint: format!(
                "as root: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}`",
                user.as_deref().unwrap_or("USER")
            ),
        })?;
        Ok(Helper {
            program,
            table,
            own,
            range,
        })
    };
    Ok([
        helper("newuidmap", "/etc/subuid", uid)?,
        helper("newgidmap", "/etc/subgid", gid)?,
    ])
}

/// Gives the user namespace of `pid` the ids 0 to 65535: 0 is our own user, the others are from
/// our subordinate ranges. With the rights of root, every id is itself.
pub(crate) fn map_range(pid: u32) -> Result<(), Error> {
    if may_map() {
        for file in ["uid_map", "gid_map"] {
            fs_err::write(format!("/proc/{pid}/{file}"), format!("0 0 {COUNT}\n"))
                .map_err(Error::Stage)?;
        }
        return Ok(());
    }
    for helper in helpers()? {
        let program = helper.program.display();
        let output = Command::new(&helper.program)
            .arg(pid.to_string())
            .args(["0", &helper.own.to_string(), "1"])
            .args([
                "1",
                &helper.range.start.to_string(),
                &(COUNT - 1).min(helper.range.count).to_string(),
            ])
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Error::IdRange {
                reason: format!("cannot run '{program}': {error}"),
                hint: "check that the program is executable".into(),
            })?;
        if !output.status.success() {
            return Err(Error::IdRange {
                reason: format!(
                    "'{program}' failed: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                ),
                hint: format!(
                    "'{program}' must be set-uid root or have the capability to set ids, and {} must list the range",
                    helper.table
                ),
            });
        }
    }
    Ok(())
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/bin", "/usr/sbin", "/bin", "/run/wrappers/bin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_absolute() && candidate.is_file())
}

/// The first large enough range of a user in a table such as `/etc/subuid`, whose lines are
/// `name-or-number:start:count`.
fn find_range(table: &str, name: Option<&str>, uid: u32) -> Option<Range> {
    table.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let start = fields.next()?.parse().ok()?;
        let count = fields.next()?.parse().ok()?;
        let ours = Some(owner) == name || owner.parse() == Ok(uid);
        (ours && count >= COUNT - 1).then_some(Range { start, count })
    })
}

fn user_name(uid: u32) -> Option<String> {
    name_in(&fs_err::read_to_string(Path::new("/etc/passwd")).ok()?, uid)
        .or_else(|| std::env::var("USER").ok())
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let table = "root:1:5\nme:100000:65536\n1001:300000:65535\nsmall:9:10\nbroken\n";
        let range = |start, count| Some(Range { start, count });
        for (name, uid, expected) in [
            (Some("me"), 1000, range(100_000, 65_536)),
            (None, 1001, range(300_000, 65_535)),
            (Some("small"), 1002, None),
            (Some("other"), 1003, None),
        ] {
            assert_eq!(find_range(table, name, uid), expected, "{name:?} {uid}");
        }
    }

    #[test]
    fn names_come_from_passwd() {
        let passwd = "root:x:0:0::/:/bin/sh\nme:x:1000:1000::/:/bin/sh\n";
        assert_eq!(name_in(passwd, 1000).as_deref(), Some("me"));
        assert_eq!(name_in(passwd, 7), None);
    }
}
