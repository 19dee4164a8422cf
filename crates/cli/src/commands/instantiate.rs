//! `nix-instantiate`, as `snowglobe compat` links it.

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use snowglobe_archive::Silent;
use snowglobe_nix::instantiate::{Input, Request};
use snowglobe_nix::{Options, evaluate};

use super::compat::harmless;
use super::eval::say;
use crate::arguments::Selection;
use crate::error::{CliError, Kind, Result};
use crate::workshop::{Workshop, evaluation_error};

/// `instantiate`.
#[derive(Args, Clone, Debug)]
pub struct Instantiate {
    /// Arguments of nix-instantiate
    #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
    pub words: Vec<String>,
}

/// Evaluates, or instantiates and prints paths of derivations.
pub fn run(command: &Instantiate) -> Result {
    let mut selection = Selection::default();
    let mut rest = Vec::new();
    let mut words = command.words.iter();
    while let Some(word) = words.next() {
        if word == "-I" {
            selection.include.extend(words.next().cloned());
        } else if let Some(values) = harmless(word) {
            for _ in 0..values {
                words.next();
            }
        } else {
            rest.push(word.clone());
        }
    }
    let workshop = Workshop::open(false, Arc::new(Silent))?;
    let home = std::env::current_dir()?;
    let mut options = Options {
        base_path: home.display().to_string(),
        ..Options::default()
    };
    let mut request = Request::parse_args(rest, &mut options)
        .map_err(|error| CliError::unusable(format!("nix-instantiate: {error}")))?;
    for input in &mut request.inputs {
        if *input == Input::File("-".to_owned()) {
            let text = std::io::read_to_string(std::io::stdin())?;
            *input = Input::Text(text, "«stdin»".to_owned());
        }
    }
    let session = workshop.session(&selection, &home, Box::new(say));
    let (bytes, result) = evaluate(&session, options, |nix| {
        let mut out = Vec::new();
        let result = nix.instantiate(&request, &mut out);
        (out, result.map_err(|fault| nix.report(fault)))
    })?;
    match std::io::stdout().write_all(&bytes) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => return Err(e.into()),
        _ => {}
    }
    match result {
        Ok(()) => Ok(Kind::Passed),
        // Scripts expect this status.
        Err(error) => Err(CliError {
            kind: Kind::Failed,
            ..evaluation_error(&error, request.show_trace)
        }),
    }
}
