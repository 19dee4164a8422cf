//! All machines and networks of a test.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use snowglobe_driver as driver;
use snowglobe_driver::{Fault, Limit, Machine as _, Observer};
use snowglobe_machines as machines;
use snowglobe_machines::{Boot, Host, MachineSpec};
use snowglobe_plan::Test;

use crate::machine::{Company, Ears, Machine};
use crate::vlan::Vlan;
use crate::warm::{Policy, Warm};

/// What can go wrong while machines are put together; none runs then.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A virtual network.
    #[error("cannot make the virtual network {vlan}: {source}")]
    Vlan {
        /// Its number.
        vlan: u16,
        /// Why not.
        source: std::io::Error,
    },
    /// A machine.
    #[error("cannot make the machine '{machine}': {source}")]
    Machine {
        /// Its name.
        machine: String,
        /// Why not.
        source: Box<machines::Error>,
    },
    /// A node without images.
    #[error("there are no images for the machine '{0}'")]
    NoImages(String),
}

/// Machines and networks of one run of a test.
pub struct World {
    machines: Vec<Machine>,
    vlans: BTreeMap<u16, Arc<Vlan>>,
}

/// What a world is made of.
pub struct Parts<'a> {
    /// The test.
    pub test: &'a Test,
    /// What each node boots.
    pub boots: BTreeMap<String, Boot>,
    /// Where machines run.
    pub host: Arc<Host>,
    /// Folder of the machines' files, one folder each.
    pub directory: &'a Path,
    /// Whether machines reach the internet.
    pub internet: bool,
    /// Whether machines are restored.
    pub policy: Policy,
    /// Hears from the machines.
    pub observer: Arc<dyn Observer>,
}

impl World {
    /// Puts machines and networks together; nothing runs yet.
    pub fn new(mut parts: Parts<'_>) -> Result<Self, WorldError> {
        let mut vlans = BTreeMap::new();
        for &number in &parts.test.vlans {
            let on =
                |node: &&snowglobe_plan::Node| node.interfaces.iter().any(|i| i.vlan == number);
            let names: Vec<&str> = parts
                .test
                .nodes
                .iter()
                .filter(on)
                .map(|node| node.name.as_str())
                .collect();
            let vlan = Vlan::new(number, &names).map_err(|source| WorldError::Vlan {
                vlan: number,
                source,
            })?;
            vlans.insert(number, Arc::new(vlan));
        }
        let mut machines = Vec::new();
        let company = Arc::new(Company::default());
        for node in &parts.test.nodes {
            let boot = parts
                .boots
                .remove(&node.name)
                .ok_or_else(|| WorldError::NoImages(node.name.clone()))?;
            let spec = MachineSpec::new(node, boot, parts.internet);
            let refused = node.snapshot.refused.clone();
            let refused = refused.or_else(|| spec.unsaveable().map(str::to_owned));
            let cards = spec.cards.iter().filter_map(|card| {
                let vlan = vlans.get(&card.vlan)?;
                Some((vlan.switch().clone(), vlan.port(&node.name)?))
            });
            let cards = cards.collect();
            let directory = parts.directory.join(&node.name);
            let ears = Arc::new(Ears(parts.observer.clone()));
            let machine = machines::Machine::new(spec, parts.host.clone(), &directory, cards, ears);
            let machine = machine.map_err(|source| WorldError::Machine {
                machine: node.name.clone(),
                source: Box::new(source),
            })?;
            let warm = Warm::new(parts.policy.clone(), refused);
            let observer = parts.observer.clone();
            machines.push(Machine::new(machine, observer, warm, company.clone()));
        }
        Ok(Self { machines, vlans })
    }

    pub(crate) fn machines(&self) -> &[Machine] {
        &self.machines
    }

    pub(crate) fn vlans(&self) -> &BTreeMap<u16, Arc<Vlan>> {
        &self.vlans
    }
}

impl driver::World for World {
    fn machines(&self) -> Vec<Arc<dyn driver::Machine>> {
        self.machines
            .iter()
            .map(|machine| Arc::new(machine.clone()) as Arc<dyn driver::Machine>)
            .collect()
    }

    fn start_all(&self, limit: &Limit) -> Vec<(String, Fault)> {
        std::thread::scope(|scope| {
            let starts: Vec<_> = self
                .machines
                .iter()
                .map(|machine| {
                    scope.spawn(move || (machine.name().to_owned(), machine.start(false, limit)))
                })
                .collect();
            let results = starts.into_iter().map(|start| match start.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            results
                .filter_map(|(name, result)| result.err().map(|fault| (name, fault)))
                .collect()
        })
    }

    fn vlan(&self, number: u16) -> Option<Arc<dyn driver::Vlan>> {
        self.vlans
            .get(&number)
            .map(|vlan| vlan.clone() as Arc<dyn driver::Vlan>)
    }

    fn checkpoint(&self, path: &Path, _limit: &Limit) -> Result<(), Fault> {
        self.save_all(path)
    }

    fn restore(&self, path: &Path, why: &str, known: bool, limit: &Limit) -> Result<(), Fault> {
        self.restore_all(path, why, known, limit)
    }

    fn release(&self) {
        for machine in &self.machines {
            machine.release();
        }
    }
}
