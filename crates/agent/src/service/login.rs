//! When commands may run, and with what environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use snowglobe_agent_protocol::Failure;

use super::call::{Call, deadline, earlier};
use super::spawn;
use super::users::User;

/// When commands may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Always.
    AtOnce,
    /// When this directory exists: the control group of a slice that systemd starts after
    /// basic.target ([`crate::init`] writes it). Watching for it costs systemd nothing, while a client
    /// on its D-Bus socket would make it announce every change of every unit.
    Unit(PathBuf),
}

/// An environment, sorted.
pub type Environment = BTreeMap<OsString, OsString>;

#[derive(Debug)]
pub struct LoginState {
    login: Login,
    open: AtomicBool,
    /// By user name. What the shell profile sets: reading it anew for each command would cost more
    /// than most commands under emulation.
    environments: Mutex<BTreeMap<String, Arc<Environment>>>,
}

impl LoginState {
    pub fn new(login: Login) -> Self {
        let open = AtomicBool::new(login == Login::AtOnce);
        Self {
            login,
            open,
            environments: Mutex::default(),
        }
    }

    /// Whether commands may run.
    pub fn is_open(&self) -> bool {
        if self.open.load(Ordering::Relaxed) {
            return true;
        }
        let open = match &self.login {
            Login::AtOnce => true,
            Login::Unit(path) => path.exists(),
        };
        self.open.store(open, Ordering::Relaxed);
        open
    }

    /// Waits until commands may run; false: time is over.
    pub fn wait(&self, call: &Call, timeout_ms: Option<u64>) -> Result<bool, Failure> {
        /// Only while the machine boots.
        const LOOK: Duration = Duration::from_millis(20);
        let deadline = deadline(timeout_ms);
        loop {
            if self.is_open() {
                return Ok(true);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
            call.pause(earlier(deadline, Some(Instant::now() + LOOK)))?;
        }
    }

    /// Learns the environment of root.
    pub fn prepare(&self) {
        self.environment(&User::root());
    }

    /// The environment after `/etc/profile`.
    pub fn environment(&self, user: &User) -> Arc<Environment> {
        let mut known = self
            .environments
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(environment) = known.get(&user.name) {
            return Arc::clone(environment);
        }
        let environment = Arc::new(learn(user));
        known.insert(user.name.clone(), Arc::clone(&environment));
        environment
    }
}

/// What there is before any profile.
fn first(user: &User) -> Environment {
    let path = "/run/wrappers/bin:/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut environment = Environment::new();
    let mut set = |name: &str, value: &str| {
        environment.insert(name.into(), value.into());
    };
    set("PATH", path);
    set("HOME", &user.home);
    set("USER", &user.name);
    set("LOGNAME", &user.name);
    set("SHELL", &user.shell);
    if user.uid == 0 {
        set("DISPLAY", ":0.0");
    } else {
        let runtime = format!("/run/user/{}", user.uid);
        if Path::new(&runtime).is_dir() {
            set("XDG_RUNTIME_DIR", &runtime);
        }
    }
    environment
}

fn learn(user: &User) -> Environment {
    const SCRIPT: &str = "if [ -e /etc/profile ]; then . /etc/profile; fi >/dev/null 2>&1\n\
        PAGER=; export PAGER\n\
        type -P env >/dev/null || PATH=$PATH:/usr/bin:/bin\n\
        exec env -0";
    let first = first(user);
    let Some(bash) = spawn::find_program("bash", &first) else {
        return first;
    };
    let mut command = spawn::command(&bash, user, &first);
    command
        .args(["--norc", "--noprofile", "-c", SCRIPT])
        .current_dir("/");
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let mut environment = match output {
        Ok(output) if output.status.success() => parse(&output.stdout),
        _ => Environment::new(),
    };
    if environment.is_empty() {
        return first;
    }
    // Of the shell that told us.
    for name in ["_", "SHLVL", "PWD", "OLDPWD"] {
        environment.remove(&OsString::from(name));
    }
    environment
}

fn parse(text: &[u8]) -> Environment {
    let entries = text.split(|&byte| byte == 0);
    entries
        .filter_map(|entry| {
            let at = entry.iter().position(|&byte| byte == b'=')?;
            let string = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
            Some((string(&entry[..at]), string(&entry[at + 1..])))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_gives_a_path() {
        let environment = learn(&User::root());
        assert!(environment.contains_key(&OsString::from("PATH")));
        assert_eq!(
            environment.get(&OsString::from("DISPLAY")),
            Some(&":0.0".into())
        );
        assert_eq!(environment.get(&OsString::from("PAGER")), Some(&"".into()));
        assert!(!environment.contains_key(&OsString::from("SHLVL")));
    }

    #[test]
    fn values_may_hold_anything_but_zero() {
        let environment = parse(b"A=b=c\nd\0B=\0nonsense\0\0");
        assert_eq!(environment.len(), 2);
        assert_eq!(environment[&OsString::from("A")], "b=c\nd");
    }
}
