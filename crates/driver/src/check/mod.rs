//! Finding a script's mistakes before any machine boots.

mod checkers;
mod finding;
mod names;

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use snowglobe_events::{Kind, Phase, Scope};
use snowglobe_plan::Test;

use self::checkers::{lint, type_check};
use self::finding::failure;
pub use self::finding::{Finding, FindingKind};
pub(crate) use self::names::host_aliases;
use self::names::{fingerprint, own_names};
use crate::error::RunError;
use crate::locate::ScriptMap;
use crate::script::ensure_package;
use crate::tools::Tools;

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
    let names = own_names(check.test)?;
    let mut hash = Sha256::new();
    for part in [
        script.text.as_str(),
        &check.tools.identity(),
        &fingerprint(&names),
        &format!("{} {}", script.skip_lint, script.skip_type_check),
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
