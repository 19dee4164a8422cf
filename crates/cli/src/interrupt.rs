//! Ctrl-C and friends: the first asks for an orderly end, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::{CliError, Result};

/// Whether the user wants us to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<State>);

#[derive(Debug, Default)]
struct State {
    requested: AtomicBool,
    /// Ctrl-C is meant for a shell that we have started.
    left_to_shell: AtomicBool,
}

impl Interrupt {
    /// Listens for SIGINT, SIGTERM and SIGHUP. `on_first` runs once, on another thread.
    pub fn listen(on_first: impl Fn() + Send + 'static) -> Result<Self> {
        let flag = Self::default();
        let seen = flag.clone();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(CliError::from)?;
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    if signal == SIGINT && seen.0.left_to_shell.load(Ordering::SeqCst) {
                        continue;
                    }
                    if seen.0.requested.swap(true, Ordering::SeqCst) {
                        // Sandboxes and machines die with us; nothing is left behind.
                        signal_hook::low_level::exit(128 + signal);
                    }
                    on_first();
                }
            })
            .map_err(CliError::from)?;
        Ok(flag)
    }

    /// Whether a signal came.
    pub fn requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    /// From now on, Ctrl-C is left to a program that shares our terminal.
    pub fn leave_to_shell(&self) {
        self.0.left_to_shell.store(true, Ordering::SeqCst);
    }

    /// An error if a signal came.
    pub fn check(&self) -> Result<()> {
        if self.requested() {
            Err(CliError::interrupted())
        } else {
            Ok(())
        }
    }
}
