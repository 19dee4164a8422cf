//! The form in which expressions are evaluated: variables resolved, names interned, literals
//! turned into values.

use std::cell::Cell;

use crate::source::Pos;
use crate::symbol::Symbol;
use crate::value::{Shape, Value};

/// An expression.
pub enum Expr<'a> {
    /// A literal, or a global that cannot be shadowed here.
    Const(Value<'a>),
    /// A variable.
    Var {
        /// Scopes to leave.
        depth: u32,
        /// Its place in the scope.
        slot: u32,
        /// Where it is used.
        pos: Pos,
    },
    /// A variable that only a `with` can provide.
    WithVar {
        /// Its name.
        name: Symbol,
        /// The `with`s around it, innermost first; never empty.
        withs: &'a [With<'a>],
        /// Where it is used.
        pos: Pos,
    },
    /// `base.path or default`.
    Select {
        /// The set.
        base: &'a Expr<'a>,
        /// One or more names.
        path: &'a [Key<'a>],
        /// After `or`.
        default: Option<&'a Expr<'a>>,
        /// Where it is.
        pos: Pos,
        /// Where the first name was found last time.
        cache: Cell<Option<(&'a Shape<'a>, u32)>>,
    },
    /// `base ? path`.
    HasAttr {
        /// The set.
        base: &'a Expr<'a>,
        /// One or more names.
        path: &'a [Key<'a>],
    },
    /// `{ … }` or `rec { … }`.
    Attrs(&'a AttrsDef<'a>),
    /// `[ … ]`.
    List(&'a [Site<'a>]),
    /// `x: …`
    Lambda(&'a LambdaDef<'a>),
    /// `f a b c`.
    Call {
        /// The function.
        function: &'a Expr<'a>,
        /// One or more arguments.
        args: &'a [Site<'a>],
        /// Where it is.
        pos: Pos,
    },
    /// `let … in …`.
    Let {
        /// The definitions; always recursive, without dynamic names.
        def: &'a AttrsDef<'a>,
        /// After `in`.
        body: &'a Expr<'a>,
    },
    /// `with set; body`; the body runs in a scope whose one slot holds the set.
    With {
        /// The set.
        set: Site<'a>,
        /// After `;`.
        body: &'a Expr<'a>,
    },
    /// `if … then … else …`.
    If {
        /// Before `then`.
        condition: &'a Expr<'a>,
        /// Before `else`.
        then: &'a Expr<'a>,
        /// At the end.
        otherwise: &'a Expr<'a>,
        /// Where it is.
        pos: Pos,
    },
    /// `assert condition; body`.
    Assert {
        /// Before `;`.
        condition: &'a Expr<'a>,
        /// After `;`.
        body: &'a Expr<'a>,
        /// Where it is.
        pos: Pos,
        /// The condition as it was written, or nearly so.
        text: &'a str,
    },
    /// `! e`.
    Not(&'a Expr<'a>, Pos),
    /// Two operands.
    Binary {
        /// What to do with them.
        op: Op,
        /// Left.
        left: &'a Expr<'a>,
        /// Right.
        right: &'a Expr<'a>,
        /// Where the operator is.
        pos: Pos,
    },
    /// `"a${b}"`.
    Interpolation {
        /// Two or more, or one that is no literal.
        parts: &'a [(Expr<'a>, Pos)],
        /// Where it is.
        pos: Pos,
    },
    /// `./a/${b}`; the first part is the literal beginning.
    PathInterpolation {
        /// Two or more.
        parts: &'a [(Expr<'a>, Pos)],
        /// Where it is.
        pos: Pos,
    },
    /// `__curPos`.
    CurrentPosition(Pos),
}

/// A `with` that may provide a variable.
pub struct With<'a> {
    /// Scopes to leave for the one whose slot holds its set.
    pub depth: u32,
    /// A set's names and where the variable is among them, if at all, as it was last time.
    pub cache: Cell<Option<(&'a Shape<'a>, Option<u32>)>>,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Implies,
    Update,
    Concat,
}

/// An expression that may be put off, with the number by which a [`Value::Delayed`] names it.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The expression.
    pub expr: &'a Expr<'a>,
    /// Meaningless when the expression is never put off (a literal or a variable).
    pub number: u32,
    /// Whether trying to evaluate it at once costs no more than putting it off: a little
    /// arithmetic, or an attribute of a variable.
    pub cheap: bool,
}

/// A name in an attribute path.
pub enum Key<'a> {
    /// Known.
    Static(Symbol, Pos),
    /// Computed.
    Dynamic(Expr<'a>, Pos),
}

/// `{ … }`, `rec { … }` or the definitions of a `let`.
pub struct AttrsDef<'a> {
    /// Static names.
    pub shape: &'a Shape<'a>,
    /// What they are bound to, in the order of the shape.
    pub values: &'a [Binding<'a>],
    /// The expressions of `inherit (…)`.
    pub sources: &'a [Site<'a>],
    /// Names that are computed.
    pub dynamic: &'a [DynamicBinding<'a>],
    /// Whether the names are in scope.
    pub recursive: bool,
    /// Where `__overrides` is, in a recursive set.
    pub overrides: Option<u32>,
    /// Where it is.
    pub pos: Pos,
}

/// What a name is bound to.
#[derive(Clone, Copy)]
pub enum Binding<'a> {
    /// `name = expr`.
    Plain(Site<'a>),
    /// `inherit name`: evaluated in the scope around the set.
    Inherit(Site<'a>),
    /// `inherit (source) name`: index of the source.
    From(u32),
}

/// `${name} = value`.
pub struct DynamicBinding<'a> {
    /// The name.
    pub name: Expr<'a>,
    /// The value.
    pub value: Site<'a>,
    /// Where it is.
    pub pos: Pos,
}

/// A function.
pub struct LambdaDef<'a> {
    /// `x:`, and those of functions directly inside (`x: y: …`), which are one function here;
    /// with a pattern, the name beside `@`, if any.
    pub parameters: &'a [Symbol],
    /// Arguments that are taken at once.
    pub arity: u32,
    /// `{ … }:`.
    pub pattern: Option<Pattern<'a>>,
    /// After `:`.
    pub body: &'a Expr<'a>,
    /// Slots of the scope of the body.
    pub slots: u32,
    /// Where it is.
    pub pos: Pos,
    /// The name that it was bound to, if any.
    pub name: Cell<Option<Symbol>>,
}

/// The pattern of a function; its names take the first slots of the scope, the name beside `@`
/// the next.
pub struct Pattern<'a> {
    /// Ascending by name.
    pub formals: &'a [Formal<'a>],
    /// Whether other attributes are ignored.
    pub ellipsis: bool,
}

/// One name of a pattern.
pub struct Formal<'a> {
    /// The name.
    pub name: Symbol,
    /// After `?`.
    pub default: Option<Site<'a>>,
    /// Where it is.
    pub pos: Pos,
}

impl Expr<'_> {
    /// Where an expression is, as far as that is kept.
    pub fn pos(&self) -> Pos {
        match self {
            Self::Const(_) => Pos::NONE,
            Self::Var { pos, .. }
            | Self::WithVar { pos, .. }
            | Self::Select { pos, .. }
            | Self::Call { pos, .. }
            | Self::If { pos, .. }
            | Self::Assert { pos, .. }
            | Self::Not(_, pos)
            | Self::Binary { pos, .. }
            | Self::Interpolation { pos, .. }
            | Self::PathInterpolation { pos, .. }
            | Self::CurrentPosition(pos) => *pos,
            Self::HasAttr { base, .. } => base.pos(),
            Self::Attrs(def) => def.pos,
            Self::Lambda(def) => def.pos,
            Self::List(items) => items.first().map_or(Pos::NONE, |site| site.expr.pos()),
            Self::Let { body, .. } | Self::With { body, .. } => body.pos(),
        }
    }
}
