//! Store paths and the objects behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// An absolute path of an object in the store: `/nix/store/<hash>-<name>`, nothing below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorePath(String);

/// Why a text is no store path.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not a store path")]
pub struct InvalidStorePath(pub String);

impl StorePath {
    /// Where every store path lies, in machines and in builds.
    pub const STORE: &'static str = "/nix/store";

    /// Checks the form of a path; the object need not exist.
    pub fn parse(path: &str) -> Result<Self, InvalidStorePath> {
        let invalid = || InvalidStorePath(path.to_owned());
        let base = path
            .strip_prefix(Self::STORE)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(invalid)?;
        let (hash, name) = base.split_once('-').ok_or_else(invalid)?;
        let base32 = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'z') && !b"eotu".contains(&c);
        let in_name = |c: u8| c.is_ascii_alphanumeric() || b"+-._?=".contains(&c);
        let valid = hash.len() == 32
            && hash.bytes().all(base32)
            && (1..=211).contains(&name.len())
            && name.bytes().all(in_name);
        if valid {
            Ok(Self(path.to_owned()))
        } else {
            Err(invalid())
        }
    }

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `<hash>-<name>`.
    pub fn base_name(&self) -> &str {
        &self.0[Self::STORE.len() + 1..]
    }

    /// What stands behind the hash.
    pub fn name(&self) -> &str {
        &self.base_name()[33..]
    }

    /// The 32 characters of the hash.
    pub fn hash(&self) -> &str {
        &self.base_name()[..32]
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for StorePath {
    type Error = InvalidStorePath;
    fn try_from(path: String) -> Result<Self, Self::Error> {
        Self::parse(&path)
    }
}

impl From<StorePath> for String {
    fn from(path: StorePath) -> Self {
        path.0
    }
}

/// What lies behind a store path, keyed by that path in a plan. A derivation is keyed by its
/// `.drv` path; its outputs exist only after it was realised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, tag = "type")]
pub enum StoreObject {
    /// Something to build.
    Derivation(Derivation),
    /// A file whose whole content is here (`builtins.toFile`).
    #[serde(rename_all = "camelCase")]
    Text {
        /// The file's content; not executable.
        contents: String,
        /// Store paths that the content mentions.
        #[serde(default)]
        references: BTreeSet<StorePath>,
    },
    /// A tree copied from the host. Its content is in the local store already, put there while
    /// evaluating.
    #[serde(rename_all = "camelCase")]
    Source {
        /// SHA-256 of the tree's NAR, lower-case hexadecimal.
        nar_sha256: String,
    },
}

/// A build recipe, as in a `.drv` file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Derivation {
    /// Name without hash.
    pub name: String,
    /// By output name.
    pub outputs: BTreeMap<String, DerivationOutput>,
    /// Outputs of other derivations that are needed, by `.drv` path.
    pub input_derivations: BTreeMap<StorePath, BTreeSet<String>>,
    /// Texts and sources that are needed.
    pub input_sources: BTreeSet<StorePath>,
    /// Such as `x86_64-linux`.
    pub system: String,
    /// A program, or `builtin:NAME`.
    pub builder: String,
    /// Arguments of the builder.
    pub args: Vec<String>,
    /// Environment of the builder.
    pub env: BTreeMap<String, String>,
}

/// Where an output goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DerivationOutput {
    /// Its store path.
    pub path: StorePath,
    /// Set for outputs whose content is known beforehand.
    #[serde(default)]
    pub fixed: Option<FixedHash>,
}

/// The known content of an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixedHash {
    /// Whether the hash is that of the NAR rather than of the one file.
    pub recursive: bool,
    /// `md5`, `sha1`, `sha256`, `sha512` or `blake3`.
    pub algorithm: String,
    /// Lower-case hexadecimal.
    pub hash: String,
}
