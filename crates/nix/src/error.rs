//! What goes wrong in an evaluation, while it runs.
//!
//! A [`Fault`] knows positions as numbers; [`crate::Error`] is what leaves the evaluator.

use crate::source::Pos;

/// An error on its way out of the evaluator. One pointer, so that results stay small.
pub type Fault = Box<FaultData>;

/// The kinds that anything decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `throw`, or a search path entry that is missing: `tryEval` catches it.
    Thrown,
    /// `assert`: `tryEval` catches it.
    Assertion,
    /// `abort`.
    Abort,
    /// A value of the wrong type.
    Type,
    /// A variable that is not defined.
    UndefinedVariable,
    /// An attribute that is not there.
    MissingAttribute,
    /// A function was called with the wrong attributes.
    Arguments,
    /// A value that needs itself.
    InfiniteRecursion,
    /// Too deep.
    StackOverflow,
    /// More memory or time than allowed.
    Limit,
    /// Stopped from outside.
    Interrupted,
    /// Syntax, or another mistake that is found before evaluation.
    Syntax,
    /// The outside world: files, store, network.
    Host,
    /// A feature of Nix that this evaluator does not have.
    Unsupported,
    /// Anything else.
    Other,
}

/// What a [`Fault`] points to.
#[derive(Debug)]
pub struct FaultData {
    /// Its kind.
    pub kind: Kind,
    /// What happened, in CppNix's words.
    pub message: String,
    /// Where.
    pub pos: Pos,
    /// What was being done, innermost first.
    pub trace: Vec<Frame>,
    /// What may help.
    pub hints: Vec<String>,
    /// Further errors of the same kind (syntax errors of one file).
    pub also: Vec<(Pos, String)>,
    /// The one-letter-wide default can be widened: bytes to mark.
    pub width: u32,
    /// Whether contexts from `addErrorContext` and the like are in the trace.
    pub has_context: bool,
}

/// One step of a trace.
#[derive(Debug)]
pub struct Frame {
    /// Where.
    pub pos: Pos,
    /// `while …`.
    pub text: String,
    /// Whether the program asked for it by `addErrorContext`, so that it is always shown.
    pub explicit: bool,
}

/// Longest trace that is kept; frames in the middle of a longer one are dropped.
const MAX_TRACE: usize = 2000;

impl FaultData {
    /// A fault.
    #[cold]
    pub fn new(kind: Kind, pos: Pos, message: impl Into<String>) -> Fault {
        Box::new(Self {
            kind,
            message: message.into(),
            pos,
            trace: Vec::new(),
            hints: Vec::new(),
            also: Vec::new(),
            width: 1,
            has_context: false,
        })
    }

    /// Adds a step to the trace.
    #[cold]
    pub fn while_doing(mut self: Box<Self>, pos: Pos, text: impl Into<String>) -> Fault {
        if self.trace.len() < MAX_TRACE {
            self.trace.push(Frame {
                pos,
                text: text.into(),
                explicit: false,
            });
        }
        self
    }

    /// Adds a hint.
    pub fn hint(mut self: Box<Self>, text: impl Into<String>) -> Fault {
        self.hints.push(text.into());
        self
    }

    /// Sets the place where it is not known yet.
    #[cold]
    pub fn at(mut self: Box<Self>, pos: Pos) -> Fault {
        self.pos = self.pos.or(pos);
        self
    }

    /// Whether `tryEval` turns this into `success = false`.
    pub fn catchable(&self) -> bool {
        matches!(self.kind, Kind::Thrown | Kind::Assertion)
    }
}

/// A type error.
#[cold]
pub fn type_error(pos: Pos, message: impl Into<String>) -> Fault {
    FaultData::new(Kind::Type, pos, message)
}

/// Any other error.
#[cold]
pub fn other(pos: Pos, message: impl Into<String>) -> Fault {
    FaultData::new(Kind::Other, pos, message)
}
