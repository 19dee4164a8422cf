//! Virtual networks, as the driver wants them.

use std::collections::BTreeMap;
use std::io::Write;

use snowglobe_driver as driver;
use snowglobe_driver::{Fault, VlanChange};
use snowglobe_switch::{Change, PortId};

/// One virtual network and whose port is whose.
pub struct Vlan {
    switch: snowglobe_switch::Vlan,
    ports: BTreeMap<String, PortId>,
}

impl Vlan {
    /// A network with a port for each machine, which needs not run yet.
    pub fn new(number: u16, machines: &[&str]) -> std::io::Result<Self> {
        let switch = snowglobe_switch::Vlan::new(number.into())?;
        let ports = machines
            .iter()
            .map(|name| ((*name).to_owned(), switch.add_port(*name)));
        let ports = ports.collect();
        Ok(Self { switch, ports })
    }

    /// The switch itself.
    pub fn switch(&self) -> &snowglobe_switch::Vlan {
        &self.switch
    }

    /// The port of a machine.
    pub fn port(&self, machine: &str) -> Option<PortId> {
        self.ports.get(machine).copied()
    }

    fn end(&self, machine: Option<&str>) -> Result<Option<PortId>, Fault> {
        let Some(name) = machine else { return Ok(None) };
        // Scripts know machines by their Python names.
        let python = |node: &str| driver_name(node) == name;
        let found = self
            .ports
            .iter()
            .find(|(node, _)| *node == name || python(node));
        match found {
            Some((_, port)) => Ok(Some(*port)),
            None => {
                let known: Vec<&str> = self.ports.keys().map(String::as_str).collect();
                let known = known.join(", ");
                Err(Fault::failed(format!(
                    "no machine '{name}' is on this network; there are {known}"
                )))
            }
        }
    }
}

/// The Python name of a node.
fn driver_name(node: &str) -> String {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut name: String = node
        .chars()
        .map(|c| if letter(c) { c } else { '_' })
        .collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.replace_range(..1, "_");
    }
    name
}

impl driver::Vlan for Vlan {
    fn change(&self, a: Option<&str>, b: Option<&str>, change: VlanChange) -> Result<(), Fault> {
        let (a, b) = (self.end(a)?, self.end(b)?);
        let change = match change {
            VlanChange::Cut => Change::Cut,
            VlanChange::Heal => Change::Heal,
            VlanChange::Delay(delay) => Change::Delay(delay),
            VlanChange::Loss(loss) => Change::Loss(loss),
        };
        self.switch.change(a, b, change);
        Ok(())
    }

    fn capture(&self, out: Box<dyn Write + Send>) -> Result<Box<dyn driver::Capture>, Fault> {
        let capture = self
            .switch
            .capture(out)
            .map_err(|e| Fault::failed(e.to_string()))?;
        Ok(Box::new(Capture { _capture: capture }))
    }
}

struct Capture {
    _capture: snowglobe_switch::Capture,
}

impl driver::Capture for Capture {}
