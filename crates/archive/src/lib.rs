//! Package archives: Debian (signed), npm and PyPI.
//!
//! [`Archive`] knows where archives lie and how to reach them; [`Archive::open_current_or_fetch`]
//! gives a [`Snapshot`]: one state of Debian trixie for amd64, chosen once, verified against
//! embedded keys and recorded in the cache, so that the same test sees the same packages until
//! somebody asks for an update. What is downloaded lies in [`Downloads`], addressed by its digest
//! and checked whenever it is read.
//!
//! Nothing here prints; a [`Progress`] is told what happens.

mod closure;
mod contents;
mod control;
mod deb;
mod digest;
mod download;
mod error;
mod fetch;
mod index;
mod lock;
mod npm;
mod package;
mod progress;
mod pypi;
mod relation;
mod release;
mod resolver;
mod signature;
mod snapshot;
mod unpack;

pub use closure::{Closure, close};
pub use contents::{Contents, Known};
pub use control::{Stanza, stanzas};
pub use deb::{Control, Deb};
pub use digest::{Algorithm, Digest, Digester};
pub use download::{Downloads, Wanted};
pub use error::{Error, Result};
pub use fetch::Fetcher;
pub use index::Index;
pub use lock::{FileLock, LockError};
pub use package::{Origin, Package};
pub use progress::{Progress, Silent};
pub use relation::{Alternative, Relation, VersionRelation, parse_relations};
pub use release::{Listed, Release};
pub use signature::Keyring;
pub use snapshot::{Archive, Mirrors, Settings, Snapshot};
pub use unpack::{Ownership, Unpacked, unpack_tar};
