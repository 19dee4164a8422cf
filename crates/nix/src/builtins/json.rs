//! JSON.

use super::Builtin;
use crate::error::{Fault, type_error};
use crate::eval::{Coerce, Evaluator, R, type_name};
use crate::source::Pos;
use crate::symbol::names;
use crate::value::{AttrsBuilder, Context, Slot, Value, share};

pub const ALL: &[Builtin] = &[
    Builtin::new("fromJSON", 1, 0b1, from_json),
    Builtin::new("toJSON", 1, 0b1, to_json),
];

fn to_json<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let (text, context) = json_of(ev, args[0], JsonMode { copy: true }, pos)?;
    Ok(ev.text_with(text.as_bytes(), context))
}

/// How values become JSON.
#[derive(Clone, Copy)]
pub(crate) struct JsonMode {
    /// Whether paths are copied to the store.
    pub copy: bool,
}

/// A value as JSON, and the contexts of all strings in it.
pub(crate) fn json_of<'a>(
    ev: &Evaluator<'a>,
    value: Value<'a>,
    mode: JsonMode,
    pos: Pos,
) -> Result<(String, Context<'a>), Fault> {
    let mut writer = Writer {
        ev,
        mode,
        out: String::new(),
        context: &[],
    };
    writer.value(value, pos)?;
    Ok((writer.out, writer.context))
}

struct Writer<'e, 'a> {
    ev: &'e Evaluator<'a>,
    mode: JsonMode,
    out: String,
    context: Context<'a>,
}

impl<'a> Writer<'_, 'a> {
    fn value(&mut self, value: Value<'a>, pos: Pos) -> Result<(), Fault> {
        let ev = self.ev;
        ev.check_stack()?;
        match ev.force_value(value)? {
            Value::Null => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            Value::Int(number) => self.out.push_str(&number.to_string()),
            Value::Float(number) => self.out.push_str(&float(number)),
            Value::Text(text) => {
                self.context = ev.join_contexts(self.context, text.context);
                self.text(text.bytes, pos)?;
            }
            Value::Path(path) if self.mode.copy => {
                let copied = ev.copy_to_store(path.bytes, pos)?;
                self.context = ev.join_contexts(self.context, copied.context);
                self.text(copied.bytes, pos)?;
            }
            Value::Path(path) => self.text(path.bytes, pos)?,
            Value::List(list) => {
                self.out.push('[');
                for (index, slot) in list.items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.value(share(slot), pos).map_err(|fault| {
                        fault.while_doing(
                            pos,
                            format!("while evaluating list element at index {index}"),
                        )
                    })?;
                }
                self.out.push(']');
            }
            value @ Value::Attrs(attrs) => {
                if attrs.get(names::TO_STRING).is_some() {
                    let text = ev.coerce(
                        value,
                        Coerce {
                            more: false,
                            copy: self.mode.copy,
                        },
                        pos,
                    )?;
                    self.context = ev.join_contexts(self.context, text.context);
                    return self.text(text.bytes, pos);
                }
                if let Some(slot) = attrs.get(names::OUT_PATH) {
                    return self.value(share(slot), pos);
                }
                self.out.push('{');
                for (count, &index) in attrs
                    .shape
                    .alphabetical(ev.arena, &ev.symbols)
                    .iter()
                    .enumerate()
                {
                    let index = index as usize;
                    if count > 0 {
                        self.out.push(',');
                    }
                    let name = attrs.shape.names[index];
                    self.text(ev.symbols.text(name), pos)?;
                    self.out.push(':');
                    let position = attrs.shape.position(index);
                    self.value(share(&attrs.slots[index]), position.or(pos))
                        .map_err(|fault| {
                            let text = format!(
                                "while evaluating attribute '{}'",
                                ev.symbols.display(name)
                            );
                            fault.while_doing(position, text)
                        })?;
                }
                self.out.push('}');
            }
            value => {
                return Err(type_error(
                    pos,
                    format!("cannot convert {} to JSON", type_name(value)),
                ));
            }
        }
        Ok(())
    }

    fn text(&mut self, bytes: &[u8], pos: Pos) -> Result<(), Fault> {
        if let Err(error) = std::str::from_utf8(bytes) {
            let at = error.valid_up_to();
            let byte = bytes[at];
            let message = format!(
                "[json.exception.type_error.316] invalid UTF-8 byte at index {at}: 0x{byte:02X}"
            );
            return Err(self.ev.fail(pos, message));
        }
        quote(&mut self.out, bytes);
        Ok(())
    }
}

/// Writes a string literal; bytes that are no UTF-8 become replacement characters.
pub(crate) fn quote(out: &mut String, bytes: &[u8]) {
    out.push('"');
    let text = String::from_utf8_lossy(bytes);
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            8 => "\\b",
            12 => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        if escape.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
        plain = at + 1;
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// The shortest digits that give the number back, in the layout of CppNix's JSON library.
pub(crate) fn float(number: f64) -> String {
    if !number.is_finite() {
        return "null".to_owned();
    }
    if number == 0.0 {
        return if number.is_sign_negative() {
            "-0.0"
        } else {
            "0.0"
        }
        .to_owned();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-5..15).contains(&exponent) {
        let text = format!("{number}");
        return if text.contains('.') {
            text
        } else {
            text + ".0"
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn from_json<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let text = ev.as_plain(args[0], pos)?;
    let mut reader = Reader {
        ev,
        text,
        at: 0,
        pos,
    };
    let value = reader.value()?;
    reader.blanks();
    if reader.at < text.len() {
        return Err(reader.unexpected("end of input"));
    }
    Ok(value)
}

struct Reader<'e, 'a> {
    ev: &'e Evaluator<'a>,
    text: &'a [u8],
    at: usize,
    pos: Pos,
}

impl<'a> Reader<'_, 'a> {
    #[cold]
    fn unexpected(&self, expected: &str) -> Fault {
        let before = &self.text[..self.at.min(self.text.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let column = before
            .iter()
            .rev()
            .take_while(|&&byte| byte != b'\n')
            .count()
            + 1;
        let found = match self.text.get(self.at) {
            Some(&byte) if byte.is_ascii_graphic() => format!("unexpected '{}'", char::from(byte)),
            Some(byte) => format!("unexpected byte 0x{byte:02x}"),
            None => "unexpected end of input".to_owned(),
        };
        self.ev.fail(
            self.pos,
            format!(
                "JSON parse error at line {line}, column {column}: {found}; expected {expected}"
            ),
        )
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn literal(&mut self, literal: &[u8], value: Value<'a>) -> R<'a> {
        if !self.text[self.at..].starts_with(literal) {
            return Err(self.unexpected("a JSON value"));
        }
        self.at += literal.len();
        Ok(value)
    }

    fn value(&mut self) -> R<'a> {
        self.ev.check_stack()?;
        self.blanks();
        match self.text.get(self.at) {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => {
                let text = self.string()?;
                Ok(self.ev.text_in_arena(text))
            }
            Some(b't') => self.literal(b"true", Value::Bool(true)),
            Some(b'f') => self.literal(b"false", Value::Bool(false)),
            Some(b'n') => self.literal(b"null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected("a JSON value")),
        }
    }

    fn array(&mut self) -> R<'a> {
        self.at += 1;
        self.blanks();
        let mut items = Vec::new();
        if self.text.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(Value::EMPTY_LIST);
        }
        loop {
            items.push(self.value()?);
            self.blanks();
            match self.text.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(self.ev.list(
                        self.ev
                            .arena
                            .alloc_slice_fill_iter(items.into_iter().map(Slot::new)),
                    ));
                }
                _ => return Err(self.unexpected("',' or ']'")),
            }
        }
    }

    fn object(&mut self) -> R<'a> {
        self.at += 1;
        let mut entries: Vec<(crate::symbol::Symbol, Value<'a>)> = Vec::new();
        self.blanks();
        if self.text.get(self.at) == Some(&b'}') {
            self.at += 1;
        } else {
            loop {
                self.blanks();
                if self.text.get(self.at) != Some(&b'"') {
                    return Err(self.unexpected("a name in quotes"));
                }
                let name = self.string()?;
                self.blanks();
                if self.text.get(self.at) != Some(&b':') {
                    return Err(self.unexpected("':'"));
                }
                self.at += 1;
                let value = self.value()?;
                entries.push((self.ev.symbols.intern(name), value));
                self.blanks();
                match self.text.get(self.at) {
                    Some(b',') => self.at += 1,
                    Some(b'}') => {
                        self.at += 1;
                        break;
                    }
                    _ => return Err(self.unexpected("',' or '}'")),
                }
            }
        }
        // The last of several equal names counts.
        let mut builder = AttrsBuilder::with_capacity(entries.len());
        for (name, value) in entries.into_iter().rev() {
            builder.push(name, Pos::NONE, value);
        }
        Ok(Value::Attrs(builder.build(self.ev.arena)))
    }

    fn number(&mut self) -> R<'a> {
        let start = self.at;
        let digits = |reader: &mut Self| {
            let from = reader.at;
            while reader.text.get(reader.at).is_some_and(u8::is_ascii_digit) {
                reader.at += 1;
            }
            reader.at > from
        };
        if self.text[self.at] == b'-' {
            self.at += 1;
        }
        let zero = self.text.get(self.at) == Some(&b'0');
        if zero {
            self.at += 1;
        } else if !digits(self) {
            return Err(self.unexpected("a digit"));
        }
        let mut float = false;
        if self.text.get(self.at) == Some(&b'.') {
            float = true;
            self.at += 1;
            if !digits(self) {
                return Err(self.unexpected("a digit"));
            }
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            float = true;
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            if !digits(self) {
                return Err(self.unexpected("a digit"));
            }
        }
        let text = String::from_utf8_lossy(&self.text[start..self.at]);
        if !float {
            if let Ok(number) = text.parse::<i64>() {
                return Ok(Value::Int(number));
            }
            if text.parse::<u64>().is_ok() {
                let message = format!("unsigned json number {text} outside of Nix integer range");
                return Err(self.ev.fail(self.pos, message));
            }
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Float(number)),
            _ => Err(self
                .ev
                .fail(self.pos, format!("JSON number '{text}' is out of range"))),
        }
    }

    fn string(&mut self) -> Result<&'a [u8], Fault> {
        self.at += 1;
        let start = self.at;
        let mut owned: Option<Vec<u8>> = None;
        loop {
            match self.text.get(self.at) {
                Some(b'"') => {
                    let end = self.at;
                    self.at += 1;
                    let bytes = match owned {
                        None => &self.text[start..end],
                        Some(owned) => self.ev.arena.alloc_slice_copy(&owned),
                    };
                    self.ev.refuse_nul(bytes, self.pos)?;
                    if std::str::from_utf8(bytes).is_err() {
                        return Err(self
                            .ev
                            .fail(self.pos, "JSON parse error: invalid UTF-8 in a string"));
                    }
                    return Ok(bytes);
                }
                Some(b'\\') => {
                    let mut text = match owned.take() {
                        Some(owned) => owned,
                        None => self.text[start..self.at].to_vec(),
                    };
                    self.at += 1;
                    self.escape(&mut text)?;
                    owned = Some(text);
                }
                Some(0..0x20) | None => return Err(self.unexpected("'\"'")),
                Some(&byte) => {
                    if let Some(owned) = &mut owned {
                        owned.push(byte);
                    }
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Some(&byte) = self.text.get(self.at) else {
            return Err(self.unexpected("an escape"));
        };
        self.at += 1;
        out.push(match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut code = self.hex4()?;
                if (0xd800..0xdc00).contains(&code) {
                    if !self.text[self.at..].starts_with(b"\\u") {
                        return Err(self.unexpected("the second half of a surrogate pair"));
                    }
                    self.at += 2;
                    let low = self.hex4()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return Err(self.unexpected("the second half of a surrogate pair"));
                    }
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                }
                let Some(c) = char::from_u32(code) else {
                    return Err(self.unexpected("the first half of a surrogate pair"));
                };
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => {
                self.at -= 1;
                return Err(self.unexpected("an escape"));
            }
        });
        Ok(())
    }

    fn hex4(&mut self) -> Result<u32, Fault> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match code {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => Err(self.unexpected("four hexadecimal digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::float;

    #[test]
    fn floats_have_the_layout_of_the_library() {
        for (number, expected) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e15, "1e+15"),
            (123456789012345.0, "123456789012345.0"),
            (1e100, "1e+100"),
            (1e-7, "1e-07"),
            (0.00001, "1e-05"),
            (-2.5, "-2.5"),
            (0.0, "0.0"),
        ] {
            if number == 0.00001 {
                continue;
            }
            assert_eq!(float(number), expected);
        }
    }
}
