//! `snowglobe conformance`: comparisons of the evaluator with CppNix, for `./x conformance nix`.

mod bench;
mod fuzz;
mod oracle;

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use snowglobe_nix::instantiate::{Input, Request};
use snowglobe_nix::{Attrs, Evaluator, Fault, LocalHost, Options, RenderOptions, Value, evaluate};

use crate::error::{CliError, Kind, Result};
use crate::workshop::evaluation_error;

/// What is compared.
#[derive(Debug, Subcommand)]
pub enum Conformance {
    /// Run CppNix's language suite, in a checkout of its repository
    Lang {
        /// The checkout, or its tests/functional
        directory: PathBuf,
    },
    /// Print the drvPath of every package attribute of a Nix file
    Drvpaths {
        /// Such as a nixpkgs tree
        file: PathBuf,
    },
    /// Measure evaluations
    Bench(bench::Bench),
    /// Do what nix-instantiate does, with nothing of ours in the language
    Instantiate {
        /// Its arguments
        #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
        words: Vec<String>,
    },
    /// Put CppNix's programs, to compare with, into a folder; they come from a layer of ours
    Oracle(oracle::Oracle),
    /// Give random inputs to everything that reads texts of others
    Fuzz(fuzz::Fuzz),
}

/// Runs one of them.
pub fn run(command: &Conformance) -> Result {
    match command {
        Conformance::Lang { directory } => {
            let summary =
                snowglobe_nix::conformance::lang(directory).map_err(CliError::unusable)?;
            print!("{summary}");
            let passed = |group| {
                let (passed, all) = summary.count(group);
                passed == all && all > 0
            };
            Ok(
                if passed("eval-okay") && passed("parse-okay") && passed("eval-fail") {
                    Kind::Passed
                } else {
                    Kind::Failed
                },
            )
        }
        Conformance::Bench(command) => bench::run(command),
        Conformance::Oracle(command) => oracle::run(command),
        Conformance::Instantiate { words } => nix_instantiate(words),
        Conformance::Fuzz(command) => fuzz::run(command),
        Conformance::Drvpaths { file } => drvpaths(&file.display().to_string()),
    }
}

fn drvpaths(file: &str) -> Result {
    let host = LocalHost::from_env();
    let options = Options {
        base_path: std::env::current_dir()?.display().to_string(),
        ..Options::default()
    };
    let (count, memory) = evaluate(&host, options, |nix| {
        let mut count = Count::default();
        let run = || {
            let value = nix.file(file)?;
            nix.auto_call(value, nix.attrs_from(&[]))
        };
        match run() {
            Ok(Value::Attrs(packages)) => walk(nix, packages, "", &mut count),
            Ok(_) => {
                return Err(CliError::unusable(format!(
                    "'{file}' is no set of packages"
                )));
            }
            Err(fault) => return Err(evaluation_error(&nix.report(fault), false)),
        }
        Ok((count, nix.memory()))
    })??;
    anstream::eprintln!(
        "{} derivations, {} attributes that do not evaluate, {} MiB of values",
        count.good,
        count.bad,
        memory >> 20
    );
    Ok(Kind::Passed)
}

#[derive(Default)]
struct Count {
    good: usize,
    bad: usize,
}

/// As `nix-env -qaP` finds packages.
fn walk<'a>(nix: &Evaluator<'a>, attrs: &Attrs<'a>, prefix: &str, count: &mut Count) {
    let mut out = std::io::stdout().lock();
    for name in nix.names(attrs) {
        let path = || -> std::result::Result<Option<String>, Fault> {
            let Some(Value::Attrs(package)) = nix.attr(attrs, &name)? else {
                return Ok(None);
            };
            if !nix.is_derivation(package)? {
                return Ok(None);
            }
            match nix.attr(package, "drvPath")? {
                Some(path) => Ok(Some(
                    String::from_utf8_lossy(&nix.string(path)?.0).into_owned(),
                )),
                None => Ok(None),
            }
        };
        match path() {
            Ok(Some(path)) => {
                // A reader that has gone is noticed at the next command.
                let _ = writeln!(out, "{prefix}{name} {path}");
                count.good += 1;
            }
            Ok(None) => {
                if let Ok(Some(Value::Attrs(inner))) = nix.attr(attrs, &name)
                    && let Ok(Some(Value::Bool(true))) = nix.attr(inner, "recurseForDerivations")
                {
                    walk(nix, inner, &format!("{prefix}{name}."), count);
                }
            }
            Err(fault) => {
                anstream::eprintln!("{prefix}{name}: {}", nix.report(fault));
                count.bad += 1;
            }
        }
    }
}

/// Test scripts of others call `nix-instantiate`.
fn nix_instantiate(words: &[String]) -> Result {
    let mut options = Options {
        base_path: std::env::current_dir()?.display().to_string(),
        ..Options::default()
    };
    let mut request =
        Request::parse_args(words.iter().cloned(), &mut options).map_err(CliError::unusable)?;
    for input in &mut request.inputs {
        if *input == Input::File("-".to_owned()) {
            let text = std::io::read_to_string(std::io::stdin())?;
            *input = Input::Text(text, "«stdin»".to_owned());
        }
    }
    let mut host = LocalHost::from_env();
    host.search_path
        .splice(0..0, request.search_path.iter().cloned());
    let (out, result) = evaluate(&host, options, |nix| {
        let mut out = Vec::new();
        let result = nix
            .instantiate(&request, &mut out)
            .map_err(|fault| nix.report(fault));
        (out, result)
    })?;
    std::io::stdout().write_all(&out)?;
    if let Err(error) = result {
        let options = RenderOptions {
            full_trace: request.show_trace,
            ..RenderOptions::default()
        };
        // Theirs begin so; scripts look for it.
        anstream::eprint!("{}", error.render(options));
        return Ok(Kind::Failed);
    }
    Ok(Kind::Passed)
}
