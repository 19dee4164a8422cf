//! `snowglobe parse`.

use crate::arguments::Parse;
use crate::error::{Kind, Result};
use crate::workshop::check_syntax;

/// Checks the syntax of files; all errors of all files are shown.
pub fn run(arguments: &Parse) -> Result {
    let mut kind = Kind::Passed;
    for file in &arguments.files {
        if let Err(error) = check_syntax(file) {
            error.print();
            kind = kind.max(error.kind);
        }
    }
    Ok(kind)
}
