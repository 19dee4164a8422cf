//! Putting expressions off, and evaluating what was put off.

use super::{Evaluator, R};
use crate::error::{Fault, FaultData, Kind};
use crate::ir::{Expr, Key, LambdaDef, Op, Site};
use crate::source::Pos;
use crate::symbol::Symbol;
use crate::value::{Closure, Env, Lazy, Packed, Slot, Value, share};

impl<'a> Evaluator<'a> {
    /// An argument for later: what is cheap is made at once.
    #[inline]
    pub(crate) fn delay_argument(&self, site: &Site<'a>, env: Env<'a>) -> Value<'a> {
        if site.cheap
            && let Some(value) = self.try_now(site.expr, env)
        {
            return value;
        }
        self.delay(site, env)
    }

    /// A value for later. Only what is a value already is not put off, as what has been evaluated
    /// can be seen by printing.
    #[inline]
    pub(crate) fn delay(&self, site: &Site<'a>, env: Env<'a>) -> Value<'a> {
        match site.expr {
            Expr::Const(value) => *value,
            Expr::Var { depth, slot, .. } => {
                let scope = env.ancestor(*depth);
                let value = share(&scope.slots()[*slot as usize]);
                if let Value::Ref(_) = value {
                    scope.capture();
                }
                value
            }
            Expr::Lambda(def) => self.closure(def, env),
            _ => {
                env.capture();
                Value::Delayed(site.number, env)
            }
        }
    }

    #[inline]
    pub(super) fn closure(&self, def: &'a LambdaDef<'a>, env: Env<'a>) -> Value<'a> {
        env.capture();
        Value::Lambda(self.arena.alloc(Closure {
            def,
            env,
            given: &[],
        }))
    }

    /// The value of a cheap expression, if everything that it needs is there and nothing can go
    /// wrong.
    fn try_now(&self, expr: &'a Expr<'a>, env: Env<'a>) -> Option<Value<'a>> {
        match expr {
            Expr::Const(value) => Some(*value),
            Expr::Var { depth, slot, .. } => {
                let value = env.lookup(*depth, *slot).get();
                value.is_evaluated().then_some(value)
            }
            Expr::Binary {
                op, left, right, ..
            } => {
                let Value::Int(left) = self.try_now(left, env)? else {
                    return None;
                };
                let Value::Int(right) = self.try_now(right, env)? else {
                    return None;
                };
                let result = match op {
                    Op::Add => left.checked_add(right),
                    Op::Subtract => left.checked_sub(right),
                    _ => left.checked_mul(right),
                };
                result.map(Value::Int)
            }
            Expr::Select {
                base: Expr::Var { depth, slot, .. },
                path: [Key::Static(name, _)],
                ..
            } => {
                let Value::Attrs(attrs) = env.lookup(*depth, *slot).get() else {
                    return None;
                };
                Some(share(attrs.get(*name)?))
            }
            _ => None,
        }
    }

    /// The value of a slot.
    #[inline]
    pub fn force(&self, slot: &'a Slot<'a>) -> R<'a> {
        let value = slot.get();
        if value.is_evaluated() {
            Ok(value)
        } else {
            self.force_slot(slot, value)
        }
    }

    #[inline]
    pub(super) fn force_slot(&self, slot: &'a Slot<'a>, value: Value<'a>) -> R<'a> {
        self.force_packed(slot, value).get()
    }

    #[inline(never)]
    fn force_packed(&self, slot: &'a Slot<'a>, value: Value<'a>) -> Packed<R<'a>> {
        let site = if let Value::Delayed(site, _) = value {
            site
        } else {
            u32::MAX
        };
        slot.set(Value::BlackHole(site));
        let result = match value {
            Value::Delayed(site, env) => self.eval(self.sites.get(site), env),
            Value::Ref(target) => self.force(target),
            Value::Lazy(index, lazy) => self.step(index, lazy),
            Value::BlackHole(site) => Err(self.infinite_recursion(site)),
            value => Ok(value),
        };
        match result {
            Ok(result) => slot.set(result),
            // The next one who asks gets the same error.
            Err(_) => slot.set(value),
        }
        Packed::new(result)
    }

    /// The value of something that nobody else holds.
    #[inline]
    pub fn force_value(&self, value: Value<'a>) -> R<'a> {
        match value {
            Value::Delayed(site, env) => self.eval(self.sites.get(site), env),
            Value::Ref(slot) => self.force(slot),
            Value::Lazy(index, lazy) => self.step(index, lazy),
            Value::BlackHole(site) => Err(self.infinite_recursion(site)),
            value => Ok(value),
        }
    }

    #[cold]
    fn infinite_recursion(&self, site: u32) -> Fault {
        let fault = FaultData::new(
            Kind::InfiniteRecursion,
            Pos::NONE,
            "infinite recursion encountered",
        );
        if site == u32::MAX {
            return fault;
        }
        let pos = self.sites.get(site).pos();
        if pos.is_some() {
            fault.while_doing(pos, "while evaluating this value, which needs itself")
        } else {
            fault
        }
    }

    #[inline]
    fn step(&self, index: u32, lazy: &'a Lazy<'a>) -> R<'a> {
        self.step_packed(index, lazy).get()
    }

    #[inline(never)]
    fn step_packed(&self, index: u32, lazy: &'a Lazy<'a>) -> Packed<R<'a>> {
        Packed::new(self.step_now(index, lazy))
    }

    #[inline(always)]
    fn step_now(&self, index: u32, lazy: &'a Lazy<'a>) -> R<'a> {
        self.check_stack()?;
        match *lazy {
            Lazy::Apply { function, argument } => self.call(function, &[argument], Pos::NONE),
            Lazy::Apply2 {
                function,
                first,
                second,
            } => self.call(function, &[first, second], Pos::NONE),
            Lazy::Map { function, items } => {
                self.call(function, &[share(&items[index as usize])], Pos::NONE)
            }
            Lazy::Generate { function } => {
                self.call(function, &[Value::Int(i64::from(index))], Pos::NONE)
            }
            Lazy::MapAttrs { function, attrs } => {
                let index = index as usize;
                let name = self.symbol_text(attrs.shape.names[index]);
                self.call(function, &[name, share(&attrs.slots[index])], Pos::NONE)
            }
            Lazy::Select { ref set, pos } => self.select_inherited(set, Symbol(index), pos),
        }
    }
}
