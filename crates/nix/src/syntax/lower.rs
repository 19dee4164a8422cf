//! Turns syntax trees into [`crate::ir`]: resolves variables, interns names, finds the mistakes
//! that grammar does not.

use super::raw;
use super::scope::{Resolved, Scopes};
use super::strings::Piece;
use super::tree::{Kind, Node, parse};
use crate::error::{Fault, FaultData, Kind as FaultKind};
use crate::eval::Sites;
use crate::ir::{Expr, Key, Op, Site, With};
use crate::source::Pos;
use crate::symbol::{Interner, Symbol, names};
use crate::value::{Text, Value};
use bumpalo::Bump;
use std::cell::Cell;

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

/// Parses and lowers a text. All mistakes in it are in the error. What is in `syntax` is not needed
/// any more then.
pub fn lower<'l, 'a>(
    text: &'l str,
    options: LowerOptions<'l, 'a>,
    syntax: &'l Bump,
) -> Result<&'a Expr<'a>, Fault> {
    let tree = parse(text, syntax);
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
    pub(super) fn finish(mut self, result: Option<&'a Expr<'a>>) -> Result<&'a Expr<'a>, Fault> {
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
    pub(super) fn source_text(&self, node: Node) -> String {
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
    pub(super) fn nth(&mut self, node: Node, index: usize) -> &'a Expr<'a> {
        match node.nodes().nth(index) {
            Some(child) => self.alloc(child),
            None => {
                self.error(node.start, node.len(), "syntax error");
                self.options.arena.alloc(Expr::Const(Value::Null))
            }
        }
    }

    /// A function literal needs parentheses where the grammar wants a simple expression.
    pub(super) fn refuse_lambda(&mut self, node: Node) {
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

    pub(super) fn variable(&mut self, name: &str, start: u32) -> Expr<'a> {
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
                    withs: self
                        .options
                        .arena
                        .alloc_slice_fill_iter(withs.iter().map(|&depth| With {
                            depth,
                            cache: Cell::new(None),
                        })),
                    pos,
                },
            },
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

    pub(super) fn keys(&mut self, path: Node) -> &'a [Key<'a>] {
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

    pub(super) fn select(&mut self, node: Node) -> Expr<'a> {
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

    pub(super) fn has_attr(&mut self, node: Node) -> Expr<'a> {
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
}

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
