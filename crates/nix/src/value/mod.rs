//! Values, as evaluation sees them: 16 bytes, copied freely, everything behind them in the arena.

mod attrs;
mod env;
mod packed;
mod text;

use std::cell::Cell;

pub use attrs::{Attrs, AttrsBuilder, Shape};
pub use env::{Env, Pool};
pub use packed::Packed;
pub use text::{Context, Text};

use crate::builtins::Primop;
use crate::ir::LambdaDef;
use crate::source::Pos;

/// A place that holds a value, evaluated or not, and is overwritten when it is evaluated.
pub type Slot<'a> = Cell<Value<'a>>;

/// A value of the language, or (in slots and arguments) one that is not evaluated yet.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without fraction.
    Int(i64),
    /// A number with fraction.
    Float(f64),
    /// A string with its context.
    Text(&'a Text<'a>),
    /// A path; always absolute and in normal form, without context.
    Path(&'a Text<'a>),
    /// A list.
    List(&'a List<'a>),
    /// An attribute set.
    Attrs(&'a Attrs<'a>),
    /// A function written in Nix.
    Lambda(&'a Closure<'a>),
    /// A function of ours or of the host.
    Primop(&'a Primop<'a>),
    /// A function of ours with some, but not all, of its arguments.
    Partial(&'a Partial<'a>),

    /// Not evaluated: the expression at a site, in a scope.
    Delayed(u32, Env<'a>),
    /// Not evaluated when it was put here: see that slot.
    Ref(&'a Slot<'a>),
    /// Not evaluated: a step of a builtin, with the element it is for.
    Lazy(u32, &'a Lazy<'a>),
    /// Under evaluation; the site that is being evaluated, or `u32::MAX`.
    BlackHole(u32),
}

const _: () = assert!(size_of::<Value<'static>>() == 16);
const _: () = assert!(size_of::<Result<Value<'static>, crate::error::Fault>>() == 16);

impl<'a> Value<'a> {
    /// Whether this is a value, not something that still has to be evaluated.
    #[inline]
    pub fn is_evaluated(self) -> bool {
        !matches!(
            self,
            Self::Delayed(..) | Self::Ref(_) | Self::Lazy(..) | Self::BlackHole(_)
        )
    }

    /// The empty list.
    pub const EMPTY_LIST: Self = Self::List(&List { items: &[] });
}

/// What a slot holds, for a second place: evaluation stays shared with the first.
#[inline]
pub fn share<'a>(slot: &'a Slot<'a>) -> Value<'a> {
    match slot.get() {
        Value::Delayed(..) | Value::Lazy(..) | Value::BlackHole(_) => Value::Ref(slot),
        value => value,
    }
}

/// What tells the places of one list or set from those of another. The beginning is not enough: lists
/// that grew out of each other begin at the same place.
pub fn identity(slots: &[Slot<'_>]) -> (usize, usize) {
    (slots.as_ptr().addr(), slots.len())
}

/// A list.
#[derive(Clone, Copy)]
pub struct List<'a> {
    /// Its elements.
    pub items: &'a [Slot<'a>],
}

/// A function with the scope it was made in.
pub struct Closure<'a> {
    /// What it does.
    pub def: &'a LambdaDef<'a>,
    /// The scope.
    pub env: Env<'a>,
    /// The first arguments, fewer than the function takes.
    pub given: &'a [Slot<'a>],
}

/// A function of ours with its first arguments.
pub struct Partial<'a> {
    /// The function.
    pub primop: &'a Primop<'a>,
    /// Fewer than the function takes.
    pub args: &'a [Slot<'a>],
}

/// A step that a builtin has put off. The number beside it in [`Value::Lazy`] says which element
/// it is for.
pub enum Lazy<'a> {
    /// `f x`, once.
    Apply {
        /// The function.
        function: Value<'a>,
        /// Its argument.
        argument: Value<'a>,
    },
    /// `f x y`, once.
    Apply2 {
        /// The function.
        function: Value<'a>,
        /// Its first argument.
        first: Value<'a>,
        /// Its second argument.
        second: Value<'a>,
    },
    /// `f (elemAt items i)`.
    Map {
        /// The function.
        function: Value<'a>,
        /// The list.
        items: &'a [Slot<'a>],
    },
    /// `f i`.
    Generate {
        /// The function.
        function: Value<'a>,
    },
    /// `f name value` of the i-th attribute.
    MapAttrs {
        /// The function.
        function: Value<'a>,
        /// The set.
        attrs: &'a Attrs<'a>,
    },
    /// The attribute with symbol number `i` of a set.
    Select {
        /// The set, perhaps not evaluated.
        set: Slot<'a>,
        /// Where it is selected.
        pos: Pos,
    },
}
