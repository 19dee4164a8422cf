//! From events to what people and programs read.
//!
//! A [`View`] gets the events of a run one by one, live or replayed from a run folder; it cannot
//! tell the difference. [`follow`] feeds views from a sink's queue, [`replay`] from a file.
//!
//! | view | for |
//! | --- | --- |
//! | [`Terminal`] | a person at a terminal, or its log |
//! | [`Classic`] | who wants upstream's log format |
//! | [`JsonLines`] | programs |
//! | [`Watch`] | whoever started the run |
//! | [`Board`] | a person who runs many tests at once (it looks at a `Watch` of each) |
//! | [`RunFolder`] | later: the events, a file for each machine's console and journal, JUnit, the page |

mod board;
mod classic;
mod failure;
mod fold;
mod folder;
mod html;
mod json;
mod junit;
mod paint;
pub mod runs;
mod terminal;
mod watch;
mod words;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use snowglobe_events::{Event, ReadError, Reader};

pub use board::{Board, Counts, failures};
pub use classic::Classic;
pub use fold::{Failed, Fold, Machine, Open, OpenKind, Shown, Subtest, Summary};
pub use folder::{FolderError, RunFolder};
pub use html::page;
pub use json::JsonLines;
pub use junit::{junit, junit_of_watches};
pub use paint::{Paint, source_colors};
pub use terminal::{Options, Terminal};
pub use watch::{Watch, rates, table};

/// A reader of the stream.
pub trait View: Send {
    /// Something happened.
    fn event(&mut self, event: &Event);
    /// Some time passed, in which nothing may have happened.
    fn tick(&mut self) {}
    /// Nothing more comes.
    fn end(&mut self) {}
}

/// Feeds views from a sink's queue until it ends; for a thread of its own.
pub fn follow(queue: &Receiver<Arc<Event>>, views: &mut [Box<dyn View>]) {
    loop {
        match queue.recv_timeout(Duration::from_millis(200)) {
            Ok(event) => views.iter_mut().for_each(|view| view.event(&event)),
            Err(RecvTimeoutError::Timeout) => views.iter_mut().for_each(|view| view.tick()),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    views.iter_mut().for_each(|view| view.end());
}

/// Why a run cannot be shown again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The file cannot be opened.
    #[error(transparent)]
    Open(io::Error),
    /// It is no stream of events.
    #[error(transparent)]
    Read(ReadError),
}

/// Feeds views from a run's `events.jsonl`.
///
/// # Errors
///
/// When the file cannot be read; the views have seen what comes before that.
pub fn replay(path: &Path, views: &mut [Box<dyn View>]) -> Result<(), ReplayError> {
    let file = fs_err::File::open(path).map_err(ReplayError::Open)?;
    for event in Reader::new(io::BufReader::new(file)) {
        let event = event.map_err(ReplayError::Read)?;
        views.iter_mut().for_each(|view| view.event(&event));
    }
    views.iter_mut().for_each(|view| view.end());
    Ok(())
}
