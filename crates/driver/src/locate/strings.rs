//! The strings of a Nix file, as far as it takes to find a script in them.

/// A string.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// An indented string, `''…''`: the line of its beginning, from 0, and what follows there.
    Indented { line: usize, rest: String },
    /// A string in quotes: its lines, each as the texts between interpolations and its line in the
    /// file, from 1.
    Quoted { lines: Vec<(Vec<String>, usize)> },
}

/// All strings of a file, also those inside of others. Whatever is not Nix gives something, too.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut reader = Reader {
        rest: text,
        line: 1,
        found: Vec::new(),
    };
    while !reader.rest.is_empty() {
        reader.code(0);
        // A bracket too many.
        reader.skip(1);
    }
    reader.found
}

/// Interpolations may be this deep.
const DEPTH: usize = 64;

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    found: Vec<Piece>,
}

impl Reader<'_> {
    /// Goes on by so many characters.
    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            let mut chars = self.rest.chars();
            if chars.next() == Some('\n') {
                self.line += 1;
            }
            self.rest = chars.as_str();
        }
    }

    fn skip_past(&mut self, end: &str) {
        while !self.rest.is_empty() && !self.rest.starts_with(end) {
            self.skip(1);
        }
        self.skip(end.chars().count());
    }

    /// Code, up to the bracket that closes it.
    fn code(&mut self, depth: usize) {
        let mut open = 0_usize;
        while let Some(c) = self.rest.chars().next() {
            match c {
                '#' => self.skip_past("\n"),
                '/' if self.rest.starts_with("/*") => self.skip_past("*/"),
                '"' => self.quoted(depth),
                '\'' if self.rest.starts_with("''") => self.indented(depth),
                '}' if open == 0 => return,
                '}' => {
                    open -= 1;
                    self.skip(1);
                }
                '{' => {
                    open += 1;
                    self.skip(1);
                }
                _ => self.skip(1),
            }
        }
    }

    /// `${…}`.
    fn interpolation(&mut self, depth: usize) {
        self.skip(2);
        if depth < DEPTH {
            self.code(depth + 1);
        }
        self.skip(1);
    }

    fn quoted(&mut self, depth: usize) {
        self.skip(1);
        let mut lines = Vec::new();
        let (mut parts, mut text, mut begin) = (Vec::new(), String::new(), self.line);
        while let Some(c) = self.rest.chars().next() {
            let mut said = c;
            match c {
                '"' => break,
                '$' if self.rest.starts_with("${") => {
                    parts.push(std::mem::take(&mut text));
                    self.interpolation(depth);
                    continue;
                }
                '$' if self.rest.starts_with("$$") => {
                    text.push('$');
                    self.skip(1);
                }
                '\\' => {
                    self.skip(1);
                    said = match self.rest.chars().next() {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some('r') => '\r',
                        Some(other) => other,
                        None => break,
                    };
                }
                _ => {}
            }
            self.skip(1);
            if said == '\n' {
                parts.push(trimmed(&mut text, parts.is_empty()));
                lines.push((std::mem::take(&mut parts), begin));
                begin = self.line;
            } else {
                text.push(said);
            }
        }
        self.skip(1);
        parts.push(trimmed(&mut text, parts.is_empty()));
        lines.push((parts, begin));
        self.found.push(Piece::Quoted { lines });
    }

    fn indented(&mut self, depth: usize) {
        self.skip(2);
        let rest = self.rest.lines().next().unwrap_or_default().to_owned();
        self.found.push(Piece::Indented {
            line: self.line - 1,
            rest,
        });
        loop {
            let three = self.rest.starts_with("'''") || self.rest.starts_with("''$");
            if self.rest.is_empty() {
                return;
            } else if three {
                self.skip(3);
            } else if self.rest.starts_with("''\\") {
                self.skip(4);
            } else if self.rest.starts_with("''") {
                return self.skip(2);
            } else if self.rest.starts_with("$$") {
                self.skip(2);
            } else if self.rest.starts_with("${") {
                self.interpolation(depth);
            } else {
                self.skip(1);
            }
        }
    }
}

/// The last text of a line; scripts are compared without the blanks around their lines.
fn trimmed(text: &mut String, only: bool) -> String {
    let text = std::mem::take(text);
    let end = text.trim_end();
    if only { end.trim_start() } else { end }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_wherever_they_are() {
        let text = "# \"no\"\n/* '' */ {\n  a = \"x${f \"in\"}y\\n z\";\n  b = ''\n    t ''' ${\"u\"}\n  '';\n}\n";
        let quoted = |lines: &[(&[&str], usize)]| Piece::Quoted {
            lines: lines
                .iter()
                .map(|(parts, line)| (parts.iter().map(|p| (*p).to_owned()).collect(), *line))
                .collect(),
        };
        let expect = [
            quoted(&[(&["in"], 3)]),
            quoted(&[(&["x", "y"], 3), (&["z"], 3)]),
            Piece::Indented {
                line: 3,
                rest: String::new(),
            },
            quoted(&[(&["u"], 5)]),
        ];
        assert_eq!(pieces(text), expect);
    }

    #[test]
    fn whatever_is_there_ends() {
        for text in [
            "",
            "\"",
            "''",
            "}}}",
            "\"${",
            "''${\"${''",
            "\"\\",
            "/*",
            "ü\"ü",
        ] {
            pieces(text);
        }
        pieces(&"\"${".repeat(10_000));
    }
}
