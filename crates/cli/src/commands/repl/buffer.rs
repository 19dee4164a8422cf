//! The text that is being typed, and where the cursor is in it.

/// A text under edit. The cursor is an index of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buffer {
    text: Vec<char>,
    cursor: usize,
    /// What was cut last.
    cut: Vec<char>,
}

impl Buffer {
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// The cursor as a byte offset in [`Buffer::text`].
    pub fn cursor_bytes(&self) -> usize {
        self.text[..self.cursor].iter().map(|c| c.len_utf8()).sum()
    }

    pub fn before_cursor(&self) -> &[char] {
        &self.text[..self.cursor]
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Replaces everything; the cursor goes to the end.
    pub fn set(&mut self, text: &str) {
        self.text = text.chars().collect();
        self.cursor = self.text.len();
    }

    pub fn insert(&mut self, text: &str) {
        let added: Vec<char> = text.chars().collect();
        let count = added.len();
        self.text.splice(self.cursor..self.cursor, added);
        self.cursor += count;
    }

    /// Replaces what is between a byte offset and the cursor.
    pub fn replace_from(&mut self, start: usize, with: &str) {
        let whole = self.text();
        let start = whole.get(..start).map_or(0, |head| head.chars().count());
        self.text.drain(start.min(self.cursor)..self.cursor);
        self.cursor = start.min(self.cursor);
        self.insert(with);
    }

    pub fn left(&mut self) {
        self.cursor = self.cursor.saturating_sub(1);
    }

    pub fn right(&mut self) {
        self.cursor = (self.cursor + 1).min(self.text.len());
    }

    /// To the beginning of the line that the cursor is in.
    pub fn home(&mut self) {
        self.cursor = self.line_start();
    }

    pub fn end(&mut self) {
        self.cursor = self.line_end();
    }

    pub fn to_end(&mut self) {
        self.cursor = self.text.len();
    }

    fn line_start(&self) -> usize {
        let newline = self.text[..self.cursor].iter().rposition(|&c| c == '\n');
        newline.map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        let newline = self.text[self.cursor..].iter().position(|&c| c == '\n');
        newline.map_or(self.text.len(), |at| self.cursor + at)
    }

    /// One line up; false: this is the first.
    pub fn up(&mut self) -> bool {
        let start = self.line_start();
        if start == 0 {
            return false;
        }
        let column = self.cursor - start;
        self.cursor = start - 1;
        let above = self.line_start();
        self.cursor = (above + column).min(start - 1);
        true
    }

    /// One line down; false: this is the last.
    pub fn down(&mut self) -> bool {
        let end = self.line_end();
        if end == self.text.len() {
            return false;
        }
        let column = self.cursor - self.line_start();
        self.cursor = end + 1;
        self.cursor = (end + 1 + column).min(self.line_end());
        true
    }

    fn word_left(&self) -> usize {
        let mut at = self.cursor;
        while at > 0 && !is_word(self.text[at - 1]) {
            at -= 1;
        }
        while at > 0 && is_word(self.text[at - 1]) {
            at -= 1;
        }
        at
    }

    fn word_right(&self) -> usize {
        let mut at = self.cursor;
        while at < self.text.len() && !is_word(self.text[at]) {
            at += 1;
        }
        while at < self.text.len() && is_word(self.text[at]) {
            at += 1;
        }
        at
    }

    pub fn previous_word(&mut self) {
        self.cursor = self.word_left();
    }

    pub fn next_word(&mut self) {
        self.cursor = self.word_right();
    }

    pub fn backspace(&mut self) {
        if self.cursor > 0 {
            self.cursor -= 1;
            self.text.remove(self.cursor);
        }
    }

    pub fn delete(&mut self) {
        if self.cursor < self.text.len() {
            self.text.remove(self.cursor);
        }
    }

    fn cut(&mut self, from: usize, to: usize) {
        if from < to {
            self.cut = self.text.drain(from..to).collect();
            self.cursor = from;
        }
    }

    /// Cuts to the end of the line, or the line end itself.
    pub fn cut_to_end(&mut self) {
        let end = self.line_end();
        let end = if end == self.cursor {
            (end + 1).min(self.text.len())
        } else {
            end
        };
        self.cut(self.cursor, end);
    }

    pub fn cut_to_start(&mut self) {
        self.cut(self.line_start(), self.cursor);
    }

    pub fn cut_word_left(&mut self) {
        self.cut(self.word_left(), self.cursor);
    }

    pub fn cut_word_right(&mut self) {
        self.cut(self.cursor, self.word_right());
    }

    /// Puts back what was cut last.
    pub fn paste(&mut self) {
        let cut: String = self.cut.iter().collect();
        self.insert(&cut);
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '\'' || c == '-'
}

#[cfg(test)]
mod tests {
    use super::Buffer;

    /// A text with `|` for the cursor.
    fn buffer(text: &str) -> Buffer {
        let (before, after) = text.split_once('|').expect("a cursor");
        let mut buffer = Buffer::default();
        buffer.set(before);
        let cursor = buffer.cursor;
        buffer.set(&format!("{before}{after}"));
        buffer.cursor = cursor;
        buffer
    }

    #[track_caller]
    fn check(before: &str, edit: fn(&mut Buffer), after: &str) {
        let mut edited = buffer(before);
        edit(&mut edited);
        edited.cut.clear();
        assert_eq!(edited, buffer(after));
    }

    #[test]
    fn edits() {
        check("a|b", |b| b.insert("xy"), "axy|b");
        check("ä|b", Buffer::backspace, "|b");
        check("a|b", Buffer::delete, "a|");
        check("a|", Buffer::delete, "a|");
        check("foo.bar-x |", Buffer::cut_word_left, "foo.|");
        check("a| + bc d", Buffer::cut_word_right, "a| d");
        check("one\ntw|o\nx", Buffer::cut_to_start, "one\n|o\nx");
        check("one\ntw|o\nx", Buffer::cut_to_end, "one\ntw|\nx");
        check("one|\ntwo", Buffer::cut_to_end, "one|two");
        check("a bc|d", |b| b.cut_to_end(), "a bc|");
        check(
            "a b|c",
            |b| {
                b.cut_to_end();
                b.home();
                b.paste();
            },
            "c|a b",
        );
        check(
            "lib.ma|x",
            |b| b.replace_from(4, "mapAttrs"),
            "lib.mapAttrs|x",
        );
        check("é.ma|", |b| b.replace_from(3, "map"), "é.map|");
    }

    #[test]
    fn movements() {
        check("one\ntwo|", |b| assert!(b.up()), "one|\ntwo");
        check("o\ntwo|", |b| assert!(b.up()), "o|\ntwo");
        check("on|e", |b| assert!(!b.up()), "on|e");
        check("on|e\nt\nx", |b| assert!(b.down()), "one\nt|\nx");
        check("one\nt|", |b| assert!(!b.down()), "one\nt|");
        check("a.bc d|", Buffer::previous_word, "a.bc |d");
        check("|a.bc", Buffer::next_word, "a|.bc");
        check("x\nab|", Buffer::home, "x\n|ab");
        check("|x\nab", Buffer::end, "x|\nab");
    }
}
