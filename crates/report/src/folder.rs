//! The run folder.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use snowglobe_events::{Event, Kind, write_line};

use crate::View;
use crate::fold::Fold;
use crate::junit::junit;

/// Why a run folder could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FolderError {
    /// `create`, `write`.
    pub action: &'static str,
    /// Where.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Keeps a run: `events.jsonl`, `machines/NAME/console.log` and `journal.log`, and at the end
/// `junit.xml` and `report.html`. All of it can be made again from `events.jsonl`.
pub struct RunFolder {
    root: PathBuf,
    events: Option<BufWriter<File>>,
    files: HashMap<(String, &'static str), BufWriter<File>>,
    fold: Fold,
    /// The first thing that went wrong; nothing is written after it.
    error: Option<FolderError>,
}

impl RunFolder {
    /// Begins a run folder in a directory that exists.
    ///
    /// # Errors
    ///
    /// When `events.jsonl` cannot be made there.
    pub fn new(root: &Path) -> Result<Self, FolderError> {
        let path = root.join("events.jsonl");
        let file = File::create(&path).and_then(|file| {
            // Says that the run is under way, until this process ends.
            file.lock()?;
            Ok(file)
        });
        let file = file.map_err(|source| FolderError {
            action: "create",
            path,
            source,
        })?;
        Ok(Self {
            events: Some(BufWriter::new(file)),
            ..Self::remake(root)
        })
    }

    /// Makes everything but `events.jsonl` again, from replayed events.
    pub fn remake(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            events: None,
            files: HashMap::new(),
            fold: Fold::new(),
            error: None,
        }
    }

    fn keep(&mut self, action: &'static str, path: PathBuf, result: io::Result<()>) {
        if let (Err(source), None) = (result, &self.error) {
            self.error = Some(FolderError {
                action,
                path,
                source,
            });
        }
    }

    fn machine_line(&mut self, machine: &str, name: &'static str, line: &str) {
        // Names come from the plan; one that is no file name has no file.
        if machine.is_empty() || machine.starts_with('.') || machine.contains(['/', '\0']) {
            return;
        }
        let folder = self.root.join("machines").join(machine);
        let path = folder.join(name);
        let key = (machine.to_owned(), name);
        if !self.files.contains_key(&key) {
            match std::fs::create_dir_all(&folder).and_then(|()| File::create(&path)) {
                Ok(file) => {
                    self.files.insert(key.clone(), BufWriter::new(file));
                }
                Err(error) => return self.keep("create", path, Err(error)),
            }
        }
        if let Some(file) = self.files.get_mut(&key) {
            let result = writeln!(file, "{line}");
            self.keep("write", path, result);
        }
    }

    fn whole(&mut self, name: &str, text: &str) {
        let path = self.root.join(name);
        let result = tempfile::NamedTempFile::new_in(&self.root).and_then(|mut file| {
            use std::os::unix::fs::PermissionsExt;
            file.write_all(text.as_bytes())?;
            file.as_file()
                .set_permissions(std::fs::Permissions::from_mode(0o644))?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        });
        self.keep("write", path, result);
    }

    fn flush(&mut self) {
        let path = self.root.join("events.jsonl");
        if let Some(events) = &mut self.events {
            let result = events.flush();
            self.keep("write", path, result);
        }
        for file in self.files.values_mut() {
            let _ = file.flush();
        }
    }
}

impl View for RunFolder {
    fn event(&mut self, event: &Event) {
        self.fold.event(event);
        if self.error.is_some() {
            return;
        }
        if let Some(events) = &mut self.events {
            let result = write_line(events, event);
            self.keep("write", self.root.join("events.jsonl"), result);
        }
        let Some(machine) = &event.machine else {
            return;
        };
        let seconds = event.elapsed as f64 / 1e6;
        match &event.kind {
            Kind::Console { line } => {
                let line = format!("[{seconds:10.3}] {line}");
                self.machine_line(machine, "console.log", &line);
            }
            Kind::Journal {
                unit,
                identifier,
                pid,
                message,
                ..
            } => {
                let who = identifier.as_deref().or(unit.as_deref()).unwrap_or("?");
                let pid = pid.map(|pid| format!("[{pid}]")).unwrap_or_default();
                let line = format!("[{seconds:10.3}] {who}{pid}: {message}");
                self.machine_line(machine, "journal.log", &line);
            }
            _ => {}
        }
    }

    fn tick(&mut self) {
        self.flush();
    }

    fn end(&mut self) {
        self.flush();
        let xml = junit(&self.fold);
        self.whole("junit.xml", &xml);
        let page = crate::html::page(&self.root);
        match page {
            Ok(page) => self.whole("report.html", &page),
            Err(error) => {
                let path = self.root.join("report.html");
                self.keep("write", path, Err(error));
            }
        }
        if let Some(error) = &self.error {
            // The run itself is not hurt by a full disk; its keeper is.
            let _ = writeln!(
                io::stderr(),
                "warning: the run folder is not complete: {error}"
            );
        }
    }
}
