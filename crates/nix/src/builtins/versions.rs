//! Versions and package names.

use std::cmp::Ordering;

use super::Builtin;
use crate::eval::{Evaluator, R};
use crate::source::Pos;
use crate::symbol::names;
use crate::value::Value;

pub const ALL: &[Builtin] = &[
    Builtin::new("compareVersions", 2, 0b11, compare_versions),
    Builtin::new("parseDrvName", 1, 0b1, parse_drv_name),
    Builtin::new("splitVersion", 1, 0b1, split_version),
];

fn compare_versions<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let order = compare(ev.as_plain(args[0], pos)?, ev.as_plain(args[1], pos)?);
    Ok(Value::Int(order as i64))
}

fn split_version<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let mut rest = ev.as_plain(args[0], pos)?;
    let mut parts = Vec::new();
    loop {
        let part = next(&mut rest);
        if part.is_empty() {
            return Ok(ev.list_of(&parts));
        }
        parts.push(ev.text_in_arena(part));
    }
}

fn parse_drv_name<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let text = ev.as_plain(args[0], pos)?;
    // The version begins after the first dash that no letter follows.
    let dash = text
        .windows(2)
        .position(|pair| pair[0] == b'-' && !pair[1].is_ascii_alphabetic());
    let (name, version) = match dash {
        Some(dash) => (&text[..dash], &text[dash + 1..]),
        None => (text, &b""[..]),
    };
    Ok(ev.attrs_of(&[
        (names::NAME, ev.text_in_arena(name)),
        (names::VERSION, ev.text_in_arena(version)),
    ]))
}

/// The next component of a version: digits, or anything else, between dots and dashes.
fn next<'v>(version: &mut &'v [u8]) -> &'v [u8] {
    let skip = version
        .iter()
        .take_while(|byte| matches!(byte, b'.' | b'-'))
        .count();
    let rest = &version[skip..];
    let digits = rest.first().is_some_and(u8::is_ascii_digit);
    let len = rest
        .iter()
        .take_while(|byte| {
            if digits {
                byte.is_ascii_digit()
            } else {
                !byte.is_ascii_digit() && !matches!(byte, b'.' | b'-')
            }
        })
        .count();
    *version = &rest[len..];
    &rest[..len]
}

/// Which of two versions is newer.
fn compare(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (part_a, part_b) = (next(&mut a), next(&mut b));
        if less(part_a, part_b) {
            return Ordering::Less;
        }
        if less(part_b, part_a) {
            return Ordering::Greater;
        }
    }
    Ordering::Equal
}

fn less(a: &[u8], b: &[u8]) -> bool {
    let number = |part: &[u8]| {
        std::str::from_utf8(part)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a < b,
        (None, Some(_)) if a.is_empty() => true,
        (None, _) if a == b"pre" && b != b"pre" => true,
        (_, None) if b == b"pre" => false,
        // Text comes before a number.
        (None, Some(_)) => true,
        (Some(_), None) => false,
        (None, None) => a < b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered() {
        for (a, b, expected) in [
            ("1.0", "2.3", Ordering::Less),
            ("2.1", "2.3", Ordering::Less),
            ("2.3", "2.3", Ordering::Equal),
            ("2.5", "2.3", Ordering::Greater),
            ("3.1", "2.3", Ordering::Greater),
            ("2.3.1", "2.3", Ordering::Greater),
            ("2.3.1", "2.3a", Ordering::Greater),
            ("2.3pre1", "2.3", Ordering::Less),
            ("2.3pre3", "2.3pre12", Ordering::Less),
            ("2.3a", "2.3c", Ordering::Less),
            ("2.3pre1", "2.3c", Ordering::Less),
            ("2.3pre1", "2.3q", Ordering::Less),
            ("2.3-0", "2.3.0", Ordering::Equal),
        ] {
            assert_eq!(compare(a.as_bytes(), b.as_bytes()), expected, "{a} and {b}");
        }
    }
}
