//! What can go wrong, with what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a program could not be run in a sandbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something that was to be given to the sandbox cannot be used.
    #[error("cannot use {what} '{}' in a sandbox: {source}", path.display())]
    Given {
        /// What it was to be: a layer, an upper directory, a bind mount.
        what: &'static str,
        /// Its path on the host.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A path, argument or variable is not UTF-8.
    #[error("{what} is not valid UTF-8: {value:?}")]
    NotUtf8 {
        /// Which one.
        what: &'static str,
        /// The offending text.
        value: std::ffi::OsString,
    },
    /// A system call of the sandbox's own preparation failed.
    #[error("cannot prepare the sandbox: {}{}", describe(.failure), hint_text(.hint))]
    Setup {
        /// What failed.
        failure: Failure,
        /// What to install or enable.
        hint: Option<String>,
    },
    /// The program itself could not be started.
    #[error("cannot run '{program}' in the sandbox: {source}")]
    Execute {
        /// The program's path inside.
        program: String,
        /// Usually "not found": the layers do not hold it.
        source: io::Error,
    },
    /// The sandbox needs a range of user ids and the host has no way to give one.
    #[error("cannot map a range of user ids into the sandbox: {reason}\nhint: {hint}")]
    IdRange {
        /// What is missing.
        reason: String,
        /// What to install or enable.
        hint: String,
    },
    /// The stage process could not be started or broke off.
    #[error("cannot start the sandbox's first process: {0}")]
    Stage(#[source] io::Error),
    /// The stage process said something that it must not, or ended without a word.
    #[error("the sandbox's first process {0}")]
    Protocol(String),
    /// The sandbox was not ready in time.
    #[error("the sandbox was not ready within {0:?}")]
    NotReady(Duration),
    /// The program did not end in time and was killed.
    #[error("'{program}' did not end within {limit:?} and was killed")]
    TimedOut {
        /// The program's path inside.
        program: String,
        /// How long it was given.
        limit: Duration,
    },
    /// The program was killed since nobody wants what it makes any more.
    #[error("'{program}' was stopped")]
    Stopped {
        /// The program's path inside.
        program: String,
    },
    /// Reading what the program writes, or waiting for it, failed.
    #[error("cannot {what} the sandboxed program: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// A system call that failed while the sandbox was being prepared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The call, with what it was for where that is not plain: `mount overlay`.
    pub call: String,
    /// The path that it was about, on the host or inside.
    pub path: Option<PathBuf>,
    /// `errno`.
    pub errno: i32,
}

impl Failure {
    pub(crate) fn new(call: impl Into<String>, errno: rustix::io::Errno) -> Self {
        Self {
            call: call.into(),
            path: None,
            errno: errno.raw_os_error(),
        }
    }

    pub(crate) fn at(
        call: impl Into<String>,
        path: impl Into<PathBuf>,
        errno: rustix::io::Errno,
    ) -> Self {
        Self {
            call: call.into(),
            path: Some(path.into()),
            errno: errno.raw_os_error(),
        }
    }

    pub(crate) fn io(call: impl Into<String>, error: &io::Error) -> Self {
        Self {
            call: call.into(),
            path: None,
            errno: error.raw_os_error().unwrap_or(0),
        }
    }
}

fn describe(failure: &Failure) -> String {
    let reason = io::Error::from_raw_os_error(failure.errno);
    match &failure.path {
        Some(path) => format!("{} '{}': {reason}", failure.call, path.display()),
        None => format!("{}: {reason}", failure.call),
    }
}

fn hint_text(hint: &Option<String>) -> String {
    hint.as_ref()
        .map_or_else(String::new, |hint| format!("\nhint: {hint}"))
}

/// Adds to a failure what the host's settings tell about its reason.
pub(crate) fn explain(failure: Failure) -> Error {
    let hint = hint_for(&failure, &|path| {
        fs_err::read_to_string(path)
            .ok()
            .map(|text| text.trim().to_owned())
    });
    Error::Setup { failure, hint }
}

/// Finds the likely reason of a failure. `setting` reads a file of `/proc/sys`.
fn hint_for(failure: &Failure, setting: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let errno = rustix::io::Errno::from_raw_os_error(failure.errno);
    let refused = matches!(errno, rustix::io::Errno::PERM | rustix::io::Errno::ACCESS);
    let is_zero = |path| setting(path).as_deref() == Some("0");
    if failure.call.starts_with("unshare") {
        if is_zero("/proc/sys/user/max_user_namespaces") {
            return Some(
                "this host allows no user namespaces: `sysctl user.max_user_namespaces=15000` as root"
                    .into(),
            );
        }
        if errno == rustix::io::Errno::NOSPC {
            return Some("the host's limit of namespaces is reached: raise `sysctl user.max_user_namespaces`, or end other sandboxes".into());
        }
        if is_zero("/proc/sys/kernel/unprivileged_userns_clone") {
            return Some("ordinary users may not make user namespaces here: `sysctl kernel.unprivileged_userns_clone=1` as root".into());
        }
        if refused {
            return Some("namespaces are forbidden here, probably by a container's seccomp filter: run the container with `--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined`, or `--privileged`".into());
        }
    }
    if refused
        && setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1")
    {
        return Some("AppArmor lets user namespaces do nothing on this host (Ubuntu's default): `sysctl kernel.apparmor_restrict_unprivileged_userns=0` as root, or add an AppArmor profile with `userns,` for this program".into());
    }
    if failure.call == "mount proc" && refused {
        return Some("a container that hides parts of /proc forbids a new one inside it: run it with `--security-opt systempaths=unconfined` or `--privileged`".into());
    }
    if failure.call.starts_with("mount overlay") {
        return match errno {
            rustix::io::Errno::NODEV => Some("the kernel has no overlayfs: `modprobe overlay` as root".into()),
            rustix::io::Errno::PERM => Some("overlayfs in a user namespace needs Linux 5.11 or newer".into()),
            rustix::io::Errno::INVAL => Some("the upper directory may lie on an overlay or network file system; put Snowglobe's cache on ext4, xfs, btrfs or tmpfs".into()),
            _ => None,
        };
    }
    if refused && failure.call.starts_with("mount") {
        return Some("mounting is forbidden here: run the container with `--cap-add SYS_ADMIN --security-opt apparmor=unconfined`, or `--privileged`".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[track_caller]
    fn check(call: &str, errno: Errno, settings: &[(&str, &str)], expected: Option<&str>) {
        let hint = hint_for(&Failure::new(call, errno), &|path| {
            settings
                .iter()
                .find(|(name, _)| *name == path)
                .map(|(_, value)| (*value).to_owned())
        });
        match (hint, expected) {
            (None, None) => {}
            (Some(hint), Some(part)) if hint.contains(part) => {}
            (hint, expected) => panic!("expected {expected:?}, got {hint:?}"),
        }
    }

    #[test]
    fn hints_name_the_setting_that_is_in_the_way() {
        let none = ("/proc/sys/user/max_user_namespaces", "0");
        let apparmor = (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
        );
        check(
            "unshare",
            Errno::NOSPC,
            &[none],
            Some("max_user_namespaces"),
        );
        check("unshare", Errno::PERM, &[], Some("seccomp"));
        check("mount tmpfs", Errno::ACCESS, &[apparmor], Some("AppArmor"));
        check("mount overlay", Errno::NODEV, &[], Some("modprobe overlay"));
        check("mount proc", Errno::PERM, &[], Some("systempaths"));
        check("sethostname", Errno::INVAL, &[], None);
    }

    #[test]
    fn messages_name_call_path_and_reason() {
        let error = explain(Failure::at("mount overlay", "/x", Errno::NODEV));
        let text = error.to_string();
        assert!(
            text.contains("mount overlay '/x': No such device"),
            "{text}"
        );
        assert!(text.contains("hint: "), "{text}");
    }
}
