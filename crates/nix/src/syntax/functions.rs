//! Functions and their patterns.

use super::lower::Lowerer;
use super::tree::{Kind, Node};
use crate::ir::{Expr, Formal, LambdaDef, Pattern};
use crate::symbol::Symbol;
use crate::value::Value;
use std::cell::Cell;

/// Parameters of nested functions that are made one function.
const MAX_PARAMETERS: usize = 4;

impl<'a> Lowerer<'_, 'a> {
    pub(super) fn lambda(&mut self, node: Node) -> &'a LambdaDef<'a> {
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
    pub(super) fn ident(&mut self, node: Node) -> Option<(Symbol, u32)> {
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
    pub(super) fn pattern(&mut self, node: Node) -> (Option<Symbol>, Pattern<'a>, u32) {
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
}
