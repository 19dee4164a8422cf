//! Units of systemd's managers.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use snowglobe_agent_protocol::{Exec, Failure, FailureKind, Outcome, UnitJob, UnitVerdict};

use super::call::{Answer, Call, deadline, earlier, invalid, system, wait as wait_for};
use super::exec::attend;
use super::output::Kept;
use super::session::Context;
use super::spawn;
use super::users::User;
use crate::dbus::{Argument, Bus, BusError, Message, Value};

pub const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
pub const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Between looks at a manager that is not there yet, or not to be disturbed.
const EARLY: Duration = Duration::from_millis(50);
/// In case a signal is lost.
const LATE: Duration = Duration::from_secs(1);

/// One manager.
#[derive(Clone, Debug)]
pub struct Manager {
    socket: PathBuf,
    user: Option<User>,
}

impl Manager {
    pub fn find(context: &Context, user: Option<&str>) -> Result<Self, Failure> {
        let user = user.map(User::find).transpose()?;
        let socket = match &user {
            None => context.config.system_manager.clone(),
            Some(user) => {
                let runtime = context
                    .config
                    .runtime_directories
                    .join(user.uid.to_string());
                runtime.join("systemd/private")
            }
        };
        Ok(Self { socket, user })
    }

    pub fn connect(&self) -> Result<Bus, BusError> {
        let Some(user) = self.user.as_ref().filter(|user| user.uid != 0) else {
            return Bus::connect(&self.socket);
        };
        // A user's manager obeys its user only, and the kernel tells it who connects. These calls change
        // the ids of this thread alone.
        let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
        set_thread_res_gid(None, gid, None).map_err(io::Error::from)?;
        let stream = set_thread_res_uid(None, uid, None)
            .map_err(io::Error::from)
            .and_then(|()| UnixStream::connect(&self.socket));
        let back = set_thread_res_uid(None, Uid::ROOT, None)
            .and_then(|()| set_thread_res_gid(None, Gid::ROOT, None));
        back.map_err(io::Error::from)?;
        Bus::over(stream?, user.uid)
    }

    /// Waits for the manager itself; `None`: time is over.
    pub fn await_connection(
        &self,
        call: &Call,
        end: Option<Instant>,
    ) -> Result<Option<Bus>, Failure> {
        loop {
            match self.connect() {
                Ok(bus) => return Ok(Some(bus)),
                Err(BusError::Io(error)) if is_absence(&error) => {}
                Err(error) => return Err(system("speak to systemd", error)),
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(None);
            }
            call.pause(earlier(end, Some(Instant::now() + EARLY)))?;
        }
    }
}

fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::NotFound
            | Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::UnexpectedEof
            | Kind::BrokenPipe
            | Kind::PermissionDenied
            | Kind::WouldBlock
            | Kind::TimedOut
    )
}

/// The name as `systemctl` completes it.
pub fn full_name(unit: &str) -> String {
    const KINDS: [&str; 11] = [
        "service",
        "socket",
        "target",
        "device",
        "mount",
        "automount",
        "swap",
        "timer",
        "path",
        "slice",
        "scope",
    ];
    if let Some(path) = unit.strip_prefix('/') {
        let kind = if unit.starts_with("/dev/") {
            "device"
        } else {
            "mount"
        };
        return format!("{}.{kind}", escape_path(path));
    }
    match unit.rsplit_once('.') {
        Some((_, kind)) if KINDS.contains(&kind) => unit.to_owned(),
        _ => format!("{unit}.service"),
    }
}

fn escape_path(path: &str) -> String {
    let path = path.trim_matches('/');
    if path.is_empty() {
        return "-".to_owned();
    }
    let mut out = String::new();
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'/' => out.push('-'),
            b'.' if at == 0 => out.push_str("\\x2e"),
            b'_' | b':' | b'.' => out.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => out.push(byte.into()),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

pub fn property(bus: &mut Bus, path: &str, interface: &str, name: &str) -> Result<Value, BusError> {
    let body = [Argument::Text(interface), Argument::Text(name)];
    let mut values = bus.call(path, PROPERTIES, "Get", &body)?;
    Ok(values.pop().unwrap_or(Value::Array(Vec::new())))
}

pub fn load(bus: &mut Bus, unit: &str) -> Result<String, BusError> {
    let values = bus.call(MANAGER_PATH, MANAGER, "LoadUnit", &[Argument::Text(unit)])?;
    Ok(values
        .first()
        .and_then(Value::text)
        .unwrap_or_default()
        .to_owned())
}

pub fn active_state(bus: &mut Bus, path: &str) -> Result<String, BusError> {
    Ok(property(bus, path, UNIT, "ActiveState")?
        .text()
        .unwrap_or_default()
        .to_owned())
}

pub fn jobs(bus: &mut Bus) -> Result<Vec<String>, BusError> {
    let values = bus.call(MANAGER_PATH, MANAGER, "ListJobs", &[])?;
    let jobs = values.first().map(Value::members).unwrap_or_default();
    let describe = |job: &Value| {
        let text = |at: usize| {
            job.members()
                .get(at)
                .and_then(Value::text)
                .unwrap_or_default()
        };
        format!("{} {} {}", text(1), text(2), text(3))
    };
    Ok(jobs.iter().map(describe).collect())
}

/// Upstream's rules: active is success; failed is an error; inactive is one too if no job is left that
/// could change it, looked at again after the jobs; everything else waits.
pub fn verdict(
    bus: &mut Bus,
    path: &str,
    state: &mut String,
) -> Result<Option<UnitVerdict>, BusError> {
    *state = active_state(bus, path)?;
    Ok(match state.as_str() {
        "active" => Some(UnitVerdict::Active),
        "failed" => Some(UnitVerdict::Failed),
        "inactive" if jobs(bus)?.is_empty() => {
            *state = active_state(bus, path)?;
            match state.as_str() {
                "inactive" => Some(UnitVerdict::InactiveWithoutJobs),
                "active" => Some(UnitVerdict::Active),
                "failed" => Some(UnitVerdict::Failed),
                _ => None,
            }
        }
        _ => None,
    })
}

pub fn wait(
    context: &Context,
    call: &Call,
    unit: &str,
    user: Option<&str>,
    timeout_ms: Option<u64>,
) -> Result<Answer, Failure> {
    let end = deadline(timeout_ms);
    let manager = Manager::find(context, user)?;
    let name = full_name(unit);
    let mut state = String::new();
    loop {
        let Some(bus) = manager.await_connection(call, end)? else {
            return Ok(Outcome::Unit(UnitVerdict::TimedOut { state }).into());
        };
        // Until the system is up, its manager is asked now and then: to a client that stays it would
        // tell every change of every unit, which costs more than the boot's own work.
        let stay = user.is_some() || context.login.is_open();
        match watch(bus, call, &name, end, stay, &mut state) {
            Ok(Some(verdict)) => return Ok(Outcome::Unit(verdict).into()),
            Ok(None) => {}
            Err(WatchError::Failure(failure)) => return Err(failure),
            Err(WatchError::Bus(BusError::Io(error))) if is_absence(&error) => {}
            Err(WatchError::Bus(error @ BusError::Call { .. })) => {
                return Err(invalid(format!("unit '{unit}': {error}")));
            }
            Err(WatchError::Bus(error)) => return Err(system("speak to systemd", error)),
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            return Ok(Outcome::Unit(UnitVerdict::TimedOut { state }).into());
        }
        call.pause(earlier(end, Some(Instant::now() + EARLY * 2)))?;
    }
}

enum WatchError {
    Failure(Failure),
    Bus(BusError),
}

impl From<BusError> for WatchError {
    fn from(error: BusError) -> Self {
        Self::Bus(error)
    }
}

fn watch(
    mut bus: Bus,
    call: &Call,
    unit: &str,
    end: Option<Instant>,
    stay: bool,
    state: &mut String,
) -> Result<Option<UnitVerdict>, WatchError> {
    let path = load(&mut bus, unit)?;
    loop {
        if let Some(verdict) = verdict(&mut bus, &path, state)? {
            return Ok(Some(verdict));
        }
        if !stay {
            return Ok(None);
        }
        let look = Instant::now() + LATE;
        loop {
            let mut concerns_us = false;
            while let Some(signal) = bus.signal()? {
                concerns_us |= signal.path == path || signal.member == "JobRemoved";
                // What is said need not be asked for, which takes another round trip.
                if signal.path == path && told_state(&signal) == Some("active") {
                    "active".clone_into(state);
                    return Ok(Some(UnitVerdict::Active));
                }
            }
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) {
                return Ok(None);
            }
            if concerns_us || now >= look {
                break;
            }
            pause(&bus, call, earlier(end, Some(look))).map_err(WatchError::Failure)?;
        }
    }
}

/// The state of a unit that `PropertiesChanged` tells of.
fn told_state(signal: &Message) -> Option<&str> {
    let [interface, changed, ..] = signal.body.as_slice() else {
        return None;
    };
    if signal.member != "PropertiesChanged" || interface.text() != Some(UNIT) {
        return None;
    }
    changed.members().iter().find_map(|entry| {
        let [name, value] = entry.members() else {
            return None;
        };
        (name.text() == Some("ActiveState")).then(|| value.text())?
    })
}

/// Waits for a message of the manager or of the host.
fn pause(bus: &Bus, call: &Call, until: Option<Instant>) -> Result<(), Failure> {
    let (descriptor, event) = (bus.descriptor(), call.event());
    let mut descriptors = [
        PollFd::new(&descriptor, PollFlags::IN),
        PollFd::new(&event, PollFlags::IN),
    ];
    wait_for(&mut descriptors, until).map_err(|error| system("wait", error))?;
    call.clear();
    call.check()
}

pub fn job(
    context: &Context,
    call: &Call,
    unit: &str,
    user: Option<&str>,
    job: UnitJob,
    timeout_ms: Option<u64>,
) -> Result<Answer, Failure> {
    let end = deadline(timeout_ms);
    let manager = Manager::find(context, user)?;
    let name = full_name(unit);
    let (method, verb) = match job {
        UnitJob::Start => ("StartUnit", "start"),
        UnitJob::Stop => ("StopUnit", "stop"),
        UnitJob::Restart => ("RestartUnit", "restart"),
        UnitJob::Reload => ("ReloadUnit", "reload"),
    };
    let Some(mut bus) = manager.await_connection(call, end)? else {
        return Err(Failure::new(
            FailureKind::NotReady,
            "systemd does not answer",
        ));
    };
    let body = [Argument::Text(&name), Argument::Text("replace")];
    let path = match bus.call(MANAGER_PATH, MANAGER, method, &body) {
        Ok(values) => values
            .first()
            .and_then(Value::text)
            .unwrap_or_default()
            .to_owned(),
        Err(BusError::Call {
            name: error,
            message,
        }) => {
            let status = refusal_status(&error);
            let message = format!("Failed to {verb} {name}: {message}");
            return Ok(Outcome::Job { status, message }.into());
        }
        Err(error) => return Err(system("speak to systemd", error)),
    };
    loop {
        while let Some(signal) = bus
            .signal()
            .map_err(|error| system("speak to systemd", error))?
        {
            if let Some(result) = job_result(&signal, &path) {
                let (status, message) = match result {
                    "done" | "skipped" => (0, String::new()),
                    result => (1, format!("Job for {name} ended: {result}.")),
                };
                return Ok(Outcome::Job { status, message }.into());
            }
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            let message = format!("Job for {name} has not ended in time.");
            return Ok(Outcome::Job {
                status: super::exec::TIMED_OUT,
                message,
            }
            .into());
        }
        pause(&bus, call, end)?;
    }
}

fn job_result<'a>(signal: &'a Message, job: &str) -> Option<&'a str> {
    let ours = signal.member == "JobRemoved" && signal.body.get(1)?.text()? == job;
    ours.then(|| signal.body.get(3).and_then(Value::text).unwrap_or_default())
}

/// What `systemctl` exits with.
fn refusal_status(error: &str) -> i32 {
    match error.rsplit('.').next().unwrap_or_default() {
        "NoSuchUnit" => 5,
        "AccessDenied" | "OnlyByDependency" | "NoIsolation" | "TransactionIsDestructive" => 4,
        "JobTypeNotApplicable" | "NotSupported" => 3,
        "LoadFailed" | "BadUnitSetting" => 6,
        _ => 1,
    }
}

pub fn properties(
    context: &Context,
    call: &Call,
    unit: &str,
    user: Option<&str>,
    names: &[String],
) -> Result<Answer, Failure> {
    let manager = Manager::find(context, user)?;
    if let Some(found) = simple_properties(&manager, unit, names) {
        return Ok(Outcome::Properties(found).into());
    }
    // `systemctl` knows how to print the other hundreds.
    let mut words = vec!["systemctl".to_owned(), "--no-pager".to_owned()];
    if user.is_some() {
        words.push("--user".to_owned());
    }
    words.extend(["show".to_owned(), "--".to_owned(), unit.to_owned()]);
    for name in names {
        words.insert(words.len() - 2, format!("--property={name}"));
    }
    let exec = Exec {
        program: Some(words),
        user: user.map(str::to_owned),
        timeout_ms: Some(30_000),
        ..Exec::default()
    };
    context.login.wait(call, None)?;
    let mut kept = Kept::default();
    let process = spawn::start(context, &exec, &[])?;
    let ended = attend(call, process, exec.timeout_ms, &mut kept)?;
    if ended.status != 0 {
        let text = String::from_utf8_lossy(&kept.stderr).trim_end().to_owned();
        return Err(Failure::new(FailureKind::System, text));
    }
    let text = String::from_utf8_lossy(&kept.stdout);
    let found = text.lines().filter_map(|line| {
        line.split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    });
    Ok(Outcome::Properties(found.collect()).into())
}

/// Properties whose text is plain. `None`: something else is among them, or nothing answers.
fn simple_properties(
    manager: &Manager,
    unit: &str,
    names: &[String],
) -> Option<Vec<(String, String)>> {
    if names.is_empty() {
        return None;
    }
    let mut bus = manager.connect().ok()?;
    let unit = full_name(unit);
    let path = load(&mut bus, &unit).ok()?;
    let kind = unit.rsplit('.').next()?;
    let specific = format!("{UNIT_PREFIX}{}{}", kind[..1].to_uppercase(), &kind[1..]);
    let mut found = Vec::new();
    for name in names {
        let value = property(&mut bus, &path, UNIT, name)
            .or_else(|_| property(&mut bus, &path, &specific, name))
            .ok()?;
        found.push((name.clone(), plain(name, &value)?));
    }
    Some(found)
}

const UNIT_PREFIX: &str = "org.freedesktop.systemd1.";

fn plain(name: &str, value: &Value) -> Option<String> {
    let Value::Variant(signature, value) = value else {
        return None;
    };
    match (signature.as_str(), &**value) {
        ("s" | "o", Value::Text(text)) => Some(text.clone()),
        ("b", Value::Bool(value)) => Some(if *value { "yes" } else { "no" }.to_owned()),
        ("u", Value::Integer(number)) => {
            let special = ["Mode", "Mask", "UID", "GID"]
                .iter()
                .any(|end| name.ends_with(end));
            (!special && *number < i128::from(u32::MAX)).then(|| number.to_string())
        }
        ("as", value) => {
            let words: Option<Vec<_>> = value.members().iter().map(Value::text).collect();
            let words = words?;
            // Those with special characters are quoted.
            let simple = |word: &&str| {
                !word.is_empty()
                    && word
                        .bytes()
                        .all(|c| c.is_ascii_alphanumeric() || b"-_./:@=".contains(&c))
            };
            words.iter().all(simple).then(|| words.join(" "))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_systemctl_does() {
        for (given, full) in [
            ("nginx", "nginx.service"),
            ("nginx.service", "nginx.service"),
            ("multi-user.target", "multi-user.target"),
            ("a.b", "a.b.service"),
            ("getty@tty1", "getty@tty1.service"),
            ("/dev/vda", "dev-vda.device"),
            ("/mnt/a-b", "mnt-a\\x2db.mount"),
            ("/", "-.mount"),
        ] {
            assert_eq!(full_name(given), full);
        }
    }

    #[test]
    fn a_change_tells_the_state() {
        let text = |text: &str| Value::Text(text.into());
        let entry = |name: &str, value: &str| {
            let value = Value::Variant("s".into(), Box::new(text(value)));
            Value::Struct(vec![text(name), value])
        };
        let signal = |interface: &str, entries: Vec<Value>| Message {
            kind: crate::dbus::Kind::Signal,
            serial: 1,
            reply_to: 0,
            path: "/unit".into(),
            interface: PROPERTIES.into(),
            member: "PropertiesChanged".into(),
            error: String::new(),
            body: vec![text(interface), Value::Array(entries)],
        };
        let both = vec![entry("SubState", "running"), entry("ActiveState", "active")];
        assert_eq!(told_state(&signal(UNIT, both.clone())), Some("active"));
        assert_eq!(told_state(&signal("other", both)), None);
        let other = vec![entry("SubState", "running")];
        assert_eq!(told_state(&signal(UNIT, other)), None);
    }

    #[test]
    fn only_plain_values_are_printed_here() {
        let variant =
            |signature: &str, value| Value::Variant(signature.to_owned(), Box::new(value));
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(
            plain("X", &variant("s", text("a b"))).as_deref(),
            Some("a b")
        );
        assert_eq!(
            plain("X", &variant("b", Value::Bool(true))).as_deref(),
            Some("yes")
        );
        assert_eq!(
            plain("MainPID", &variant("u", Value::Integer(7))).as_deref(),
            Some("7")
        );
        assert_eq!(plain("UMask", &variant("u", Value::Integer(18))), None);
        assert_eq!(
            plain("TimeoutStartUSec", &variant("t", Value::Integer(7))),
            None
        );
        let list =
            |words: &[&str]| variant("as", Value::Array(words.iter().map(|w| text(w)).collect()));
        assert_eq!(plain("X", &list(&["a", "b"])).as_deref(), Some("a b"));
        assert_eq!(plain("X", &list(&["a b"])), None);
    }
}
