//! `snowglobe eval`.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use snowglobe_archive::Silent;
use snowglobe_evaluate::Note;
use snowglobe_nix::{Options, evaluate};

use crate::arguments::Eval;
use crate::error::{CliError, Kind, Result};
use crate::workshop::{Workshop, absolute_file, arguments, attr_path, evaluation_error};

/// Prints a value, or the plan of a file's tests.
pub fn run(command: &Eval) -> Result {
    let workshop = Workshop::open(false, Arc::new(Silent))?;
    let selection = &command.selection;
    if command.plan {
        let file = command
            .file
            .as_ref()
            .ok_or_else(|| CliError::unusable("--plan needs a file"))?;
        let plan = workshop.plan(file, selection, Box::new(say))?;
        let json = serde_json::to_string_pretty(&plan).map_err(CliError::unusable)?;
        return print(&json);
    }
    let here = std::env::current_dir()?;
    let (home, text) = match (&command.file, &command.expr) {
        (_, Some(expr)) => (here, Some(expr.clone())),
        (Some(file), None) if file == Path::new("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            (here, Some(text))
        }
        (Some(file), None) => {
            let file = absolute_file(file)?;
            (file.parent().unwrap_or(Path::new("/")).to_owned(), None)
        }
        (None, None) => return Err(CliError::unusable("neither a file nor an expression")),
    };
    let session = workshop.session(selection, &home, Box::new(say));
    let options = Options {
        trace_verbose: command.trace_verbose,
        base_path: home.display().to_string(),
        ..Options::default()
    };
    let given = arguments(selection)?;
    let paths = if selection.attr.is_empty() {
        vec![String::new()]
    } else {
        selection.attr.clone()
    };
    let file = command
        .file
        .as_deref()
        .filter(|_| text.is_none())
        .map(absolute_file)
        .transpose()?;
    let printed = evaluate(&session, options, |nix| {
        let one = |path: &str| -> std::result::Result<Vec<u8>, snowglobe_nix::Fault> {
            let value = match (&text, &file) {
                (Some(text), _) => nix.expression(text, "«string»")?,
                (None, Some(file)) => nix.file(&file.display().to_string())?,
                (None, None) => nix.expression("null", "«string»")?,
            };
            let given = snowglobe_evaluate::arguments(nix, &given)?;
            let value = nix.select_path(value, &attr_path(path), given)?;
            if command.json {
                Ok(nix.json(value, false)?.0.into_bytes())
            } else if command.xml {
                nix.xml(value, command.strict, false)
            } else if command.raw {
                Ok(nix.string(value)?.0)
            } else {
                nix.print(value, command.strict)
            }
        };
        paths
            .iter()
            .map(|path| one(path).map_err(|fault| nix.report(fault)))
            .collect::<Vec<_>>()
    })?;
    for result in printed {
        let mut bytes = result.map_err(|error| evaluation_error(&error, false))?;
        if !command.raw {
            bytes.push(b'\n');
        }
        write(&bytes)?;
    }
    Ok(Kind::Passed)
}

/// What a program says while it is evaluated.
pub fn say(note: Note) {
    match note {
        Note::Trace(text) => anstream::eprintln!("trace: {text}"),
        Note::Warning(text) => anstream::eprintln!("warning: {text}"),
        Note::Embedded { asked } => {
            anstream::eprintln!("note: '{asked}' is the package set built into snowglobe");
        }
    }
}

fn print(text: &str) -> Result {
    write(text.as_bytes())?;
    write(b"\n")?;
    Ok(Kind::Passed)
}

/// To standard output; a reader that has gone is no failure.
fn write(bytes: &[u8]) -> Result<()> {
    match std::io::stdout().write_all(bytes) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.map_err(CliError::from),
    }
}
