//! The plan of a test file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use snowglobe_nix::{
    Attrs, Data, Evaluator, Fault, FaultData, Kind, Options, Pos, Value, evaluate,
};
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

/// The plan of a file, as far as there is one.
#[derive(Debug)]
pub struct Planned {
    /// Its usable tests: of several, at least one unless all are unusable.
    pub plan: Plan,
    /// Tests of a set that cannot be evaluated, in the order of their attribute paths.
    pub unusable: Vec<Unusable>,
}

/// A test that cannot be evaluated, among others.
#[derive(Debug)]
pub struct Unusable {
    /// Where it is in the file's value.
    pub attr_path: Vec<String>,
    /// What is wrong with it.
    pub error: Box<snowglobe_nix::Error>,
}

/// From a value and an attribute path to a plan, in our library.
///
/// The library gives functions their arguments: `--arg` of one name must not keep the file's function
/// from getting `pkgs` and whatever else tests are given.
const LIBRARY: &str = "nixpkgs: value: attrPath: arguments: import (nixpkgs + \"/snowglobe/plan.nix\") { inherit value attrPath arguments; }";

/// Evaluates a file to the plan of its tests. `store` and `archive` of the plan are filled in.
///
/// # Errors
/// Of a file with one test, that test's; of one with several, only what concerns all of them.
pub fn plan(session: &Session, request: &PlanRequest) -> Result<Planned, PlanError> {
    let result = evaluate(session, request.options.clone(), |nix| {
        texts(nix, session, request).map_err(|fault| nix.report(fault))
    });
    let (format, texts, unusable) = result
        .map_err(|e| PlanError::Start(e.to_string()))?
        .map_err(PlanError::Evaluation)?;
    let tests = texts.iter().map(|text| serde_json::from_str(text));
    let plan = Plan {
        format: serde_json::from_str(&format)?,
        archive: session.snapshot(),
        tests: tests.collect::<Result<_, _>>()?,
        store: session.objects(),
    };
    Ok(Planned { plan, unusable })
}

/// The plan's format, its tests and what is unusable; plans are JSON.
fn texts(
    nix: &Evaluator<'_>,
    session: &Session,
    request: &PlanRequest,
) -> Result<(String, Vec<String>, Vec<Unusable>), Fault> {
    let value = value(nix, &request.source)?;
    let arguments = Value::Attrs(arguments(nix, &request.arguments)?);
    let library = nix.expression(LIBRARY, "«plan»")?;
    let nixpkgs = nix.value_of(&Data::Path(session.nixpkgs().to_owned()));
    let path = request.attr_path.iter().cloned().map(Data::Text).collect();
    let path = nix.value_of(&Data::List(path));
    let plan = nix.call(library, &[nixpkgs, value, path, arguments], Pos::NONE)?;
    let format = nix.json(part(nix, plan, "format")?, false)?.0;
    let paths = part(nix, plan, "paths")?;
    let tests = part(nix, plan, "tests")?;
    let mut texts = Vec::new();
    let mut unusable = Vec::new();
    let mut index = 0;
    while let Some(path) = nix.element(paths, index)? {
        let test = nix.element(tests, index).and_then(|test| match test {
            Some(test) => nix.json(test, true),
            None => Err(disagreement()),
        });
        index += 1;
        match test {
            Ok((text, _context)) => texts.push(text),
            Err(fault) if index == 1 && nix.element(paths, 1)?.is_none() => return Err(fault),
            Err(fault) => {
                let path = nix.json(path, false)?.0;
                unusable.push(Unusable {
                    attr_path: serde_json::from_str(&path).unwrap_or_default(),
                    error: nix.report(fault),
                });
            }
        }
    }
    Ok((format, texts, unusable))
}

fn part<'a>(nix: &Evaluator<'a>, plan: Value<'a>, name: &str) -> Result<Value<'a>, Fault> {
    let found = match plan {
        Value::Attrs(attrs) => nix.attr(attrs, name)?,
        _ => None,
    };
    found.ok_or_else(disagreement)
}

/// Our library is not as this program expects it: a tree of another version.
fn disagreement() -> Fault {
    let message = "the library's plan has not the expected form: a tree given by `--nixpkgs` must be of the program's own version";
    FaultData::new(Kind::Type, Pos::NONE, message)
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
