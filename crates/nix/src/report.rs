//! Errors that leave the evaluator: self-contained, and made for people.

use std::fmt::Write;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::error::{Fault, Kind};
use crate::eval::Evaluator;
use crate::source::Location;

/// Why an evaluation failed. Displayed, it is one line in CppNix's words; [`Error::render`] shows
/// the source and how the evaluation got there.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Its kind.
    pub kind: Kind,
    /// What happened.
    pub message: String,
    /// Where.
    pub location: Option<Location>,
    /// Bytes of source that are meant, from 1.
    pub width: u32,
    /// What was being done, innermost first.
    pub trace: Vec<Step>,
    /// What may help.
    pub hints: Vec<String>,
    /// Further errors, for syntax: all of one file are found at once.
    pub also: Vec<(Option<Location>, String)>,
    /// Steps that whoever passed the error on has taken out of `trace`.
    pub left_out: usize,
}

/// One step of how an evaluation got somewhere.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where.
    pub location: Option<Location>,
    /// `while …`.
    pub text: String,
    /// Whether the program asked for it by `addErrorContext`.
    pub explicit: bool,
}

/// How an error is shown.
#[derive(Clone, Copy, Debug)]
pub struct RenderOptions {
    /// Whether colours may be used.
    pub color: bool,
    /// Whether all steps are shown, not only those that matter most.
    pub full_trace: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self {
            color: false,
            full_trace: false,
            width: 100,
        }
    }
}

/// Further errors of one file that are shown: more are seldom errors of their own.
const MOST_ERRORS: usize = 30;

/// Steps that a short trace shows.
const SHORT_TRACE: usize = 6;

impl<'a> Evaluator<'a> {
    /// A fault as something that outlives the evaluation.
    #[expect(clippy::boxed_local, reason = "faults are always boxed")]
    pub fn report(&self, fault: Fault) -> Box<Error> {
        let locate = |pos| self.sources.location(pos);
        let mut hints = fault.hints;
        if fault.also.len() > MOST_ERRORS {
            let left_out = fault.also.len() - MOST_ERRORS;
            hints.push(format!("{left_out} more errors in this file are not shown"));
        }
        Box::new(Error {
            kind: fault.kind,
            location: locate(fault.pos),
            width: fault.width,
            trace: fault
                .trace
                .into_iter()
                .map(|frame| Step {
                    location: locate(frame.pos),
                    text: plain(&frame.text),
                    explicit: frame.explicit,
                })
                .collect(),
            hints,
            also: fault
                .also
                .into_iter()
                .take(MOST_ERRORS)
                .map(|(pos, message)| (locate(pos), message))
                .collect(),
            message: plain(&fault.message),
            left_out: 0,
        })
    }
}

/// A message without the colours that programs put into it: what is shown where is decided here.
fn plain(message: &str) -> String {
    let mut pieces = message.split("\x1b[");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| !c.is_ascii_digit() && c != ';');
        let rest = end.map_or("", |at| &piece[at..]);
        text.push_str(rest.strip_prefix('m').unwrap_or(rest));
    }
    text
}

impl Error {
    /// The error with source lines, several lines long, with a line end.
    pub fn render(&self, options: RenderOptions) -> String {
        let renderer = if options.color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let renderer = renderer.term_width(options.width);
        let mut groups = vec![group(
            Level::ERROR,
            &self.message,
            self.location.as_ref(),
            self.width,
        )];
        for (location, message) in &self.also {
            groups.push(group(Level::ERROR, message, location.as_ref(), 1));
        }
        for step in self.shown(options) {
            groups.push(group(Level::NOTE, &step.text, step.location.as_ref(), 1));
        }
        for hint in &self.hints {
            groups.push(Group::with_title(Level::HELP.primary_title(hint.as_str())));
        }
        let mut text = renderer.render(&groups);
        text.push('\n');
        let hidden = self.left_out + self.trace.len().saturating_sub(self.shown(options).len());
        if hidden > 0 && !options.full_trace {
            let _ = writeln!(text, "({hidden} more steps; show them with '--show-trace')");
        }
        text
    }

    /// Steps that are worth showing: what the program asked for, and the innermost that have a
    /// place of their own.
    fn shown(&self, options: RenderOptions) -> Vec<&Step> {
        if options.full_trace {
            return self.trace.iter().collect();
        }
        let mut shown = Vec::new();
        let mut plain = 0;
        let mut last: Option<&Location> = self.location.as_ref();
        for step in &self.trace {
            if step.explicit {
                shown.push(step);
                continue;
            }
            let internal = step
                .location
                .as_ref()
                .is_none_or(|location| location.origin.name().starts_with('«'));
            let repeated = step.location.as_ref() == last;
            if plain < SHORT_TRACE && !internal && !repeated && step.text != "from call site" {
                plain += 1;
                last = step.location.as_ref();
                shown.push(step);
            }
        }
        shown
    }
}

fn group<'g>(
    level: Level<'g>,
    message: &'g str,
    location: Option<&'g Location>,
    width: u32,
) -> Group<'g> {
    let title = level.primary_title(message);
    let Some(location) = location else {
        return Group::with_title(title);
    };
    let text = location.text.as_str();
    let mut start = (location.column as usize - 1).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = (start + width.max(1) as usize).min(text.len());
    while end < text.len() && !text.is_char_boundary(end) {
        end += 1;
    }
    title.element(
        Snippet::source(text)
            .path(location.origin.name())
            .line_start(location.line as usize)
            .annotation(AnnotationKind::Primary.span(start..end.max(start))),
    )
}
