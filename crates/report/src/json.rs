//! The stream itself.

use std::io::Write;

use snowglobe_events::{Event, write_line};

use crate::View;

/// Writes every event as a line of JSON.
pub struct JsonLines<W>(W);

impl<W: Write + Send> JsonLines<W> {
    /// Writes there.
    pub fn new(out: W) -> Self {
        Self(out)
    }
}

impl<W: Write + Send> View for JsonLines<W> {
    fn event(&mut self, event: &Event) {
        // A reader that went away is success.
        let _ = write_line(&mut self.0, event);
    }

    fn tick(&mut self) {
        let _ = self.0.flush();
    }

    fn end(&mut self) {
        let _ = self.0.flush();
    }
}
