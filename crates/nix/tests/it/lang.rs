//! The files in `tests/lang`: `NAME.nix` prints `NAME.exp`; `fail-NAME.nix` fails, and every line
//! of `fail-NAME.err` is in the report. Files in `not-yet` must not do what they should: the day
//! one does, it is to be moved out.

use std::fs;
use std::path::{Path, PathBuf};

use snowglobe_nix::RenderOptions;

use crate::support::{crate_folder, eval_file};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "nix"))
        .collect();
    files.sort();
    files
}

fn name(file: &Path) -> String {
    file.file_stem()
        .expect("it has a name")
        .to_string_lossy()
        .into_owned()
}

/// Why a file does not do what it should; `None`: it does.
fn wrong(file: &Path) -> Option<String> {
    let result = eval_file(file);
    if name(file).starts_with("fail-") {
        let expected = fs::read_to_string(file.with_extension("err")).expect("what the error says");
        let report = match result {
            Ok(value) => return Some(format!("it evaluates to {value}")),
            Err(error) => error.render(RenderOptions {
                full_trace: true,
                ..RenderOptions::default()
            }),
        };
        let missing = expected.lines().find(|line| !report.contains(line))?;
        return Some(format!("{missing:?} is not in\n{report}"));
    }
    let expected = fs::read_to_string(file.with_extension("exp")).expect("what it prints");
    match result {
        Ok(value) if value == expected.trim_end() => None,
        Ok(value) => Some(format!("expected {expected}but it is {value}")),
        Err(error) => Some(error.render(RenderOptions::default())),
    }
}

#[test]
fn files_do_what_they_should() {
    let folder = crate_folder().join("tests/lang");
    let files = files(&folder);
    assert!(
        files.len() > 30,
        "only {} files in {}",
        files.len(),
        folder.display()
    );
    let wrong: Vec<String> = files
        .iter()
        .filter_map(|file| Some(format!("{}: {}", name(file), wrong(file)?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
