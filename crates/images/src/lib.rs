//! File systems and what else a machine boots from: made of Debian packages, kept in a cache.
//!
//! [`Images`] makes or finds
//! * the *tools* ([`Images::tools`]): programs that we run on the host in a sandbox,
//! * the *base* ([`Images::base`]): the lowest layer of every machine, with the kernel,
//! * *package layers* ([`Images::packages`]): what a test's packages add to the base,
//! * kernel, initial RAM disk and file system images.
//!
//! All of it is keyed by what went in, so that nothing is made twice. Owners of files have the
//! numbers that [`ids`] gives to their names.

mod base;
mod bound;
pub mod cache;
mod collect;
mod dpkg;
mod erofs;
mod error;
pub mod ids;
mod images;
mod initrd;
mod intact;
mod kernel;
mod owners;
mod packages;
mod remove;
mod step;
mod tools;

pub use base::BaseTree;
pub use bound::Bound;
pub use cache::{Bucket, Cache, disk_use};
pub use collect::{Entry, Kept, Limits, Use};
pub use error::{Error, Result};
pub use images::Images;
pub use packages::{BaseImage, ETC_ASIDE, PackageLayer};
pub use remove::remove_tree;
pub use tools::{ToolSet, Tools};
