//! Makes store objects from a plan: texts, sources and the outputs of derivations.
//!
//! Derivations whose builder is `builtin:NAME` are made in process, in milliseconds; all others run
//! in a sandbox with Nix's build environment. Views of Debian packages (`builtin:debian`) and unions
//! (`builtin:env`) are made late: what they refer to is known without their content, so the packages
//! of a whole test are known, and installed once, before the first view is made.

mod builders;
mod graph;
mod process;
mod reference_graph;
mod references;
mod schedule;
pub mod system;
mod testing;
mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use snowglobe_plan::{Derivation, StoreObject, StorePath};
use snowglobe_store::Store;

pub use builders::BuilderError;
pub use graph::{Graph, Origin};
pub use process::{Options, Stop};
pub use world::{Download, Foreign, Installed, PackageFile, World, WorldError};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation; the message names the file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] snowglobe_store::Error),
    /// A path is needed that the plan does not say how to make.
    #[error("nothing in the plan makes {0}")]
    Unknown(StorePath),
    /// A builder that runs in process failed.
    #[error("building '{name}' failed: {source}")]
    Builder {
        /// Name of the derivation.
        name: String,
        /// Why.
        source: BuilderError,
    },
    /// A `builtin:` builder that does not exist.
    #[error("the derivation '{name}' wants the builder '{builder}', which is not supported")]
    UnknownBuilder {
        /// Name of the derivation.
        name: String,
        /// Its builder.
        builder: String,
    },
    /// A build is for another kind of machine.
    #[error("the derivation '{name}' is for '{system}'; only x86_64-linux can be built here")]
    System {
        /// Name of the derivation.
        name: String,
        /// What it is for.
        system: String,
    },
    /// A builder's process failed.
    #[error(
        "building '{name}' failed with {status}; its last lines:\n{tail}\nthe whole log is {log}{}",
        kept.as_ref().map(|kept| format!("\nits folder is {}", kept.display())).unwrap_or_default()
    )]
    Failed {
        /// Name of the derivation.
        name: String,
        /// Exit status in words.
        status: String,
        /// Last lines of the log, indented.
        tail: String,
        /// File of the log.
        log: PathBuf,
        /// The folder that it was built in, if it was kept.
        kept: Option<PathBuf>,
    },
    /// Somebody wants the builds to stop.
    #[error("stopped while building '{name}'")]
    Stopped {
        /// What was being built.
        name: String,
    },
    /// A builder ended well but did not make an output.
    #[error("the builder of '{name}' did not make its output '{output}'")]
    NoOutput {
        /// Name of the derivation.
        name: String,
        /// The output.
        output: String,
    },
    /// A fixed output has another content than its derivation says.
    #[error("hash mismatch in '{name}':\n  specified: {expected}\n  got:       {found}")]
    HashMismatch {
        /// Name of the derivation.
        name: String,
        /// As specified, `algorithm:hex`.
        expected: String,
        /// As found.
        found: String,
    },
    /// Packages or downloads could not be had.
    #[error("{what}: {source}")]
    World {
        /// What they were for.
        what: String,
        /// Why not.
        source: WorldError,
    },
}

/// Makes the objects of one plan.
pub struct Realiser<'a> {
    store: &'a Store,
    graph: Graph<'a>,
    world: &'a dyn World,
    options: Options,
}

/// Everything that a group of machines needs, made.
pub struct Closure {
    /// Every store path reachable from the roots.
    pub paths: BTreeSet<StorePath>,
    /// Debian packages that the paths lead into.
    pub packages: BTreeSet<String>,
    /// Those packages, installed.
    pub installed: Box<dyn Installed>,
}

impl<'a> Realiser<'a> {
    /// `objects` is the `store` of a plan.
    pub fn new(
        store: &'a Store,
        objects: &'a BTreeMap<StorePath, StoreObject>,
        world: &'a dyn World,
        options: Options,
    ) -> Self {
        Self {
            store,
            graph: Graph::new(objects),
            world,
            options,
        }
    }

    /// Makes `roots` and all that they refer to, over one installation of all Debian packages that
    /// any of them leads into, and of `packages`.
    pub fn closure(
        &self,
        roots: &BTreeSet<StorePath>,
        packages: &BTreeSet<String>,
    ) -> Result<Closure, Error> {
        self.prebuild(roots)?;
        let paths = self.reachable(roots)?;
        let mut packages = packages.clone();
        packages.extend(self.packages(&paths)?);
        let installed = self.install(&packages)?;
        for path in &paths {
            self.make(path, Some(&*installed))?;
        }
        let paths = self.store.closure(roots)?;
        Ok(Closure {
            paths,
            packages,
            installed,
        })
    }

    /// Makes objects and all that they refer to. Packages are installed only if a view of them must
    /// be made.
    pub fn realise(&self, roots: &BTreeSet<StorePath>) -> Result<(), Error> {
        self.prebuild(roots)?;
        let paths = self.reachable(roots)?;
        let missing: Vec<_> = paths.iter().filter(|p| !self.store.contains(p)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let packages = self.packages(&paths)?;
        let installed = match packages.is_empty() {
            true => None,
            false => Some(self.install(&packages)?),
        };
        for path in missing {
            self.make(path, installed.as_deref())?;
        }
        Ok(())
    }

    fn install(&self, packages: &BTreeSet<String>) -> Result<Box<dyn Installed>, Error> {
        self.world.install(packages).map_err(|source| Error::World {
            what: "the packages cannot be installed".to_owned(),
            source,
        })
    }

    /// Every path reachable from the roots; makes what must be made to know it.
    fn reachable(&self, roots: &BTreeSet<StorePath>) -> Result<BTreeSet<StorePath>, Error> {
        let mut seen = roots.clone();
        let mut queue: VecDeque<StorePath> = roots.iter().cloned().collect();
        while let Some(path) = queue.pop_front() {
            for reference in self.references(&path)? {
                if seen.insert(reference.clone()) {
                    queue.push_back(reference);
                }
            }
        }
        Ok(seen)
    }

    /// What an object refers to, without making views and unions.
    fn references(&self, path: &StorePath) -> Result<BTreeSet<StorePath>, Error> {
        if !self.store.contains(path) {
            if let Some(Origin::Output(_, derivation)) = self.graph.origin(path) {
                match derivation.builder.as_str() {
                    "builtin:debian" => return Ok(BTreeSet::new()),
                    "builtin:env" => return self.members(derivation),
                    _ => {}
                }
            }
            self.make(path, None)?;
        }
        Ok(self.store.info(path)?.references)
    }

    fn members(&self, derivation: &Derivation) -> Result<BTreeSet<StorePath>, Error> {
        let members = builders::env::members(derivation).map_err(failed(derivation))?;
        Ok(members.iter().filter_map(|m| object_of(&m.path)).collect())
    }

    /// The Debian packages that the views among `paths` lead into.
    fn packages(&self, paths: &BTreeSet<StorePath>) -> Result<BTreeSet<String>, Error> {
        let mut packages = BTreeSet::new();
        for path in paths {
            if let Some(Origin::Output(_, derivation)) = self.graph.origin(path)
                && derivation.builder == "builtin:debian"
            {
                let view = builders::debian::view(derivation).map_err(failed(derivation))?;
                packages.extend(view.install);
            }
        }
        Ok(packages)
    }

    /// Makes one object if it is not there. Views are taken from `installed`, or from an installation
    /// of their own.
    fn make(&self, path: &StorePath, installed: Option<&dyn Installed>) -> Result<(), Error> {
        if self.store.contains(path) {
            return Ok(());
        }
        match self.graph.origin(path) {
            None => Err(Error::Unknown(path.clone())),
            Some(Origin::Object(StoreObject::Text {
                contents,
                references,
            })) => {
                let stage = self.store.stage()?;
                let file = stage.path().join("text");
                fs::write(&file, contents)?;
                Ok(self.store.add(path, &file, references.clone())?)
            }
            Some(Origin::Object(_)) => Err(Error::Unknown(path.clone())),
            Some(Origin::Output(drv, derivation)) => {
                // One lock for all outputs: they are made together.
                let first = derivation.outputs.values().next();
                let _lock = self.store.lock(first.map_or(path, |output| &output.path))?;
                if self.store.contains(path) {
                    return Ok(());
                }
                if derivation.builder.starts_with("builtin:") {
                    self.make_in_process(path, derivation, installed)
                } else {
                    self.make_by_process(drv, derivation)
                }
            }
        }
    }

    fn make_in_process(
        &self,
        path: &StorePath,
        derivation: &'a Derivation,
        installed: Option<&dyn Installed>,
    ) -> Result<(), Error> {
        use builders::{debian, env, foreign, text, tree};
        let stage = self.store.stage()?;
        let out = stage.path().join("out");
        let inputs = self.graph.inputs(derivation);
        let built = match derivation.builder.as_str() {
            "builtin:text" => text::build(derivation, &out),
            "builtin:tree" => {
                if derivation
                    .env
                    .get("entries")
                    .is_some_and(|e| e.contains("\"copy\""))
                {
                    for input in &inputs {
                        self.make(input, installed)?;
                    }
                }
                tree::build(derivation, &out, self.store)
            }
            "builtin:env" => {
                for member in self.members(derivation)? {
                    self.make(&member, installed)?;
                    // Links between store objects are followed: packages made of other packages.
                    for reference in self.reachable(&[member].into())? {
                        self.make(&reference, installed)?;
                    }
                }
                env::build(derivation, &out, self.store)
            }
            "builtin:debian" => match installed {
                Some(installed) => debian::build(derivation, &out, installed),
                None => {
                    let view = debian::view(derivation).map_err(failed(derivation))?;
                    let packages = view.install.into_iter().collect();
                    let installed =
                        self.world
                            .install(&packages)
                            .map_err(|source| Error::World {
                                what: format!("'{}'", derivation.name),
                                source,
                            })?;
                    debian::build(derivation, &out, &*installed)
                }
            },
            "builtin:npm" => foreign::npm(derivation, &out, self.world),
            "builtin:pypi" => foreign::pypi(derivation, &out, self.world),
            "builtin:fetchurl" => return self.fetch(path, derivation, &out),
            "builtin:driver" => return self.make_driver(path, derivation, &out),
            "builtin:test" => return self.make_test(path, derivation, &out),
            other => {
                return Err(Error::UnknownBuilder {
                    name: derivation.name.clone(),
                    builder: other.to_owned(),
                });
            }
        };
        built.map_err(failed(derivation))?;
        let references = match derivation.builder.as_str() {
            "builtin:debian" | "builtin:npm" | "builtin:pypi" => BTreeSet::new(),
            _ => references::scan(&out, inputs)?,
        };
        Ok(self.store.add(path, &out, references)?)
    }

    fn fetch(&self, path: &StorePath, derivation: &Derivation, out: &Path) -> Result<(), Error> {
        let env = |name: &str| derivation.env.get(name).map_or("", String::as_str);
        let missing = |name| failed(derivation)(BuilderError::MissingParameter(name));
        let output = derivation.outputs.values().find(|o| o.path == *path);
        let fixed = output.and_then(|o| o.fixed.as_ref());
        let fixed = fixed.ok_or_else(|| missing("outputHash"))?;
        let mut urls: Vec<String> = env("urls").split_whitespace().map(str::to_owned).collect();
        if urls.is_empty() && !env("url").is_empty() {
            urls.push(env("url").to_owned());
        }
        if urls.is_empty() {
            return Err(missing("url"));
        }
        let download = Download {
            name: &derivation.name,
            urls: &urls,
            // The hash of an executable file, or of a tree, is not that of what is downloaded.
            hash: (!fixed.recursive).then_some(fixed),
            directory: out.parent().unwrap_or(out),
        };
        let file = self
            .world
            .download(&download)
            .map_err(|source| Error::World {
                what: format!("'{}' cannot be downloaded", derivation.name),
                source,
            })?;
        if env("unpack") == "1" {
            return Err(Error::World {
                what: format!("'{}' cannot be unpacked", derivation.name),
                source: "builtin:fetchurl does not unpack here; use fetchzip".into(),
            });
        }
        if file != out {
            fs::copy(file, out)?;
        }
        if env("executable") == "1" {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(out, std::fs::Permissions::from_mode(0o755))?;
        }
        if let Some(output) = output {
            process::check_fixed(derivation, output, out)?;
        }
        Ok(self.store.add(path, out, BTreeSet::new())?)
    }
}

/// The store object that a path lies in.
fn object_of(path: &str) -> Option<StorePath> {
    let rest = path.strip_prefix("/nix/store/")?;
    let base = rest.split('/').next()?;
    StorePath::parse(&format!("/nix/store/{base}")).ok()
}

fn failed(derivation: &Derivation) -> impl FnOnce(BuilderError) -> Error {
    let name = derivation.name.clone();
    move |source| Error::Builder { name, source }
}
