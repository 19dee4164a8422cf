//! The evaluator's world: files, the store, downloads, and what we add to the language.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use snowglobe_nix::host::{Fetch, Fetched};
use snowglobe_nix::store::{Derivation as NixDerivation, Tree};
use snowglobe_nix::{Data, FileType, Host, HostError, HostResult, Message, SearchPathEntry};
use snowglobe_plan::{Derivation, DerivationOutput, FixedHash, StoreObject, StorePath};
use snowglobe_store::Store;

use crate::redirect;
use crate::tree;
use crate::view::View;

/// What is known of a Debian package while evaluating.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Name in the archive.
    pub name: String,
    /// Upstream's part of the version.
    pub version: String,
    /// One line.
    pub description: String,
}

/// What an evaluation needs of package archives. Asked only when a test uses packages.
pub trait Packages: Send + Sync {
    /// Identifies the state of the archive that answers come from.
    fn snapshot(&self) -> HostResult<String>;
    /// A package by name.
    fn package(&self, name: &str) -> HostResult<Option<Package>>;
    /// Names that look like a word.
    fn suggest(&self, word: &str) -> HostResult<Vec<String>>;
    /// Downloads a file; `sha256` is checked if given.
    fn download(&self, url: &str, sha256: Option<&str>) -> HostResult<PathBuf>;
}

/// Builds what an evaluation must read.
pub trait Builder: Send + Sync {
    /// Makes outputs of a derivation; all store objects made so far are at hand.
    fn build(
        &self,
        objects: &BTreeMap<StorePath, StoreObject>,
        outputs: &[StorePath],
    ) -> Result<(), String>;
}

/// Something that a program said while it was evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// `builtins.trace`.
    Trace(String),
    /// `builtins.warn`.
    Warning(String),
    /// A source of nixpkgs was asked for and the embedded tree taken.
    Embedded {
        /// What was asked for.
        asked: String,
    },
}

/// How one evaluation sees the world.
pub struct Session {
    view: View,
    store: Store,
    packages: std::sync::Arc<dyn Packages>,
    builder: Option<std::sync::Arc<dyn Builder>>,
    search_path: Vec<SearchPathEntry>,
    /// Folder of the file that is evaluated: what it misses is looked for from there.
    home: PathBuf,
    nixpkgs: String,
    objects: Mutex<BTreeMap<StorePath, StoreObject>>,
    notes: Box<dyn Fn(Note) + Send + Sync>,
    embedded: Mutex<BTreeSet<String>>,
    snapshot: std::sync::Arc<OnceLock<String>>,
}

/// What a session is made of.
pub struct Settings {
    /// Where store objects go.
    pub store: Store,
    /// Package archives.
    pub packages: std::sync::Arc<dyn Packages>,
    /// Builds during evaluation; `None`: refused.
    pub builder: Option<std::sync::Arc<dyn Builder>>,
    /// `-I`, before everything else.
    pub search_path: Vec<SearchPathEntry>,
    /// Folder of the file that is evaluated.
    pub home: PathBuf,
    /// A real nixpkgs tree instead of the embedded one.
    pub nixpkgs: Option<PathBuf>,
    /// Hears what is said.
    pub notes: Box<dyn Fn(Note) + Send + Sync>,
}

impl Session {
    /// A new session without objects.
    pub fn new(settings: Settings) -> Self {
        let nixpkgs = settings
            .nixpkgs
            .map_or(tree::ROOT.to_owned(), |p| p.display().to_string());
        Self {
            view: View::new(settings.store.clone()),
            store: settings.store,
            packages: settings.packages,
            builder: settings.builder,
            search_path: settings.search_path,
            home: settings.home,
            nixpkgs,
            objects: Mutex::default(),
            notes: settings.notes,
            embedded: Mutex::default(),
            snapshot: std::sync::Arc::default(),
        }
    }

    /// Every store object that the evaluation made.
    pub fn objects(&self) -> BTreeMap<StorePath, StoreObject> {
        self.lock().clone()
    }

    /// The archive's state that packages were looked up in; empty: none were.
    pub fn snapshot(&self) -> String {
        self.snapshot.get().cloned().unwrap_or_default()
    }

    /// Path of the package set in use.
    pub fn nixpkgs(&self) -> &str {
        &self.nixpkgs
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<StorePath, StoreObject>> {
        self.objects
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Says once for each address that the embedded tree stands in for it.
    fn embedded(&self, asked: &str) {
        let mut seen = self
            .embedded
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.nixpkgs == tree::ROOT && seen.insert(asked.to_owned()) {
            (self.notes)(Note::Embedded {
                asked: asked.to_owned(),
            });
        }
    }
}

impl Host for Session {
    fn read_file(&self, path: &Path) -> HostResult<Vec<u8>> {
        self.view.read_file(path)
    }

    fn read_dir(&self, path: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>> {
        self.view.read_dir(path)
    }

    fn file_type(&self, path: &Path) -> HostResult<Option<FileType>> {
        self.view.file_type(path)
    }

    fn read_link(&self, path: &Path) -> HostResult<Vec<u8>> {
        self.view.read_link(path)
    }

    fn redirect_missing(&self, path: &Path) -> Option<String> {
        let found = redirect::missing_path(path.to_str()?, self.home.to_str()?)?;
        Some(found.replacen(tree::ROOT, &self.nixpkgs, 1))
    }

    fn search_path(&self) -> Vec<SearchPathEntry> {
        let mut entries = self.search_path.clone();
        // `<nixpkgs>` is ours whatever NIX_PATH says of it; its other entries are the user's.
        let environment = std::env::var("NIX_PATH").unwrap_or_default();
        let environment = SearchPathEntry::parse_list(&environment);
        entries.extend(
            environment
                .into_iter()
                .filter(|entry| entry.prefix != "nixpkgs"),
        );
        entries.push(SearchPathEntry {
            prefix: "nixpkgs".to_owned(),
            path: self.nixpkgs.clone(),
        });
        entries
    }

    fn resolve_search_path(&self, path: &str) -> HostResult<Option<String>> {
        if redirect::is_nixpkgs_url(path) {
            self.embedded(path);
            return Ok(Some(self.nixpkgs.clone()));
        }
        Ok(None)
    }

    fn fetch(&self, fetch: &Fetch) -> HostResult<Fetched> {
        if redirect::is_nixpkgs_url(&fetch.url) {
            self.embedded(&fetch.url);
            return Ok(Fetched {
                path: self.nixpkgs.clone(),
            });
        }
        if fetch.unpack {
            return Err(HostError {
                message: format!(
                    "unable to fetch '{}': only sources of nixpkgs can be unpacked during evaluation",
                    fetch.url
                ),
                hint: Some("unpack the source beside the test and name its path".to_owned()),
            });
        }
        let file = self
            .packages
            .download(&fetch.url, fetch.sha256.as_deref())?;
        Ok(Fetched {
            path: file.display().to_string(),
        })
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn current_time(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
    }

    fn store_text(&self, path: &str, contents: &[u8], references: &[String]) -> HostResult<()> {
        let contents = String::from_utf8(contents.to_vec())
            .map_err(|_| HostError::new(format!("the text of '{path}' is not UTF-8")))?;
        let references = references
            .iter()
            .map(|r| store_path(r))
            .collect::<HostResult<_>>()?;
        self.lock().insert(
            store_path(path)?,
            StoreObject::Text {
                contents,
                references,
            },
        );
        Ok(())
    }

    fn store_source(&self, path: &str, tree: &Tree, nar_sha256: &[u8; 32]) -> HostResult<()> {
        let path = store_path(path)?;
        if !self.store.contains(&path) {
            let add = || -> Result<(), snowglobe_store::Error> {
                let stage = self.store.stage()?;
                let staged = stage.path().join("source");
                write_tree(self, tree, &staged)?;
                self.store.add(&path, &staged, BTreeSet::new())
            };
            add().map_err(|e| HostError::new(format!("cannot copy to the store: {e}")))?;
        }
        let nar_sha256 = nar_sha256
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.lock().insert(path, StoreObject::Source { nar_sha256 });
        Ok(())
    }

    fn store_derivation(&self, path: &str, derivation: &NixDerivation) -> HostResult<()> {
        let object = StoreObject::Derivation(convert(derivation)?);
        self.lock().insert(store_path(path)?, object);
        Ok(())
    }

    fn realise(&self, drv_path: &str, outputs: &[String]) -> HostResult<BTreeMap<String, String>> {
        let builder = self.builder.as_ref().ok_or_else(|| {
            HostError::new(format!("cannot build '{drv_path}' during evaluation here"))
        })?;
        let objects = self.objects();
        let Some(StoreObject::Derivation(derivation)) = objects.get(&store_path(drv_path)?) else {
            return Err(HostError::new(format!(
                "'{drv_path}' was not made by this evaluation"
            )));
        };
        let mut paths = BTreeMap::new();
        for name in outputs {
            let output = derivation
                .outputs
                .get(name)
                .ok_or_else(|| HostError::new(format!("'{drv_path}' has no output '{name}'")))?;
            paths.insert(name.clone(), output.path.clone());
        }
        let wanted: Vec<StorePath> = paths.values().cloned().collect();
        builder.build(&objects, &wanted).map_err(HostError::new)?;
        Ok(paths
            .into_iter()
            .map(|(name, path)| (name, path.to_string()))
            .collect())
    }

    fn message(&self, message: Message<'_>) {
        (self.notes)(match message {
            Message::Trace(text) => Note::Trace(text.to_owned()),
            Message::Warning(text) => Note::Warning(text.to_owned()),
        });
    }

    fn extra_builtins(&self) -> Vec<(String, Data)> {
        let packages = self.packages.clone();
        let snapshot = self.snapshot.clone();
        let debian = Data::function("debian", 1, move |arguments| {
            let name = text(arguments)?;
            if snapshot.get().is_none() {
                let id = packages.snapshot()?;
                let _ = snapshot.set(id);
            }
            Ok(match packages.package(name)? {
                None => Data::Null,
                Some(package) => Data::attrs([
                    ("name", Data::Text(package.name)),
                    ("version", Data::Text(package.version)),
                    ("description", Data::Text(package.description)),
                ]),
            })
        });
        let packages = self.packages.clone();
        let suggest = Data::function("suggest", 1, move |arguments| {
            let names = packages.suggest(text(arguments)?)?;
            Ok(Data::List(names.into_iter().map(Data::Text).collect()))
        });
        let ours = Data::attrs([
            ("version", Data::Int(1)),
            ("debian", debian),
            ("suggest", suggest),
        ]);
        vec![("snowglobe".to_owned(), ours)]
    }
}

fn text(arguments: &[Data]) -> HostResult<&str> {
    let text = arguments.first().and_then(Data::as_text);
    text.ok_or_else(|| HostError::new("a string was expected"))
}

fn store_path(path: &str) -> HostResult<StorePath> {
    StorePath::parse(path).map_err(|e| HostError::new(e.to_string()))
}

/// The evaluator's derivation as the plan has it.
fn convert(derivation: &NixDerivation) -> HostResult<Derivation> {
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).map_err(|_| {
            HostError::new(format!(
                "the derivation '{}' has an attribute that is not UTF-8",
                derivation.name
            ))
        })
    };
    let mut outputs = BTreeMap::new();
    for (name, output) in &derivation.outputs {
        let fixed = (!output.hash.is_empty()).then(|| {
            let recursive = output.hash_algorithm.strip_prefix("r:");
            FixedHash {
                recursive: recursive.is_some(),
                algorithm: recursive.unwrap_or(&output.hash_algorithm).to_owned(),
                hash: output.hash.clone(),
            }
        });
        let path = store_path(&output.path)?;
        outputs.insert(name.clone(), DerivationOutput { path, fixed });
    }
    let mut input_derivations = BTreeMap::new();
    for (path, names) in &derivation.input_derivations {
        input_derivations.insert(store_path(path)?, names.clone());
    }
    Ok(Derivation {
        name: derivation.name.clone(),
        outputs,
        input_derivations,
        input_sources: derivation
            .input_sources
            .iter()
            .map(|p| store_path(p))
            .collect::<HostResult<_>>()?,
        system: derivation.system.clone(),
        builder: text(&derivation.builder)?,
        args: derivation
            .args
            .iter()
            .map(|arg| text(arg))
            .collect::<HostResult<_>>()?,
        env: derivation
            .env
            .iter()
            .map(|(name, value)| Ok((text(name)?, text(value)?)))
            .collect::<HostResult<_>>()?,
    })
}

/// Writes what the evaluator describes as a tree to a place of the host.
fn write_tree(session: &Session, tree: &Tree, to: &Path) -> Result<(), snowglobe_store::Error> {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    let file = |contents: Vec<u8>, executable: bool| -> io::Result<()> {
        fs_err::write(to, contents)?;
        if executable {
            fs_err::set_permissions(to, std::fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    };
    match tree {
        Tree::File { path, executable } => {
            let path = Path::new(OsStr::from_bytes(path));
            let contents = session
                .view
                .read_file(path)
                .map_err(|e| io::Error::other(e.message))?;
            file(contents, *executable)?;
        }
        Tree::Bytes {
            contents,
            executable,
        } => file(contents.clone(), *executable)?,
        Tree::Symlink { target } => symlink(OsStr::from_bytes(target), to)?,
        Tree::Directory { entries } => {
            fs_err::create_dir(to)?;
            for (name, below) in entries {
                write_tree(session, below, &to.join(OsStr::from_bytes(name)))?;
            }
        }
    }
    Ok(())
}
