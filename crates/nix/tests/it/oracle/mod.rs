//! The same expressions in CppNix. `tests/language.sh` runs these, with `SNOWGLOBE_NIX_ORACLE` as the
//! `nix-instantiate` that `snowglobe conformance oracle` makes.

mod expressions;
mod generator;

use std::path::{Path, PathBuf};
use std::process::Command;

use expressions::EXPRESSIONS;
use generator::Generator;

use crate::support::{crate_folder, eval, eval_below};

fn oracle() -> PathBuf {
    std::env::var_os("SNOWGLOBE_NIX_ORACLE")
        .expect("SNOWGLOBE_NIX_ORACLE names a nix-instantiate")
        .into()
}

/// Where paths in expressions lie.
fn folder() -> PathBuf {
    crate_folder().join("tests/lang")
}

fn ask(oracle: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new(oracle)
        .args(["--eval", "--strict", "--read-write-mode"])
        .args(args)
        .current_dir(folder())
        .env("NIX_PATH", "")
        .output()
        .expect("the oracle can be started");
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
#[ignore = "needs CppNix"]
fn our_files() {
    let oracle = oracle();
    for entry in std::fs::read_dir(crate_folder().join("tests/lang")).expect("the folder exists") {
        let file = entry.expect("it can be listed").path();
        let Ok(expected) = std::fs::read_to_string(file.with_extension("exp")) else {
            continue;
        };
        if file.extension().is_some_and(|extension| extension == "nix") {
            let theirs = ask(&oracle, &[file.to_str().expect("a plain name")]);
            assert_eq!(
                theirs.as_deref(),
                Ok(expected.trim_end()),
                "{}",
                file.display()
            );
        }
    }
}

#[test]
#[ignore = "needs CppNix"]
fn small_expressions() {
    let oracle = oracle();
    let mut wrong = Vec::new();
    for text in EXPRESSIONS {
        match (ask(&oracle, &["-E", text]), eval(text)) {
            (Ok(theirs), Ok(ours)) if theirs == ours => {}
            (Err(theirs), Err(_)) if !theirs.contains("unrecognised flag") => {}
            (theirs, ours) => {
                wrong.push(format!("{text}\n  theirs: {theirs:?}\n  ours:   {ours:?}"))
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What both say of an expression; `None` if they agree.
fn difference(oracle: &Path, text: &str) -> Option<String> {
    let theirs = ask(oracle, &["-E", text]);
    let ours = eval_below(&folder(), text);
    match (&theirs, &ours) {
        (Ok(theirs), Ok(ours)) if theirs == ours => None,
        (Err(_), Err(_)) => None,
        _ => Some(format!("{text}\n  theirs: {theirs:?}\n  ours:   {ours:?}")),
    }
}

/// Compares expressions, many in one process of theirs as long as they agree.
#[track_caller]
fn compare(oracle: &Path, batches: usize, mut next: impl FnMut() -> String) {
    let mut wrong = Vec::new();
    for _ in 0..batches {
        let batch: Vec<String> = (0..50).map(|_| next()).collect();
        let all = format!("map builtins.toJSON [\n{}\n]", batch.join("\n"));
        let ours = eval_below(&folder(), &all).ok();
        // One that fails on both sides (say, by overflow) spoils its batch.
        if ours.is_none() || ask(oracle, &["-E", &all]).ok() != ours {
            wrong.extend(
                batch
                    .iter()
                    .filter_map(|text| difference(oracle, &format!("builtins.toJSON {text}"))),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs CppNix"]
fn generated_values() {
    let mut generator = Generator::new(0x5eed_0f5e_ed01);
    compare(&oracle(), 20, || match generator.below(4) {
        0 => generator.int(5),
        1 => generator.text(4),
        2 => generator.list(4),
        _ => generator.set(4),
    });
}

#[test]
#[ignore = "needs CppNix"]
fn generated_numbers() {
    let mut generator = Generator::new(0x5eed_0f5e_ed02);
    compare(&oracle(), 10, || match generator.below(3) {
        0 => format!("(toString {})", generator.number(4)),
        _ => generator.number(4),
    });
}

/// Store paths, the hashes of derivations, and contexts.
#[test]
#[ignore = "needs CppNix"]
fn generated_store_paths() {
    let mut generator = Generator::new(0x5eed_0f5e_ed03);
    compare(&oracle(), 10, || match generator.below(4) {
        0 => format!(
            "(let d = {}; in [ d.drvPath d.outPath ])",
            generator.derivation(3)
        ),
        _ => format!(
            "(let s = {}; in [ s (builtins.getContext s) (builtins.hasContext s) ])",
            generator.store_text(4)
        ),
    });
}

/// Whether something fails is the same, and what remains of laziness when something could.
#[test]
#[ignore = "needs CppNix"]
fn generated_mistakes() {
    let oracle = oracle();
    let mut generator = Generator::with_mistakes(0x5eed_0f5e_ed04, 12);
    let mut failed = 0;
    let mut wrong = Vec::new();
    for _ in 0..300 {
        let text = match generator.below(5) {
            0 => generator.int(3),
            1 => generator.text(3),
            2 => generator.list(3),
            3 => generator.bool(3),
            _ => format!("(builtins.tryEval {})", generator.int(3)),
        };
        failed += usize::from(eval_below(&folder(), &text).is_err());
        wrong.extend(difference(&oracle, &text));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!((50..250).contains(&failed), "{failed} of 300 fail");
}
