//! What an interactive session sees of a file.

use snowglobe_nix::{Attrs, Data, Evaluator, Fault, Pos, Value};

use crate::Session;

/// A test, or a set of them, for whatever stands for one; anything else as it is.
const LIBRARY: &str = "nixpkgs: value: arguments: let
  kind = (import (nixpkgs + \"/snowglobe/find.nix\") { inherit arguments; }).classify 0 value;
in kind.test or (kind.set or value)";

/// Makes of a file's value what a person wants to look at: a module or function that stands for a
/// test becomes the test, with `driver`, `nodes` and all else that it has.
pub fn loaded<'a>(
    nix: &Evaluator<'a>,
    session: &Session,
    value: Value<'a>,
    arguments: &'a Attrs<'a>,
) -> Result<Value<'a>, Fault> {
    let library = nix.expression(LIBRARY, "«load»")?;
    let nixpkgs = nix.value_of(&Data::Path(session.nixpkgs().to_owned()));
    nix.call(
        library,
        &[nixpkgs, value, Value::Attrs(arguments)],
        Pos::NONE,
    )
}
