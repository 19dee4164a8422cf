//! What a sandboxed program sees.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::command::Command;
use crate::spec::{Access, Ids, Mount, Network, Privileges, Root};

/// A little world for programs: its root file system, mounts, devices, ids and network.
///
/// It holds no resources; it can be cloned and used for any number of commands, also at once
/// (except that a writable upper directory serves one command at a time).
#[derive(Clone, Debug)]
pub struct Sandbox {
    pub(crate) layers: Vec<PathBuf>,
    pub(crate) root: Root,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) devices: Vec<PathBuf>,
    pub(crate) network: Network,
    pub(crate) hostname: String,
    pub(crate) ids: Ids,
    pub(crate) privileges: Privileges,
    pub(crate) always_user_namespace: bool,
}

impl Sandbox {
    /// A world over directories of the host, lowest first: what lies in a later one hides what an
    /// earlier one has under the same name. The root is read-only, `/tmp` an empty directory in
    /// memory, `/proc` and a minimal `/dev` are there, and there is no network.
    pub fn new<P: Into<PathBuf>>(layers: impl IntoIterator<Item = P>) -> Self {
        Self {
            layers: layers.into_iter().map(Into::into).collect(),
            root: Root::ReadOnly,
            mounts: vec![Mount::Tmpfs {
                target: "/tmp".into(),
                mode: 0o1777,
            }],
            devices: Vec::new(),
            network: Network::None,
            hostname: "sandbox".into(),
            ids: Ids::Single,
            privileges: Privileges::None,
            always_user_namespace: false,
        }
    }

    /// Lets writes below `/` succeed and forgets them when the program ends. They take memory.
    pub fn discard_writes(&mut self) -> &mut Self {
        self.root = Root::Discarded;
        self
    }

    /// Sends writes below `/` to `upper`. `work` is an empty directory on the same file system. What
    /// overlayfs notes about deleted files is in `user.overlay.*` attributes, so that an ordinary
    /// user can make it and a machine can read it. Mount points that no layer has do not appear in
    /// `upper`.
    pub fn writable(&mut self, upper: impl Into<PathBuf>, work: impl Into<PathBuf>) -> &mut Self {
        self.root = Root::Overlay {
            upper: upper.into(),
            work: work.into(),
            volatile: false,
        };
        self
    }

    /// As [`Sandbox::writable`], but `fsync` inside does nothing, which makes package managers
    /// faster. After a crash of the host, `upper` is worthless.
    pub fn writable_unsynced(
        &mut self,
        upper: impl Into<PathBuf>,
        work: impl Into<PathBuf>,
    ) -> &mut Self {
        self.root = Root::Overlay {
            upper: upper.into(),
            work: work.into(),
            volatile: true,
        };
        self
    }

    /// Shows a file or directory of the host inside, without what is mounted below it. Missing
    /// parents of the target are made, but never in the layers. Mounts are made in the order of
    /// these calls.
    pub fn bind(
        &mut self,
        source: impl Into<PathBuf>,
        target: impl Into<PathBuf>,
        access: Access,
    ) -> &mut Self {
        self.mounts.push(Mount::Bind {
            source: source.into(),
            target: target.into(),
            access,
        });
        self
    }

    /// Mounts an empty file system in memory, with the permissions `mode`.
    pub fn tmpfs(&mut self, target: impl Into<PathBuf>, mode: u32) -> &mut Self {
        self.mounts.push(Mount::Tmpfs {
            target: target.into(),
            mode,
        });
        self
    }

    /// Shows a device of the host under the same path, such as `/dev/kvm`.
    pub fn device(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.devices.push(path.into());
        self
    }

    /// What the program can reach; nothing by default.
    pub fn network(&mut self, network: Network) -> &mut Self {
        self.network = network;
        self
    }

    /// The host name inside; `sandbox` by default.
    pub fn hostname(&mut self, name: impl Into<String>) -> &mut Self {
        self.hostname = name.into();
        self
    }

    /// Which ids exist inside when we are an ordinary user; one by default.
    pub fn ids(&mut self, ids: Ids) -> &mut Self {
        self.ids = ids;
        self
    }

    /// What the program may do inside; nothing privileged by default.
    pub fn privileges(&mut self, privileges: Privileges) -> &mut Self {
        self.privileges = privileges;
        self
    }

    /// Uses a user namespace even where none is needed, as an ordinary user would have to.
    pub fn always_user_namespace(&mut self) -> &mut Self {
        self.always_user_namespace = true;
        self
    }

    /// A program to be run in this world. `program` is an absolute path inside.
    pub fn command(&self, program: impl Into<OsString>) -> Command {
        Command::new(self.clone(), program.into())
    }

    /// The directories that the root is made of, lowest first.
    pub fn layers(&self) -> impl Iterator<Item = &Path> {
        self.layers.iter().map(PathBuf::as_path)
    }
}
