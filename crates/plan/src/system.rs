//! What a machine runs: everything that goes into its system layer.

use serde::{Deserialize, Serialize};

use crate::StorePath;

/// A NixOS system as data. The image builder turns it into one file system layer; nothing of it
/// is computed when the machine boots, except `activation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct System {
    /// `system.build.toplevel`: becomes `/run/current-system`; its closure is `/nix/store`.
    pub toplevel: StorePath,
    /// Entries of `/etc`.
    pub etc: Vec<EtcEntry>,
    /// Becomes `/etc/passwd` and `/etc/shadow`.
    pub users: Vec<User>,
    /// Becomes `/etc/group`.
    pub groups: Vec<Group>,
    /// `/run/wrappers/bin`.
    #[serde(default)]
    pub wrappers: Vec<Wrapper>,
    /// Kernel, its parameters and modules.
    pub kernel: Kernel,
    /// File systems besides the root, in mount order. Those needed for boot are mounted by the
    /// first process, the others by systemd from `/etc/fstab`.
    #[serde(default)]
    pub file_systems: Vec<FileSystem>,
    /// `boot.initrd.postDeviceCommands` and friends: shell run once, before anything is mounted.
    #[serde(default)]
    pub initrd_commands: String,
    /// A program run as root at every boot, after the layers are mounted and before systemd
    /// starts; `None` when the configuration has no activation scripts of its own.
    #[serde(default)]
    pub activation: Option<StorePath>,
    /// Debian packages whose files the machine needs besides those of `builtin:debian` derivations
    /// in the closure of `toplevel`, such as D-Bus service files.
    #[serde(default)]
    pub debian_packages: Vec<String>,
}

/// `environment.etc.<target>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EtcEntry {
    /// Path below `/etc`, without a leading slash.
    pub target: String,
    /// An absolute path in the machine, nearly always in the store; a directory is linked as one.
    pub source: String,
    /// How it appears.
    pub kind: EtcKind,
}

/// How an entry of `/etc` appears in the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, tag = "type")]
pub enum EtcKind {
    /// A link to `/etc/static/<target>`, which is a link to the source.
    Symlink,
    /// A link straight to the source.
    DirectSymlink,
    /// A copy with mode and owner of its own.
    #[serde(rename_all = "camelCase")]
    File {
        /// Octal, such as `0440`.
        mode: String,
        /// Name, or `+ID`.
        user: String,
        /// Name, or `+ID`.
        group: String,
    },
}

/// `users.users.<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct User {
    /// Login name.
    pub name: String,
    /// `None`: from 1000 up for normal users, else fixed for the name (see `images::ids`).
    #[serde(default)]
    pub uid: Option<u32>,
    /// Name of the primary group.
    pub group: String,
    /// Groups besides the primary one.
    #[serde(default)]
    pub extra_groups: Vec<String>,
    /// GECOS field.
    #[serde(default)]
    pub description: String,
    /// Home directory.
    pub home: String,
    /// Octal mode of the home directory, when it is created.
    #[serde(default)]
    pub home_mode: Option<String>,
    /// Whether the home directory exists before the first boot.
    #[serde(default)]
    pub create_home: bool,
    /// Absolute path of the login shell.
    pub shell: String,
    /// Whether this is a person's account.
    #[serde(default)]
    pub is_normal: bool,
    /// Whether the user's systemd runs without a session.
    #[serde(default)]
    pub linger: bool,
    /// How one logs in.
    pub password: Password,
    /// Ranges of subordinate ids, each `(start, count)`.
    #[serde(default)]
    pub sub_ids: Vec<(u32, u32)>,
}

/// What stands in the password field of `/etc/shadow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, tag = "type")]
pub enum Password {
    /// No password will do.
    Locked,
    /// Anyone may log in without one.
    Empty,
    /// A clear text, hashed by the image builder.
    #[expect(missing_docs, reason = "the text")]
    Plain { value: String },
    /// As `crypt` writes it.
    #[expect(missing_docs, reason = "the hash")]
    Hash { value: String },
    /// A file in the machine's store, or another absolute path readable when the layer is built.
    #[expect(missing_docs, reason = "the path")]
    HashFile { path: String },
}

/// `users.groups.<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// Name.
    pub name: String,
    /// `None`: fixed for the name (see `images::ids`).
    #[serde(default)]
    pub gid: Option<u32>,
    /// Members besides the users that name the group themselves.
    #[serde(default)]
    pub members: Vec<String>,
}

/// `security.wrappers.<name>`: a program with rights of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wrapper {
    /// Name below `/run/wrappers/bin`.
    pub program: String,
    /// The program itself.
    pub source: String,
    /// Name of the owner.
    pub owner: String,
    /// Name of the group.
    pub group: String,
    /// Runs as its owner.
    #[serde(default)]
    pub setuid: bool,
    /// Runs as its group.
    #[serde(default)]
    pub setgid: bool,
    /// As `setcap` takes them; empty: none.
    #[serde(default)]
    pub capabilities: String,
    /// Symbolic (`u+rx,g+x,o+x`) or octal.
    pub permissions: String,
}

/// Kernel and modules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kernel {
    /// Parameters of the configuration; the machine adds its own (console, root).
    #[serde(default)]
    pub params: Vec<String>,
    /// Loaded by the first process, with what they depend on.
    #[serde(default)]
    pub initrd_modules: Vec<String>,
}

/// `fileSystems.<mountPoint>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileSystem {
    /// Where.
    pub mount_point: String,
    /// What: a device path, a label path, or the source of a special file system.
    pub device: String,
    /// Type as `mount -t` takes it.
    pub fs_type: String,
    /// Mount options.
    #[serde(default)]
    pub options: Vec<String>,
    /// Make the file system when the device is blank.
    #[serde(default)]
    pub auto_format: bool,
    /// Mounted by the first process.
    #[serde(default)]
    pub needed_for_boot: bool,
}
