//! What a script can ask for: every method of a machine and every global, by name.

mod arguments;
mod checkpoint;
mod commands;
mod files;
mod network;
mod power;
mod screen;
mod shell;
mod spans;
mod terminal;
mod units;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use snowglobe_events::{Kind, Scope, SpanId};

use self::arguments::Arguments;
use crate::error::Raise;
use crate::script::Incoming;
use crate::session::{Handle, Running, Session, lock};
use crate::world::Agent;
use crate::{Cancel, Fault, Limit};

/// A request of the script, on its way.
pub(crate) struct Call {
    pub method: String,
    pub args: Arguments,
    pub handle: Option<Arc<Handle>>,
    pub descriptors: Vec<OwnedFd>,
    /// Inside the call's own span, about its machine.
    pub scope: Scope,
    pub cancel: Cancel,
}

/// What a request gives.
pub(crate) struct Answer {
    pub value: Value,
    pub descriptor: Option<OwnedFd>,
}

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Self {
            value,
            descriptor: None,
        }
    }
}

pub(crate) use checkpoint::{Checkpoint, FOLDER as CHECKPOINTS};
pub(crate) use screen::save as save_picture;

type Result<T = Answer> = std::result::Result<T, Raise>;

/// Requests that only keep the books: no call of their own in the event stream.
const QUIET: &[&str] = &[
    "arm_timeout",
    "checkpoints",
    "console_read",
    "copied_from_machine",
    "log",
    "log_serial",
    "nested_enter",
    "nested_leave",
    "print_serial_logs",
    "state",
    "subtest_enter",
    "subtest_leave",
    "sync_all",
    "wait_enter",
    "wait_leave",
    "wait_progress",
];

/// Whether a request is done at once, so that it needs no thread of its own.
pub(crate) fn is_quick(method: &str) -> bool {
    QUIET.contains(&method) && !["checkpoints", "console_read", "sync_all"].contains(&method)
}

/// Carries out a request.
pub(crate) fn handle(session: &Session, message: Incoming, cancel: Cancel) -> Result {
    let handle = message
        .machine
        .as_deref()
        .map(|name| session.machine(name))
        .transpose()?;
    let outer = match &message.machine {
        Some(name) => session.scope.machine(name),
        None => session.scope.clone(),
    };
    let outer = outer.within(message.parent.or(session.scope.parent()));
    let args = Arguments::new(message.args);
    if QUIET.contains(&message.call.as_str()) {
        let call = Call {
            method: message.call,
            args,
            handle,
            descriptors: message.descriptors,
            scope: outer,
            cancel,
        };
        return dispatch(session, call);
    }
    // Whatever exception was under way before, the script goes on.
    lock(&session.left).clear();
    let frames = session.frames(&message.at);
    let text = args.display();
    let key = message.id.unwrap_or(0);
    let place = match &message.machine {
        Some(name) => format!("{name}."),
        None => String::new(),
    };
    lock(&session.calls).insert(
        key,
        Running {
            text: format!("{place}{}({text})", message.call),
            since: Instant::now(),
            frames: frames.clone(),
        },
    );
    let since = Instant::now();
    let span = outer.open(Kind::CallStarted {
        method: message.call.clone(),
        arguments: text,
        location: frames.last().map(|frame| frame.location.clone()),
    });
    let call = Call {
        method: message.call,
        args,
        handle,
        descriptors: message.descriptors,
        scope: outer.within(Some(span)),
        cancel,
    };
    let result = dispatch(session, call);
    let error = result
        .as_ref()
        .err()
        .map(|raise| format!("{}: {}", raise.class, raise.message));
    outer.on(
        span,
        Kind::CallFinished {
            ok: error.is_none(),
            error,
            duration: micros(since.elapsed()),
        },
    );
    lock(&session.calls).remove(&key);
    result
}

fn dispatch(session: &Session, call: Call) -> Result {
    match call.method.as_str() {
        "execute" => commands::execute(session, &call),
        "succeed" => commands::succeed(session, &call),
        "fail" => commands::fail(session, &call),
        "wait_until_succeeds" => commands::wait_until(session, &call, true),
        "wait_until_fails" => commands::wait_until(session, &call, false),
        "sleep" => commands::sleep(session, &call),

        "systemctl" => units::systemctl(session, &call),
        "wait_for_unit" => units::wait_for_unit(session, &call),
        "wait_for_unit_active_state" => units::wait_for_active_state(session, &call),
        "get_unit_info" => units::info(session, &call),
        "get_unit_property" => units::property(session, &call),
        "require_unit_state" => units::require_state(session, &call),

        "wait_for_file" => files::wait_for_file(session, &call),
        "wait_for_open_port" => files::wait_for_port(session, &call, true),
        "wait_for_closed_port" => files::wait_for_port(session, &call, false),
        "wait_for_open_unix_socket" => files::wait_for_socket(session, &call),
        "copy_from_host" => files::copy_from_host(session, call),
        "copy_from_machine" => files::copy_from_machine(session, &call),
        "copied_from_machine" => files::copied(session, &call),

        "start" => power::start(session, &call),
        "start_all" => power::start_all(session, &call),
        "join_all" => power::join_all(session, &call),
        "connect" => power::connect(session, &call),
        "is_up" => power::is_up(&call),
        "state" => power::state(&call),
        "disconnected" => power::disconnected(&call),
        "shutdown" => power::shutdown(session, &call),
        "wait_for_shutdown" => power::wait_for_shutdown(session, &call),
        "crash" => power::crash(session, &call),
        "reboot" => power::reboot(session, &call),
        "release" => power::release(&call),
        "cleanup_statedir" => power::forget_state(&call),
        "create_machine" => power::create(session, &call),
        "arm_timeout" => power::arm_timeout(session),
        "sync_all" => power::sync_all(session, &call),
        "checkpoint" => checkpoint::save(session, &call),
        "restore" => checkpoint::restore(session, &call),
        "checkpoints" => checkpoint::list(session),
        "switch_root" => Err(unsupported("switch_root(), for tests of the initrd,")),
        "ssh_backdoor_command" => Err(unsupported(
            "the SSH back door (`snowglobe shell` opens a shell)",
        )),

        "block" => network::set_link(session, &call, false),
        "unblock" => network::set_link(session, &call, true),
        "forward_port" => network::forward_port(session, &call),
        "vlan_cut" | "vlan_heal" | "vlan_delay" | "vlan_loss" => network::change(session, &call),
        "vlan_capture" => network::capture(session, &call),

        "qmp" => screen::qmp(session, &call),
        "qmp_event" => screen::qmp_event(session, &call),
        "send_monitor_command" => screen::monitor(session, &call),
        "wait_for_monitor_prompt" => screen::monitor_prompt(session, &call),
        "send_key" => screen::send_key(session, &call),
        "send_chars" => screen::send_chars(session, &call),
        "send_console" => screen::send_console(session, &call),
        "get_console_log" => screen::console_log(&call),
        "console_read" => screen::console_read(session, &call),
        "get_tty_text" => screen::tty_text(session, &call),
        "screenshot" => screen::screenshot(session, &call),
        "get_screen_text" => screen::screen_text(session, &call),
        "wait_for_x" => screen::wait_for_x(session, &call),
        "get_window_names" => screen::window_names(session, &call),

        "shell_interact" => terminal::shell_interact(session, &call),
        "console_interact" => terminal::console_interact(session, &call),

        "log" => spans::log(&call),
        "log_serial" => spans::log_serial(session, &call),
        "print_serial_logs" => spans::show_console(&call),
        "subtest_enter" | "nested_enter" | "wait_enter" => spans::enter(session, &call),
        "wait_progress" => spans::progress(&call),
        "subtest_leave" | "nested_leave" | "wait_leave" => spans::leave(session, &call),
        other => Err(unsupported(&format!("the request '{other}'"))),
    }
}

fn unsupported(what: &str) -> Raise {
    Fault::unsupported(what).into()
}

pub(crate) fn micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap_or(u64::MAX)
}

impl Call {
    /// The machine; a request of a machine's method always has one.
    pub fn machine(&self) -> Result<&Arc<Handle>> {
        self.handle
            .as_ref()
            .ok_or_else(|| Raise::machine("the request names no machine"))
    }

    /// No limit but the run's own.
    pub fn endless(&self) -> Limit {
        Limit::new(None, &self.cancel)
    }

    /// A limit of ours.
    pub fn within(&self, duration: Duration) -> Limit {
        Limit::new(Some(duration), &self.cancel)
    }

    /// The machine's agent; starts the machine if necessary and waits until it answers.
    pub fn agent(&self, session: &Session) -> Result<Arc<dyn Agent>> {
        self.agent_of(session, false)
    }

    /// The machine's agent, as soon as waits are possible.
    pub fn early_agent(&self, session: &Session) -> Result<Arc<dyn Agent>> {
        self.agent_of(session, true)
    }

    fn agent_of(&self, session: &Session, early: bool) -> Result<Arc<dyn Agent>> {
        let handle = self.machine()?;
        if let Some(agent) = handle.machine.connected() {
            return Ok(agent);
        }
        let limit = self.within(session.scaled(900.0));
        let wait = Waiting::begin(
            self,
            "the machine to answer".to_owned(),
            Some(900.0),
            session,
        );
        let result = session.need(handle, &limit).and_then(|()| {
            if early {
                handle.machine.early_agent(&limit)
            } else {
                handle.machine.agent(&limit)
            }
        });
        wait.end(result.is_ok(), None);
        result.map_err(|fault| match fault {
            Fault::TimedOut => Raise::machine(format!(
                "machine '{}' did not answer within {:.0} seconds",
                handle.machine.name(),
                session.scaled(900.0).as_secs_f64()
            )),
            fault => named(handle, fault),
        })
    }
}

/// A fault with the machine's name in its message.
fn named(handle: &Handle, fault: Fault) -> Raise {
    let name = handle.machine.name();
    match fault {
        Fault::Stopped { why } => {
            Raise::machine(format!("machine '{name}' does not run: {why}")).with("machine", name)
        }
        fault => Raise::from(fault).with("machine", name),
    }
}

/// A wait as events: opened when it begins, closed at its end.
struct Waiting<'a> {
    session: &'a Session,
    what: String,
    scope: &'a Scope,
    span: SpanId,
    since: Instant,
    told: Instant,
    state: String,
}

impl<'a> Waiting<'a> {
    /// `limit` is in seconds of the script.
    fn begin(call: &'a Call, what: String, limit: Option<f64>, session: &'a Session) -> Self {
        let limit = limit.map(|seconds| micros(session.scaled(seconds)));
        let span = call.scope.open(Kind::WaitStarted {
            what: what.clone(),
            limit,
        });
        let since = Instant::now();
        Self {
            session,
            what,
            scope: &call.scope,
            span,
            since,
            told: since,
            state: String::new(),
        }
    }

    /// Tells how it looks meanwhile; at most once a second unless it has changed.
    fn progress(&mut self, state: &str, tries: u64) {
        let now = Instant::now();
        let quiet = now - self.told;
        let changed = self.state != state && quiet > Duration::from_millis(200);
        if changed || quiet > Duration::from_secs(5) {
            self.told = now;
            self.state = state.to_owned();
            self.scope.on(
                self.span,
                Kind::WaitProgress {
                    state: state.to_owned(),
                    tries,
                },
            );
        }
    }

    fn scope(&self) -> Scope {
        self.scope.within(Some(self.span))
    }

    fn end(self, ok: bool, state: Option<String>) -> f64 {
        let elapsed = self.since.elapsed();
        if !ok {
            let state = state.as_deref().filter(|state| !state.is_empty());
            let state = state.map(|state| format!("; its last state was: {state}"));
            let words = format!("it waited for {}{}", self.what, state.unwrap_or_default());
            *lock(&self.session.in_vain) = Some(words);
        }
        self.scope.on(
            self.span,
            Kind::WaitFinished {
                ok,
                state,
                duration: micros(elapsed),
            },
        );
        elapsed.as_secs_f64()
    }
}

/// The exception of a wait whose limit was reached.
fn timed_out(elapsed: f64, timeout: &Value) -> Raise {
    Raise::assertion(format!(
        "action timed out after {elapsed:.2} seconds (timeout={timeout})"
    ))
}

fn null() -> Answer {
    json!(null).into()
}
