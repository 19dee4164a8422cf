//! Writing file system images with mkfs.erofs of the tools.
//!
//! Not compressed: a machine without hardware virtualisation would spend more time on decompressing
//! than the host on reading. Times are one second after the beginning, as in `/nix/store`, and the identifier is fixed, so that the same tree gives
//! the same bytes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use snowglobe_sandbox::{Access, Ids, Privileges};

use crate::cache::{Bucket, disk_use};
use crate::step;
use crate::{Error, Images, Result, Tools};

const LIMIT: Duration = Duration::from_secs(900);
const IMAGE: &str = "image.erofs";
/// Bytes that must be free beyond the size of what goes into an image.
const SLACK: u64 = 16 << 20;
const OPTIONS: [&str; 5] = [
    "--quiet",
    "-T1",
    "-x1",
    "-U",
    "534e4f57-474c-4f42-4500-000000000001",
];

impl Images {
    /// An image in the cache, made by `build` if it is not there or was changed since. `build` gets
    /// the entry's directory and writes `file` in it.
    pub(crate) fn image(
        &self,
        key: &str,
        file: &str,
        what: &str,
        build: impl Fn(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let entry = self.make_intact(Bucket::Images, key, what, |entry| {
            let _step = self.step(what);
            build(entry)
        })?;
        Ok(entry.join(file))
    }

    /// Writes an image of a directory as it is seen inside a sandbox, with all its owners. Further
    /// directories can be shown in place of parts of it.
    pub(crate) fn write_erofs(
        &self,
        tools: &Tools,
        tree: &Path,
        parts: &[(PathBuf, &str)],
        entry: &Path,
    ) -> Result<()> {
        // mkfs.erofs 1.8.6 waits for ever when it cannot write.
        let needed = disk_use(tree) + parts.iter().map(|(part, _)| disk_use(part)).sum::<u64>();
        let disk = rustix::fs::statvfs(entry).map_err(std::io::Error::from)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < needed + needed / 16 + SLACK {
            return Err(Error::NoSpace {
                step: "write a file system image".to_owned(),
                path: entry.to_owned(),
            });
        }
        let mut sandbox = tools.sandbox();
        sandbox
            .ids(Ids::Range)
            .privileges(Privileges::Install)
            .bind(tree, "/mnt/in", Access::ReadOnly)
            .bind(entry, "/mnt/out", Access::ReadWrite);
        for (source, target) in parts {
            sandbox.bind(source, Path::new("/mnt/in").join(target), Access::ReadOnly);
        }
        let mut command = step::command(&sandbox, "/usr/bin/mkfs.erofs");
        command
            .args(OPTIONS)
            .args([&format!("/mnt/out/{IMAGE}"), "/mnt/in"]);
        self.run(&mut command, "write a file system image", LIMIT)?;
        Ok(())
    }

    /// Makes or finds the image of the files in a tar stream. The caller names it by `key`, which
    /// must change when the stream does; `write` writes the stream, and is not called if the image
    /// is there. Needs no rights: owners are in the stream.
    pub fn stream_to_erofs(
        &self,
        key: &str,
        step: &str,
        write: &(dyn Fn(&mut dyn Write) -> Result<()> + Sync),
    ) -> Result<PathBuf> {
        let tools = self.tools(&[])?;
        self.image(key, IMAGE, step, |entry| {
            let mut sandbox = tools.sandbox();
            sandbox.bind(entry, "/mnt/out", Access::ReadWrite);
            let mut command = step::command(&sandbox, "/usr/bin/mkfs.erofs");
            command
                .args(OPTIONS)
                .args(["--tar=f", &format!("/mnt/out/{IMAGE}")]);
            let (read, mut pipe) = std::io::pipe()?;
            command.stdin(read);
            let result = std::thread::scope(|scope| {
                let writer = scope.spawn(move || write(&mut pipe));
                let run = self.run(&mut command, step, LIMIT);
                // The read end is gone with the command, so that the writer cannot wait for ever.
                drop(command);
                let written = writer
                    .join()
                    .unwrap_or_else(|p| std::panic::resume_unwind(p));
                (run, written)
            });
            match result {
                // A failed mkfs.erofs says why; the broken pipe behind it does not matter.
                (Err(error), _) => Err(error),
                (Ok(_), written) => written,
            }
        })
    }
}
