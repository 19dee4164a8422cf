//! What is known about a function, and where values were written.

use crate::builtins::docs;
use crate::error::{Fault, FaultData, Kind};
use crate::eval::{Evaluator, type_name};
use crate::source::{Origin, Pos};
use crate::symbol::names;
use crate::value::{Attrs, Value, share};

impl<'a> Evaluator<'a> {
    /// What a function does, as far as it is written down: the description of a builtin, or the
    /// comment before a function, with its place and its arguments.
    pub fn describe_function(&self, value: Value<'a>) -> Result<String, Fault> {
        match value {
            Value::Primop(primop) => Ok(describe_builtin(primop.name())),
            Value::Partial(partial) => Ok(describe_builtin(partial.primop.name())),
            Value::Lambda(closure) => {
                let def = closure.def;
                let name = def.name.get().map(|name| self.symbols.display(name));
                let name = name.as_deref().unwrap_or("an anonymous function");
                let mut arguments = String::new();
                match &def.pattern {
                    None => {
                        for parameter in &def.parameters[closure.given.len()..] {
                            arguments.push(' ');
                            arguments.push_str(&self.symbols.display(*parameter));
                        }
                    }
                    Some(pattern) => {
                        let mut words: Vec<String> = pattern
                            .formals
                            .iter()
                            .map(|formal| {
                                let name = self.symbols.display(formal.name);
                                match formal.default {
                                    Some(_) => format!("{name} ?"),
                                    None => name,
                                }
                            })
                            .collect();
                        if pattern.ellipsis {
                            words.push("...".to_owned());
                        }
                        arguments = format!(" {{ {} }}", words.join(", "));
                    }
                }
                let mut text = format!("{name}{arguments}\n");
                if def.pos.is_some() {
                    text.push_str(&format!("at {}\n", self.position_text(def.pos)));
                }
                match self.sources.before(def.pos).and_then(comment_before) {
                    Some(comment) => text.push_str(&format!("\n{comment}\n")),
                    None => text.push_str("\nNo comment stands before it.\n"),
                }
                Ok(text)
            }
            Value::Attrs(attrs) if attrs.get(names::FUNCTOR).is_some() => {
                let functor = attrs.get(names::FUNCTOR).map(share);
                let functor = self.force_value(functor.unwrap_or(Value::Null))?;
                self.describe_function(self.call(functor, &[value], Pos::NONE)?)
            }
            value => Err(FaultData::new(
                Kind::Type,
                Pos::NONE,
                format!(
                    "only functions are described, and this is {}",
                    type_name(value)
                ),
            )),
        }
    }

    /// File and line of a value: of a path, a function, or a package's `meta.position`.
    pub(crate) fn place_of(&self, value: Value<'a>) -> Result<Option<(String, u32)>, Fault> {
        match value {
            Value::Path(path) => Ok(Some((path.lossy().into_owned(), 1))),
            Value::Lambda(closure) => {
                Ok(self
                    .sources
                    .line_column(closure.def.pos)
                    .and_then(|(origin, line, _)| match origin {
                        Origin::File(file) => Some((file.clone(), line)),
                        Origin::Text(_) => None,
                    }))
            }
            Value::Attrs(attrs) => {
                let Some(Value::Attrs(meta)) = self.attr(attrs, "meta")? else {
                    return Ok(None);
                };
                let Some(Value::Text(position)) = self.attr(meta, "position")? else {
                    return Ok(None);
                };
                let position = position.lossy();
                Ok(position
                    .rsplit_once(':')
                    .and_then(|(file, line)| Some((file.to_owned(), line.parse().ok()?))))
            }
            _ => Ok(None),
        }
    }

    /// File and line of `{ file, line, column }`.
    pub(crate) fn place_in(&self, position: &Attrs<'a>) -> Result<Option<(String, u32)>, Fault> {
        match (self.attr(position, "file")?, self.attr(position, "line")?) {
            (Some(Value::Text(file)), Some(Value::Int(line))) => Ok(Some((
                file.lossy().into_owned(),
                u32::try_from(line).unwrap_or(1),
            ))),
            _ => Ok(None),
        }
    }
}

fn describe_builtin(name: &str) -> String {
    match docs::of(name) {
        Some((arguments, text)) => format!("builtins.{name} {arguments}\n\n{text}\n"),
        None => format!("builtins.{name}\n\nA function of the program that runs this evaluator.\n"),
    }
}

/// The comment that a text ends with, before an attribute's name and `=` if they follow it.
fn comment_before(text: &str) -> Option<String> {
    let mut text = text.trim_end_matches(|c: char| c.is_whitespace() || c == '(');
    if let Some(bound) = text.strip_suffix('=') {
        let name = |c: char| c.is_alphanumeric() || "_'-.\"".contains(c);
        text = bound.trim_end().trim_end_matches(name).trim_end();
    }
    if let Some(inside) = text.strip_suffix("*/") {
        let start = inside.rfind("/*")?;
        let lines = inside[start + 2..].trim_start_matches('*').lines();
        let lines = lines.map(|line| line.trim().trim_start_matches("* ").trim_start_matches('*'));
        return Some(lines.collect::<Vec<_>>().join("\n").trim().to_owned());
    }
    let lines: Vec<&str> = text
        .lines()
        .rev()
        .map_while(|line| line.trim().strip_prefix('#'))
        .collect();
    let lines: Vec<&str> = lines.into_iter().rev().map(str::trim).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::comment_before;

    #[test]
    fn comments_before_functions() {
        for (text, expected) in [
            ("{ /** Adds. */ f = ", Some("Adds.")),
            ("{\n  # One.\n  # Two.\n  ab = ", Some("One.\nTwo.")),
            ("/**\n  * Many\n  * lines\n  */\n", Some("Many\nlines")),
            ("{ a = 1; f = ", None),
            ("", None),
            ("*/", None),
        ] {
            assert_eq!(comment_before(text).as_deref(), expected, "of {text:?}");
        }
    }
}
