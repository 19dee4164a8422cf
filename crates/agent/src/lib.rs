//! What Snowglobe runs inside a machine.
//!
//! * [`init`]: first process of the initrd. Mounts the machine's layers and disk, starts the service,
//!   becomes systemd.
//! * [`service`]: carries out what the host asks for, from before systemd runs until the power goes.
//! * [`dbus`]: as much of D-Bus as systemd's manager needs.
//!
//! The program is static and small, since it lies in every initrd and since its pages are
//! translated anew in every emulated machine. So: no name service (a static glibc cannot load
//! its modules; `getent` is asked instead), few dependencies.

pub mod dbus;
pub mod init;
pub mod service;
