//! Expressions by number, so that one that is put off fits into a value.

use std::cell::Cell;

use bumpalo::Bump;

use crate::ir::Expr;

/// Expressions that may be put off, by number.
pub struct Sites<'a> {
    arena: &'a Bump,
    table: Cell<&'a [Cell<Option<&'a Expr<'a>>>]>,
    used: Cell<u32>,
}

impl<'a> Sites<'a> {
    pub(super) fn new(arena: &'a Bump) -> Self {
        let table = arena.alloc_slice_fill_with(16 * 1024, |_| Cell::new(None));
        Self {
            arena,
            table: Cell::new(table),
            used: Cell::new(0),
        }
    }

    /// Registers an expression.
    pub(crate) fn add(&self, expr: &'a Expr<'a>) -> u32 {
        let number = self.used.get();
        let table = self.table.get();
        if number as usize == table.len() {
            let larger =
                self.arena
                    .alloc_slice_fill_with(table.len() * 2, |i| match table.get(i) {
                        Some(entry) => Cell::new(entry.get()),
                        None => Cell::new(None),
                    });
            self.table.set(larger);
        }
        self.table.get()[number as usize].set(Some(expr));
        self.used.set(number + 1);
        number
    }

    /// The expression with a number.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &'a Expr<'a> {
        self.table.get()[number as usize]
            .get()
            .expect("sites are registered before they are used")
    }
}
