//! The plan of a test file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use snowglobe_nix::{Attrs, Data, Evaluator, Fault, Options, Pos, Value, evaluate};
use snowglobe_plan::Plan;

use crate::Session;

/// What is evaluated.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, by absolute path.
    File(PathBuf),
    /// A text, and what it is called in messages.
    Text {
        /// Nix code.
        text: String,
        /// Such as `«string»`.
        name: String,
    },
}

/// An argument for the function that a file evaluates to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// `--arg`: Nix code.
    Expression(String),
    /// `--argstr`: a string.
    Text(String),
}

/// Which tests of a file, and with what arguments.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// The file.
    pub source: Source,
    /// Attribute path of the tests wanted; empty: all.
    pub attr_path: Vec<String>,
    /// Arguments by name.
    pub arguments: BTreeMap<String, Argument>,
    /// Limits of the evaluation.
    pub options: Options,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file's program is wrong.
    #[error(transparent)]
    Evaluation(Box<snowglobe_nix::Error>),
    /// The evaluator could not be started.
    #[error("the evaluation cannot be started: {0}")]
    Start(String),
    /// Our library and the plan's types do not agree: an error of ours.
    #[error("the library gave a plan that cannot be read: {0}")]
    Format(#[from] serde_json::Error),
}

/// From a value and an attribute path to a plan, in our library.
///
/// The library gives functions their arguments: `--arg` of one name must not keep the file's function
/// from getting `pkgs` and whatever else tests are given.
const LIBRARY: &str = "nixpkgs: value: attrPath: arguments: import (nixpkgs + \"/snowglobe/plan.nix\") { inherit value attrPath arguments; }";

/// Evaluates a file to the plan of its tests. `store` and `archive` of the plan are filled in.
pub fn plan(session: &Session, request: &PlanRequest) -> Result<Plan, PlanError> {
    let result = evaluate(session, request.options.clone(), |nix| {
        let run = || {
            let value = value(nix, &request.source)?;
            let arguments = Value::Attrs(arguments(nix, &request.arguments)?);
            let library = nix.expression(LIBRARY, "«plan»")?;
            let nixpkgs = nix.value_of(&Data::Path(session.nixpkgs().to_owned()));
            let path = request.attr_path.iter().cloned().map(Data::Text).collect();
            let path = nix.value_of(&Data::List(path));
            let plan = nix.call(library, &[nixpkgs, value, path, arguments], Pos::NONE)?;
            nix.json(plan, true)
        };
        run().map_err(|fault| nix.report(fault))
    });
    let (json, _context) = result
        .map_err(|e| PlanError::Start(e.to_string()))?
        .map_err(PlanError::Evaluation)?;
    let mut plan: Plan = serde_json::from_str(&json)?;
    plan.store = session.objects();
    plan.archive = session.snapshot();
    Ok(plan)
}

/// What is evaluated, as a value.
pub(crate) fn value<'a>(
    nix: &Evaluator<'a>,
    source: &Source,
) -> Result<snowglobe_nix::Value<'a>, Fault> {
    match source {
        Source::File(path) => nix.file(&path.display().to_string()),
        Source::Text { text, name } => nix.expression(text, name),
    }
}

/// Arguments given on a command line, as a set.
pub fn arguments<'a>(
    nix: &Evaluator<'a>,
    given: &BTreeMap<String, Argument>,
) -> Result<&'a Attrs<'a>, Fault> {
    let mut values = Vec::new();
    for (name, argument) in given {
        let value = match argument {
            Argument::Expression(code) => nix.expression(code, "«--arg»")?,
            Argument::Text(text) => nix.value_of(&Data::Text(text.clone())),
        };
        values.push((name.clone(), value));
    }
    Ok(nix.attrs_from(&values))
}
