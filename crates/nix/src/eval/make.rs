//! Making values, and errors about values.

use super::{Evaluator, type_name};
use crate::builtins::Primop;
use crate::error::{Fault, other, type_error};
use crate::source::Pos;
use crate::symbol::Symbol;
use crate::value::{Context, List, Slot, Text, Value};

impl<'a> Evaluator<'a> {
    /// A string without context.
    pub(crate) fn text(&self, bytes: &[u8]) -> Value<'a> {
        let bytes = self.arena.alloc_slice_copy(bytes);
        Value::Text(self.arena.alloc(Text {
            bytes,
            context: &[],
        }))
    }

    /// A string without context around bytes that are in the arena already.
    pub(crate) fn text_in_arena(&self, bytes: &'a [u8]) -> Value<'a> {
        Value::Text(self.arena.alloc(Text {
            bytes,
            context: &[],
        }))
    }

    /// A string with context.
    pub(crate) fn text_with(&self, bytes: &[u8], context: Context<'a>) -> Value<'a> {
        let bytes = self.arena.alloc_slice_copy(bytes);
        Value::Text(self.arena.alloc(Text { bytes, context }))
    }

    /// A symbol's text as a string.
    pub(crate) fn symbol_text(&self, symbol: Symbol) -> Value<'a> {
        Value::Text(self.symbols.value(symbol))
    }

    /// A path.
    pub(crate) fn path(&self, bytes: &[u8]) -> Value<'a> {
        let bytes = self.arena.alloc_slice_copy(bytes);
        Value::Path(self.arena.alloc(Text {
            bytes,
            context: &[],
        }))
    }

    /// A list.
    pub(crate) fn list(&self, items: &'a [Slot<'a>]) -> Value<'a> {
        if items.is_empty() {
            Value::EMPTY_LIST
        } else {
            Value::List(self.arena.alloc(List { items }))
        }
    }

    /// A list of values.
    pub(crate) fn list_of(&self, items: &[Value<'a>]) -> Value<'a> {
        self.list(
            self.arena
                .alloc_slice_fill_iter(items.iter().map(|&value| Slot::new(value))),
        )
    }

    /// A value in a slot of its own, so that it can be used twice and is evaluated once.
    pub(crate) fn sharable(&self, value: Value<'a>) -> Value<'a> {
        match value {
            Value::Delayed(..) | Value::Lazy(..) => Value::Ref(self.arena.alloc(Slot::new(value))),
            value => value,
        }
    }

    pub(crate) fn primop_value(&self, primop: Primop<'a>) -> Value<'a> {
        Value::Primop(self.arena.alloc(primop))
    }

    /// What `expected` instead of `value` is an error about.
    #[cold]
    pub(crate) fn expected(&self, expected: &str, value: Value<'a>, pos: Pos) -> Fault {
        type_error(
            pos,
            format!(
                "expected {expected} but found {}: {}",
                type_name(value),
                self.describe(value)
            ),
        )
    }

    /// A value in an error message.
    #[cold]
    pub(crate) fn describe(&self, value: Value<'a>) -> String {
        crate::print::error_form(self, value)
    }

    #[cold]
    pub(crate) fn fail(&self, pos: Pos, message: impl Into<String>) -> Fault {
        other(pos, message)
    }
}
