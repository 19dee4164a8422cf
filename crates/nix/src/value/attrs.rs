//! Attribute sets.

use std::cell::OnceCell;

use bumpalo::Bump;

use super::{Slot, Value};
use crate::source::Pos;
use crate::symbol::{Interner, Symbol};

/// The names of an attribute set in ascending order of symbol, with the place of each
/// definition. Sets that come from one literal share it.
pub struct Shape<'a> {
    /// Ascending, without repetition.
    pub names: &'a [Symbol],
    /// As many as names, or none at all: nothing is known of where they were defined.
    positions: &'a [Pos],
    /// The same names without positions; made when first needed.
    bare: OnceCell<&'a Shape<'a>>,
    /// Indices in the order of the names' texts; made when first needed.
    alphabetical: OnceCell<&'a [u32]>,
}

impl<'a> Shape<'a> {
    /// A shape; `names` are strictly ascending and `positions` as many, or none.
    pub fn new(names: &'a [Symbol], positions: &'a [Pos]) -> Self {
        debug_assert!(names.is_sorted_by(|a, b| a < b));
        debug_assert!(positions.is_empty() || names.len() == positions.len());
        Self {
            names,
            positions,
            bare: OnceCell::new(),
            alphabetical: OnceCell::new(),
        }
    }

    /// Where the name at an index was defined.
    #[inline]
    pub fn position(&self, index: usize) -> Pos {
        self.positions.get(index).copied().unwrap_or(Pos::NONE)
    }

    /// Where some of the names were defined, or nothing if that is not known of any.
    pub fn positions(&self, range: std::ops::Range<usize>) -> &'a [Pos] {
        self.positions.get(range).unwrap_or_default()
    }

    /// Whether any place of definition is known.
    pub fn has_positions(&self) -> bool {
        !self.positions.is_empty()
    }

    /// The same names, without positions.
    pub fn bare(&'a self, arena: &'a Bump) -> &'a Shape<'a> {
        if self.positions.is_empty() {
            return self;
        }
        self.bare
            .get_or_init(|| arena.alloc(Shape::new(self.names, &[])))
    }

    /// Where a name is.
    #[inline]
    pub fn find(&self, name: Symbol) -> Option<usize> {
        let names = self.names;
        if names.len() <= 8 {
            return names.iter().position(|&n| n == name);
        }
        names.binary_search(&name).ok()
    }

    /// Indices in the order of the names' texts.
    pub fn alphabetical(&self, arena: &'a Bump, symbols: &Interner<'a>) -> &'a [u32] {
        self.alphabetical.get_or_init(|| {
            let mut order: Vec<(&[u8], u32)> = self
                .names
                .iter()
                .enumerate()
                .map(|(i, &name)| (symbols.text(name), i as u32))
                .collect();
            order.sort_unstable();
            arena.alloc_slice_fill_iter(order.into_iter().map(|(_, i)| i))
        })
    }
}

/// An attribute set.
#[derive(Clone, Copy)]
pub struct Attrs<'a> {
    /// Names and positions.
    pub shape: &'a Shape<'a>,
    /// The values, as many as names.
    pub slots: &'a [Slot<'a>],
}

impl<'a> Attrs<'a> {
    /// The number of attributes.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether this is `{ }`.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The slot of a name.
    #[inline]
    pub fn get(&self, name: Symbol) -> Option<&'a Slot<'a>> {
        self.shape.find(name).map(|index| &self.slots[index])
    }

    /// Where a name was defined.
    pub fn position(&self, name: Symbol) -> Option<Pos> {
        self.shape
            .find(name)
            .map(|index| self.shape.position(index))
    }

    /// Names, positions and values by symbol.
    pub fn iter(&self) -> impl Iterator<Item = (Symbol, Pos, &'a Slot<'a>)> + use<'a> {
        let shape = self.shape;
        let entries = shape.names.iter().zip(self.slots).enumerate();
        entries.map(|(index, (&name, slot))| (name, shape.position(index), slot))
    }
}

/// Collects attributes and sorts them.
pub struct AttrsBuilder<'a> {
    entries: Vec<(Symbol, Pos, Value<'a>)>,
}

impl<'a> AttrsBuilder<'a> {
    /// Room for as many attributes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            entries: Vec::with_capacity(capacity),
        }
    }

    /// Adds an attribute; with equal names, the first stays.
    pub fn push(&mut self, name: Symbol, pos: Pos, value: Value<'a>) {
        self.entries.push((name, pos, value));
    }

    /// The set.
    pub fn build(mut self, arena: &'a Bump) -> &'a Attrs<'a> {
        if !self.entries.is_sorted_by(|a, b| a.0 < b.0) {
            self.entries.sort_by_key(|entry| entry.0);
            self.entries.dedup_by_key(|entry| entry.0);
        }
        let entries = &self.entries;
        let names = arena.alloc_slice_fill_iter(entries.iter().map(|entry| entry.0));
        let positions: &[Pos] = if entries.iter().any(|entry| entry.1.is_some()) {
            arena.alloc_slice_fill_iter(entries.iter().map(|entry| entry.1))
        } else {
            &[]
        };
        let slots = arena.alloc_slice_fill_iter(entries.iter().map(|entry| Slot::new(entry.2)));
        let shape = arena.alloc(Shape::new(names, positions));
        arena.alloc(Attrs { shape, slots })
    }
}
