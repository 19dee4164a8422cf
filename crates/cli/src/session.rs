//! What all tests of one invocation share.

use std::sync::Arc;

use snowglobe_driver::Cancel;
use snowglobe_images::Bound;

use crate::arguments::Machines;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::progress::Reporter;
use crate::room;
use crate::workshop::Workshop;

/// Caches, the user's wish to stop, and how machines run.
pub struct Session {
    /// Caches and archives.
    pub workshop: Workshop,
    /// Hears about downloads and builds.
    pub reporter: Arc<Reporter>,
    /// Whether the user wants to stop.
    pub interrupt: Interrupt,
    /// Stops what runs; cancelled by the first signal.
    pub cancel: Cancel,
    /// How machines run.
    pub machines: Machines,
    /// How large the cache may be when everything is done.
    pub bound: Bound,
}

impl Session {
    /// Opens caches and listens for signals.
    pub fn open(machines: &Machines) -> Result<Self> {
        let bound = room::bound()?;
        let reporter = Arc::new(Reporter::default());
        let workshop = Workshop::open(machines.offline, reporter.clone())?;
        let cancel = Cancel::new();
        let hook = cancel.clone();
        let interrupt = Interrupt::listen(move || hook.cancel())?;
        reporter.obey(&interrupt);
        Ok(Self {
            workshop,
            reporter,
            interrupt,
            cancel,
            machines: machines.clone(),
            bound,
        })
    }
}
