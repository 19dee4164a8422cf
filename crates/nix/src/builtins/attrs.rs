//! Attribute sets.

use bumpalo::collections::Vec as BumpVec;

use super::Builtin;
use crate::eval::{Evaluator, R};
use crate::source::Pos;
use crate::symbol::{Symbol, names};
use crate::value::{AttrsBuilder, Lazy, Shape, Slot, Value, share};

pub const ALL: &[Builtin] = &[
    Builtin::new("attrNames", 1, 0b1, attr_names),
    Builtin::new("attrValues", 1, 0b1, attr_values),
    Builtin::new("catAttrs", 2, 0b11, cat_attrs),
    Builtin::new("functionArgs", 1, 0b1, function_args),
    Builtin::new("getAttr", 2, 0b11, get_attr),
    Builtin::new("hasAttr", 2, 0b11, has_attr),
    Builtin::new("intersectAttrs", 2, 0b11, intersect_attrs),
    Builtin::new("listToAttrs", 1, 0b1, list_to_attrs),
    Builtin::new("mapAttrs", 2, 0b10, map_attrs),
    Builtin::new("removeAttrs", 2, 0b11, remove_attrs),
    Builtin::new("unsafeGetAttrPos", 2, 0b11, attr_position),
    Builtin::new("zipAttrsWith", 2, 0b11, zip_attrs_with),
];

fn attr_names<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let shape = ev.as_attrs(args[0], pos)?.shape;
    let order = shape.alphabetical(ev.arena, &ev.symbols);
    Ok(ev.list(
        ev.arena.alloc_slice_fill_iter(
            order
                .iter()
                .map(|&index| Slot::new(ev.symbol_text(shape.names[index as usize]))),
        ),
    ))
}

fn attr_values<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let attrs = ev.as_attrs(args[0], pos)?;
    let order = attrs.shape.alphabetical(ev.arena, &ev.symbols);
    Ok(ev.list(
        ev.arena.alloc_slice_fill_iter(
            order
                .iter()
                .map(|&index| Slot::new(share(&attrs.slots[index as usize]))),
        ),
    ))
}

fn name_argument<'a>(
    ev: &Evaluator<'a>,
    value: Value<'a>,
    pos: Pos,
) -> Result<Symbol, crate::error::Fault> {
    Ok(ev.symbols.intern(ev.as_plain(value, pos)?))
}

fn get_attr<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let name = name_argument(ev, args[0], pos)?;
    let attrs = ev.as_attrs(args[1], pos)?;
    match attrs.get(name) {
        Some(slot) => ev.force(slot),
        None => match ev.answer_for(attrs, name, pos)? {
            Some(value) => Ok(value),
            None => Err(ev.missing(attrs, name, pos)),
        },
    }
}

fn has_attr<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let name = name_argument(ev, args[0], pos)?;
    let attrs = ev.as_attrs(args[1], pos)?;
    let has = attrs.get(name).is_some() || ev.answer_for(attrs, name, pos)?.is_some();
    Ok(Value::Bool(has))
}

fn attr_position<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let name = name_argument(ev, args[0], pos)?;
    let attrs = ev.as_attrs(args[1], pos)?;
    Ok(attrs
        .position(name)
        .map_or(Value::Null, |pos| ev.position_value(pos)))
}

fn cat_attrs<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let name = name_argument(ev, args[0], pos)?;
    let mut found = Vec::new();
    for slot in ev.as_list(args[1], pos)? {
        if let Some(value) = ev.as_attrs(share(slot), pos)?.get(name) {
            found.push(share(value));
        }
    }
    Ok(ev.list_of(&found))
}

fn function_args<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let pattern = match args[0] {
        Value::Lambda(closure) => &closure.def.pattern,
        Value::Primop(_) | Value::Partial(_) => &None,
        value => return Err(ev.expected("a function", value, pos)),
    };
    let mut builder = AttrsBuilder::with_capacity(0);
    for formal in pattern.iter().flat_map(|pattern| pattern.formals) {
        builder.push(
            formal.name,
            formal.pos,
            Value::Bool(formal.default.is_some()),
        );
    }
    Ok(Value::Attrs(builder.build(ev.arena)))
}

/// The set of the attributes whose positions in a shape are listed, ascending.
fn subset<'a>(ev: &Evaluator<'a>, attrs: &crate::value::Attrs<'a>, kept: &[u32]) -> Value<'a> {
    let shape = attrs.shape;
    let pick = |&index: &u32| index as usize;
    let names = ev
        .arena
        .alloc_slice_fill_iter(kept.iter().map(pick).map(|index| shape.names[index]));
    let positions: &[Pos] = if shape.has_positions() {
        ev.arena
            .alloc_slice_fill_iter(kept.iter().map(pick).map(|index| shape.position(index)))
    } else {
        &[]
    };
    let slots = ev.arena.alloc_slice_fill_iter(
        kept.iter()
            .map(pick)
            .map(|index| Slot::new(share(&attrs.slots[index]))),
    );
    ev.attrs(ev.arena.alloc(Shape::new(names, positions)), slots)
}

fn intersect_attrs<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let left = ev.as_attrs(args[0], pos)?;
    let right = ev.as_attrs(args[1], pos)?;
    let (ln, rn) = (left.shape.names, right.shape.names);
    let mut kept: Vec<u32> = Vec::with_capacity(ln.len().min(rn.len()));
    if ln.len() * 8 < rn.len() {
        kept.extend(
            ln.iter()
                .filter_map(|&name| right.shape.find(name))
                .map(|index| index as u32),
        );
    } else if rn.len() * 8 < ln.len() {
        kept.extend(
            (0..rn.len() as u32).filter(|&index| left.shape.find(rn[index as usize]).is_some()),
        );
    } else {
        let mut i = 0;
        for (index, &name) in rn.iter().enumerate() {
            while i < ln.len() && ln[i] < name {
                i += 1;
            }
            if i < ln.len() && ln[i] == name {
                kept.push(index as u32);
            }
        }
    }
    if kept.len() == rn.len() {
        return Ok(Value::Attrs(right));
    }
    Ok(subset(ev, right, &kept))
}

fn remove_attrs<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let attrs = ev.as_attrs(args[0], pos)?;
    let mut removed: Vec<Symbol> = Vec::new();
    for slot in ev.as_list(args[1], pos)? {
        removed.push(name_argument(ev, share(slot), pos)?);
    }
    removed.retain(|&name| attrs.shape.find(name).is_some());
    if removed.is_empty() {
        return Ok(Value::Attrs(attrs));
    }
    removed.sort_unstable();
    let names = attrs.shape.names;
    let kept: Vec<u32> = (0..names.len() as u32)
        .filter(|&index| removed.binary_search(&names[index as usize]).is_err())
        .collect();
    Ok(subset(ev, attrs, &kept))
}

fn list_to_attrs<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let items = ev.as_list(args[0], pos)?;
    let mut builder = AttrsBuilder::with_capacity(items.len());
    let mut seen =
        hashbrown::HashSet::with_capacity_and_hasher(items.len(), rustc_hash::FxBuildHasher);
    for slot in items {
        let entry = ev.as_attrs(share(slot), pos).map_err(|fault| {
            fault.while_doing(
                pos,
                "while evaluating an element of the list passed to builtins.listToAttrs",
            )
        })?;
        let get = |name| {
            entry.get(name).ok_or_else(|| {
                ev.missing(entry, name, pos)
                    .while_doing(pos, "in a {name=...; value=...;} pair")
            })
        };
        let name = name_argument(ev, share(get(names::NAME)?), pos)?;
        if seen.insert(name) {
            let value = get(names::VALUE)?;
            let position = entry.position(names::VALUE).unwrap_or_default();
            builder.push(name, position, share(value));
        }
    }
    Ok(Value::Attrs(builder.build(ev.arena)))
}

fn map_attrs<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let attrs = ev.as_attrs(args[1], pos)?;
    if attrs.is_empty() {
        return Ok(Value::Attrs(attrs));
    }
    let function = ev.sharable(args[0]);
    let lazy = ev.arena.alloc(Lazy::MapAttrs { function, attrs });
    let slots = ev.arena.alloc_slice_fill_with(attrs.len(), |index| {
        Slot::new(Value::Lazy(index as u32, lazy))
    });
    // Where the values come from is no longer what the names say.
    Ok(ev.attrs(attrs.shape.bare(ev.arena), slots))
}

fn zip_attrs_with<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let function = ev.as_function(args[0], pos)?;
    let sets = ev.as_list(args[1], pos)?;
    let mut entries: Vec<(Symbol, Value<'a>)> = Vec::new();
    for slot in sets {
        for (name, _, slot) in ev.as_attrs(share(slot), pos)?.iter() {
            entries.push((name, share(slot)));
        }
    }
    entries.sort_by_key(|entry| entry.0);
    let mut names = BumpVec::new_in(ev.arena);
    let mut slots = BumpVec::new_in(ev.arena);
    for group in entries.chunk_by(|a, b| a.0 == b.0) {
        let name = group[0].0;
        let items = ev
            .arena
            .alloc_slice_fill_iter(group.iter().map(|entry| Slot::new(entry.1)));
        let lazy = ev.arena.alloc(Lazy::Apply2 {
            function,
            first: ev.symbol_text(name),
            second: ev.list(items),
        });
        names.push(name);
        slots.push(Slot::new(Value::Lazy(0, lazy)));
    }
    let shape = ev.arena.alloc(Shape::new(names.into_bump_slice(), &[]));
    Ok(ev.attrs(shape, slots.into_bump_slice()))
}
