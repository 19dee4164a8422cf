//! From text to [`crate::ir`].

mod bindings;
mod functions;
mod lexer;
mod literals;
mod lower;
mod operators;
mod parser;
pub mod raw;
mod scope;
mod strings;
mod tree;

pub use lower::{Globals, LowerOptions, lower};
pub use tree::end_comments;
