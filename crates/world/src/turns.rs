//! Turns: as many machines are baked at once on a host as it has processors.
//!
//! Without hardware help a boot keeps a processor busy. Machines that are booted to be saved have no
//! script that waits for them to be up together, so they take turns; else fifteen nodes on two
//! processors would all be so slow that time limits inside them fire. Turns are locks of files beside
//! the snapshots: every process that shares these takes part, and a killed one leaves nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use snowglobe_driver::{Fault, Limit};

/// How often a turn is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// The places of a host.
#[derive(Clone, Debug)]
pub struct Turns {
    directory: PathBuf,
    places: usize,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "its lock is what counts")] fs::File);

impl Turns {
    /// One place for each processor.
    pub fn new(directory: &Path) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_places(directory, processors)
    }

    fn with_places(directory: &Path, places: usize) -> Self {
        Self {
            directory: directory.join(".turns"),
            places,
        }
    }

    /// Waits for a place.
    pub fn take(&self, limit: &Limit) -> Result<Turn, Fault> {
        loop {
            // First: nothing is begun when all is being ended.
            if limit.cancel.is_cancelled() {
                return Err(Fault::Cancelled);
            }
            let place = self.try_take();
            if let Some(turn) = place.map_err(|error| Fault::failed(error.to_string()))? {
                return Ok(turn);
            }
            if limit.over() {
                return Err(Fault::TimedOut);
            }
            limit.sleep(LOOK);
        }
    }

    fn try_take(&self) -> io::Result<Option<Turn>> {
        fs::create_dir_all(&self.directory)?;
        for place in 0..self.places {
            let path = self.directory.join(place.to_string());
            let file = fs::File::options().create(true).append(true).open(path)?;
            match file.file().try_lock() {
                Ok(()) => return Ok(Some(Turn(file))),
                Err(std::fs::TryLockError::WouldBlock) => {}
                Err(std::fs::TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use snowglobe_driver::Cancel;

    use super::*;

    #[test]
    fn no_more_have_a_turn_than_there_are_places() {
        let directory = tempfile::tempdir().unwrap();
        let turns = Turns::with_places(directory.path(), 2);
        let limit = Limit::new(Some(Duration::from_secs(60)), &Cancel::new());
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..7 {
                scope.spawn(|| {
                    let _turn = turns.take(&limit).unwrap();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(20));
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 2);
    }

    #[test]
    fn waiting_ends_with_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let turns = Turns::with_places(directory.path(), 1);
        let held = turns.take(&Limit::default()).unwrap();
        let short = Limit::new(Some(Duration::from_millis(1)), &Cancel::new());
        assert!(matches!(turns.take(&short), Err(Fault::TimedOut)));
        let stopped = Limit::default();
        stopped.cancel.cancel();
        assert!(matches!(turns.take(&stopped), Err(Fault::Cancelled)));
        drop(held);
        assert!(matches!(turns.take(&stopped), Err(Fault::Cancelled)));
        assert!(turns.take(&short).is_ok());
    }
}
