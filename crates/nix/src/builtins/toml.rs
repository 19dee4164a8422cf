//! TOML.

use super::Builtin;
use crate::error::Fault;
use crate::eval::{Evaluator, R};
use crate::source::Pos;
use crate::symbol::names;
use crate::value::{AttrsBuilder, Value};

pub const ALL: &[Builtin] = &[Builtin::new("fromTOML", 1, 0b1, from_toml)];

fn from_toml<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let bytes = ev.as_plain(args[0], pos)?;
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ev.fail(pos, format!("while parsing TOML: {error}")))?;
    let table: toml::Table = toml::from_str(text)
        .map_err(|error| ev.fail(pos, format!("while parsing TOML: {error}")))?;
    convert(ev, &toml::Value::Table(table), pos)
}

fn convert<'a>(ev: &Evaluator<'a>, value: &toml::Value, pos: Pos) -> Result<Value<'a>, Fault> {
    Ok(match value {
        toml::Value::String(text) => {
            refuse_nul(ev, text, pos)?;
            ev.text(text.as_bytes())
        }
        toml::Value::Integer(number) => Value::Int(*number),
        toml::Value::Float(number) => Value::Float(*number),
        toml::Value::Boolean(value) => Value::Bool(*value),
        toml::Value::Array(items) => {
            let items = items
                .iter()
                .map(|item| convert(ev, item, pos))
                .collect::<Result<Vec<_>, _>>()?;
            ev.list_of(&items)
        }
        toml::Value::Table(table) => {
            let mut builder = AttrsBuilder::with_capacity(table.len());
            for (name, item) in table {
                refuse_nul(ev, name, pos)?;
                builder.push(
                    ev.symbols.intern(name.as_bytes()),
                    Pos::NONE,
                    convert(ev, item, pos)?,
                );
            }
            Value::Attrs(builder.build(ev.arena))
        }
        toml::Value::Datetime(time) if ev.options.toml_timestamps => ev.attrs_of(&[
            (names::UNDERSCORE_TYPE, ev.text(b"timestamp")),
            (names::VALUE, ev.text(time.to_string().as_bytes())),
        ]),
        toml::Value::Datetime(_) => {
            return Err(ev.fail(pos, "while parsing TOML: Dates and times are not supported"));
        }
    })
}

fn refuse_nul(ev: &Evaluator<'_>, text: &str, pos: Pos) -> Result<(), Fault> {
    ev.refuse_nul(text.as_bytes(), pos)
        .map_err(|fault| ev.fail(pos, format!("while parsing TOML: error: {}", fault.message)))
}
