//! Derivations and their textual form.

use std::collections::{BTreeMap, BTreeSet};

use super::hash::{Algorithm, hex, sha256};

/// Where an output goes, and what is known about it beforehand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its store path; empty while the derivation's own hash is computed.
    pub path: String,
    /// `sha256`, or `r:sha256` for the hash of a NAR; empty when the content is not known.
    pub hash_algorithm: String,
    /// Lower-case hexadecimal, or empty.
    pub hash: String,
}

/// A build recipe, as in a `.drv` file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derivation {
    /// Without hash.
    pub name: String,
    /// By name of the output.
    pub outputs: BTreeMap<String, Output>,
    /// Outputs of other derivations, by `.drv` path.
    pub input_derivations: BTreeMap<String, BTreeSet<String>>,
    /// Other store paths.
    pub input_sources: BTreeSet<String>,
    /// Such as `x86_64-linux`.
    pub system: String,
    /// Program that builds.
    pub builder: Vec<u8>,
    /// Its arguments.
    pub args: Vec<Vec<u8>>,
    /// Its environment.
    pub env: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Derivation {
    /// The text of the `.drv` file. With `masked`, the paths of outputs are empty and inputs are
    /// named by `inputs` instead of their paths: that is what hashes are taken of.
    pub fn to_aterm(&self) -> Vec<u8> {
        self.unparse(false, None)
    }

    pub(crate) fn unparse(
        &self,
        masked: bool,
        inputs: Option<&BTreeMap<String, BTreeSet<String>>>,
    ) -> Vec<u8> {
        // Most of the text is the environment.
        let len: usize = self
            .env
            .iter()
            .map(|(name, value)| name.len() + value.len() + 8)
            .sum();
        let mut out = Vec::with_capacity(len + len / 8 + 1024);
        out.extend_from_slice(b"Derive([");
        for (index, (name, output)) in self.outputs.iter().enumerate() {
            let path = if masked { "" } else { &output.path };
            separate(&mut out, index);
            tuple(
                &mut out,
                &[name, path, &output.hash_algorithm, &output.hash],
            );
        }
        out.extend_from_slice(b"],[");
        for (index, (path, outputs)) in inputs.unwrap_or(&self.input_derivations).iter().enumerate()
        {
            separate(&mut out, index);
            out.push(b'(');
            quote(&mut out, path.as_bytes());
            out.extend_from_slice(b",[");
            list(&mut out, outputs.iter().map(String::as_bytes));
            out.extend_from_slice(b"])");
        }
        out.extend_from_slice(b"],[");
        list(&mut out, self.input_sources.iter().map(String::as_bytes));
        out.extend_from_slice(b"],");
        quote(&mut out, self.system.as_bytes());
        out.push(b',');
        escape(&mut out, &self.builder);
        out.extend_from_slice(b",[");
        for (index, arg) in self.args.iter().enumerate() {
            separate(&mut out, index);
            escape(&mut out, arg);
        }
        out.extend_from_slice(b"],[");
        for (index, (name, value)) in self.env.iter().enumerate() {
            separate(&mut out, index);
            let value: &[u8] = if masked && self.names_output(name) {
                b""
            } else {
                value
            };
            out.push(b'(');
            escape(&mut out, name);
            out.push(b',');
            escape(&mut out, value);
            out.push(b')');
        }
        out.extend_from_slice(b"])");
        out
    }

    fn names_output(&self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(|name| self.outputs.contains_key(name))
    }

    /// The one output whose content is known beforehand, if this is such a derivation.
    pub fn fixed_output(&self) -> Option<&Output> {
        match self.outputs.get("out") {
            Some(output) if self.outputs.len() == 1 && !output.hash.is_empty() => Some(output),
            _ => None,
        }
    }

    /// Reads a `.drv` file. `name` is the store object's name without `.drv`.
    pub fn parse(name: &str, text: &[u8]) -> Result<Self, ParseError> {
        let mut parser = Parser { text, at: 0 };
        parser.literal(b"Derive([")?;
        let mut derivation = Self {
            name: name.to_owned(),
            ..Self::default()
        };
        parser.items(|parser| {
            parser.literal(b"(")?;
            let name = parser.text()?;
            parser.literal(b",")?;
            let path = parser.text()?;
            parser.literal(b",")?;
            let hash_algorithm = parser.text()?;
            parser.literal(b",")?;
            let hash = parser.text()?;
            parser.literal(b")")?;
            derivation.outputs.insert(
                name,
                Output {
                    path,
                    hash_algorithm,
                    hash,
                },
            );
            Ok(())
        })?;
        parser.literal(b",[")?;
        parser.items(|parser| {
            parser.literal(b"(")?;
            let path = parser.text()?;
            parser.literal(b",[")?;
            let mut outputs = BTreeSet::new();
            parser.items(|parser| {
                outputs.insert(parser.text()?);
                Ok(())
            })?;
            parser.literal(b")")?;
            derivation.input_derivations.insert(path, outputs);
            Ok(())
        })?;
        parser.literal(b",[")?;
        parser.items(|parser| {
            derivation.input_sources.insert(parser.text()?);
            Ok(())
        })?;
        parser.literal(b",")?;
        derivation.system = parser.text()?;
        parser.literal(b",")?;
        derivation.builder = parser.string()?;
        parser.literal(b",[")?;
        parser.items(|parser| {
            derivation.args.push(parser.string()?);
            Ok(())
        })?;
        parser.literal(b",[")?;
        parser.items(|parser| {
            parser.literal(b"(")?;
            let name = parser.string()?;
            parser.literal(b",")?;
            let value = parser.string()?;
            parser.literal(b")")?;
            derivation.env.insert(name, value);
            Ok(())
        })?;
        parser.literal(b")")?;
        if parser.at == text.len() {
            Ok(derivation)
        } else {
            Err(ParseError { at: parser.at })
        }
    }
}

/// A text is no derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a derivation: unexpected text at byte {at}")]
pub struct ParseError {
    /// Offset in the text.
    pub at: usize,
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
}

impl Parser<'_> {
    fn fail<T>(&self) -> Result<T, ParseError> {
        Err(ParseError { at: self.at })
    }

    fn literal(&mut self, literal: &[u8]) -> Result<(), ParseError> {
        if !self.text[self.at..].starts_with(literal) {
            return self.fail();
        }
        self.at += literal.len();
        Ok(())
    }

    /// Items up to `]`; the opening bracket was read.
    fn items(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), ParseError>,
    ) -> Result<(), ParseError> {
        if self.literal(b"]").is_ok() {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.literal(b",").is_err() {
                return self.literal(b"]");
            }
        }
    }

    fn string(&mut self) -> Result<Vec<u8>, ParseError> {
        self.literal(b"\"")?;
        let mut result = Vec::new();
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return self.fail();
            };
            self.at += 1;
            match byte {
                b'"' => return Ok(result),
                b'\\' => {
                    let Some(&escaped) = self.text.get(self.at) else {
                        return self.fail();
                    };
                    self.at += 1;
                    result.push(match escaped {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        other => other,
                    });
                }
                byte => result.push(byte),
            }
        }
    }

    fn text(&mut self) -> Result<String, ParseError> {
        let at = self.at;
        String::from_utf8(self.string()?).map_err(|_| ParseError { at })
    }
}

fn separate(out: &mut Vec<u8>, index: usize) {
    if index > 0 {
        out.push(b',');
    }
}

/// A string that needs no escapes: names, hashes, paths.
fn quote(out: &mut Vec<u8>, bytes: &[u8]) {
    escape(out, bytes);
}

fn tuple(out: &mut Vec<u8>, fields: &[&str]) {
    out.push(b'(');
    list(out, fields.iter().map(|field| field.as_bytes()));
    out.push(b')');
}

fn list<'i>(out: &mut Vec<u8>, items: impl Iterator<Item = &'i [u8]>) {
    for (index, item) in items.enumerate() {
        separate(out, index);
        quote(out, item);
    }
}

fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut plain = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escaped = match ESCAPES[usize::from(byte)] {
            0 => continue,
            escaped => escaped,
        };
        out.extend_from_slice(&bytes[plain..at]);
        out.extend_from_slice(&[b'\\', escaped]);
        plain = at + 1;
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

/// What follows the backslash of an escape; 0: the byte stands for itself.
static ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[b'\t' as usize] = b't';
    table
};

/// What stands for a derivation in the hashes of those that depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Modulo {
    /// Of its recipe, lower-case hexadecimal.
    Recipe(String),
    /// Of its one fixed output.
    Fixed(String),
}

impl Modulo {
    /// The hash.
    pub fn hex(&self) -> &str {
        match self {
            Self::Recipe(hex) | Self::Fixed(hex) => hex,
        }
    }
}

/// Computes [`Modulo`]; `inputs` gives it for the derivations that this one needs.
pub fn modulo<E>(
    derivation: &Derivation,
    masked: bool,
    inputs: &mut impl FnMut(&str) -> Result<Modulo, E>,
) -> Result<Modulo, E> {
    if let Some(output) = derivation.fixed_output() {
        let text = format!(
            "fixed:out:{}:{}:{}",
            output.hash_algorithm, output.hash, output.path
        );
        return Ok(Modulo::Fixed(hex(&sha256(text.as_bytes()))));
    }
    let mut hashed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, outputs) in &derivation.input_derivations {
        let hash = inputs(path)?;
        hashed
            .entry(hash.hex().to_owned())
            .or_default()
            .extend(outputs.iter().cloned());
    }
    Ok(Modulo::Recipe(hex(&sha256(
        &derivation.unparse(masked, Some(&hashed)),
    ))))
}

/// `r:sha256` and the like.
pub fn method(recursive: bool, algorithm: Algorithm) -> String {
    format!("{}{}", if recursive { "r:" } else { "" }, algorithm.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back() {
        let mut derivation = Derivation {
            name: "x".into(),
            system: "s".into(),
            builder: b"/b\"\\".to_vec(),
            ..Default::default()
        };
        derivation.outputs.insert(
            "out".into(),
            Output {
                path: "/nix/store/o".into(),
                ..Default::default()
            },
        );
        derivation.input_derivations.insert(
            "/nix/store/a.drv".into(),
            BTreeSet::from(["out".into(), "dev".into()]),
        );
        derivation.input_sources.insert("/nix/store/s".into());
        derivation.args = vec![b"a\nb".to_vec(), b"\t".to_vec()];
        derivation.env.insert(b"k".to_vec(), b"\xff".to_vec());
        let text = derivation.to_aterm();
        assert_eq!(Derivation::parse("x", &text), Ok(derivation));
        for end in 0..text.len() {
            assert!(Derivation::parse("x", &text[..end]).is_err());
        }
    }
}
