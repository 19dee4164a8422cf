//! Values as something else: strings, mostly.

use super::Evaluator;
use crate::error::{Fault, type_error};
use crate::path;
use crate::source::Pos;
use crate::symbol::{Symbol, names};
use crate::value::{Attrs, Context, Slot, Text, Value};

/// How far a value may be turned into a string.
#[derive(Clone, Copy)]
pub struct Coerce {
    /// Numbers, Booleans, null and lists, too.
    pub more: bool,
    /// Paths are copied to the store and become its paths.
    pub copy: bool,
}

impl Coerce {
    /// `"${…}"`.
    pub const INTERPOLATE: Self = Self {
        more: false,
        copy: true,
    };
    /// `a + b` with a string on the left.
    pub const ADD: Self = Self {
        more: false,
        copy: true,
    };
    /// After a path: nothing is copied.
    pub const PATH_PART: Self = Self {
        more: false,
        copy: false,
    };
    /// `builtins.toString`.
    pub const TO_STRING: Self = Self {
        more: true,
        copy: false,
    };
    /// Environment of a derivation.
    pub const ENVIRONMENT: Self = Self {
        more: true,
        copy: true,
    };
}

/// A value's type with its article, for messages.
pub fn type_name(value: Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a Boolean".to_owned(),
        Value::Int(_) => "an integer".to_owned(),
        Value::Float(_) => "a float".to_owned(),
        Value::Text(text) if !text.context.is_empty() => "a string with context".to_owned(),
        Value::Text(_) => "a string".to_owned(),
        Value::Path(_) => "a path".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Attrs(_) => "a set".to_owned(),
        Value::Lambda(_) => "a function".to_owned(),
        Value::Primop(primop) => format!("the built-in function '{}'", primop.name()),
        Value::Partial(partial) => format!(
            "the partially applied built-in function '{}'",
            partial.primop.name()
        ),
        Value::Delayed(..) | Value::Ref(_) | Value::Lazy(..) => "a thunk".to_owned(),
        Value::BlackHole(_) => "a black hole".to_owned(),
    }
}

impl<'a> Evaluator<'a> {
    /// A value as a string.
    pub(crate) fn coerce(
        &self,
        value: Value<'a>,
        how: Coerce,
        pos: Pos,
    ) -> Result<&'a Text<'a>, Fault> {
        let value = self.force_value(value)?;
        match value {
            Value::Text(text) => return Ok(text),
            Value::Int(number) if how.more => return Ok(self.decimal(number)),
            _ => {}
        }
        let mut bytes = Vec::new();
        let mut context: Context<'a> = &[];
        self.coerce_into(value, how, pos, &mut bytes, &mut context)?;
        let bytes = self.arena.alloc_slice_copy(&bytes);
        Ok(self.arena.alloc(Text { bytes, context }))
    }

    /// A number in decimal digits.
    fn decimal(&self, number: i64) -> &'a Text<'a> {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = number.unsigned_abs();
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            at -= 1;
            digits[at] = b'-';
        }
        let bytes = self.arena.alloc_slice_copy(&digits[at..]);
        self.arena.alloc(Text {
            bytes,
            context: &[],
        })
    }

    fn coerce_into(
        &self,
        value: Value<'a>,
        how: Coerce,
        pos: Pos,
        bytes: &mut Vec<u8>,
        context: &mut Context<'a>,
    ) -> Result<(), Fault> {
        self.check_stack()?;
        match value {
            Value::Text(text) => {
                bytes.extend_from_slice(text.bytes);
                *context = self.join_contexts(context, text.context);
            }
            Value::Path(path) if how.copy => {
                let copied = self.copy_to_store(path.bytes, pos)?;
                bytes.extend_from_slice(copied.bytes);
                *context = self.join_contexts(context, copied.context);
            }
            Value::Path(path) => bytes.extend_from_slice(path.bytes),
            Value::Attrs(attrs) => {
                if let Some(slot) = attrs.get(names::TO_STRING) {
                    let function = self.force(slot)?;
                    let result = self
                        .call(function, &[value], pos)
                        .and_then(|result| self.coerce_into(result, how, pos, bytes, context));
                    return result.map_err(|fault| {
                        fault.while_doing(
                            pos,
                            "while evaluating the result of the `__toString` attribute",
                        )
                    });
                }
                let Some(slot) = attrs.get(names::OUT_PATH) else {
                    return Err(self.cannot_coerce(value, pos));
                };
                let out_path = self.force(slot)?;
                self.coerce_into(out_path, how, pos, bytes, context)?;
            }
            Value::Bool(true) if how.more => bytes.push(b'1'),
            Value::Bool(false) | Value::Null if how.more => {}
            Value::Int(number) if how.more => {
                bytes.extend_from_slice(number.to_string().as_bytes())
            }
            Value::Float(number) if how.more => {
                bytes.extend_from_slice(format!("{number:.6}").as_bytes())
            }
            Value::List(list) if how.more => {
                for (index, slot) in list.items.iter().enumerate() {
                    let item = self.force(slot).map_err(|fault| {
                        fault.while_doing(pos, "while evaluating one element of the list")
                    })?;
                    self.coerce_into(item, how, pos, bytes, context)
                        .map_err(|fault| {
                            fault.while_doing(pos, "while evaluating one element of the list")
                        })?;
                    let is_empty_list =
                        matches!(item, Value::List(inner) if inner.items.is_empty());
                    if index + 1 < list.items.len() && !is_empty_list {
                        bytes.push(b' ');
                    }
                }
            }
            value => return Err(self.cannot_coerce(value, pos)),
        }
        Ok(())
    }

    #[cold]
    fn cannot_coerce(&self, value: Value<'a>, pos: Pos) -> Fault {
        type_error(
            pos,
            format!(
                "cannot coerce {} to a string: {}",
                type_name(value),
                self.describe(value)
            ),
        )
    }

    /// The union of two contexts.
    pub(crate) fn join_contexts(&self, a: Context<'a>, b: Context<'a>) -> Context<'a> {
        if b.is_empty() || std::ptr::eq(a, b) {
            return a;
        }
        if a.is_empty() {
            return b;
        }
        if b.iter().all(|element| a.binary_search(element).is_ok()) {
            return a;
        }
        let mut all: Vec<Symbol> = a.iter().chain(b).copied().collect();
        all.sort_unstable();
        all.dedup();
        self.arena.alloc_slice_copy(&all)
    }

    /// A context from its elements.
    pub(crate) fn context(&self, elements: &[&str]) -> Context<'a> {
        let mut all: Vec<Symbol> = elements
            .iter()
            .map(|element| self.symbols.intern(element.as_bytes()))
            .collect();
        all.sort_unstable();
        all.dedup();
        self.arena.alloc_slice_copy(&all)
    }

    /// The elements of a context in their encoded form, sorted by text.
    pub(crate) fn context_texts(&self, context: Context<'a>) -> Vec<String> {
        let mut texts: Vec<String> = context
            .iter()
            .map(|&element| self.symbols.display(element))
            .collect();
        texts.sort();
        texts
    }

    /// `a + b`.
    pub(crate) fn concat_texts(&self, a: &'a Text<'a>, b: &'a Text<'a>) -> Value<'a> {
        if b.bytes.is_empty() && b.context.is_empty() {
            return Value::Text(a);
        }
        let bytes = self.caches.growing.append(self.arena, a.bytes, b.bytes);
        let context = self.join_contexts(a.context, b.context);
        Value::Text(self.arena.alloc(Text { bytes, context }))
    }

    pub(crate) fn as_list(&self, value: Value<'a>, pos: Pos) -> Result<&'a [Slot<'a>], Fault> {
        match self.force_value(value)? {
            Value::List(list) => Ok(list.items),
            value => Err(self.expected("a list", value, pos)),
        }
    }

    pub(crate) fn as_attrs(&self, value: Value<'a>, pos: Pos) -> Result<&'a Attrs<'a>, Fault> {
        match self.force_value(value)? {
            Value::Attrs(attrs) => Ok(attrs),
            value => Err(self.expected("a set", value, pos)),
        }
    }

    pub(crate) fn as_text(&self, value: Value<'a>, pos: Pos) -> Result<&'a Text<'a>, Fault> {
        match self.force_value(value)? {
            Value::Text(text) => Ok(text),
            value => Err(self.expected("a string", value, pos)),
        }
    }

    /// A string that must not have a context.
    pub(crate) fn as_plain(&self, value: Value<'a>, pos: Pos) -> Result<&'a [u8], Fault> {
        let text = self.as_text(value, pos)?;
        match text.context.first() {
            None => Ok(text.bytes),
            Some(&element) => Err(self.fail(
                pos,
                format!(
                    "the string '{}' is not allowed to refer to a store path (such as '{}')",
                    text.lossy(),
                    self.symbols.display(element)
                ),
            )),
        }
    }

    pub(crate) fn as_int(&self, value: Value<'a>, pos: Pos) -> Result<i64, Fault> {
        match self.force_value(value)? {
            Value::Int(number) => Ok(number),
            value => Err(self.expected("an integer", value, pos)),
        }
    }

    pub(crate) fn as_bool(&self, value: Value<'a>, pos: Pos) -> Result<bool, Fault> {
        match self.force_value(value)? {
            Value::Bool(value) => Ok(value),
            value => Err(self.expected("a Boolean", value, pos)),
        }
    }

    pub(crate) fn as_function(&self, value: Value<'a>, pos: Pos) -> Result<Value<'a>, Fault> {
        match self.force_value(value)? {
            value @ (Value::Lambda(_) | Value::Primop(_) | Value::Partial(_)) => Ok(value),
            value @ Value::Attrs(attrs) if attrs.get(names::FUNCTOR).is_some() => Ok(value),
            value => Err(self.expected("a function", value, pos)),
        }
    }

    /// Strings of the language have no zero bytes.
    pub(crate) fn refuse_nul(&self, bytes: &[u8], pos: Pos) -> Result<(), Fault> {
        if bytes.contains(&0) {
            let shown = String::from_utf8_lossy(bytes).replace('\0', "␀");
            let message = format!(
                "input string '{shown}' cannot be represented as Nix string because it contains null bytes"
            );
            return Err(self.fail(pos, message));
        }
        Ok(())
    }

    /// A value as an absolute path in normal form, with the context of the string it was.
    pub(crate) fn as_path(
        &self,
        value: Value<'a>,
        pos: Pos,
    ) -> Result<(Vec<u8>, Context<'a>), Fault> {
        let text = match self.force_value(value)? {
            Value::Path(path) => return Ok((path.bytes.to_vec(), &[])),
            value => self.coerce(value, Coerce::PATH_PART, pos)?,
        };
        if !text.bytes.starts_with(b"/") {
            return Err(self.fail(
                pos,
                format!(
                    "string '{}' doesn't represent an absolute path",
                    text.lossy()
                ),
            ));
        }
        Ok((path::canonical(text.bytes), text.context))
    }
}
