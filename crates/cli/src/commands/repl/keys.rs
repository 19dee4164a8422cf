//! From the bytes of a terminal to keys.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A key, or several keys at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    /// With Ctrl held, the letter in lower case.
    Ctrl(char),
    /// With Alt held (or after Escape).
    Alt(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    /// Text from the clipboard.
    Pasted(String),
    /// Nothing that means anything here.
    Other,
}

/// Where bytes come from; `None`: no more for now.
pub trait Bytes {
    /// The next byte. With `soon`, only one that follows at once.
    fn next(&mut self, soon: bool) -> io::Result<Option<u8>>;
}

/// Reads one key; `None`: the terminal is gone.
pub fn read(bytes: &mut dyn Bytes) -> io::Result<Option<Key>> {
    let Some(byte) = bytes.next(false)? else {
        return Ok(None);
    };
    Ok(Some(match byte {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x7f | 0x08 => Key::Backspace,
        0x1b => return escape(bytes).map(Some),
        byte @ 1..=26 => Key::Ctrl(char::from(byte + b'a' - 1)),
        byte => character(byte, bytes)?.map_or(Key::Other, Key::Char),
    }))
}

/// A character of one to four bytes.
fn character(first: u8, bytes: &mut dyn Bytes) -> io::Result<Option<char>> {
    let more = match first {
        0x20..=0x7e => 0,
        0xc0..=0xdf => 1,
        0xe0..=0xef => 2,
        0xf0..=0xf7 => 3,
        _ => return Ok(None),
    };
    let mut encoded = vec![first];
    for _ in 0..more {
        let Some(byte) = bytes.next(true)? else {
            return Ok(None);
        };
        encoded.push(byte);
    }
    let text = std::str::from_utf8(&encoded).ok();
    Ok(text.and_then(|text| text.chars().next()))
}

fn escape(bytes: &mut dyn Bytes) -> io::Result<Key> {
    match bytes.next(true)? {
        None => Ok(Key::Other),
        Some(b'[') => sequence(bytes),
        Some(b'O') => Ok(match bytes.next(true)? {
            Some(letter) => named(letter, false),
            None => Key::Other,
        }),
        Some(0x7f | 0x08) => Ok(Key::Ctrl('w')),
        Some(b'\r' | b'\n') => Ok(Key::Alt('\n')),
        Some(byte) => Ok(character(byte, bytes)?.map_or(Key::Other, Key::Alt)),
    }
}

/// `ESC [ parameters letter`.
fn sequence(bytes: &mut dyn Bytes) -> io::Result<Key> {
    let mut parameters = String::new();
    let letter = loop {
        match bytes.next(true)? {
            None => return Ok(Key::Other),
            Some(byte @ 0x40..=0x7e) => break byte,
            // Longer ones mean nothing here, but their end must be found.
            Some(byte) if parameters.len() < 32 => parameters.push(char::from(byte)),
            Some(_) => {}
        }
    };
    let modified = parameters.ends_with(";5") || parameters.ends_with(";3");
    Ok(match (letter, parameters.as_str()) {
        (b'~', "200") => return pasted(bytes),
        (b'~', "1" | "7") => Key::Home,
        (b'~', "4" | "8") => Key::End,
        (b'~', "3") => Key::Delete,
        (b'~', _) => Key::Other,
        (letter, _) => named(letter, modified),
    })
}

fn named(letter: u8, modified: bool) -> Key {
    match (letter, modified) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', false) => Key::Right,
        (b'C', true) => Key::WordRight,
        (b'D', false) => Key::Left,
        (b'D', true) => Key::WordLeft,
        (b'H', _) => Key::Home,
        (b'F', _) => Key::End,
        _ => Key::Other,
    }
}

/// Up to the mark that ends pasted text.
fn pasted(bytes: &mut dyn Bytes) -> io::Result<Key> {
    const END: &[u8] = b"\x1b[201~";
    let mut text = Vec::new();
    while !text.ends_with(END) {
        match bytes.next(false)? {
            Some(byte) => text.push(byte),
            None => break,
        }
    }
    if text.ends_with(END) {
        text.truncate(text.len() - END.len());
    }
    let text = String::from_utf8_lossy(&text)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    // Control characters would move the cursor where nobody expects it.
    let visible = text.chars().filter(|&c| c == '\n' || !c.is_control());
    Ok(Key::Pasted(visible.collect::<String>()))
}

/// The bytes of a terminal.
pub struct Terminal<'f> {
    input: BorrowedFd<'f>,
    read: Vec<u8>,
    used: usize,
}

/// How long a terminal may take between the bytes of one key.
const SOON: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

impl<'f> Terminal<'f> {
    pub fn new(input: BorrowedFd<'f>) -> Self {
        Self {
            input,
            read: Vec::new(),
            used: 0,
        }
    }
}

impl Bytes for Terminal<'_> {
    fn next(&mut self, soon: bool) -> io::Result<Option<u8>> {
        if self.used == self.read.len() {
            if soon {
                let mut fds = [PollFd::new(&self.input, PollFlags::IN)];
                if poll(&mut fds, Some(&SOON))? == 0 {
                    return Ok(None);
                }
            }
            let mut block = [0; 1024];
            let count = loop {
                match rustix::io::read(self.input, &mut block) {
                    Err(rustix::io::Errno::INTR) => {}
                    other => break other?,
                }
            };
            self.read = block[..count].to_vec();
            self.used = 0;
            if count == 0 {
                return Ok(None);
            }
        }
        self.used += 1;
        Ok(Some(self.read[self.used - 1]))
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Key, read};

    struct Given<'t>(&'t [u8]);

    impl Bytes for Given<'_> {
        fn next(&mut self, _soon: bool) -> std::io::Result<Option<u8>> {
            Ok(self.0.split_off_first().copied())
        }
    }

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut given = Given(bytes);
        std::iter::from_fn(|| read(&mut given).expect("no errors")).collect()
    }

    #[test]
    fn bytes_are_keys() {
        assert_eq!(
            keys(b"a\x01\r"),
            [Key::Char('a'), Key::Ctrl('a'), Key::Enter]
        );
        assert_eq!(keys("ü→".as_bytes()), [Key::Char('ü'), Key::Char('→')]);
        assert_eq!(
            keys(b"\x1b[A\x1bOB\x1b[1;5D"),
            [Key::Up, Key::Down, Key::WordLeft]
        );
        assert_eq!(
            keys(b"\x1bb\x1b[3~\x1b[H"),
            [Key::Alt('b'), Key::Delete, Key::Home]
        );
        assert_eq!(
            keys(b"\x1b[200~a\r\nb\x07\x1b[201~c"),
            [Key::Pasted("a\nb".to_owned()), Key::Char('c')]
        );
    }

    #[test]
    fn broken_bytes_are_no_key() {
        assert_eq!(keys(b"\xff\xc3"), [Key::Other, Key::Other]);
        assert_eq!(
            keys(b"\x1b[9999999;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;~"),
            [Key::Other]
        );
        assert_eq!(keys(b"\x1b"), [Key::Other]);
    }
}
