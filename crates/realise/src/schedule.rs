//! Several builds at a time: what takes long is made beforehand, everything after what it needs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use snowglobe_plan::{Derivation, StoreObject, StorePath};

use crate::{Error, Origin, Realiser};

/// Builders of our own that wait for something: the network, or machines.
const SLOW: [&str; 4] = [
    "builtin:fetchurl",
    "builtin:npm",
    "builtin:pypi",
    "builtin:test",
];

fn is_slow(derivation: &Derivation) -> bool {
    let builder = derivation.builder.as_str();
    !builder.starts_with("builtin:") || SLOW.contains(&builder)
}

/// Slow derivations, by their `.drv`, and those of them that each needs.
type Needs<'a> = BTreeMap<&'a StorePath, BTreeSet<&'a StorePath>>;

struct State<'a> {
    needs: Needs<'a>,
    ready: VecDeque<&'a StorePath>,
    running: usize,
    failed: Option<Error>,
}

impl<'a> Realiser<'a> {
    /// Makes the slow derivations below `roots`, as many at a time as may be. The first failure
    /// lets no further build begin.
    pub(crate) fn prebuild(&self, roots: &BTreeSet<StorePath>) -> Result<(), Error> {
        let mut outputs = BTreeMap::new();
        let needs = self.slow(roots, &mut outputs);
        let workers = self.options.jobs.max(1).min(needs.len());
        if workers < 2 {
            // Made in their order when they are needed.
            return Ok(());
        }
        let ready = needs.iter().filter(|(_, needed)| needed.is_empty());
        let state = Mutex::new(State {
            ready: ready.map(|(drv, _)| *drv).collect(),
            needs,
            running: 0,
            failed: None,
        });
        let changed = Condvar::new();
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| self.work(&state, &changed, &outputs));
            }
        });
        let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.failed.map_or(Ok(()), Err)
    }

    fn work(
        &self,
        state: &Mutex<State<'a>>,
        changed: &Condvar,
        outputs: &BTreeMap<&'a StorePath, &'a StorePath>,
    ) {
        let hold = || -> MutexGuard<'_, State<'a>> {
            state.lock().unwrap_or_else(PoisonError::into_inner)
        };
        let mut guard = hold();
        loop {
            if guard.failed.is_some() || (guard.ready.is_empty() && guard.running == 0) {
                changed.notify_all();
                return;
            }
            let Some(drv) = guard.ready.pop_front() else {
                guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            guard.running += 1;
            drop(guard);
            let result = self.make(outputs[drv], None);
            guard = hold();
            guard.running -= 1;
            match result {
                Ok(()) => {
                    let mut freed = Vec::new();
                    for (other, needed) in &mut guard.needs {
                        if needed.remove(drv) && needed.is_empty() {
                            freed.push(*other);
                        }
                    }
                    guard.ready.extend(freed);
                }
                Err(error) => {
                    guard.failed.get_or_insert(error);
                }
            }
            changed.notify_all();
        }
    }

    /// The slow derivations that making `roots` takes, with one output each.
    fn slow(
        &self,
        roots: &BTreeSet<StorePath>,
        outputs: &mut BTreeMap<&'a StorePath, &'a StorePath>,
    ) -> Needs<'a> {
        let mut needs = Needs::new();
        let mut seen = BTreeMap::new();
        for root in roots {
            self.slow_below(root, &mut seen, &mut needs, outputs);
        }
        needs
    }

    /// The nearest slow derivations at or below a path.
    fn slow_below(
        &self,
        path: &StorePath,
        seen: &mut BTreeMap<StorePath, BTreeSet<&'a StorePath>>,
        needs: &mut Needs<'a>,
        outputs: &mut BTreeMap<&'a StorePath, &'a StorePath>,
    ) -> BTreeSet<&'a StorePath> {
        if let Some(known) = seen.get(path) {
            return known.clone();
        }
        // Nothing in a plan needs itself; were it so, the recursion must end all the same.
        seen.insert(path.clone(), BTreeSet::new());
        let mut nearest = BTreeSet::new();
        match self.graph.origin(path) {
            Some(Origin::Output(drv, derivation)) if !self.store.contains(path) => {
                let mut below = BTreeSet::new();
                for input in self.graph.inputs(derivation) {
                    below.extend(self.slow_below(input, seen, needs, outputs));
                }
                if is_slow(derivation) {
                    needs.insert(drv, below);
                    if let Some(output) = derivation
                        .outputs
                        .values()
                        .map(|output| &output.path)
                        .find(|path| !self.store.contains(path))
                    {
                        outputs.insert(drv, output);
                    }
                    nearest.insert(drv);
                } else {
                    nearest = below;
                }
            }
            Some(Origin::Object(StoreObject::Text { references, .. })) => {
                for reference in references {
                    nearest.extend(self.slow_below(reference, seen, needs, outputs));
                }
            }
            _ => {}
        }
        seen.insert(path.clone(), nearest.clone());
        nearest
    }
}
