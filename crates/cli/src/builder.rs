//! Builds what an evaluation must read: imports from derivations, and `:b`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use snowglobe_evaluate::Builder;
use snowglobe_plan::{StoreObject, StorePath};

use crate::error::Result;
use crate::prepare::Factory;
use crate::workshop::Workshop;

/// Builds when asked; until then, nothing is opened or fetched.
pub struct OnDemand {
    workshop: Workshop,
    factory: OnceLock<Factory>,
}

impl OnDemand {
    /// Works with a workshop's caches.
    pub fn new(workshop: &Workshop) -> Self {
        Self {
            workshop: workshop.clone(),
            factory: OnceLock::new(),
        }
    }

    fn factory(&self) -> Result<&Factory> {
        if let Some(factory) = self.factory.get() {
            return Ok(factory);
        }
        let progress = self.workshop.archive.downloads().fetcher().progress();
        let progress = progress.clone();
        let factory = Factory::new(&self.workshop, "", progress)?;
        Ok(self.factory.get_or_init(|| factory))
    }
}

impl Builder for OnDemand {
    fn build(
        &self,
        objects: &BTreeMap<StorePath, StoreObject>,
        outputs: &[StorePath],
    ) -> std::result::Result<(), String> {
        let roots = outputs.iter().cloned().collect();
        self.factory()
            .and_then(|factory| factory.realise(objects, &roots))
            .map_err(|error| error.message)
    }
}
