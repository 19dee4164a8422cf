//! Evaluation.

mod assertion;
mod attrs;
mod call;
mod coerce;
mod compare;
mod expr;
mod force;
pub(crate) mod import;
mod limits;
mod make;
mod merge;
mod ops;
mod options;
mod room;
mod search;
mod sites;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;

use bumpalo::Bump;
use rustc_hash::FxBuildHasher;

pub use coerce::{Coerce, type_name};
pub use options::Options;
pub use sites::Sites;

use crate::error::Fault;
use crate::host::Host;
use crate::source::{Pos, Sources};
use crate::symbol::{Interner, Symbol};
use crate::syntax::Globals;
use crate::value::{Env, Pool, Shape, Slot, Value, share};

/// What evaluation gives.
pub type R<'a> = Result<Value<'a>, Fault>;

pub(crate) type Map<K, V> = HashMap<K, V, FxBuildHasher>;

/// All state of one evaluation.
pub struct Evaluator<'a> {
    pub(crate) arena: &'a Bump,
    pub(crate) symbols: Interner<'a>,
    pub(crate) sources: Sources<'a>,
    pub(crate) sites: Sites<'a>,
    pub(crate) host: &'a dyn Host,
    pub(crate) options: Options,
    pub(crate) globals: OnceCell<Map<Symbol, Value<'a>>>,
    pub(crate) files: RefCell<Map<Vec<u8>, &'a Slot<'a>>>,
    pub(crate) searched: RefCell<Map<Vec<u8>, Option<Vec<u8>>>>,
    pub(crate) caches: crate::builtins::Caches<'a>,
    pub(crate) store: crate::store::StoreState,
    rooms: room::Rooms<'a, Slot<'a>>,
    /// The same for the names of sets, and where they were defined.
    name_rooms: room::Rooms<'a, Symbol>,
    position_rooms: room::Rooms<'a, Pos>,
    /// What names two sets have together, by the addresses of their shapes.
    merged: RefCell<Map<(usize, usize), &'a Shape<'a>>>,
    /// Where the syntax tree of the next file goes.
    syntax: RefCell<Bump>,
    empty_env: Env<'a>,
    pool: Pool<'a>,
    depth: Cell<u32>,
    steps: Cell<u32>,
    deadline: Option<std::time::Instant>,
    stack_limit: usize,
}

impl<'a> Globals<'a> for Evaluator<'a> {
    fn global(&self, name: Symbol) -> Option<Value<'a>> {
        self.globals.get()?.get(&name).copied()
    }
}

impl<'a> Evaluator<'a> {
    /// A new evaluation. `stack_limit` is the lowest address that the stack may reach.
    pub(crate) fn new(
        arena: &'a Bump,
        host: &'a dyn Host,
        options: Options,
        stack_limit: usize,
    ) -> Self {
        let evaluator = Self {
            arena,
            symbols: Interner::new(arena),
            sources: Sources::new(arena),
            sites: Sites::new(arena),
            host,
            deadline: options
                .max_time
                .map(|time| std::time::Instant::now() + time),
            options,
            globals: OnceCell::new(),
            files: RefCell::default(),
            searched: RefCell::default(),
            caches: Default::default(),
            store: Default::default(),
            rooms: room::Rooms::new(|slot| Slot::new(share(slot))),
            name_rooms: room::Rooms::new(|name| *name),
            position_rooms: room::Rooms::new(|pos| *pos),
            merged: RefCell::default(),
            syntax: RefCell::default(),
            empty_env: Env::new(arena, None, 0),
            pool: Pool::default(),
            depth: Cell::new(0),
            steps: Cell::new(0),
            stack_limit,
        };
        let globals = crate::builtins::globals(&evaluator);
        let _ = evaluator.globals.set(globals);
        evaluator
    }

    /// A scope without variables.
    pub(crate) fn empty_env(&self) -> Env<'a> {
        self.empty_env
    }

    /// Forgets what files evaluate to and where `<...>` leads, so that they are read again.
    pub fn forget_files(&self) {
        self.files.borrow_mut().clear();
        self.searched.borrow_mut().clear();
        self.caches.copied.borrow_mut().clear();
    }

    /// Bytes that the values of this evaluation take.
    pub fn memory(&self) -> usize {
        // Blocks are larger than what is in them.
        self.arena
            .allocated_bytes()
            .saturating_sub(self.arena.chunk_capacity())
    }
}
