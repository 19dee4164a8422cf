//! `match` and `split`, with the extended regular expressions of POSIX as libstdc++ reads them.

use std::cell::RefCell;
use std::rc::Rc;

use regex::bytes::{Regex, RegexBuilder};
use regex_automata::hybrid::dfa::{Cache as DfaCache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};

use super::Builtin;
use crate::error::Fault;
use crate::eval::{Evaluator, Map, R};
use crate::source::Pos;
use crate::value::{Slot, Value};

pub const ALL: &[Builtin] = &[
    Builtin::new("match", 2, 0b11, match_),
    Builtin::new("split", 2, 0b11, split),
];

/// Bytes of a compiled expression before it is refused.
const SIZE_LIMIT: usize = 64 << 20;

/// Compiled expressions by their text.
#[derive(Default)]
pub struct Cache(RefCell<Map<Vec<u8>, Rc<Compiled>>>);

struct Compiled {
    /// The whole text or nothing.
    whole: Regex,
    /// Anywhere; only for `split`.
    anywhere: std::cell::OnceCell<(Regex, RefCell<(DFA, DfaCache)>)>,
    translated: String,
}

fn build(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(SIZE_LIMIT)
        .build()
}

fn compile<'a>(ev: &Evaluator<'a>, pattern: &[u8], pos: Pos) -> Result<Rc<Compiled>, Fault> {
    if let Some(known) = ev.caches.regexes.0.borrow().get(pattern) {
        return Ok(known.clone());
    }
    let invalid = || {
        ev.fail(
            pos,
            format!(
                "invalid regular expression '{}'",
                String::from_utf8_lossy(pattern)
            ),
        )
    };
    let translated = translate(pattern).ok_or_else(invalid)?;
    let whole = build(&format!("^(?:{translated})$")).map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            let message = format!(
                "memory limit exceeded by regular expression '{}'",
                String::from_utf8_lossy(pattern)
            );
            ev.fail(pos, message)
        }
        _ => invalid(),
    })?;
    let compiled = Rc::new(Compiled {
        whole,
        anywhere: Default::default(),
        translated,
    });
    ev.caches
        .regexes
        .0
        .borrow_mut()
        .insert(pattern.to_vec(), compiled.clone());
    Ok(compiled)
}

fn groups<'a>(
    ev: &Evaluator<'a>,
    captures: &regex::bytes::Captures<'_>,
    base: &'a [u8],
) -> Value<'a> {
    let values: Vec<Value<'a>> = captures
        .iter()
        .skip(1)
        .map(|group| match group {
            Some(group) => ev.text_in_arena(&base[group.start()..group.end()]),
            None => Value::Null,
        })
        .collect();
    ev.list_of(&values)
}

fn match_<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let pattern = ev.as_plain(args[0], pos)?;
    let compiled = compile(ev, pattern, pos)?;
    let text = ev.as_text(args[1], pos)?.bytes;
    if compiled.whole.captures_len() == 1 {
        return Ok(if compiled.whole.is_match(text) {
            Value::EMPTY_LIST
        } else {
            Value::Null
        });
    }
    Ok(match compiled.whole.captures(text) {
        Some(captures) => groups(ev, &captures, text),
        None => Value::Null,
    })
}

fn split<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    let pattern = ev.as_plain(args[0], pos)?;
    let compiled = compile(ev, pattern, pos)?;
    let text = ev.as_text(args[1], pos)?.bytes;
    if compiled.anywhere.get().is_none() {
        let too_big = || {
            ev.fail(
                pos,
                format!(
                    "memory limit exceeded by regular expression '{}'",
                    String::from_utf8_lossy(pattern)
                ),
            )
        };
        let regex = build(&compiled.translated).map_err(|_| too_big())?;
        let dfa = DFA::builder()
            .configure(
                DFA::config()
                    .match_kind(MatchKind::All)
                    .skip_cache_capacity_check(true),
            )
            .syntax(
                syntax::Config::new()
                    .unicode(false)
                    .utf8(false)
                    .dot_matches_new_line(true),
            )
            .thompson(thompson::Config::new().utf8(false))
            .build(&compiled.translated)
            .map_err(|_| too_big())?;
        let cache = dfa.create_cache();
        let _ = compiled.anywhere.set((regex, RefCell::new((dfa, cache))));
    }
    let Some((regex, longest)) = compiled.anywhere.get() else {
        return Ok(Value::EMPTY_LIST);
    };
    let mut longest = longest.borrow_mut();
    let (dfa, cache) = &mut *longest;
    let mut items: Vec<Value<'a>> = Vec::new();
    let mut done = 0;
    let mut from = 0;
    while from <= text.len()
        && let Some(found) = regex.find_at(text, from)
    {
        let start = found.start();
        // libstdc++ searches leftmost-longest here, unlike in `match`.
        let input = Input::new(text).range(start..).anchored(Anchored::Yes);
        let end = match dfa.try_search_fwd(cache, &input) {
            Ok(Some(half)) => half.offset(),
            _ => found.end(),
        };
        items.push(ev.text_in_arena(&text[done..start]));
        items.push(if compiled.whole.captures_len() == 1 {
            Value::EMPTY_LIST
        } else {
            let matched = &text[start..end];
            match compiled.whole.captures(matched) {
                Some(captures) => groups(ev, &captures, matched),
                None => match regex.captures_at(text, start) {
                    Some(captures) => groups(ev, &captures, text),
                    None => Value::EMPTY_LIST,
                },
            }
        });
        done = end;
        from = if end == start { end + 1 } else { end };
    }
    items.push(ev.text_in_arena(&text[done..]));
    Ok(ev.list(
        ev.arena
            .alloc_slice_fill_iter(items.into_iter().map(Slot::new)),
    ))
}

/// An extended regular expression in the syntax of the `regex` crate; `None`: it is not valid.
pub fn translate(pattern: &[u8]) -> Option<String> {
    let mut translator = Translator {
        pattern,
        at: 0,
        out: String::with_capacity(pattern.len() + 8),
        depth: 0,
    };
    translator.alternatives()?;
    (translator.at == pattern.len()).then_some(translator.out)
}

struct Translator<'p> {
    pattern: &'p [u8],
    at: usize,
    out: String,
    depth: usize,
}

/// Groups within groups before an expression is refused.
const MAX_DEPTH: usize = 200;

impl Translator<'_> {
    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    fn alternatives(&mut self) -> Option<()> {
        loop {
            self.branch()?;
            if self.peek() != Some(b'|') {
                return Some(());
            }
            self.at += 1;
            self.out.push('|');
        }
    }

    fn branch(&mut self) -> Option<()> {
        while let Some(byte) = self.peek() {
            let start = self.out.len();
            match byte {
                b'|' => return Some(()),
                b')' if self.depth > 0 => return Some(()),
                b')' => return None,
                b'*' | b'+' | b'?' | b'{' => return None,
                b'^' | b'$' => {
                    self.at += 1;
                    self.out.push(char::from(byte));
                    // An anchor cannot be repeated.
                    if let Some(b'*' | b'+' | b'?' | b'{') = self.peek() {
                        return None;
                    }
                    continue;
                }
                b'(' => {
                    self.at += 1;
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return None;
                    }
                    self.out.push('(');
                    self.alternatives()?;
                    if self.peek() != Some(b')') {
                        return None;
                    }
                    self.at += 1;
                    self.depth -= 1;
                    self.out.push(')');
                }
                b'.' => {
                    self.at += 1;
                    self.out.push('.');
                }
                b'[' => self.bracket()?,
                b'\\' => {
                    let escaped = *self.pattern.get(self.at + 1)?;
                    if !b"^$\\.*+?()[]{}|".contains(&escaped) {
                        return None;
                    }
                    self.at += 2;
                    self.literal(escaped);
                }
                byte => {
                    self.at += 1;
                    self.literal(byte);
                }
            }
            self.quantifiers(start)?;
        }
        Some(())
    }

    fn literal(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() || byte == b' ' {
            self.out.push(char::from(byte));
        } else {
            self.out.push_str(&format!("\\x{byte:02x}"));
        }
    }

    fn quantifiers(&mut self, start: usize) -> Option<()> {
        let mut repeated = false;
        while let Some(byte) = self.peek() {
            let quantifier = match byte {
                b'*' | b'+' | b'?' => {
                    self.at += 1;
                    char::from(byte).to_string()
                }
                b'{' => self.bounds()?,
                _ => return Some(()),
            };
            if repeated {
                self.out.insert_str(start, "(?:");
                self.out.push(')');
            }
            self.out.push_str(&quantifier);
            repeated = true;
        }
        Some(())
    }

    fn bounds(&mut self) -> Option<String> {
        let end = self.at
            + self.pattern[self.at..]
                .iter()
                .position(|&byte| byte == b'}')?;
        let text = std::str::from_utf8(&self.pattern[self.at + 1..end]).ok()?;
        let number = |text: &str| {
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            text.parse::<u32>().ok().filter(|&number| number <= 100_000)
        };
        match text.split_once(',') {
            None => {
                number(text)?;
            }
            Some((low, "")) => {
                number(low)?;
            }
            Some((low, high)) => {
                if number(low)? > number(high)? {
                    return None;
                }
            }
        }
        self.at = end + 1;
        Some(format!("{{{text}}}"))
    }

    fn bracket(&mut self) -> Option<()> {
        self.at += 1;
        self.out.push('[');
        if self.peek() == Some(b'^') {
            self.at += 1;
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let byte = self.peek()?;
            if byte == b']' && !first {
                self.at += 1;
                break;
            }
            if byte == b'[' && self.pattern.get(self.at + 1) == Some(&b':') {
                self.class()?;
                first = false;
                continue;
            }
            let low = self.bracket_char()?;
            first = false;
            // A dash between two characters makes a range; last in the brackets it is itself.
            let range = self.peek() == Some(b'-')
                && self
                    .pattern
                    .get(self.at + 1)
                    .is_some_and(|&next| next != b']');
            if range {
                self.at += 1;
                let high = self.bracket_char()?;
                if low > high {
                    return None;
                }
                self.out.push_str(&format!("\\x{low:02x}-\\x{high:02x}"));
            } else {
                self.out.push_str(&format!("\\x{low:02x}"));
            }
        }
        self.out.push(']');
        Some(())
    }

    /// A character in brackets; `[.x.]` and `[=x=]` stand for `x`.
    fn bracket_char(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        if byte == b'['
            && let Some(&mark @ (b'.' | b'=')) = self.pattern.get(self.at + 1)
        {
            let inner = *self.pattern.get(self.at + 2)?;
            if self.pattern.get(self.at + 3..self.at + 5) != Some(&[mark, b']']) {
                return None;
            }
            self.at += 5;
            return Some(inner);
        }
        self.at += 1;
        Some(byte)
    }

    fn class(&mut self) -> Option<()> {
        let rest = &self.pattern[self.at + 2..];
        let end = rest.windows(2).position(|pair| pair == b":]")?;
        let name = std::str::from_utf8(&rest[..end]).ok()?;
        let class = match name {
            "alnum" | "alpha" | "blank" | "cntrl" | "digit" | "graph" | "lower" | "print"
            | "punct" | "space" | "upper" | "xdigit" => name,
            "w" => "word",
            "d" => "digit",
            "s" => "space",
            _ => return None,
        };
        self.out.push_str(&format!("[:{class}:]"));
        self.at += 2 + end + 2;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn expressions_that_are_refused() {
        for bad in [
            r"\d",
            r"\/",
            "(?:a)",
            "a{,2}",
            "{",
            "a|*b",
            "(",
            ")",
            "[",
            "[b-a]",
            "a{2,1}",
            r"a\",
            "[[:foo:]]",
        ] {
            assert_eq!(translate(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn expressions_that_are_translated() {
        for (pattern, expected) in [
            ("a.b*", "a.b*"),
            ("a+?", "(?:a+)?"),
            ("[]a]", r"[\x5d\x61]"),
            ("[^]-]", r"[^\x5d\x2d]"),
            (r"[\w]", r"[\x5c\x77]"),
            ("[[:alpha:]_]", r"[[:alpha:]\x5f]"),
            ("(a|)b{2,}", "(a|)b{2,}"),
            ("-", r"\x2d"),
        ] {
            assert_eq!(
                translate(pattern.as_bytes()).as_deref(),
                Some(expected),
                "{pattern}"
            );
        }
    }
}
