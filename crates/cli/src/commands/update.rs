//! `snowglobe update`.

use std::io::Write;
use std::sync::Arc;

use crate::error::{Kind, Result};
use crate::progress::Reporter;
use crate::workshop::{Workshop, archive_error};

/// Moves to the archives' present state.
pub fn run() -> Result {
    let reporter = Arc::new(Reporter::default());
    reporter.speak();
    let workshop = Workshop::open(false, reporter)?;
    let before = workshop.archive.current().map_err(archive_error)?;
    let snapshot = workshop.archive.update().map_err(archive_error)?;
    let text = match before {
        Some(before) if before == snapshot.id() => format!("{before}: nothing newer"),
        Some(before) => format!("{before} -> {}", snapshot.id()),
        None => snapshot.id().to_owned(),
    };
    match writeln!(std::io::stdout(), "{text}") {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(Kind::Passed),
    }
}
