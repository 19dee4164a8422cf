//! pyflakes and mypy.

use std::path::Path;
use std::time::{Duration, Instant};

use super::finding::{Finding, FindingKind};
use super::names::{Names, declarations, known};
use super::{Check, Checked};
use crate::error::RunError;
use crate::locate::ScriptMap;
use crate::tools::{Finished, Job, Standard};

/// How long a checker may take.
const LIMIT: Duration = Duration::from_secs(120);
/// How long another check may have mypy's cache before this one does without.
const LOCK_LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked whether it has it still.
const LOCK_LOOK: Duration = Duration::from_millis(10);

fn broken(checker: &'static str, message: impl ToString) -> RunError {
    RunError::Checker {
        checker,
        message: message.to_string(),
    }
}

/// Lints the script.
pub(super) fn lint(check: &Check<'_>, names: &Names, map: &ScriptMap) -> Result<Checked, RunError> {
    let job = Job {
        program: "python3".to_owned(),
        args: ["-I", "-m", "pyflakes"].map(str::to_owned).to_vec(),
        env: vec![
            ("PYFLAKES_BUILTINS".to_owned(), known(names)),
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

/// The right to use mypy's cache, until it is dropped; `None`: somebody has it for too long.
fn exclusive(cache: &Path) -> Option<std::fs::File> {
    let lock = std::fs::File::create(cache.join(".lock")).ok()?;
    let end = Instant::now() + LOCK_LIMIT;
    while lock.try_lock().is_err() {
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(LOCK_LOOK);
    }
    Some(lock)
}

/// Checks the script's types.
pub(super) fn type_check(
    check: &Check<'_>,
    package: &Path,
    names: &Names,
    map: &ScriptMap,
) -> Result<Checked, RunError> {
    let cache = check.cache_dir.join("mypy");
    std::fs::create_dir_all(&cache).map_err(|error| broken("mypy", error))?;
    // Used now, for whoever makes the cache smaller.
    for version in std::fs::read_dir(&cache).into_iter().flatten().flatten() {
        if let Ok(folder) = std::fs::File::open(version.path()) {
            let _ = folder.set_modified(std::time::SystemTime::now());
        }
    }
    let folder = tempfile::tempdir().map_err(|error| broken("mypy", error))?;
    // Several at once would take each other's names for their own: mypy knows modules by name alone.
    let lock = exclusive(&cache);
    let cache = match lock {
        Some(_) => cache,
        None => folder.path().join("cache"),
    };
    std::fs::create_dir_all(&cache).map_err(|error| broken("mypy", error))?;
    // A `from __future__` import has to stay the first statement.
    let hidden = names.keys().filter(|name| name.starts_with('_'));
    let hidden: String = hidden
        .map(|name| format!("; from _snowglobe_names import {name} as {name}"))
        .collect();
    let text = format!(
        "from _snowglobe_names import *{hidden}\n{}",
        check.test.script.text
    );
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).map_err(|error| broken("mypy", error))
    };
    write(
        "_snowglobe_names.pyi",
        &declarations(&check.test.script.text, names),
    )?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
