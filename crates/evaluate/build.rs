//! Embeds the folder `nixpkgs/` of the repository, so that the program needs no files beside it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root =
        Path::new(&env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../../nixpkgs");
    let root = root.canonicalize()?;
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    // By text, as the search compares: paths themselves are ordered by their parts.
    files.sort_by_key(|file| file.to_string_lossy().into_owned());
    let mut code = String::from(
        "/// Every file of the tree, sorted by path.\npub static FILES: &[(&str, &[u8])] = &[\n",
    );
    for file in files {
        let relative = file.strip_prefix(&root).expect("below the root");
        let _ = writeln!(
            code,
            "    ({:?}, include_bytes!({:?})),",
            relative.to_str().expect("our own names are UTF-8"),
            file.to_str().expect("the repository's path is UTF-8"),
        );
    }
    code.push_str("];\n");
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo"));
    fs::write(out.join("embedded.rs"), code)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            println!("cargo::rerun-if-changed={}", path.display());
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
