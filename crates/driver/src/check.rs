//! Finding a script's mistakes before any machine boots.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use snowglobe_events::{Frame, Kind, Location, Phase, Scope};
use snowglobe_plan::Test;

use crate::error::RunError;
use crate::locate::ScriptMap;
use crate::script::ensure_package;
use crate::tools::{Finished, Job, Standard, Tools};

/// A script to be checked.
pub struct Check<'a> {
    /// Its test.
    pub test: &'a Test,
    /// Python with pyflakes and mypy.
    pub tools: &'a dyn Tools,
    /// Where results are kept, and mypy's own cache.
    pub cache_dir: &'a Path,
    /// Directories of the script's Python packages.
    pub python_path: &'a [PathBuf],
    /// What else the checkers see.
    pub visible: &'a [(PathBuf, bool)],
}

/// Who found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// pyflakes.
    Lint,
    /// mypy.
    Type,
}

/// A mistake in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Who found it.
    pub kind: FindingKind,
    /// Where.
    pub location: Location,
    /// From 1; 0 if unknown.
    pub column: u32,
    /// What.
    pub message: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// By line.
    pub findings: Vec<Finding>,
    /// Checkers that are not there.
    pub warnings: Vec<String>,
    /// Whether no checker ran, because this script has passed before.
    pub cached: bool,
}

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
pub(crate) fn variable(name: &str) -> String {
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

fn own_names(test: &Test) -> Vec<(String, &'static str)> {
    let mut names: Vec<_> = test
        .nodes
        .iter()
        .map(|node| (variable(&node.name), "QemuMachine"))
        .collect();
    names.extend(
        host_aliases(test)
            .into_iter()
            .map(|(alias, _)| (alias, "QemuMachine")),
    );
    if test.nodes.len() == 1 && names.iter().all(|(name, _)| name != "machine") {
        names.push(("machine".to_owned(), "QemuMachine"));
    }
    names.extend(
        test.vlans
            .iter()
            .map(|vlan| (format!("vlan{vlan}"), "_VLan")),
    );
    names
}

/// Lints and type-checks a script as its test asks for. A script that has passed once costs
/// nothing.
///
/// # Errors
///
/// When a checker cannot do its work.
pub fn check(check: &Check<'_>) -> Result<Checked, RunError> {
    let script = &check.test.script;
    if script.skip_lint && script.skip_type_check {
        return Ok(Checked::default());
    }
    let package = ensure_package(check.cache_dir, check.tools)?;
    let names = own_names(check.test);
    let mut hash = Sha256::new();
    for part in [
        script.text.as_str(),
        DECLARATIONS,
        &format!("{ADDITIONS:?}"),
        &check.tools.identity(),
        &format!("{names:?} {} {}", script.skip_lint, script.skip_type_check),
        &format!("{:?} {:?}", package, check.python_path),
    ] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let folder = check.cache_dir.join("checked");
    let mark = folder.join(&HEXLOWER.encode(&hash.finalize())[..32]);
    if mark.exists() {
        return Ok(Checked {
            cached: true,
            ..Checked::default()
        });
    }
    let map = ScriptMap::new(script);
    let (lint, types) = std::thread::scope(|scope| {
        let types = (!script.skip_type_check)
            .then(|| scope.spawn(|| type_check(check, &package, &names, &map)));
        let lint = if script.skip_lint {
            Ok(Checked::default())
        } else {
            lint(check, &names, &map)
        };
        let types = match types.map(std::thread::ScopedJoinHandle::join) {
            None => Ok(Checked::default()),
            Some(Ok(types)) => types,
            Some(Err(_)) => Err(RunError::Checker {
                checker: "mypy",
                message: "its thread has failed".to_owned(),
            }),
        };
        (lint, types)
    });
    let (mut found, types) = (lint?, types?);
    found.warnings.extend(types.warnings);
    for finding in types.findings {
        // One mistake is told once: the linter's words for a name that is not there are enough.
        let line = finding.location.script_line;
        if !found
            .findings
            .iter()
            .any(|other| other.location.script_line == line)
        {
            found.findings.push(finding);
        }
    }
    found
        .findings
        .sort_by_key(|finding| (finding.location.script_line, finding.column));
    if found.findings.is_empty() && found.warnings.is_empty() {
        // Without the mark the next run checks again; that is all.
        let _ = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&mark, b""));
    }
    Ok(found)
}

/// Checks a script as a part of its run, with events; whether it is fine. [`crate::run`] does so
/// too, at no cost when this was done before: whoever has to build machines first asks earlier.
///
/// # Errors
///
/// When a checker cannot do its work.
pub fn check_script(check: &Check<'_>, scope: &Scope) -> Result<bool, RunError> {
    let phase = Phase::Check;
    let span = scope.open(Kind::PhaseStarted { phase });
    let result = self::check(check);
    let ok = result
        .as_ref()
        .is_ok_and(|checked| checked.findings.is_empty());
    let cached = result.as_ref().is_ok_and(|checked| checked.cached);
    let note = cached.then(|| "from the cache".to_owned());
    scope.on(span, Kind::PhaseFinished { phase, ok, note });
    let checked = result?;
    for message in checked.warnings {
        scope.emit(Kind::Warning {
            message,
            hints: Vec::new(),
        });
    }
    if !checked.findings.is_empty() {
        scope.emit(failure(&checked.findings));
    }
    Ok(ok)
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

/// How long a checker may take.
const LIMIT: Duration = Duration::from_secs(120);

fn broken(checker: &'static str, message: impl ToString) -> RunError {
    RunError::Checker {
        checker,
        message: message.to_string(),
    }
}

fn lint(check: &Check<'_>, names: &[(String, &str)], map: &ScriptMap) -> Result<Checked, RunError> {
    let additions = ADDITIONS.iter().map(|(name, _)| name);
    let known = NAMES.iter().chain(additions);
    let known = known.map(|name| (*name).to_owned());
    let known: Vec<String> = known
        .chain(names.iter().map(|(name, _)| name.clone()))
        .collect();
    let job = Job {
        program: "python3".to_owned(),
        args: ["-I", "-m", "pyflakes"].map(str::to_owned).to_vec(),
        env: vec![
            ("PYFLAKES_BUILTINS".to_owned(), known.join(",")),
            ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
        ],
        cwd: "/".into(),
        standard: Standard::PipesWithInput,
        ..Job::default()
    };
    let script = check.test.script.text.as_bytes();
    let finished = crate::tools::run(check.tools, job, script, LIMIT)
        .map_err(|error| broken("pyflakes", error))?;
    if let Some(warning) = missing(&finished, "pyflakes") {
        return Ok(Checked {
            warnings: vec![warning],
            ..Checked::default()
        });
    }
    let text = [finished.stdout, finished.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let findings = parse(&text, "<stdin>:", FindingKind::Lint, 0, map);
    if findings.is_empty() && !finished.exit.success() {
        return Err(broken("pyflakes", text));
    }
    Ok(Checked {
        findings,
        ..Checked::default()
    })
}

/// Python without the checker is no reason not to run a test.
fn missing(finished: &Finished, module: &str) -> Option<String> {
    let error = String::from_utf8_lossy(&finished.stderr);
    error
        .contains(&format!("No module named {module}"))
        .then(|| format!("the script is not checked with {module}: this Python does not have it"))
}

fn type_check(
    check: &Check<'_>,
    package: &Path,
    names: &[(String, &str)],
    map: &ScriptMap,
) -> Result<Checked, RunError> {
    let cache = check.cache_dir.join("mypy");
    std::fs::create_dir_all(&cache).map_err(|error| broken("mypy", error))?;
    let folder = tempfile::tempdir().map_err(|error| broken("mypy", error))?;
    let mut declarations = DECLARATIONS.to_owned();
    for (name, declaration) in ADDITIONS {
        let taken = names.iter().any(|(other, _)| other == name);
        if !taken && !binds(&check.test.script.text, name) {
            declarations.push_str(declaration);
        }
    }
    for (name, class) in names {
        declarations.push_str(&format!("{name}: {class}\n"));
    }
    // A `from __future__` import has to stay the first statement.
    let hidden = names.iter().filter(|(name, _)| name.starts_with('_'));
    let hidden: String = hidden
        .map(|(name, _)| format!("; from _snowglobe_names import {name} as {name}"))
        .collect();
    let text = format!(
        "from _snowglobe_names import *{hidden}\n{}",
        check.test.script.text
    );
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).map_err(|error| broken("mypy", error))
    };
    write("_snowglobe_names.pyi", &declarations)?;
    write("testScript.py", &text)?;
    let mut args: Vec<String> = [
        "-I",
        "-m",
        "mypy",
        "--no-implicit-optional",
        "--no-color-output",
        "--no-error-summary",
        "--show-column-numbers",
        "--follow-imports=silent",
        "--hide-error-context",
        "--disable-error-code=import-untyped",
    ]
    .map(str::to_owned)
    .to_vec();
    if !check.test.script.python_packages.is_empty() {
        args.push("--ignore-missing-imports".to_owned());
    }
    args.push(format!("--cache-dir={}", cache.display()));
    args.push("testScript.py".to_owned());
    let path = format!("{}:{}", folder.path().display(), package.display());
    let mut visible = check.visible.to_vec();
    visible.push((package.to_owned(), false));
    visible.push((folder.path().to_owned(), false));
    visible.push((cache, true));
    let job = Job {
        program: "python3".to_owned(),
        args,
        env: vec![
            ("MYPYPATH".to_owned(), path),
            ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
        ],
        cwd: folder.path().to_owned(),
        visible,
        ..Job::default()
    };
    let finished =
        crate::tools::run(check.tools, job, b"", LIMIT).map_err(|error| broken("mypy", error))?;
    if let Some(warning) = missing(&finished, "mypy") {
        return Ok(Checked {
            warnings: vec![warning],
            ..Checked::default()
        });
    }
    let text = String::from_utf8_lossy(&finished.stdout);
    let findings = parse(&text, "testScript.py:", FindingKind::Type, 1, map);
    if findings.is_empty() && !finished.exit.success() {
        let error = String::from_utf8_lossy(&finished.stderr);
        return Err(broken("mypy", format!("{}{}", text, error).trim()));
    }
    Ok(Checked {
        findings,
        ..Checked::default()
    })
}

/// Reads `FILE:LINE:COLUMN: message` lines. `before` lines of the checked file are not the
/// script's.
fn parse(text: &str, file: &str, kind: FindingKind, before: u32, map: &ScriptMap) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix(file) else {
            continue;
        };
        let mut parts = rest.splitn(3, ':');
        let mut number = || {
            parts
                .next()
                .and_then(|part| part.trim().parse::<u32>().ok())
        };
        let (Some(line), Some(column)) = (number(), number()) else {
            continue;
        };
        let message = parts.next().unwrap_or_default().trim();
        let message = match kind {
            FindingKind::Lint => message,
            FindingKind::Type => match message.strip_prefix("error: ") {
                Some(message) => message,
                // Notes belong to the error before.
                None => continue,
            },
        };
        findings.push(Finding {
            kind,
            location: map.location(line.saturating_sub(before)),
            column,
            message: message.to_owned(),
        });
    }
    findings
}

impl Finding {
    /// Several lines for a reader: place, line with a caret, message.
    pub fn render(&self) -> String {
        let place = &self.location;
        let mut text = format!("{}:{}: {}\n", place.file, place.line, self.message);
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        text.push_str(&format!("{margin} |\n{number} | {}\n", place.source));
        if self.column > 0 {
            let width = place.source.chars().count();
            let column = (self.column as usize - 1).min(width);
            let skip: String = place
                .source
                .chars()
                .take(column)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            text.push_str(&format!("{margin} | {skip}^\n"));
        }
        text
    }
}

/// The failure of a run whose script has mistakes.
pub(crate) fn failure(findings: &[Finding]) -> Kind {
    let first = &findings[0];
    let class = match first.kind {
        FindingKind::Lint => "LintError",
        FindingKind::Type => "TypeCheckError",
    };
    let more = match findings.len() - 1 {
        0 => String::new(),
        1 => " (and one more mistake)".to_owned(),
        count => format!(" (and {count} more mistakes)"),
    };
    let details: Vec<String> = findings.iter().map(Finding::render).collect();
    let lint = findings
        .iter()
        .any(|finding| finding.kind == FindingKind::Lint);
    let types = findings
        .iter()
        .any(|finding| finding.kind == FindingKind::Type);
    let mut hints = Vec::new();
    if lint {
        hints.push("`skipLint = true;` in the test turns the linter off".to_owned());
    }
    if types {
        hints.push("`skipTypeCheck = true;` in the test turns the type checker off".to_owned());
    }
    Kind::Failure {
        class: class.to_owned(),
        message: format!("{}{more}", first.message),
        location: Some(first.location.clone()),
        frames: vec![Frame {
            function: "<module>".to_owned(),
            location: first.location.clone(),
        }],
        command: None,
        subtests: Vec::new(),
        hints,
        details: Some(details.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let node = |name: &str, host: &str| {
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
        let test: Test = serde_json::from_value(serde_json::json!({
            "name": "t", "vlans": [], "script": {"text": ""}, "globalTimeout": 1,
            "nodes": [node("a", "a"), node("b-1", "web.1"), node("c", ""), node("d", "a"), node("e", "web-1")],
        }))
        .expect("a test");
        assert_eq!(
            host_aliases(&test),
            [("web_1".to_owned(), "b-1".to_owned())],
            "no alias hides a machine's own variable or another alias"
        );
    }

    #[test]
    fn the_checkers_lines_are_read() {
        let map = ScriptMap::from_text("a\nbb(\nccc\n");
        let flakes = "<stdin>:2:1: undefined name 'bb'\nnoise\n";
        let found = parse(flakes, "<stdin>:", FindingKind::Lint, 0, &map);
        assert_eq!(
            found[0].render(),
            "testScript:2: undefined name 'bb'\n  |\n2 | bb(\n  | ^\n"
        );
        let mypy =
            "testScript.py:4:3: error: Wrong: really  [arg-type]\ntestScript.py:4:3: note: x\n";
        let found = parse(mypy, "testScript.py:", FindingKind::Type, 1, &map);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].location.script_line, found[0].message.as_str()),
            (3, "Wrong: really  [arg-type]")
        );
    }
}
