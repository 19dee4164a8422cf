//! Progress of archives and images as events of a run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use snowglobe_archive::Progress;
use snowglobe_events::{Kind, Phase, Scope};

/// Tells a run's stream what is downloaded and built. Before a run begins, and after it, nobody is
/// told.
#[derive(Default)]
pub struct Reporter {
    scope: Mutex<Option<Scope>>,
    planned: AtomicU64,
    received: AtomicU64,
    told: AtomicU64,
}

/// Downloads are told about in steps of so many bytes.
const STEP: u64 = 1 << 20;

impl Reporter {
    /// From now on, this stream is told.
    pub fn attach(&self, scope: Option<Scope>) {
        *self.scope.lock().unwrap_or_else(PoisonError::into_inner) = scope;
    }

    fn emit(&self, kind: Kind) {
        let scope = self.scope.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scope) = &*scope {
            scope.emit(kind);
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

    fn note(&self, text: &str) {
        self.emit(Kind::Warning {
            message: text.to_owned(),
            hints: Vec::new(),
        });
    }
}
