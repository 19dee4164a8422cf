//! What runs and the cache may keep: made smaller at the end of a command, so that nobody has to remember to.

use snowglobe_images::{Bound, Bucket, Cache};

use crate::amounts::{human, size};
use crate::commands::runs;
use crate::error::{CliError, Result};
use crate::session::Session;

/// Name of the variable that says how large the cache may be.
const LIMIT: &str = "SNOWGLOBE_CACHE_LIMIT";

/// `$SNOWGLOBE_CACHE_LIMIT`: `10G`, or `none`.
pub fn bound() -> Result<Bound> {
    match std::env::var(LIMIT) {
        Err(std::env::VarError::NotPresent) => Ok(Bound::Usual),
        Ok(text) if text.is_empty() => Ok(Bound::Usual),
        Ok(text) if text == "none" => Ok(Bound::None),
        Ok(text) => match size(&text) {
            Ok(bytes) => Ok(Bound::Bytes(bytes)),
            Err(error) => Err(CliError::unusable(format!("{LIMIT}: {error}"))
                .hint("a size as in 20G, or none to let the cache grow")),
        },
        Err(error) => Err(CliError::unusable(format!("{LIMIT}: {error}"))),
    }
}

/// Removes the oldest runs, and of the cache what was not used for longest, if there is too much. What
/// this invocation or another one uses stays.
pub fn tidy(session: &Session) {
    runs::tidy(&session.workshop.places.runs());
    // Whoever interrupted it does not wait for this.
    if session.interrupt.requested() {
        return;
    }
    // What this command was asked for is done; what fails here is tried again by the next one.
    let removed = Cache::open(&session.workshop.places.cache)
        .ok()
        .and_then(|cache| cache.keep_below(session.bound).ok())
        .unwrap_or_default();
    if removed.is_empty() {
        return;
    }
    let bytes: u64 = removed.iter().map(|entry| entry.size).sum();
    let machines = removed
        .iter()
        .filter(|entry| entry.bucket == Bucket::Snapshots)
        .count();
    anstream::eprintln!(
        "note: the cache was too large; {} that had not been used for longest are gone ({machines} saved machines among {} entries; {LIMIT} sets how much may stay)",
        human(bytes),
        removed.len(),
    );
}
