//! Literals: numbers, strings, paths.

use super::lower::Lowerer;
use super::strings::{Piece, split_indented, strip_indentation, unescape};
use super::tree::{Element, Kind, Node, Token};
use crate::ir::Expr;
use crate::path;
use crate::source::Pos;
use crate::symbol::names;
use crate::value::{Text, Value};

impl<'a> Lowerer<'_, 'a> {
    pub(super) fn literal(&mut self, node: Node) -> Expr<'a> {
        let Some(token) = node.tokens().next() else {
            return Expr::Const(Value::Null);
        };
        match token.kind {
            Kind::TOKEN_INTEGER => match token.text.parse() {
                Ok(number) => Expr::Const(Value::Int(number)),
                Err(_) => {
                    self.error(
                        token.start,
                        token.text.len() as u32,
                        format!("invalid integer '{}'", token.text),
                    );
                    Expr::Const(Value::Null)
                }
            },
            Kind::TOKEN_FLOAT => match token.text.parse::<f64>() {
                Ok(number) if number.is_finite() => Expr::Const(Value::Float(number)),
                _ => {
                    self.error(
                        token.start,
                        token.text.len() as u32,
                        format!("invalid float '{}'", token.text),
                    );
                    Expr::Const(Value::Null)
                }
            },
            _ => Expr::Const(self.text(token.text.as_bytes())),
        }
    }

    /// The pieces of a string literal with escapes replaced.
    pub(super) fn string_pieces<'t>(&mut self, node: Node<'t>) -> Vec<Piece<Node<'t>>> {
        let multiline = node.tokens().next().is_some_and(|token| token.text == "''");
        let mut pieces = Vec::new();
        for element in node.elements() {
            match element {
                Element::Token(Token {
                    kind: Kind::TOKEN_STRING_CONTENT,
                    text,
                    ..
                }) if multiline => {
                    split_indented(text, &mut pieces);
                }
                Element::Token(Token {
                    kind: Kind::TOKEN_STRING_CONTENT,
                    text,
                    ..
                }) => {
                    pieces.push(Piece::Text {
                        text: unescape(text),
                        indentation: false,
                    });
                }
                Element::Node(interpolation) => pieces.push(Piece::Interpolation(interpolation)),
                Element::Token(_) => {}
            }
        }
        if multiline {
            strip_indentation(&mut pieces);
        }
        // Escapes were cut into pieces of their own: join them again.
        let mut joined: Vec<Piece<Node<'t>>> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (_, Piece::Text { text, .. }) if text.is_empty() => {}
                (Some(Piece::Text { text: before, .. }), Piece::Text { text, .. }) => {
                    before.push_str(&text)
                }
                (_, piece) => joined.push(piece),
            }
        }
        joined
    }

    pub(super) fn string(&mut self, node: Node) -> Expr<'a> {
        let pieces = self.string_pieces(node);
        for piece in &pieces {
            if let Piece::Text { text, .. } = piece
                && text.contains('\0')
            {
                let shown = text.replace('\0', "␀");
                let message = format!(
                    "input string '{shown}' cannot be represented as Nix string because it contains null bytes"
                );
                self.error(node.start, node.len(), message);
            }
        }
        match pieces.as_slice() {
            [] => Expr::Const(self.text(b"")),
            [Piece::Text { text, .. }] => Expr::Const(self.text(text.as_bytes())),
            _ => {
                let parts = self.parts(pieces, node.start);
                Expr::Interpolation {
                    parts,
                    pos: self.pos(node.start),
                }
            }
        }
    }

    pub(super) fn parts(&mut self, pieces: Vec<Piece<Node>>, start: u32) -> &'a [(Expr<'a>, Pos)] {
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            parts.push(match piece {
                Piece::Text { text, .. } => {
                    (Expr::Const(self.text(text.as_bytes())), self.pos(start))
                }
                Piece::Interpolation(node) => match node.nodes().next() {
                    Some(inner) => (self.expr(inner), self.pos(node.start)),
                    None => {
                        self.error(node.start, node.len(), "syntax error, unexpected '}'");
                        continue;
                    }
                },
            });
        }
        self.options.arena.alloc_slice_fill_iter(parts)
    }

    pub(super) fn path(&mut self, node: Node) -> Expr<'a> {
        let mut pieces = Vec::new();
        for element in node.elements() {
            match element {
                Element::Token(Token { text, .. }) if pieces.is_empty() => {
                    let absolute = match text.strip_prefix('~') {
                        Some(rest) => match self.options.home {
                            Some(home) => [home, rest.as_bytes()].concat(),
                            None => {
                                self.error(
                                    node.start,
                                    node.len(),
                                    format!("the path '{text}' can not be resolved in pure mode"),
                                );
                                return Expr::Const(Value::Null);
                            }
                        },
                        None => path::join(self.options.base, text.as_bytes()),
                    };
                    let mut clean = path::canonical(&absolute);
                    if text.ends_with('/') && clean != b"/" {
                        clean.push(b'/');
                    }
                    let bytes = self.options.arena.alloc_slice_copy(&clean);
                    let value = Value::Path(self.options.arena.alloc(Text {
                        bytes,
                        context: &[],
                    }));
                    pieces.push((Expr::Const(value), self.pos(node.start)));
                }
                Element::Token(Token { text, .. }) => {
                    pieces.push((
                        Expr::Const(self.text(text.as_bytes())),
                        self.pos(node.start),
                    ));
                }
                Element::Node(interpolation) => match interpolation.nodes().next() {
                    Some(inner) => pieces.push((self.expr(inner), self.pos(interpolation.start))),
                    None => self.error(interpolation.start, 2, "syntax error, unexpected '}'"),
                },
            }
        }
        if pieces.len() == 1 {
            return pieces.pop().expect("one piece").0;
        }
        let parts = self.options.arena.alloc_slice_fill_iter(pieces);
        Expr::PathInterpolation {
            parts,
            pos: self.pos(node.start),
        }
    }

    /// `<name>` is `__findFile __nixPath "name"`, and both can be redefined.
    pub(super) fn search_path(&mut self, node: Node) -> Expr<'a> {
        let text = node.tokens().next().map_or("", |token| token.text);
        let name = text
            .trim_start_matches('<')
            .trim_end_matches('>')
            .to_owned();
        let function = self.symbol(names::FIND_FILE, node.start);
        let path = self.symbol(names::NIX_PATH, node.start);
        let args = [
            self.site_of(path),
            self.site_of(Expr::Const(self.text(name.as_bytes()))),
        ];
        Expr::Call {
            function: self.options.arena.alloc(function),
            args: self.slice(&args),
            pos: self.pos(node.start),
        }
    }
}
