//! The Nix language: parsing, evaluation, builtins, derivations and store paths.
//!
//! # How to use it
//!
//! The embedder implements [`Host`] (files, store, messages, extra builtins; [`LocalHost`] is one
//! on the real file system with a store in memory) and calls [`evaluate`] with a closure that gets
//! an [`Evaluator`]. Inside, values are [`Value`]s that live until the closure returns:
//!
//! ```
//! use snowglobe_nix::{LocalHost, Options, evaluate};
//!
//! let host = LocalHost::default();
//! let text = evaluate(&host, Options::default(), |nix| {
//!     let run = || {
//!         let value = nix.expression("{ a = [ 1 2 ]; b = \"x\" + \"y\"; }", "«string»")?;
//!         nix.json(value, false)
//!     };
//!     run().map_err(|fault| nix.report(fault))
//! })
//! .expect("a thread can be started");
//! assert_eq!(text.expect("it evaluates").0, r#"{"a":[1,2],"b":"xy"}"#);
//! ```
//!
//! * [`Evaluator::file`], [`Evaluator::expression`]: values; [`Evaluator::call`],
//!   [`Evaluator::auto_call`], [`Evaluator::select_path`], [`Evaluator::attr`]: from one to the next;
//!   [`Evaluator::value_of`], [`Evaluator::data`]: from and to plain [`Data`].
//! * [`Evaluator::json`] (with the string contexts), [`Evaluator::xml`], [`Evaluator::print`],
//!   [`Evaluator::string`]: out of the language.
//! * [`repl::Repl`]: an interactive session; [`instantiate::Request`]: `nix-instantiate`'s options;
//!   [`conformance::lang`]: CppNix's language suite.
//! * Inside, errors are [`Fault`]s; [`Evaluator::report`] turns one into an [`Error`], which
//!   outlives the evaluation and renders itself with source lines.
//!
//! # What is where
//!
//! `syntax` (the one module that knows `rnix`) turns text into `ir`; `eval` runs that on `value`s;
//! `builtins` are the functions of the language, one file per subject; `store` has names, hashes,
//! NARs and derivations, and is usable on its own. Nothing here does input or output: that is
//! the host's.

mod builtins;
pub mod conformance;
mod doc;
mod error;
mod eval;
mod hint;
pub mod host;
pub mod instantiate;
mod ir;
mod local;
mod path;
pub mod print;
pub mod repl;
mod report;
mod session;
mod source;
pub mod store;
mod symbol;
mod syntax;
mod value;

pub use error::{Fault, FaultData, Kind};
pub use eval::{Evaluator, Options, type_name};
pub use host::{Data, FileType, Host, HostError, HostResult, Message, SearchPathEntry};
pub use local::LocalHost;
pub use report::{Error, RenderOptions, Step};
pub use session::evaluate;
pub use source::{Location, Origin, Pos};
pub use store::{Derivation, Output};
pub use value::{Attrs, List, Text, Value};

/// The version that `builtins.nixVersion` reports.
pub const NIX_VERSION: &str = "2.26.3";
