//! Calls.

use super::{Evaluator, R};
use crate::builtins::Primop;
use crate::error::{Fault, FaultData, Kind, type_error};
use crate::eval::type_name;
use crate::hint::nearest;
use crate::ir::{Expr, LambdaDef, Pattern, Site};
use crate::source::Pos;
use crate::symbol::names;
use crate::value::{Attrs, Closure, Env, Packed, Partial, Slot, Value, share};

/// What becomes of a function that is given arguments.
pub(super) enum Bound<'a> {
    /// Its body is to be evaluated.
    Body {
        /// The function, or the one inside it that came last.
        def: &'a LambdaDef<'a>,
        /// The scope of its body.
        scope: Env<'a>,
        /// How many arguments were used.
        used: usize,
    },
    /// It wants more.
    Function(Value<'a>),
}

/// No builtin takes more arguments.
const MAX_ARITY: usize = 4;

impl<'a> Evaluator<'a> {
    /// Binds the parameters of a function, and of the functions directly inside it, to arguments.
    #[inline]
    pub(super) fn bind_sites(
        &self,
        closure: &'a Closure<'a>,
        args: &'a [Site<'a>],
        env: Env<'a>,
        pos: Pos,
    ) -> Result<Bound<'a>, Fault> {
        let mut def = closure.def;
        let mut scope = closure.env;
        let mut given = closure.given;
        let mut used = 0;
        loop {
            scope = match &def.pattern {
                None => {
                    let missing = def.arity as usize - given.len();
                    if args.len() - used < missing {
                        let more = args[used..]
                            .iter()
                            .map(|site| self.delay_argument(site, env));
                        return Ok(Bound::Function(self.with_more(def, scope, given, more)));
                    }
                    let inner = self.pool.take(self.arena, scope, def.arity as usize);
                    let slots = inner.slots();
                    for (slot, from) in slots.iter().zip(given) {
                        slot.set(share(from));
                    }
                    for (slot, site) in slots[given.len()..].iter().zip(&args[used..]) {
                        slot.set(self.delay_argument(site, env));
                    }
                    used += missing;
                    inner
                }
                Some(pattern) => {
                    let value = self.eval(args[used].expr, env)?;
                    used += 1;
                    self.bind_pattern(def, pattern, value, scope, pos)?
                }
            };
            given = &[];
            match def.body {
                Expr::Lambda(inner) if used < args.len() => def = inner,
                _ => return Ok(Bound::Body { def, scope, used }),
            }
        }
    }

    fn with_more(
        &self,
        def: &'a LambdaDef<'a>,
        env: Env<'a>,
        given: &'a [Slot<'a>],
        more: impl Iterator<Item = Value<'a>>,
    ) -> Value<'a> {
        env.capture();
        let all: Vec<Value<'a>> = given.iter().map(share).chain(more).collect();
        let given = self
            .arena
            .alloc_slice_fill_iter(all.into_iter().map(Slot::new));
        Value::Lambda(self.arena.alloc(Closure { def, env, given }))
    }

    /// As [`Evaluator::bind_sites`], with values.
    fn bind(
        &self,
        closure: &'a Closure<'a>,
        args: &[Value<'a>],
        pos: Pos,
    ) -> Result<Bound<'a>, Fault> {
        let mut def = closure.def;
        let mut scope = closure.env;
        let mut given = closure.given;
        let mut used = 0;
        loop {
            scope = match &def.pattern {
                None => {
                    let missing = def.arity as usize - given.len();
                    if args.len() - used < missing {
                        let more = args[used..].iter().copied();
                        return Ok(Bound::Function(self.with_more(def, scope, given, more)));
                    }
                    let inner = self.pool.take(self.arena, scope, def.arity as usize);
                    let slots = inner.slots();
                    for (slot, from) in slots.iter().zip(given) {
                        slot.set(share(from));
                    }
                    for (slot, &arg) in slots[given.len()..].iter().zip(&args[used..]) {
                        slot.set(arg);
                    }
                    used += missing;
                    inner
                }
                Some(pattern) => {
                    let value = self.force_value(args[used])?;
                    used += 1;
                    self.bind_pattern(def, pattern, value, scope, pos)?
                }
            };
            given = &[];
            match def.body {
                Expr::Lambda(inner) if used < args.len() => def = inner,
                _ => return Ok(Bound::Body { def, scope, used }),
            }
        }
    }

    fn bind_pattern(
        &self,
        def: &'a LambdaDef<'a>,
        pattern: &'a Pattern<'a>,
        value: Value<'a>,
        scope: Env<'a>,
        pos: Pos,
    ) -> Result<Env<'a>, Fault> {
        let Value::Attrs(attrs) = value else {
            let fault = self.expected("a set", value, def.pos);
            return Err(fault.while_doing(
                pos,
                "while evaluating the value passed for the lambda argument",
            ));
        };
        let inner = self.pool.take(self.arena, scope, def.slots as usize);
        let slots = inner.slots();
        let mut used = 0;
        for (formal, slot) in pattern.formals.iter().zip(slots) {
            match (attrs.get(formal.name), &formal.default) {
                (Some(found), _) => {
                    used += 1;
                    slot.set(share(found));
                }
                // Defaults see the other parameters: what they name may not be set yet, so
                // nothing is copied from a slot here.
                (None, Some(default)) => slot.set(match default.expr {
                    Expr::Lambda(_) | Expr::Const(_) => self.delay(default, inner),
                    _ => {
                        inner.capture();
                        Value::Delayed(default.number, inner)
                    }
                }),
                (None, None) => return Err(self.missing_argument(def, formal.name, pos)),
            }
        }
        if used < attrs.len() && !pattern.ellipsis {
            return Err(self.unexpected_argument(def, pattern, attrs, pos));
        }
        if !def.parameters.is_empty() {
            slots[pattern.formals.len()].set(value);
        }
        Ok(inner)
    }

    fn function_name(&self, def: &LambdaDef<'a>) -> String {
        def.name.get().map_or_else(
            || "anonymous lambda".to_owned(),
            |name| self.symbols.display(name),
        )
    }

    #[cold]
    fn missing_argument(
        &self,
        def: &LambdaDef<'a>,
        name: crate::symbol::Symbol,
        pos: Pos,
    ) -> Fault {
        let (function, name) = (self.function_name(def), self.symbols.display(name));
        FaultData::new(
            Kind::Arguments,
            def.pos,
            format!("function '{function}' called without required argument '{name}'"),
        )
        .while_doing(pos, "from call site")
    }

    #[cold]
    fn unexpected_argument(
        &self,
        def: &LambdaDef<'a>,
        pattern: &Pattern<'a>,
        attrs: &Attrs<'a>,
        pos: Pos,
    ) -> Fault {
        let known = |name| pattern.formals.iter().any(|formal| formal.name == name);
        let name = attrs
            .shape
            .names
            .iter()
            .copied()
            .find(|&name| !known(name))
            .unwrap_or(names::EMPTY);
        let (function, text) = (self.function_name(def), self.symbols.display(name));
        let candidates = pattern
            .formals
            .iter()
            .map(|formal| self.symbols.display(formal.name));
        let fault = FaultData::new(
            Kind::Arguments,
            def.pos,
            format!("function '{function}' called with unexpected argument '{text}'"),
        );
        let fault = match nearest(&text, candidates) {
            Some(hint) => fault.hint(hint),
            None => fault,
        };
        fault.while_doing(pos, "from call site")
    }

    /// Calls something that is no Nix function with arguments that are still expressions.
    pub(super) fn call_sites(
        &self,
        function: Value<'a>,
        args: &'a [Site<'a>],
        env: Env<'a>,
        pos: Pos,
    ) -> R<'a> {
        if let Value::Primop(primop) = function
            && args.len() >= primop.arity()
        {
            let arity = primop.arity();
            let mut values = [Value::Null; MAX_ARITY];
            for (index, site) in args[..arity].iter().enumerate() {
                values[index] = if primop.is_strict(index) {
                    self.eval(site.expr, env)
                        .map_err(|fault| self.trace_argument(fault, primop, pos))?
                } else {
                    self.delay_argument(site, env)
                };
            }
            let result = self.run(primop, &values[..arity], pos)?;
            return if args.len() == arity {
                Ok(result)
            } else {
                self.call_more(result, &args[arity..], env, pos)
            };
        }
        self.call_more(function, args, env, pos)
    }

    fn call_more(
        &self,
        function: Value<'a>,
        args: &'a [Site<'a>],
        env: Env<'a>,
        pos: Pos,
    ) -> R<'a> {
        let values: Vec<Value<'a>> = args
            .iter()
            .map(|site| self.delay_argument(site, env))
            .collect();
        self.call(function, &values, pos)
    }

    #[cold]
    fn trace_argument(&self, fault: Fault, primop: &Primop<'a>, pos: Pos) -> Fault {
        fault.while_doing(
            pos,
            format!("while calling the '{}' builtin", primop.name()),
        )
    }

    fn run(&self, primop: &'a Primop<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
        self.check_stack()?;
        self.enter_call(pos)?;
        let result = primop.run(self, args, pos);
        self.depth.set(self.depth.get() - 1);
        result.map_err(|fault| self.trace_argument(fault.at(pos), primop, pos))
    }

    /// Calls a value with arguments, none of which anybody else holds.
    #[inline]
    pub fn call(&self, function: Value<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
        self.call_packed(&function, args, pos).get()
    }

    #[inline(never)]
    fn call_packed(&self, function: &Value<'a>, args: &[Value<'a>], pos: Pos) -> Packed<R<'a>> {
        Packed::new(self.call_now(*function, args, pos))
    }

    #[inline(always)]
    fn call_now(&self, function: Value<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
        self.check_stack()?;
        let mut function = self.force_value(function)?;
        let mut args = args;
        while !args.is_empty() {
            match function {
                Value::Lambda(closure) => {
                    let (def, scope) = match self.bind(closure, args, pos)? {
                        Bound::Function(function) => return Ok(function),
                        Bound::Body { def, scope, used } => {
                            args = &args[used..];
                            (def, scope)
                        }
                    };
                    let depth = self.depth.get();
                    self.enter_call(pos)?;
                    let result = self.eval(def.body, scope);
                    self.depth.set(depth);
                    self.pool.give(scope);
                    function = result.map_err(|fault| self.trace_call(fault, (pos, Some(def))))?;
                }
                Value::Primop(primop) => {
                    let arity = primop.arity();
                    if args.len() < arity {
                        return Ok(self.partial(primop, &[], args));
                    }
                    let mut values = [Value::Null; MAX_ARITY];
                    for (index, &arg) in args[..arity].iter().enumerate() {
                        values[index] = if primop.is_strict(index) {
                            self.force_value(arg)?
                        } else {
                            arg
                        };
                    }
                    args = &args[arity..];
                    function = self.run(primop, &values[..arity], pos)?;
                }
                Value::Partial(partial) => {
                    let primop = partial.primop;
                    let missing = primop.arity() - partial.args.len();
                    if args.len() < missing {
                        return Ok(self.partial(primop, partial.args, args));
                    }
                    let mut values = [Value::Null; MAX_ARITY];
                    let given = partial
                        .args
                        .iter()
                        .map(share)
                        .chain(args[..missing].iter().copied());
                    for (index, arg) in given.enumerate() {
                        values[index] = if primop.is_strict(index) {
                            self.force_value(arg)?
                        } else {
                            arg
                        };
                    }
                    args = &args[missing..];
                    function = self.run(primop, &values[..primop.arity()], pos)?;
                }
                Value::Attrs(attrs) => match attrs.get(names::FUNCTOR) {
                    Some(functor) => {
                        let functor = self.force(functor)?;
                        self.enter_call(pos)?;
                        let result = self.call(functor, &[function], pos);
                        self.depth.set(self.depth.get() - 1);
                        function = result
                            .map_err(|fault| fault.while_doing(pos, "while calling a functor (an attribute set with a '__functor' attribute)"))?;
                    }
                    None => return Err(self.not_a_function(function, pos)),
                },
                _ => return Err(self.not_a_function(function, pos)),
            }
        }
        Ok(function)
    }

    #[cold]
    fn not_a_function(&self, value: Value<'a>, pos: Pos) -> Fault {
        type_error(
            pos,
            format!(
                "attempt to call something which is not a function but {}: {}",
                type_name(value),
                self.describe(value)
            ),
        )
    }

    fn partial(
        &self,
        primop: &'a Primop<'a>,
        given: &'a [Slot<'a>],
        more: &[Value<'a>],
    ) -> Value<'a> {
        let all = given
            .iter()
            .map(share)
            .chain(more.iter().copied())
            .collect::<Vec<_>>();
        let args = self
            .arena
            .alloc_slice_fill_iter(all.into_iter().map(Slot::new));
        Value::Partial(self.arena.alloc(Partial { primop, args }))
    }

    /// Calls a function with attributes that it names, as `nix-instantiate` does with the value
    /// of a file.
    pub fn auto_call(&self, value: Value<'a>, args: &Attrs<'a>) -> R<'a> {
        let value = self.force_value(value)?;
        if let Value::Attrs(attrs) = value
            && let Some(functor) = attrs.get(names::FUNCTOR)
        {
            let bound = self.call(share(functor), &[value], Pos::NONE)?;
            return self.auto_call(bound, args);
        }
        let Value::Lambda(closure) = value else {
            return Ok(value);
        };
        let Some(pattern) = &closure.def.pattern else {
            return Ok(value);
        };
        let mut given = crate::value::AttrsBuilder::with_capacity(args.len());
        for (name, pos, slot) in args.iter() {
            if pattern.ellipsis || pattern.formals.iter().any(|formal| formal.name == name) {
                given.push(name, pos, share(slot));
            }
        }
        let given = given.build(self.arena);
        for formal in pattern.formals {
            if formal.default.is_none() && given.get(formal.name).is_none() {
                let name = self.symbols.display(formal.name);
                return Err(FaultData::new(
                    Kind::Arguments,
                    formal.pos,
                    format!(
                        "cannot evaluate a function that has an argument without a value ('{name}')"
                    ),
                )
                .hint("give arguments with '--arg' or '--argstr'"));
            }
        }
        self.call(value, &[Value::Attrs(given)], Pos::NONE)
    }
}
