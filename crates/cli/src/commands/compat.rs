//! `snowglobe compat`: the command lines of Nix that people have in their fingers and scripts.
//!
//! `snowglobe compat DIR` makes links to this program under the names of Nix's. Called by such a name,
//! the program translates the arguments into its own and does what they say. What has no meaning
//! here is refused by name; what only tunes how Nix builds is accepted and does nothing.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use clap::Args;
use fs_err as fs;

use crate::error::{CliError, Kind, Result};

/// Names that the program answers to besides its own.
pub const NAMES: [&str; 5] = [
    "nix-build",
    "nix-instantiate",
    "nix-store",
    "nix",
    "nixos-test-driver",
];

/// `compat`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  snowglobe compat ~/bin/nix-compat\n  PATH=~/bin/nix-compat:$PATH nix-build my-test.nix\n\nWrites nix-build, nix-instantiate, nix-store, nix and nixos-test-driver as links to this program. docs/compat.md\nlists what they understand."
)]
pub struct Compat {
    /// Folder for the links; it is made
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// Makes the links.
pub fn run(command: &Compat) -> Result {
    let program = std::env::current_exe()?;
    fs::create_dir_all(&command.directory)?;
    for name in NAMES {
        let link = command.directory.join(name);
        match fs::read_link(&link) {
            Ok(_) => fs::remove_file(&link)?,
            Err(_) if link.symlink_metadata().is_ok() => {
                return Err(CliError::unusable(format!(
                    "'{}' is in the way: it is not a link",
                    link.display()
                )));
            }
            Err(_) => {}
        }
        symlink(&program, &link).map_err(|error| {
            CliError::environment(format!("cannot make the link {}: {error}", link.display()))
        })?;
    }
    anstream::eprintln!(
        "{} made in {}; put it first on PATH",
        NAMES.join(", "),
        command.directory.display()
    );
    Ok(Kind::Passed)
}

/// The name of Nix's that the program was called by.
pub fn called_as(program: Option<&OsStr>) -> Option<&'static str> {
    let name = Path::new(program?).file_name()?;
    NAMES.into_iter().find(|known| name == *known)
}

/// Our own arguments for what one of Nix's programs was asked to do.
pub fn translate(program: &str, arguments: Vec<OsString>) -> Result<Vec<OsString>> {
    let mut words = Vec::new();
    for argument in arguments {
        words.push(argument.into_string().map_err(|argument| {
            CliError::unusable(format!("'{}' is not UTF-8", argument.to_string_lossy()))
        })?);
    }
    let translated = match program {
        "nix-build" => nix_build(&words)?,
        "nix-instantiate" => {
            let mut own = vec!["instantiate".to_owned(), "--".to_owned()];
            own.extend(words);
            own
        }
        "nix-store" => nix_store(&words)?,
        "nix" => nix(&words)?,
        _ => {
            let mut own = vec!["driver".to_owned()];
            own.extend(words);
            own
        }
    };
    Ok(translated.into_iter().map(OsString::from).collect())
}

fn refused(program: &str, what: &str) -> CliError {
    CliError::unusable(format!("{program}: '{what}' is not supported"))
        .hint("docs/compat.md lists what is; `snowglobe --help` has our own commands")
}

/// Options of Nix that tune how it builds and say nothing about what; with the number of their values.
pub fn harmless(option: &str) -> Option<usize> {
    Some(match option {
        "-Q"
        | "--no-build-output"
        | "-v"
        | "--verbose"
        | "-vv"
        | "-vvv"
        | "--quiet"
        | "-L"
        | "--print-build-logs"
        | "--fallback"
        | "-k"
        | "--keep-going"
        | "--no-keep-going"
        | "--show-trace"
        | "--pure-eval"
        | "--impure"
        | "--no-sandbox"
        | "--repair"
        | "--refresh"
        | "--no-substitute"
        | "--ignore-environment"
        | "--log-lines" => usize::from(option == "--log-lines"),
        "-j"
        | "--max-jobs"
        | "--cores"
        | "--timeout"
        | "--max-silent-time"
        | "--log-format"
        | "--builders"
        | "--system"
        | "--extra-experimental-features"
        | "--experimental-features" => 1,
        "--option" => 2,
        _ => return None,
    })
}

/// Arguments with those of them that mean the same here; `rest` decides about the others.
fn take<'w>(
    program: &str,
    words: &'w [String],
    mut rest: impl FnMut(&str, &mut std::slice::Iter<'w, String>) -> Result<bool>,
) -> Result<()> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if let Some(values) = harmless(word) {
            for _ in 0..values {
                words.next();
            }
        } else if !rest(word, &mut words)? {
            return Err(refused(program, word));
        }
    }
    Ok(())
}

fn value<'w>(option: &str, words: &mut std::slice::Iter<'w, String>) -> Result<&'w str> {
    let next = words.next().map(String::as_str);
    next.ok_or_else(|| CliError::unusable(format!("'{option}' needs a value")))
}

fn nix_build(words: &[String]) -> Result<Vec<String>> {
    let mut own = vec!["build".to_owned()];
    let mut expression = false;
    let mut sources: Vec<String> = Vec::new();
    take("nix-build", words, |word, words| {
        match word {
            "-A" | "--attr" | "-o" | "--out-link" | "-I" => {
                let word = if word == "--attr" { "-A" } else { word };
                own.extend([word.to_owned(), value(word, words)?.to_owned()]);
            }
            "--arg" | "--argstr" => {
                own.push(word.to_owned());
                own.push(value(word, words)?.to_owned());
                own.push(value(word, words)?.to_owned());
            }
            "--no-out-link" | "--no-link" => own.push("--no-out-link".to_owned()),
            "-K" | "--keep-failed" => own.push("--keep-failed".to_owned()),
            "-E" | "--expr" => expression = true,
            "--version" => own = vec!["--version".to_owned()],
            plain if !plain.starts_with('-') => sources.push(plain.to_owned()),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let [source] = &sources[..] else {
        return match sources.is_empty() {
            true => Ok(own),
            false => Err(refused("nix-build", "several files")),
        };
    };
    if expression {
        own.push("-E".to_owned());
    }
    own.push(source.clone());
    Ok(own)
}

/// Options of `nix-store` come first and say what is to be done.
fn nix_store(words: &[String]) -> Result<Vec<String>> {
    let mut action: Option<Vec<&str>> = None;
    let mut paths = Vec::new();
    take("nix-store", words, |word, _| {
        match word {
            "--delete" => action = Some(vec!["cache", "rm"]),
            "--gc" => action = Some(vec!["cache", "gc"]),
            "--version" => action = Some(vec!["--version"]),
            plain if !plain.starts_with('-') => paths.push(plain.to_owned()),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(action) = action else {
        return Err(refused("nix-store", &words.join(" ")));
    };
    let mut own: Vec<String> = action.iter().map(|word| (*word).to_owned()).collect();
    if action == ["cache", "rm"] {
        // An object's name is its key, wherever the store lies.
        for path in &paths {
            let name = Path::new(path).file_name().and_then(OsStr::to_str);
            own.push(name.unwrap_or(path).to_owned());
        }
    }
    Ok(own)
}

fn nix(words: &[String]) -> Result<Vec<String>> {
    // Options before the command are for all of them.
    let mut start = 0;
    while let Some(values) = words.get(start).and_then(|word| harmless(word)) {
        start += 1 + values;
    }
    let Some((command, words)) = words.get(start..).and_then(<[String]>::split_first) else {
        return Err(CliError::unusable("nix: no command is given"));
    };
    let mut own = match command.as_str() {
        "--version" => return Ok(vec!["--version".to_owned()]),
        "repl" | "build" | "eval" => vec![command.clone()],
        other => return Err(refused("nix", other)),
    };
    let mut file = None;
    let mut installables = Vec::new();
    take("nix", words, |word, words| {
        match word {
            "-f" | "--file" => file = Some(value(word, words)?.to_owned()),
            "-E" | "--expr" if command != "repl" => {
                own.extend(["-E".to_owned(), value(word, words)?.to_owned()]);
            }
            "-I" => own.extend([word.to_owned(), value(word, words)?.to_owned()]),
            "--arg" | "--argstr" => {
                own.push(word.to_owned());
                own.push(value(word, words)?.to_owned());
                own.push(value(word, words)?.to_owned());
            }
            "--json" | "--raw" if command == "eval" => own.push(word.to_owned()),
            "-o" | "--out-link" if command == "build" => {
                own.extend([word.to_owned(), value(word, words)?.to_owned()]);
            }
            "--no-link" if command == "build" => own.push("--no-out-link".to_owned()),
            "--print-out-paths" if command == "build" => {}
            "--keep-failed" if command == "build" => own.push(word.to_owned()),
            plain if !plain.starts_with('-') => installables.push(plain.to_owned()),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if command == "repl" {
        own.extend(file);
        own.extend(installables);
        return Ok(own);
    }
    for attr in installables {
        if attr.contains('#') || attr == "." || attr.contains(':') {
            return Err(refused("nix", &attr).hint("flakes cannot be named; use --file"));
        }
        own.extend(["-A".to_owned(), attr]);
    }
    own.extend(file);
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(program: &str, line: &str, expected: &str) {
        let words = line.split_whitespace().map(OsString::from).collect();
        let found = match translate(program, words) {
            Ok(words) => words.join(OsStr::new(" ")).into_string().unwrap(),
            Err(error) => format!("error: {}", error.message),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn command_lines_of_nix_mean_ours() {
        check("nix-build", "my-test.nix", "build my-test.nix");
        check(
            "nix-build",
            "-A driverInteractive my-test.nix",
            "build -A driverInteractive my-test.nix",
        );
        check("nix-build", "-j 4 --option a b t.nix", "build t.nix");
        check(
            "nix-build",
            "-E null --no-out-link",
            "build --no-out-link -E null",
        );
        check("nix-build", "--attr a.b", "build -A a.b");
        check(
            "nix-build",
            "--check t.nix",
            "error: nix-build: '--check' is not supported",
        );
        check(
            "nix",
            "repl ./nixos/tests/login.nix",
            "repl ./nixos/tests/login.nix",
        );
        check("nix", "build -f t.nix driver -L", "build -A driver t.nix");
        check("nix", "flake check", "error: nix: 'flake' is not supported");
        check(
            "nix-store",
            "--delete /c/store/objects/00-x",
            "cache rm 00-x",
        );
        check(
            "nix-store",
            "--delete /c/store/objects/00-x /c/store/objects/01-y",
            "cache rm 00-x 01-y",
        );
        // A line of a guide gives an empty variable; Nix deletes nothing then.
        check("nix-store", "--delete", "cache rm");
        check("nix-store", "--gc", "cache gc");
        check(
            "nix-instantiate",
            "--eval -E 1",
            "instantiate -- --eval -E 1",
        );
        check("nixos-test-driver", "--interactive", "driver --interactive");
    }

    #[test]
    fn the_name_decides() {
        assert_eq!(
            called_as(Some(OsStr::new("/x/nix-build"))),
            Some("nix-build")
        );
        assert_eq!(called_as(Some(OsStr::new("snowglobe"))), None);
        assert_eq!(called_as(None), None);
    }
}
