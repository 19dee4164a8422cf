//! The folder of all runs: listing it and keeping it small.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use snowglobe_events::{Event, Kind, Outcome, Reader};

/// A run that was kept.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptRun {
    /// Its folder.
    pub path: PathBuf,
    /// Name of the test, or what stands for it.
    pub title: String,
    /// The `.nix` file.
    pub file: Option<String>,
    /// When it began, in microseconds since 1970.
    pub wall: u64,
    /// How it ended; `None`: it is under way, or was killed.
    pub outcome: Option<Outcome>,
    /// Microseconds up to its last event.
    pub duration: u64,
    /// Whether a process is writing it.
    pub under_way: bool,
    /// Whether it was a person's session with the machines (`interactive`, `shell`, `resume`).
    pub attended: bool,
}

/// All runs below a folder, the latest first. What is no run is left out.
///
/// # Errors
///
/// When the folder cannot be read; one that does not exist holds no runs.
pub fn list(folder: &Path) -> io::Result<Vec<KeptRun>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut runs = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Ok(Some(run)) = look(&entry.path())
        {
            runs.push(run);
        }
    }
    runs.sort_by(|a, b| (b.wall, &b.path).cmp(&(a.wall, &a.path)));
    Ok(runs)
}

/// Why a run cannot be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// The folder cannot be read.
    #[error("cannot read the runs in {}: {source}", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are no runs at all.
    #[error("there are no runs in {}", .0.display())]
    Empty(PathBuf),
    /// None has such a name.
    #[error("no run in {} is called '{word}'", folder.display())]
    Unknown {
        /// What was asked for.
        word: String,
        /// Where.
        folder: PathBuf,
    },
}

/// The run that a user means: nothing for the latest, else the path of a run folder, its name in
/// the folder of all runs or the beginning of it, or a test's name for its latest run.
///
/// # Errors
///
/// When there is no such run.
pub fn find(folder: &Path, word: Option<&str>) -> Result<KeptRun, FindError> {
    let unreadable = |source| FindError::Folder {
        folder: folder.to_owned(),
        source,
    };
    if let Some(word) = word.filter(|word| word.contains('/') || *word == ".") {
        let path = std::path::absolute(word).map_err(unreadable)?;
        let run = look(&path).map_err(unreadable)?;
        return run.ok_or_else(|| FindError::Unknown {
            word: word.to_owned(),
            folder: folder.to_owned(),
        });
    }
    let runs = list(folder).map_err(unreadable)?;
    let Some(word) = word else {
        let latest = runs.into_iter().next();
        return latest.ok_or_else(|| FindError::Empty(folder.to_owned()));
    };
    let exact = runs.iter().position(|run| run.name() == word);
    let begun = || runs.iter().position(|run| run.name().starts_with(word));
    let titled = || runs.iter().position(|run| run.title == word);
    match exact.or_else(titled).or_else(begun) {
        Some(index) => Ok(runs[index].clone()),
        None => Err(FindError::Unknown {
            word: word.to_owned(),
            folder: folder.to_owned(),
        }),
    }
}

impl KeptRun {
    /// Its name in the folder of all runs.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// One run; `None` if the folder holds none.
///
/// # Errors
///
/// When its events cannot be read.
pub fn look(folder: &Path) -> io::Result<Option<KeptRun>> {
    let mut file = match File::open(folder.join("events.jsonl")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut run = KeptRun {
        path: folder.to_owned(),
        title: String::new(),
        file: None,
        wall: 0,
        outcome: None,
        duration: 0,
        // Whoever writes it holds a lock.
        under_way: matches!(
            file.try_lock_shared(),
            Err(std::fs::TryLockError::WouldBlock)
        ),
        attended: false,
    };
    let mut take = |event: Event| {
        run.duration = event.elapsed;
        match event.kind {
            Kind::RunStarted {
                title,
                file,
                attended,
                ..
            } => {
                run.title = title;
                run.file = file;
                run.attended = attended;
                run.wall = event.wall;
            }
            Kind::Planned { test, .. } if !test.is_empty() => run.title = test,
            Kind::RunFinished { outcome, duration } => {
                run.outcome = Some(outcome);
                run.duration = duration;
            }
            _ => {}
        }
    };
    // The plan is among the first events, the outcome is the last one.
    Reader::new(BufReader::new(&file))
        .take(40)
        .map_while(Result::ok)
        .for_each(&mut take);
    const END: u64 = 64 << 10;
    let length = file.metadata()?.len();
    if length > END {
        file.seek(SeekFrom::Start(length - END))?;
        let mut end = BufReader::new(file.take(END));
        // The first line is cut somewhere.
        end.read_until(b'\n', &mut Vec::new())?;
        Reader::new(end).map_while(Result::ok).for_each(&mut take);
    } else {
        file.rewind()?;
        Reader::new(BufReader::new(&file))
            .map_while(Result::ok)
            .for_each(&mut take);
    }
    Ok(Some(run))
}

/// Removes the oldest runs until at most `keep` are left; gives what was removed. Runs that are
/// under way stay, and so does whatever is no run.
///
/// # Errors
///
/// When the folder cannot be read or a run cannot be removed.
pub fn clean(folder: &Path, keep: usize) -> io::Result<Vec<KeptRun>> {
    let mut removed = Vec::new();
    let finished = list(folder)?.into_iter().filter(|run| !run.under_way);
    for run in finished.skip(keep) {
        remove(&run)?;
        removed.push(run);
    }
    Ok(removed)
}

/// Removes a run.
///
/// # Errors
///
/// When it is under way, or cannot be removed.
pub fn remove(run: &KeptRun) -> io::Result<()> {
    if run.under_way {
        let message = format!("the run {} is under way", run.path.display());
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
    }
    // Gone from the list at once, even when the rest takes a while or fails.
    let events = run.path.join("events.jsonl");
    match std::fs::remove_file(&events) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::fs::remove_dir_all(&run.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RunFolder, View};
    use snowglobe_events::{Level, Sink};

    fn make(folder: &Path, name: &str, lines: usize, outcome: Option<Outcome>) -> RunFolder {
        let path = folder.join(name);
        std::fs::create_dir(&path).unwrap();
        let mut keeper = RunFolder::new(&path).unwrap();
        let sink = Sink::new();
        let queue = sink.subscribe();
        let root = sink.scope();
        let (title, file, version) = (name.to_owned(), None, String::new());
        root.emit(Kind::RunStarted {
            format: 1,
            version,
            title,
            file,
            attended: false,
        });
        for _ in 0..lines {
            let message = "a line of some length, so that there are many bytes".to_owned();
            root.emit(Kind::Log {
                level: Level::Info,
                message,
            });
        }
        if let Some(outcome) = outcome {
            root.emit(Kind::RunFinished {
                outcome,
                duration: 7,
            });
        }
        sink.close();
        queue.iter().for_each(|event| keeper.event(&event));
        keeper.tick();
        keeper
    }

    #[test]
    fn runs_are_listed_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(list(&folder.path().join("none")).unwrap(), []);
        drop(make(folder.path(), "old", 0, Some(Outcome::Passed)));
        drop(make(folder.path(), "long", 3000, Some(Outcome::Failed)));
        drop(make(folder.path(), "killed", 3, None));
        let under_way = make(folder.path(), "busy", 3, None);
        std::fs::create_dir(folder.path().join("something else")).unwrap();

        let runs = list(folder.path()).unwrap();
        let short: Vec<_> = runs
            .iter()
            .map(|run| (run.title.as_str(), run.outcome, run.under_way))
            .collect();
        assert_eq!(
            short,
            [
                ("busy", None, true),
                ("killed", None, false),
                ("long", Some(Outcome::Failed), false),
                ("old", Some(Outcome::Passed), false),
            ]
        );
        assert_eq!(runs[3].duration, 7);
        for (word, found) in [
            (None, Some("busy")),
            (Some("lo"), Some("long")),
            (Some("old"), Some("old")),
            (Some("none"), None),
        ] {
            let run = find(folder.path(), word).ok().map(|run| run.title);
            assert_eq!(run.as_deref(), found, "{word:?}");
        }
        let path = folder.path().join("killed");
        let run = find(Path::new("/nowhere"), path.to_str()).unwrap();
        assert_eq!(run.title, "killed");
        assert!(remove(&runs[0]).is_err());
        let gone = clean(folder.path(), 1).unwrap();
        assert_eq!(gone.len(), 2);
        assert_eq!(list(folder.path()).unwrap().len(), 2);
        assert!(folder.path().join("something else").exists());
        drop(under_way);
        assert_eq!(clean(folder.path(), 0).unwrap().len(), 2);
    }
}
