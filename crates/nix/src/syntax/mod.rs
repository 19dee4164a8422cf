//! From text to [`crate::ir`].

mod bindings;
mod lexer;
mod lower;
mod parser;
pub mod raw;
mod scope;
mod strings;
mod tree;

pub use lower::{Globals, LowerOptions, lower};
pub use tree::end_comments;
