//! CppNix from a layer of ours, for comparisons: nothing is installed on the host.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use snowglobe_images::ToolSet;

use crate::error::{CliError, Kind, Result};
use crate::prepare::{Factory, image_error};
use crate::workshop::Workshop;

/// `conformance oracle`.
#[derive(Args, Debug)]
pub struct Oracle {
    /// Where to put them; a folder that exists keeps what else is in it
    folder: PathBuf,
}

/// Debian calls them so, all being one program.
const PROGRAMS: [&str; 3] = ["nix-instantiate", "nix-env", "nix-store"];

/// Writes scripts that start Nix's programs, with libraries from the layer and a store below the folder.
pub fn run(command: &Oracle) -> Result {
    let workshop = Workshop::open(false, Arc::new(snowglobe_archive::Silent))?;
    let factory = Factory::new(&workshop, "", Arc::new(snowglobe_archive::Silent))?;
    let tools = factory
        .images()
        .tools(&[ToolSet::Nix])
        .map_err(image_error)?;
    fs_err::create_dir_all(&command.folder)?;
    let folder = fs_err::canonicalize(&command.folder)?;
    fs_err::create_dir_all(folder.join("conf"))?;
    for name in PROGRAMS {
        let script = script(name, &folder, tools.layers())?;
        let file = folder.join(name);
        fs_err::write(&file, script)?;
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    }
    println!("{}", folder.join(PROGRAMS[0]).display());
    Ok(Kind::Passed)
}

fn script(name: &str, folder: &Path, layers: &[PathBuf]) -> Result<String> {
    let find = |file: &str| {
        layers
            .iter()
            .map(|layer| layer.join(file))
            .find(|path| path.exists())
            .ok_or_else(|| CliError::environment(format!("no layer has /{file}")))
    };
    let loader = find("usr/lib64/ld-linux-x86-64.so.2")?;
    let program = find(&format!("usr/bin/{name}"))?;
    let libraries: Vec<String> = layers
        .iter()
        .flat_map(|layer| {
            ["usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/nix"]
                .map(|part| layer.join(part).display().to_string())
        })
        .collect();
    let mut text = String::from("#!/bin/sh\n# Written by `snowglobe conformance oracle`.\n");
    let settings = [
        (
            "NIX_REMOTE",
            format!("local?root={}/root", folder.display()),
        ),
        ("NIX_CONF_DIR", folder.join("conf").display().to_string()),
        ("NIX_USER_CONF_FILES", String::new()),
    ];
    for (variable, value) in settings {
        let value = quoted(&value);
        // What the caller says comes first.
        _ = writeln!(
            text,
            "[ -n \"${{{variable}-}}\" ] || {variable}={value}\nexport {variable}"
        );
    }
    _ = writeln!(
        text,
        "exec {} --library-path {} --argv0 {name} {} \"$@\"",
        quoted(&loader.display().to_string()),
        quoted(&libraries.join(":")),
        quoted(&program.display().to_string()),
    );
    Ok(text)
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_stay_words() {
        assert_eq!(super::quoted("a'b c"), "'a'\\''b c'");
    }
}
