//! Events as JSON lines.

use std::io::{self, BufRead, Write};

use crate::{Event, FORMAT, Kind};

/// Writes one event and a line end.
pub fn write_line(out: &mut dyn Write, event: &Event) -> io::Result<()> {
    // Serde writes in small pieces; one write keeps a line whole when several processes look on.
    let mut line = serde_json::to_vec(event).map_err(io::Error::other)?;
    line.push(b'\n');
    out.write_all(&line)
}

/// Why a stream cannot be read on.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The input failed.
    Io(io::Error),
    /// A line is no event.
    Line {
        /// From 1.
        line: u64,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A newer program wrote this.
    Format {
        /// Its number.
        found: u32,
    },
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot read the events: {error}"),
            Self::Line { line, error } => write!(f, "line {line} is no event: {error}"),
            Self::Format { found } => write!(
                f,
                "the events have format {found}; this program reads up to format {FORMAT}"
            ),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Line { error, .. } => Some(error),
            Self::Format { .. } => None,
        }
    }
}

/// Reads events from JSON lines. A last line without its end is left out: its writer was killed.
pub struct Reader<R> {
    input: R,
    line: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// Reads from here.
    pub fn new(input: R) -> Self {
        Self {
            input,
            line: 0,
            buffer: Vec::new(),
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.buffer.clear();
            match self.input.read_until(b'\n', &mut self.buffer) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(Err(ReadError::Io(error))),
            }
            self.line += 1;
            if self.buffer.last() != Some(&b'\n') {
                return None;
            }
            if self.buffer.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let event: Event = match serde_json::from_slice(&self.buffer) {
                Ok(event) => event,
                Err(error) => {
                    return Some(Err(ReadError::Line {
                        line: self.line,
                        error,
                    }));
                }
            };
            if let Kind::RunStarted { format, .. } = &event.kind
                && *format > FORMAT
            {
                return Some(Err(ReadError::Format { found: *format }));
            }
            return Some(Ok(event));
        }
    }
}
