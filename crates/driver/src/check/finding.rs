//! A mistake in a script, for readers.

use snowglobe_events::{Frame, Kind, Location};

/// Who found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// pyflakes.
    Lint,
    /// mypy.
    Type,
}

/// A mistake in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Who found it.
    pub kind: FindingKind,
    /// Where.
    pub location: Location,
    /// From 1; 0 if unknown.
    pub column: u32,
    /// What.
    pub message: String,
}

impl Finding {
    /// Several lines for a reader: place, line with a caret, message.
    pub fn render(&self) -> String {
        let place = &self.location;
        let mut text = format!("{}:{}: {}\n", place.file, place.line, self.message);
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        text.push_str(&format!("{margin} |\n{number} | {}\n", place.source));
        if self.column > 0 {
            let width = place.source.chars().count();
            let column = (self.column as usize - 1).min(width);
            let skip: String = place
                .source
                .chars()
                .take(column)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            text.push_str(&format!("{margin} | {skip}^\n"));
        }
        text
    }
}

/// The failure of a run whose script has mistakes.
pub(super) fn failure(findings: &[Finding]) -> Kind {
    let first = &findings[0];
    let class = match first.kind {
        FindingKind::Lint => "LintError",
        FindingKind::Type => "TypeCheckError",
    };
    let more = match findings.len() - 1 {
        0 => String::new(),
        1 => " (and one more mistake)".to_owned(),
        count => format!(" (and {count} more mistakes)"),
    };
    let details: Vec<String> = findings.iter().map(Finding::render).collect();
    let lint = findings
        .iter()
        .any(|finding| finding.kind == FindingKind::Lint);
    let types = findings
        .iter()
        .any(|finding| finding.kind == FindingKind::Type);
    let mut hints = Vec::new();
    if lint {
        hints.push("`skipLint = true;` in the test turns the linter off".to_owned());
    }
    if types {
        hints.push("`skipTypeCheck = true;` in the test turns the type checker off".to_owned());
    }
    Kind::Failure {
        class: class.to_owned(),
        message: format!("{}{more}", first.message),
        location: Some(first.location.clone()),
        frames: vec![Frame {
            function: "<module>".to_owned(),
            location: first.location.clone(),
        }],
        command: None,
        subtests: Vec::new(),
        hints,
        details: Some(details.join("\n")),
    }
}
