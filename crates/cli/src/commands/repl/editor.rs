//! Lines from a terminal (with editing, history, completion) or from a pipe.

use std::cell::RefCell;
use std::io::{BufRead, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::termios::{OptionalActions, OutputModes, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use snowglobe_nix::repl::Repl;

use super::buffer::Buffer;
use super::history::History;
use super::keys::{self, Key, Terminal};
use super::session::{Command, completed_file};
use crate::error::Result;

/// The session, as the line editor asks it.
pub type Shared<'e, 'a> = RefCell<Repl<'e, 'a>>;

const PROMPT: &str = "snowglobe> ";
const CONTINUED: &str = "         | ";

/// Where inputs come from.
pub struct Lines<'r, 'e, 'a> {
    repl: &'r Shared<'e, 'a>,
    /// `None`: a pipe or a file, whose lines are collected until they are a whole expression.
    history: Option<History>,
}

impl<'r, 'e, 'a> Lines<'r, 'e, 'a> {
    /// The program's standard input.
    pub fn open(repl: &'r Shared<'e, 'a>, history: &Path) -> Self {
        let person = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        Self {
            repl,
            history: person.then(|| History::load(history)),
        }
    }

    /// Whether a person types the lines.
    pub fn interactive(&self) -> bool {
        self.history.is_some()
    }

    /// The next input, perhaps several lines; `None` at the end.
    pub fn read(&mut self) -> Result<Option<String>> {
        let repl = self.repl;
        let Some(history) = &mut self.history else {
            return piped(repl);
        };
        let raw = RawTerminal::enter()?;
        let line = Editing::new(repl, history).read()?;
        drop(raw);
        if let Some(line) = &line
            && let Err(error) = history.add(line)
        {
            anstream::eprintln!("note: the history is not kept: {error}");
        }
        Ok(line)
    }
}

fn piped(repl: &Shared<'_, '_>) -> Result<Option<String>> {
    let mut input = String::new();
    while std::io::stdin().lock().read_line(&mut input)? > 0 {
        if whole(repl, &input) {
            return Ok(Some(input));
        }
    }
    Ok((!input.trim().is_empty()).then_some(input))
}

/// Whether an input needs no further line.
fn whole(repl: &Shared<'_, '_>, text: &str) -> bool {
    Command::parse(text).is_some() || !repl.borrow().unfinished(text)
}

/// The terminal, giving every key at once until this is dropped.
struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    fn enter() -> Result<Self> {
        let input = std::io::stdin();
        let before = tcgetattr(&input).map_err(std::io::Error::from)?;
        let mut raw = before.clone();
        raw.make_raw();
        raw.output_modes |= OutputModes::OPOST;
        tcsetattr(&input, OptionalActions::Drain, &raw).map_err(std::io::Error::from)?;
        // Pasted text comes marked as such.
        write("\x1b[?2004h")?;
        Ok(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = write("\x1b[?2004l");
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.before);
    }
}

fn write(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// What a key leads to.
enum Step {
    Go,
    Done(Option<String>),
}

/// One input while it is typed.
struct Editing<'r, 'h, 'e, 'a> {
    repl: &'r Shared<'e, 'a>,
    history: &'h mut History,
    buffer: Buffer,
    /// The text looked for in the history, and the entry that was found.
    search: Option<(String, usize)>,
    /// Rows above the cursor on the screen, as it was drawn last.
    row: usize,
}

impl<'r, 'h, 'e, 'a> Editing<'r, 'h, 'e, 'a> {
    fn new(repl: &'r Shared<'e, 'a>, history: &'h mut History) -> Self {
        Self {
            repl,
            history,
            buffer: Buffer::default(),
            search: None,
            row: 0,
        }
    }

    fn read(&mut self) -> Result<Option<String>> {
        let input = std::io::stdin();
        let mut bytes = Terminal::new(input.as_fd());
        self.draw()?;
        loop {
            let Some(key) = keys::read(&mut bytes)? else {
                return Ok(None);
            };
            match self.key(key)? {
                Step::Go => self.draw()?,
                Step::Done(line) => return Ok(line),
            }
        }
    }

    /// Leaves the input on the screen, and the cursor below it.
    fn leave(&mut self, mark: &str) -> Result<()> {
        self.search = None;
        self.buffer.to_end();
        self.draw()?;
        self.row = 0;
        write(&format!("{mark}\n"))
    }

    fn key(&mut self, key: Key) -> Result<Step> {
        if self.search.is_some() {
            match self.search_key(&key) {
                true => return Ok(Step::Go),
                false => self.search = None,
            }
        }
        let buffer = &mut self.buffer;
        match key {
            Key::Enter => {
                let text = buffer.text();
                // An empty line ends an input whatever it is, so that nobody is caught in a string.
                if text.ends_with('\n') || whole(self.repl, &text) {
                    self.leave("")?;
                    return Ok(Step::Done(Some(text)));
                }
                buffer.to_end();
                buffer.insert("\n");
            }
            Key::Alt('\n') => buffer.insert("\n"),
            Key::Ctrl('c') => {
                self.leave("^C")?;
                self.buffer = Buffer::default();
                self.history.end();
            }
            Key::Ctrl('d') if buffer.is_empty() => {
                self.leave("")?;
                return Ok(Step::Done(None));
            }
            Key::Char(c) => buffer.insert(c.encode_utf8(&mut [0; 4])),
            Key::Pasted(text) => buffer.insert(&text),
            Key::Backspace | Key::Ctrl('h') => buffer.backspace(),
            Key::Delete | Key::Ctrl('d') => buffer.delete(),
            Key::Left | Key::Ctrl('b') => buffer.left(),
            Key::Right | Key::Ctrl('f') => buffer.right(),
            Key::Home | Key::Ctrl('a') => buffer.home(),
            Key::End | Key::Ctrl('e') => buffer.end(),
            Key::WordLeft | Key::Alt('b') => buffer.previous_word(),
            Key::WordRight | Key::Alt('f') => buffer.next_word(),
            Key::Ctrl('k') => buffer.cut_to_end(),
            Key::Ctrl('u') => buffer.cut_to_start(),
            Key::Ctrl('w') => buffer.cut_word_left(),
            Key::Alt('d') => buffer.cut_word_right(),
            Key::Ctrl('y') => buffer.paste(),
            Key::Up | Key::Ctrl('p') => {
                if !buffer.up()
                    && let Some(entry) = self.history.previous(&buffer.text())
                {
                    buffer.set(entry);
                }
            }
            Key::Down | Key::Ctrl('n') => {
                if !buffer.down()
                    && let Some(entry) = self.history.following()
                {
                    buffer.set(entry);
                }
            }
            Key::Ctrl('l') => {
                write("\x1b[H\x1b[2J")?;
                self.row = 0;
            }
            Key::Ctrl('r') => self.search = Some((String::new(), usize::MAX)),
            Key::Tab => self.complete()?,
            Key::Ctrl(_) | Key::Alt(_) | Key::Other => {}
        }
        Ok(Step::Go)
    }

    /// A key while the history is searched; false: it ends the search and means what it always does.
    fn search_key(&mut self, key: &Key) -> bool {
        let Some((text, at)) = &mut self.search else {
            return false;
        };
        let before = match key {
            Key::Char(c) => {
                text.push(*c);
                at.saturating_add(1)
            }
            Key::Backspace => {
                text.pop();
                usize::MAX
            }
            Key::Ctrl('r') => *at,
            _ => return false,
        };
        if let Some((found, entry)) = self.history.search(text, before) {
            *at = found;
            self.buffer.set(entry);
        }
        true
    }

    fn complete(&mut self) -> Result<()> {
        let text = self.buffer.text();
        let cursor = self.buffer.cursor_bytes();
        let line_start = text[..cursor].rfind('\n').map_or(0, |at| at + 1);
        if text[line_start..cursor].trim().is_empty() {
            self.buffer.insert("  ");
            return Ok(());
        }
        let (start, words) = completed_file(&text, cursor)
            .unwrap_or_else(|| self.repl.borrow().complete(&text, cursor));
        let Some(common) = common_beginning(&words) else {
            return Ok(());
        };
        if common.len() > cursor - start {
            self.buffer.replace_from(start, common);
        } else if words.len() > 1 {
            self.leave_cursor_below()?;
            write(&columns(&words, width()))?;
        }
        Ok(())
    }

    /// Puts the cursor below the input, which is drawn again after what is written there.
    fn leave_cursor_below(&mut self) -> Result<()> {
        let cursor = self.buffer.clone();
        self.buffer.to_end();
        self.draw()?;
        self.row = 0;
        self.buffer = cursor;
        write("\n")
    }

    fn draw(&mut self) -> Result<()> {
        let width = width();
        let mut out = String::new();
        if self.row > 0 {
            out.push_str(&format!("\x1b[{}A", self.row));
        }
        out.push_str("\r\x1b[J");
        let prompt = match &self.search {
            Some((text, _)) => format!("(search '{text}')> "),
            None => PROMPT.to_owned(),
        };
        out.push_str(&prompt);
        let text = self.buffer.text();
        let shown = text.replace('\n', &format!("\n{CONTINUED}"));
        out.push_str(&shown);
        let end = place(&prompt, text.chars(), width);
        let cursor = place(&prompt, self.buffer.before_cursor().iter().copied(), width);
        // A full last column leaves the terminal's cursor where it is until more is written.
        if end.column == 0 && end.row > 0 && !text.ends_with('\n') {
            out.push('\n');
        }
        if end.row > cursor.row {
            out.push_str(&format!("\x1b[{}A", end.row - cursor.row));
        }
        out.push('\r');
        if cursor.column > 0 {
            out.push_str(&format!("\x1b[{}C", cursor.column));
        }
        self.row = cursor.row;
        write(&out)
    }
}

/// A place on the screen, from where the prompt begins.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    row: usize,
    column: usize,
}

/// Where the cursor is after a prompt and a text.
fn place(prompt: &str, text: impl Iterator<Item = char>, width: usize) -> Place {
    let mut place = Place { row: 0, column: 0 };
    let mut step = |c: char| {
        let cells = cells(c);
        if place.column + cells > width {
            place.row += 1;
            place.column = 0;
        }
        place.column += cells;
        if place.column == width {
            place.row += 1;
            place.column = 0;
        }
        if c == '\n' {
            place.row += 1;
            place.column = CONTINUED.len();
        }
    };
    prompt.chars().for_each(&mut step);
    text.for_each(&mut step);
    place
}

/// Columns that a character takes on a terminal.
fn cells(c: char) -> usize {
    match u32::from(c) {
        0x0..0x20 | 0x300..0x370 | 0x200b..0x2010 | 0xfe00..0xfe10 => 0,
        0x1100..0x1160
        | 0x2e80..0xa4d0
        | 0xac00..0xd7a4
        | 0xf900..0xfb00
        | 0xfe30..0xfe70
        | 0xff00..0xff61
        | 0x1f300..0x1fb00
        | 0x20000..0x40000 => 2,
        _ => 1,
    }
}

fn width() -> usize {
    match tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col >= 20 => usize::from(size.ws_col),
        _ => 80,
    }
}

/// What all words begin with; `None`: there are none.
fn common_beginning(words: &[String]) -> Option<&str> {
    let first = words.first()?;
    let mut length = first.len();
    for word in words {
        let same = first
            .char_indices()
            .zip(word.chars())
            .find(|((_, a), b)| a != b);
        length = match same {
            Some(((at, _), _)) => length.min(at),
            None => length.min(word.len()),
        };
    }
    Some(&first[..length])
}

/// Words side by side, as `ls` has them.
fn columns(words: &[String], width: usize) -> String {
    /// More words than anybody reads.
    const MOST: usize = 400;
    let shown = &words[..words.len().min(MOST)];
    let cell = shown
        .iter()
        .map(|word| word.chars().count())
        .max()
        .unwrap_or(0)
        + 2;
    let across = (width / cell).max(1);
    let down = shown.len().div_ceil(across);
    let mut text = String::new();
    for row in 0..down {
        let line: String = (0..across)
            .filter_map(|column| shown.get(column * down + row))
            .map(|word| format!("{word:cell$}"))
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if words.len() > MOST {
        text.push_str(&format!("… and {} more\n", words.len() - MOST));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{CONTINUED, PROMPT, Place, columns, common_beginning, place};

    #[test]
    fn places_on_the_screen() {
        let at = |text: &str| {
            let Place { row, column } = place(PROMPT, text.chars(), 20);
            (row, column)
        };
        assert_eq!(at(""), (0, PROMPT.len()));
        assert_eq!(at("12345678"), (0, 19));
        assert_eq!(at("123456789"), (1, 0));
        assert_eq!(at("12345678日"), (1, 2));
        assert_eq!(at("a\nbc"), (1, CONTINUED.len() + 2));
    }

    #[test]
    fn words_for_completion() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(common_beginning(&words("nginx nix nice")), Some("n"));
        assert_eq!(common_beginning(&words("über übel")), Some("übe"));
        assert_eq!(common_beginning(&words("a")), Some("a"));
        assert_eq!(common_beginning(&[]), None);
        assert_eq!(columns(&words("a b c d e"), 7), "a  d\nb  e\nc\n");
    }
}
