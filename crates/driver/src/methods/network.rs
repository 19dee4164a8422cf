//! Cables, ports and virtual networks.

use std::path::{Component, Path};

use snowglobe_events::Kind;

use super::{Call, Result, named, null};
use crate::error::Raise;
use crate::session::{Session, lock};
use crate::world::VlanChange;

pub(super) fn set_link(session: &Session, call: &Call, up: bool) -> Result {
    let handle = call.machine()?;
    let limit = call.within(session.scaled(900.0));
    session
        .need(handle, &limit)
        .map_err(|fault| named(handle, fault))?;
    handle
        .machine
        .set_link(0, up)
        .map_err(|fault| named(handle, fault))?;
    if let Some(vlan) = handle.first_vlan {
        call.scope.emit(Kind::LinkChanged {
            vlan,
            from: Some(handle.machine.name().to_owned()),
            to: None,
            change: if up { "unblocked" } else { "blocked" }.to_owned(),
            up,
        });
    }
    Ok(null())
}

pub(super) fn forward_port(session: &Session, call: &Call) -> Result {
    let handle = call.machine()?;
    let limit = call.within(session.scaled(900.0));
    session
        .need(handle, &limit)
        .map_err(|fault| named(handle, fault))?;
    handle
        .machine
        .forward_port(
            call.args.number("host_port")?,
            call.args.number("guest_port")?,
        )
        .map_err(|fault| named(handle, fault))?;
    Ok(null())
}

pub(super) fn change(session: &Session, call: &Call) -> Result {
    let number = call.args.number("vlan")?;
    let vlan = session
        .world
        .vlan(number)
        .ok_or_else(|| Raise::machine(format!("there is no virtual network {number}")))?;
    let (a, b) = (call.args.maybe_text("a"), call.args.maybe_text("b"));
    for name in [a, b].into_iter().flatten() {
        session.machine(name)?;
    }
    let (change, words, up) = match call.method.as_str() {
        "vlan_cut" => (VlanChange::Cut, "cut".to_owned(), false),
        "vlan_heal" => (VlanChange::Heal, "healed".to_owned(), true),
        "vlan_delay" => {
            let seconds = call.args.seconds("seconds")?.clamp(0.0, 3600.0);
            let delay = std::time::Duration::from_secs_f64(seconds);
            (
                VlanChange::Delay(delay),
                format!("delay {} ms", delay.as_millis()),
                true,
            )
        }
        _ => {
            let fraction = call.args.seconds("fraction")?.clamp(0.0, 1.0);
            (
                VlanChange::Loss(fraction),
                format!("loss {} %", fraction * 100.0),
                true,
            )
        }
    };
    vlan.change(a, b, change)?;
    call.scope.emit(Kind::LinkChanged {
        vlan: number,
        from: a.map(str::to_owned),
        to: b.map(str::to_owned),
        change: words,
        up,
    });
    Ok(null())
}

pub(super) fn capture(session: &Session, call: &Call) -> Result {
    let number: u16 = call.args.number("vlan")?;
    let vlan = session
        .world
        .vlan(number)
        .ok_or_else(|| Raise::machine(format!("there is no virtual network {number}")))?;
    let name = call.args.text("path")?;
    // This process writes the file, not the script's: it must be a plain name.
    let plain = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !plain || Path::new(name).components().count() != 1 {
        return Err(Raise::new(
            "ValueError",
            format!("capture: {name:?} must be the name of a file in the output folder"),
        ));
    }
    let path = session.out_dir.join(name);
    let file = std::fs::File::create_new(&path).map_err(|error| {
        Raise::machine(format!(
            "capture: cannot create {}: {error}",
            path.display()
        ))
    })?;
    let capture = vlan.capture(Box::new(std::io::BufWriter::new(file)))?;
    lock(&session.captures).push(capture);
    let shown = session
        .out_dir
        .strip_prefix(&session.run_dir)
        .unwrap_or(&session.out_dir);
    call.scope.emit(Kind::Artefact {
        path: shown.join(name).display().to_string(),
        what: format!("frames of network {number}"),
        size: 0,
    });
    Ok(null())
}
