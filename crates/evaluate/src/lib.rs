//! From a test file to a [`snowglobe_plan::Plan`]: the Nix language, our library and the host's store,
//! put together.

pub mod redirect;
pub mod tree;
