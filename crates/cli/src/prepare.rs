//! From a plan to what machines boot: packages, store objects, system layers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use snowglobe_agent_protocol::{BootConfig, BootFileSystem};
use snowglobe_images::{Bucket, Cache, Images, PackageLayer, Tools, cache, ids};
use snowglobe_machines::Boot;
use snowglobe_plan::{Node, Plan, StoreObject, StorePath, Test};
use snowglobe_realise::system::{self, Ids};
use snowglobe_realise::{
    Closure, Download, Foreign, Installed, Options, PackageFile, Realiser, Stop, World, WorldError,
};

use crate::downloads;
use crate::error::{CliError, Result, chain};
use crate::interrupt::Interrupt;
use crate::workshop::{Workshop, archive_error};

/// Makes images, and builds what goes into them.
pub struct Factory {
    images: Arc<Images>,
    store: snowglobe_store::Store,
    logs: PathBuf,
    snapshot: String,
    keep_failed: bool,
    stop: Stop,
    runner: Option<Arc<dyn Runner>>,
}

/// Runs tests that are built as derivations.
pub trait Runner: Send + Sync {
    /// Runs the test of a plan; what its script writes goes to `out`.
    fn run(&self, plan: Plan, out: &Path) -> Result<()>;
}

/// What one test needs, made.
pub struct Prepared {
    /// What each node boots.
    pub boots: BTreeMap<String, Boot>,
    /// Store paths that the script's process sees.
    pub visible: Vec<PathBuf>,
}

/// What the process of a script needs for its Python packages.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScriptPackages {
    /// Directories below the tools', for packages of Debian.
    pub layers: Vec<PathBuf>,
    /// Folders of Python modules, as the process sees them.
    pub python_path: Vec<PathBuf>,
    /// Store paths that it sees, and that it may not write there.
    pub visible: Vec<(PathBuf, bool)>,
}

/// Parameters that make every machine start faster under emulation and change nothing that a test
/// sees; the trial behind them is `experiments.md`, E4.
/// The last one is for hosts under load: emulated, the kernel finds its timer too slow and panics.
const FAST: &str =
    "no_timer_check mitigations=off nokaslr audit=0 lsm=landlock,lockdown,yama,integrity,apparmor";

impl Factory {
    /// Works on the archives' state that a plan was made with; empty: the one in use.
    pub fn new(
        workshop: &Workshop,
        archive: &str,
        progress: Arc<dyn snowglobe_archive::Progress>,
    ) -> Result<Self> {
        let cache = Cache::open(&workshop.places.cache).map_err(image_error)?;
        let id = match archive {
            "" => workshop.snapshot()?.id().to_owned(),
            chosen => chosen.to_owned(),
        };
        let snapshot = workshop.archive.open(&id).map_err(archive_error)?;
        let images = Images::new(cache, workshop.archive.clone(), snapshot, progress);
        Ok(Self {
            images: Arc::new(images),
            store: workshop.store.clone(),
            logs: workshop.places.cache.join("logs"),
            snapshot: id,
            keep_failed: false,
            stop: Stop::never(),
            runner: None,
        })
    }

    /// Builds stop when the user wants them to.
    pub fn stop(mut self, interrupt: &Interrupt) -> Self {
        let interrupt = interrupt.clone();
        self.stop = Stop::when(move || interrupt.requested());
        self
    }

    /// Folders of failed builds are kept.
    pub fn keep_failed(mut self, keep: bool) -> Self {
        self.keep_failed = keep;
        self
    }

    /// Tests that are built as derivations are run by this.
    pub fn runner(mut self, runner: Arc<dyn Runner>) -> Self {
        self.runner = Some(runner);
        self
    }

    /// Makes objects of a plan, or of an evaluation.
    pub fn realise(
        &self,
        objects: &BTreeMap<StorePath, StoreObject>,
        roots: &BTreeSet<StorePath>,
    ) -> Result<()> {
        let realiser = Realiser::new(&self.store, objects, self, self.options());
        realiser.realise(roots).map_err(realise_error)?;
        let now = std::time::SystemTime::now();
        for path in self.store.closure(roots).map_err(store_error)? {
            self.store.touch(&path, now).map_err(store_error)?;
        }
        Ok(())
    }

    fn options(&self) -> Options {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Options {
            cores,
            time_limit: Duration::from_secs(3600),
            logs: self.logs.clone(),
            keep_failed: self.keep_failed,
            jobs: cores,
            stop: self.stop.clone(),
        }
    }

    /// The image maker.
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// Programs that runs need on the host.
    pub fn tools(&self, ocr: bool) -> Result<Tools> {
        let sets = if ocr {
            vec![snowglobe_images::ToolSet::Ocr]
        } else {
            Vec::new()
        };
        self.images.tools(&sets).map_err(image_error)
    }

    /// Makes everything that a test's machines and its script need.
    pub fn prepare(&self, plan: &Plan, test: &Test) -> Result<Prepared> {
        let realiser = Realiser::new(&self.store, &plan.store, self, self.options());
        let references: BTreeSet<_> = test.script.references.iter().cloned().collect();
        let mut roots = references.clone();
        let mut packages = BTreeSet::new();
        for node in &test.nodes {
            roots.extend(system::roots(node, &test.script.references));
            packages.extend(node.system.debian_packages.iter().cloned());
        }
        // The base, the kernel and the initial RAM disk do not depend on the test.
        let base = std::thread::scope(|scope| {
            let base = scope.spawn(|| self.base());
            let closure = realiser.closure(&roots, &packages);
            let base = base
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            base.and_then(|base| Ok((base, closure.map_err(realise_error)?)))
        });
        let (base, closure) = base?;
        let layer = self
            .images
            .packages(&closure.packages)
            .map_err(image_error)?;
        let layer_image = self.images.package_image(&layer).map_err(image_error)?;
        let mut boots = BTreeMap::new();
        for node in &test.nodes {
            let system = match self.system_layer(node, test, &closure, &layer) {
                // A damaged object was found and removed: it is made again, once.
                Err(_) if closure.paths.iter().any(|path| !self.store.contains(path)) => {
                    realiser.closure(&roots, &packages).map_err(realise_error)?;
                    self.system_layer(node, test, &closure, &layer)?
                }
                other => other?,
            };
            let mut layers = vec![base.image.clone()];
            layers.push(layer_image.clone());
            layers.push(system);
            let boot = Boot {
                kernel: base.kernel.clone(),
                initrd: Some(base.initrd.clone()),
                command_line: command_line(node),
                layers,
                disk_template: None,
            };
            boots.insert(node.name.clone(), boot);
        }
        let now = std::time::SystemTime::now();
        for path in &closure.paths {
            self.store.touch(path, now).map_err(store_error)?;
        }
        let visible = self.store.closure(&references).map_err(store_error)?;
        let visible = visible
            .iter()
            .map(|path| PathBuf::from(path.as_str()))
            .collect();
        Ok(Prepared { boots, visible })
    }

    /// Makes the Python packages that a test's script wants (`extraPythonPackages`).
    pub fn script_packages(&self, plan: &Plan, test: &Test) -> Result<ScriptPackages> {
        let roots: BTreeSet<_> = test.script.python_packages.iter().cloned().collect();
        if roots.is_empty() {
            return Ok(ScriptPackages::default());
        }
        let realiser = Realiser::new(&self.store, &plan.store, self, self.options());
        let closure = realiser
            .closure(&roots, &BTreeSet::new())
            .map_err(realise_error)?;
        let mut python_path = Vec::new();
        for path in &closure.paths {
            let object = self.store.object(path);
            let mut places = vec!["lib/python3/site-packages", "lib/python3/dist-packages"];
            places.push("lib/python3.13/site-packages");
            for place in places {
                if object.join(place).is_dir() {
                    python_path.push(PathBuf::from(path.as_str()).join(place));
                }
            }
        }
        let visible = closure.paths.iter();
        let layers = match closure.packages.is_empty() {
            true => Vec::new(),
            false => closure.installed.layers(),
        };
        Ok(ScriptPackages {
            layers,
            python_path,
            visible: visible
                .map(|path| (PathBuf::from(path.as_str()), false))
                .collect(),
        })
    }

    fn base(&self) -> Result<Base> {
        Ok(Base {
            image: self.images.base().map_err(image_error)?.image,
            kernel: self.images.kernel().map_err(image_error)?,
            initrd: self
                .images
                .initrd(snowglobe_agent_binary::AGENT)
                .map_err(image_error)?,
        })
    }

    fn system_layer(
        &self,
        node: &Node,
        test: &Test,
        closure: &Closure,
        packages: &PackageLayer,
    ) -> Result<PathBuf> {
        let boot = serde_json::to_string(&boot_config(node)).map_err(CliError::environment)?;
        let system = serde_json::to_string(&node.system).map_err(CliError::environment)?;
        let roots = system::roots(node, &test.script.references);
        let paths = self.store.closure(&roots).map_err(store_error)?;
        let mut parts = vec!["3", &packages.key, &boot, &system];
        parts.extend(paths.iter().map(|path| path.as_str()));
        let key = snowglobe_images::cache::key("system", &parts);
        let own = Own {
            paths: &paths,
            closure,
        };
        let step = format!("write the system layer of {}", node.name);
        let image = self.images.stream_to_erofs(&key, &step, &|out| {
            for path in own.paths {
                self.store.verify(path).map_err(|error| {
                    let note = format!("{error}; made again");
                    self.images
                        .archive()
                        .downloads()
                        .fetcher()
                        .progress()
                        .note(&note);
                    std::io::Error::other(error)
                })?;
            }
            let ids = Ids {
                uid: ids::uid,
                gid: ids::gid,
            };
            system::write_layer(
                node,
                own.paths,
                &*own.closure.installed,
                &self.store,
                ids,
                &boot,
                out,
            )
            .map_err(std::io::Error::other)?;
            Ok(())
        });
        image.map_err(image_error)
    }
}

struct Own<'a> {
    paths: &'a BTreeSet<snowglobe_plan::StorePath>,
    closure: &'a Closure,
}

struct Base {
    image: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
}

/// What the first process of a machine reads.
fn boot_config(node: &Node) -> BootConfig {
    let system = &node.system;
    let needed = system.file_systems.iter().filter(|fs| fs.needed_for_boot);
    BootConfig {
        format: BootConfig::FORMAT,
        host_name: node.host_name.clone(),
        toplevel: system.toplevel.to_string(),
        init: None,
        modules: system.kernel.initrd_modules.clone(),
        initrd_commands: system.initrd_commands.trim().to_owned(),
        file_systems: needed
            .map(|fs| BootFileSystem {
                mount_point: fs.mount_point.clone(),
                device: fs.device.clone(),
                fs_type: fs.fs_type.clone(),
                options: fs.options.clone(),
                auto_format: fs.auto_format,
            })
            .collect(),
        activation: system.activation.as_ref().map(ToString::to_string),
        disk_directories: BootConfig::default_disk_directories(),
    }
}

/// Kernel parameters of a node.
fn command_line(node: &Node) -> String {
    let mut words: Vec<&str> = Vec::new();
    if node.hardware.graphics {
        words.push("console=tty0");
    }
    words.push("console=ttyS0,115200n8");
    words.push(FAST);
    words.extend(node.system.kernel.params.iter().map(String::as_str));
    words.join(" ")
}

/// Debian packages over the base, as builds and views want them.
struct Layer {
    layer: PackageLayer,
    base: PathBuf,
}

impl Installed for Layer {
    fn files(&self, package: &str) -> std::result::Result<Vec<PackageFile>, WorldError> {
        let files = self.layer.files(package)?.ok_or_else(|| {
            format!("the Debian package '{package}' is not installed where it is looked for")
        })?;
        let trees = [&self.layer.tree, &self.base];
        // Documentation and the like is listed, but no layer keeps it.
        let files = files.into_iter().filter_map(|path| {
            let relative = path.strip_prefix("/").unwrap_or(&path);
            let data = trees
                .iter()
                .find_map(|tree| tree.join(relative).symlink_metadata().ok())?;
            Some(PackageFile {
                path: path.display().to_string(),
                directory: data.is_dir(),
            })
        });
        Ok(files.collect())
    }

    fn layers(&self) -> Vec<PathBuf> {
        vec![self.base.clone(), self.layer.tree.clone()]
    }
}

impl World for Factory {
    fn install(
        &self,
        packages: &BTreeSet<String>,
    ) -> std::result::Result<Box<dyn Installed>, WorldError> {
        let layer = self.images.packages(packages)?;
        let base = self.images.base_tree()?.tree();
        Ok(Box::new(Layer { layer, base }))
    }

    fn unpack(&self, package: &Foreign) -> std::result::Result<PathBuf, WorldError> {
        let downloads = self.images.archive().downloads();
        let (name, parts) = match package {
            Foreign::Npm {
                package,
                version,
                integrity,
            } => (format!("npm-{package}"), [version, integrity]),
            Foreign::Pypi {
                package,
                version,
                sha256,
            } => (format!("pypi-{package}"), [version, sha256]),
        };
        let key = cache::key(&name.replace('/', "-"), &parts.map(String::as_str));
        let step = format!("unpack {name} {}", parts[0]);
        let entry = self
            .images
            .make_intact(Bucket::Unpacked, &key, &step, |entry| {
                let tree = entry.join("tree");
                fs_err::create_dir(&tree)?;
                match package {
                    Foreign::Npm {
                        package,
                        version,
                        integrity,
                    } => {
                        let tarball = downloads.npm(package, version, integrity)?;
                        downloads.unpack_npm(&tarball, &tree)?;
                    }
                    Foreign::Pypi {
                        package,
                        version,
                        sha256,
                    } => {
                        let (wheel, _) = downloads.pypi(package, version, sha256)?;
                        downloads.unpack_wheel(&wheel, &tree)?;
                    }
                }
                Ok(())
            })?;
        Ok(entry.join("tree"))
    }

    fn download(&self, wanted: &Download<'_>) -> std::result::Result<PathBuf, WorldError> {
        downloads::download(self.images.archive().downloads(), wanted)
    }

    fn prepare(&self, plan: &Plan) -> std::result::Result<(), WorldError> {
        for test in &plan.tests {
            self.tools(test.enable_ocr).map_err(Box::new)?;
            Factory::prepare(self, plan, test).map_err(Box::new)?;
        }
        Ok(())
    }

    fn test(&self, plan: Plan, out: &Path) -> std::result::Result<(), WorldError> {
        let runner = self.runner.as_ref().ok_or(
            "a test that is needed by something else is run by `snowglobe build` only, not here",
        )?;
        Ok(runner.run(plan, out).map_err(Box::new)?)
    }

    fn program(&self) -> std::result::Result<PathBuf, WorldError> {
        Ok(std::env::current_exe()?)
    }

    fn snapshot(&self) -> String {
        self.snapshot.clone()
    }

    fn building(&self, name: &str, begins: bool) {
        let step = format!("build {name}");
        let progress = self.images.archive().downloads().fetcher().progress();
        if begins {
            progress.started(&step);
        } else {
            progress.finished(&step);
        }
    }
}

/// An image that cannot be made is the environment's fault, unless packages do not exist.
pub fn image_error(error: snowglobe_images::Error) -> CliError {
    use snowglobe_images::Error as Image;
    match error {
        Image::Archive(error) => archive_error(error),
        Image::Unsolvable { .. } => CliError::unusable(chain(&error)),
        Image::Io(error) => error.into(),
        other => CliError::environment(chain(&other)),
    }
}

fn store_error(error: snowglobe_store::Error) -> CliError {
    CliError::environment(chain(&error))
}

fn realise_error(error: snowglobe_realise::Error) -> CliError {
    use snowglobe_realise::Error as Realise;
    match error {
        Realise::Stopped { .. } => CliError::interrupted(),
        Realise::World { source, what } => match source.downcast::<CliError>() {
            // A test that failed says itself how.
            Ok(own) => *own,
            Err(source) => world_error(&what, source),
        },
        Realise::Io(error) => error.into(),
        Realise::Store(snowglobe_store::Error::Io(error)) => error.into(),
        Realise::Store(_) => CliError::environment(chain(&error)),
        _ => CliError::unusable(chain(&error)),
    }
}

/// Packages and downloads that could not be had.
fn world_error(what: &str, source: WorldError) -> CliError {
    // The archive's and the images' own errors say best whose fault it is.
    let own = match source.downcast::<snowglobe_images::Error>() {
        Ok(error) => image_error(*error),
        Err(source) => match source.downcast::<snowglobe_archive::Error>() {
            Ok(error) => archive_error(*error),
            Err(source) => match source.downcast::<downloads::WrongHash>() {
                Ok(error) => CliError::unusable(error),
                Err(source) => CliError::environment(chain(&*source)),
            },
        },
    };
    CliError {
        message: format!("{what}: {}", own.message),
        ..own
    }
}
