//! Attribute sets and `let`: definitions are collected and merged before their values are
//! lowered, since `a.b = 1; a.c = 2;` is one set.

use std::cell::Cell;

use super::lower::Lowerer;
use super::tree::{Kind, Node};
use crate::ir::{AttrsDef, Binding, DynamicBinding, Expr, Key, Site};
use crate::symbol::{Symbol, names};
use crate::value::{Attrs, Shape, Value};

/// A set of definitions, not yet lowered.
struct Definitions<'t> {
    recursive: bool,
    start: u32,
    attrs: Vec<(Symbol, Definition<'t>)>,
    sources: Vec<Node<'t>>,
    dynamic: Vec<(Node<'t>, Bound<'t>, u32)>,
}

struct Definition<'t> {
    at: u32,
    bound: Bound<'t>,
}

enum Bound<'t> {
    Expr(Node<'t>),
    Set(Box<Definitions<'t>>),
    Inherit,
    From(usize),
}

impl<'t> Definitions<'t> {
    fn new(recursive: bool, start: u32) -> Self {
        Self {
            recursive,
            start,
            attrs: Vec::new(),
            sources: Vec::new(),
            dynamic: Vec::new(),
        }
    }

    fn find(&mut self, name: Symbol) -> Option<&mut Definition<'t>> {
        self.attrs
            .iter_mut()
            .find(|entry| entry.0 == name)
            .map(|entry| &mut entry.1)
    }
}

impl<'a> Lowerer<'_, 'a> {
    pub(super) fn attr_set(&mut self, node: Node) -> Expr<'a> {
        let definitions = self.collect(node);
        self.lower_set(definitions)
    }

    fn lower_set(&mut self, definitions: Definitions) -> Expr<'a> {
        if definitions.attrs.is_empty() && definitions.dynamic.is_empty() {
            let arena = self.options.arena;
            let shape = arena.alloc(Shape::new(&[], &[]));
            // Sources that nothing is inherited from are never looked at.
            return Expr::Const(Value::Attrs(arena.alloc(Attrs { shape, slots: &[] })));
        }
        let def = self.definitions(definitions, |_| ()).0;
        Expr::Attrs(def)
    }

    pub(super) fn let_in(&mut self, node: Node) -> Expr<'a> {
        let mut definitions = self.collect(node);
        definitions.recursive = true;
        if let Some((name, ..)) = definitions.dynamic.first() {
            self.error(
                name.start,
                name.len(),
                "dynamic attributes not allowed in let",
            );
        }
        let body = node.nodes().last();
        let (def, body) =
            self.definitions(definitions, |lowerer| body.map(|body| lowerer.alloc(body)));
        match body {
            Some(body) => Expr::Let { def, body },
            None => Expr::Const(Value::Null),
        }
    }

    /// `let { …; body = …; }` is `rec { … }.body`.
    pub(super) fn legacy_let(&mut self, node: Node) -> Expr<'a> {
        let mut definitions = self.collect(node);
        definitions.recursive = true;
        let base = self.lower_set(definitions);
        let pos = self.pos(node.start);
        Expr::Select {
            base: self.options.arena.alloc(base),
            path: self
                .options
                .arena
                .alloc_slice_fill_iter([Key::Static(names::BODY, pos)]),
            default: None,
            pos,
            cache: Cell::new(None),
        }
    }

    fn collect<'t>(&mut self, node: Node<'t>) -> Definitions<'t> {
        let mut definitions = Definitions::new(node.token(Kind::TOKEN_REC).is_some(), node.start);
        // Only a long set is worth an index; names in it are found through it.
        let mut index = hashbrown::HashMap::with_hasher(rustc_hash::FxBuildHasher);
        for entry in node.nodes() {
            match entry.kind() {
                Kind::NODE_INHERIT => self.inherit(entry, &mut definitions, &mut index),
                Kind::NODE_ATTRPATH_VALUE => self.definition(entry, &mut definitions, &mut index),
                _ => {}
            }
        }
        definitions
    }

    fn inherit<'t>(&mut self, node: Node<'t>, set: &mut Definitions<'t>, index: &mut Index) {
        let source = node
            .child(Kind::NODE_INHERIT_FROM)
            .and_then(|from| from.nodes().next());
        if let Some(source) = source {
            set.sources.push(source);
        }
        for attr in node
            .nodes()
            .filter(|child| child.kind() != Kind::NODE_INHERIT_FROM)
        {
            let Some(name) = self.static_name(attr) else {
                self.error(
                    attr.start,
                    attr.len(),
                    "dynamic attributes not allowed in inherit",
                );
                continue;
            };
            if let Some(&at) = index.get(&name) {
                self.duplicate(&[name], attr.start, set.attrs[at].1.at);
                continue;
            }
            let bound = match source {
                Some(_) => Bound::From(set.sources.len() - 1),
                None => Bound::Inherit,
            };
            index.insert(name, set.attrs.len());
            set.attrs.push((
                name,
                Definition {
                    at: attr.start,
                    bound,
                },
            ));
        }
    }

    fn definition<'t>(&mut self, node: Node<'t>, set: &mut Definitions<'t>, index: &mut Index) {
        let mut children = node.nodes();
        let (Some(path), Some(value)) = (children.next(), children.next()) else {
            self.error(node.start, node.len(), "syntax error");
            return;
        };
        let bound = self.bound(value);
        let keys: Vec<Node<'t>> = path.nodes().collect();
        let mut names: Vec<Symbol> = Vec::with_capacity(keys.len());
        let at = path.start;
        let mut current = set;
        for (depth, &key) in keys.iter().enumerate() {
            let last = depth + 1 == keys.len();
            let Some(name) = self.static_name(key) else {
                if last {
                    current.dynamic.push((key, bound, at));
                    return;
                }
                current
                    .dynamic
                    .push((key, Bound::Set(Box::new(Definitions::new(false, at))), at));
                let Some((_, Bound::Set(inner), _)) = current.dynamic.last_mut() else {
                    return;
                };
                current = inner;
                continue;
            };
            names.push(name);
            let found = if depth == 0 {
                index.get(&name).copied()
            } else {
                current.attrs.iter().position(|entry| entry.0 == name)
            };
            match found {
                None => {
                    if depth == 0 {
                        index.insert(name, current.attrs.len());
                    }
                    if last {
                        current.attrs.push((name, Definition { at, bound }));
                        return;
                    }
                    let inner = Bound::Set(Box::new(Definitions::new(false, at)));
                    current.attrs.push((name, Definition { at, bound: inner }));
                    let Some((
                        _,
                        Definition {
                            bound: Bound::Set(inner),
                            ..
                        },
                    )) = current.attrs.last_mut()
                    else {
                        return;
                    };
                    current = inner;
                }
                Some(position) => {
                    let definition = &mut current.attrs[position].1;
                    let previous = definition.at;
                    let Bound::Set(inner) = &mut definition.bound else {
                        self.duplicate(&names, at, previous);
                        return;
                    };
                    if last {
                        match bound {
                            Bound::Set(other) => self.merge(inner, *other, &mut names),
                            _ => self.duplicate(&names, at, previous),
                        }
                        return;
                    }
                    current = inner;
                }
            }
        }
    }

    fn bound<'t>(&mut self, value: Node<'t>) -> Bound<'t> {
        let mut inner = value;
        while inner.kind() == Kind::NODE_PAREN {
            let Some(child) = inner.nodes().next() else {
                break;
            };
            inner = child;
        }
        if inner.kind() == Kind::NODE_ATTR_SET {
            Bound::Set(Box::new(self.collect(inner)))
        } else {
            Bound::Expr(value)
        }
    }

    /// Adds the definitions of a second set literal to those of the first.
    fn merge<'t>(
        &mut self,
        into: &mut Definitions<'t>,
        from: Definitions<'t>,
        path: &mut Vec<Symbol>,
    ) {
        let shift = into.sources.len();
        into.sources.extend(from.sources);
        into.dynamic.extend(from.dynamic);
        for (name, mut definition) in from.attrs {
            if let Bound::From(source) = &mut definition.bound {
                *source += shift;
            }
            path.push(name);
            match into.find(name) {
                None => into.attrs.push((name, definition)),
                Some(existing) => match (&mut existing.bound, definition.bound) {
                    (Bound::Set(first), Bound::Set(second)) => self.merge(first, *second, path),
                    _ => {
                        let previous = existing.at;
                        self.duplicate(path, definition.at, previous);
                    }
                },
            }
            path.pop();
        }
    }

    fn duplicate(&mut self, path: &[Symbol], at: u32, previous: u32) {
        let path: Vec<String> = path
            .iter()
            .map(|&name| self.options.symbols.display(name))
            .collect();
        let path = path.join(".");
        // The position is filled in when the error is reported, as lines are not known here.
        let previous = self.pos(previous).0;
        self.error(
            at,
            1,
            format!("attribute '{path}' already defined at \u{1}{previous}\u{1}"),
        );
    }

    /// Lowers definitions, and with `inside` whatever sees them.
    fn definitions<T>(
        &mut self,
        mut set: Definitions,
        inside: impl FnOnce(&mut Self) -> T,
    ) -> (&'a AttrsDef<'a>, T) {
        set.attrs.sort_by_key(|entry| entry.0);
        // What is inherited from the scope around the set must not see the set itself.
        let mut inherited: Vec<Option<Site<'a>>> = Vec::with_capacity(set.attrs.len());
        for (name, definition) in &set.attrs {
            inherited.push(match definition.bound {
                Bound::Inherit => {
                    let expr = self.symbol(*name, definition.at);
                    Some(self.site_of(expr))
                }
                _ => None,
            });
        }
        if set.recursive {
            self.scopes.enter(
                set.attrs
                    .iter()
                    .zip(0..)
                    .map(|(entry, slot)| (entry.0, slot))
                    .collect(),
            );
        }
        let sources: Vec<Site<'a>> = set
            .sources
            .iter()
            .map(|&source| self.site(source))
            .collect();
        let mut values = Vec::with_capacity(set.attrs.len());
        let mut shape_names = Vec::with_capacity(set.attrs.len());
        let mut positions = Vec::with_capacity(set.attrs.len());
        for ((name, definition), inherited) in set.attrs.into_iter().zip(inherited) {
            shape_names.push(name);
            positions.push(self.pos(definition.at));
            values.push(match (definition.bound, inherited) {
                (_, Some(site)) => Binding::Inherit(site),
                (Bound::From(source), _) => Binding::From(source as u32),
                (bound, _) => Binding::Plain(self.bound_site(bound, Some(name))),
            });
        }
        let mut dynamic = Vec::with_capacity(set.dynamic.len());
        for (key, bound, at) in set.dynamic {
            let name = self.dynamic_name(key);
            let value = self.bound_site(bound, None);
            dynamic.push(DynamicBinding {
                name,
                value,
                pos: self.pos(at),
            });
        }
        let result = inside(self);
        if set.recursive {
            self.scopes.leave();
        }
        let overrides = shape_names
            .binary_search(&names::OVERRIDES)
            .ok()
            .filter(|_| set.recursive)
            .map(|i| i as u32);
        let arena = self.options.arena;
        let shape = arena.alloc(Shape::new(self.slice(&shape_names), self.slice(&positions)));
        let def = arena.alloc(AttrsDef {
            shape,
            values: self.slice(&values),
            sources: self.slice(&sources),
            dynamic: arena.alloc_slice_fill_iter(dynamic),
            recursive: set.recursive,
            overrides,
            pos: self.pos(set.start),
        });
        (def, result)
    }

    fn bound_site(&mut self, bound: Bound, name: Option<Symbol>) -> Site<'a> {
        let expr = match bound {
            Bound::Expr(node) => self.expr(node),
            Bound::Set(set) => self.lower_set(*set),
            Bound::Inherit | Bound::From(_) => Expr::Const(Value::Null),
        };
        if let (Expr::Lambda(lambda), Some(name)) = (&expr, name) {
            lambda.name.set(Some(name));
        }
        self.site_of(expr)
    }
}

type Index = hashbrown::HashMap<Symbol, usize, rustc_hash::FxBuildHasher>;
