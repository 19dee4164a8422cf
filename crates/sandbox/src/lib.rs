//! Runs a program in its own namespaces over a stack of directories.
//!
//! A [`Sandbox`] describes a little world: what the root file system is made of, what is mounted
//! into it, whether there is a network. A [`Command`] runs one program in it; the running program is
//! a [`Child`]. The program sees what it was given and nothing else of the host: own mounts,
//! processes, IPC, host name and, unless asked otherwise, a network that has only a loopback.
//!
//! ```no_run
//! use snowglobe_sandbox::{Access, Sandbox};
//! use std::time::Duration;
//!
//! let mut sandbox = Sandbox::new(["/var/cache/base"]);
//! sandbox.bind("/home/me/work", "/work", Access::ReadOnly);
//! let output = sandbox.command("/bin/ls").arg("/work").output(Duration::from_secs(10))?;
//! assert!(output.status.success());
//! # Ok::<(), snowglobe_sandbox::Error>(())
//! ```
//!
//! # How it works
//!
//! A multi-threaded program can neither fork safely nor enter a user namespace. So the library
//! starts the running executable again (`/proc/self/exe`) with a special `argv[0]`; a function in
//! `.init_array` notices that before `main` and turns the process into a *stage*:
//!
//! ```text
//! our process ─▶ stage 1: unshares ─▶ stage 2: process 1 of the sandbox: mounts, pivots ─▶ program
//!      └──────────── control socket ────────────┘
//! ```
//!
//! Nothing has to be called by the host program's `main`, and tests of libraries work too. All
//! mounts lie in the sandbox's own mount namespace, which the kernel takes away with its last
//! process. Stage 2 leaves as soon as the control socket is closed, so that the whole sandbox dies
//! with our process, even when that is killed with SIGKILL.
//!
//! With the right to make namespaces (CAP_SYS_ADMIN) no user namespace is used; otherwise one is,
//! and the ids inside are mapped as [`Ids`] says.

mod child;
mod command;
mod connector;
mod error;
mod idmap;
mod privileges;
mod protocol;
mod root;
mod spec;
mod stage;
mod world;

pub use child::{Child, ExitStatus};
pub use command::{Command, Output};
pub use connector::Connector;
pub use error::Error;
pub use idmap::can_map_range;
pub use spec::{Access, Ids, Limit, Network, Privileges, Terminal};
pub use world::Sandbox;
