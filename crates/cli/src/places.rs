//! Where our files lie on this host.

use std::path::PathBuf;

use crate::error::{CliError, Result};

/// Folders of caches and runs.
#[derive(Clone, Debug)]
pub struct Places {
    /// `$SNOWGLOBE_CACHE`, else `$XDG_CACHE_HOME/snowglobe`, else `~/.cache/snowglobe`.
    pub cache: PathBuf,
    /// `$SNOWGLOBE_STATE`, else `$XDG_STATE_HOME/snowglobe`, else `~/.local/state/snowglobe`.
    pub state: PathBuf,
}

impl Places {
    /// Reads the environment; makes nothing.
    pub fn from_environment() -> Result<Self> {
        let place = |own: &str, xdg: &str, home: &str| -> Result<PathBuf> {
            let set = |name: &str| {
                std::env::var_os(name)
                    .filter(|v| !v.is_empty())
                    .map(PathBuf::from)
            };
            if let Some(path) = set(own) {
                return std::path::absolute(path).map_err(CliError::from);
            }
            if let Some(path) = set(xdg).filter(|path| path.is_absolute()) {
                return Ok(path.join("snowglobe"));
            }
            match set("HOME").filter(|path| path.is_absolute()) {
                Some(path) => Ok(path.join(home).join("snowglobe")),
                None => Err(
                    CliError::environment(format!("neither {own}, {xdg} nor HOME is set"))
                        .hint(format!("set {own} to a folder with some gigabytes of room")),
                ),
            }
        };
        Ok(Self {
            cache: place("SNOWGLOBE_CACHE", "XDG_CACHE_HOME", ".cache")?,
            state: place("SNOWGLOBE_STATE", "XDG_STATE_HOME", ".local/state")?,
        })
    }

    /// Store objects.
    pub fn store(&self) -> PathBuf {
        self.cache.join("store")
    }

    /// One folder a run.
    pub fn runs(&self) -> PathBuf {
        self.state.join("runs")
    }
}
