//! Waits for files.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::inotify;
use snowglobe_agent_protocol::{Exec, Failure, Outcome, Timing, Until};

use super::call::{Answer, Call, deadline, earlier, system, wait as wait_for};
use super::session::Context;
use super::until;

/// What is mounted over a directory, or lies on a file system that does not tell, shows no event.
const LOOK: Duration = Duration::from_millis(250);

pub fn wait(
    context: &Context,
    call: &Call,
    path: &str,
    exists: bool,
    timeout_ms: Option<u64>,
) -> Result<Answer, Failure> {
    let reached = if is_plain(path) {
        wait_plain(call, Path::new(path), exists, timeout_ms)?
    } else {
        wait_by_shell(context, call, path, exists, timeout_ms)?
    };
    Ok(Outcome::Reached(reached).into())
}

/// An absolute path in which a shell would change nothing.
fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@,%=".contains(c);
    path.starts_with('/') && path.chars().all(plain)
}

fn wait_by_shell(
    context: &Context,
    call: &Call,
    path: &str,
    exists: bool,
    timeout_ms: Option<u64>,
) -> Result<bool, Failure> {
    let exec = Exec {
        strict: true,
        timing: Timing::Login,
        ..Exec::default()
    };
    let until = Until {
        exec,
        success: exists,
        timeout_ms,
        max_pause_ms: 1000,
    };
    let answer = until::run(context, call, until, format!("test -e {path}").as_bytes())?;
    Ok(matches!(
        answer.outcome,
        Outcome::Until { reached: true, .. }
    ))
}

fn wait_plain(
    call: &Call,
    path: &Path,
    exists: bool,
    timeout_ms: Option<u64>,
) -> Result<bool, Failure> {
    let end = deadline(timeout_ms);
    loop {
        // Watch first, look then: what happens in between is not missed.
        let watch = watch(path);
        if path.exists() == exists {
            return Ok(true);
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            return Ok(false);
        }
        // Without a watch (their number is limited) it is looked at more often.
        let pause = if watch.is_some() {
            LOOK
        } else {
            Duration::from_millis(20)
        };
        let until = earlier(end, Some(Instant::now() + pause));
        let event = call.event();
        let mut descriptors = vec![PollFd::new(&event, PollFlags::IN)];
        if let Some(watch) = &watch {
            descriptors.push(PollFd::new(watch, PollFlags::IN));
        }
        wait_for(&mut descriptors, until).map_err(|error| system("wait", error))?;
        call.clear();
        call.check()?;
    }
}

/// Watches the deepest directories on the way that exist, links on it followed.
fn watch(path: &Path) -> Option<OwnedFd> {
    use inotify::{CreateFlags, WatchFlags};
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    let flags = WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::MOVED_FROM
        | WatchFlags::DELETE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF;
    let mut places: Vec<PathBuf> = path.ancestors().skip(1).map(Path::to_path_buf).collect();
    // A dangling link: its target appears elsewhere.
    if let Ok(target) = fs::read_link(path)
        && let Some(parent) = path.parent()
        && let Some(place) = parent.join(target).parent()
    {
        places.insert(0, place.to_path_buf());
    }
    let deepest = places
        .iter()
        .find(|place| inotify::add_watch(&watch, place.as_path(), flags).is_ok())?;
    // The directory itself may be replaced.
    if let Some(parent) = deepest.parent() {
        let _ = inotify::add_watch(&watch, parent, flags);
    }
    Some(watch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_expand_is_not_plain() {
        for plain in ["/tmp/a", "/dev/disk/by-id/x:0", "/äö"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in [
            "/tmp/*", "$HOME/x", "~/x", "a", "/a b", "/a\\ b", "'/a'", "/a;b", "",
        ] {
            assert!(!is_plain(other), "{other}");
        }
    }
}
