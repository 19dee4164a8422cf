//! Names that a script has without defining them.

use std::collections::{BTreeMap, BTreeSet};

use snowglobe_plan::Test;

use crate::error::RunError;

/// Names with their types.
pub(super) type Names = BTreeMap<String, &'static str>;

/// What a machine is in the script.
const MACHINE: &str = "QemuMachine";

/// Words of Python that no variable can have.
const KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// Names that every script has.
const NAMES: &[&str] = &[
    "start_all",
    "test_script",
    "machines",
    "machines_qemu",
    "machines_nspawn",
    "vlans",
    "driver",
    "log",
    "os",
    "create_machine",
    "subtest",
    "run_tests",
    "join_all",
    "retry",
    "serial_stdout_off",
    "serial_stdout_on",
    "polling_condition",
    "dump_machine_ssh",
    "BaseMachine",
    "Machine",
    "QemuMachine",
    "NspawnMachine",
    "t",
    "debug",
];

/// Names that upstream does not have. A script may use them for something of its own.
const ADDITIONS: &[(&str, &str)] = &[
    ("checkpoint", "def checkpoint(name: str) -> None: ...\n"),
    ("checkpoints", "def checkpoints() -> list[str]: ...\n"),
    ("restore", "def restore(name: str) -> None: ...\n"),
];

/// Their declarations, for mypy.
const DECLARATIONS: &str = "\
import os as os
from collections.abc import Callable as _Callable
from contextlib import AbstractContextManager as _Context
from datetime import timedelta as _timedelta
from typing import Any as _Any, TypeVar as _TypeVar, overload as _overload
from test_driver.debug import DebugAbstract as _Debug
from test_driver._assertions import TestCase as _TestCase
from test_driver.driver import Driver as _Driver
from test_driver.logger import AbstractLogger as _Logger
from test_driver.machine import BaseMachine as BaseMachine, Machine as Machine
from test_driver.machine import NspawnMachine as NspawnMachine, QemuMachine as QemuMachine
from test_driver.polling_condition import PollingCondition as _PollingCondition
from test_driver.vlan import VLan as _VLan
def start_all() -> None: ...
def test_script() -> None: ...
def run_tests() -> None: ...
def join_all() -> None: ...
def serial_stdout_on() -> None: ...
def serial_stdout_off() -> None: ...
def dump_machine_ssh() -> None: ...
def subtest(name: str) -> _Context[None]: ...
def retry(fn: _Callable[..., object], timeout: float | _timedelta | None = ..., *, timeout_seconds: float | _timedelta | None = ...) -> None: ...
def create_machine(start_command: str | dict[str, _Any], *, name: str | None = ..., keep_vm_state: bool = ..., keep_machine_state: bool = ...) -> QemuMachine: ...
@_overload
def polling_condition(fun_: _Callable[[], bool | None]) -> _PollingCondition: ...
@_overload
def polling_condition(fun_: None = ..., *, interval: float | _timedelta | None = ..., seconds_interval: float | None = ..., description: str | None = ...) -> _Callable[[_Callable[[], bool | None]], _PollingCondition]: ...
machines: list[QemuMachine]
machines_qemu: list[QemuMachine]
machines_nspawn: list[NspawnMachine]
vlans: list[_VLan]
driver: _Driver
log: _Logger
t: _TestCase
debug: _Debug
";

/// The Python variable of a machine.
fn variable(name: &str) -> String {
    let start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let allowed = |(index, c): (usize, char)| {
        if start(c) || (index > 0 && c.is_ascii_digit()) {
            c
        } else {
            '_'
        }
    };
    name.chars().enumerate().map(allowed).collect()
}

/// Second variables of machines whose host name is not their name: variable and name of the
/// machine. Upstream's drivers up to 25.11 know a machine by its host name only.
pub(crate) fn host_aliases(test: &Test) -> Vec<(String, String)> {
    let mut taken: BTreeSet<_> = test.nodes.iter().map(|node| variable(&node.name)).collect();
    let mut aliases = Vec::new();
    for node in &test.nodes {
        let alias = variable(&node.host_name);
        if !alias.is_empty() && taken.insert(alias.clone()) {
            aliases.push((alias, node.name.clone()));
        }
    }
    aliases
}

/// Names and types of this test's own machines and networks. Where two things have one name, the
/// later one has it, as in the script.
///
/// # Errors
///
/// When two machines have one name: the script could not reach one of them.
pub(super) fn own_names(test: &Test) -> Result<Names, RunError> {
    let mut machines: BTreeMap<String, &str> = BTreeMap::new();
    for node in &test.nodes {
        let name = variable(&node.name);
        if let Some(other) = machines.insert(name.clone(), &node.name) {
            return Err(RunError::Names {
                message: format!(
                    "the machines '{other}' and '{}' are both `{name}` in the script",
                    node.name
                ),
            });
        }
    }
    let mut names: BTreeMap<String, &str> = host_aliases(test)
        .into_iter()
        .map(|(alias, _)| (alias, MACHINE))
        .collect();
    names.extend(machines.into_keys().map(|name| (name, MACHINE)));
    if test.nodes.len() == 1 {
        names.insert("machine".to_owned(), MACHINE);
    }
    let vlan = |vlan| (format!("vlan{vlan}"), "_VLan");
    names.extend(test.vlans.iter().map(vlan));
    // Such a machine is reached by `machines` only.
    names.retain(|name, _| !KEYWORDS.contains(&name.as_str()));
    Ok(names)
}

/// All names that the linter must not miss.
pub(super) fn known(own: &Names) -> String {
    let additions = ADDITIONS.iter().map(|(name, _)| *name);
    let known = NAMES.iter().copied().chain(additions);
    let known: Vec<&str> = known.chain(own.keys().map(String::as_str)).collect();
    known.join(",")
}

/// Declarations of all names for the type checker.
pub(super) fn declarations(script: &str, own: &Names) -> String {
    let mut text = String::new();
    let mut overload = false;
    for line in DECLARATIONS.lines() {
        if line == "@_overload" {
            overload = true;
            continue;
        }
        if !declared(line).is_some_and(|name| own.contains_key(name)) {
            if overload {
                text.push_str("@_overload\n");
            }
            text.push_str(line);
            text.push('\n');
        }
        overload = false;
    }
    for (name, declaration) in ADDITIONS {
        if !own.contains_key(*name) && !binds(script, name) {
            text.push_str(declaration);
        }
    }
    for (name, class) in own {
        text.push_str(&format!("{name}: {class}\n"));
    }
    text
}

/// All that the checks depend on besides the script.
pub(super) fn fingerprint(own: &Names) -> String {
    format!("{DECLARATIONS}{ADDITIONS:?}{own:?}")
}

/// The global name that a line of the declarations declares.
fn declared(line: &str) -> Option<&str> {
    let word = |text: &'static str| line.strip_prefix(text);
    let rest = word("def ")
        .or_else(|| word("import os as "))
        .unwrap_or(line);
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    let name = &rest[..end.unwrap_or(rest.len())];
    let stands = end.is_none_or(|end| rest[end..].starts_with(['(', ':']));
    (stands && !line.starts_with("from ")).then_some(name)
}

/// Whether a script gives a name a meaning of its own. It may look so where it does not, at the
/// price of a type.
fn binds(script: &str, name: &str) -> bool {
    script.match_indices(name).any(|(at, _)| {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let before = &script[..at];
        let after = &script[at + name.len()..];
        if before.ends_with(word) || before.ends_with('.') || after.starts_with(word) {
            return false;
        }
        let after = after.trim_start_matches([' ', '\t']);
        let assigned = after.starts_with('=') && !after.starts_with("==");
        let annotated = after.starts_with(':') || after.starts_with(',');
        let before = before.trim_end_matches([' ', '\t']);
        let introduced = ["def", "class", "as", "import", "for", "global", ","]
            .iter()
            .any(|keyword| before.ends_with(keyword));
        assigned || annotated || introduced
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(nodes: &[(&str, &str)]) -> Test {
        let node = |(name, host): &(&str, &str)| {
            serde_json::json!({
                "name": name, "number": 1, "hostName": host, "interfaces": [],
                "system": {
                    "toplevel": "/nix/store/00000000000000000000000000000000-system",
                    "etc": [], "users": [], "groups": [], "kernel": {}
                },
                "hardware": {
                    "memoryMib": 1, "cores": 1, "diskMib": 1, "graphics": false,
                    "resolution": {"x": 1, "y": 1}
                },
            })
        };
        let nodes: Vec<_> = nodes.iter().map(node).collect();
        serde_json::from_value(serde_json::json!({
            "name": "t", "vlans": [1], "script": {"text": ""}, "globalTimeout": 1,
            "nodes": nodes,
        }))
        .expect("a test")
    }

    #[test]
    fn own_meanings_of_names_are_seen() {
        for own in [
            "def restore():\n  pass",
            "restore = 1",
            "restore: int = 1",
            "from x import restore",
            "for restore in y: pass",
            "a, restore = 1, 2",
        ] {
            assert!(binds(own, "restore"), "{own}");
        }
        for other in [
            "restore('x')",
            "m.restore = 1",
            "restored = 1",
            "if restore == 1: pass",
            "# nothing",
        ] {
            assert!(!binds(other, "restore"), "{other}");
        }
    }

    #[test]
    fn machines_have_variables() {
        for (name, expect) in [
            ("web-1", "web_1"),
            ("1a", "_a"),
            ("ünï", "_n_"),
            ("a.b", "a_b"),
            ("_x9", "_x9"),
        ] {
            assert_eq!(variable(name), expect);
        }
    }

    #[test]
    fn host_names_are_second_variables() {
        let nodes = [
            ("a", "a"),
            ("b-1", "web.1"),
            ("c", ""),
            ("d", "a"),
            ("e", "web-1"),
        ];
        assert_eq!(
            host_aliases(&test(&nodes)),
            [("web_1".to_owned(), "b-1".to_owned())],
            "no alias hides a machine's own variable or another alias"
        );
    }

    #[test]
    fn machines_take_names_from_what_is_there_and_from_no_machine() {
        let nodes = ["class", "t", "polling_condition", "os", "log", "vlan1"];
        let own = own_names(&test(&nodes.map(|name| (name, name)))).unwrap();
        assert!(!own.contains_key("class") && !own.contains_key("machine"));
        assert_eq!(own["vlan1"], "_VLan");
        let text = declarations("", &own);
        for gone in ["t: _TestCase", "def polling_condition", "as os", "log: _L"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        for there in [
            "t: QemuMachine\n",
            "os: QemuMachine\n",
            "def subtest(",
            "def restore(",
        ] {
            assert!(text.contains(there), "{there}: {text}");
        }
        assert!(!text.contains("@_overload"));
        let plain = declarations("", &own_names(&test(&[("a", "a")])).unwrap());
        assert!(plain.starts_with(DECLARATIONS) && plain.contains("machine: QemuMachine\n"));

        let two = own_names(&test(&[("a-b", ""), ("a_b", "")])).unwrap_err();
        assert_eq!(
            two.to_string(),
            "the machines 'a-b' and 'a_b' are both `a_b` in the script"
        );
    }
}
