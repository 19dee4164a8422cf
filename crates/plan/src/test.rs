//! A plan, its tests and their scripts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Node, StoreObject, StorePath};

/// All tests of one file, and every store object that they need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// [`crate::FORMAT`] of the writer.
    pub format: u32,
    /// Identifies the archive snapshot that package versions were read from; filled in by the
    /// evaluator's host, empty when no package was looked up.
    #[serde(default)]
    pub archive: String,
    /// In the order of their attribute paths.
    pub tests: Vec<Test>,
    /// Derivations, texts and sources that the tests refer to, closed under references; filled in
    /// by the evaluator's host.
    #[serde(default)]
    pub store: BTreeMap<StorePath, StoreObject>,
}

/// One test: machines, networks and the script that drives them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Test {
    /// The test's `name`.
    pub name: String,
    /// Where the test was found in the file's value; empty when the value itself is the test.
    #[serde(default)]
    pub attr_path: Vec<String>,
    /// Sorted by name, which is also the order of their numbers.
    pub nodes: Vec<Node>,
    /// Numbers of the virtual networks that any node is connected to, ascending.
    pub vlans: Vec<u16>,
    /// What drives the machines.
    pub script: Script,
    /// Seconds after which the whole run is stopped and fails.
    pub global_timeout: u64,
    /// Whether the script reads text off screens.
    #[serde(default)]
    pub enable_ocr: bool,
    /// Whether accelerators other than hardware virtualisation are refused.
    #[serde(default)]
    pub force_accel: bool,
    /// Warnings of the evaluation, to be shown before the run.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// The Python program of a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Script {
    /// Source text. May refer to store paths.
    pub text: String,
    /// Where `testScript` is defined, if it can be known.
    #[serde(default)]
    pub position: Option<Position>,
    /// Do not run the linter.
    #[serde(default)]
    pub skip_lint: bool,
    /// Do not run the type checker.
    #[serde(default)]
    pub skip_type_check: bool,
    /// Packages of `extraPythonPackages`.
    #[serde(default)]
    pub python_packages: Vec<StorePath>,
    /// Every store path that the text refers to, by string context.
    #[serde(default)]
    pub references: Vec<StorePath>,
}

/// A place in a Nix file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Position {
    /// Absolute path of the file.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}
