//! String contexts.

use super::Builtin;
use crate::error::Fault;
use crate::eval::{Coerce, Evaluator, R};
use crate::source::Pos;
use crate::store::is_store_path;
use crate::symbol::{Symbol, names};
use crate::value::{AttrsBuilder, Context, Text, Value, share};

pub const ALL: &[Builtin] = &[
    Builtin::new(
        "addDrvOutputDependencies",
        1,
        0b1,
        add_drv_output_dependencies,
    ),
    Builtin::new("appendContext", 2, 0b11, append_context),
    Builtin::new("getContext", 1, 0b1, get_context),
    Builtin::new("hasContext", 1, 0b1, has_context),
    Builtin::new(
        "unsafeDiscardOutputDependency",
        1,
        0b1,
        discard_output_dependency,
    ),
    Builtin::new("unsafeDiscardStringContext", 1, 0b1, discard_context),
];

fn with_context<'a>(ev: &Evaluator<'a>, bytes: &'a [u8], context: Context<'a>) -> Value<'a> {
    Value::Text(ev.arena.alloc(Text { bytes, context }))
}

fn has_context<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    Ok(Value::Bool(!ev.as_text(args[0], pos)?.context.is_empty()))
}

fn discard_context<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let text = ev.coerce(args[0], Coerce::INTERPOLATE, pos)?;
    Ok(ev.text_in_arena(text.bytes))
}

fn discard_output_dependency<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let text = ev.coerce(args[0], Coerce::INTERPOLATE, pos)?;
    let elements: Vec<String> = ev
        .context_texts(text.context)
        .into_iter()
        .map(|element| element.trim_start_matches('=').to_owned())
        .collect();
    let elements: Vec<&str> = elements.iter().map(String::as_str).collect();
    Ok(with_context(ev, text.bytes, ev.context(&elements)))
}

fn add_drv_output_dependencies<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let text = ev.coerce(args[0], Coerce::INTERPOLATE, pos)?;
    let elements = ev.context_texts(text.context);
    let [element] = elements.as_slice() else {
        let message = format!(
            "context of string '{}' must have exactly one element, but has {}",
            text.lossy(),
            elements.len()
        );
        return Err(ev.fail(pos, message));
    };
    if element.starts_with('=') {
        return Ok(Value::Text(text));
    }
    if let Some((output, _)) = element
        .strip_prefix('!')
        .and_then(|rest| rest.split_once('!'))
    {
        let message = format!(
            "`addDrvOutputDependencies` can only act on derivations, not on a derivation output such as '{output}'"
        );
        return Err(ev.fail(pos, message));
    }
    if !element.ends_with(".drv") {
        return Err(ev.fail(pos, format!("path '{element}' is not a derivation")));
    }
    Ok(with_context(
        ev,
        text.bytes,
        ev.context(&[&format!("={element}")]),
    ))
}

fn get_context<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    #[derive(Default)]
    struct Entry {
        path: bool,
        all_outputs: bool,
        outputs: Vec<String>,
    }
    let text = ev.as_text(args[0], pos)?;
    let mut entries: std::collections::BTreeMap<String, Entry> = Default::default();
    for element in ev.context_texts(text.context) {
        if let Some(drv) = element.strip_prefix('=') {
            entries.entry(drv.to_owned()).or_default().all_outputs = true;
        } else if let Some((output, drv)) = element
            .strip_prefix('!')
            .and_then(|rest| rest.split_once('!'))
        {
            entries
                .entry(drv.to_owned())
                .or_default()
                .outputs
                .push(output.to_owned());
        } else {
            entries.entry(element).or_default().path = true;
        }
    }
    let mut builder = AttrsBuilder::with_capacity(entries.len());
    for (path, entry) in entries {
        let mut info = Vec::new();
        if entry.path {
            info.push((names::PATH, Value::Bool(true)));
        }
        if entry.all_outputs {
            info.push((names::ALL_OUTPUTS, Value::Bool(true)));
        }
        if !entry.outputs.is_empty() {
            let outputs: Vec<Value<'a>> = entry
                .outputs
                .iter()
                .map(|output| ev.text(output.as_bytes()))
                .collect();
            info.push((names::OUTPUTS, ev.list_of(&outputs)));
        }
        builder.push(
            ev.symbols.intern(path.as_bytes()),
            Pos::NONE,
            ev.attrs_of(&info),
        );
    }
    Ok(Value::Attrs(builder.build(ev.arena)))
}

fn append_context<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let text = ev.as_text(args[0], pos)?;
    let attrs = ev.as_attrs(args[1], pos)?;
    let mut elements = ev.context_texts(text.context);
    for (name, name_pos, slot) in attrs.iter() {
        let path = ev.symbols.display(name);
        if !is_store_path(&path) {
            return Err(ev.fail(
                name_pos.or(pos),
                format!("context key '{path}' is not a store path"),
            ));
        }
        let info = ev.as_attrs(share(slot), pos)?;
        let flag = |name: Symbol| -> Result<bool, Fault> {
            match info.get(name) {
                Some(slot) => ev.as_bool(share(slot), pos),
                None => Ok(false),
            }
        };
        if flag(names::PATH)? {
            elements.push(path.clone());
        }
        let derivation_only = |what: &str| {
            let message = format!(
                "tried to add {what} context of {path}, which is not a derivation, to a string"
            );
            ev.fail(name_pos.or(pos), message)
        };
        if flag(names::ALL_OUTPUTS)? {
            if !path.ends_with(".drv") {
                return Err(derivation_only("all-outputs"));
            }
            elements.push(format!("={path}"));
        }
        if let Some(outputs) = info.get(names::OUTPUTS) {
            let outputs = ev.as_list(share(outputs), pos)?;
            if !outputs.is_empty() && !path.ends_with(".drv") {
                return Err(derivation_only("derivation output"));
            }
            for output in outputs {
                let output = ev.as_plain(share(output), pos)?;
                elements.push(format!("!{}!{path}", String::from_utf8_lossy(output)));
            }
        }
    }
    let elements: Vec<&str> = elements.iter().map(String::as_str).collect();
    Ok(with_context(ev, text.bytes, ev.context(&elements)))
}
