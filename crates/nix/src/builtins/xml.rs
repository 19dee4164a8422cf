//! XML.

use super::Builtin;
use crate::error::Fault;
use crate::eval::{Evaluator, R};
use crate::source::{Origin, Pos};
use crate::symbol::names;
use crate::value::{Attrs, Context, Value, share};

pub const ALL: &[Builtin] = &[Builtin::new("toXML", 1, 0b1, to_xml)];

fn to_xml<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let (text, context) = xml_of(ev, args[0], true, false, pos)?;
    Ok(ev.text_with(&text, context))
}

/// A value as XML. With `strict` everything is evaluated; with `location` sets and functions say
/// where they were written.
pub(crate) fn xml_of<'a>(
    ev: &Evaluator<'a>,
    value: Value<'a>,
    strict: bool,
    location: bool,
    pos: Pos,
) -> Result<(Vec<u8>, Context<'a>), Fault> {
    let mut writer = Writer {
        ev,
        strict,
        location,
        out: Vec::new(),
        depth: 0,
        context: &[],
        derivations: Default::default(),
    };
    writer
        .out
        .extend_from_slice(b"<?xml version='1.0' encoding='utf-8'?>\n");
    writer.open("expr", &[]);
    writer.value(value, pos)?;
    writer.close("expr");
    Ok((writer.out, writer.context))
}

struct Writer<'e, 'a> {
    ev: &'e Evaluator<'a>,
    strict: bool,
    location: bool,
    out: Vec<u8>,
    depth: usize,
    context: Context<'a>,
    derivations: hashbrown::HashSet<Vec<u8>>,
}

impl<'a> Writer<'_, 'a> {
    fn start(&mut self, name: &str, attributes: &[(&str, &[u8])]) {
        self.out.resize(self.out.len() + self.depth * 2, b' ');
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        for (attribute, value) in attributes {
            self.out.push(b' ');
            self.out.extend_from_slice(attribute.as_bytes());
            self.out.extend_from_slice(b"=\"");
            for &byte in *value {
                match byte {
                    b'"' => self.out.extend_from_slice(b"&quot;"),
                    b'<' => self.out.extend_from_slice(b"&lt;"),
                    b'>' => self.out.extend_from_slice(b"&gt;"),
                    b'&' => self.out.extend_from_slice(b"&amp;"),
                    b'\n' => self.out.extend_from_slice(b"&#xA;"),
                    byte => self.out.push(byte),
                }
            }
            self.out.push(b'"');
        }
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &[u8])]) {
        self.start(name, attributes);
        self.out.extend_from_slice(b">\n");
        self.depth += 1;
    }

    fn close(&mut self, name: &str) {
        self.depth -= 1;
        self.out.resize(self.out.len() + self.depth * 2, b' ');
        self.out
            .extend_from_slice(format!("</{name}>\n").as_bytes());
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &[u8])]) {
        self.start(name, attributes);
        self.out.extend_from_slice(b" />\n");
    }

    /// Attributes that say where something is, in the order in which CppNix sorts them.
    fn place(&self, pos: Pos) -> Vec<(&'static str, Vec<u8>)> {
        if !self.location {
            return Vec::new();
        }
        let Some((origin, line, column)) = self.ev.sources.line_column(pos) else {
            return Vec::new();
        };
        let mut place = vec![
            ("column", column.to_string().into_bytes()),
            ("line", line.to_string().into_bytes()),
        ];
        if let Origin::File(file) = origin {
            place.push(("path", file.clone().into_bytes()));
        }
        place
    }

    fn with_place<'n>(&self, attributes: &[(&'n str, &[u8])], pos: Pos) -> Vec<(&'n str, Vec<u8>)> {
        let mut all: Vec<(&'n str, Vec<u8>)> = attributes
            .iter()
            .map(|&(name, value)| (name, value.to_vec()))
            .collect();
        all.extend(self.place(pos));
        all.sort_by_key(|entry| entry.0);
        all
    }

    fn value(&mut self, value: Value<'a>, pos: Pos) -> Result<(), Fault> {
        let ev = self.ev;
        ev.check_stack()?;
        let value = match value {
            Value::Ref(slot) if slot.get().is_evaluated() => slot.get(),
            value => value,
        };
        if !value.is_evaluated() && !self.strict {
            self.empty("unevaluated", &[]);
            return Ok(());
        }
        match ev.force_value(value)? {
            Value::Int(number) => self.empty("int", &[("value", number.to_string().as_bytes())]),
            Value::Bool(true) => self.empty("bool", &[("value", b"true")]),
            Value::Bool(false) => self.empty("bool", &[("value", b"false")]),
            Value::Text(text) => {
                self.context = ev.join_contexts(self.context, text.context);
                self.empty("string", &[("value", text.bytes)]);
            }
            Value::Path(path) => self.empty("path", &[("value", path.bytes)]),
            Value::Null => self.empty("null", &[]),
            Value::Float(number) => self.empty(
                "float",
                &[("value", crate::print::float(number).as_bytes())],
            ),
            Value::List(list) => {
                self.open("list", &[]);
                for slot in list.items {
                    self.value(share(slot), pos)?;
                }
                self.close("list");
            }
            Value::Attrs(attrs) if ev.is_derivation(attrs)? => self.derivation(attrs, pos)?,
            Value::Attrs(attrs) => {
                self.open("attrs", &[]);
                self.attributes(attrs, pos)?;
                self.close("attrs");
            }
            Value::Lambda(closure) => self.function(closure),
            _ => self.empty("unevaluated", &[]),
        }
        Ok(())
    }

    fn derivation(&mut self, attrs: &'a Attrs<'a>, pos: Pos) -> Result<(), Fault> {
        let ev = self.ev;
        let mut known: Vec<(&str, &[u8])> = Vec::new();
        let mut path: &[u8] = b"";
        for (name, attribute) in [("drvPath", names::DRV_PATH), ("outPath", names::OUT_PATH)] {
            let Some(slot) = attrs.get(attribute) else {
                continue;
            };
            if self.strict {
                ev.force(slot)?;
            }
            if let Value::Text(text) = slot.get() {
                known.push((name, text.bytes));
                if name == "drvPath" {
                    path = text.bytes;
                }
            }
        }
        self.open("derivation", &known);
        if !path.is_empty() && self.derivations.insert(path.to_vec()) {
            self.attributes(attrs, pos)?;
        } else {
            self.empty("repeated", &[]);
        }
        self.close("derivation");
        Ok(())
    }

    fn attributes(&mut self, attrs: &'a Attrs<'a>, pos: Pos) -> Result<(), Fault> {
        let ev = self.ev;
        for &index in attrs.shape.alphabetical(ev.arena, &ev.symbols) {
            let index = index as usize;
            let all = self.with_place(
                &[("name", ev.symbols.text(attrs.shape.names[index]))],
                attrs.shape.position(index),
            );
            let all: Vec<(&str, &[u8])> = all
                .iter()
                .map(|(name, value)| (*name, value.as_slice()))
                .collect();
            self.open("attr", &all);
            self.value(
                share(&attrs.slots[index]),
                attrs.shape.position(index).or(pos),
            )?;
            self.close("attr");
        }
        Ok(())
    }

    fn function(&mut self, closure: &'a crate::value::Closure<'a>) {
        let ev = self.ev;
        let def = closure.def;
        let all = self.with_place(&[], def.pos);
        let all: Vec<(&str, &[u8])> = all
            .iter()
            .map(|(name, value)| (*name, value.as_slice()))
            .collect();
        self.open("function", &all);
        let name = def
            .parameters
            .get(closure.given.len())
            .map(|&name| ev.symbols.text(name));
        match &def.pattern {
            None => self.empty("varpat", &[("name", name.unwrap_or_default())]),
            Some(pattern) => {
                let mut attributes: Vec<(&str, &[u8])> = Vec::new();
                if pattern.ellipsis {
                    attributes.push(("ellipsis", b"1"));
                }
                if let Some(name) = name {
                    attributes.push(("name", name));
                }
                self.open("attrspat", &attributes);
                let mut names: Vec<&[u8]> = pattern
                    .formals
                    .iter()
                    .map(|formal| ev.symbols.text(formal.name))
                    .collect();
                names.sort_unstable();
                for name in names {
                    self.empty("attr", &[("name", name)]);
                }
                self.close("attrspat");
            }
        }
        self.close("function");
    }
}
