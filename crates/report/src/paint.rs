//! Colours, where they are wanted.

use anstyle::{AnsiColor, Style};

/// Whether text gets colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// No colours.
    pub const fn plain() -> Self {
        Self { on: false }
    }

    /// Colours.
    pub const fn coloured() -> Self {
        Self { on: true }
    }

    /// Colours if standard error is a terminal that takes them, by `NO_COLOR` and its friends.
    pub fn for_stderr() -> Self {
        let choice = anstream::AutoStream::choice(&std::io::stderr());
        Self {
            on: choice != anstream::ColorChoice::Never,
        }
    }

    /// The same for standard output.
    pub fn for_stdout() -> Self {
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        Self {
            on: choice != anstream::ColorChoice::Never,
        }
    }

    fn with(self, style: Style, text: &str) -> String {
        if self.on {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.with(Style::new().dimmed(), text)
    }

    /// What went well.
    pub fn good(self, text: &str) -> String {
        self.with(
            Style::new().bold().fg_color(Some(AnsiColor::Green.into())),
            text,
        )
    }

    /// What went wrong.
    pub fn bad(self, text: &str) -> String {
        self.with(
            Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
            text,
        )
    }

    /// What is not as it should be.
    pub fn warn(self, text: &str) -> String {
        self.with(
            Style::new().bold().fg_color(Some(AnsiColor::Yellow.into())),
            text,
        )
    }

    /// A machine's name, always in the same colour within a run.
    pub(crate) fn machine(self, name: &str, number: usize) -> String {
        const COLOURS: [AnsiColor; 5] = [
            AnsiColor::Cyan,
            AnsiColor::Magenta,
            AnsiColor::Blue,
            AnsiColor::Yellow,
            AnsiColor::Green,
        ];
        self.with(
            Style::new().fg_color(Some(COLOURS[number % COLOURS.len()].into())),
            name,
        )
    }
}

/// Gives a plain error report with source lines (`error: …`, ` --> file:3:1`, `3 | text`, `  | ^`)
/// its colours, line by line.
pub fn source_colors(text: &str, paint: Paint) -> String {
    let blue = Style::new().bold().fg_color(Some(AnsiColor::Blue.into()));
    let mut out = String::with_capacity(text.len() * 2);
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        out.push_str(&source_line(line, paint, blue));
        out.push_str(end);
    }
    out
}

fn source_line(line: &str, paint: Paint, blue: Style) -> String {
    for (head, bad) in [("error", true), ("note", false), ("help", false)] {
        if let Some(rest) = line.strip_prefix(head).filter(|rest| rest.starts_with(':')) {
            let head = if bad {
                paint.bad(head)
            } else {
                paint.good(head)
            };
            let rest = if bad {
                paint.bold(rest)
            } else {
                rest.to_owned()
            };
            return format!("{head}{rest}");
        }
    }
    let body = line.trim_start();
    let indent = &line[..line.len() - body.len()];
    if let Some(place) = body.strip_prefix("--> ") {
        return format!("{indent}{} {place}", paint.with(blue, "-->"));
    }
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = body.split_at(digits);
    let Some(code) = rest.trim_start().strip_prefix('|') else {
        return line.to_owned();
    };
    let gap = &rest[..rest.len() - rest.trim_start().len()];
    let marks = number.is_empty() && code.bytes().all(|byte| matches!(byte, b' ' | b'^' | b'-'));
    let code = if marks {
        paint.bad(code)
    } else {
        code.to_owned()
    };
    format!(
        "{indent}{}{code}",
        paint.with(blue, &format!("{number}{gap}|"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_no_text() {
        let text = "error: it went wrong\n --> a.nix:3:1\n  |\n3 | a | b\n  | ^^\nnote: 12 apples\n  12 apples\n";
        assert_eq!(source_colors(text, Paint::plain()), text);
        let colored = source_colors(text, Paint::coloured());
        assert!(colored.contains("\u{1b}["));
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), text);
        assert!(colored.contains("12 apples\n"), "{colored}");
    }
}
