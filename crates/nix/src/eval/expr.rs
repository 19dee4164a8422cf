//! Expressions: what each kind evaluates to.

use super::call::Bound;
use super::{Evaluator, R};
use crate::error::{Fault, FaultData, Kind};
use crate::ir::{Expr, LambdaDef, With};
use crate::source::Pos;
use crate::symbol::Symbol;
use crate::value::{Env, Packed, Slot, Value};

/// The value of a result; an error is the function's result.
macro_rules! ok {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(fault) => return Packed::new(Err(fault)),
        }
    };
}

impl<'a> Evaluator<'a> {
    /// Evaluates an expression until it is known what it is.
    #[inline]
    pub(crate) fn eval(&self, expr: &'a Expr<'a>, env: Env<'a>) -> R<'a> {
        self.eval_packed(expr, env).get()
    }

    #[inline(never)]
    fn eval_packed(&self, expr: &'a Expr<'a>, env: Env<'a>) -> Packed<R<'a>> {
        if let Err(fault) = self.check_stack() {
            return Packed::new(Err(fault));
        }
        match expr {
            Expr::Const(value) => Packed::new(Ok(*value)),
            Expr::Var { depth, slot, pos } => {
                let slot = env.lookup(*depth, *slot);
                let value = slot.get();
                if value.is_evaluated() {
                    return Packed::new(Ok(value));
                }
                Packed::new(self.force_slot(slot, value).map_err(|fault| fault.at(*pos)))
            }
            // Mostly, what is selected was found at the same place before and is there already.
            Expr::Select {
                base: Expr::Var { depth, slot, .. },
                path: [_],
                cache,
                ..
            } => {
                if let Value::Attrs(attrs) = env.lookup(*depth, *slot).get()
                    && let Some((shape, index)) = cache.get()
                    && std::ptr::eq(shape, attrs.shape)
                {
                    let value = attrs.slots[index as usize].get();
                    if value.is_evaluated() {
                        return Packed::new(Ok(value));
                    }
                }
                self.eval_tail(expr, env)
            }
            // No call happens in these themselves.
            Expr::Attrs(def) => Packed::new(self.make_attrs(def, env)),
            Expr::Lambda(def) => Packed::new(Ok(self.closure(def, env))),
            _ => self.eval_tail(expr, env),
        }
    }

    #[inline(never)]
    fn eval_tail(&self, expr: &'a Expr<'a>, env: Env<'a>) -> Packed<R<'a>> {
        let depth = self.depth.get();
        let mut called = (Pos::NONE, None);
        let mut owned = None;
        let result = self.eval_loop(expr, env, &mut called, &mut owned);
        self.depth.set(depth);
        if let Some(scope) = owned {
            self.pool.give(scope);
        }
        match result.get() {
            Err(fault) => Packed::new(Err(self.trace_call(fault, called))),
            Ok(value) => Packed::new(Ok(value)),
        }
    }

    #[inline(always)]
    fn eval_loop(
        &self,
        mut expr: &'a Expr<'a>,
        mut env: Env<'a>,
        called: &mut (Pos, Option<&'a LambdaDef<'a>>),
        owned: &mut Option<Env<'a>>,
    ) -> Packed<R<'a>> {
        loop {
            match expr {
                Expr::Const(value) => return Packed::new(Ok(*value)),
                Expr::Var { depth, slot, pos } => {
                    let slot = env.lookup(*depth, *slot);
                    return Packed::new(self.force(slot).map_err(|fault| fault.at(*pos)));
                }
                Expr::WithVar { name, withs, pos } => {
                    return Packed::new(self.with_variable(*name, withs, *pos, env));
                }
                Expr::Select {
                    base,
                    path,
                    default,
                    pos,
                    cache,
                } => {
                    match ok!(self.select(base, path, *default, *pos, cache, env)) {
                        Some(value) => return Packed::new(Ok(value)),
                        // The default is in tail position.
                        None => match default {
                            Some(default) => expr = default,
                            None => return Packed::new(Ok(Value::Null)),
                        },
                    }
                }
                Expr::HasAttr { base, path } => return Packed::new(self.has_attr(base, path, env)),
                Expr::Attrs(def) => return Packed::new(self.make_attrs(def, env)),
                Expr::List(items) => {
                    let items = self.arena.alloc_slice_fill_iter(
                        items.iter().map(|site| Slot::new(self.delay(site, env))),
                    );
                    return Packed::new(Ok(self.list(items)));
                }
                Expr::Lambda(def) => {
                    return Packed::new(Ok(self.closure(def, env)));
                }
                Expr::Call {
                    function,
                    args,
                    pos,
                } => {
                    let mut args = *args;
                    let mut function = ok!(self.eval(function, env));
                    loop {
                        let Value::Lambda(closure) = function else {
                            return Packed::new(self.call_sites(function, args, env, *pos));
                        };
                        let (def, scope, used) = match ok!(self.bind_sites(closure, args, env, *pos))
                        {
                            Bound::Function(function) => return Packed::new(Ok(function)),
                            Bound::Body { def, scope, used } => (def, scope, used),
                        };
                        ok!(self.enter_call(*pos));
                        *called = (*pos, Some(def));
                        if used == args.len() {
                            expr = def.body;
                            env = scope;
                            if let Some(left) = owned.replace(scope) {
                                self.pool.give(left);
                            }
                            break;
                        }
                        args = &args[used..];
                        function = ok!(self.eval(def.body, scope));
                        self.pool.give(scope);
                    }
                }
                Expr::Let { def, body } => {
                    env = ok!(self.make_scope(def, env));
                    expr = body;
                }
                Expr::With { set, body } => {
                    let scope = Env::new(self.arena, Some(env), 1);
                    scope.slots()[0].set(self.delay(set, env));
                    env = scope;
                    expr = body;
                }
                Expr::If {
                    condition,
                    then,
                    otherwise,
                    pos,
                } => {
                    expr = if ok!(self.eval_condition(condition, env, *pos)) {
                        then
                    } else {
                        otherwise
                    };
                }
                Expr::Assert {
                    condition,
                    body,
                    pos,
                    text,
                } => {
                    if !ok!(self.eval_condition(condition, env, *pos)) {
                        return Packed::new(Err(self.assertion_failed(condition, env, *pos, text)));
                    }
                    expr = body;
                }
                Expr::Not(operand, pos) => {
                    let value = ok!(self.eval_bool(
                        operand,
                        env,
                        *pos,
                        "in the argument of the not operator"
                    ));
                    return Packed::new(Ok(Value::Bool(!value)));
                }
                Expr::Binary {
                    op,
                    left,
                    right,
                    pos,
                } => return Packed::new(self.binary(*op, left, right, *pos, env)),
                Expr::Interpolation { parts, pos } => {
                    return Packed::new(self.interpolate(parts, *pos, env));
                }
                Expr::PathInterpolation { parts, pos } => {
                    return Packed::new(self.interpolate_path(parts, *pos, env));
                }
                Expr::CurrentPosition(pos) => return Packed::new(Ok(self.position_value(*pos))),
            }
        }
    }

    #[cold]
    pub(super) fn trace_call(
        &self,
        fault: Fault,
        (pos, def): (Pos, Option<&'a LambdaDef<'a>>),
    ) -> Fault {
        let Some(def) = def else { return fault };
        let name = match def.name.get() {
            Some(name) => format!("while calling '{}'", self.symbols.display(name)),
            None => "while calling anonymous lambda".to_owned(),
        };
        fault
            .while_doing(def.pos, name)
            .while_doing(pos, "from call site")
    }

    fn eval_condition(
        &self,
        condition: &'a Expr<'a>,
        env: Env<'a>,
        pos: Pos,
    ) -> Result<bool, Fault> {
        match self.eval(condition, env)? {
            Value::Bool(value) => Ok(value),
            value => Err(self.expected("a Boolean", value, condition.pos().or(pos))),
        }
    }

    pub(super) fn eval_bool(
        &self,
        expr: &'a Expr<'a>,
        env: Env<'a>,
        pos: Pos,
        context: &str,
    ) -> Result<bool, Fault> {
        match self.eval(expr, env)? {
            Value::Bool(value) => Ok(value),
            value => Err(self
                .expected("a Boolean", value, expr.pos().or(pos))
                .while_doing(pos, context)),
        }
    }

    /// The innermost `with` that has the name provides it.
    fn with_variable(&self, name: Symbol, withs: &'a [With<'a>], pos: Pos, env: Env<'a>) -> R<'a> {
        for with in withs {
            let set = match self
                .force(env.lookup(with.depth, 0))
                .map_err(|fault| fault.at(pos))?
            {
                Value::Attrs(attrs) => attrs,
                value => {
                    let fault = self.expected("a set", value, pos);
                    return Err(fault.while_doing(
                        pos,
                        "while evaluating the first subexpression of a with expression",
                    ));
                }
            };
            let found = match with.cache.get() {
                Some((shape, found)) if std::ptr::eq(shape, set.shape) => found,
                _ => {
                    let found = set.shape.find(name).map(|index| index as u32);
                    with.cache.set(Some((set.shape, found)));
                    found
                }
            };
            if let Some(index) = found {
                return self
                    .force(&set.slots[index as usize])
                    .map_err(|fault| fault.at(pos));
            }
        }
        self.answer_of_withs(name, withs, pos, env)
    }

    #[cold]
    fn answer_of_withs(
        &self,
        name: Symbol,
        withs: &'a [With<'a>],
        pos: Pos,
        env: Env<'a>,
    ) -> R<'a> {
        for with in withs {
            if let Value::Attrs(set) = self.force(env.lookup(with.depth, 0))?
                && let Some(value) = self.answer_for(set, name, pos)?
            {
                return Ok(value);
            }
        }
        let mut fault = FaultData::new(
            Kind::UndefinedVariable,
            pos,
            format!("undefined variable '{}'", self.symbols.display(name)),
        );
        fault.width = self.symbols.text(name).len() as u32;
        Err(fault)
    }
}
