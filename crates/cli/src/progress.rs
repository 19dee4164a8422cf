//! Progress of archives and images as events of a run.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use snowglobe_archive::Progress;
use snowglobe_events::{Kind, Phase, Scope};

use crate::interrupt::Interrupt;

/// Tells the streams of all runs under way what is downloaded and built. Before a run begins, and
/// after it, nobody is told, unless it speaks for itself.
#[derive(Default)]
pub struct Reporter {
    streams: Mutex<Streams>,
    planned: AtomicU64,
    received: AtomicU64,
    told: AtomicU64,
    speaks: AtomicBool,
    interrupt: OnceLock<Interrupt>,
}

#[derive(Default)]
struct Streams {
    last: u64,
    open: Vec<(u64, Scope)>,
}

/// A stream is told until this is dropped.
pub struct Attachment {
    reporter: Arc<Reporter>,
    number: u64,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut streams = self.reporter.streams();
        streams.open.retain(|(number, _)| *number != self.number);
    }
}

/// Downloads are told about in steps of so many bytes.
const STEP: u64 = 1 << 20;

impl Reporter {
    /// From now on, this stream is told.
    pub fn attach(self: &Arc<Self>, scope: Scope) -> Attachment {
        let mut streams = self.streams();
        streams.last += 1;
        let number = streams.last;
        streams.open.push((number, scope));
        Attachment {
            reporter: self.clone(),
            number,
        }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Downloads and builds end when the user wants them to.
    pub fn obey(&self, interrupt: &Interrupt) {
        // Whoever came first stays.
        let _ = self.interrupt.set(interrupt.clone());
    }

    /// While no run is under way, steps are told on standard error.
    pub fn speak(&self) {
        self.speaks.store(true, Ordering::Relaxed);
    }

    fn say(&self, what: &str) {
        if self.speaks.load(Ordering::Relaxed) && self.streams().open.is_empty() {
            anstream::eprintln!("{what}");
        }
    }

    fn emit(&self, kind: Kind) {
        for (_, scope) in &self.streams().open {
            scope.emit(kind.clone());
        }
    }

    fn tell(&self) {
        self.emit(Kind::PhaseProgress {
            phase: Phase::Fetch,
            what: "download packages".to_owned(),
            done: self.received.load(Ordering::Relaxed),
            total: Some(self.planned.load(Ordering::Relaxed)),
            unit: "bytes".to_owned(),
        });
    }
}

impl Progress for Reporter {
    fn planned(&self, _files: usize, bytes: u64) {
        self.planned.fetch_add(bytes, Ordering::Relaxed);
    }

    fn received(&self, bytes: i64) {
        let received = match u64::try_from(bytes) {
            Ok(more) => self.received.fetch_add(more, Ordering::Relaxed) + more,
            Err(_) => self
                .received
                .fetch_sub(bytes.unsigned_abs(), Ordering::Relaxed),
        };
        let step = received / STEP;
        if self.told.fetch_max(step, Ordering::Relaxed) < step {
            self.tell();
        }
    }

    fn started(&self, step: &str) {
        self.say(step);
        self.emit(Kind::PhaseProgress {
            phase: Phase::Build,
            what: step.to_owned(),
            done: 0,
            total: Some(1),
            unit: "steps".to_owned(),
        });
    }

    fn finished(&self, step: &str) {
        self.emit(Kind::PhaseProgress {
            phase: Phase::Build,
            what: step.to_owned(),
            done: 1,
            total: Some(1),
            unit: "steps".to_owned(),
        });
    }

    fn is_cancelled(&self) -> bool {
        self.interrupt.get().is_some_and(Interrupt::requested)
    }

    fn note(&self, text: &str) {
        self.say(&format!("note: {text}"));
        self.emit(Kind::Warning {
            message: text.to_owned(),
            hints: Vec::new(),
        });
    }
}
