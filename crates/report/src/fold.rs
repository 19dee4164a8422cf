//! What a stream of events amounts to so far; the views share this.

use std::collections::{BTreeMap, HashMap, VecDeque};

use snowglobe_events::{
    Accelerator, Event, Evidence, Kind, MachineInfo, MachineState, Outcome, Phase, SpanId, Text,
};

/// Lines of journal and console that are remembered for each machine.
const LINES: usize = 30;

/// The state of a run.
#[derive(Debug, Default)]
pub struct Fold {
    /// The test's name, or what stands for it.
    pub title: String,
    /// The `.nix` file.
    pub file: Option<String>,
    /// How machines run.
    pub accelerator: Option<(Accelerator, String)>,
    /// Machines by name.
    pub machines: BTreeMap<String, Machine>,
    /// What lasts at the moment.
    pub open: HashMap<SpanId, Open>,
    /// Subtests in the order in which they began.
    pub subtests: Vec<Subtest>,
    /// Failures, in order.
    pub failures: Vec<Failed>,
    /// What machines looked like when the run failed.
    pub evidence: Vec<Shown>,
    /// Warnings, in order.
    pub warnings: Vec<String>,
    /// Pictures: machine, path below the run folder, why.
    pub screenshots: Vec<(String, String, String)>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When the same test passed before, if that is why it was not run, and how long it ran then.
    pub cached: Option<(u64, u64)>,
    /// Microseconds up to the latest event.
    pub elapsed: u64,
    /// Wall time of the first event.
    pub wall: u64,
    /// Duration of each phase that has ended: phase, microseconds, whether it was fine, remark.
    pub phases: Vec<(Phase, u64, bool, Option<String>)>,
}

/// A machine so far.
#[derive(Debug, Default)]
pub struct Machine {
    /// From the plan.
    pub info: Option<MachineInfo>,
    /// Its state.
    pub state: Option<MachineState>,
    /// Why.
    pub why: Option<String>,
    /// Latest lines of its journal.
    pub journal: VecDeque<String>,
    /// Latest lines of its console.
    pub console: VecDeque<String>,
    /// Place among the machines, from 0.
    pub number: usize,
}

/// Something that has not ended yet.
#[derive(Clone, Debug)]
pub struct Open {
    /// What.
    pub kind: OpenKind,
    /// Text for a reader.
    pub text: String,
    /// Its machine.
    pub machine: Option<String>,
    /// Around it.
    pub parent: Option<SpanId>,
    /// Since when, in microseconds of the run.
    pub since: u64,
    /// How long at most.
    pub limit: Option<u64>,
    /// Its latest state.
    pub state: Option<String>,
    /// Place in [`Fold::subtests`], for those.
    pub subtest: Option<usize>,
    /// Steps around it that a reader sees: how far to indent.
    pub depth: usize,
}

/// What kind of thing lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the kinds of events")]
pub enum OpenKind {
    Phase,
    Call,
    Command,
    Wait,
    Subtest,
    Nested,
}

/// A subtest.
#[derive(Clone, Debug, Default)]
pub struct Subtest {
    /// Its name.
    pub name: String,
    /// Names of those around it and its own, joined by ` / `.
    pub path: String,
    /// When it began, in microseconds of the run.
    pub since: u64,
    /// How long it took; `None`: it has not ended.
    pub duration: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
    /// What was printed and logged in it.
    pub output: String,
}

/// A failure, as the event has it.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Always [`Kind::Failure`].
    pub kind: Kind,
    /// When.
    pub elapsed: u64,
}

/// Evidence, as the event has it.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields of the event")]
pub struct Shown {
    pub machine: Option<String>,
    pub evidence: Evidence,
    pub title: String,
    pub text: Text,
}

/// A run in one line.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The test.
    pub title: String,
    /// How it ended; `None`: it has not.
    pub outcome: Option<Outcome>,
    /// Microseconds.
    pub duration: u64,
    /// Class and message of the first failure.
    pub failure: Option<String>,
    /// When the same test passed before, if it was not run for that reason.
    pub cached: Option<u64>,
}

/// Bytes of a subtest's output that are kept.
const OUTPUT: usize = 256 << 10;

impl Fold {
    /// Nothing has happened.
    pub fn new() -> Self {
        Self::default()
    }

    /// The run in one line.
    pub fn summary(&self) -> Summary {
        let failure = self.failures.first().and_then(|failed| match &failed.kind {
            Kind::Failure { class, message, .. } => Some(format!("{class}: {message}")),
            _ => None,
        });
        Summary {
            title: self.title.clone(),
            outcome: self.outcome,
            duration: self.elapsed,
            failure,
            cached: self.cached.map(|(passed, _)| passed),
        }
    }

    /// A machine's place, for its colour.
    pub fn number(&self, machine: &str) -> usize {
        self.machines
            .get(machine)
            .map_or(0, |machine| machine.number)
    }

    /// What a span that has just begun or is about to end is.
    pub fn span(&self, event: &Event) -> Option<&Open> {
        event.span.and_then(|span| self.open.get(&span))
    }

    /// The span around an event.
    pub fn parent(&self, event: &Event) -> Option<&Open> {
        event.parent.and_then(|span| self.open.get(&span))
    }

    /// How many subtests and blocks are around an event.
    pub fn depth(&self, event: &Event) -> usize {
        self.parent(event)
            .map_or(0, |open| open.depth + usize::from(open.is_block()))
    }

    fn machine(&mut self, name: &str) -> &mut Machine {
        let number = self.machines.len();
        self.machines
            .entry(name.to_owned())
            .or_insert_with(|| Machine {
                number,
                ..Machine::default()
            })
    }

    fn begin(&mut self, event: &Event, kind: OpenKind, text: &str, limit: Option<u64>) {
        let Some(span) = event.span else { return };
        let open = Open {
            kind,
            text: text.to_owned(),
            machine: event.machine.clone(),
            parent: event.parent,
            since: event.elapsed,
            limit,
            state: None,
            subtest: (kind == OpenKind::Subtest).then_some(self.subtests.len()),
            depth: self.depth(event),
        };
        self.open.insert(span, open);
    }

    /// The subtests around an event, innermost first.
    fn around(&self, event: &Event) -> Vec<usize> {
        let mut found = Vec::new();
        let mut next = event.parent;
        while let Some(open) = next.and_then(|span| self.open.get(&span)) {
            found.extend(open.subtest);
            next = open.parent;
        }
        found
    }

    fn output(&mut self, event: &Event, text: &str) {
        // What threads print has no span; it belongs to whichever subtest runs.
        let innermost = self.around(event).first().copied().or_else(|| {
            self.subtests
                .iter()
                .rposition(|subtest| subtest.duration.is_none())
        });
        if let Some(index) = innermost
            && let Some(subtest) = self.subtests.get_mut(index)
            && subtest.output.len() < OUTPUT
        {
            subtest.output.push_str(text);
        }
    }

    /// Takes the next event. For an event that ends a span, ask about the span before.
    pub fn event(&mut self, event: &Event) {
        self.elapsed = self.elapsed.max(event.elapsed);
        match &event.kind {
            Kind::RunStarted { title, file, .. } => {
                self.title.clone_from(title);
                self.file.clone_from(file);
                self.wall = event.wall;
            }
            Kind::Planned { test, machines, .. } => {
                // A test without a name is known by its file.
                if !test.is_empty() {
                    self.title.clone_from(test);
                }
                for info in machines {
                    self.machine(&info.name).info = Some(info.clone());
                }
            }
            Kind::RunFinished { outcome, duration } => {
                self.outcome = Some(*outcome);
                self.elapsed = *duration;
            }
            Kind::Cached {
                passed, duration, ..
            } => self.cached = Some((*passed, *duration)),
            Kind::Accelerator { accelerator, why } => {
                self.accelerator = Some((*accelerator, why.clone()));
            }
            Kind::PhaseStarted { phase } => {
                self.begin(event, OpenKind::Phase, &phase.to_string(), None);
            }
            Kind::PhaseProgress {
                what,
                done,
                total,
                unit,
                ..
            } => {
                let words = match total {
                    Some(total) => format!("{what} {}", amount(*done, Some(*total), unit)),
                    None => format!("{what} {}", amount(*done, None, unit)),
                };
                if let Some(open) = event.span.and_then(|span| self.open.get_mut(&span)) {
                    open.state = Some(words);
                } else if let Some(open) = self
                    .open
                    .values_mut()
                    .find(|open| open.kind == OpenKind::Phase)
                {
                    open.state = Some(words);
                }
            }
            Kind::PhaseFinished { phase, ok, note } => {
                let since = self.span(event).map_or(event.elapsed, |open| open.since);
                self.phases
                    .push((*phase, event.elapsed - since, *ok, note.clone()));
                self.close(event);
            }
            Kind::MachineState { state, why } => {
                if let Some(name) = &event.machine {
                    let machine = self.machine(name);
                    machine.state = Some(*state);
                    machine.why.clone_from(why);
                }
            }
            Kind::CallStarted {
                method, arguments, ..
            } => {
                let text = match &event.machine {
                    Some(machine) => format!("{machine}.{method}({arguments})"),
                    None => format!("{method}({arguments})"),
                };
                self.begin(event, OpenKind::Call, &text, None);
            }
            Kind::CommandStarted { command, limit } => {
                self.begin(event, OpenKind::Command, command, *limit);
            }
            Kind::WaitStarted { what, limit } => {
                self.begin(event, OpenKind::Wait, what, *limit);
            }
            Kind::WaitProgress { state, .. } => {
                if let Some(open) = event.span.and_then(|span| self.open.get_mut(&span)) {
                    open.state = Some(state.clone());
                }
            }
            Kind::CallFinished { .. }
            | Kind::CommandFinished { .. }
            | Kind::WaitFinished { .. } => {
                self.close(event);
            }
            Kind::SubtestStarted { name } => {
                self.begin(event, OpenKind::Subtest, name, None);
                let mut path: Vec<&str> = self
                    .around(event)
                    .into_iter()
                    .rev()
                    .map(|index| self.subtests[index].name.as_str())
                    .collect();
                path.push(name);
                let path = path.join(" / ");
                self.subtests.push(Subtest {
                    name: name.clone(),
                    path,
                    since: event.elapsed,
                    ..Subtest::default()
                });
            }
            Kind::SubtestFinished {
                error, duration, ..
            } => {
                let index = self.span(event).and_then(|open| open.subtest);
                if let Some(subtest) = index.and_then(|index| self.subtests.get_mut(index)) {
                    subtest.duration = Some(*duration);
                    subtest.error.clone_from(error);
                }
                self.close(event);
            }
            Kind::NestedStarted { message } => {
                self.begin(event, OpenKind::Nested, message, None);
            }
            Kind::NestedFinished { .. } => self.close(event),
            Kind::Log { message, .. } => self.output(event, &format!("{message}\n")),
            Kind::ScriptOutput { text, .. } => self.output(event, text),
            Kind::Console { line } => {
                if let Some(name) = &event.machine {
                    remember(&mut self.machine(name).console, line.clone());
                }
            }
            Kind::Journal {
                unit,
                identifier,
                message,
                priority,
                ..
            } => {
                if let Some(name) = &event.machine
                    && *priority < 7
                {
                    let who = identifier.as_deref().or(unit.as_deref()).unwrap_or("?");
                    let first = message.lines().next().unwrap_or_default();
                    if who != "kernel" || !is_usual(first) {
                        remember(&mut self.machine(name).journal, format!("{who}: {first}"));
                    }
                }
            }
            Kind::Screenshot { path, why } => {
                let machine = event.machine.clone().unwrap_or_default();
                self.screenshots.push((machine, path.clone(), why.clone()));
            }
            Kind::Warning { message, .. } => {
                let message = match &event.machine {
                    Some(machine) => format!("{machine}: {message}"),
                    None => message.clone(),
                };
                self.warnings.push(message);
            }
            Kind::Failure { .. } => {
                self.failures.push(Failed {
                    kind: event.kind.clone(),
                    elapsed: event.elapsed,
                });
            }
            Kind::Evidence {
                evidence,
                title,
                text,
            } => self.evidence.push(Shown {
                machine: event.machine.clone(),
                evidence: *evidence,
                title: title.clone(),
                text: text.clone(),
            }),
            _ => {}
        }
    }

    fn close(&mut self, event: &Event) {
        if let Some(span) = event.span {
            self.open.remove(&span);
        }
    }
}

impl Open {
    /// Whether what happens inside is indented.
    pub fn is_block(&self) -> bool {
        matches!(self.kind, OpenKind::Subtest | OpenKind::Nested)
    }
}

/// Whether every kernel says so, when the driver of its screen is loaded or when it was restored: that would
/// push out what explains a failure.
fn is_usual(message: &str) -> bool {
    const USUAL: [&str; 6] = [
        "[drm]",
        "bus type drm_connector",
        "vgaarb:",
        "fbcon:",
        "Console: switching to",
        "random: crng reseeded",
    ];
    USUAL.iter().any(|part| message.contains(part))
}

fn remember(lines: &mut VecDeque<String>, line: String) {
    if lines.len() == LINES {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// `12 of 40 MB`, `3 of 7 packages`.
pub(crate) fn amount(done: u64, total: Option<u64>, unit: &str) -> String {
    let (scale, unit) = if unit == "bytes" {
        (1e6, "MB")
    } else {
        (1.0, unit)
    };
    let number = |value: u64| {
        if scale > 1.0 {
            format!("{:.1}", value as f64 / scale)
        } else {
            value.to_string()
        }
    };
    match total {
        Some(total) => format!("{} of {} {unit}", number(done), number(total)),
        None => format!("{} {unit}", number(done)),
    }
}

#[cfg(test)]
mod tests {
    use super::is_usual;

    #[test]
    fn what_explains_a_failure_is_not_usual() {
        assert!(is_usual("[drm] number of scanouts: 1"));
        assert!(is_usual(
            "random: crng reseeded due to virtual machine fork"
        ));
        for telling in [
            "refused connection: IN=eth1 OUT= SRC=192.168.1.1",
            "Out of memory: Killed process 312 (shop)",
            "shop[312]: segfault at 0 ip 0000000000000000 sp 0 error 14",
        ] {
            assert!(!is_usual(telling));
        }
    }
}
