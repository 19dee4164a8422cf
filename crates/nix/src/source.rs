//! Source files and positions in them.

use std::cell::RefCell;

use bumpalo::Bump;

/// A place in one of the source files of an evaluation, or nowhere.
///
/// All files share one range of numbers, as if they were written one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pos(pub(crate) u32);

impl Pos {
    /// No place in any file.
    pub const NONE: Self = Self(0);

    /// Whether this is a place at all.
    pub fn is_some(self) -> bool {
        self.0 != 0
    }

    /// This place, or `other` when this is nowhere.
    pub fn or(self, other: Self) -> Self {
        if self.is_some() { self } else { other }
    }
}

/// What a text was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file, by absolute path.
    File(String),
    /// Given on the command line or by the host; the words that name it in messages, such as
    /// `«string»`.
    Text(String),
}

impl Origin {
    /// How messages name it.
    pub fn name(&self) -> &str {
        match self {
            Self::File(path) => path,
            Self::Text(name) => name,
        }
    }
}

/// One text.
pub struct Source<'a> {
    /// Where it came from.
    pub origin: &'a Origin,
    /// The text, with line ends as in the file.
    pub text: &'a str,
    start: u32,
}

/// A position that a person can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// What the text was read from.
    pub origin: Origin,
    /// From 1.
    pub line: u32,
    /// From 1, in bytes.
    pub column: u32,
    /// The whole line, without its end.
    pub text: String,
}

/// All texts of one evaluation.
pub struct Sources<'a> {
    arena: &'a Bump,
    files: RefCell<Vec<Source<'a>>>,
    /// Start of the file that was asked for last, and the offsets of its lines.
    lines: RefCell<(u32, Vec<u32>)>,
}

/// All texts together are too long for 32-bit positions.
#[derive(Debug, thiserror::Error)]
#[error("all Nix files of one evaluation together are larger than 4 GiB")]
pub struct TooMuchSource;

impl<'a> Sources<'a> {
    /// No texts yet.
    pub fn new(arena: &'a Bump) -> Self {
        Self {
            arena,
            files: RefCell::default(),
            lines: RefCell::default(),
        }
    }

    /// Adds a text; offset `i` in it is [`Pos`] `start + i`.
    pub fn add(
        &self,
        origin: Origin,
        text: &str,
    ) -> Result<(&'a str, u32, &'a Origin), TooMuchSource> {
        let mut files = self.files.borrow_mut();
        let start = match files.last() {
            Some(last) => last.start as usize + last.text.len() + 1,
            None => 1,
        };
        if start + text.len() + 1 > u32::MAX as usize {
            return Err(TooMuchSource);
        }
        let text: &'a str = self.arena.alloc_str(text);
        let origin: &'a Origin = self.arena.alloc(origin);
        files.push(Source {
            origin,
            text,
            start: start as u32,
        });
        Ok((text, start as u32, origin))
    }

    fn find(&self, pos: Pos) -> Option<(u32, &'a str, &'a Origin)> {
        if !pos.is_some() {
            return None;
        }
        let files = self.files.borrow();
        let index = files
            .partition_point(|file| file.start <= pos.0)
            .checked_sub(1)?;
        let file = &files[index];
        Some((file.start, file.text, file.origin))
    }

    /// What the text at a position was read from, line and column from 1.
    pub fn line_column(&self, pos: Pos) -> Option<(&'a Origin, u32, u32)> {
        let (start, text, origin) = self.find(pos)?;
        let mut cached = self.lines.borrow_mut();
        if cached.0 != start || cached.1.is_empty() {
            let ends = text
                .bytes()
                .enumerate()
                .filter(|&(_, byte)| byte == b'\n')
                .map(|(i, _)| i as u32 + 1);
            *cached = (start, std::iter::once(0).chain(ends).collect());
        }
        let offset = pos.0 - start;
        let line = cached.1.partition_point(|&first| first <= offset);
        Some((origin, line as u32, offset - cached.1[line - 1] + 1))
    }

    /// What stands before a position in its text.
    pub fn before(&self, pos: Pos) -> Option<&'a str> {
        let (start, text, _) = self.find(pos)?;
        text.get(..(pos.0 - start) as usize)
    }

    /// Everything about a position.
    pub fn location(&self, pos: Pos) -> Option<Location> {
        let (origin, line, column) = self.line_column(pos)?;
        let (start, text, _) = self.find(pos)?;
        let first = (pos.0 - start) as usize - (column as usize - 1);
        let rest = &text.as_bytes()[first..];
        let end = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .unwrap_or(rest.len());
        let line_text = String::from_utf8_lossy(&rest[..end])
            .trim_end_matches('\r')
            .to_owned();
        Some(Location {
            origin: origin.clone(),
            line,
            column,
            text: line_text,
        })
    }
}
