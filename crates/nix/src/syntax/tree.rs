//! Concrete syntax trees. This is the one file that knows the parser, `rnix`.

use bumpalo::Bump;
use rnix::{NixLanguage, ParseError};
use rowan::{Language, NodeOrToken};

pub use rnix::SyntaxKind as Kind;

/// A parsed text; lives in an arena of its own that goes when lowering is done.
pub struct Tree<'t> {
    /// The whole.
    pub root: Node<'t>,
    /// What is wrong with it: offset, length in bytes, message.
    pub errors: Vec<(u32, u32, String)>,
}

/// An inner node of a tree.
#[derive(Clone, Copy)]
pub struct Node<'t> {
    /// Offset of its first byte.
    pub start: u32,
    data: &'t NodeData<'t>,
}

struct NodeData<'t> {
    kind: Kind,
    len: u32,
    children: &'t [Element<'t>],
}

/// A leaf; white space and comments are not kept.
#[derive(Clone, Copy)]
pub struct Token<'t> {
    /// Its kind.
    pub kind: Kind,
    /// Its text.
    pub text: &'t str,
    /// Offset of its first byte.
    pub start: u32,
}

impl Token<'_> {
    /// Offset of the first byte after it.
    pub fn end(&self) -> u32 {
        self.start + self.text.len() as u32
    }
}

/// A child of a node.
#[derive(Clone, Copy)]
pub enum Element<'t> {
    /// With children of its own.
    Node(Node<'t>),
    /// Without.
    Token(Token<'t>),
}

/// Parses a text that has no carriage returns.
///
/// `rnix` says what is wrong with a text; its trees, with every blank in them, are expensive.
/// So a text is first read by a small parser of our own, which gives up at the
/// first thing that it does not expect.
pub fn parse<'t>(text: &'t str, arena: &'t Bump) -> Tree<'t> {
    if let Some(root) = super::parser::parse(text, arena) {
        return Tree {
            root,
            errors: Vec::new(),
        };
    }
    let parsed = rnix::Root::parse(text);
    let mut errors: Vec<_> = parsed
        .errors()
        .iter()
        .map(|error| describe(error, text))
        .collect();
    errors.sort_by_key(|error| error.0);
    errors.dedup_by_key(|error| error.0);
    let root = copy(parsed.syntax().green(), 0, text, arena);
    Tree { root, errors }
}

/// A text whose comments end at carriage returns, too, as the language has it but `rnix` has not.
/// Such carriage returns become line feeds; all others stay.
pub fn end_comments(text: &str) -> String {
    let mut text = text.to_owned();
    let mut done = 0;
    loop {
        let mut start = done;
        let mut end = None;
        // What follows a comment that ends earlier is read anew.
        for (kind, token) in rnix::tokenize(&text[done..]) {
            if kind == Kind::TOKEN_COMMENT
                && token.starts_with('#')
                && let Some(at) = token.find('\r').filter(|&at| at + 1 < token.len())
            {
                end = Some(start + at);
                break;
            }
            start += token.len();
        }
        let Some(end) = end else { return text };
        text.replace_range(end..=end, "\n");
        done = end;
    }
}

/// A node of `rnix` as one of ours.
fn copy<'t>(green: &rowan::GreenNodeData, start: u32, text: &'t str, arena: &'t Bump) -> Node<'t> {
    let mut offset = start;
    let mut children = Vec::new();
    for child in green.children() {
        match child {
            NodeOrToken::Node(inner) => {
                children.push(Element::Node(copy(inner, offset, text, arena)));
                offset += u32::from(inner.text_len());
            }
            NodeOrToken::Token(token) => {
                let kind = NixLanguage::kind_from_raw(token.kind());
                let end = offset + u32::from(token.text_len());
                if !matches!(kind, Kind::TOKEN_WHITESPACE | Kind::TOKEN_COMMENT) {
                    let text = &text[offset as usize..end as usize];
                    children.push(Element::Token(Token {
                        kind,
                        text,
                        start: offset,
                    }));
                }
                offset = end;
            }
        }
    }
    Node::new(
        NixLanguage::kind_from_raw(green.kind()),
        start,
        offset - start,
        arena.alloc_slice_copy(&children),
        arena,
    )
}

impl<'t> Node<'t> {
    /// A node with its children.
    pub fn new(
        kind: Kind,
        start: u32,
        len: u32,
        children: &'t [Element<'t>],
        arena: &'t Bump,
    ) -> Self {
        Self {
            start,
            data: arena.alloc(NodeData {
                kind,
                len,
                children,
            }),
        }
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        self.data.kind
    }

    /// Length in bytes.
    pub fn len(self) -> u32 {
        self.data.len
    }

    /// Nodes and tokens.
    pub fn elements(self) -> impl Iterator<Item = Element<'t>> {
        self.data.children.iter().copied()
    }

    /// The children that are nodes.
    pub fn nodes(self) -> impl Iterator<Item = Node<'t>> {
        self.elements().filter_map(|element| match element {
            Element::Node(node) => Some(node),
            Element::Token(_) => None,
        })
    }

    /// The children that are tokens.
    pub fn tokens(self) -> impl Iterator<Item = Token<'t>> {
        self.elements().filter_map(|element| match element {
            Element::Token(token) => Some(token),
            Element::Node(_) => None,
        })
    }

    /// The first child of a kind.
    pub fn child(self, kind: Kind) -> Option<Node<'t>> {
        self.nodes().find(|node| node.kind() == kind)
    }

    /// The first token of a kind.
    pub fn token(self, kind: Kind) -> Option<Token<'t>> {
        self.tokens().find(|token| token.kind == kind)
    }
}

fn describe(error: &ParseError, text: &str) -> (u32, u32, String) {
    let end = text.len() as u32;
    let range = |range: &rnix::TextRange| (u32::from(range.start()), u32::from(range.len()));
    let got = |at: u32, kind: Option<Kind>| match kind {
        Some(kind) => name(kind).to_owned(),
        None => token_at(text, at),
    };
    match error {
        ParseError::Unexpected(place) => {
            let (start, len) = range(place);
            (
                start,
                len,
                format!("syntax error, unexpected {}", got(start, None)),
            )
        }
        ParseError::UnexpectedExtra(place) => {
            let (start, _) = range(place);
            (
                start,
                1,
                format!(
                    "syntax error, unexpected {}, expecting end of file",
                    got(start, None)
                ),
            )
        }
        ParseError::UnexpectedWanted(Kind::TOKEN_ERROR, place, wanted)
            if u32::from(place.end()) == end && wanted.contains(&Kind::TOKEN_STRING_END) =>
        {
            (
                end,
                1,
                "syntax error, unexpected end of file, expecting '\"'".to_owned(),
            )
        }
        ParseError::UnexpectedWanted(Kind::TOKEN_ERROR, place, _)
            if is_slashed_path(text, *place) =>
        {
            let (start, len) = range(place);
            (start, len, "path has a trailing slash".to_owned())
        }
        ParseError::UnexpectedWanted(kind, place, wanted) => {
            let (start, len) = range(place);
            (
                start,
                len,
                format!(
                    "syntax error, unexpected {}{}",
                    got(start, Some(*kind)),
                    expecting(wanted)
                ),
            )
        }
        ParseError::UnexpectedDoubleBind(place) => {
            let (start, len) = range(place);
            (
                start,
                len,
                "syntax error, unexpected '@', expecting ':'".to_owned(),
            )
        }
        ParseError::UnexpectedEOF => (end, 1, "syntax error, unexpected end of file".to_owned()),
        ParseError::UnexpectedEOFWanted(wanted) => (
            end,
            1,
            format!("syntax error, unexpected end of file{}", expecting(wanted)),
        ),
        ParseError::DuplicatedArgs(place, name) => {
            let (start, len) = range(place);
            (
                start,
                len,
                format!("duplicate formal function argument '{name}'"),
            )
        }
        ParseError::RecursionLimitExceeded => (
            end,
            1,
            "the expression is nested too deeply (more than 512 levels)".to_owned(),
        ),
        _ => (end, 1, format!("syntax error: {error}")),
    }
}

/// Whether an error is a path that ends with a slash.
fn is_slashed_path(text: &str, place: rnix::TextRange) -> bool {
    let start = usize::from(place.start());
    let word = text
        .get(start..)
        .and_then(|rest| rest.split(|c: char| c.is_whitespace() || c == ';').next());
    word.is_some_and(|word| {
        word.len() > 1 && word.ends_with('/') && word.trim_end_matches('/').contains('/')
    })
}

fn expecting(wanted: &[Kind]) -> String {
    // Where almost anything may follow, a list of it all helps nobody.
    if wanted.is_empty() || wanted.len() > 4 || wanted.contains(&Kind::TOKEN_STRING_CONTENT) {
        return match wanted.first() {
            Some(Kind::TOKEN_STRING_END) => ", expecting '\"'".to_owned(),
            _ => String::new(),
        };
    }
    let names: Vec<&str> = wanted.iter().map(|&kind| name(kind)).collect();
    format!(", expecting {}", names.join(" or "))
}

fn token_at(text: &str, at: u32) -> String {
    match rnix::tokenize(text.get(at as usize..).unwrap_or(""))
        .find(|(kind, _)| !matches!(kind, Kind::TOKEN_WHITESPACE | Kind::TOKEN_COMMENT))
    {
        Some((kind, _)) => name(kind).to_owned(),
        None => "end of file".to_owned(),
    }
}

fn name(kind: Kind) -> &'static str {
    use Kind::*;
    match kind {
        TOKEN_ADD => "'+'",
        TOKEN_AND_AND => "'&&'",
        TOKEN_ASSIGN => "'='",
        TOKEN_ASSERT => "'assert'",
        TOKEN_AT => "'@'",
        TOKEN_COLON => "':'",
        TOKEN_COMMA => "','",
        TOKEN_CONCAT => "'++'",
        TOKEN_DIV => "'/'",
        TOKEN_DOT => "'.'",
        TOKEN_ELLIPSIS => "'...'",
        TOKEN_ELSE => "'else'",
        TOKEN_EQUAL => "'=='",
        TOKEN_FLOAT => "floating-point literal",
        TOKEN_IDENT | TOKEN_CUR_POS => "identifier",
        TOKEN_IF => "'if'",
        TOKEN_IMPLICATION => "'->'",
        TOKEN_IN => "'in'",
        TOKEN_INHERIT => "'inherit'",
        TOKEN_INTEGER => "integer",
        TOKEN_INTERPOL_END | TOKEN_R_BRACE => "'}'",
        TOKEN_INTERPOL_START => "'${'",
        TOKEN_INVERT => "'!'",
        TOKEN_L_BRACE => "'{'",
        TOKEN_L_BRACK => "'['",
        TOKEN_L_PAREN => "'('",
        TOKEN_LESS => "'<'",
        TOKEN_LESS_OR_EQ => "'<='",
        TOKEN_LET => "'let'",
        TOKEN_MORE => "'>'",
        TOKEN_MORE_OR_EQ => "'>='",
        TOKEN_MUL => "'*'",
        TOKEN_NOT_EQUAL => "'!='",
        TOKEN_OR => "'or'",
        TOKEN_OR_OR => "'||'",
        TOKEN_PATH_ABS | TOKEN_PATH_HOME | TOKEN_PATH_REL | TOKEN_PATH_SEARCH => "path",
        TOKEN_PIPE_LEFT => "'<|'",
        TOKEN_PIPE_RIGHT => "'|>'",
        TOKEN_QUESTION => "'?'",
        TOKEN_R_BRACK => "']'",
        TOKEN_R_PAREN => "')'",
        TOKEN_REC => "'rec'",
        TOKEN_SEMICOLON => "';'",
        TOKEN_STRING_START | TOKEN_STRING_END => "'\"'",
        TOKEN_STRING_CONTENT => "string",
        TOKEN_SUB => "'-'",
        TOKEN_THEN => "'then'",
        TOKEN_UPDATE => "'//'",
        TOKEN_URI => "URI",
        TOKEN_WITH => "'with'",
        TOKEN_ERROR => "invalid token",
        _ => "this",
    }
}

/// The shape of a tree as text.
#[cfg(test)]
pub fn outline(node: Node<'_>) -> String {
    // The root of `rnix` begins with the blanks before the first token.
    let start = if node.kind() == Kind::NODE_ROOT {
        0
    } else {
        node.start
    };
    let mut out = format!("({:?}@{start}", node.kind());
    for element in node.elements() {
        match element {
            Element::Node(inner) => out.push_str(&outline(inner)),
            Element::Token(token) => out.push_str(&format!(" {:?}={}", token.kind, token.text)),
        }
    }
    out + ")"
}

/// The shape of `rnix`'s tree of a text, if that has no mistakes.
#[cfg(test)]
pub fn outline_by_rnix(text: &str) -> Option<String> {
    let arena = Bump::new();
    let parsed = rnix::Root::parse(text);
    if !parsed.errors().is_empty() {
        return None;
    }
    let root = copy(parsed.syntax().green(), 0, text, &arena);
    Some(outline(root))
}
