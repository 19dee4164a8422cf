//! Trees of files to and from the host.

use std::path::Path;

use snowglobe_agent_protocol::{Channel, ENTRY_COST, Failure, Outcome, ToHost};
use snowglobe_agent_tree::{Item, TreeError, TreeWriter, read_tree};

use super::call::{Answer, Call, Input, invalid};

/// Grants go out after so many bytes.
const GRANT: usize = snowglobe_agent_protocol::WINDOW as usize / 4;

enum Trouble {
    Tree(TreeError),
    Failure(Failure),
}

impl From<TreeError> for Trouble {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Tree(error) => Failure::new(
                snowglobe_agent_protocol::FailureKind::System,
                error.to_string(),
            ),
            Trouble::Failure(failure) => failure,
        }
    }
}

pub fn put(call: &Call, target: &str, name: &str) -> Result<Answer, Failure> {
    receive(call, target, name).map_err(Failure::from)?;
    Ok(Outcome::Empty.into())
}

fn receive(call: &Call, target: &str, name: &str) -> Result<(), Trouble> {
    if !target.starts_with('/') {
        return Err(invalid(format!("'{target}' is not an absolute path")).into());
    }
    let mut writer = TreeWriter::at(Path::new(target), name)?;
    let mut taken = 0;
    loop {
        while let Some(input) = call.input() {
            match input {
                Input::Entry(entry) => {
                    if writer.entry(&entry)? {
                        return Ok(());
                    }
                    taken += ENTRY_COST as usize;
                }
                Input::Data { bytes, .. } => {
                    writer.data(&bytes)?;
                    taken += bytes.len();
                }
                Input::Signal(_) | Input::Resize { .. } => {}
            }
            if taken >= GRANT {
                call.grant(std::mem::take(&mut taken));
            }
        }
        call.pause(None)?;
    }
}

pub fn get(call: &Call, source: &str) -> Result<Answer, Failure> {
    let send = |item: Item<'_>| -> Result<(), Trouble> {
        call.wait_for_credit()?;
        match item {
            Item::Entry(entry) => {
                call.spend(ENTRY_COST as usize);
                call.tell(&ToHost::Entry(entry), &[]);
            }
            Item::Data(bytes) => call.data(Channel::Stdout, bytes),
        }
        Ok(())
    };
    let mut send = send;
    read_tree(Path::new(source), &mut send).map_err(Failure::from)?;
    Ok(Outcome::Empty.into())
}
