//! Tokens of texts without mistakes, the same as `rnix` makes them; anything unusual ends the
//! attempt. Works on bytes and looks at each about once.

use super::tree::{Kind, Token};

/// The tokens of a text without white space and comments; `None`: something is unusual.
pub fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        at: 0,
        out: Vec::with_capacity(text.len() / 5),
        around: Vec::new(),
    };
    lexer.run()?;
    lexer.around.is_empty().then_some(lexer.out)
}

/// What the text at hand is inside of.
#[derive(Clone, Copy)]
enum Around {
    /// `${ … }`, with this many braces open in it.
    Braces(u32),
    /// `" … "`.
    String,
    /// `'' … ''`.
    Indented,
    /// A path of this kind, with something interpolated.
    Path(Kind),
}

struct Lexer<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    out: Vec<Token<'t>>,
    around: Vec<Around>,
}

const PATH: u8 = 1;
const URI: u8 = 2;
const IDENT: u8 = 4;
const BLANK: u8 = 8;

/// What bytes may be part of.
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let c = byte as u8;
        if c.is_ascii_alphanumeric() {
            table[byte] = PATH | URI | IDENT;
        }
        byte += 1;
    }
    table[b'_' as usize] = PATH | URI | IDENT;
    table[b'-' as usize] = PATH | URI | IDENT;
    table[b'\'' as usize] = URI | IDENT;
    table[b'.' as usize] = PATH | URI;
    table[b'+' as usize] = PATH | URI;
    table[b'/' as usize] = PATH | URI;
    let others = *b"%?:@&=$,!~*";
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] |= URI;
        index += 1;
    }
    table[b' ' as usize] = BLANK;
    table[b'\t' as usize] = BLANK;
    table[b'\n' as usize] = BLANK;
    table[b'\r' as usize] = BLANK;
    table
};

impl<'t> Lexer<'t> {
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn is(&self, at: usize, class: u8) -> bool {
        CLASSES[usize::from(self.byte(at))] & class != 0
    }

    /// Where the bytes of a class that begin at a place end.
    fn end_of(&self, mut at: usize, class: u8) -> usize {
        while self.is(at, class) {
            at += 1;
        }
        at
    }

    fn push(&mut self, kind: Kind, end: usize) {
        self.out.push(Token {
            kind,
            text: &self.text[self.at..end],
            start: self.at as u32,
        });
        self.at = end;
    }

    fn run(&mut self) -> Option<()> {
        loop {
            match self.around.last() {
                Some(Around::String) => self.string()?,
                Some(Around::Indented) => self.indented()?,
                Some(Around::Path(kind)) => {
                    let kind = *kind;
                    if self.byte(self.at) == b'$' && self.byte(self.at + 1) == b'{' {
                        self.interpolation();
                    } else if self.is(self.at, PATH) {
                        self.path_piece(kind)?;
                    } else {
                        self.around.pop();
                    }
                }
                _ => {
                    if !self.code()? {
                        return Some(());
                    }
                }
            }
        }
    }

    fn interpolation(&mut self) {
        self.push(Kind::TOKEN_INTERPOL_START, self.at + 2);
        self.around.push(Around::Braces(0));
    }

    /// One token outside of strings; false at the end of the text.
    fn code(&mut self) -> Option<bool> {
        loop {
            self.at = self.end_of(self.at, BLANK);
            if self.byte(self.at) == b'#' {
                let rest = &self.bytes[self.at..];
                self.at += rest
                    .iter()
                    .position(|&byte| byte == b'\n')
                    .unwrap_or(rest.len());
            } else if self.bytes[self.at..].starts_with(b"/*") {
                let rest = &self.bytes[self.at + 2..];
                self.at += 4 + rest.windows(2).position(|pair| pair == b"*/")?;
            } else {
                break;
            }
        }
        let at = self.at;
        let Some(&byte) = self.bytes.get(at) else {
            return Some(false);
        };
        if self.bytes[at..].starts_with(b"...") {
            self.push(Kind::TOKEN_ELLIPSIS, at + 3);
            return Some(true);
        }
        match byte {
            b'/' => {
                match self.byte(at + 1) {
                    b'/' => self.push(Kind::TOKEN_UPDATE, at + 2),
                    b'$' if self.byte(at + 2) == b'{' => self.path(Kind::TOKEN_PATH_ABS)?,
                    next if CLASSES[usize::from(next)] & PATH != 0 => {
                        self.path(Kind::TOKEN_PATH_ABS)?
                    }
                    _ => self.push(Kind::TOKEN_DIV, at + 1),
                }
                return Some(true);
            }
            b'~' => {
                if self.byte(at + 1) != b'/' {
                    return None;
                }
                self.path(Kind::TOKEN_PATH_HOME)?;
                return Some(true);
            }
            b'<' => {
                self.less()?;
                return Some(true);
            }
            _ => {}
        }
        // A word that a slash follows is a path; one that a colon follows may be a URI.
        let mut word = at;
        while self.is(word, PATH) && self.byte(word) != b'/' {
            word += 1;
        }
        let after = self.byte(word + 1);
        let mut uri = false;
        match self.byte(word) {
            b'/' if after == b'/' || after == b'*' => {}
            b'/' if word + 1 < self.bytes.len() && CLASSES[usize::from(after)] & BLANK == 0 => {
                self.path(Kind::TOKEN_PATH_REL)?;
                return Some(true);
            }
            b':' => {
                uri =
                    CLASSES[usize::from(after)] & URI != 0 && !self.bytes[at..word].contains(&b'_')
            }
            _ => {}
        }
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                if uri {
                    let end = self.end_of(at, URI | IDENT);
                    self.push(Kind::TOKEN_URI, end);
                } else {
                    let end = self.end_of(at, IDENT);
                    let kind = keyword(&self.bytes[at..end]);
                    self.push(kind, end);
                }
            }
            b'0'..=b'9' => self.number()?,
            _ => self.symbol(byte)?,
        }
        Some(true)
    }

    fn number(&mut self) -> Option<()> {
        let at = self.at;
        let digits = |mut at: usize| {
            while self.byte(at).is_ascii_digit() {
                at += 1;
            }
            at
        };
        let end = digits(at);
        // A zero is followed by its point at once, or it begins an integer.
        let fraction = self.byte(end) == b'.' && (self.byte(at) != b'0' || end == at + 1);
        if !fraction {
            self.push(Kind::TOKEN_INTEGER, end);
            return Some(());
        }
        let end = digits(end + 1);
        self.exponent(end)
    }

    fn exponent(&mut self, mut end: usize) -> Option<()> {
        if matches!(self.byte(end), b'e' | b'E') {
            end += 1;
            if matches!(self.byte(end), b'+' | b'-') {
                end += 1;
            }
            if !self.byte(end).is_ascii_digit() {
                return None;
            }
            while self.byte(end).is_ascii_digit() {
                end += 1;
            }
        }
        self.push(Kind::TOKEN_FLOAT, end);
        Some(())
    }

    fn symbol(&mut self, byte: u8) -> Option<()> {
        let next = self.byte(self.at + 1);
        let (kind, len) = match (byte, next) {
            (b'=', b'=') => (Kind::TOKEN_EQUAL, 2),
            (b'=', _) => (Kind::TOKEN_ASSIGN, 1),
            (b'!', b'=') => (Kind::TOKEN_NOT_EQUAL, 2),
            (b'!', _) => (Kind::TOKEN_INVERT, 1),
            (b'{', _) => {
                if let Some(Around::Braces(open)) = self.around.last_mut() {
                    *open += 1;
                }
                (Kind::TOKEN_L_BRACE, 1)
            }
            (b'}', _) => match self.around.last_mut() {
                Some(Around::Braces(0)) => {
                    self.around.pop();
                    (Kind::TOKEN_INTERPOL_END, 1)
                }
                Some(Around::Braces(open)) => {
                    *open -= 1;
                    (Kind::TOKEN_R_BRACE, 1)
                }
                _ => (Kind::TOKEN_R_BRACE, 1),
            },
            (b'[', _) => (Kind::TOKEN_L_BRACK, 1),
            (b']', _) => (Kind::TOKEN_R_BRACK, 1),
            (b'@', _) => (Kind::TOKEN_AT, 1),
            (b':', _) => (Kind::TOKEN_COLON, 1),
            (b',', _) => (Kind::TOKEN_COMMA, 1),
            (b'.', b'0'..=b'9') => {
                let mut end = self.at + 1;
                while self.byte(end).is_ascii_digit() {
                    end += 1;
                }
                return self.exponent(end);
            }
            (b'.', _) => (Kind::TOKEN_DOT, 1),
            (b'?', _) => (Kind::TOKEN_QUESTION, 1),
            (b';', _) => (Kind::TOKEN_SEMICOLON, 1),
            (b'(', _) => (Kind::TOKEN_L_PAREN, 1),
            (b')', _) => (Kind::TOKEN_R_PAREN, 1),
            (b'+', b'+') => (Kind::TOKEN_CONCAT, 2),
            (b'+', _) => (Kind::TOKEN_ADD, 1),
            (b'-', b'>') => (Kind::TOKEN_IMPLICATION, 2),
            (b'-', _) => (Kind::TOKEN_SUB, 1),
            (b'*', _) => (Kind::TOKEN_MUL, 1),
            (b'&', b'&') => (Kind::TOKEN_AND_AND, 2),
            (b'|', b'>') => (Kind::TOKEN_PIPE_RIGHT, 2),
            (b'|', b'|') => (Kind::TOKEN_OR_OR, 2),
            (b'>', b'=') => (Kind::TOKEN_MORE_OR_EQ, 2),
            (b'>', _) => (Kind::TOKEN_MORE, 1),
            (b'$', b'{') => {
                self.interpolation();
                return Some(());
            }
            (b'"', _) => {
                self.around.push(Around::String);
                (Kind::TOKEN_STRING_START, 1)
            }
            (b'\'', b'\'') => {
                self.around.push(Around::Indented);
                (Kind::TOKEN_STRING_START, 2)
            }
            _ => return None,
        };
        self.push(kind, self.at + len);
        Some(())
    }

    /// `<|`, `<=`, `<` or `<path>`.
    fn less(&mut self) -> Option<()> {
        let at = self.at;
        let end = self.end_of(at + 1, PATH);
        match self.byte(at + 1) {
            b'|' => self.push(Kind::TOKEN_PIPE_LEFT, at + 2),
            b'=' => self.push(Kind::TOKEN_LESS_OR_EQ, at + 2),
            _ if end > at + 1 && self.byte(end) == b'>' => {
                self.push(Kind::TOKEN_PATH_SEARCH, end + 1)
            }
            // `rnix` looks further here than is worth repeating.
            _ if end > at + 1 && self.byte(end) == b'<' => return None,
            _ => self.push(Kind::TOKEN_LESS, at + 1),
        }
        Some(())
    }

    fn path(&mut self, kind: Kind) -> Option<()> {
        self.around.push(Around::Path(kind));
        if kind == Kind::TOKEN_PATH_HOME {
            let end = self.end_of(self.at + 2, PATH);
            return self.path_until(kind, end);
        }
        self.path_piece(kind)
    }

    fn path_piece(&mut self, kind: Kind) -> Option<()> {
        let end = self.end_of(self.at, PATH);
        self.path_until(kind, end)
    }

    fn path_until(&mut self, kind: Kind, end: usize) -> Option<()> {
        let goes_on = self.byte(end) == b'$' && self.byte(end + 1) == b'{';
        let piece = &self.text[self.at..end];
        if !goes_on && (piece.ends_with('/') || piece.contains("//")) {
            return None;
        }
        self.push(kind, end);
        if goes_on {
            self.interpolation();
        } else {
            self.around.pop();
        }
        Some(())
    }

    fn content(&mut self, end: usize) {
        if end > self.at {
            self.push(Kind::TOKEN_STRING_CONTENT, end);
        }
    }

    fn string(&mut self) -> Option<()> {
        let mut end = self.at;
        loop {
            match *self.bytes.get(end)? {
                b'"' => {
                    self.content(end);
                    self.push(Kind::TOKEN_STRING_END, end + 1);
                    self.around.pop();
                    return Some(());
                }
                // What is escaped may be longer than a byte, but only its first one matters here.
                b'\\' => end += 2,
                b'$' => match self.byte(end + 1) {
                    b'$' => end += 2,
                    b'{' => {
                        self.content(end);
                        self.interpolation();
                        return Some(());
                    }
                    _ => end += 1,
                },
                _ => end += 1,
            }
        }
    }

    fn indented(&mut self) -> Option<()> {
        let mut end = self.at;
        loop {
            match (
                *self.bytes.get(end)?,
                self.byte(end + 1),
                self.byte(end + 2),
            ) {
                (b'\'', b'\'', b'\'' | b'$') => end += 3,
                (b'\'', b'\'', b'\\') => end += 4,
                (b'\'', b'\'', _) => {
                    self.content(end);
                    self.push(Kind::TOKEN_STRING_END, end + 2);
                    self.around.pop();
                    return Some(());
                }
                (b'$', b'$', _) => end += 2,
                (b'$', b'{', _) => {
                    self.content(end);
                    self.interpolation();
                    return Some(());
                }
                _ => end += 1,
            }
        }
    }
}

fn keyword(word: &[u8]) -> Kind {
    match word {
        b"assert" => Kind::TOKEN_ASSERT,
        b"else" => Kind::TOKEN_ELSE,
        b"if" => Kind::TOKEN_IF,
        b"in" => Kind::TOKEN_IN,
        b"inherit" => Kind::TOKEN_INHERIT,
        b"let" => Kind::TOKEN_LET,
        b"or" => Kind::TOKEN_OR,
        b"rec" => Kind::TOKEN_REC,
        b"then" => Kind::TOKEN_THEN,
        b"with" => Kind::TOKEN_WITH,
        _ => Kind::TOKEN_IDENT,
    }
}
