//! `builtin:text`: one file.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fs_err as fs;
use snowglobe_plan::Derivation;

use super::{BuilderError, flag, inside, parameter};

/// Writes `text` to the output itself, or to `destination` below it.
pub fn build(derivation: &Derivation, out: &Path) -> Result<(), BuilderError> {
    let text = parameter(derivation, "text")?;
    let destination = derivation.env.get("destination").map_or("", String::as_str);
    let file = match destination {
        "" => out.to_owned(),
        below => {
            let file = inside(out, below)?;
            fs::create_dir_all(file.parent().expect("a path below the output"))?;
            file
        }
    };
    fs::write(&file, text)?;
    if flag(derivation, "executable") {
        fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
