//! `<name>`.

use super::{Evaluator, R};
use crate::error::{Fault, FaultData, Kind};
use crate::path;
use crate::source::Pos;
use crate::symbol::names;
use crate::value::{Slot, Value};

impl<'a> Evaluator<'a> {
    /// `builtins.findFile`: looks for a name in a search path.
    pub(crate) fn find_file(&self, entries: &'a [Slot<'a>], name: &[u8], pos: Pos) -> R<'a> {
        for slot in entries {
            let entry = self.as_attrs(slot_value(slot), pos)?;
            let prefix = match entry.get(names::PREFIX) {
                Some(prefix) => self.as_text(slot_value(prefix), pos)?.bytes,
                None => b"",
            };
            let Some(path_slot) = entry.get(names::PATH) else {
                return Err(self.missing(entry, names::PATH, pos));
            };
            let suffix: &[u8] = if prefix.is_empty() {
                name
            } else if name == prefix {
                b""
            } else {
                match name
                    .strip_prefix(prefix)
                    .and_then(|rest| rest.strip_prefix(b"/"))
                {
                    Some(rest) => rest,
                    None => continue,
                }
            };
            let text = self.coerce(slot_value(path_slot), crate::eval::Coerce::PATH_PART, pos)?;
            let location = self.realise(text.bytes.to_vec(), text.context, pos)?;
            let Some(base) = self.search_entry(&location, pos)? else {
                continue;
            };
            let mut found = base;
            if !suffix.is_empty() {
                found.push(b'/');
                found.extend_from_slice(suffix);
            }
            let found = path::canonical(&found);
            if self.locate(&found, pos)?.1.is_some() {
                return Ok(self.path(&found));
            }
        }
        if let Some(rest) = name.strip_prefix(b"nix/") {
            let file = [b"/__corepkgs__/", rest].concat();
            if crate::builtins::core_file(&file).is_some() {
                return Ok(self.path(&file));
            }
        }
        let name = String::from_utf8_lossy(name);
        Err(FaultData::new(
            Kind::Thrown,
            pos,
            format!(
                "file '{name}' was not found in the Nix search path (add it using $NIX_PATH or -I)"
            ),
        ))
    }

    /// Where an element of the search path is; `None`: nowhere.
    fn search_entry(&self, location: &[u8], pos: Pos) -> Result<Option<Vec<u8>>, Fault> {
        if let Some(known) = self.searched.borrow().get(location) {
            return Ok(known.clone());
        }
        let text = String::from_utf8_lossy(location);
        let resolved = match self
            .host
            .resolve_search_path(&text)
            .map_err(|error| self.host_fault(error, pos))?
        {
            Some(resolved) => Some(resolved.into_bytes()),
            None => Some(path::join(self.options.base_path.as_bytes(), location)),
        };
        let resolved = resolved.map(|path| path::canonical(&path));
        self.searched
            .borrow_mut()
            .insert(location.to_vec(), resolved.clone());
        Ok(resolved)
    }
}

/// What is in a slot, to be evaluated there.
pub(crate) fn slot_value<'a>(slot: &'a Slot<'a>) -> Value<'a> {
    crate::value::share(slot)
}
