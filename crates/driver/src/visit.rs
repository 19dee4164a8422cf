//! Doing something in one machine of a test, without its script.

use std::sync::Arc;

use snowglobe_events::{Outcome, Phase};

use crate::Limit;
use crate::error::RunError;
use crate::locate::ScriptMap;
use crate::run::{Part, RunConfig, open, planned};
use crate::session::Feed;
use crate::world::{Exec, Fault, Observer, World};

/// What a person wants of a machine, instead of running a script.
pub struct Wish {
    /// Its name.
    pub machine: String,
    /// A command; a shell on our terminal if there is none.
    pub command: Option<String>,
    /// How the command ended, afterwards.
    pub status: Option<i32>,
}

/// Starts all machines of a test, or puts saved ones in place, and does what a person wants of one; then ends them. Events are as
/// those of [`run`].
///
/// # Errors
///
/// When the machine does not exist, does not start or does not answer.
pub fn visit(
    config: &RunConfig,
    wish: &mut Wish,
    make_world: impl FnOnce(
        Arc<dyn Observer>,
    ) -> Result<Arc<dyn World>, Box<dyn std::error::Error + Send + Sync>>,
) -> Result<Outcome, RunError> {
    let root = config.sink.scope();
    root.emit(planned(&config.test, config.time_scale));
    let part = Part::begin(&root, Phase::Boot);
    let feed = Arc::new(Feed::new(config.sink.clone()));
    let world = make_world(feed.clone()).map_err(RunError::World)?;
    let map = ScriptMap::new(&config.test.script);
    let session = open(config, &world, feed, map, part.inside());
    let limit = Limit::new(Some(session.scaled(VISIT)), &session.cancel);
    let ready = match &config.resume {
        Some(saved) => crate::capture::resume(&session, saved, &config.cancel),
        None => {
            let faults = world.start_all(&limit);
            let fault = faults.into_iter().find(|(name, _)| *name == wish.machine);
            fault.map_or(Ok(()), |(_, fault)| Err(fault))
        }
    };
    let agent = ready.and_then(|()| match session.machine(&wish.machine) {
        Ok(handle) if handle.machine.running() => handle.machine.agent(&limit),
        Ok(_) => Err(Fault::failed(format!(
            "the machine '{}' did not run when the run failed",
            wish.machine
        ))),
        Err(_) => Err(Fault::failed("there is no such machine")),
    });
    part.end(agent.is_ok(), None);
    let part = Part::begin(&root, Phase::Script);
    let result = agent.and_then(|agent| {
        let _control = crate::control::listen(&session);
        let limit = Limit::new(None, &session.cancel);
        match &wish.command {
            Some(command) => {
                let exec = Exec {
                    command: command.clone(),
                    ..Exec::default()
                };
                let status = agent.exec(&exec, &limit, &mut crate::attend::copy)?;
                wish.status = Some(status);
            }
            None => {
                let term = std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
                let pty = agent.pty(None, crate::attend::terminal_size(), &term)?;
                crate::attend::attend(pty.as_ref(), &limit)
                    .map_err(|error| Fault::failed(error.to_string()))?;
            }
        }
        Ok(())
    });
    part.end(result.is_ok(), None);
    session.cancel.cancel();
    let part = Part::begin(&root, Phase::CleanUp);
    world.release();
    part.end(true, None);
    match result {
        _ if config.cancel.is_cancelled() => Ok(Outcome::Cancelled),
        Ok(()) => Ok(Outcome::Passed),
        Err(fault) => Err(RunError::World(Box::new(fault))),
    }
}

/// Seconds that the machines of a visit may take to answer.
const VISIT: f64 = 300.0;
