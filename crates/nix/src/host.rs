//! Everything that an evaluation knows about the world.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::store::{Derivation, Tree};

/// What kind of file a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    Regular {
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Anything else: devices, sockets, pipes.
    Unknown,
}

impl FileType {
    /// As `builtins.readFileType` says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular { .. } => "regular",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Unknown => "unknown",
        }
    }
}

/// Why the host could not do something; the message is shown as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    /// What went wrong, with names of files.
    pub message: String,
    /// What may help, if anything.
    pub hint: Option<String>,
}

impl HostError {
    /// An error without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }
}

/// Result of what the host does.
pub type HostResult<T> = Result<T, HostError>;

/// An element of the search path: `prefix=path`, or only a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPathEntry {
    /// Before `=`; empty without one.
    pub prefix: String,
    /// A path or a URL.
    pub path: String,
}

impl SearchPathEntry {
    /// Takes `-I`'s argument, or a piece of `NIX_PATH`, apart.
    pub fn parse(text: &str) -> Self {
        match text.split_once('=') {
            Some((prefix, path)) => Self {
                prefix: prefix.to_owned(),
                path: path.to_owned(),
            },
            None => Self {
                prefix: String::new(),
                path: text.to_owned(),
            },
        }
    }

    /// Takes a value of `NIX_PATH` apart, where URLs may contain `:`.
    pub fn parse_list(text: &str) -> Vec<Self> {
        let mut entries: Vec<String> = Vec::new();
        for piece in text.split(':').filter(|piece| !piece.is_empty()) {
            match entries.last_mut() {
                Some(last) if piece.starts_with("//") => {
                    last.push(':');
                    last.push_str(piece);
                }
                _ => entries.push(piece.to_owned()),
            }
        }
        entries.iter().map(|entry| Self::parse(entry)).collect()
    }
}

/// What is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Where from.
    pub url: String,
    /// Name of the store object.
    pub name: String,
    /// Whether it is an archive to be unpacked.
    pub unpack: bool,
    /// SHA-256 that the file (or, unpacked, its NAR) must have, lower-case hexadecimal.
    pub sha256: Option<String>,
}

/// What a fetch gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where the result is, readable through the host. If this is a store path, the string that
    /// the program gets has it as context.
    pub path: String,
}

/// The world as an evaluation sees it. Paths are absolute and in normal form.
///
/// All methods take `&self`: a host that keeps state does so behind locks.
pub trait Host: Sync {
    /// The content of a file. `import`, `readFile`.
    fn read_file(&self, path: &Path) -> HostResult<Vec<u8>>;

    /// Names and types of what is in a directory, in any order. `readDir`, copying to the store.
    fn read_dir(&self, path: &Path) -> HostResult<Vec<(Vec<u8>, FileType)>>;

    /// What a path is, without following a link in its last part; `None`: there is nothing.
    fn file_type(&self, path: &Path) -> HostResult<Option<FileType>>;

    /// Where a symbolic link points.
    fn read_link(&self, path: &Path) -> HostResult<Vec<u8>>;

    /// Where to look instead when `import` (or anything else that reads) does not find a path,
    /// for files that a program expects beside it.
    fn redirect_missing(&self, path: &Path) -> Option<String> {
        let _ = path;
        None
    }

    /// The elements of `<…>`, first match wins.
    fn search_path(&self) -> Vec<SearchPathEntry> {
        Vec::new()
    }

    /// Makes an element of the search path that is a URL (or a channel name) local; `None`: as
    /// it is.
    fn resolve_search_path(&self, path: &str) -> HostResult<Option<String>> {
        let _ = path;
        Ok(None)
    }

    /// `fetchurl`, `fetchTarball`.
    fn fetch(&self, fetch: &Fetch) -> HostResult<Fetched> {
        Err(HostError::new(format!(
            "unable to download '{}': this evaluation has no network",
            fetch.url
        )))
    }

    /// `getEnv`; `None` becomes the empty string.
    fn env(&self, name: &str) -> Option<String> {
        let _ = name;
        None
    }

    /// What `~` means.
    fn home(&self) -> Option<String> {
        self.env("HOME")
    }

    /// `currentSystem`.
    fn current_system(&self) -> String {
        "x86_64-linux".to_owned()
    }

    /// `currentTime`, seconds since 1970.
    fn current_time(&self) -> i64 {
        0
    }

    /// A text was added to the store under this path.
    fn store_text(&self, path: &str, contents: &[u8], references: &[String]) -> HostResult<()>;

    /// A tree of files was added to the store under this path; its files are still where
    /// [`Tree`] says.
    fn store_source(&self, path: &str, tree: &Tree, nar_sha256: &[u8; 32]) -> HostResult<()>;

    /// A derivation was made.
    fn store_derivation(&self, path: &str, derivation: &Derivation) -> HostResult<()>;

    /// Whether a store path exists, for `storePath`.
    fn store_path_exists(&self, path: &str) -> bool {
        matches!(self.file_type(Path::new(path)), Ok(Some(_)))
    }

    /// Builds outputs of a derivation, which `import`, `readFile` and the like need; says where
    /// each output can be read.
    fn realise(&self, drv_path: &str, outputs: &[String]) -> HostResult<BTreeMap<String, String>> {
        let _ = outputs;
        Err(HostError::new(format!(
            "cannot build '{drv_path}' during evaluation because this host does not build"
        )))
    }

    /// `trace` (`trace: …`), warnings (`warning: …` or `evaluation warning: …`).
    fn message(&self, message: Message<'_>);

    /// Functions and values that are added to `builtins`, by name.
    fn extra_builtins(&self) -> Vec<(String, Data)> {
        Vec::new()
    }
}

/// What a program says while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'m> {
    /// `builtins.trace` and `traceVerbose`; the text without `trace: `.
    Trace(&'m str),
    /// `builtins.warn`; the text without `evaluation warning: `.
    Warning(&'m str),
}

/// Plain data, or a function over plain data: what a host adds to the language.
#[derive(Clone)]
pub enum Data {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A string; its context is dropped on the way out and empty on the way in.
    Text(String),
    /// A path.
    Path(String),
    /// A list.
    List(Vec<Data>),
    /// An attribute set.
    Attrs(BTreeMap<String, Data>),
    /// A function of ours.
    Function(Function),
}

/// A function that the host adds to the language. Arguments arrive evaluated to the bottom.
#[derive(Clone)]
pub struct Function {
    /// For messages.
    pub name: String,
    /// From 1.
    pub arity: u8,
    /// What it does.
    pub call: FunctionBody,
}

/// The Rust side of a [`Function`].
pub type FunctionBody = Arc<dyn Fn(&[Data]) -> Result<Data, HostError> + Send + Sync>;

impl Data {
    /// A function.
    pub fn function(
        name: &str,
        arity: u8,
        call: impl Fn(&[Data]) -> Result<Data, HostError> + Send + Sync + 'static,
    ) -> Self {
        Self::Function(Function {
            name: name.to_owned(),
            arity,
            call: Arc::new(call),
        })
    }

    /// A set.
    pub fn attrs<const N: usize>(attrs: [(&str, Data); N]) -> Self {
        Self::Attrs(
            attrs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&serde_json::Value> for Data {
    fn from(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(int) => Self::Int(int),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Text(text.clone()),
            Json::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Json::Object(entries) => Self::Attrs(
                entries
                    .iter()
                    .map(|(name, value)| (name.clone(), Self::from(value)))
                    .collect(),
            ),
        }
    }
}
