//! Numbers.

use super::Builtin;
use crate::eval::{Evaluator, R};
use crate::ir::Op;
use crate::source::Pos;
use crate::value::Value;

pub const ALL: &[Builtin] = &[
    Builtin::new("add", 2, 0b11, add),
    Builtin::new("bitAnd", 2, 0b11, bit_and),
    Builtin::new("bitOr", 2, 0b11, bit_or),
    Builtin::new("bitXor", 2, 0b11, bit_xor),
    Builtin::new("ceil", 1, 0b1, ceil),
    Builtin::new("div", 2, 0b11, divide),
    Builtin::new("floor", 1, 0b1, floor),
    Builtin::new("lessThan", 2, 0b11, less_than),
    Builtin::new("mul", 2, 0b11, multiply),
    Builtin::new("sub", 2, 0b11, subtract),
];

fn add<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    ev.arithmetic(Op::Add, args[0], args[1], pos)
}

fn subtract<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    ev.arithmetic(Op::Subtract, args[0], args[1], pos)
}

fn multiply<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    ev.arithmetic(Op::Multiply, args[0], args[1], pos)
}

fn divide<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    ev.arithmetic(Op::Divide, args[0], args[1], pos)
}

fn less_than<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    Ok(Value::Bool(ev.less(args[0], args[1], pos)?))
}

fn bits<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos, op: fn(i64, i64) -> i64) -> R<'a> {
    Ok(Value::Int(op(
        ev.as_int(args[0], pos)?,
        ev.as_int(args[1], pos)?,
    )))
}

fn bit_and<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    bits(ev, args, pos, |a, b| a & b)
}

fn bit_or<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    bits(ev, args, pos, |a, b| a | b)
}

fn bit_xor<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    bits(ev, args, pos, |a, b| a ^ b)
}

fn round<'a>(ev: &Evaluator<'a>, value: Value<'a>, pos: Pos, op: fn(f64) -> f64) -> R<'a> {
    let rounded = op(ev.number(value, pos)?.float());
    // What the processor's conversion gives, and with it CppNix, for numbers that do not fit.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded);
    Ok(Value::Int(if fits { rounded as i64 } else { i64::MIN }))
}

fn ceil<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    round(ev, args[0], pos, f64::ceil)
}

fn floor<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> R<'a> {
    round(ev, args[0], pos, f64::floor)
}
