//! `snowglobe parse`.

use fs_err as fs;
use snowglobe_nix::{Options, Origin, evaluate};

use crate::arguments::Parse;
use crate::error::{CliError, Kind, Result};
use crate::workshop::evaluation_error;

/// Checks the syntax of files; all errors of all files are shown.
pub fn run(arguments: &Parse) -> Result {
    let host = snowglobe_nix::LocalHost::from_env();
    let mut kind = Kind::Passed;
    for file in &arguments.files {
        let text = fs::read(file).map_err(CliError::unusable)?;
        let name = std::path::absolute(file)?.display().to_string();
        let checked = evaluate(&host, Options::default(), |nix| {
            nix.check(&text, Origin::File(name.clone()))
                .map_err(|fault| nix.report(fault))
        })?;
        if let Err(error) = checked {
            evaluation_error(&error, false).print();
            kind = Kind::Unusable;
        }
    }
    Ok(kind)
}
