//! Files between host and machine.

use std::path::Path;

use snowglobe_agent_protocol::{ENTRY_COST, Entry, ToAgent};
use snowglobe_agent_tree::{Item, TreeWriter, read_tree};

use crate::request::{Event, Request};
use crate::{Agent, Error};

impl Agent {
    /// Copies a file or directory of the host into the machine: to `target`, or into it if that is
    /// a directory there. Parents are made. Modes are kept, owners are root's.
    pub fn copy_in(&self, source: &Path, target: &str) -> Result<(), Error> {
        let name = source
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("copy")
            .to_owned();
        let mut request = self.request(
            &ToAgent::Put {
                target: target.to_owned(),
                name,
            },
            &[],
        )?;
        read_tree(source, &mut |item| match item {
            Item::Entry(entry) => request.send_entry(entry),
            Item::Data(mut bytes) => {
                while !bytes.is_empty() {
                    let sent = request.send_some(bytes, false)?;
                    bytes = &bytes[sent..];
                    if sent == 0 {
                        request.wait_for_credit()?;
                    }
                }
                Ok(())
            }
        })?;
        request.finish(None).map(drop)
    }

    /// Copies a file or directory of the machine to exactly `target` on the host, whose parents
    /// are made. Modes are kept, owners are the caller's.
    pub fn copy_out(&self, source: &str, target: &Path) -> Result<(), Error> {
        let mut request = self.request(
            &ToAgent::Get {
                source: source.to_owned(),
            },
            &[],
        )?;
        let mut writer = None;
        loop {
            match request.next(None)? {
                Some(Event::Entry(entry)) => {
                    // Nothing is made on the host before the source is known to be there.
                    let writer = match &mut writer {
                        Some(writer) => writer,
                        None => writer.insert(TreeWriter::new(target)?),
                    };
                    writer.entry(&entry)?;
                    request.took(ENTRY_COST);
                }
                Some(Event::Data { bytes, .. }) => {
                    if let Some(writer) = &mut writer {
                        writer.data(&bytes)?;
                    }
                }
                Some(Event::Done(..)) => return Ok(()),
                Some(_) | None => {}
            }
        }
    }
}

impl Request {
    fn send_entry(&mut self, entry: Entry) -> Result<(), Error> {
        while !self.spend(u64::from(ENTRY_COST)) {
            self.wait_for_credit()?;
        }
        self.tell(&ToAgent::Entry(entry))
    }

    /// Waits for anything that comes in: nothing but credit does before the end.
    fn wait_for_credit(&mut self) -> Result<(), Error> {
        match self.next(None)? {
            Some(Event::Done(outcome, _)) => Err(Error::Unexpected(format!("{outcome:?}"))),
            Some(_) | None => Ok(()),
        }
    }
}
