//! Builders that need no process. Each makes one object at a given place.

pub mod debian;
pub mod env;
pub mod foreign;
pub mod text;
pub mod tree;

use std::io;
use std::path::{Component, Path, PathBuf};

use serde::de::DeserializeOwned;
use snowglobe_plan::Derivation;

/// Why a `builtin:` builder failed.
#[derive(Debug, thiserror::Error)]
pub enum BuilderError {
    /// A file operation; the message names the file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A parameter is missing.
    #[error("the builder needs the attribute '{0}'")]
    MissingParameter(&'static str),
    /// A parameter cannot be read.
    #[error("the attribute '{name}' is malformed: {source}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A path of an entry leads out of the object.
    #[error("'{0}' is not a path inside the output")]
    Path(String),
    /// Two inputs have different files at one place.
    #[error("collision between '{first}' and '{second}' at '{path}'")]
    Collision {
        /// Place in the output.
        path: String,
        /// What stood there.
        first: String,
        /// What should stand there too.
        second: String,
    },
    /// The packages could not be had.
    #[error(transparent)]
    World(#[from] crate::world::WorldError),
}

/// A parameter that must be there.
fn parameter<'a>(derivation: &'a Derivation, name: &'static str) -> Result<&'a str, BuilderError> {
    let value = derivation.env.get(name).map(String::as_str);
    value.ok_or(BuilderError::MissingParameter(name))
}

/// A parameter in JSON.
pub(crate) fn json<T: DeserializeOwned>(
    derivation: &Derivation,
    name: &'static str,
) -> Result<T, BuilderError> {
    serde_json::from_str(parameter(derivation, name)?)
        .map_err(|source| BuilderError::Parameter { name, source })
}

/// Whether a Nix boolean in the environment is true.
fn flag(derivation: &Derivation, name: &str) -> bool {
    derivation.env.get(name).is_some_and(|v| v == "1")
}

/// `root` extended by a relative path that cannot leave it.
fn inside(root: &Path, path: &str) -> Result<PathBuf, BuilderError> {
    let relative = Path::new(path.trim_start_matches('/'));
    let plain = relative
        .components()
        .all(|c| matches!(c, Component::Normal(_)));
    if !plain || relative.as_os_str().is_empty() {
        return Err(BuilderError::Path(path.to_owned()));
    }
    Ok(root.join(relative))
}
