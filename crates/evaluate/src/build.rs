//! The derivations that a file's value stands for.

use serde::Deserialize;
use snowglobe_nix::{Data, Pos, Value, evaluate};
use snowglobe_plan::StorePath;

use crate::plan::{arguments, value};
use crate::{PlanError, PlanRequest, Session};

/// One derivation that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Build {
    /// Where it was found in the file's value.
    pub attr_path: Vec<String>,
    /// Its name.
    pub name: String,
    /// Its `.drv`.
    pub drv_path: StorePath,
    /// Which output was meant.
    pub output: String,
    /// Where that output goes.
    pub path: StorePath,
}

/// From a value and an attribute path to derivations, in our library.
const LIBRARY: &str = "nixpkgs: value: attrPath: arguments: import (nixpkgs + \"/snowglobe/build.nix\") { inherit value attrPath arguments; }";

/// Evaluates what is to be built. The session knows all objects afterwards.
pub fn builds(session: &Session, request: &PlanRequest) -> Result<Vec<Build>, PlanError> {
    let result = evaluate(session, request.options.clone(), |nix| {
        let run = || {
            let value = value(nix, &request.source)?;
            let arguments = Value::Attrs(arguments(nix, &request.arguments)?);
            let library = nix.expression(LIBRARY, "«build»")?;
            let nixpkgs = nix.value_of(&Data::Path(session.nixpkgs().to_owned()));
            let path = request.attr_path.iter().cloned().map(Data::Text).collect();
            let path = nix.value_of(&Data::List(path));
            let found = nix.call(library, &[nixpkgs, value, path, arguments], Pos::NONE)?;
            nix.json(found, true)
        };
        run().map_err(|fault| nix.report(fault))
    });
    let (json, _context) = result
        .map_err(|e| PlanError::Start(e.to_string()))?
        .map_err(PlanError::Evaluation)?;
    Ok(serde_json::from_str(&json)?)
}
