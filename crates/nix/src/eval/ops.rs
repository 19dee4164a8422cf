//! Operators.

use super::coerce::Coerce;
use super::{Evaluator, R};
use crate::error::{Fault, type_error};
use crate::eval::type_name;
use crate::ir::{Expr, Op};
use crate::path;
use crate::source::Pos;
use crate::value::{Env, Slot, Value, share};

/// A number.
#[derive(Clone, Copy)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    pub(crate) fn float(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

impl<'a> Evaluator<'a> {
    pub(super) fn binary(
        &self,
        op: Op,
        left: &'a Expr<'a>,
        right: &'a Expr<'a>,
        pos: Pos,
        env: Env<'a>,
    ) -> R<'a> {
        match op {
            Op::And => {
                if !self.eval_bool(
                    left,
                    env,
                    pos,
                    "in the left operand of the AND (&&) operator",
                )? {
                    return Ok(Value::Bool(false));
                }
                return Ok(Value::Bool(self.eval_bool(
                    right,
                    env,
                    pos,
                    "in the right operand of the AND (&&) operator",
                )?));
            }
            Op::Or => {
                if self.eval_bool(
                    left,
                    env,
                    pos,
                    "in the left operand of the OR (||) operator",
                )? {
                    return Ok(Value::Bool(true));
                }
                return Ok(Value::Bool(self.eval_bool(
                    right,
                    env,
                    pos,
                    "in the right operand of the OR (||) operator",
                )?));
            }
            Op::Implies => {
                if !self.eval_bool(
                    left,
                    env,
                    pos,
                    "in the left operand of the IMPL (->) operator",
                )? {
                    return Ok(Value::Bool(true));
                }
                return Ok(Value::Bool(self.eval_bool(
                    right,
                    env,
                    pos,
                    "in the right operand of the IMPL (->) operator",
                )?));
            }
            _ => {}
        }
        // `a > b` is `b < a`, and CppNix evaluates `b` first.
        let (first, second) = match op {
            Op::Greater | Op::LessOrEqual => (right, left),
            _ => (left, right),
        };
        let a = self.eval(first, env)?;
        if op == Op::Add {
            return self.add(a, right, pos, env);
        }
        if op == Op::Update {
            let Value::Attrs(a) = a else {
                return Err(self
                    .expected("a set", a, pos)
                    .while_doing(pos, "in the left operand of the update (//) operator"));
            };
            let b = self.eval(second, env)?;
            let Value::Attrs(b) = b else {
                return Err(self
                    .expected("a set", b, pos)
                    .while_doing(pos, "in the right operand of the update (//) operator"));
            };
            return Ok(if b.is_empty() {
                Value::Attrs(a)
            } else {
                Value::Attrs(self.update(a, b))
            });
        }
        let b = self.eval(second, env)?;
        match op {
            Op::Subtract => self.arithmetic(Op::Subtract, a, b, pos),
            Op::Multiply => self.arithmetic(Op::Multiply, a, b, pos),
            Op::Divide => self.arithmetic(Op::Divide, a, b, pos),
            Op::Equal => Ok(Value::Bool(self.equal(a, b, pos)?)),
            Op::NotEqual => Ok(Value::Bool(!self.equal(a, b, pos)?)),
            Op::Less | Op::Greater => Ok(Value::Bool(self.less(a, b, pos)?)),
            Op::LessOrEqual | Op::GreaterOrEqual => Ok(Value::Bool(!self.less(a, b, pos)?)),
            Op::Concat => {
                let a = self.as_list(a, pos).map_err(|fault| {
                    fault.while_doing(pos, "while evaluating one of the elements to concatenate")
                })?;
                let b = self.as_list(b, pos).map_err(|fault| {
                    fault.while_doing(pos, "while evaluating one of the elements to concatenate")
                })?;
                Ok(match (a.is_empty(), b.is_empty()) {
                    (_, true) => self.list(a),
                    (true, _) => self.list(b),
                    _ => self.list(self.rooms.concat(self.arena, a, b)),
                })
            }
            Op::Add | Op::Update | Op::And | Op::Or | Op::Implies => Ok(Value::Null),
        }
    }

    /// One list after the other.
    pub(crate) fn concat_lists(&self, lists: &[&'a [Slot<'a>]]) -> Value<'a> {
        let mut not_empty = lists.iter().filter(|list| !list.is_empty());
        let Some(first) = not_empty.next() else {
            return Value::EMPTY_LIST;
        };
        if not_empty.next().is_none() {
            return self.list(first);
        }
        let mut items = bumpalo::collections::Vec::with_capacity_in(
            lists.iter().map(|list| list.len()).sum(),
            self.arena,
        );
        for list in lists {
            items.extend(list.iter().map(|slot| Slot::new(share(slot))));
        }
        self.list(items.into_bump_slice())
    }

    pub(crate) fn number(&self, value: Value<'a>, pos: Pos) -> Result<Number, Fault> {
        match value {
            Value::Int(value) => Ok(Number::Int(value)),
            Value::Float(value) => Ok(Number::Float(value)),
            value => Err(self.expected("an integer", value, pos)),
        }
    }

    /// `a - b` and so on.
    pub(crate) fn arithmetic(&self, op: Op, a: Value<'a>, b: Value<'a>, pos: Pos) -> R<'a> {
        if let (Value::Int(a), Value::Int(b)) = (a, b) {
            let (result, what, sign) = match op {
                Op::Add => (a.checked_add(b), "adding", '+'),
                Op::Subtract => (a.checked_sub(b), "subtracting", '-'),
                Op::Multiply => (a.checked_mul(b), "multiplying", '*'),
                _ if b == 0 => return Err(self.fail(pos, "division by zero")),
                _ => (a.checked_div(b), "dividing", '/'),
            };
            return match result {
                Some(result) => Ok(Value::Int(result)),
                None => Err(self.fail(pos, format!("integer overflow in {what} {a} {sign} {b}"))),
            };
        }
        let (a, b) = (self.float_operand(a, pos)?, self.float_operand(b, pos)?);
        Ok(Value::Float(match op {
            Op::Add => a + b,
            Op::Subtract => a - b,
            Op::Multiply => a * b,
            _ if b == 0.0 => return Err(self.fail(pos, "division by zero")),
            _ => a / b,
        }))
    }

    fn float_operand(&self, value: Value<'a>, pos: Pos) -> Result<f64, Fault> {
        match value {
            Value::Int(value) => Ok(value as f64),
            Value::Float(value) => Ok(value),
            value => Err(self.expected("an integer", value, pos)),
        }
    }

    /// `a + right`: what it means depends on the left side.
    fn add(&self, a: Value<'a>, right: &'a Expr<'a>, pos: Pos, env: Env<'a>) -> R<'a> {
        match a {
            Value::Int(_) | Value::Float(_) => match self.eval(right, env)? {
                b @ (Value::Int(_) | Value::Float(_)) => self.arithmetic(Op::Add, a, b, pos),
                b => Err(type_error(
                    pos,
                    format!("cannot add {} to {}", type_name(b), type_name(a)),
                )),
            },
            Value::Path(start) => {
                let b = self.eval(right, env)?;
                let b = self.coerce(b, Coerce::PATH_PART, pos)?;
                if !b.context.is_empty() {
                    return Err(self.fail(
                        pos,
                        "a string that refers to a store path cannot be appended to a path",
                    ));
                }
                Ok(self.path(&path::canonical(&[start.bytes, b.bytes].concat())))
            }
            a => {
                let a = self
                    .coerce(a, Coerce::ADD, pos)
                    .map_err(|fault| fault.while_doing(pos, "while evaluating a path segment"))?;
                let b = self.eval(right, env)?;
                let b = self.coerce(b, Coerce::ADD, pos)?;
                Ok(self.concat_texts(a, b))
            }
        }
    }

    #[inline(never)]
    pub(super) fn interpolate(
        &self,
        parts: &'a [(Expr<'a>, Pos)],
        pos: Pos,
        env: Env<'a>,
    ) -> R<'a> {
        let mut few: [&'a [u8]; 8] = [&[]; 8];
        let mut many = Vec::new();
        let pieces = if parts.len() <= few.len() {
            &mut few[..parts.len()]
        } else {
            many.resize(parts.len(), &b""[..]);
            &mut many[..]
        };
        let mut context: crate::value::Context<'a> = &[];
        let mut len = 0;
        for ((part, part_pos), piece) in parts.iter().zip(pieces.iter_mut()) {
            let text = match self.eval(part, env)? {
                Value::Text(text) => text,
                value => self
                    .coerce(value, Coerce::INTERPOLATE, part.pos().or(*part_pos))
                    .map_err(|fault| fault.while_doing(pos, "while evaluating a path segment"))?,
            };
            if !text.context.is_empty() {
                context = self.join_contexts(context, text.context);
            }
            len += text.bytes.len();
            *piece = text.bytes;
        }
        let bytes = self.arena.alloc_slice_fill_copy(len, 0u8);
        let mut at = 0;
        for piece in pieces {
            bytes[at..at + piece.len()].copy_from_slice(piece);
            at += piece.len();
        }
        Ok(Value::Text(
            self.arena.alloc(crate::value::Text { bytes, context }),
        ))
    }

    #[inline(never)]
    pub(super) fn interpolate_path(
        &self,
        parts: &'a [(Expr<'a>, Pos)],
        pos: Pos,
        env: Env<'a>,
    ) -> R<'a> {
        let mut bytes = Vec::new();
        for (index, (part, part_pos)) in parts.iter().enumerate() {
            let value = self.eval(part, env)?;
            if let (0, Value::Path(start)) = (index, value) {
                bytes.extend_from_slice(start.bytes);
                continue;
            }
            let text = self.coerce(value, Coerce::PATH_PART, part.pos().or(*part_pos))?;
            if !text.context.is_empty() {
                return Err(self.fail(
                    pos,
                    "a string that refers to a store path cannot be appended to a path",
                ));
            }
            bytes.extend_from_slice(text.bytes);
        }
        Ok(self.path(&path::canonical(&bytes)))
    }
}
