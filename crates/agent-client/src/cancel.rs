//! Ends requests from another thread.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use crate::request::Event;

/// Ends every request of the [`crate::Agent`]s that carry it, now and later. Clones are the same token.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    cancelled: bool,
    next: u64,
    waiting: BTreeMap<u64, Sender<Event>>,
}

impl Cancel {
    /// A token that was not used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends what waits. Cannot be undone.
    pub fn cancel(&self) {
        let mut state = self.state();
        state.cancelled = true;
        for (_, sender) in std::mem::take(&mut state.waiting) {
            // A request that has just ended is not there any more.
            let _ = sender.send(Event::Cancelled);
        }
    }

    /// Whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.state().cancelled
    }

    pub(crate) fn register(&self, sender: &Sender<Event>) -> u64 {
        let mut state = self.state();
        if state.cancelled {
            let _ = sender.send(Event::Cancelled);
        }
        state.next += 1;
        let key = state.next;
        state.waiting.insert(key, sender.clone());
        key
    }

    pub(crate) fn forget(&self, key: u64) {
        self.state().waiting.remove(&key);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
