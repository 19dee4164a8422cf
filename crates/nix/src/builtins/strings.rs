//! Strings.

use super::Builtin;
use crate::eval::{Coerce, Evaluator, R};
use crate::source::Pos;
use crate::value::{Context, Text, Value, share};

pub const ALL: &[Builtin] = &[
    Builtin::new("concatStringsSep", 2, 0b11, concat_strings_sep),
    Builtin::new("replaceStrings", 3, 0b111, replace_strings),
    Builtin::new("stringLength", 1, 0b1, string_length),
    Builtin::new("substring", 3, 0b111, substring),
    Builtin::new("toString", 1, 0b1, to_string),
];

fn to_string<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    Ok(Value::Text(ev.coerce(args[0], Coerce::TO_STRING, pos)?))
}

fn string_length<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    Ok(Value::Int(
        ev.coerce(args[0], Coerce::PATH_PART, pos)?.bytes.len() as i64,
    ))
}

fn substring<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let start = ev.as_int(args[0], pos)?;
    if start < 0 {
        return Err(ev.fail(pos, "negative start position in 'substring'"));
    }
    let len = ev.as_int(args[1], pos)?;
    // A context of nothing is still wanted: `substring 0 0 x` is how programs keep it.
    let text = ev.coerce(args[2], Coerce::PATH_PART, pos)?;
    let start = usize::try_from(start)
        .unwrap_or(usize::MAX)
        .min(text.bytes.len());
    let rest = &text.bytes[start..];
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
    if start == 0 && len == rest.len() {
        return Ok(Value::Text(text));
    }
    Ok(Value::Text(ev.arena.alloc(Text {
        bytes: &rest[..len],
        context: text.context,
    })))
}

fn concat_strings_sep<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let separator = ev.as_text(args[0], pos)?;
    let items = ev.as_list(args[1], pos)?;
    let mut context: Context<'a> = separator.context;
    let mut texts: Vec<&'a [u8]> = Vec::with_capacity(items.len());
    for slot in items {
        let text = ev.coerce(share(slot), Coerce::INTERPOLATE, pos).map_err(|fault| {
            fault.while_doing(pos, "while evaluating one element of the list of strings to concat passed to builtins.concatStringsSep")
        })?;
        context = ev.join_contexts(context, text.context);
        texts.push(text.bytes);
    }
    let len = texts
        .iter()
        .map(|text| text.len() + separator.bytes.len())
        .sum::<usize>();
    let mut bytes = bumpalo::collections::Vec::with_capacity_in(len, ev.arena);
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            bytes.extend_from_slice_copy(separator.bytes);
        }
        bytes.extend_from_slice_copy(text);
    }
    Ok(Value::Text(ev.arena.alloc(Text {
        bytes: bytes.into_bump_slice(),
        context,
    })))
}

fn replace_strings<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let from = ev.as_list(args[0], pos)?;
    let to = ev.as_list(args[1], pos)?;
    if from.len() != to.len() {
        return Err(ev.fail(
            pos,
            "'from' and 'to' arguments passed to builtins.replaceStrings have different lengths",
        ));
    }
    let patterns = from
        .iter()
        .map(|slot| Ok(ev.as_text(share(slot), pos)?.bytes))
        .collect::<Result<Vec<_>, crate::error::Fault>>()
        .map_err(|fault| {
            fault.while_doing(
                pos,
                "while evaluating one of the strings to replace passed to builtins.replaceStrings",
            )
        })?;
    let text = ev.as_text(args[2], pos)?;
    let mut context = text.context;
    // Which patterns may begin with a byte; most bytes begin none.
    let mut begins = [false; 256];
    let any_empty = patterns.iter().any(|pattern| pattern.is_empty());
    for pattern in &patterns {
        if let Some(&first) = pattern.first() {
            begins[usize::from(first)] = true;
        }
    }
    let mut replacements: Vec<Option<&'a Text<'a>>> = vec![None; to.len()];
    let source = text.bytes;
    let mut result = Vec::with_capacity(source.len());
    let mut at = 0;
    while at <= source.len() {
        let here = &source[at..];
        if !any_empty && here.first().is_none_or(|&byte| !begins[usize::from(byte)]) {
            match here.first() {
                Some(&byte) => result.push(byte),
                None => break,
            }
            at += 1;
            continue;
        }
        let Some(found) = patterns
            .iter()
            .position(|pattern| here.starts_with(pattern))
        else {
            match here.first() {
                Some(&byte) => result.push(byte),
                None => break,
            }
            at += 1;
            continue;
        };
        let replacement = match replacements[found] {
            Some(text) => text,
            None => {
                let text = ev.as_text(share(&to[found]), pos)?;
                replacements[found] = Some(text);
                context = ev.join_contexts(context, text.context);
                text
            }
        };
        result.extend_from_slice(replacement.bytes);
        if patterns[found].is_empty() {
            if let Some(&byte) = here.first() {
                result.push(byte);
            }
            at += 1;
        } else {
            at += patterns[found].len();
        }
    }
    Ok(ev.text_with(&result, context))
}
