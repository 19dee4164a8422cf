//! The store as far as evaluation goes: names, hashes, recipes. Nothing is written here; the
//! host is told.

pub mod base32;
pub mod derivation;
pub mod hash;
pub mod nar;
pub mod paths;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

pub use derivation::{Derivation, Output};
pub use nar::Tree;
pub use paths::is_store_path;

/// Where store objects lie.
pub const STORE_DIR: &str = "/nix/store";

/// What an evaluation knows about the store.
#[derive(Default)]
pub struct StoreState {
    /// Hashes of derivations by their path.
    pub(crate) modulo: RefCell<HashMap<String, derivation::Modulo>>,
    objects: RefCell<HashMap<String, Object>>,
}

/// What is remembered of a store object.
#[derive(Default)]
struct Object {
    references: Vec<String>,
    /// Names and paths, for a derivation.
    outputs: Vec<(String, String)>,
}

impl StoreState {
    /// Where an output of a derivation that this evaluation made goes.
    pub(crate) fn output_path(&self, drv: &str, output: &str) -> Option<String> {
        let objects = self.objects.borrow();
        objects
            .get(drv)?
            .outputs
            .iter()
            .find(|entry| entry.0 == output)
            .map(|entry| entry.1.clone())
    }

    /// Names of the outputs of a derivation that this evaluation made.
    pub(crate) fn output_names(&self, drv: &str) -> Vec<String> {
        let objects = self.objects.borrow();
        objects
            .get(drv)
            .map(|object| object.outputs.iter().map(|entry| entry.0.clone()).collect())
            .unwrap_or_default()
    }

    /// Whether this evaluation put a path into the store.
    pub(crate) fn knows(&self, path: &str) -> bool {
        self.objects.borrow().contains_key(path)
    }

    /// What an object refers to.
    pub(crate) fn references(&self, path: &str) -> Vec<String> {
        self.objects
            .borrow()
            .get(path)
            .map(|object| object.references.clone())
            .unwrap_or_default()
    }

    /// Everything that an object refers to, directly or not, and itself.
    pub(crate) fn closure(&self, path: &str) -> BTreeSet<String> {
        let objects = self.objects.borrow();
        let mut closure = BTreeSet::from([path.to_owned()]);
        let mut queue = vec![path.to_owned()];
        while let Some(path) = queue.pop() {
            for reference in objects
                .get(&path)
                .iter()
                .flat_map(|object| &object.references)
            {
                if closure.insert(reference.clone()) {
                    queue.push(reference.clone());
                }
            }
        }
        closure
    }

    /// Remembers a text or a source; says whether it is new.
    pub(crate) fn add_object(&self, path: &str, references: Vec<String>) -> bool {
        let object = Object {
            references,
            outputs: Vec::new(),
        };
        self.objects
            .borrow_mut()
            .insert(path.to_owned(), object)
            .is_none()
    }

    /// Remembers a derivation; says whether it is new.
    pub(crate) fn add_derivation(
        &self,
        path: &str,
        derivation: &Derivation,
        references: Vec<String>,
        modulo: derivation::Modulo,
    ) -> bool {
        let outputs = derivation
            .outputs
            .iter()
            .map(|(name, output)| (name.clone(), output.path.clone()))
            .collect();
        self.modulo.borrow_mut().insert(path.to_owned(), modulo);
        self.objects
            .borrow_mut()
            .insert(
                path.to_owned(),
                Object {
                    references,
                    outputs,
                },
            )
            .is_none()
    }
}
