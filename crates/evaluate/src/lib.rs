//! From a test file to a [`snowglobe_plan::Plan`]: the Nix language, our library and the host's store,
//! put together.

mod blame;
mod build;
mod host;
mod load;
mod plan;
pub mod redirect;
pub mod tree;
mod view;

pub use blame::for_user;
pub use build::{Build, builds};
pub use host::{Builder, Note, Package, Packages, Session, Settings};
pub use load::loaded;
pub use plan::{Argument, PlanError, PlanRequest, Planned, Source, Unusable, arguments, plan};
pub use view::View;
