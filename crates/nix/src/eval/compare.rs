//! Equality and order.

use std::cmp::Ordering;

use super::Evaluator;
use crate::error::{Fault, type_error};
use crate::eval::type_name;
use crate::source::Pos;
use crate::symbol::names;
use crate::value::{Attrs, Value};

impl<'a> Evaluator<'a> {
    /// `a == b`. Functions are never equal, except that inside lists and sets one and the same
    /// function is equal to itself.
    pub fn equal(&self, a: Value<'a>, b: Value<'a>, pos: Pos) -> Result<bool, Fault> {
        self.check_stack()?;
        Ok(match (a, b) {
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Int(a), Value::Float(b)) => a as f64 == b,
            (Value::Float(a), Value::Int(b)) => a == b as f64,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Text(a), Value::Text(b)) | (Value::Path(a), Value::Path(b)) => {
                a.bytes == b.bytes
            }
            (Value::List(a), Value::List(b)) => {
                if a.items.len() != b.items.len() {
                    return Ok(false);
                }
                for (a, b) in a.items.iter().zip(b.items) {
                    if !std::ptr::eq(a, b)
                        && !self.equal_inside(self.force(a)?, self.force(b)?, pos)?
                    {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Attrs(a), Value::Attrs(b)) => self.equal_attrs(a, b, pos)?,
            _ => false,
        })
    }

    /// Equality of elements, where identity counts.
    fn equal_inside(&self, a: Value<'a>, b: Value<'a>, pos: Pos) -> Result<bool, Fault> {
        let same = match (a, b) {
            (Value::Lambda(a), Value::Lambda(b)) => std::ptr::eq(a, b),
            (Value::Primop(a), Value::Primop(b)) => std::ptr::eq(a, b),
            (Value::Partial(a), Value::Partial(b)) => std::ptr::eq(a, b),
            (Value::Attrs(a), Value::Attrs(b)) => std::ptr::eq(a, b),
            (Value::List(a), Value::List(b)) => std::ptr::eq(a, b),
            _ => false,
        };
        if same {
            Ok(true)
        } else {
            self.equal(a, b, pos)
        }
    }

    fn equal_attrs(&self, a: &'a Attrs<'a>, b: &'a Attrs<'a>, pos: Pos) -> Result<bool, Fault> {
        if self.is_derivation(a)?
            && self.is_derivation(b)?
            && let (Some(a), Some(b)) = (a.get(names::OUT_PATH), b.get(names::OUT_PATH))
        {
            return self.equal(self.force(a)?, self.force(b)?, pos);
        }
        if a.shape.names != b.shape.names {
            return Ok(false);
        }
        // The order is observable: CppNix compares by the order of its symbols, too.
        for (slot_a, slot_b) in a.slots.iter().zip(b.slots) {
            if !std::ptr::eq(slot_a, slot_b)
                && !self.equal_inside(self.force(slot_a)?, self.force(slot_b)?, pos)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a set says that it is a derivation.
    pub fn is_derivation(&self, attrs: &Attrs<'a>) -> Result<bool, Fault> {
        match attrs.get(names::TYPE) {
            Some(slot) => {
                Ok(matches!(self.force(slot)?, Value::Text(text) if text.bytes == b"derivation"))
            }
            None => Ok(false),
        }
    }

    /// `a < b`.
    pub fn less(&self, a: Value<'a>, b: Value<'a>, pos: Pos) -> Result<bool, Fault> {
        self.check_stack()?;
        Ok(match (a, b) {
            (Value::Int(a), Value::Int(b)) => a < b,
            (Value::Int(a), Value::Float(b)) => (a as f64) < b,
            (Value::Float(a), Value::Int(b)) => a < b as f64,
            (Value::Float(a), Value::Float(b)) => a < b,
            (Value::Text(a), Value::Text(b)) | (Value::Path(a), Value::Path(b)) => {
                a.bytes.cmp(b.bytes) == Ordering::Less
            }
            (Value::List(a), Value::List(b)) => {
                let (a, b) = (a.items, b.items);
                for (index, slot_b) in b.iter().enumerate() {
                    let Some(slot_a) = a.get(index) else {
                        return Ok(true);
                    };
                    if !self.equal(self.force(slot_a)?, self.force(slot_b)?, pos)? {
                        return self.less(slot_a.get(), slot_b.get(), pos);
                    }
                }
                false
            }
            (a, b) if std::mem::discriminant(&a) == std::mem::discriminant(&b) => {
                let (a_text, b_text) = (self.describe(a), self.describe(b));
                return Err(type_error(
                    pos,
                    format!(
                        "cannot compare {} with {}; values of that type are incomparable (values are {a_text} and {b_text})",
                        type_name(a),
                        type_name(b)
                    ),
                ));
            }
            (a, b) => {
                let (a_text, b_text) = (self.describe(a), self.describe(b));
                return Err(type_error(
                    pos,
                    format!(
                        "cannot compare {} with {}; values are {a_text} and {b_text}",
                        type_name(a),
                        type_name(b)
                    ),
                ));
            }
        })
    }
}
