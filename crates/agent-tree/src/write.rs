//! From entries to files.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fchmod, mkdirat, openat, symlinkat, unlinkat};
use rustix::io::Errno;
use snowglobe_agent_protocol::{Entry, EntryKind};

use crate::TreeError;

/// Writes a tree as it comes.
#[derive(Debug)]
pub struct TreeWriter {
    target: PathBuf,
    /// The target, once it is known to be a directory.
    root: Option<OwnedFd>,
    file: Option<File>,
    begun: bool,
    /// Directories get their mode last, so that those that cannot be written can be filled.
    modes: Vec<(Vec<String>, Mode)>,
}

impl TreeWriter {
    /// A tree that becomes `target`. Its parents are made as needed. A file in its place is
    /// overwritten, a directory is merged into.
    pub fn new(target: impl Into<PathBuf>) -> Result<Self, TreeError> {
        let target = target.into();
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(|error| TreeError::io("create", parent, error))?;
        }
        Ok(Self {
            target,
            root: None,
            file: None,
            begun: false,
            modes: Vec::new(),
        })
    }

    /// A tree that is put at `target` as `cp -r` would: into it, as `name`, if it is a directory.
    pub fn at(target: &Path, name: &str) -> Result<Self, TreeError> {
        if target.is_dir() {
            check(name)?;
            return Self::new(target.join(name));
        }
        Self::new(target)
    }

    /// The next member. True: it was the end, and everything is in place.
    pub fn entry(&mut self, entry: &Entry) -> Result<bool, TreeError> {
        self.file = None;
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        if entry.kind == EntryKind::End {
            self.finish()?;
            return Ok(true);
        }
        let Some((name, above)) = entry.path.split_last() else {
            self.begin(&entry.kind, mode)?;
            return Ok(false);
        };
        check(name)?;
        let directory = self.open(above)?;
        let path = || self.path(&entry.path);
        match &entry.kind {
            EntryKind::Directory => {
                make_directory(&directory, name)
                    .map_err(|error| TreeError::io("create", path(), error))?;
                self.modes.push((entry.path.clone(), mode));
            }
            EntryKind::File { .. } => {
                let file = create(&directory, name, mode)
                    .map_err(|error| TreeError::io("create", path(), error))?;
                self.file = Some(file.into());
            }
            EntryKind::Link { target } => {
                // What stands there is replaced, unless it is a directory.
                match unlinkat(&directory, name, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(error) => return Err(TreeError::io("replace", path(), error)),
                }
                symlinkat(target, &directory, name)
                    .map_err(|error| TreeError::io("create", path(), error))?;
            }
            EntryKind::End => {}
        }
        Ok(false)
    }

    /// Data of the file that came last.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), TreeError> {
        let Some(file) = &mut self.file else {
            return Err(TreeError::Damaged("data without a file".into()));
        };
        file.write_all(bytes)
            .map_err(|error| TreeError::io("write below", &self.target, error))
    }

    fn begin(&mut self, kind: &EntryKind, mode: Mode) -> Result<(), TreeError> {
        if std::mem::replace(&mut self.begun, true) {
            return Err(TreeError::Damaged("a second root".into()));
        }
        let failed = |error: Errno| TreeError::io("create", &self.target, error);
        match kind {
            EntryKind::Directory => {
                make_directory(CWD, &self.target).map_err(failed)?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                self.root = Some(openat(CWD, &self.target, flags, Mode::empty()).map_err(failed)?);
                self.modes.push((Vec::new(), mode));
            }
            EntryKind::File { .. } => {
                self.file = Some(create(CWD, &self.target, mode).map_err(failed)?.into());
            }
            EntryKind::Link { .. } | EntryKind::End => {
                return Err(TreeError::Damaged(
                    "a root that is neither file nor directory".into(),
                ));
            }
        }
        Ok(())
    }

    /// Goes down by descriptors: what is on the way must be a true directory.
    fn open(&self, names: &[String]) -> Result<OwnedFd, TreeError> {
        let Some(root) = &self.root else {
            return Err(TreeError::Damaged("a member without a directory".into()));
        };
        let failed = |error| TreeError::io("open", self.path(names), error);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut directory = root
            .try_clone()
            .map_err(|error| failed(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        for name in names {
            check(name)?;
            directory = openat(&directory, name.as_str(), flags, Mode::empty()).map_err(failed)?;
        }
        Ok(directory)
    }

    fn finish(&mut self) -> Result<(), TreeError> {
        if !self.begun {
            return Err(TreeError::Damaged("no root".into()));
        }
        for (names, mode) in std::mem::take(&mut self.modes).into_iter().rev() {
            let directory = self.open(&names)?;
            fchmod(&directory, mode)
                .map_err(|error| TreeError::io("set the mode of", self.path(&names), error))?;
        }
        Ok(())
    }

    fn path(&self, names: &[String]) -> PathBuf {
        let mut path = self.target.clone();
        path.extend(names);
        path
    }
}

fn check(name: &str) -> Result<(), TreeError> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(TreeError::Damaged(format!("the name {name:?}")));
    }
    Ok(())
}

fn make_directory(at: impl AsFd, name: impl rustix::path::Arg + Copy) -> Result<(), Errno> {
    match mkdirat(at, name, Mode::RWXU) {
        Err(Errno::EXIST) | Ok(()) => Ok(()),
        Err(error) => Err(error),
    }
}

fn create(
    at: impl AsFd,
    name: impl rustix::path::Arg + Copy,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || openat(&at, name, flags, mode | Mode::WUSR);
    let file = match open() {
        // A link in its place: what is written is a file of its own.
        Err(Errno::LOOP) => {
            unlinkat(&at, name, AtFlags::empty())?;
            open()?
        }
        file => file?,
    };
    fchmod(&file, mode)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::{Item, read_tree};

    fn copy(from: &Path, to: &Path) -> Result<(), TreeError> {
        let mut writer = TreeWriter::new(to)?;
        read_tree(from, &mut |item| match item {
            Item::Entry(entry) => writer.entry(&entry).map(drop),
            Item::Data(bytes) => writer.data(bytes),
        })
    }

    fn entry(path: &[&str], kind: EntryKind) -> Entry {
        Entry {
            path: path.iter().map(|&name| name.to_owned()).collect(),
            kind,
            mode: 0o644,
        }
    }

    #[test]
    fn a_tree_comes_back_with_modes_and_followed_links() {
        let place = tempfile::tempdir().unwrap();
        let from = place.path().join("from");
        fs::create_dir_all(from.join("sub/empty")).unwrap();
        fs::write(from.join("sub/file"), vec![7; 100_000]).unwrap();
        fs::set_permissions(from.join("sub/file"), fs::Permissions::from_mode(0o750)).unwrap();
        symlink("sub/file", from.join("link")).unwrap();
        symlink("/nowhere", from.join("dangling")).unwrap();
        symlink("..", from.join("sub/up")).unwrap();
        fs::set_permissions(from.join("sub"), fs::Permissions::from_mode(0o555)).unwrap();

        let to = place.path().join("new/to");
        copy(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("sub/file")).unwrap(), vec![7; 100_000]);
        assert_eq!(
            fs::metadata(to.join("sub/file"))
                .unwrap()
                .permissions()
                .mode()
                & 0o7777,
            0o750
        );
        assert_eq!(
            fs::metadata(to.join("sub")).unwrap().permissions().mode() & 0o7777,
            0o555
        );
        assert!(fs::symlink_metadata(to.join("link")).unwrap().is_file());
        assert_eq!(
            fs::read_link(to.join("dangling")).unwrap(),
            Path::new("/nowhere")
        );
        assert_eq!(fs::read_link(to.join("sub/up")).unwrap(), Path::new(".."));
        assert!(to.join("sub/empty").is_dir());
        for path in [&from, &to] {
            fs::set_permissions(path.join("sub"), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn a_file_goes_into_an_existing_directory_by_its_name() {
        let place = tempfile::tempdir().unwrap();
        for (name, expected) in [("", "in/name"), ("in/other", "in/other")] {
            fs::create_dir_all(place.path().join("in")).unwrap();
            let target = place.path().join(if name.is_empty() { "in" } else { name });
            let mut writer = TreeWriter::at(&target, "name").unwrap();
            writer
                .entry(&entry(&[], EntryKind::File { length: 2 }))
                .unwrap();
            writer.data(b"hi").unwrap();
            assert!(writer.entry(&entry(&[], EntryKind::End)).unwrap());
            assert_eq!(fs::read(place.path().join(expected)).unwrap(), b"hi");
        }
    }

    #[test]
    fn nothing_is_written_outside() {
        let place = tempfile::tempdir().unwrap();
        let outside = place.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let evil: [&[&str]; 5] = [
            &[".."],
            &["a/b"],
            &[""],
            &["link", "x"],
            &["..", "outside", "x"],
        ];
        for path in evil {
            let mut writer = TreeWriter::new(place.path().join("to")).unwrap();
            writer.entry(&entry(&[], EntryKind::Directory)).unwrap();
            let target = outside.to_str().unwrap().to_owned();
            writer
                .entry(&entry(&["link"], EntryKind::Link { target }))
                .unwrap();
            let result = writer.entry(&entry(path, EntryKind::File { length: 0 }));
            assert!(result.is_err(), "{path:?}");
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn wrong_orders_are_errors() {
        let place = tempfile::tempdir().unwrap();
        let mut writer = TreeWriter::new(place.path().join("to")).unwrap();
        assert!(writer.data(b"x").is_err());
        assert!(writer.entry(&entry(&["a"], EntryKind::Directory)).is_err());
        assert!(writer.entry(&entry(&[], EntryKind::End)).is_err());
    }
}
