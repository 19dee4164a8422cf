//! Writing file system images with mkfs.erofs of the tools.
//!
//! Not compressed: a machine without hardware virtualisation would spend more time on decompressing
//! than the host on reading. Times are one second after the beginning, as in `/nix/store`, and the identifier comes from
//! the key, so that the same tree gives the same bytes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use snowglobe_sandbox::{Access, Ids, Privileges};

use crate::cache::{Bucket, TEMPORARY, disk_use};
use crate::step;
use crate::{Error, Images, Result, Tools};

const LIMIT: Duration = Duration::from_secs(900);
const IMAGE: &str = "image.erofs";
/// Bytes that must be free beyond the size of what goes into an image.
const SLACK: u64 = 16 << 20;
const OPTIONS: [&str; 3] = ["--quiet", "-T1", "-x1"];

/// The id of an image's file system, by the entry that will hold it. Different, so that a machine whose root is made of several can
/// tell files of one from those of another: exporting it by NFS depends on that.
fn uuid(entry: &Path) -> String {
    let name = entry.file_name().unwrap_or_default().to_string_lossy();
    let hash = blake3::hash(name.trim_start_matches(TEMPORARY).as_bytes()).to_hex();
    // Version 8, of RFC 9562: made by a rule of our own.
    format!(
        "{}-{}-8{}-8{}-{}",
        &hash[..8],
        &hash[8..12],
        &hash[12..15],
        &hash[15..18],
        &hash[18..30]
    )
}

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
            .args(["-U", &uuid(entry)])
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
                .args(["-U", &uuid(entry)])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_have_ids_of_their_own() {
        let one = uuid(Path::new("/cache/images/.new-base-1"));
        assert_eq!(one, uuid(Path::new("/elsewhere/base-1")));
        assert_ne!(one, uuid(Path::new("/cache/images/.new-base-2")));
        assert_eq!(one.len(), 36);
    }
}
