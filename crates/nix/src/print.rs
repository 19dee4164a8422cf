//! Values as text.

use hashbrown::HashSet;
use rustc_hash::FxBuildHasher;

use crate::error::Fault;
use crate::eval::Evaluator;
use crate::value::{Slot, Value, identity};

/// Six significant digits, as C's `%g` writes them.
pub fn float(number: f64) -> String {
    if number.is_nan() {
        return if number.is_sign_negative() {
            "-nan"
        } else {
            "nan"
        }
        .to_owned();
    }
    if number.is_infinite() {
        return if number < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    if number == 0.0 {
        return if number.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let scientific = format!("{number:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    if (-4..6).contains(&exponent) {
        return trim(&format!("{number:.*}", (5 - exponent).max(0) as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
}

/// Whether a name can stand in an attribute set without quotes.
pub fn is_identifier(name: &[u8]) -> bool {
    const KEYWORDS: &[&[u8]] = &[
        b"assert", b"else", b"if", b"in", b"inherit", b"let", b"or", b"rec", b"then", b"with",
    ];
    let Some((first, rest)) = name.split_first() else {
        return false;
    };
    (first.is_ascii_alphabetic() || *first == b'_')
        && rest
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_'-".contains(byte))
        && !KEYWORDS.contains(&name)
}

/// Writes a string literal.
pub fn quote(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for (index, &byte) in bytes.iter().enumerate() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'$' if bytes.get(index + 1) == Some(&b'{') => out.extend_from_slice(b"\\$"),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}

fn attribute_name(out: &mut Vec<u8>, name: &[u8]) {
    if is_identifier(name) {
        out.extend_from_slice(name)
    } else {
        quote(out, name)
    }
}

/// A value as `nix-instantiate --eval` prints it; what is not evaluated stays so.
pub fn eval_form(ev: &Evaluator<'_>, value: Value<'_>) -> Vec<u8> {
    let mut printer = Plain {
        ev,
        seen: HashSet::default(),
        out: Vec::new(),
    };
    match resolve(value) {
        // CppNix keeps one or two elements in the value itself, and this value is a copy: a list that
        // contains itself is seen again one level deeper.
        Value::List(list) if list.items.len() <= 2 => printer.elements(list.items),
        value => printer.value(value),
    }
    printer.out
}

struct Plain<'e, 'a> {
    ev: &'e Evaluator<'a>,
    seen: HashSet<(usize, usize), FxBuildHasher>,
    out: Vec<u8>,
}

fn resolve(value: Value<'_>) -> Value<'_> {
    let mut value = value;
    while let Value::Ref(slot) = value {
        value = slot.get();
    }
    value
}

impl Plain<'_, '_> {
    fn value(&mut self, value: Value<'_>) {
        let fixed: &str = match resolve(value) {
            Value::Null => "null",
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
            Value::Int(number) => return self.out.extend_from_slice(number.to_string().as_bytes()),
            Value::Float(number) => return self.out.extend_from_slice(float(number).as_bytes()),
            Value::Text(text) => return quote(&mut self.out, text.bytes),
            Value::Path(path) => return self.out.extend_from_slice(path.bytes),
            Value::List(list) => return self.list(list.items),
            Value::Attrs(attrs) => {
                if !attrs.is_empty() && !self.seen.insert(identity(attrs.slots)) {
                    return self.out.extend_from_slice("«repeated»".as_bytes());
                }
                self.out.extend_from_slice(b"{ ");
                let mut order: Vec<usize> = (0..attrs.len()).collect();
                order.sort_by_key(|&index| self.ev.symbols.text(attrs.shape.names[index]));
                for index in order {
                    attribute_name(
                        &mut self.out,
                        self.ev.symbols.text(attrs.shape.names[index]),
                    );
                    self.out.extend_from_slice(b" = ");
                    self.value(attrs.slots[index].get());
                    self.out.extend_from_slice(b"; ");
                }
                self.out.push(b'}');
                return;
            }
            Value::Lambda(_) => "<LAMBDA>",
            Value::Primop(_) => "<PRIMOP>",
            Value::Partial(_) => "<PRIMOP-APP>",
            Value::BlackHole(_) => "«potential infinite recursion»",
            _ => "<CODE>",
        };
        self.out.extend_from_slice(fixed.as_bytes());
    }

    fn list(&mut self, items: &[Slot<'_>]) {
        if !items.is_empty() && !self.seen.insert(identity(items)) {
            return self.out.extend_from_slice("«repeated»".as_bytes());
        }
        self.elements(items);
    }

    fn elements(&mut self, items: &[Slot<'_>]) {
        self.out.extend_from_slice(b"[ ");
        for slot in items {
            self.value(slot.get());
            self.out.push(b' ');
        }
        self.out.push(b']');
    }
}

/// How much of a value is shown.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Sets within sets.
    pub depth: usize,
    /// Elements of lists, and attributes, altogether.
    pub items: usize,
    /// Bytes of a string.
    pub text: usize,
    /// Whether what is not evaluated is evaluated first; errors are shown in its place.
    pub force: bool,
    /// Whether nested values are put on lines of their own.
    pub indent: bool,
}

impl Limits {
    const ERROR: Self = Self {
        depth: 10,
        items: 10,
        text: 1024,
        force: false,
        indent: false,
    };
    const TRACE: Self = Self {
        depth: usize::MAX,
        items: usize::MAX,
        text: usize::MAX,
        force: false,
        indent: false,
    };
    /// What a REPL shows of a value at once.
    pub const REPL: Self = Self {
        depth: 1,
        items: usize::MAX,
        text: usize::MAX,
        force: true,
        indent: true,
    };
    /// Everything.
    pub const REPL_DEEP: Self = Self {
        depth: usize::MAX,
        items: usize::MAX,
        text: usize::MAX,
        force: true,
        indent: true,
    };
}

/// A value in an error message.
pub(crate) fn error_form<'a>(ev: &Evaluator<'a>, value: Value<'a>) -> String {
    pretty(ev, value, Limits::ERROR)
}

/// A value in a trace message.
pub(crate) fn trace_form<'a>(ev: &Evaluator<'a>, value: Value<'a>) -> String {
    pretty(ev, value, Limits::TRACE)
}

/// A value as a person reads it.
pub fn pretty<'a>(ev: &Evaluator<'a>, value: Value<'a>, limits: Limits) -> String {
    let mut printer = Pretty {
        ev,
        limits,
        seen: HashSet::default(),
        out: String::new(),
        shown: [0; 2],
    };
    printer.value(value, 0);
    printer.out
}

struct Pretty<'e, 'a> {
    ev: &'e Evaluator<'a>,
    limits: Limits,
    seen: HashSet<(usize, usize), FxBuildHasher>,
    out: String,
    /// Elements and attributes so far.
    shown: [usize; 2],
}

impl<'a> Pretty<'_, 'a> {
    fn value(&mut self, value: Value<'a>, depth: usize) {
        let value = if self.limits.force {
            match self.ev.force_value(value) {
                Ok(value) => value,
                Err(fault) => return self.error(&fault),
            }
        } else {
            resolve(value)
        };
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            Value::Int(number) => self.out.push_str(&number.to_string()),
            Value::Float(number) => self.out.push_str(&float(number)),
            Value::Text(text) => self.text(text.bytes),
            Value::Path(path) => self.out.push_str(&path.lossy()),
            Value::List(list) => self.list(list.items, depth),
            Value::Attrs(attrs) => self.attrs(attrs, depth),
            Value::Lambda(closure) => {
                let def = closure.def;
                let name = def
                    .name
                    .get()
                    .map(|name| format!("{} ", self.ev.symbols.display(name)))
                    .unwrap_or_default();
                let place = self.ev.position_text(def.pos);
                self.out.push_str(&format!("«lambda {name}@ {place}»"));
            }
            Value::Primop(primop) => self.out.push_str(&format!("«primop {}»", primop.name())),
            Value::Partial(partial) => {
                self.out.push_str(&format!(
                    "«partially applied primop {}»",
                    partial.primop.name()
                ));
            }
            Value::BlackHole(_) => self.out.push_str("«potential infinite recursion»"),
            _ => self.out.push_str("«thunk»"),
        }
    }

    fn error(&mut self, fault: &Fault) {
        self.out.push_str(&format!("«error: {}»", fault.message));
    }

    fn text(&mut self, bytes: &[u8]) {
        let shown = &bytes[..bytes.len().min(self.limits.text)];
        let mut quoted = Vec::new();
        quote(&mut quoted, shown);
        self.out.push_str(&String::from_utf8_lossy(&quoted));
        if shown.len() < bytes.len() {
            self.out
                .push_str(&format!(" «{} bytes elided»", bytes.len() - shown.len()));
        }
    }

    fn line(&mut self, depth: usize) {
        if self.limits.indent {
            self.out.push('\n');
            self.out.push_str(&"  ".repeat(depth));
        } else {
            self.out.push(' ');
        }
    }

    fn elide(&mut self, count: usize, what: &str) {
        let plural = if count == 1 { "" } else { "s" };
        self.out
            .push_str(&format!("«{count} {what}{plural} elided»"));
    }

    fn list(&mut self, items: &'a [Slot<'a>], depth: usize) {
        if items.is_empty() {
            return self.out.push_str("[ ]");
        }
        if !self.seen.insert(identity(items)) {
            return self.out.push_str("«repeated»");
        }
        if depth >= self.limits.depth {
            return self.out.push_str("[ ... ]");
        }
        self.out.push('[');
        for (index, slot) in items.iter().enumerate() {
            self.line(depth + 1);
            if self.shown[0] >= self.limits.items {
                self.elide(items.len() - index, "item");
                break;
            }
            self.value(crate::value::share(slot), depth + 1);
            self.shown[0] += 1;
        }
        self.line(depth);
        self.out.push(']');
        self.seen.remove(&identity(items));
    }

    fn attrs(&mut self, attrs: &'a crate::value::Attrs<'a>, depth: usize) {
        if self.limits.force && self.ev.is_derivation(attrs).unwrap_or(false) {
            let path = attrs
                .get(crate::symbol::names::DRV_PATH)
                .map(|slot| self.ev.force(slot));
            return match path {
                Some(Ok(Value::Text(path))) => {
                    self.out.push_str(&format!("«derivation {}»", path.lossy()))
                }
                _ => self.out.push_str("«derivation ???»"),
            };
        }
        if attrs.is_empty() {
            return self.out.push_str("{ }");
        }
        if !self.seen.insert(identity(attrs.slots)) {
            return self.out.push_str("«repeated»");
        }
        if depth >= self.limits.depth {
            return self.out.push_str("{ ... }");
        }
        self.out.push('{');
        let order = attrs.shape.alphabetical(self.ev.arena, &self.ev.symbols);
        for (count, &index) in order.iter().enumerate() {
            let index = index as usize;
            self.line(depth + 1);
            if self.shown[1] >= self.limits.items {
                self.elide(order.len() - count, "attribute");
                break;
            }
            let mut name = Vec::new();
            attribute_name(&mut name, self.ev.symbols.text(attrs.shape.names[index]));
            self.out.push_str(&String::from_utf8_lossy(&name));
            self.out.push_str(" = ");
            self.value(crate::value::share(&attrs.slots[index]), depth + 1);
            self.out.push(';');
            self.shown[1] += 1;
        }
        self.line(depth);
        self.out.push('}');
        self.seen.remove(&identity(attrs.slots));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_six_digits() {
        for (number, expected) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (123456.0, "123456"),
            (1234567.0, "1.23457e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5, "-2.5"),
            (1e100, "1e+100"),
            (2.7654321, "2.76543"),
        ] {
            assert_eq!(float(number), expected);
        }
    }
}
