//! One way to evaluate, for all tests.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use snowglobe_nix::{Error, LocalHost, Options, evaluate};

/// The folder of this crate.
pub fn crate_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn host() -> LocalHost {
    let mut host = LocalHost::default();
    host.messages = Some(Mutex::default());
    host
}

/// What `--eval --strict` prints for an expression.
pub fn eval(text: &str) -> Result<String, Box<Error>> {
    eval_below(Path::new("/"), text)
}

/// The same, with relative paths in a folder.
pub fn eval_below(folder: &Path, text: &str) -> Result<String, Box<Error>> {
    let options = Options {
        base_path: folder.display().to_string(),
        ..Options::default()
    };
    evaluate(&host(), options, |nix| {
        nix.expression(text, "«string»")
            .and_then(|value| nix.print(value, true))
            .map_err(|fault| nix.report(fault))
    })
    .expect("a thread can be started")
    .map(|out| String::from_utf8_lossy(&out).into_owned())
}

/// What `--eval --strict` prints for a file.
pub fn eval_file(file: &Path) -> Result<String, Box<Error>> {
    let file = file.to_str().expect("test files have plain names");
    evaluate(&host(), Options::default(), |nix| {
        nix.file(file)
            .and_then(|value| nix.print(value, true))
            .map_err(|fault| nix.report(fault))
    })
    .expect("a thread can be started")
    .map(|out| String::from_utf8_lossy(&out).into_owned())
}
