//! Who makes what: the derivations of a plan, by what they produce.

use std::collections::{BTreeMap, BTreeSet};

use snowglobe_plan::{Derivation, StoreObject, StorePath};

/// The store objects of a plan with an index of outputs.
#[derive(Debug)]
pub struct Graph<'a> {
    objects: &'a BTreeMap<StorePath, StoreObject>,
    producers: BTreeMap<&'a StorePath, (&'a StorePath, &'a Derivation)>,
}

/// How a store path comes into being.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// An output of this derivation (`.drv` path first).
    Output(&'a StorePath, &'a Derivation),
    /// A text or a source, or the `.drv` file of a derivation.
    Object(&'a StoreObject),
}

impl<'a> Graph<'a> {
    /// Indexes the objects of a plan.
    pub fn new(objects: &'a BTreeMap<StorePath, StoreObject>) -> Self {
        let mut producers = BTreeMap::new();
        for (path, object) in objects {
            if let StoreObject::Derivation(derivation) = object {
                for output in derivation.outputs.values() {
                    producers.insert(&output.path, (path, derivation));
                }
            }
        }
        Self { objects, producers }
    }

    /// Where a path comes from; `None` if the plan does not say.
    pub fn origin(&self, path: &StorePath) -> Option<Origin<'a>> {
        if let Some((drv, derivation)) = self.producers.get(path) {
            return Some(Origin::Output(drv, derivation));
        }
        self.objects.get(path).map(Origin::Object)
    }

    /// The outputs and sources that a derivation names as its inputs.
    pub fn inputs(&self, derivation: &'a Derivation) -> BTreeSet<&'a StorePath> {
        let mut inputs: BTreeSet<&StorePath> = derivation.input_sources.iter().collect();
        for (drv, outputs) in &derivation.input_derivations {
            if let Some(StoreObject::Derivation(input)) = self.objects.get(drv) {
                inputs.extend(
                    outputs
                        .iter()
                        .filter_map(|o| input.outputs.get(o))
                        .map(|o| &o.path),
                );
            }
        }
        inputs
    }

    /// All objects that making a derivation may need, the derivation itself excepted.
    pub fn below(&self, derivation: &'a Derivation) -> BTreeMap<StorePath, StoreObject> {
        let mut found: BTreeMap<StorePath, StoreObject> = BTreeMap::new();
        let mut queue: Vec<&StorePath> = Vec::new();
        fn follow<'d>(derivation: &'d Derivation, queue: &mut Vec<&'d StorePath>) {
            queue.extend(derivation.input_derivations.keys());
            queue.extend(&derivation.input_sources);
        }
        follow(derivation, &mut queue);
        while let Some(path) = queue.pop() {
            // A text may mention an output, and what is wanted then is its derivation.
            let path = self.producers.get(path).map_or(path, |(drv, _)| drv);
            let Some(object) = self.objects.get(path) else {
                continue;
            };
            if found.insert(path.clone(), object.clone()).is_some() {
                continue;
            }
            match object {
                StoreObject::Derivation(derivation) => follow(derivation, &mut queue),
                StoreObject::Text { references, .. } => queue.extend(references),
                StoreObject::Source { .. } => {}
            }
        }
        found
    }
}
