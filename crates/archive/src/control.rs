//! Debian control files: stanzas of fields.

/// One stanza: fields in their order, not yet interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stanza<'a> {
    text: &'a str,
}

impl<'a> Stanza<'a> {
    /// A stanza that is the whole text.
    pub fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// The stanza as written, without the empty line after it.
    pub fn text(self) -> &'a str {
        self.text
    }

    /// Fields with their values. A value that goes on in further lines contains them, with line
    /// ends and the leading space of each.
    pub fn fields(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            loop {
                if rest.is_empty() {
                    return None;
                }
                let mut end = line_end(rest);
                while rest[end..].starts_with([' ', '\t']) {
                    end += line_end(&rest[end..]);
                }
                let (field, after) = rest.split_at(end);
                rest = after;
                // A line without a colon is nobody's field; skipping it keeps a single odd line
                // from hiding the rest of the stanza.
                if let Some((name, value)) = field.split_once(':') {
                    return Some((name, value.trim()));
                }
            }
        })
    }

    /// Value of a field, by its exact name.
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.fields()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Splits a text into its stanzas.
pub fn stanzas(text: &str) -> impl Iterator<Item = Stanza<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches('\n');
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .find("\n\n")
            .map_or(rest.len(), |position| position + 1);
        let (stanza, after) = rest.split_at(end);
        rest = after;
        Some(Stanza { text: stanza })
    })
}

/// Length of the first line with its end.
fn line_end(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |position| position + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_and_fields() {
        let text = "\nPackage: a\nDepends: b,\n c (>= 1:2)\nDescription: x\n .\n y: z\n\n\nPackage: b\nbroken\nX:\n";
        let all: Vec<_> = stanzas(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].get("Depends"), Some("b,\n c (>= 1:2)"));
        assert_eq!(all[0].get("description"), Some("x\n .\n y: z"));
        assert_eq!(all[0].get("y"), None);
        let fields: Vec<_> = all[1].fields().collect();
        assert_eq!(fields, [("Package", "b"), ("X", "")]);
    }

    #[test]
    fn nothing_is_no_stanza() {
        assert_eq!(stanzas("").count(), 0);
        assert_eq!(stanzas("\n\n").count(), 0);
    }
}
