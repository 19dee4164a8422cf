//! Evaluation.

mod assertion;
mod attrs;
mod call;
mod coerce;
mod compare;
pub(crate) mod import;
mod ops;
mod room;
mod search;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;

use bumpalo::Bump;
use rustc_hash::FxBuildHasher;

pub use coerce::{Coerce, type_name};

use crate::builtins::Primop;
use crate::error::{Fault, FaultData, Kind, other, type_error};
use crate::host::Host;
use crate::ir::{Expr, Site};
use crate::source::{Pos, Sources};
use crate::symbol::{Interner, Symbol};
use crate::syntax::Globals;
use crate::value::{Closure, Env, Lazy, List, Packed, Pool, Shape, Slot, Text, Value, share};

/// What evaluation gives.
pub type R<'a> = Result<Value<'a>, Fault>;

pub(crate) type Map<K, V> = HashMap<K, V, FxBuildHasher>;

/// Limits and switches of an evaluation.
#[derive(Clone, Debug)]
pub struct Options {
    /// Calls within calls before `stack overflow; max-call-depth exceeded`.
    pub max_call_depth: u32,
    /// Bytes of values before the evaluation is given up; `None`: no limit.
    pub max_memory: Option<usize>,
    /// How long the evaluation may take; `None`: as long as it likes.
    pub max_time: Option<std::time::Duration>,
    /// Set from another thread (or a signal) to end the evaluation with an error; cleared by it.
    pub interrupt: Option<std::sync::Arc<std::sync::atomic::AtomicBool>>,
    /// `--trace-verbose`.
    pub trace_verbose: bool,
    /// Whether `|>` and `<|` are allowed.
    pub pipe_operators: bool,
    /// `--abort-on-warn`.
    pub abort_on_warn: bool,
    /// Whether `fromTOML` understands times.
    pub toml_timestamps: bool,
    /// Whether `builtins.getFlake` and its relatives exist (they fail by name).
    pub flakes: bool,
    /// Where relative paths of texts that are no files lie.
    pub base_path: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_call_depth: 10_000,
            max_memory: None,
            max_time: None,
            interrupt: None,
            trace_verbose: false,
            pipe_operators: false,
            abort_on_warn: false,
            toml_timestamps: false,
            flakes: false,
            base_path: "/".to_owned(),
        }
    }
}

/// All state of one evaluation.
pub struct Evaluator<'a> {
    pub(crate) arena: &'a Bump,
    pub(crate) symbols: Interner<'a>,
    pub(crate) sources: Sources<'a>,
    pub(crate) sites: Sites<'a>,
    pub(crate) host: &'a dyn Host,
    pub(crate) options: Options,
    pub(crate) globals: OnceCell<Map<Symbol, Value<'a>>>,
    pub(crate) files: RefCell<Map<Vec<u8>, &'a Slot<'a>>>,
    pub(crate) searched: RefCell<Map<Vec<u8>, Option<Vec<u8>>>>,
    pub(crate) caches: crate::builtins::Caches<'a>,
    pub(crate) store: crate::store::StoreState,
    rooms: room::Rooms<'a>,
    /// What names two sets have together, by the addresses of their shapes.
    merged: RefCell<Map<(usize, usize), &'a Shape<'a>>>,
    /// Where the syntax tree of the next file goes.
    syntax: RefCell<Bump>,
    empty_env: Env<'a>,
    pool: Pool<'a>,
    depth: Cell<u32>,
    steps: Cell<u32>,
    deadline: Option<std::time::Instant>,
    stack_limit: usize,
}

/// Expressions that may be put off, by number.
pub struct Sites<'a> {
    arena: &'a Bump,
    table: Cell<&'a [Cell<Option<&'a Expr<'a>>>]>,
    used: Cell<u32>,
}

impl<'a> Sites<'a> {
    fn new(arena: &'a Bump) -> Self {
        let table = arena.alloc_slice_fill_with(16 * 1024, |_| Cell::new(None));
        Self {
            arena,
            table: Cell::new(table),
            used: Cell::new(0),
        }
    }

    /// Registers an expression.
    pub(crate) fn add(&self, expr: &'a Expr<'a>) -> u32 {
        let number = self.used.get();
        let table = self.table.get();
        if number as usize == table.len() {
            let larger =
                self.arena
                    .alloc_slice_fill_with(table.len() * 2, |i| match table.get(i) {
                        Some(entry) => Cell::new(entry.get()),
                        None => Cell::new(None),
                    });
            self.table.set(larger);
        }
        self.table.get()[number as usize].set(Some(expr));
        self.used.set(number + 1);
        number
    }

    #[inline]
    fn get(&self, number: u32) -> &'a Expr<'a> {
        self.table.get()[number as usize]
            .get()
            .expect("sites are registered before they are used")
    }
}

impl<'a> Globals<'a> for Evaluator<'a> {
    fn global(&self, name: Symbol) -> Option<Value<'a>> {
        self.globals.get()?.get(&name).copied()
    }
}

/// How many forced values pass between two looks at the clock and the memory.
const STEPS_BETWEEN_CHECKS: u32 = 4096;

impl<'a> Evaluator<'a> {
    /// A new evaluation. `stack_limit` is the lowest address that the stack may reach.
    pub(crate) fn new(
        arena: &'a Bump,
        host: &'a dyn Host,
        options: Options,
        stack_limit: usize,
    ) -> Self {
        let evaluator = Self {
            arena,
            symbols: Interner::new(arena),
            sources: Sources::new(arena),
            sites: Sites::new(arena),
            host,
            deadline: options
                .max_time
                .map(|time| std::time::Instant::now() + time),
            options,
            globals: OnceCell::new(),
            files: RefCell::default(),
            searched: RefCell::default(),
            caches: Default::default(),
            store: Default::default(),
            rooms: room::Rooms::default(),
            merged: RefCell::default(),
            syntax: RefCell::default(),
            empty_env: Env::new(arena, None, 0),
            pool: Pool::default(),
            depth: Cell::new(0),
            steps: Cell::new(0),
            stack_limit,
        };
        let globals = crate::builtins::globals(&evaluator);
        let _ = evaluator.globals.set(globals);
        evaluator
    }

    /// A scope without variables.
    pub(crate) fn empty_env(&self) -> Env<'a> {
        self.empty_env
    }

    /// Forgets what files evaluate to and where `<...>` leads, so that they are read again.
    pub fn forget_files(&self) {
        self.files.borrow_mut().clear();
        self.searched.borrow_mut().clear();
        self.caches.copied.borrow_mut().clear();
    }

    /// Bytes that the values of this evaluation take.
    pub fn memory(&self) -> usize {
        // Blocks are larger than what is in them.
        self.arena
            .allocated_bytes()
            .saturating_sub(self.arena.chunk_capacity())
    }

    #[inline]
    pub(crate) fn check_stack(&self) -> Result<(), Fault> {
        let marker = 0u8;
        if (&raw const marker).addr() < self.stack_limit {
            Err(stack_overflow())
        } else {
            Ok(())
        }
    }

    #[inline]
    fn enter_call(&self, pos: Pos) -> Result<(), Fault> {
        let depth = self.depth.get() + 1;
        if depth > self.options.max_call_depth {
            return Err(FaultData::new(
                Kind::StackOverflow,
                pos,
                "stack overflow; max-call-depth exceeded",
            ));
        }
        self.depth.set(depth);
        let steps = self.steps.get().wrapping_add(1);
        self.steps.set(steps);
        if steps.is_multiple_of(STEPS_BETWEEN_CHECKS) {
            self.check_limits(pos)?;
        }
        Ok(())
    }

    #[cold]
    fn check_limits(&self, pos: Pos) -> Result<(), Fault> {
        if let Some(limit) = self.options.max_memory
            && self.memory() > limit
        {
            let message = format!("evaluation needs more than {} MiB of memory", limit >> 20);
            return Err(FaultData::new(Kind::Limit, pos, message));
        }
        if let Some(interrupt) = &self.options.interrupt
            && interrupt.swap(false, std::sync::atomic::Ordering::Relaxed)
        {
            return Err(FaultData::new(
                Kind::Interrupted,
                pos,
                "interrupted by the user",
            ));
        }
        if let Some(deadline) = self.deadline
            && std::time::Instant::now() > deadline
        {
            return Err(FaultData::new(
                Kind::Limit,
                pos,
                "evaluation takes longer than allowed",
            ));
        }
        Ok(())
    }

    /// A value for later: what is cheap is made at once, everything else is put off.
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
            expr => {
                if site.cheap
                    && let Some(value) = self.try_now(expr, env)
                {
                    return value;
                }
                env.capture();
                Value::Delayed(site.number, env)
            }
        }
    }

    #[inline]
    fn closure(&self, def: &'a crate::ir::LambdaDef<'a>, env: Env<'a>) -> Value<'a> {
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
                    crate::ir::Op::Add => left.checked_add(right),
                    crate::ir::Op::Subtract => left.checked_sub(right),
                    _ => left.checked_mul(right),
                };
                result.map(Value::Int)
            }
            Expr::Select {
                base: Expr::Var { depth, slot, .. },
                path: [crate::ir::Key::Static(name, _)],
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
    fn force_slot(&self, slot: &'a Slot<'a>, value: Value<'a>) -> R<'a> {
        self.force_packed(slot, value).get()
    }

    #[inline(never)]
    fn force_packed(&self, slot: &'a Slot<'a>, value: Value<'a>) -> Packed<'a> {
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
    fn step_packed(&self, index: u32, lazy: &'a Lazy<'a>) -> Packed<'a> {
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

    /// Evaluates an expression until it is known what it is.
    #[inline]
    pub(crate) fn eval(&self, expr: &'a Expr<'a>, env: Env<'a>) -> R<'a> {
        self.eval_packed(expr, env).get()
    }

    #[inline(never)]
    fn eval_packed(&self, expr: &'a Expr<'a>, env: Env<'a>) -> Packed<'a> {
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
    fn eval_tail(&self, expr: &'a Expr<'a>, env: Env<'a>) -> Packed<'a> {
        let depth = self.depth.get();
        let mut called = (Pos::NONE, None);
        let mut owned = None;
        let result = self.eval_loop(expr, env, &mut called, &mut owned);
        self.depth.set(depth);
        if let Some(scope) = owned {
            self.pool.give(scope);
        }
        match result {
            Err(fault) => Packed::new(Err(self.trace_call(fault, called))),
            Ok(value) => Packed::new(Ok(value)),
        }
    }

    #[inline(always)]
    fn eval_loop(
        &self,
        mut expr: &'a Expr<'a>,
        mut env: Env<'a>,
        called: &mut (Pos, Option<&'a crate::ir::LambdaDef<'a>>),
        owned: &mut Option<Env<'a>>,
    ) -> R<'a> {
        loop {
            match expr {
                Expr::Const(value) => return Ok(*value),
                Expr::Var { depth, slot, pos } => {
                    let slot = env.lookup(*depth, *slot);
                    return self.force(slot).map_err(|fault| fault.at(*pos));
                }
                Expr::WithVar { name, withs, pos } => {
                    return self.with_variable(*name, withs, *pos, env);
                }
                Expr::Select {
                    base,
                    path,
                    default,
                    pos,
                    cache,
                } => {
                    match self.select(base, path, *default, *pos, cache, env)? {
                        Some(value) => return Ok(value),
                        // The default is in tail position.
                        None => match default {
                            Some(default) => expr = default,
                            None => return Ok(Value::Null),
                        },
                    }
                }
                Expr::HasAttr { base, path } => return self.has_attr(base, path, env),
                Expr::Attrs(def) => return self.make_attrs(def, env),
                Expr::List(items) => {
                    let items = self.arena.alloc_slice_fill_iter(
                        items.iter().map(|site| Slot::new(self.delay(site, env))),
                    );
                    return Ok(self.list(items));
                }
                Expr::Lambda(def) => {
                    return Ok(self.closure(def, env));
                }
                Expr::Call {
                    function,
                    args,
                    pos,
                } => {
                    let mut args = *args;
                    let mut function = self.eval(function, env)?;
                    loop {
                        let Value::Lambda(closure) = function else {
                            return self.call_sites(function, args, env, *pos);
                        };
                        let (def, scope, used) = match self.bind_sites(closure, args, env, *pos)? {
                            call::Bound::Function(function) => return Ok(function),
                            call::Bound::Body { def, scope, used } => (def, scope, used),
                        };
                        self.enter_call(*pos)?;
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
                        function = self.eval(def.body, scope)?;
                        self.pool.give(scope);
                    }
                }
                Expr::Let { def, body } => {
                    env = self.make_scope(def, env)?;
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
                    expr = if self.eval_condition(condition, env, *pos)? {
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
                    if !self.eval_condition(condition, env, *pos)? {
                        return Err(self.assertion_failed(condition, env, *pos, text));
                    }
                    expr = body;
                }
                Expr::Not(operand, pos) => {
                    let value =
                        self.eval_bool(operand, env, *pos, "in the argument of the not operator")?;
                    return Ok(Value::Bool(!value));
                }
                Expr::Binary {
                    op,
                    left,
                    right,
                    pos,
                } => return self.binary(*op, left, right, *pos, env),
                Expr::Interpolation { parts, pos } => return self.interpolate(parts, *pos, env),
                Expr::PathInterpolation { parts, pos } => {
                    return self.interpolate_path(parts, *pos, env);
                }
                Expr::CurrentPosition(pos) => return Ok(self.position_value(*pos)),
            }
        }
    }

    #[cold]
    fn trace_call(
        &self,
        fault: Fault,
        (pos, def): (Pos, Option<&'a crate::ir::LambdaDef<'a>>),
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

    fn eval_bool(
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
    fn with_variable(&self, name: Symbol, withs: &[u32], pos: Pos, env: Env<'a>) -> R<'a> {
        let slot = self.with_slot(name, withs, pos, env)?;
        self.force(slot).map_err(|fault| fault.at(pos))
    }

    fn with_slot(
        &self,
        name: Symbol,
        withs: &[u32],
        pos: Pos,
        env: Env<'a>,
    ) -> Result<&'a Slot<'a>, Fault> {
        for &depth in withs {
            let set = match self
                .force(env.lookup(depth, 0))
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
            if let Some(slot) = set.get(name) {
                return Ok(slot);
            }
        }
        for &depth in withs {
            if let Value::Attrs(set) = self.force(env.lookup(depth, 0))?
                && let Some(value) = self.answer_for(set, name, pos)?
            {
                return Ok(self.arena.alloc(Slot::new(value)));
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

    /// A string without context.
    pub(crate) fn text(&self, bytes: &[u8]) -> Value<'a> {
        let bytes = self.arena.alloc_slice_copy(bytes);
        Value::Text(self.arena.alloc(Text {
            bytes,
            context: &[],
        }))
    }

    /// A string without context around bytes that are in the arena already.
    pub(crate) fn text_in_arena(&self, bytes: &'a [u8]) -> Value<'a> {
        Value::Text(self.arena.alloc(Text {
            bytes,
            context: &[],
        }))
    }

    /// A string with context.
    pub(crate) fn text_with(&self, bytes: &[u8], context: crate::value::Context<'a>) -> Value<'a> {
        let bytes = self.arena.alloc_slice_copy(bytes);
        Value::Text(self.arena.alloc(Text { bytes, context }))
    }

    /// A symbol's text as a string.
    pub(crate) fn symbol_text(&self, symbol: Symbol) -> Value<'a> {
        Value::Text(self.symbols.value(symbol))
    }

    /// A path.
    pub(crate) fn path(&self, bytes: &[u8]) -> Value<'a> {
        let bytes = self.arena.alloc_slice_copy(bytes);
        Value::Path(self.arena.alloc(Text {
            bytes,
            context: &[],
        }))
    }

    /// A list.
    pub(crate) fn list(&self, items: &'a [Slot<'a>]) -> Value<'a> {
        if items.is_empty() {
            Value::EMPTY_LIST
        } else {
            Value::List(self.arena.alloc(List { items }))
        }
    }

    /// A list of values.
    pub(crate) fn list_of(&self, items: &[Value<'a>]) -> Value<'a> {
        self.list(
            self.arena
                .alloc_slice_fill_iter(items.iter().map(|&value| Slot::new(value))),
        )
    }

    /// A value in a slot of its own, so that it can be used twice and is evaluated once.
    pub(crate) fn sharable(&self, value: Value<'a>) -> Value<'a> {
        match value {
            Value::Delayed(..) | Value::Lazy(..) => Value::Ref(self.arena.alloc(Slot::new(value))),
            value => value,
        }
    }

    pub(crate) fn primop_value(&self, primop: Primop<'a>) -> Value<'a> {
        Value::Primop(self.arena.alloc(primop))
    }

    /// What `expected` instead of `value` is an error about.
    #[cold]
    pub(crate) fn expected(&self, expected: &str, value: Value<'a>, pos: Pos) -> Fault {
        type_error(
            pos,
            format!(
                "expected {expected} but found {}: {}",
                type_name(value),
                self.describe(value)
            ),
        )
    }

    /// A value in an error message.
    #[cold]
    pub(crate) fn describe(&self, value: Value<'a>) -> String {
        crate::print::error_form(self, value)
    }

    #[cold]
    pub(crate) fn fail(&self, pos: Pos, message: impl Into<String>) -> Fault {
        other(pos, message)
    }
}

#[cold]
fn stack_overflow() -> Fault {
    FaultData::new(
        Kind::StackOverflow,
        Pos::NONE,
        "stack overflow (possible infinite recursion)",
    )
}
