//! What the stages have to do, as data. Written by the library, read by the stages.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Whether what is mounted can be changed from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Access {
    ReadOnly,
    ReadWrite,
}

/// What the sandbox can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// Its own loopback.
    #[default]
    None,
    /// All that the host can. The host's proxy and certificate variables, `/etc/resolv.conf` and
    /// `/etc/hosts` are passed on.
    Host,
}

/// Which user and group ids exist inside, when a user namespace is used. With CAP_SYS_ADMIN none
/// is used, and all ids exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ids {
    /// One: that of the program. Needs nothing from the host.
    #[default]
    Single,
    /// Zero to 65535, for programs that make files of several owners. Needs `newuidmap` and
    /// `newgidmap` on the host, and ranges in `/etc/subuid` and `/etc/subgid`.
    Range,
}

/// What the program may do within the sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Privileges {
    /// No capabilities, no set-uid programs.
    #[default]
    None,
    /// What installing packages takes: change owners, switch users, chroot; no mounts, devices,
    /// modules, clock or network administration.
    Install,
}

/// Whether the program belongs to our terminal session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Terminal {
    /// A session of its own: Ctrl-C does not reach it.
    #[default]
    Detached,
    /// Ours: for interactive programs.
    Shared,
}

/// A resource limit of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// Bytes of address space.
    AddressSpace(u64),
    /// Seconds of processor time.
    CpuSeconds(u64),
    /// Bytes of a file.
    FileSize(u64),
    /// Open files.
    OpenFiles(u64),
    /// Processes of the program's user id.
    Processes(u64),
    /// Bytes of a core dump.
    CoreSize(u64),
}

/// Everything that the stages need to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub user_namespace: Option<UserNamespace>,
    pub network: Network,
    pub terminal: Terminal,
    pub hostname: String,
    pub layers: Vec<PathBuf>,
    pub root: Root,
    pub mounts: Vec<Mount>,
    pub devices: Vec<PathBuf>,
    pub program: String,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub cwd: PathBuf,
    pub uid: u32,
    pub gid: u32,
    pub privileges: Privileges,
    pub limits: Vec<Limit>,
    /// Descriptors that the program inherits under the same numbers.
    pub inherited: Vec<i32>,
    /// Where process 1 serves a [`crate::Connector`].
    pub connector: Option<i32>,
}

/// How ids are mapped in a user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum UserNamespace {
    /// Root inside is the given user outside.
    Single { uid: u32, gid: u32 },
    /// Our process maps a range on request.
    Range,
}

/// What becomes of writes below `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Root {
    /// They fail.
    ReadOnly,
    /// They are gone when the program ends.
    Discarded,
    /// They go to `upper`.
    Overlay {
        upper: PathBuf,
        work: PathBuf,
        volatile: bool,
    },
}

/// Something mounted over the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mount {
    Bind {
        source: PathBuf,
        target: PathBuf,
        access: Access,
    },
    Tmpfs {
        target: PathBuf,
        mode: u32,
    },
}

impl Mount {
    pub(crate) fn target(&self) -> &std::path::Path {
        match self {
            Self::Bind { target, .. } | Self::Tmpfs { target, .. } => target,
        }
    }
}
