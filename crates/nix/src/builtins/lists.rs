//! Lists.

use bumpalo::collections::Vec as BumpVec;

use super::Builtin;
use crate::error::{Fault, FaultData, Kind};
use crate::eval::{Evaluator, R};
use crate::source::Pos;
use crate::symbol::names;
use crate::value::{AttrsBuilder, Lazy, Slot, Value, share};

pub const ALL: &[Builtin] = &[
    Builtin::new("all", 2, 0b11, all),
    Builtin::new("any", 2, 0b11, any),
    Builtin::new("concatLists", 1, 0b1, concat_lists),
    Builtin::new("concatMap", 2, 0b11, concat_map),
    Builtin::new("elem", 2, 0b11, elem),
    Builtin::new("elemAt", 2, 0b11, elem_at),
    Builtin::new("filter", 2, 0b10, filter),
    Builtin::new("foldl'", 3, 0b101, fold_left),
    Builtin::new("genList", 2, 0b10, gen_list),
    Builtin::new("genericClosure", 1, 0b1, generic_closure),
    Builtin::new("groupBy", 2, 0b11, group_by),
    Builtin::new("head", 1, 0b1, head),
    Builtin::new("length", 1, 0b1, length),
    Builtin::new("map", 2, 0b10, map),
    Builtin::new("partition", 2, 0b11, partition),
    Builtin::new("sort", 2, 0b11, sort),
    Builtin::new("tail", 1, 0b1, tail),
];

fn map<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let items = ev.as_list(args[1], pos)?;
    if items.is_empty() {
        return Ok(Value::EMPTY_LIST);
    }
    let function = ev.as_function(args[0], pos)?;
    let lazy = ev.arena.alloc(Lazy::Map { function, items });
    Ok(
        ev.list(ev.arena.alloc_slice_fill_with(items.len(), |index| {
            Slot::new(Value::Lazy(index as u32, lazy))
        })),
    )
}

fn gen_list<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let len = ev.as_int(args[1], pos)?;
    let Ok(len) = u32::try_from(len) else {
        return Err(ev.fail(pos, format!("cannot create list of size {len}")));
    };
    if len == 0 {
        return Ok(Value::EMPTY_LIST);
    }
    let function = ev.sharable(args[0]);
    let lazy = ev.arena.alloc(Lazy::Generate { function });
    Ok(
        ev.list(ev.arena.alloc_slice_fill_with(len as usize, |index| {
            Slot::new(Value::Lazy(index as u32, lazy))
        })),
    )
}

fn filter<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let items = ev.as_list(args[1], pos)?;
    if items.is_empty() {
        return Ok(Value::EMPTY_LIST);
    }
    let function = ev.as_function(args[0], pos)?;
    let mut kept = BumpVec::new_in(ev.arena);
    for slot in items {
        if test(ev, function, slot, pos, "filter")? {
            kept.push(Slot::new(share(slot)));
        }
    }
    if kept.len() == items.len() {
        return Ok(ev.list(items));
    }
    Ok(ev.list(kept.into_bump_slice()))
}

fn test<'a>(
    ev: &Evaluator<'a>,
    function: Value<'a>,
    slot: &'a Slot<'a>,
    pos: Pos,
    name: &str,
) -> Result<bool, Fault> {
    match ev.call(function, &[share(slot)], pos)? {
        Value::Bool(value) => Ok(value),
        value => {
            let text = format!(
                "while evaluating the return value of the function passed to builtins.{name}"
            );
            Err(ev.expected("a Boolean", value, pos).while_doing(pos, text))
        }
    }
}

fn all<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let function = ev.as_function(args[0], pos)?;
    for slot in ev.as_list(args[1], pos)? {
        if !test(ev, function, slot, pos, "all")? {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn any<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let function = ev.as_function(args[0], pos)?;
    for slot in ev.as_list(args[1], pos)? {
        if test(ev, function, slot, pos, "any")? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn concat_lists<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let lists = ev.as_list(args[0], pos)?;
    let lists = lists
        .iter()
        .map(|slot| ev.as_list(share(slot), pos))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(ev.concat_lists(&lists))
}

fn concat_map<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let function = ev.as_function(args[0], pos)?;
    let items = ev.as_list(args[1], pos)?;
    let mut lists = Vec::with_capacity(items.len());
    for slot in items {
        let result = ev.call(function, &[share(slot)], pos)?;
        lists.push(ev.as_list(result, pos).map_err(|fault| {
            fault.while_doing(
                pos,
                "while evaluating the return value of the function passed to builtins.concatMap",
            )
        })?);
    }
    Ok(ev.concat_lists(&lists))
}

fn elem<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    for slot in ev.as_list(args[1], pos)? {
        if ev.equal(args[0], ev.force(slot)?, pos)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn elem_at<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let items = ev.as_list(args[0], pos)?;
    let index = ev.as_int(args[1], pos)?;
    match usize::try_from(index)
        .ok()
        .and_then(|index| items.get(index))
    {
        Some(slot) => ev.force(slot),
        None => Err(ev.fail(
            pos,
            format!(
                "'builtins.elemAt' called with index {index} on a list of size {}",
                items.len()
            ),
        )),
    }
}

fn head<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    match ev.as_list(args[0], pos)?.first() {
        Some(slot) => ev.force(slot),
        None => Err(ev.fail(pos, "'builtins.head' called on an empty list")),
    }
}

fn tail<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    match ev.as_list(args[0], pos)? {
        [] => Err(ev.fail(pos, "'builtins.tail' called on an empty list")),
        [_, rest @ ..] => Ok(ev.list(rest)),
    }
}

fn length<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    Ok(Value::Int(ev.as_list(args[0], pos)?.len() as i64))
}

fn fold_left<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let function = ev.as_function(args[0], pos)?;
    let items = ev.as_list(args[2], pos)?;
    let mut result = args[1];
    for slot in items {
        result = ev.call(function, &[result, share(slot)], pos)?;
    }
    ev.force_value(result)
}

fn partition<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let function = ev.as_function(args[0], pos)?;
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for slot in ev.as_list(args[1], pos)? {
        let side = if test(ev, function, slot, pos, "partition")? {
            &mut right
        } else {
            &mut wrong
        };
        side.push(share(slot));
    }
    Ok(ev.attrs_of(&[
        (names::RIGHT, ev.list_of(&right)),
        (names::WRONG, ev.list_of(&wrong)),
    ]))
}

fn group_by<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let function = ev.as_function(args[0], pos)?;
    let mut index = crate::eval::Map::default();
    let mut groups: Vec<(crate::symbol::Symbol, Vec<Value<'a>>)> = Vec::new();
    for slot in ev.as_list(args[1], pos)? {
        let key = ev.call(function, &[share(slot)], pos)?;
        let key = ev.as_plain(key, pos).map_err(|fault| {
            fault.while_doing(pos, "while evaluating the return value of the grouping function passed to builtins.groupBy")
        })?;
        let name = ev.symbols.intern(key);
        let place = *index.entry(name).or_insert_with(|| {
            groups.push((name, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(share(slot));
    }
    let mut builder = AttrsBuilder::with_capacity(groups.len());
    for (name, items) in groups {
        builder.push(name, Pos::NONE, ev.list_of(&items));
    }
    Ok(Value::Attrs(builder.build(ev.arena)))
}

fn sort<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let items = ev.as_list(args[1], pos)?;
    if items.is_empty() {
        return Ok(Value::EMPTY_LIST);
    }
    let function = ev.as_function(args[0], pos)?;
    let values: Vec<Value<'a>> = items
        .iter()
        .map(|slot| ev.force(slot))
        .collect::<Result<_, _>>()?;
    let is_less_than = matches!(function, Value::Primop(primop) if primop.name() == "lessThan");
    let mut compare = |a: &Value<'a>, b: &Value<'a>| -> Result<bool, Fault> {
        if is_less_than {
            return ev.less(*a, *b, pos);
        }
        match ev.call(function, &[*a, *b], pos)? {
            Value::Bool(value) => Ok(value),
            value => {
                let text = "while evaluating the return value of the sorting function passed to builtins.sort";
                Err(ev.expected("a Boolean", value, pos).while_doing(pos, text))
            }
        }
    };
    let sorted = merge_sort(values, &mut compare)?;
    Ok(ev.list_of(&sorted))
}

/// A stable sort whose comparison may fail, and may be no order at all. Runs that are sorted
/// already are found first, so that sorted input takes linear time.
fn merge_sort<T: Copy>(
    items: Vec<T>,
    less: &mut impl FnMut(&T, &T) -> Result<bool, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut runs: Vec<usize> = vec![0];
    for index in 1..items.len() {
        if less(&items[index], &items[index - 1])? {
            runs.push(index);
        }
    }
    runs.push(items.len());
    let mut source = items;
    let mut target = source.clone();
    while runs.len() > 2 {
        let mut next = vec![0];
        for pair in runs.windows(3).step_by(2) {
            let (mut i, mut j, middle, end) = (pair[0], pair[1], pair[1], pair[2]);
            let mut k = i;
            while i < middle && j < end {
                // The right side goes first only if it is smaller: equal elements keep their order.
                if less(&source[j], &source[i])? {
                    target[k] = source[j];
                    j += 1;
                } else {
                    target[k] = source[i];
                    i += 1;
                }
                k += 1;
            }
            target[k..k + middle - i].copy_from_slice(&source[i..middle]);
            k += middle - i;
            target[k..end].copy_from_slice(&source[j..end]);
            next.push(end);
        }
        if runs.len().is_multiple_of(2) {
            let last = runs[runs.len() - 2];
            target[last..].copy_from_slice(&source[last..]);
            next.push(source.len());
        }
        std::mem::swap(&mut source, &mut target);
        runs = next;
    }
    Ok(source)
}

/// A key of `genericClosure`, hashable where that is possible.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Int(i64),
    Text(Vec<u8>),
    Path(Vec<u8>),
}

fn generic_closure<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let attrs = ev.as_attrs(args[0], pos)?;
    let get = |name| match attrs.get(name) {
        Some(slot) => ev.force(slot),
        None => Err(ev.missing(attrs, name, pos).while_doing(
            pos,
            "in the attrset passed as argument to builtins.genericClosure",
        )),
    };
    let start = ev.as_list(get(names::START_SET)?, pos)?;
    if start.is_empty() {
        return Ok(Value::EMPTY_LIST);
    }
    let operator = ev.as_function(get(names::OPERATOR)?, pos)?;
    let mut queue: std::collections::VecDeque<&'a Slot<'a>> = start.iter().collect();
    let mut seen = hashbrown::HashSet::with_hasher(rustc_hash::FxBuildHasher);
    let mut others: Vec<Value<'a>> = Vec::new();
    let mut result: Vec<Value<'a>> = Vec::new();
    while let Some(slot) = queue.pop_front() {
        let item = ev.force(slot)?;
        let Value::Attrs(set) = item else {
            return Err(ev.expected("a set", item, pos).while_doing(pos, "while evaluating one of the elements generated by (or initially passed to) builtins.genericClosure"));
        };
        let Some(key) = set.get(names::KEY) else {
            return Err(ev.missing(set, names::KEY, pos).while_doing(pos, "in one of the attrsets generated by (or initially passed to) builtins.genericClosure"));
        };
        let key = ev.force(key)?;
        let new = match key {
            Value::Int(number) if others.is_empty() => seen.insert(Key::Int(number)),
            Value::Text(text) if others.is_empty() => seen.insert(Key::Text(text.bytes.to_vec())),
            Value::Path(path) if others.is_empty() => seen.insert(Key::Path(path.bytes.to_vec())),
            key => {
                // Lists, floats and mixtures: compared one by one, which also finds keys that
                // cannot be compared.
                let mut new = true;
                if others.is_empty() {
                    for earlier in &result {
                        if let Value::Attrs(set) = earlier
                            && let Some(slot) = set.get(names::KEY)
                        {
                            others.push(slot.get());
                        }
                    }
                }
                for &other in &others {
                    if !ev.less(key, other, pos)? && !ev.less(other, key, pos)? {
                        new = false;
                        break;
                    }
                }
                if new {
                    others.push(key);
                }
                new
            }
        };
        if !new {
            continue;
        }
        check_comparable(ev, &result, key, pos)?;
        result.push(item);
        let more = ev.call(operator, &[item], pos)?;
        let more = ev.as_list(more, pos).map_err(|fault| {
            fault.while_doing(pos, "while evaluating the return value of the `operator` passed to builtins.genericClosure")
        })?;
        queue.extend(more);
    }
    Ok(ev.list_of(&result))
}

/// Keys of different types cannot be compared; looking at the first one finds that.
fn check_comparable<'a>(
    ev: &Evaluator<'a>,
    result: &[Value<'a>],
    key: Value<'a>,
    pos: Pos,
) -> Result<(), Fault> {
    let Some(Value::Attrs(first)) = result.first() else {
        return Ok(());
    };
    let Some(first_key) = first.get(names::KEY) else {
        return Ok(());
    };
    let first_key = first_key.get();
    let comparable = std::mem::discriminant(&first_key) == std::mem::discriminant(&key)
        || matches!(
            (first_key, key),
            (
                Value::Int(_) | Value::Float(_),
                Value::Int(_) | Value::Float(_)
            )
        );
    if comparable {
        return Ok(());
    }
    ev.less(key, first_key, pos)
        .map(|_| ())
        .and(Err(FaultData::new(
            Kind::Type,
            pos,
            "keys cannot be compared",
        )))
}
