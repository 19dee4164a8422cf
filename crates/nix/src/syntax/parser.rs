//! The grammar, for texts without mistakes. Anything unexpected ends the attempt; the caller
//! then asks `rnix` what is wrong. The trees have the shape of `rnix`'s.

use bumpalo::Bump;

use super::lexer::tokens;
use super::tree::{Element, Kind, Node, Token};

/// The root of a text's tree; `None`: there is a mistake in it, or something unusual.
pub fn parse<'t>(text: &'t str, arena: &'t Bump) -> Option<Node<'t>> {
    let mut parser = Parser {
        arena,
        tokens: tokens(text)?,
        at: 0,
        stack: Vec::with_capacity(256),
        depth: 0,
    };
    parser.expression()?;
    if parser.at != parser.tokens.len() {
        return None;
    }
    parser.finish(Kind::NODE_ROOT, 0);
    match parser.stack.as_slice() {
        [Element::Node(root)] => Some(*root),
        _ => None,
    }
}

/// Expressions within expressions before this parser gives up; it runs on any stack.
const MAX_DEPTH: u32 = 5000;

struct Parser<'t> {
    arena: &'t Bump,
    tokens: Vec<Token<'t>>,
    at: usize,
    /// Finished nodes and tokens that have no parent yet.
    stack: Vec<Element<'t>>,
    depth: u32,
}

/// How an operator binds.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
    Neither,
}

/// Strength and side of operators with two operands; weakest is 1.
fn binary(kind: Kind) -> Option<(u8, Side)> {
    Some(match kind {
        Kind::TOKEN_PIPE_LEFT => (1, Side::Right),
        Kind::TOKEN_PIPE_RIGHT => (2, Side::Left),
        Kind::TOKEN_IMPLICATION => (3, Side::Right),
        Kind::TOKEN_OR_OR => (4, Side::Left),
        Kind::TOKEN_AND_AND => (5, Side::Left),
        Kind::TOKEN_EQUAL | Kind::TOKEN_NOT_EQUAL => (6, Side::Neither),
        Kind::TOKEN_LESS | Kind::TOKEN_LESS_OR_EQ | Kind::TOKEN_MORE | Kind::TOKEN_MORE_OR_EQ => {
            (7, Side::Neither)
        }
        Kind::TOKEN_UPDATE => (8, Side::Right),
        Kind::TOKEN_ADD | Kind::TOKEN_SUB => (NOT + 1, Side::Left),
        Kind::TOKEN_MUL | Kind::TOKEN_DIV => (11, Side::Left),
        Kind::TOKEN_CONCAT => (12, Side::Right),
        _ => return None,
    })
}

/// Strength of `!`.
const NOT: u8 = 9;

/// Strength of `?`.
const HAS_ATTR: u8 = 13;

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<Kind> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    fn peek_second(&self) -> Option<Kind> {
        self.tokens.get(self.at + 1).map(|token| token.kind)
    }

    /// Takes the next token, whatever it is.
    fn bump(&mut self) -> Option<()> {
        let token = *self.tokens.get(self.at)?;
        self.at += 1;
        self.stack.push(Element::Token(token));
        Some(())
    }

    /// Takes the next token as one of another kind.
    fn bump_as(&mut self, kind: Kind) -> Option<()> {
        let token = *self.tokens.get(self.at)?;
        self.at += 1;
        self.stack.push(Element::Token(Token { kind, ..token }));
        Some(())
    }

    fn expect(&mut self, kind: Kind) -> Option<()> {
        if self.peek()? == kind {
            self.bump()
        } else {
            None
        }
    }

    fn mark(&self) -> usize {
        self.stack.len()
    }

    /// Makes everything since a mark the children of a node.
    fn finish(&mut self, kind: Kind, mark: usize) {
        let children = self.arena.alloc_slice_copy(&self.stack[mark..]);
        let place = |element: &Element| match element {
            Element::Node(node) => (node.start, node.start + node.len()),
            Element::Token(token) => (token.start, token.end()),
        };
        let here = self.tokens.get(self.at).map_or(0, |token| token.start);
        let start = children.first().map_or(here, |first| place(first).0);
        let end = children.last().map_or(here, |last| place(last).1);
        self.stack.truncate(mark);
        self.stack.push(Element::Node(Node::new(
            kind,
            start,
            end - start,
            children,
            self.arena,
        )));
    }

    fn expression(&mut self) -> Option<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mark = self.mark();
        match self.peek()? {
            Kind::TOKEN_LET => {
                self.bump()?;
                if self.peek()? == Kind::TOKEN_L_BRACE {
                    self.bump()?;
                    self.bindings(Kind::TOKEN_R_BRACE)?;
                    self.finish(Kind::NODE_LEGACY_LET, mark);
                } else {
                    self.bindings(Kind::TOKEN_IN)?;
                    self.expression()?;
                    self.finish(Kind::NODE_LET_IN, mark);
                }
            }
            Kind::TOKEN_WITH => {
                self.bump()?;
                self.expression()?;
                self.expect(Kind::TOKEN_SEMICOLON)?;
                self.expression()?;
                self.finish(Kind::NODE_WITH, mark);
            }
            Kind::TOKEN_ASSERT => {
                self.bump()?;
                self.expression()?;
                self.expect(Kind::TOKEN_SEMICOLON)?;
                self.expression()?;
                self.finish(Kind::NODE_ASSERT, mark);
            }
            Kind::TOKEN_IF => {
                self.bump()?;
                self.expression()?;
                self.expect(Kind::TOKEN_THEN)?;
                self.expression()?;
                self.expect(Kind::TOKEN_ELSE)?;
                self.expression()?;
                self.finish(Kind::NODE_IF_ELSE, mark);
            }
            Kind::TOKEN_IDENT
                if matches!(self.peek_second(), Some(Kind::TOKEN_COLON | Kind::TOKEN_AT)) =>
            {
                self.lambda()?;
            }
            Kind::TOKEN_L_BRACE if self.at_pattern() => self.lambda()?,
            _ => self.operators(1)?,
        }
        self.depth -= 1;
        Some(())
    }

    /// Whether a brace begins the pattern of a function.
    fn at_pattern(&self) -> bool {
        let third = self.tokens.get(self.at + 2).map(|token| token.kind);
        matches!(
            (self.peek_second(), third),
            (
                Some(Kind::TOKEN_IDENT),
                Some(Kind::TOKEN_COMMA | Kind::TOKEN_QUESTION | Kind::TOKEN_R_BRACE)
            ) | (Some(Kind::TOKEN_ELLIPSIS), Some(Kind::TOKEN_R_BRACE))
                | (
                    Some(Kind::TOKEN_R_BRACE),
                    Some(Kind::TOKEN_COLON | Kind::TOKEN_AT)
                )
        )
    }

    fn ident(&mut self) -> Option<()> {
        let mark = self.mark();
        self.expect(Kind::TOKEN_IDENT)?;
        self.finish(Kind::NODE_IDENT, mark);
        Some(())
    }

    fn lambda(&mut self) -> Option<()> {
        let mark = self.mark();
        if self.peek()? == Kind::TOKEN_IDENT {
            self.ident()?;
            if self.peek()? == Kind::TOKEN_COLON {
                self.finish(Kind::NODE_IDENT_PARAM, mark);
            } else {
                self.expect(Kind::TOKEN_AT)?;
                self.finish(Kind::NODE_PAT_BIND, mark);
                self.pattern()?;
                self.finish(Kind::NODE_PATTERN, mark);
            }
        } else {
            self.pattern()?;
            if self.peek()? == Kind::TOKEN_AT {
                let bind = self.mark();
                self.bump()?;
                self.ident()?;
                self.finish(Kind::NODE_PAT_BIND, bind);
            }
            self.finish(Kind::NODE_PATTERN, mark);
        }
        self.expect(Kind::TOKEN_COLON)?;
        self.expression()?;
        self.finish(Kind::NODE_LAMBDA, mark);
        Some(())
    }

    fn pattern(&mut self) -> Option<()> {
        self.expect(Kind::TOKEN_L_BRACE)?;
        loop {
            match self.peek()? {
                Kind::TOKEN_R_BRACE => return self.bump(),
                Kind::TOKEN_ELLIPSIS => {
                    self.bump()?;
                    return self.expect(Kind::TOKEN_R_BRACE);
                }
                Kind::TOKEN_IDENT => {
                    let mark = self.mark();
                    self.ident()?;
                    if self.peek()? == Kind::TOKEN_QUESTION {
                        self.bump()?;
                        self.expression()?;
                    }
                    self.finish(Kind::NODE_PAT_ENTRY, mark);
                    if self.peek()? == Kind::TOKEN_COMMA {
                        self.bump()?;
                    } else {
                        return self.expect(Kind::TOKEN_R_BRACE);
                    }
                }
                _ => return None,
            }
        }
    }

    /// Operators that bind at least as strongly as `least`.
    fn operators(&mut self, least: u8) -> Option<()> {
        let mark = self.mark();
        match self.peek()? {
            Kind::TOKEN_INVERT => {
                if least > NOT {
                    return None;
                }
                self.bump()?;
                self.deeper(|parser| parser.operators(NOT))?;
                self.finish(Kind::NODE_UNARY_OP, mark);
            }
            Kind::TOKEN_SUB => self.negation()?,
            _ => self.application()?,
        }
        // After `! a`, only what binds less than `!` can follow, which then is all that is left.
        loop {
            let kind = match self.peek() {
                Some(Kind::TOKEN_QUESTION) if least <= HAS_ATTR => {
                    self.bump()?;
                    self.attribute_path()?;
                    self.finish(Kind::NODE_HAS_ATTR, mark);
                    continue;
                }
                Some(kind) => kind,
                None => return Some(()),
            };
            let Some((strength, side)) = binary(kind) else {
                return Some(());
            };
            if strength < least {
                return Some(());
            }
            self.bump()?;
            let right = if side == Side::Right {
                strength
            } else {
                strength + 1
            };
            self.deeper(|parser| parser.operators(right))?;
            self.finish(Kind::NODE_BIN_OP, mark);
            if side == Side::Neither
                && let Some(next) = self.peek()
                && binary(next).is_some_and(|next| next.0 == strength)
            {
                return None;
            }
        }
    }

    fn deeper(&mut self, inner: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        inner(self)?;
        self.depth -= 1;
        Some(())
    }

    fn negation(&mut self) -> Option<()> {
        if self.peek()? != Kind::TOKEN_SUB {
            return self.application();
        }
        let mark = self.mark();
        self.bump()?;
        self.deeper(Self::negation)?;
        self.finish(Kind::NODE_UNARY_OP, mark);
        Some(())
    }

    fn application(&mut self) -> Option<()> {
        let mark = self.mark();
        self.simple()?;
        while self.peek().is_some_and(Kind::is_fn_arg) {
            self.simple()?;
            self.finish(Kind::NODE_APPLY, mark);
        }
        Some(())
    }

    /// An operand, with the attributes selected from it.
    fn simple(&mut self) -> Option<()> {
        let mark = self.mark();
        match self.peek()? {
            Kind::TOKEN_L_PAREN => {
                self.bump()?;
                self.expression()?;
                self.expect(Kind::TOKEN_R_PAREN)?;
                self.finish(Kind::NODE_PAREN, mark);
            }
            Kind::TOKEN_REC => {
                self.bump()?;
                self.expect(Kind::TOKEN_L_BRACE)?;
                self.bindings(Kind::TOKEN_R_BRACE)?;
                self.finish(Kind::NODE_ATTR_SET, mark);
            }
            Kind::TOKEN_L_BRACE => {
                if self.at_pattern() {
                    return None;
                }
                self.bump()?;
                self.bindings(Kind::TOKEN_R_BRACE)?;
                self.finish(Kind::NODE_ATTR_SET, mark);
            }
            Kind::TOKEN_L_BRACK => {
                self.bump()?;
                while self.peek()? != Kind::TOKEN_R_BRACK {
                    self.deeper(Self::simple)?;
                }
                self.bump()?;
                self.finish(Kind::NODE_LIST, mark);
            }
            Kind::TOKEN_STRING_START => self.string()?,
            kind @ (Kind::TOKEN_PATH_ABS | Kind::TOKEN_PATH_REL | Kind::TOKEN_PATH_HOME) => {
                self.path(kind)?
            }
            Kind::TOKEN_PATH_SEARCH => {
                self.bump()?;
                self.finish(Kind::NODE_PATH_SEARCH, mark);
            }
            Kind::TOKEN_INTEGER | Kind::TOKEN_FLOAT | Kind::TOKEN_URI => {
                self.bump()?;
                self.finish(Kind::NODE_LITERAL, mark);
            }
            Kind::TOKEN_IDENT => {
                if matches!(self.peek_second(), Some(Kind::TOKEN_COLON | Kind::TOKEN_AT)) {
                    return None;
                }
                if self.tokens[self.at].text == "__curPos" {
                    self.bump_as(Kind::TOKEN_CUR_POS)?;
                    self.finish(Kind::NODE_CUR_POS, mark);
                } else {
                    self.ident()?;
                }
            }
            _ => return None,
        }
        match self.peek() {
            Some(Kind::TOKEN_DOT) => {
                self.bump()?;
                self.attribute_path()?;
                if self.peek() == Some(Kind::TOKEN_OR) {
                    self.bump()?;
                    self.deeper(Self::simple)?;
                }
                self.finish(Kind::NODE_SELECT, mark);
            }
            // `f or` is `f` called with a variable of that name.
            Some(Kind::TOKEN_OR) => {
                let or = self.mark();
                self.bump_as(Kind::TOKEN_IDENT)?;
                self.finish(Kind::NODE_IDENT, or);
                self.finish(Kind::NODE_APPLY, mark);
            }
            _ => {}
        }
        Some(())
    }

    fn path(&mut self, kind: Kind) -> Option<()> {
        let mark = self.mark();
        let mut end = self.tokens[self.at].end();
        self.bump()?;
        // Pieces of one path touch each other.
        while let Some(token) = self.tokens.get(self.at).copied()
            && token.start == end
        {
            match token.kind {
                Kind::TOKEN_INTERPOL_START => self.interpolation(Kind::NODE_INTERPOL)?,
                Kind::TOKEN_PATH_ABS | Kind::TOKEN_PATH_REL | Kind::TOKEN_PATH_HOME => {
                    self.bump()?
                }
                _ => break,
            }
            end = self.tokens[self.at - 1].end();
        }
        self.finish(
            match kind {
                Kind::TOKEN_PATH_ABS => Kind::NODE_PATH_ABS,
                Kind::TOKEN_PATH_REL => Kind::NODE_PATH_REL,
                _ => Kind::NODE_PATH_HOME,
            },
            mark,
        );
        Some(())
    }

    fn interpolation(&mut self, kind: Kind) -> Option<()> {
        let mark = self.mark();
        self.expect(Kind::TOKEN_INTERPOL_START)?;
        self.expression()?;
        self.expect(Kind::TOKEN_INTERPOL_END)?;
        self.finish(kind, mark);
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        let mark = self.mark();
        self.expect(Kind::TOKEN_STRING_START)?;
        loop {
            match self.peek()? {
                Kind::TOKEN_STRING_CONTENT => self.bump()?,
                Kind::TOKEN_INTERPOL_START => self.interpolation(Kind::NODE_INTERPOL)?,
                Kind::TOKEN_STRING_END => break,
                _ => return None,
            }
        }
        self.bump()?;
        self.finish(Kind::NODE_STRING, mark);
        Some(())
    }

    fn attribute(&mut self) -> Option<()> {
        match self.peek()? {
            Kind::TOKEN_INTERPOL_START => self.interpolation(Kind::NODE_DYNAMIC),
            Kind::TOKEN_STRING_START => self.string(),
            Kind::TOKEN_IDENT | Kind::TOKEN_OR => {
                let mark = self.mark();
                self.bump_as(Kind::TOKEN_IDENT)?;
                self.finish(Kind::NODE_IDENT, mark);
                Some(())
            }
            _ => None,
        }
    }

    fn attribute_path(&mut self) -> Option<()> {
        let mark = self.mark();
        loop {
            self.attribute()?;
            if self.peek() != Some(Kind::TOKEN_DOT) {
                break;
            }
            self.bump()?;
        }
        self.finish(Kind::NODE_ATTRPATH, mark);
        Some(())
    }

    /// Definitions up to a closing token, which is taken, too.
    fn bindings(&mut self, close: Kind) -> Option<()> {
        loop {
            let mark = self.mark();
            match self.peek()? {
                kind if kind == close => return self.bump(),
                Kind::TOKEN_INHERIT => {
                    self.bump()?;
                    if self.peek()? == Kind::TOKEN_L_PAREN {
                        let from = self.mark();
                        self.bump()?;
                        self.expression()?;
                        self.expect(Kind::TOKEN_R_PAREN)?;
                        self.finish(Kind::NODE_INHERIT_FROM, from);
                    }
                    while self.peek()? != Kind::TOKEN_SEMICOLON {
                        self.attribute()?;
                    }
                    self.bump()?;
                    self.finish(Kind::NODE_INHERIT, mark);
                }
                _ => {
                    self.attribute_path()?;
                    self.expect(Kind::TOKEN_ASSIGN)?;
                    self.expression()?;
                    self.expect(Kind::TOKEN_SEMICOLON)?;
                    self.finish(Kind::NODE_ATTRPATH_VALUE, mark);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tree::{outline, outline_by_rnix};
    use super::*;

    fn outline_by_ours(text: &str) -> Option<String> {
        let arena = Bump::new();
        parse(text, &arena).map(outline)
    }

    #[track_caller]
    fn check(text: &str) {
        assert_eq!(outline_by_ours(text), outline_by_rnix(text), "of {text}");
    }

    #[test]
    fn trees_are_those_of_rnix() {
        for text in [
            "1 + 2 * 3 - 4",
            "a ++ b ++ c // d // e",
            "!a + b // !c",
            "- - a.b c ? d.e or f",
            "a -> b -> c || d && e == f < g",
            "a.b or c.d e",
            "f or g",
            "x: y@{ a, b ? 1, ... }: { c }@d: { }: e",
            "{ ... }: 1",
            "{ a, }: a",
            "let inherit (a) b \"c\" ${d}; e.f.\"g\".${h} = i; in rec { or = 1; }",
            "let { body = 1; }",
            "./a/${b}c/${d} + /a${x} <b/c> ~/d a:b",
            "''a ${b} ''${c}'' + \"a${\"b\"}c\"",
            "with a; assert b; if c then d else e",
            "a |> b |> c",
            "a <| b <| c",
            "[ a b.c (d e) { } ./f -1 ]",
            "__curPos.line",
            "f { } [ ] \"\" rec { } (g) 1 1.5",
            "1.5e3 + .5 + 0.1 + 00 + 1. + a.b.\"c\"",
            "a/b + c / d // e /f -1 - +1/2",
            "a<b && c <= d || e <| f",
            "/* c */ # d\n/**/ 1 /***/",
            r#""$$ $${a} \\${b} $" + ''$$ $${a} ''${b} ''\n ''' $ ' ''"#,
            "~/a + ~/b/${c}d + ./. + ../x + /${y}",
            "[ http://example.org/a?b=c%20 x:y a_b ]",
            "{ a = { b = \"${c { d = { }; }}\"; }; }",
            "a'b-c + _x",
            "[ a./b <nix/x> ]",
        ] {
            check(text);
        }
    }

    #[test]
    fn mistakes_are_left_to_rnix() {
        for text in [
            "",
            "1 +",
            "a == b == c",
            "a < b < c",
            "(",
            "{ a = 1 }",
            "[ x: y ]",
            "f x: y",
            "a + !b",
            "{ a, b }",
            "let x = 1;",
        ] {
            assert_eq!(outline_by_ours(text), None, "of {text}");
        }
    }

    /// Compares the trees of all files below a folder; says how many there are, and how many were
    /// left to `rnix` though they have no mistakes.
    fn walk(directory: &Path, seen: &mut (usize, usize)) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.is_symlink() {
                walk(&path, seen);
            } else if path.extension().is_some_and(|extension| extension == "nix")
                && let Ok(text) = std::fs::read_to_string(&path)
                && let Some(theirs) = outline_by_rnix(&text)
            {
                seen.0 += 1;
                match outline_by_ours(&text) {
                    Some(ours) => assert!(ours == theirs, "{}", path.display()),
                    None => {
                        eprintln!("left to rnix: {}", path.display());
                        seen.1 += 1;
                    }
                }
            }
        }
    }

    #[test]
    fn our_library_is_read_as_by_rnix() {
        let mut seen = (0, 0);
        walk(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nixpkgs"),
            &mut seen,
        );
        assert!(seen.0 > 50 && seen.1 == 0, "{seen:?}");
        // Other trees, for whoever has some at hand.
        for tree in std::env::var("SNOWGLOBE_NIX_TREES")
            .iter()
            .flat_map(|trees| trees.split(':'))
        {
            let mut seen = (0, 0);
            walk(Path::new(tree), &mut seen);
            eprintln!("{tree}: {} files, {} of them left to rnix", seen.0, seen.1);
        }
    }
}
