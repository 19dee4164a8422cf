//! Control, types, and messages to whoever runs the evaluation.

use super::Builtin;
use crate::error::{FaultData, Frame, Kind};
use crate::eval::{Coerce, Evaluator, R};
use crate::host::Message;
use crate::source::Pos;
use crate::symbol::names;
use crate::value::{Value, identity, share};

pub const ALL: &[Builtin] = &[
    Builtin::new("abort", 1, 0, abort),
    Builtin::new("addErrorContext", 2, 0, add_error_context),
    Builtin::new("break", 1, 0, break_),
    Builtin::new("deepSeq", 2, 0, deep_seq),
    Builtin::new("isAttrs", 1, 0b1, is_attrs),
    Builtin::new("isBool", 1, 0b1, is_bool),
    Builtin::new("isFloat", 1, 0b1, is_float),
    Builtin::new("isFunction", 1, 0b1, is_function),
    Builtin::new("isInt", 1, 0b1, is_int),
    Builtin::new("isList", 1, 0b1, is_list),
    Builtin::new("isNull", 1, 0b1, is_null),
    Builtin::new("isPath", 1, 0b1, is_path),
    Builtin::new("isString", 1, 0b1, is_string),
    Builtin::new("seq", 2, 0b1, seq),
    Builtin::new("throw", 1, 0, throw),
    Builtin::new("trace", 2, 0b1, trace),
    Builtin::new("traceVerbose", 2, 0, trace_verbose),
    Builtin::new("tryEval", 1, 0, try_eval),
    Builtin::new("typeOf", 1, 0b1, type_of),
    Builtin::new("warn", 2, 0b1, warn),
];

fn abort<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let text = ev.coerce(args[0], Coerce::INTERPOLATE, pos)?.lossy();
    let message = format!("evaluation aborted with the following error message: '{text}'");
    Err(FaultData::new(Kind::Abort, pos, message))
}

fn throw<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let text = ev.coerce(args[0], Coerce::INTERPOLATE, pos)?.lossy();
    Err(FaultData::new(Kind::Thrown, pos, text))
}

fn add_error_context<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let fault = match ev.force_value(args[1]) {
        Ok(value) => return Ok(value),
        Err(fault) => fault,
    };
    let mut fault = fault;
    let text = ev
        .coerce(args[0], Coerce::INTERPOLATE, pos)?
        .lossy()
        .into_owned();
    fault.trace.push(Frame {
        pos: Pos::NONE,
        text,
        explicit: true,
    });
    fault.has_context = true;
    Err(fault)
}

fn break_<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    // Without a debugger this is the identity, as in CppNix.
    ev.force_value(args[0])
}

fn seq<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    ev.force_value(args[1])
}

fn deep_seq<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    ev.force_deep(args[0])?;
    ev.force_value(args[1])
}

fn try_eval<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    let (success, value) = match ev.force_value(args[0]) {
        Ok(value) => (true, value),
        Err(fault) if fault.catchable() => (false, Value::Bool(false)),
        Err(fault) => return Err(fault),
    };
    Ok(ev.attrs_of(&[
        (names::SUCCESS, Value::Bool(success)),
        (names::VALUE, value),
    ]))
}

fn trace<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    let text = match args[0] {
        Value::Text(text) => text.lossy().into_owned(),
        value => crate::print::trace_form(ev, value),
    };
    ev.host.message(Message::Trace(&text));
    ev.force_value(args[1])
}

fn trace_verbose<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    if ev.options.trace_verbose {
        let message = ev.force_value(args[0])?;
        return trace(ev, &[message, args[1]], pos);
    }
    ev.force_value(args[1])
}

fn warn<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let text = ev.as_text(args[0], pos)?.lossy();
    ev.host.message(Message::Warning(&text));
    if ev.options.abort_on_warn {
        let message = "aborting to reveal stack trace of warning, as abort-on-warn is set";
        return Err(FaultData::new(Kind::Abort, pos, message));
    }
    ev.force_value(args[1])
}

fn type_of<'a>(_: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    Ok(match args[0] {
        Value::Int(_) => text_constant(&INT),
        Value::Bool(_) => text_constant(&BOOL),
        Value::Text(_) => text_constant(&STRING),
        Value::Path(_) => text_constant(&PATH),
        Value::Null => text_constant(&NULL),
        Value::Attrs(_) => text_constant(&SET),
        Value::List(_) => text_constant(&LIST),
        Value::Float(_) => text_constant(&FLOAT),
        _ => text_constant(&LAMBDA),
    })
}

type StaticText = crate::value::Text<'static>;
const fn constant(text: &'static str) -> StaticText {
    StaticText {
        bytes: text.as_bytes(),
        context: &[],
    }
}
static INT: StaticText = constant("int");
static BOOL: StaticText = constant("bool");
static STRING: StaticText = constant("string");
static PATH: StaticText = constant("path");
static NULL: StaticText = constant("null");
static SET: StaticText = constant("set");
static LIST: StaticText = constant("list");
static FLOAT: StaticText = constant("float");
static LAMBDA: StaticText = constant("lambda");

fn text_constant<'a>(text: &'static StaticText) -> Value<'a> {
    Value::Text(text)
}

fn is_attrs<'a>(_: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    Ok(Value::Bool(matches!(args[0], Value::Attrs(_))))
}

fn is_bool<'a>(_: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    Ok(Value::Bool(matches!(args[0], Value::Bool(_))))
}

fn is_float<'a>(_: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    Ok(Value::Bool(matches!(args[0], Value::Float(_))))
}

fn is_function<'a>(_: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    Ok(Value::Bool(matches!(
        args[0],
        Value::Lambda(_) | Value::Primop(_) | Value::Partial(_)
    )))
}

fn is_int<'a>(_: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    Ok(Value::Bool(matches!(args[0], Value::Int(_))))
}

fn is_list<'a>(_: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    Ok(Value::Bool(matches!(args[0], Value::List(_))))
}

fn is_null<'a>(_: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    Ok(Value::Bool(matches!(args[0], Value::Null)))
}

fn is_path<'a>(_: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    Ok(Value::Bool(matches!(args[0], Value::Path(_))))
}

fn is_string<'a>(_: &Evaluator<'a>, args: &[Value<'a>], _: Pos) -> R<'a> {
    Ok(Value::Bool(matches!(args[0], Value::Text(_))))
}

impl<'a> Evaluator<'a> {
    /// Evaluates a value to the bottom. Sets and lists that contain themselves are fine.
    pub fn force_deep(&self, value: Value<'a>) -> Result<(), crate::error::Fault> {
        let mut seen = hashbrown::HashSet::with_hasher(rustc_hash::FxBuildHasher);
        self.force_deep_seen(value, &mut seen)
    }

    fn force_deep_seen(
        &self,
        value: Value<'a>,
        seen: &mut hashbrown::HashSet<(usize, usize), rustc_hash::FxBuildHasher>,
    ) -> Result<(), crate::error::Fault> {
        self.check_stack()?;
        match self.force_value(value)? {
            Value::List(list) => {
                if !list.items.is_empty() && !seen.insert(identity(list.items)) {
                    return Ok(());
                }
                for slot in list.items {
                    self.force_deep_seen(share(slot), seen)?;
                }
            }
            Value::Attrs(attrs) => {
                if !attrs.is_empty() && !seen.insert(identity(attrs.slots)) {
                    return Ok(());
                }
                for &index in attrs.shape.alphabetical(self.arena, &self.symbols) {
                    let index = index as usize;
                    self.force_deep_seen(share(&attrs.slots[index]), seen)
                        .map_err(|fault| {
                            let name = self.symbols.display(attrs.shape.names[index]);
                            fault.while_doing(
                                attrs.shape.position(index),
                                format!("while evaluating the attribute '{name}'"),
                            )
                        })?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
