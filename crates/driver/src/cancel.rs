//! Stopping what waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A request to stop, seen by everything that was given a copy or a child of it.
#[derive(Clone, Default)]
pub struct Cancel {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    cancelled: AtomicBool,
    hooks: Mutex<Vec<Hook>>,
    children: Mutex<Vec<Weak<Inner>>>,
}

type Hook = Box<dyn FnOnce() + Send>;

impl Cancel {
    /// Nothing is cancelled yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that is cancelled with this one, and alone.
    #[must_use]
    pub fn child(&self) -> Self {
        let child = Self::new();
        let mut children = self.children();
        if self.is_cancelled() {
            drop(children);
            child.cancel();
            return child;
        }
        // A run makes a child for each call: those that are gone must not pile up.
        if children.len() == children.capacity() {
            children.retain(|child| child.strong_count() > 0);
        }
        children.push(Arc::downgrade(&child.inner));
        drop(children);
        child
    }

    /// Asks everything to stop; later calls do nothing.
    pub fn cancel(&self) {
        self.inner.cancelled.store(true, Ordering::SeqCst);
        let hooks = std::mem::take(&mut *self.hooks());
        for hook in hooks {
            hook();
        }
        let children = std::mem::take(&mut *self.children());
        for inner in children.iter().filter_map(Weak::upgrade) {
            Self { inner }.cancel();
        }
    }

    /// Whether to stop.
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancelled.load(Ordering::SeqCst)
    }

    /// Runs this when it is cancelled, at once if it is already. Must be quick.
    pub fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) {
        let mut hooks = self.hooks();
        if self.is_cancelled() {
            drop(hooks);
            hook();
        } else {
            hooks.push(Box::new(hook));
        }
    }

    fn children(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Inner>>> {
        self.inner
            .children
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn hooks(&self) -> std::sync::MutexGuard<'_, Vec<Hook>> {
        self.inner
            .hooks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long something may take.
#[derive(Clone, Default)]
pub struct Limit {
    /// When it is over; `None`: only when it is cancelled.
    pub until: Option<Instant>,
    /// Stops it before.
    pub cancel: Cancel,
}

impl Limit {
    /// From now on.
    pub fn new(duration: Option<Duration>, cancel: &Cancel) -> Self {
        Self {
            until: duration.and_then(|duration| Instant::now().checked_add(duration)),
            cancel: cancel.clone(),
        }
    }

    /// What is left; `None`: no limit.
    pub fn left(&self) -> Option<Duration> {
        self.until
            .map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Whether time is over or it was cancelled.
    pub fn over(&self) -> bool {
        self.cancel.is_cancelled() || self.left().is_some_and(|left| left.is_zero())
    }

    /// Sleeps, but not beyond the limit and not after it was cancelled.
    pub fn sleep(&self, duration: Duration) {
        let end = Instant::now() + duration;
        while !self.over() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(Duration::from_millis(20)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_hear_their_parent_but_not_the_other_way() {
        let parent = Cancel::new();
        let (a, b) = (parent.child(), parent.child());
        a.cancel();
        assert!(a.is_cancelled() && !b.is_cancelled() && !parent.is_cancelled());
        parent.cancel();
        assert!(b.is_cancelled() && parent.child().is_cancelled());
    }

    #[test]
    fn a_limit_ends_by_time_or_by_cancel() {
        let cancel = Cancel::new();
        assert!(Limit::new(Some(Duration::ZERO), &cancel).over());
        let limit = Limit::new(None, &cancel);
        assert!(!limit.over());
        cancel.cancel();
        assert!(limit.over());
        limit.sleep(Duration::from_secs(60));
    }
}
