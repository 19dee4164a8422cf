//! Turns syntax trees into [`crate::ir`]: resolves variables, interns names, finds the mistakes
//! that grammar does not.

use std::cell::Cell;

use bumpalo::Bump;

use super::raw;
use super::scope::{Resolved, Scopes};
use super::strings::{Piece, split_indented, strip_indentation, unescape};
use super::tree::{Element, Kind, Node, Token, parse};
use crate::error::{Fault, FaultData, Kind as FaultKind};
use crate::eval::Sites;
use crate::ir::{Expr, Formal, Key, LambdaDef, Op, Pattern, Site};
use crate::path;
use crate::source::Pos;
use crate::symbol::{Interner, Symbol, names};
use crate::value::{Text, Value};

/// The names that are known everywhere.
pub trait Globals<'a> {
    /// What a global name means.
    fn global(&self, name: Symbol) -> Option<Value<'a>>;
}

/// What lowering needs to know besides the text.
pub struct LowerOptions<'l, 'a> {
    /// Where the result lives.
    pub arena: &'a Bump,
    /// Names.
    pub symbols: &'l Interner<'a>,
    /// Where delayed expressions are registered.
    pub sites: &'l Sites<'a>,
    /// Global names.
    pub globals: &'l dyn Globals<'a>,
    /// What relative paths are relative to; absolute.
    pub base: &'l [u8],
    /// What `~` means; `None`: home paths are refused.
    pub home: Option<&'l [u8]>,
    /// Whether `|>` and `<|` are allowed.
    pub pipe_operators: bool,
    /// Whether the text was made by [`raw::encode`].
    pub raw_bytes: bool,
    /// [`Pos`] of the first byte.
    pub start: u32,
    /// Names of the scope around the whole text, each with its slot, if it is to run in one.
    pub scope: Option<Vec<(Symbol, u32)>>,
}

/// Parses and lowers a text. All mistakes in it are in the error.
pub fn lower<'l, 'a>(text: &'l str, options: LowerOptions<'l, 'a>) -> Result<&'a Expr<'a>, Fault> {
    let syntax = Bump::with_capacity(text.len() * 8);
    let tree = parse(text, &syntax);
    let mut lowerer = Lowerer {
        options,
        source: text,
        scopes: Scopes::default(),
        errors: Vec::new(),
    };
    lowerer.errors.extend(
        tree.errors
            .iter()
            .cloned()
            .map(|(at, len, message)| (FaultKind::Syntax, at, len, message)),
    );
    let mut result = None;
    if tree.errors.is_empty() {
        if let Some(names) = lowerer.options.scope.take() {
            lowerer.scopes.enter(names);
        }
        match tree.root.nodes().next() {
            Some(expression) => result = Some(lowerer.alloc(expression)),
            None => lowerer.error(tree.root.start, 1, "syntax error, unexpected end of file"),
        }
    }
    lowerer.finish(result)
}

pub(super) struct Lowerer<'l, 'a> {
    pub(super) options: LowerOptions<'l, 'a>,
    source: &'l str,
    pub(super) scopes: Scopes,
    /// Kind, offset, length, message.
    pub(super) errors: Vec<(FaultKind, u32, u32, String)>,
}

impl<'l, 'a> Lowerer<'l, 'a> {
    fn finish(mut self, result: Option<&'a Expr<'a>>) -> Result<&'a Expr<'a>, Fault> {
        self.errors.sort_by_key(|error| error.1);
        let start = self.options.start;
        let mut errors = self.errors.into_iter();
        let Some((kind, at, width, message)) = errors.next() else {
            return Ok(result.expect("without an error there is a result"));
        };
        let mut fault = FaultData::new(kind, Pos(start + at), message);
        fault.width = width;
        fault.also = errors
            .map(|(_, at, _, message)| (Pos(start + at), message))
            .collect();
        Err(fault)
    }

    /// The text of a node on one line.
    fn source_text(&self, node: Node) -> String {
        let text = &self.source[node.start as usize..][..node.len() as usize];
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn pos(&self, offset: u32) -> Pos {
        Pos(self.options.start + offset)
    }

    #[cold]
    pub(super) fn error(&mut self, at: u32, len: u32, message: impl Into<String>) {
        self.errors
            .push((FaultKind::Syntax, at, len, message.into()));
    }

    pub(super) fn slice<T: Copy>(&self, items: &[T]) -> &'a [T] {
        self.options.arena.alloc_slice_copy(items)
    }

    pub(super) fn text(&self, bytes: &[u8]) -> Value<'a> {
        let bytes = if self.options.raw_bytes {
            self.options.arena.alloc_slice_copy(&raw::decode(bytes))
        } else {
            self.options.arena.alloc_slice_copy(bytes)
        };
        Value::Text(self.options.arena.alloc(Text {
            bytes,
            context: &[],
        }))
    }

    pub(super) fn alloc(&mut self, node: Node) -> &'a Expr<'a> {
        let expr = self.expr(node);
        self.options.arena.alloc(expr)
    }

    /// Lowers an expression that may be put off.
    pub(super) fn site(&mut self, node: Node) -> Site<'a> {
        let expr = self.expr(node);
        self.site_of(expr)
    }

    pub(super) fn site_of(&self, expr: Expr<'a>) -> Site<'a> {
        let expr = &*self.options.arena.alloc(expr);
        let number = match expr {
            Expr::Const(_) | Expr::Lambda(_) => u32::MAX,
            _ => self.options.sites.add(expr),
        };
        Site {
            expr,
            number,
            cheap: is_cheap(expr, 3) && !matches!(expr, Expr::Var { .. } | Expr::Const(_)),
        }
    }

    /// Lowers what is in one place of a node; a missing child was reported by the parser.
    fn nth(&mut self, node: Node, index: usize) -> &'a Expr<'a> {
        match node.nodes().nth(index) {
            Some(child) => self.alloc(child),
            None => {
                self.error(node.start, node.len(), "syntax error");
                self.options.arena.alloc(Expr::Const(Value::Null))
            }
        }
    }

    /// A function literal needs parentheses where the grammar wants a simple expression.
    fn refuse_lambda(&mut self, node: Node) {
        if node.kind() == Kind::NODE_LAMBDA {
            let at = node
                .token(Kind::TOKEN_COLON)
                .map_or(node.start, |token| token.start);
            self.error(at, 1, "syntax error, unexpected ':'");
        }
    }

    pub(super) fn expr(&mut self, node: Node) -> Expr<'a> {
        let pos = self.pos(node.start);
        match node.kind() {
            Kind::NODE_PAREN => match node.nodes().next() {
                Some(inner) => self.expr(inner),
                None => {
                    self.error(node.start, node.len(), "syntax error, unexpected ')'");
                    Expr::Const(Value::Null)
                }
            },
            Kind::NODE_LITERAL => self.literal(node),
            Kind::NODE_STRING => self.string(node),
            Kind::NODE_PATH_ABS | Kind::NODE_PATH_REL | Kind::NODE_PATH_HOME => self.path(node),
            Kind::NODE_PATH_SEARCH => self.search_path(node),
            Kind::NODE_IDENT => match node.tokens().next() {
                Some(token) => self.variable(token.text, node.start),
                None => Expr::Const(Value::Null),
            },
            Kind::NODE_CUR_POS => Expr::CurrentPosition(pos),
            Kind::NODE_APPLY => self.apply(node),
            Kind::NODE_SELECT => self.select(node),
            Kind::NODE_HAS_ATTR => self.has_attr(node),
            Kind::NODE_ATTR_SET => self.attr_set(node),
            Kind::NODE_LET_IN => self.let_in(node),
            Kind::NODE_LEGACY_LET => self.legacy_let(node),
            Kind::NODE_LIST => {
                let mut items = Vec::new();
                for item in node.nodes() {
                    self.refuse_lambda(item);
                    items.push(self.site(item));
                }
                if items.is_empty() {
                    Expr::Const(Value::EMPTY_LIST)
                } else {
                    Expr::List(self.slice(&items))
                }
            }
            Kind::NODE_LAMBDA => Expr::Lambda(self.lambda(node)),
            Kind::NODE_WITH => {
                let Some(set) = node.nodes().next() else {
                    return Expr::Const(Value::Null);
                };
                let set = self.site(set);
                self.scopes.enter_with();
                let body = self.nth(node, 1);
                self.scopes.leave();
                Expr::With { set, body }
            }
            Kind::NODE_IF_ELSE => Expr::If {
                condition: self.nth(node, 0),
                then: self.nth(node, 1),
                otherwise: self.nth(node, 2),
                pos,
            },
            Kind::NODE_ASSERT => {
                let text = node
                    .nodes()
                    .next()
                    .map(|node| self.source_text(node))
                    .unwrap_or_default();
                let text = self.options.arena.alloc_str(&text);
                Expr::Assert {
                    condition: self.nth(node, 0),
                    body: self.nth(node, 1),
                    pos,
                    text,
                }
            }
            Kind::NODE_UNARY_OP => self.unary(node),
            Kind::NODE_BIN_OP => self.binary(node),
            other => {
                self.error(
                    node.start,
                    node.len(),
                    format!("syntax error, unexpected {other:?}"),
                );
                Expr::Const(Value::Null)
            }
        }
    }

    fn literal(&mut self, node: Node) -> Expr<'a> {
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
    fn string_pieces<'t>(&mut self, node: Node<'t>) -> Vec<Piece<Node<'t>>> {
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

    fn string(&mut self, node: Node) -> Expr<'a> {
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

    fn parts(&mut self, pieces: Vec<Piece<Node>>, start: u32) -> &'a [(Expr<'a>, Pos)] {
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

    fn path(&mut self, node: Node) -> Expr<'a> {
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
    fn search_path(&mut self, node: Node) -> Expr<'a> {
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

    fn variable(&mut self, name: &str, start: u32) -> Expr<'a> {
        let symbol = self.options.symbols.intern(name.as_bytes());
        self.symbol(symbol, start)
    }

    pub(super) fn symbol(&mut self, name: Symbol, start: u32) -> Expr<'a> {
        let pos = self.pos(start);
        match self.scopes.resolve(name) {
            Resolved::Slot { depth, slot } => Expr::Var { depth, slot, pos },
            Resolved::Unknown(withs) => match self.options.globals.global(name) {
                Some(value) => Expr::Const(value),
                None if withs.is_empty() => {
                    let text = self.options.symbols.display(name);
                    self.errors.push((
                        FaultKind::UndefinedVariable,
                        start,
                        text.len() as u32,
                        format!("undefined variable '{text}'"),
                    ));
                    Expr::Const(Value::Null)
                }
                None => Expr::WithVar {
                    name,
                    withs: self.slice(&withs),
                    pos,
                },
            },
        }
    }

    fn apply(&mut self, node: Node) -> Expr<'a> {
        // `f a b` is `((f a) b)`: collect the arguments.
        let mut args = Vec::new();
        let mut function = node;
        while function.kind() == Kind::NODE_APPLY {
            let mut children = function.nodes();
            let (Some(inner), Some(arg)) = (children.next(), children.next()) else {
                self.error(function.start, function.len(), "syntax error");
                return Expr::Const(Value::Null);
            };
            self.refuse_lambda(arg);
            self.refuse_lambda(inner);
            args.push(arg);
            function = inner;
        }
        let pos = self.pos(function.start);
        let function = self.alloc(function);
        let args: Vec<Site<'a>> = args.into_iter().rev().map(|arg| self.site(arg)).collect();
        Expr::Call {
            function,
            args: self.slice(&args),
            pos,
        }
    }

    /// The name that a node in an attribute path stands for.
    pub(super) fn static_name(&mut self, node: Node) -> Option<Symbol> {
        let symbols = self.options.symbols;
        match node.kind() {
            Kind::NODE_IDENT => Some(symbols.intern(node.tokens().next()?.text.as_bytes())),
            Kind::NODE_STRING => match self.string_pieces(node).as_slice() {
                [] => Some(names::EMPTY),
                [Piece::Text { text, .. }] => Some(symbols.intern(text.as_bytes())),
                _ => None,
            },
            Kind::NODE_DYNAMIC => {
                let mut inner = node.nodes().next()?;
                while inner.kind() == Kind::NODE_PAREN {
                    inner = inner.nodes().next()?;
                }
                if inner.kind() == Kind::NODE_STRING {
                    self.static_name(inner)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// The expression that computes a name.
    pub(super) fn dynamic_name(&mut self, node: Node) -> Expr<'a> {
        match node.kind() {
            Kind::NODE_DYNAMIC => match node.nodes().next() {
                Some(inner) => self.expr(inner),
                None => Expr::Const(Value::Null),
            },
            _ => self.expr(node),
        }
    }

    fn keys(&mut self, path: Node) -> &'a [Key<'a>] {
        let mut keys = Vec::new();
        for node in path.nodes() {
            let pos = self.pos(node.start);
            keys.push(match self.static_name(node) {
                Some(name) => Key::Static(name, pos),
                None => Key::Dynamic(self.dynamic_name(node), pos),
            });
        }
        self.options.arena.alloc_slice_fill_iter(keys)
    }

    fn select(&mut self, node: Node) -> Expr<'a> {
        let mut children = node.nodes();
        let (Some(base), Some(path)) = (children.next(), children.next()) else {
            self.error(node.start, node.len(), "syntax error");
            return Expr::Const(Value::Null);
        };
        self.refuse_lambda(base);
        let default = children.next();
        if let Some(default) = default {
            self.refuse_lambda(default);
        }
        let base = self.alloc(base);
        let path = self.keys(path);
        let default = default.map(|default| self.alloc(default));
        Expr::Select {
            base,
            path,
            default,
            pos: self.pos(node.start),
            cache: Cell::new(None),
        }
    }

    fn has_attr(&mut self, node: Node) -> Expr<'a> {
        let mut children = node.nodes();
        let (Some(base), Some(path)) = (children.next(), children.next()) else {
            self.error(node.start, node.len(), "syntax error");
            return Expr::Const(Value::Null);
        };
        self.refuse_lambda(base);
        Expr::HasAttr {
            base: self.alloc(base),
            path: self.keys(path),
        }
    }

    fn lambda(&mut self, node: Node) -> &'a LambdaDef<'a> {
        let pos = self.pos(node.start);
        let mut parameters: Vec<Symbol> = Vec::new();
        let mut node = node;
        let mut pattern = None;
        // `x: y: …` is one function of two parameters.
        let body = loop {
            let mut children = node.nodes();
            let (Some(param), Some(body)) = (children.next(), children.next()) else {
                self.error(node.start, node.len(), "syntax error");
                break None;
            };
            if param.kind() != Kind::NODE_IDENT_PARAM {
                pattern = Some(self.pattern(param));
                break Some(body);
            }
            if let Some((name, _)) = self.ident(param) {
                parameters.push(name);
            }
            let next = (body.kind() == Kind::NODE_LAMBDA)
                .then(|| body.nodes().next())
                .flatten()
                .filter(|next| next.kind() == Kind::NODE_IDENT_PARAM)
                .and_then(|next| self.ident(next));
            match next {
                Some((name, _))
                    if !parameters.contains(&name) && parameters.len() < MAX_PARAMETERS =>
                {
                    node = body
                }
                _ => {
                    self.scopes
                        .enter(parameters.iter().copied().zip(0..).collect());
                    break Some(body);
                }
            }
        };
        let Some(body) = body else {
            return self.options.arena.alloc(LambdaDef {
                parameters: &[],
                arity: 1,
                pattern: None,
                body: self.options.arena.alloc(Expr::Const(Value::Null)),
                slots: 1,
                pos,
                name: Cell::new(None),
            });
        };
        let body = self.alloc(body);
        self.scopes.leave();
        let (arity, slots, pattern) = match pattern {
            Some((name, pattern, slots)) => {
                parameters.extend(name);
                (1, slots, Some(pattern))
            }
            None => (parameters.len() as u32, parameters.len() as u32, None),
        };
        let parameters = self.slice(&parameters);
        self.options.arena.alloc(LambdaDef {
            parameters,
            arity,
            pattern,
            body,
            slots,
            pos,
            name: Cell::new(None),
        })
    }

    /// The identifier below a node, and its offset.
    fn ident(&mut self, node: Node) -> Option<(Symbol, u32)> {
        let ident = if node.kind() == Kind::NODE_IDENT {
            node
        } else {
            node.child(Kind::NODE_IDENT)?
        };
        let token = ident.tokens().next()?;
        Some((
            self.options.symbols.intern(token.text.as_bytes()),
            ident.start,
        ))
    }

    /// Lowers `{ a, b ? c, … } @ name` and enters its scope.
    fn pattern(&mut self, node: Node) -> (Option<Symbol>, Pattern<'a>, u32) {
        let ellipsis = node.token(Kind::TOKEN_ELLIPSIS).is_some();
        let mut entries: Vec<(Symbol, u32, Option<Node>)> = Vec::new();
        for entry in node
            .nodes()
            .filter(|child| child.kind() == Kind::NODE_PAT_ENTRY)
        {
            let Some((name, start)) = self.ident(entry) else {
                continue;
            };
            if entries.iter().any(|other| other.0 == name) {
                let text = self.options.symbols.display(name);
                self.error(
                    start,
                    text.len() as u32,
                    format!("duplicate formal function argument '{text}'"),
                );
                continue;
            }
            entries.push((name, start, entry.nodes().nth(1)));
        }
        let bound = node
            .child(Kind::NODE_PAT_BIND)
            .and_then(|bind| self.ident(bind));
        if let Some((name, start)) = bound
            && entries.iter().any(|entry| entry.0 == name)
        {
            let text = self.options.symbols.display(name);
            self.error(
                start,
                text.len() as u32,
                format!("duplicate formal function argument '{text}'"),
            );
        }
        entries.sort_by_key(|entry| entry.0);
        let mut slots: Vec<(Symbol, u32)> = entries
            .iter()
            .zip(0..)
            .map(|(entry, slot)| (entry.0, slot))
            .collect();
        slots.extend(bound.map(|(name, _)| (name, entries.len() as u32)));
        let count = slots.len() as u32;
        self.scopes.enter(slots);
        let mut formals = Vec::with_capacity(entries.len());
        for (name, start, default) in entries {
            let default = default.map(|default| self.site(default));
            formals.push(Formal {
                name,
                default,
                pos: self.pos(start),
            });
        }
        let formals = self.options.arena.alloc_slice_fill_iter(formals);
        (
            bound.map(|(name, _)| name),
            Pattern { formals, ellipsis },
            count,
        )
    }

    /// An operator that CppNix treats as a call of a global function, if that is redefined here.
    fn redefined(&mut self, function: Symbol, args: [Node; 2], at: u32) -> Option<Expr<'a>> {
        if !self.scopes.shadows(function) {
            return None;
        }
        let function = self.symbol(function, at);
        let args = args.map(|arg| self.site(arg));
        Some(Expr::Call {
            function: self.options.arena.alloc(function),
            args: self.slice(&args),
            pos: self.pos(at),
        })
    }

    fn unary(&mut self, node: Node) -> Expr<'a> {
        let pos = self.pos(node.start);
        if let Some(operand) = node.nodes().next() {
            self.refuse_lambda(operand);
        }
        if node.token(Kind::TOKEN_INVERT).is_some() {
            return Expr::Not(self.nth(node, 0), pos);
        }
        let zero = self.options.arena.alloc(Expr::Const(Value::Int(0)));
        if self.scopes.shadows(names::SUB)
            && let Some(operand) = node.nodes().next()
        {
            let function = self.symbol(names::SUB, node.start);
            let args = [self.site_of(Expr::Const(Value::Int(0))), self.site(operand)];
            return Expr::Call {
                function: self.options.arena.alloc(function),
                args: self.slice(&args),
                pos,
            };
        }
        Expr::Binary {
            op: Op::Subtract,
            left: zero,
            right: self.nth(node, 0),
            pos,
        }
    }

    fn binary(&mut self, node: Node) -> Expr<'a> {
        let mut children = node.nodes();
        let (Some(left), Some(right), Some(operator)) =
            (children.next(), children.next(), node.tokens().next())
        else {
            self.error(node.start, node.len(), "syntax error");
            return Expr::Const(Value::Null);
        };
        self.refuse_lambda(left);
        if !matches!(
            operator.kind,
            Kind::TOKEN_PIPE_LEFT | Kind::TOKEN_PIPE_RIGHT
        ) {
            self.refuse_lambda(right);
        }
        let at = operator.start;
        let pos = self.pos(at);
        let (function, op) = match operator.kind {
            Kind::TOKEN_ADD => (None, Op::Add),
            Kind::TOKEN_SUB => (Some(names::SUB), Op::Subtract),
            Kind::TOKEN_MUL => (Some(names::MUL), Op::Multiply),
            Kind::TOKEN_DIV => (Some(names::DIV), Op::Divide),
            Kind::TOKEN_EQUAL => (None, Op::Equal),
            Kind::TOKEN_NOT_EQUAL => (None, Op::NotEqual),
            Kind::TOKEN_LESS => (Some(names::LESS_THAN), Op::Less),
            Kind::TOKEN_LESS_OR_EQ => (Some(names::LESS_THAN), Op::LessOrEqual),
            Kind::TOKEN_MORE => (Some(names::LESS_THAN), Op::Greater),
            Kind::TOKEN_MORE_OR_EQ => (Some(names::LESS_THAN), Op::GreaterOrEqual),
            Kind::TOKEN_AND_AND => (None, Op::And),
            Kind::TOKEN_OR_OR => (None, Op::Or),
            Kind::TOKEN_IMPLICATION => (None, Op::Implies),
            Kind::TOKEN_UPDATE => (None, Op::Update),
            Kind::TOKEN_CONCAT => (None, Op::Concat),
            Kind::TOKEN_PIPE_LEFT | Kind::TOKEN_PIPE_RIGHT => {
                return self.pipe(left, right, operator);
            }
            other => {
                self.error(at, 1, format!("syntax error, unexpected {other:?}"));
                return Expr::Const(Value::Null);
            }
        };
        if let Some(function) = function {
            let (args, negate) = match op {
                Op::Greater => ([right, left], false),
                Op::LessOrEqual => ([right, left], true),
                Op::GreaterOrEqual => ([left, right], true),
                _ => ([left, right], false),
            };
            if let Some(call) = self.redefined(function, args, at) {
                return if negate {
                    Expr::Not(self.options.arena.alloc(call), pos)
                } else {
                    call
                };
            }
        }
        Expr::Binary {
            op,
            left: self.alloc(left),
            right: self.alloc(right),
            pos,
        }
    }

    fn pipe(&mut self, left: Node, right: Node, operator: Token) -> Expr<'a> {
        if !self.options.pipe_operators {
            self.error(
                operator.start,
                2,
                "experimental Nix feature 'pipe-operators' is disabled; add '--extra-experimental-features pipe-operators' to enable it",
            );
            return Expr::Const(Value::Null);
        }
        let (function, arg) = match operator.kind {
            Kind::TOKEN_PIPE_LEFT => (left, right),
            _ => (right, left),
        };
        let function = self.alloc(function);
        let args = [self.site(arg)];
        Expr::Call {
            function,
            args: self.slice(&args),
            pos: self.pos(operator.start),
        }
    }
}

/// Parameters of nested functions that are made one function.
const MAX_PARAMETERS: usize = 4;

/// Whether an expression can be tried at once instead of being put off.
fn is_cheap(expr: &Expr<'_>, depth: u32) -> bool {
    match expr {
        Expr::Var { .. } | Expr::Const(Value::Int(_)) => true,
        Expr::Select {
            base: Expr::Var { .. },
            path: [Key::Static(..)],
            default: None,
            ..
        } => true,
        Expr::Binary {
            op: Op::Add | Op::Subtract | Op::Multiply,
            left,
            right,
            ..
        } if depth > 0 => is_cheap(left, depth - 1) && is_cheap(right, depth - 1),
        _ => false,
    }
}
