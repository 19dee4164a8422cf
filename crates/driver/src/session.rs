//! What all requests of a running script share.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use snowglobe_events::{Frame, Kind, MachineState, Scope, Sink, SpanId};

use crate::console::{Console, clean_line};
use crate::error::Raise;
use crate::locate::ScriptMap;
use crate::methods::Checkpoint;
use crate::script::Place;
use crate::tools::Tools;
use crate::world::{Capture, JournalEntry, Machine, Observer, World};
use crate::{Cancel, Fault, Limit};

/// A run under way.
pub(crate) struct Session {
    pub world: Arc<dyn World>,
    pub tools: Arc<dyn Tools>,
    /// Inside the script's phase.
    pub scope: Scope,
    /// Below it lies everything that the run keeps.
    pub run_dir: PathBuf,
    /// The script's output folder.
    pub out_dir: PathBuf,
    /// By how much time limits are longer on this host.
    pub scale: f64,
    pub cancel: Cancel,
    pub map: ScriptMap,
    pub ocr: bool,
    pub keep_state: bool,
    pub interactive: bool,
    /// The run's own limit; armed by `run_tests`.
    pub global_limit: Duration,
    pub clock: Mutex<Clock>,
    pub machines: Mutex<BTreeMap<String, Arc<Handle>>>,
    pub feed: Arc<Feed>,
    pub calls: Mutex<BTreeMap<u64, Running>>,
    pub spans: Mutex<HashMap<SpanId, OpenSpan>>,
    /// Subtests that were left by the exception that is under way, innermost first.
    pub left: Mutex<Vec<String>>,
    /// What the latest wait in vain was for, with its last state.
    pub in_vain: Mutex<Option<String>>,
    pub captures: Mutex<Vec<Box<dyn Capture>>>,
    /// In the order in which they were made.
    pub checkpoints: Mutex<Vec<Checkpoint>>,
}

/// The global time limit.
#[derive(Default)]
pub(crate) struct Clock {
    pub until: Option<Instant>,
}

/// A span that the script opened and will close.
pub(crate) struct OpenSpan {
    pub since: Instant,
    pub parent: Option<SpanId>,
}

/// A call that has not been answered yet.
pub(crate) struct Running {
    pub text: String,
    pub since: Instant,
    pub frames: Vec<Frame>,
}

/// A machine with what the run keeps about it.
pub(crate) struct Handle {
    pub machine: Arc<dyn Machine>,
    pub console: Arc<Console>,
    pub qmp_events: Mutex<Option<Receiver<Value>>>,
    /// Whether the script knows it to be started: until it has asked for its end, or waited for
    /// it. Locked while it is being started.
    pub started: Mutex<bool>,
    /// What its first card is plugged into.
    pub first_vlan: Option<u16>,
    pub graphical: bool,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in one request must not stop the others.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// A machine by the name of its node.
    pub fn machine(&self, name: &str) -> Result<Arc<Handle>, Raise> {
        lock(&self.machines)
            .get(name)
            .cloned()
            .ok_or_else(|| Raise::machine(format!("there is no machine '{name}'")))
    }

    /// All machines by name.
    pub fn all_machines(&self) -> Vec<Arc<Handle>> {
        lock(&self.machines).values().cloned().collect()
    }

    /// Adds a machine.
    pub fn add(&self, machine: Arc<dyn Machine>, first_vlan: Option<u16>, graphical: bool) {
        let name = machine.name().to_owned();
        let console = self.feed.console_of(&name);
        let handle = Handle {
            machine,
            console,
            qmp_events: Mutex::new(None),
            started: Mutex::new(false),
            first_vlan,
            graphical,
        };
        lock(&self.machines).insert(name, Arc::new(handle));
    }

    /// A limit of the script, as long as it is on this host.
    pub fn scaled(&self, seconds: f64) -> Duration {
        Duration::try_from_secs_f64((seconds * self.scale).max(0.0)).unwrap_or(Duration::MAX)
    }

    /// The script's frames as places in files.
    pub fn frames(&self, at: &[(u32, String)]) -> Vec<Frame> {
        at.iter()
            .map(|(line, function)| Frame {
                function: function.clone(),
                location: self.map.location(*line),
            })
            .collect()
    }

    /// What the script is waiting for, the longest wait first.
    pub fn under_way(&self) -> Place {
        let calls = lock(&self.calls);
        let mut calls: Vec<_> = calls.values().collect();
        calls.sort_by_key(|call| call.since);
        let frames = calls
            .first()
            .map(|call| call.frames.clone())
            .unwrap_or_default();
        let words = |call: &&Running| {
            format!(
                "{} for {:.1} s",
                call.text,
                call.since.elapsed().as_secs_f64()
            )
        };
        Place {
            frames,
            calls: calls.iter().take(5).map(words).collect(),
        }
    }

    /// Starts a machine unless it runs, because the script says so.
    pub fn start(&self, handle: &Handle, allow_reboot: bool, limit: &Limit) -> Result<(), Fault> {
        let mut state = lock(&handle.started);
        if handle.machine.running() {
            return Ok(());
        }
        handle.console.clear();
        handle.machine.start(allow_reboot, limit)?;
        *state = true;
        drop(state);
        self.watch_qmp(handle);
        Ok(())
    }

    /// Starts a machine unless it runs, because something is asked of it. One that has ended by
    /// itself stays so: a crash must not go unseen.
    pub fn need(&self, handle: &Handle, limit: &Limit) -> Result<(), Fault> {
        if !handle.machine.running() && *lock(&handle.started) {
            let now = Limit::new(Some(Duration::ZERO), &limit.cancel);
            let why = match handle.machine.wait_ended(&now) {
                Ok(ended) => ended.why,
                Err(_) => "it has ended".to_owned(),
            };
            // It may have been started in between.
            if !handle.machine.running() {
                return Err(Fault::Stopped { why });
            }
        }
        self.start(handle, false, limit)
    }

    /// Collects the machine's QMP events from now on.
    pub fn watch_qmp(&self, handle: &Handle) {
        // A machine without QMP says so when it is asked for an event.
        *lock(&handle.qmp_events) = handle.machine.qmp_events().ok();
    }
}

/// Takes what machines tell and makes events of it, within bounds.
pub(crate) struct Feed {
    sink: Sink,
    consoles: Mutex<HashMap<String, Arc<Console>>>,
    budgets: Mutex<HashMap<String, Budget>>,
}

/// What a machine may still put into the event stream, in bytes.
struct Budget {
    console: usize,
    journal: usize,
}

/// Console bytes per machine that become events.
const CONSOLE_BUDGET: usize = 4 << 20;
/// Journal bytes per machine that become events.
const JOURNAL_BUDGET: usize = 8 << 20;
/// Bytes of one journal message.
const MESSAGE: usize = 4 << 10;

impl Feed {
    pub fn new(sink: Sink) -> Self {
        Self {
            sink,
            consoles: Mutex::default(),
            budgets: Mutex::default(),
        }
    }

    /// The console of a machine.
    pub fn console_of(&self, machine: &str) -> Arc<Console> {
        lock(&self.consoles)
            .entry(machine.to_owned())
            .or_default()
            .clone()
    }

    /// Takes so many bytes off a budget; whether there was enough. Tells once when it ran out.
    fn spend(&self, machine: &str, what: &str, bytes: usize) -> bool {
        let mut budgets = lock(&self.budgets);
        let budget = budgets.entry(machine.to_owned()).or_insert(Budget {
            console: CONSOLE_BUDGET,
            journal: JOURNAL_BUDGET,
        });
        let left = if what == "console" {
            &mut budget.console
        } else {
            &mut budget.journal
        };
        if *left == 0 {
            return false;
        }
        // Lines cost something even when they are empty.
        *left = left.saturating_sub(bytes + 64);
        if *left > 0 {
            return true;
        }
        drop(budgets);
        self.sink.machine(machine).emit(Kind::Warning {
            message: format!("the {what} is longer than what is kept; the rest is left out"),
            hints: Vec::new(),
        });
        false
    }
}

impl Observer for Feed {
    fn state(&self, machine: &str, state: MachineState, why: Option<String>) {
        self.sink
            .machine(machine)
            .emit(Kind::MachineState { state, why });
    }

    fn console(&self, machine: &str, line: &[u8]) {
        let line = clean_line(line);
        if self.spend(machine, "console", line.len()) {
            self.sink
                .machine(machine)
                .emit(Kind::Console { line: line.clone() });
        }
        self.console_of(machine).push(line);
    }

    fn journal(&self, machine: &str, entry: JournalEntry) {
        let mut message = entry.message;
        if message.len() > MESSAGE {
            message.truncate(message.floor_char_boundary(MESSAGE));
            message.push('…');
        }
        if !self.spend(machine, "journal", message.len()) {
            return;
        }
        let some = |text: String| (!text.is_empty()).then_some(text);
        self.sink.machine(machine).emit(Kind::Journal {
            guest_wall: (entry.realtime_us > 0).then_some(entry.realtime_us),
            unit: some(entry.unit),
            identifier: some(entry.identifier),
            priority: entry.priority,
            pid: (entry.pid > 0).then_some(entry.pid),
            message,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_on_the_console_is_cut_off_with_a_note() {
        let sink = Sink::new();
        let events = sink.subscribe();
        let feed = Feed::new(sink.clone());
        let line = vec![b'x'; 1000];
        (0..10_000).for_each(|_| feed.console("m", &line));
        feed.console("other", b"short");
        sink.close();
        drop(sink);
        let events: Vec<_> = events.iter().collect();
        let lines = events
            .iter()
            .filter(|e| matches!(e.kind, Kind::Console { .. }))
            .count();
        let notes = events
            .iter()
            .filter(|e| matches!(e.kind, Kind::Warning { .. }))
            .count();
        assert!((3000..5000).contains(&lines), "{lines}");
        assert_eq!(notes, 1);
        assert!(
            feed.console_of("m").text().len() > 9_000_000,
            "the script still sees all"
        );
    }
}
