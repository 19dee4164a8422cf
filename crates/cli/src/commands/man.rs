//! `snowglobe man`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use fs_err as fs;

use crate::arguments::Arguments;
use crate::error::{Kind, Result};

/// `man`.
#[derive(Args, Clone, Debug, Default)]
#[command(
    after_help = "Examples:\n  snowglobe man ~/.local/share/man/man1\n  man snowglobe-run\n  snowglobe man | man -l -"
)]
pub struct Man {
    /// Folder for the pages of all commands; without it, the page of `snowglobe` itself is printed
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// Writes manual pages, which say what `--help` says.
pub fn run(command: &Man) -> Result {
    let mut root = Arguments::command();
    root.build();
    let Some(folder) = &command.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(root).render(&mut page)?;
        std::io::stdout().write_all(&page)?;
        return Ok(Kind::Passed);
    };
    fs::create_dir_all(folder)?;
    let mut open = vec![root];
    while let Some(command) = open.pop() {
        let seen = |sub: &&clap::Command| !sub.is_hide_set() && sub.get_name() != "help";
        open.extend(command.get_subcommands().filter(seen).cloned());
        let page = clap_mangen::Man::new(command);
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        page.render(&mut file)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.persist(folder.join(page.get_filename()))
            .map_err(|error| error.error)?;
    }
    Ok(Kind::Passed)
}
