//! Where machines run: which QEMU, which accelerator.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use snowglobe_sandbox::{Access, Sandbox};

use crate::accel::Choice;
use crate::error::Error;
use crate::remembered::{recall, remember};

/// Where QEMU comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tools {
    /// Directories, lowest first, that hold it and all that it needs: the tools tree.
    Layers(Vec<PathBuf>),
    /// A program of the host, as `SNOWGLOBE_QEMU` names it.
    Program(PathBuf),
}

/// How machines run on this host.
#[derive(Clone, Debug)]
pub struct Host {
    tools: Tools,
    version: String,
    choice: Choice,
}

/// The version of QEMU in a tools tree.
#[derive(Debug, Serialize, Deserialize)]
struct Version {
    layers: Vec<PathBuf>,
    version: String,
}

/// QEMU in the tools tree.
const QEMU: &str = "/usr/bin/qemu-system-x86_64";
/// How long QEMU may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(60);
/// What a program of the host needs of the host.
const SYSTEM_DIRECTORIES: &[&str] = &[
    "/usr",
    "/bin",
    "/lib",
    "/lib64",
    "/opt",
    "/nix/store",
    "/gnu/store",
];

impl Tools {
    /// The program that `SNOWGLOBE_QEMU` names, else the tools tree.
    pub fn from_environment(layers: Vec<PathBuf>) -> Self {
        match std::env::var_os("SNOWGLOBE_QEMU") {
            Some(program) if !program.is_empty() => Self::Program(program.into()),
            _ => Self::Layers(layers),
        }
    }

    /// A sandbox in which QEMU can be run.
    pub(crate) fn sandbox(&self) -> Sandbox {
        match self {
            Self::Layers(layers) => Sandbox::new(layers),
            Self::Program(program) => {
                let mut sandbox = Sandbox::new(Vec::<PathBuf>::new());
                for directory in SYSTEM_DIRECTORIES {
                    if Path::new(directory).exists() {
                        sandbox.bind(directory, directory, Access::ReadOnly);
                    }
                }
                if let Some(directory) = program.parent().filter(|path| path.is_absolute()) {
                    sandbox.bind(directory, directory, Access::ReadOnly);
                }
                sandbox
            }
        }
    }

    pub(crate) fn program(&self) -> &Path {
        match self {
            Self::Layers(_) => Path::new(QEMU),
            Self::Program(program) => program,
        }
    }

    /// What QEMU says of its version.
    ///
    /// # Errors
    ///
    /// When it cannot be run.
    pub fn version(&self) -> Result<String, Error> {
        let output = self
            .sandbox()
            .command(self.program())
            .arg("--version")
            .output(VERSION_LIMIT)?;
        let text = String::from_utf8_lossy(&output.stdout);
        match text.lines().next() {
            Some(line) if output.status.success() => Ok(line.trim().to_owned()),
            _ => Err(Error::System {
                what: "ask QEMU for its version",
                source: std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()),
            }),
        }
    }
}

impl Host {
    /// A host, after [`crate::choose`] has chosen the accelerator.
    ///
    /// # Errors
    ///
    /// When QEMU cannot be run.
    pub fn new(tools: Tools, choice: Choice) -> Result<Self, Error> {
        let version = tools.version()?;
        Ok(Self {
            tools,
            version,
            choice,
        })
    }

    /// As [`Host::new`]; QEMU of the tools tree, whose directories are named by their content, is
    /// asked for its version once.
    ///
    /// # Errors
    ///
    /// When QEMU cannot be run, as far as it is run.
    pub fn remembering(tools: Tools, choice: Choice, cache: &Path) -> Result<Self, Error> {
        let Tools::Layers(layers) = &tools else {
            return Self::new(tools, choice);
        };
        let file = cache.join("qemu-version.json");
        if let Some(known) = recall::<Version>(&file).filter(|known| known.layers == *layers) {
            return Ok(Self {
                tools,
                version: known.version,
                choice,
            });
        }
        let host = Self::new(tools.clone(), choice)?;
        let known = Version {
            layers: layers.clone(),
            version: host.version.clone(),
        };
        // Without a place to remember, it is asked again next time.
        let _ = remember(&file, &known);
        Ok(host)
    }

    /// The accelerator in use, and why.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// What QEMU says of its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn tools(&self) -> &Tools {
        &self.tools
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accel::Accelerator;

    #[test]
    fn only_the_same_tools_are_not_asked_again() {
        let cache = tempfile::tempdir().unwrap();
        let known = Version {
            layers: vec!["/nonexistent/a".into()],
            version: "QEMU 1".into(),
        };
        remember(&cache.path().join("qemu-version.json"), &known).unwrap();
        let host = |tools: &str| {
            let choice = Choice {
                accelerator: Accelerator::Tcg,
                reason: String::new(),
            };
            Host::remembering(Tools::Layers(vec![tools.into()]), choice, cache.path())
        };
        assert_eq!(host("/nonexistent/a").unwrap().version(), "QEMU 1");
        assert!(host("/nonexistent/b").is_err());
    }
}
