//! Whose mistake it is: errors told from the side of whoever wrote the test.

use snowglobe_nix::{Error, Location, Origin};

use crate::tree::ROOT;

/// The error without what happened inside of the embedded library, at the place in the user's own
/// files that it is about, as far as that is known.
///
/// Such a place is, in this order: the error's own; one that the module system names in its message
/// (``In `FILE:LINE'``); the innermost step that lies in the user's files.
pub fn for_user(error: &Error) -> Error {
    let mut told = error.clone();
    let steps = told.trace.len();
    told.trace.retain_mut(|step| {
        if !step.location.as_ref().is_none_or(inside) {
            return true;
        }
        // What the library says about options is worth keeping; where it says so is not.
        step.location = None;
        step.explicit
    });
    told.left_out += steps - told.trace.len();
    if told.location.as_ref().is_none_or(inside) && !told.message.is_empty() {
        let named = named_place(&told.message);
        told.width = 1;
        told.location = named.or_else(|| {
            let step = told.trace.iter().find_map(|step| step.location.clone());
            step.filter(|location| !location.origin.name().starts_with('«'))
        });
    }
    told
}

fn inside(location: &Location) -> bool {
    let path = location.origin.name();
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The first ``In `FILE:LINE'`` or ``In `FILE:LINE, via option …'`` of a message, if that file can be
/// read.
fn named_place(message: &str) -> Option<Location> {
    let places = message.split("In `").skip(1);
    let mut places = places.filter_map(|rest| {
        let place = rest.split_once('\'')?.0;
        let (place, _via) = place.split_once(", via ").unwrap_or((place, ""));
        place.rsplit_once(':')
    });
    let (file, line) = places.find(|(file, line)| {
        file.starts_with('/') && !file.starts_with(ROOT) && line.parse::<u32>().is_ok()
    })?;
    let line: u32 = line.parse().ok()?;
    let text = std::fs::read_to_string(file).ok()?;
    let text = text.lines().nth((line as usize).checked_sub(1)?)?;
    Some(Location {
        origin: Origin::File(file.to_owned()),
        line,
        column: (text.len() - text.trim_start().len()) as u32 + 1,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_messages_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.nix");
        std::fs::write(&file, "{\n  b = 1;\n}\n").unwrap();
        let name = file.display();
        let message = format!("wrong:\n - In `{ROOT}/lib/x.nix:1': 1\n - In `{name}:2': 1");
        let place = named_place(&message).unwrap();
        assert_eq!(
            (place.line, place.column, place.text.as_str()),
            (2, 3, "  b = 1;")
        );
        let deferred = format!("In `{name}:2, via option defaults': 1");
        assert_eq!(named_place(&deferred).unwrap().line, 2);
        for none in [
            "nothing".to_owned(),
            "In `/no/such/file:3'".to_owned(),
            format!("In `{name}:99'"),
            format!("In `{name}:0'"),
            format!("In `{name}'"),
        ] {
            assert_eq!(named_place(&none), None, "{none}");
        }
    }
}
