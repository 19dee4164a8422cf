//! What an interactive session needs: a growing scope, completion, and knowing when a line is not
//! finished. Reading lines and printing are the embedder's.

use crate::error::Fault;
use crate::eval::Evaluator;
use crate::print::{Limits, pretty};
use crate::source::Origin;
use crate::symbol::Symbol;
use crate::syntax::Globals;
use crate::value::{Attrs, Env, Slot, Value, share};

/// An interactive session in an evaluation.
pub struct Repl<'e, 'a> {
    evaluator: &'e Evaluator<'a>,
    scope: Vec<(Symbol, &'a Slot<'a>)>,
}

/// What a line of a session was.
#[derive(Clone, Copy)]
pub enum Reply<'a> {
    /// An expression; its value, evaluated at the top.
    Value(Value<'a>),
    /// `name = expression`, not evaluated yet.
    Bound,
    /// Blank.
    Nothing,
}

impl<'e, 'a> Repl<'e, 'a> {
    /// A session with nothing but the builtins in scope.
    pub fn new(evaluator: &'e Evaluator<'a>) -> Self {
        Self {
            evaluator,
            scope: Vec::new(),
        }
    }

    /// Brings a value into scope; a later one of the same name hides it.
    pub fn bind(&mut self, name: &str, value: Value<'a>) {
        let symbol = self.evaluator.symbols.intern(name.as_bytes());
        let slot = match value {
            Value::Ref(slot) => slot,
            value => self.evaluator.arena.alloc(Slot::new(value)),
        };
        self.bind_slot(symbol, slot);
    }

    fn bind_slot(&mut self, symbol: Symbol, slot: &'a Slot<'a>) {
        match self.scope.binary_search_by_key(&symbol, |entry| entry.0) {
            Ok(index) => self.scope[index].1 = slot,
            Err(index) => self.scope.insert(index, (symbol, slot)),
        }
    }

    /// Brings all attributes of a set into scope (`:a`, `:l`); says how many.
    pub fn bind_all(&mut self, attrs: &Attrs<'a>) -> usize {
        for (name, _, slot) in attrs.iter() {
            self.bind_slot(name, slot);
        }
        attrs.len()
    }

    /// Evaluates a line: an expression, or `name = expression`.
    pub fn line(&mut self, text: &str) -> Result<Reply<'a>, Fault> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Reply::Nothing);
        }
        if let Some((name, rest)) = binding(text) {
            // As in a `let`, so that a function can name itself.
            let value = self.parse(&format!("let {name} = {rest}; in {name}"))?;
            self.bind(name, value);
            return Ok(Reply::Bound);
        }
        let value = self.parse(text)?;
        self.evaluator.force_value(value).map(Reply::Value)
    }

    /// An expression in scope, not evaluated yet.
    fn parse(&self, text: &str) -> Result<Value<'a>, Fault> {
        let names = self.scope.iter().map(|entry| entry.0).zip(0..).collect();
        let base = self.evaluator.options.base_path.clone();
        let origin = Origin::Text("«repl»".to_owned());
        let expr = self
            .evaluator
            .parse(text.as_bytes(), origin, base.as_bytes(), Some(names))?;
        let env = Env::new(self.evaluator.arena, None, self.scope.len());
        for (slot, (_, from)) in env.slots().iter().zip(&self.scope) {
            slot.set(share(from));
        }
        Ok(Value::Delayed(self.evaluator.sites.add(expr), env))
    }

    /// Whether a text is the beginning of an expression that goes on in the next line.
    pub fn unfinished(&self, text: &str) -> bool {
        if text.trim().is_empty() {
            return false;
        }
        let text = binding(text.trim()).map_or(text, |(_, rest)| rest);
        let at_end = |message: &str| message.contains("unexpected end of file");
        match self.parse(text) {
            Err(fault) => {
                at_end(&fault.message) || fault.also.iter().any(|(_, message)| at_end(message))
            }
            Ok(_) => false,
        }
    }

    /// The value of an expression in scope, evaluated at the top.
    pub fn value(&self, text: &str) -> Result<Value<'a>, Fault> {
        let value = self.parse(text)?;
        self.evaluator.force_value(value)
    }

    /// What kind of value an expression has (`:t`).
    pub fn kind(&self, text: &str) -> Result<String, Fault> {
        self.value(text).map(crate::eval::type_name)
    }

    /// What is known about a function (`:doc`).
    pub fn doc(&self, text: &str) -> Result<String, Fault> {
        let value = self.value(text)?;
        self.evaluator.describe_function(value)
    }

    /// Where an expression's value was written (`:e`): a path's file, a function's or a package's
    /// place, or that of the attribute.
    pub fn place(&self, text: &str) -> Result<Option<(String, u32)>, Fault> {
        let value = self.value(text)?;
        if let Some(place) = self.evaluator.place_of(value)? {
            return Ok(Some(place));
        }
        let Some((base, name)) = text.trim().rsplit_once('.') else {
            return Ok(None);
        };
        let position = format!("builtins.unsafeGetAttrPos {} ({base})", quoted(name));
        let Value::Attrs(position) = self.value(&position)? else {
            return Ok(None);
        };
        self.evaluator.place_in(position)
    }

    /// Forgets all names but the builtins.
    pub fn forget(&mut self) {
        self.scope.clear();
    }

    /// A value as a person reads it; nested sets only with `deep`.
    pub fn show(&self, value: Value<'a>, deep: bool) -> String {
        pretty(
            self.evaluator,
            value,
            if deep {
                Limits::REPL_DEEP
            } else {
                Limits::REPL
            },
        )
    }

    /// What can stand at the cursor (a byte offset): where the word begins, and whole words for it. Sets
    /// before a dot are evaluated for it; errors in them give no words.
    pub fn complete(&self, line: &str, cursor: usize) -> (usize, Vec<String>) {
        let before = line.get(..cursor).unwrap_or(line);
        let start = before
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || "_'-.".contains(c)))
            .map_or(0, |at| {
                at + before[at..].chars().next().map_or(1, char::len_utf8)
            });
        let path = &before[start..];
        let (names, word_start, word) = match path.rsplit_once('.') {
            Some((base, word)) => {
                let value = self
                    .parse(base)
                    .and_then(|value| self.evaluator.force_value(value));
                let names = value
                    .map(|value| self.evaluator.attr_names(value))
                    .unwrap_or_default();
                (names, start + base.len() + 1, word)
            }
            None => (self.names(), start, path),
        };
        let fitting = names
            .into_iter()
            .filter(|name| name.starts_with(word) && crate::print::is_identifier(name.as_bytes()));
        (word_start, fitting.collect())
    }

    /// All names in scope, builtins included, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        let own = self
            .scope
            .iter()
            .map(|entry| self.evaluator.symbols.display(entry.0));
        let globals = self
            .evaluator
            .globals
            .get()
            .into_iter()
            .flatten()
            .map(|(&name, _)| self.evaluator.symbols.display(name));
        let mut names: Vec<String> = own
            .chain(globals.filter(|name| !name.starts_with("__")))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether a name is in scope.
    pub fn knows(&self, name: &str) -> bool {
        self.evaluator
            .symbols
            .get(name.as_bytes())
            .is_some_and(|symbol| {
                self.scope
                    .binary_search_by_key(&symbol, |entry| entry.0)
                    .is_ok()
                    || self.evaluator.global(symbol).is_some()
            })
    }
}

/// A name as a string literal.
fn quoted(name: &str) -> String {
    let name = name.trim().trim_matches('"');
    format!(
        "\"{}\"",
        name.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace("${", "\\${")
    )
}

/// Takes `name = expression` apart.
fn binding(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let name = name.trim();
    let equation = rest.starts_with('=');
    (crate::print::is_identifier(name.as_bytes()) && !equation)
        .then(|| (name, rest.trim().trim_end_matches(';')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Options;
    use crate::local::LocalHost;
    use crate::session::evaluate;

    fn shown(repl: &mut Repl<'_, '_>, line: &str) -> String {
        match repl.line(line) {
            Ok(Reply::Value(value)) => repl.show(value, true),
            Ok(Reply::Bound) => "bound".to_owned(),
            Ok(Reply::Nothing) => "nothing".to_owned(),
            Err(fault) => fault.message.clone(),
        }
    }

    #[test]
    fn a_session() {
        let host = LocalHost::default();
        evaluate(&host, Options::default(), |nix| {
            let mut repl = Repl::new(nix);
            for (line, expected) in [
                ("x = 20 + 1", "bound"),
                ("x * 2", "42"),
                ("x == 21", "true"),
                ("f = n: if n == 0 then 1 else n * f (n - 1)", "bound"),
                ("f 5", "120"),
                ("x = x: x", "bound"),
                (
                    "{ a = [ 1 ]; b = throw \"oh\"; }",
                    "{\n  a = [\n    1\n  ];\n  b = «error: oh»;\n}",
                ),
                ("", "nothing"),
                ("nope", "undefined variable 'nope'"),
            ] {
                assert_eq!(shown(&mut repl, line), expected, "of {line}");
            }
        })
        .expect("a thread can be started");
    }

    #[test]
    fn completion() {
        let host = LocalHost::default();
        evaluate(&host, Options::default(), |nix| {
            let mut repl = Repl::new(nix);
            repl.line("machine = { services = { nginx = 1; nix = 2; ssh = 3; }; }")
                .expect("it parses");
            assert_eq!(
                repl.complete("1 + mach", 8),
                (4, vec!["machine".to_owned()])
            );
            assert_eq!(
                repl.complete("machine.services.n", 18),
                (17, vec!["nginx".to_owned(), "nix".to_owned()])
            );
            assert_eq!(repl.complete("nowhere.x", 9), (8, Vec::new()));
            assert!(repl.complete("built", 5).1.contains(&"builtins".to_owned()));
        })
        .expect("a thread can be started");
    }

    #[test]
    fn unfinished_lines() {
        let host = LocalHost::default();
        evaluate(&host, Options::default(), |nix| {
            let repl = Repl::new(nix);
            for (text, expected) in [
                ("{ a = 1;", true),
                ("[ 1", true),
                ("x = (", true),
                ("''a", true),
                ("1 + 1", false),
                (" ", false),
                ("1 +* 2", false),
            ] {
                assert_eq!(repl.unfinished(text), expected, "of {text}");
            }
        })
        .expect("a thread can be started");
    }
}
