//! Switching the machine off.

use snowglobe_agent_protocol::{Failure, Outcome, PowerAction};

use super::call::{Answer, system};
use super::session::Context;
use super::units::{MANAGER, MANAGER_PATH, Manager};
use crate::dbus::Argument;

pub fn switch(context: &Context, action: PowerAction) -> Result<Answer, Failure> {
    let target = match action {
        PowerAction::PowerOff => "poweroff.target",
        PowerAction::Reboot => "reboot.target",
        PowerAction::Halt => "halt.target",
    };
    let body = [
        Argument::Text(target),
        Argument::Text("replace-irreversibly"),
    ];
    let started = Manager::find(context, None)?
        .connect()
        .and_then(|mut bus| bus.call(MANAGER_PATH, MANAGER, "StartUnit", &body));
    started.map_err(|error| system(&format!("start {target}"), error))?;
    Ok(Outcome::Empty.into())
}
