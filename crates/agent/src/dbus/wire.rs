//! Messages as bytes (D-Bus specification, little endian when written, either when read).

/// Larger messages are refused.
const LONGEST: usize = 16 * 1024 * 1024;
/// Containers in containers.
const DEEPEST: u32 = 32;

/// Bytes that are no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError(pub &'static str);

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument<'a> {
    /// `s`
    Text(&'a str),
    /// `b`
    Bool(bool),
    /// `o`
    Path(&'a str),
}

/// What is received.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `y n q i u x t h`
    Integer(i128),
    /// `b`
    Bool(bool),
    /// `d`
    Double(f64),
    /// `s o g`
    Text(String),
    /// `a`; members of a dictionary are structures of two.
    Array(Vec<Value>),
    /// `( )`
    Struct(Vec<Value>),
    /// `v`, with its signature.
    Variant(String, Box<Value>),
}

impl Value {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Variant(_, value) => value.text(),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn integer(&self) -> Option<i128> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Variant(_, value) => value.integer(),
            _ => None,
        }
    }

    /// The members, if it has any.
    pub fn members(&self) -> &[Value] {
        match self {
            Self::Array(members) | Self::Struct(members) => members,
            Self::Variant(_, value) => value.members(),
            _ => &[],
        }
    }
}

/// Kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the specification's words")]
pub enum Kind {
    Call,
    Return,
    Error,
    Signal,
}

/// A received message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Kind.
    pub kind: Kind,
    /// Its number.
    pub serial: u32,
    /// The number of the call that it answers.
    pub reply_to: u32,
    /// Object; empty: none.
    pub path: String,
    /// Interface; empty: none.
    pub interface: String,
    /// Method or signal; empty: none.
    pub member: String,
    /// Name of an error; empty: none.
    pub error: String,
    /// Arguments.
    pub body: Vec<Value>,
}

/// The bytes of a message. `fields`: code and value of the header's fields, all text.
pub fn encode_message(
    kind: Kind,
    serial: u32,
    reply_to: Option<u32>,
    fields: &[(u8, &str)],
    body: &[Argument<'_>],
) -> Vec<u8> {
    let mut content = Vec::new();
    let mut signature = String::new();
    for argument in body {
        match argument {
            Argument::Text(text) => {
                signature.push('s');
                put_text(&mut content, text);
            }
            Argument::Path(text) => {
                signature.push('o');
                put_text(&mut content, text);
            }
            Argument::Bool(value) => {
                signature.push('b');
                pad(&mut content, 4);
                content.extend(u32::from(*value).to_le_bytes());
            }
        }
    }
    let code = match kind {
        Kind::Call => 1,
        Kind::Return => 2,
        Kind::Error => 3,
        Kind::Signal => 4,
    };
    let mut out = vec![b'l', code, 0, 1];
    out.extend(length(content.len()));
    out.extend(serial.to_le_bytes());
    out.extend([0; 4]);
    let begin = out.len();
    if let Some(reply_to) = reply_to {
        pad(&mut out, 8);
        out.extend([5, 1, b'u', 0]);
        pad(&mut out, 4);
        out.extend(reply_to.to_le_bytes());
    }
    for &(code, text) in fields {
        pad(&mut out, 8);
        let kind = if code == 1 { b'o' } else { b's' };
        out.extend([code, 1, kind, 0]);
        put_text(&mut out, text);
    }
    if !signature.is_empty() {
        pad(&mut out, 8);
        // A signature has at most 255 bytes; ours have one per argument.
        out.extend([8, 1, b'g', 0, signature.len() as u8]);
        out.extend(signature.as_bytes());
        out.push(0);
    }
    let fields = length(out.len() - begin);
    out[begin - 4..begin].copy_from_slice(&fields);
    pad(&mut out, 8);
    out.extend(content);
    out
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

fn pad(out: &mut Vec<u8>, to: usize) {
    out.resize(out.len().next_multiple_of(to), 0);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    pad(out, 4);
    out.extend(length(text.len()));
    out.extend(text.as_bytes());
    out.push(0);
}

/// Reads the first message; the number is that of its bytes. `None`: more bytes are needed.
pub fn parse_message(bytes: &[u8]) -> Result<Option<(Message, usize)>, WireError> {
    if bytes.len() < 16 {
        return Ok(None);
    }
    let big = match bytes[0] {
        b'l' => false,
        b'B' => true,
        _ => return Err(WireError("unknown byte order")),
    };
    let mut header = Reader { bytes, at: 4, big };
    let body_length = header.length()?;
    let serial = header.u32()?;
    let fields_length = header.length()?;
    let body_at = (16 + fields_length).next_multiple_of(8);
    let total = body_at + body_length;
    if bytes.len() < total {
        return Ok(None);
    }
    let kind = match bytes[1] {
        1 => Kind::Call,
        2 => Kind::Return,
        3 => Kind::Error,
        4 => Kind::Signal,
        _ => return Err(WireError("unknown kind of message")),
    };
    let mut message = Message {
        kind,
        serial,
        reply_to: 0,
        path: String::new(),
        interface: String::new(),
        member: String::new(),
        error: String::new(),
        body: Vec::new(),
    };
    let mut signature = String::new();
    let mut fields = Reader {
        bytes: &bytes[..16 + fields_length],
        at: 16,
        big,
    };
    while fields.at < fields.bytes.len() {
        fields.align(8)?;
        let code = fields.byte()?;
        let value = fields.variant(0)?;
        let text = || value.text().unwrap_or_default().to_owned();
        match code {
            1 => message.path = text(),
            2 => message.interface = text(),
            3 => message.member = text(),
            4 => message.error = text(),
            5 => {
                let number = value.integer().unwrap_or_default();
                message.reply_to = u32::try_from(number).unwrap_or_default();
            }
            8 => signature = text(),
            _ => {}
        }
    }
    let mut body = Reader {
        bytes: &bytes[body_at..total],
        at: 0,
        big,
    };
    let mut rest = signature.as_str();
    while !rest.is_empty() {
        message.body.push(body.value(&mut rest, 0)?);
    }
    Ok(Some((message, total)))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big: bool,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], WireError> {
        let end = self.at.checked_add(count).ok_or(WireError("too long"))?;
        let taken = self.bytes.get(self.at..end).ok_or(WireError("cut short"))?;
        self.at = end;
        Ok(taken)
    }

    fn align(&mut self, to: usize) -> Result<(), WireError> {
        let padding = self.at.next_multiple_of(to) - self.at;
        self.take(padding).map(drop)
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        Ok(self.take(1)?[0])
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        self.align(N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        if self.big {
            bytes.reverse();
        }
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, WireError> {
        self.number().map(u32::from_le_bytes)
    }

    fn length(&mut self) -> Result<usize, WireError> {
        let length = self.u32()? as usize;
        if length > LONGEST {
            Err(WireError("too long"))
        } else {
            Ok(length)
        }
    }

    fn text(&mut self, length: usize) -> Result<String, WireError> {
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Ok(text)
    }

    fn variant(&mut self, depth: u32) -> Result<Value, WireError> {
        let length = usize::from(self.byte()?);
        let signature = self.text(length)?;
        let mut rest = signature.as_str();
        let value = self.value(&mut rest, depth + 1)?;
        if !rest.is_empty() {
            return Err(WireError("a variant of several values"));
        }
        Ok(Value::Variant(signature, Box::new(value)))
    }

    fn value(&mut self, signature: &mut &str, depth: u32) -> Result<Value, WireError> {
        if depth > DEEPEST {
            return Err(WireError("too deep"));
        }
        let mut types = signature.chars();
        let kind = types.next().ok_or(WireError("a type is missing"))?;
        *signature = types.as_str();
        Ok(match kind {
            'y' => Value::Integer(self.byte()?.into()),
            'b' => Value::Bool(self.u32()? != 0),
            'n' => Value::Integer(self.number().map(i16::from_le_bytes)?.into()),
            'q' => Value::Integer(self.number().map(u16::from_le_bytes)?.into()),
            'i' => Value::Integer(self.number().map(i32::from_le_bytes)?.into()),
            'u' | 'h' => Value::Integer(self.u32()?.into()),
            'x' => Value::Integer(self.number().map(i64::from_le_bytes)?.into()),
            't' => Value::Integer(self.number().map(u64::from_le_bytes)?.into()),
            'd' => Value::Double(self.number().map(f64::from_le_bytes)?),
            's' | 'o' => {
                let length = self.length()?;
                Value::Text(self.text(length)?)
            }
            'g' => {
                let length = usize::from(self.byte()?);
                Value::Text(self.text(length)?)
            }
            'v' => self.variant(depth)?,
            '(' | '{' => {
                self.align(8)?;
                let mut members = Vec::new();
                while !signature.starts_with([')', '}']) {
                    members.push(self.value(signature, depth + 1)?);
                }
                *signature = &signature[1..];
                Value::Struct(members)
            }
            'a' => {
                let length = self.length()?;
                let of = one_type(signature, depth)?;
                *signature = &signature[of.len()..];
                self.align(alignment(of))?;
                let end = self.at.checked_add(length).ok_or(WireError("too long"))?;
                if end > self.bytes.len() {
                    return Err(WireError("cut short"));
                }
                let mut members = Vec::new();
                while self.at < end {
                    let (mut of, before) = (of, self.at);
                    members.push(self.value(&mut of, depth + 1)?);
                    if self.at == before {
                        return Err(WireError("an array of nothing"));
                    }
                }
                Value::Array(members)
            }
            _ => return Err(WireError("unknown type")),
        })
    }
}

/// The first complete type of a signature.
fn one_type(signature: &str, depth: u32) -> Result<&str, WireError> {
    if depth > DEEPEST {
        return Err(WireError("too deep"));
    }
    let mut open = 0;
    for (at, kind) in signature.char_indices() {
        match kind {
            'a' => continue,
            '(' | '{' => open += 1,
            ')' | '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Ok(&signature[..at + kind.len_utf8()]);
        }
    }
    Err(WireError("a type is missing"))
}

fn alignment(signature: &str) -> usize {
    match signature.as_bytes().first() {
        Some(b'y' | b'g' | b'v') => 1,
        Some(b'n' | b'q') => 2,
        Some(b'x' | b't' | b'd' | b'(' | b'{') => 8,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_comes_back() {
        let fields = [(1, "/a/b"), (2, "x.Y"), (3, "Do")];
        let body = [
            Argument::Text("nginx.service"),
            Argument::Bool(true),
            Argument::Path("/p"),
        ];
        let bytes = encode_message(Kind::Call, 7, None, &fields, &body);
        let (message, length) = parse_message(&bytes).unwrap().unwrap();
        assert_eq!(length, bytes.len());
        assert_eq!(
            (message.kind, message.serial, &message.path[..]),
            (Kind::Call, 7, "/a/b")
        );
        assert_eq!((&message.interface[..], &message.member[..]), ("x.Y", "Do"));
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(
            message.body,
            [text("nginx.service"), Value::Bool(true), text("/p")]
        );
        for cut in 0..bytes.len() {
            assert_eq!(parse_message(&bytes[..cut]), Ok(None), "{cut}");
        }
    }

    #[test]
    fn containers_are_read() {
        // a(us) of two and a{sv} of one, by hand.
        let mut body = Vec::new();
        body.extend([0; 4]);
        body.extend([0; 4]);
        for (number, word) in [(1u32, "ab"), (2, "c")] {
            body.resize(body.len().next_multiple_of(8), 0);
            body.extend(number.to_le_bytes());
            put_text(&mut body, word);
        }
        let length = (body.len() - 8) as u32;
        body[..4].copy_from_slice(&length.to_le_bytes());
        let mut reader = Reader {
            bytes: &body,
            at: 0,
            big: false,
        };
        let value = reader.value(&mut "a(us)", 0).unwrap();
        let pair = |n, s: &str| Value::Struct(vec![Value::Integer(n), Value::Text(s.into())]);
        assert_eq!(value, Value::Array(vec![pair(1, "ab"), pair(2, "c")]));
    }

    #[test]
    fn rubbish_is_an_error_and_never_a_panic() {
        let good = encode_message(
            Kind::Signal,
            1,
            Some(3),
            &[(1, "/")],
            &[Argument::Text("x")],
        );
        let mut seed = 1u64;
        for _ in 0..20_000 {
            let mut bytes = good.clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (seed >> 33) as usize % bytes.len();
                bytes[at] = (seed >> 20) as u8;
            }
            let _ = parse_message(&bytes);
        }
        for signature in [
            "a",
            "(",
            "a(",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaay",
            "a()",
            ")",
            "é",
        ] {
            let mut reader = Reader {
                bytes: &[8, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1],
                at: 0,
                big: false,
            };
            let _ = reader.value(&mut &*signature, 0);
        }
    }
}
