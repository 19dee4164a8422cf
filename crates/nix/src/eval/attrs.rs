//! Attribute sets: making, selecting, merging.

use std::cell::Cell;

use super::{Evaluator, R};
use crate::error::{Fault, FaultData, Kind};
use crate::hint::nearest;
use crate::ir::{AttrsDef, Binding, Expr, Key, Site};
use crate::source::{Origin, Pos};
use crate::symbol::{Symbol, names};
use crate::value::{Attrs, AttrsBuilder, Env, Lazy, Packed, Shape, Slot, Value, share};

impl<'a> Evaluator<'a> {
    /// A set from parallel slices.
    pub(crate) fn attrs(&self, shape: &'a Shape<'a>, slots: &'a [Slot<'a>]) -> Value<'a> {
        Value::Attrs(self.arena.alloc(Attrs { shape, slots }))
    }

    /// A set of a few attributes without positions.
    pub(crate) fn attrs_of(&self, entries: &[(Symbol, Value<'a>)]) -> Value<'a> {
        let mut builder = AttrsBuilder::with_capacity(entries.len());
        for &(name, value) in entries {
            builder.push(name, Pos::NONE, value);
        }
        Value::Attrs(builder.build(self.arena))
    }

    /// `{ file = …; line = …; column = …; }`, or null.
    pub(crate) fn position_value(&self, pos: Pos) -> Value<'a> {
        let Some((origin, line, column)) = self.sources.line_column(pos) else {
            return Value::Null;
        };
        let Origin::File(file) = origin else {
            return Value::Null;
        };
        self.attrs_of(&[
            (names::FILE, self.text_in_arena(file.as_bytes())),
            (names::LINE, Value::Int(i64::from(line))),
            (names::COLUMN, Value::Int(i64::from(column))),
        ])
    }

    pub(super) fn make_attrs(&self, def: &'a AttrsDef<'a>, env: Env<'a>) -> R<'a> {
        if def.recursive {
            return self.make_recursive(def, env);
        }
        let slots = self
            .arena
            .alloc_slice_fill_iter(def.values.iter().map(|_| Slot::new(Value::Null)));
        self.fill(def, slots, env, env);
        if def.dynamic.is_empty() {
            return Ok(self.attrs(def.shape, slots));
        }
        self.add_dynamic(
            def,
            Attrs {
                shape: def.shape,
                slots,
            },
            env,
        )
    }

    /// The scope of a `let`.
    pub(super) fn make_scope(&self, def: &'a AttrsDef<'a>, env: Env<'a>) -> Result<Env<'a>, Fault> {
        let inner = Env::new(self.arena, Some(env), def.values.len());
        self.fill(def, inner.slots(), inner, env);
        Ok(inner)
    }

    fn make_recursive(&self, def: &'a AttrsDef<'a>, env: Env<'a>) -> R<'a> {
        let inner = Env::new(self.arena, Some(env), def.values.len());
        let slots = inner.slots();
        self.fill(def, slots, inner, env);
        let mut set = Attrs {
            shape: def.shape,
            slots,
        };
        if let Some(index) = def.overrides {
            let value = self.force(&slots[index as usize])?;
            let Value::Attrs(overrides) = value else {
                return Err(self.expected("a set", value, def.shape.position(index as usize)));
            };
            // What is overridden is overridden in the scope, too.
            for (name, _, slot) in overrides.iter() {
                if let Some(own) = set.get(name) {
                    own.set(share(slot));
                }
            }
            set = *self.update(&set, overrides);
        }
        if def.dynamic.is_empty() {
            return Ok(Value::Attrs(self.arena.alloc(set)));
        }
        self.add_dynamic(def, set, inner)
    }

    /// Sets the slots of static attributes. `inner` is the scope of values, `outer` that of
    /// plain `inherit`s.
    fn fill(&self, def: &'a AttrsDef<'a>, slots: &'a [Slot<'a>], inner: Env<'a>, outer: Env<'a>) {
        let sources: &'a [Lazy<'a>] = if def.sources.is_empty() {
            &[]
        } else {
            self.arena
                .alloc_slice_fill_iter(def.sources.iter().map(|site| Lazy::Select {
                    set: Slot::new(self.delay_inside(def, site, inner)),
                    pos: site.expr.pos(),
                }))
        };
        for (index, (binding, slot)) in def.values.iter().zip(slots).enumerate() {
            slot.set(match binding {
                Binding::Plain(site) => self.delay_inside(def, site, inner),
                Binding::Inherit(site) => self.delay(site, outer),
                Binding::From(source) => {
                    let name = def.shape.names[index];
                    let lazy = &sources[*source as usize];
                    match lazy {
                        // Most sources are libraries that are evaluated already.
                        Lazy::Select { set, .. } => match set.get() {
                            Value::Attrs(attrs) => match attrs.get(name) {
                                Some(found) => share(found),
                                None => Value::Lazy(name.0, lazy),
                            },
                            _ => Value::Lazy(name.0, lazy),
                        },
                        _ => Value::Lazy(name.0, lazy),
                    }
                }
            });
        }
    }

    /// Puts off an expression inside a scope whose slots are not all set yet: a variable of that
    /// scope must not be copied.
    #[inline]
    fn delay_inside(&self, def: &AttrsDef<'a>, site: &Site<'a>, env: Env<'a>) -> Value<'a> {
        match site.expr {
            Expr::Var { depth: 0, .. } if def.recursive => {
                env.capture();
                Value::Delayed(site.number, env)
            }
            _ => self.delay(site, env),
        }
    }

    fn add_dynamic(&self, def: &'a AttrsDef<'a>, set: Attrs<'a>, env: Env<'a>) -> R<'a> {
        let mut builder = AttrsBuilder::with_capacity(set.len() + def.dynamic.len());
        for (name, pos, slot) in set.iter() {
            builder.push(name, pos, share(slot));
        }
        let mut added: Vec<(Symbol, Pos)> = Vec::new();
        for binding in def.dynamic {
            let value = self.eval(&binding.name, env)?;
            let name = match value {
                Value::Null => continue,
                Value::Text(text) => self.attribute_name(text, binding.pos)?,
                value => {
                    let fault = self.expected("a string", value, binding.pos);
                    return Err(fault.while_doing(
                        binding.pos,
                        "while evaluating the name of a dynamic attribute",
                    ));
                }
            };
            let earlier = set.position(name).or_else(|| {
                added
                    .iter()
                    .find(|entry| entry.0 == name)
                    .map(|entry| entry.1)
            });
            if let Some(earlier) = earlier {
                let name = self.symbols.display(name);
                let earlier = self.position_text(earlier);
                let message = format!("dynamic attribute '{name}' already defined at {earlier}");
                return Err(self.fail(binding.pos, message));
            }
            added.push((name, binding.pos));
            if let Expr::Lambda(lambda) = binding.value.expr
                && lambda.name.get().is_none()
            {
                lambda.name.set(Some(name));
            }
            builder.push(name, binding.pos, self.delay(&binding.value, env));
        }
        Ok(Value::Attrs(builder.build(self.arena)))
    }

    /// A string as the name of an attribute.
    pub(crate) fn attribute_name(
        &self,
        text: &crate::value::Text<'a>,
        pos: Pos,
    ) -> Result<Symbol, Fault> {
        if !text.context.is_empty() {
            let message = format!(
                "the string '{}' is not allowed to refer to a store path",
                text.lossy()
            );
            return Err(self.fail(pos, message));
        }
        Ok(self.symbols.intern(text.bytes))
    }

    /// A position in words: `FILE:LINE:COLUMN`.
    pub(crate) fn position_text(&self, pos: Pos) -> String {
        match self.sources.line_column(pos) {
            Some((origin, line, column)) => format!("{}:{line}:{column}", origin.name()),
            None => "an unknown place".to_owned(),
        }
    }

    fn key(&self, key: &'a Key<'a>, env: Env<'a>) -> Result<(Symbol, Pos), Fault> {
        match key {
            Key::Static(name, pos) => Ok((*name, *pos)),
            Key::Dynamic(expr, pos) => match self.eval(expr, env)? {
                Value::Text(text) => Ok((self.attribute_name(text, *pos)?, *pos)),
                value => {
                    let fault = self.expected("a string", value, *pos);
                    Err(fault.while_doing(*pos, "while evaluating an attribute name"))
                }
            },
        }
    }

    /// `base.path`; `None`: it is missing and there is a default.
    pub(super) fn select(
        &self,
        base: &'a Expr<'a>,
        path: &'a [Key<'a>],
        default: Option<&'a Expr<'a>>,
        pos: Pos,
        cache: &'a Cell<Option<(&'a Shape<'a>, u32)>>,
        env: Env<'a>,
    ) -> Result<Option<Value<'a>>, Fault> {
        let mut value = self.eval(base, env)?;
        if let Value::Attrs(attrs) = value
            && let Some((shape, index)) = cache.get()
            && std::ptr::eq(shape, attrs.shape)
        {
            let slot = &attrs.slots[index as usize];
            value = self.force(slot).map_err(|fault| {
                self.trace_attribute(fault, path, 1, env, shape.position(index as usize), pos)
            })?;
            return self.select_rest(value, path, 1, default, pos, env);
        }
        if let Value::Attrs(attrs) = value
            && let Key::Static(name, _) = &path[0]
            && let Some(index) = attrs.shape.find(*name)
        {
            cache.set(Some((attrs.shape, index as u32)));
        }
        value = match self.select_rest(value, path, 0, default, pos, env)? {
            Some(value) => value,
            None => return Ok(None),
        };
        Ok(Some(value))
    }

    #[inline]
    fn select_rest(
        &self,
        value: Value<'a>,
        path: &'a [Key<'a>],
        first: usize,
        default: Option<&'a Expr<'a>>,
        pos: Pos,
        env: Env<'a>,
    ) -> Result<Option<Value<'a>>, Fault> {
        if first == path.len() {
            return Ok(Some(value));
        }
        self.select_packed(&value, path, first, default, pos, env)
            .get()
    }

    /// The rest of a path; `None`: it is missing and there is a default.
    #[inline(never)]
    fn select_packed(
        &self,
        value: &Value<'a>,
        path: &'a [Key<'a>],
        first: usize,
        default: Option<&'a Expr<'a>>,
        pos: Pos,
        env: Env<'a>,
    ) -> Packed<Result<Option<Value<'a>>, Fault>> {
        Packed::new(self.select_now(*value, path, first, default, pos, env))
    }

    #[inline(always)]
    fn select_now(
        &self,
        mut value: Value<'a>,
        path: &'a [Key<'a>],
        first: usize,
        default: Option<&'a Expr<'a>>,
        pos: Pos,
        env: Env<'a>,
    ) -> Result<Option<Value<'a>>, Fault> {
        for (index, key) in path.iter().enumerate().skip(first) {
            let (name, key_pos) = self.key(key, env)?;
            let Value::Attrs(attrs) = value else {
                if default.is_some() {
                    return Ok(None);
                }
                let fault = self.expected("a set", value, pos);
                return Err(fault.while_doing(
                    key_pos,
                    format!(
                        "while selecting the attribute '{}'",
                        self.symbols.display(name)
                    ),
                ));
            };
            let Some(found) = attrs.shape.find(name) else {
                if let Some(answer) = self.answer_for(attrs, name, key_pos)? {
                    value = answer;
                    continue;
                }
                if default.is_some() {
                    return Ok(None);
                }
                return Err(self.missing(attrs, name, key_pos));
            };
            value = self.force(&attrs.slots[found]).map_err(|fault| {
                self.trace_attribute(
                    fault,
                    path,
                    index + 1,
                    env,
                    attrs.shape.position(found),
                    pos,
                )
            })?;
        }
        Ok(Some(value))
    }

    #[cold]
    fn trace_attribute(
        &self,
        fault: Fault,
        path: &'a [Key<'a>],
        len: usize,
        env: Env<'a>,
        defined: Pos,
        pos: Pos,
    ) -> Fault {
        let path: Vec<String> = path[..len]
            .iter()
            .map(|key| match self.key(key, env) {
                Ok((name, _)) => self.symbols.display(name),
                Err(_) => "…".to_owned(),
            })
            .collect();
        fault.at(pos).while_doing(
            defined,
            format!("while evaluating the attribute '{}'", path.join(".")),
        )
    }

    #[cold]
    pub(crate) fn missing(&self, attrs: &Attrs<'a>, name: Symbol, pos: Pos) -> Fault {
        let text = self.symbols.display(name);
        let hint = nearest(
            &text,
            attrs
                .shape
                .names
                .iter()
                .map(|&name| self.symbols.display(name)),
        );
        let mut fault = FaultData::new(
            Kind::MissingAttribute,
            pos,
            format!("attribute '{text}' missing"),
        );
        fault.width = text.len().max(1) as u32;
        match hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }

    pub(super) fn select_inherited(&self, set: &'a Slot<'a>, name: Symbol, pos: Pos) -> R<'a> {
        let value = self.force(set).map_err(|fault| fault.at(pos))?;
        let Value::Attrs(attrs) = value else {
            return Err(self.expected("a set", value, pos));
        };
        match attrs.shape.find(name) {
            Some(index) => self.force(&attrs.slots[index]).map_err(|fault| {
                let text = format!(
                    "while evaluating the attribute '{}'",
                    self.symbols.display(name)
                );
                fault.at(pos).while_doing(attrs.shape.position(index), text)
            }),
            None => match self.answer_for(attrs, name, pos)? {
                Some(value) => Ok(value),
                None => Err(self.missing(attrs, name, pos)),
            },
        }
    }

    /// What a set answers for an attribute that it does not have: the value of its function
    /// `__missing` for the name, unless that is null. An extension of the language, with which a
    /// package set has more packages than anybody wants to list.
    #[cold]
    pub(crate) fn answer_for(
        &self,
        attrs: &Attrs<'a>,
        name: Symbol,
        pos: Pos,
    ) -> Result<Option<Value<'a>>, Fault> {
        let Some(slot) = attrs.get(names::MISSING) else {
            return Ok(None);
        };
        let function = self.force(slot)?;
        let answer = self.call(function, &[self.symbol_text(name)], pos)?;
        Ok((!matches!(answer, Value::Null)).then_some(answer))
    }

    pub(super) fn has_attr(&self, base: &'a Expr<'a>, path: &'a [Key<'a>], env: Env<'a>) -> R<'a> {
        let mut value = self.eval(base, env)?;
        for (index, key) in path.iter().enumerate() {
            let name = self.key(key, env)?.0;
            let Value::Attrs(attrs) = value else {
                return Ok(Value::Bool(false));
            };
            if let Some(slot) = attrs.get(name) {
                if index + 1 < path.len() {
                    value = self.force(slot)?;
                }
            } else if let Some(answer) = self.answer_for(attrs, name, Pos::NONE)? {
                value = answer;
            } else {
                return Ok(Value::Bool(false));
            }
        }
        Ok(Value::Bool(true))
    }
}
