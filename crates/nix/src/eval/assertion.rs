//! Why an assertion failed: an equation says where its sides differ.

use super::Evaluator;
use crate::error::{Fault, FaultData, Kind};
use crate::eval::type_name;
use crate::ir::{Expr, Op};
use crate::source::Pos;
use crate::symbol::names;
use crate::value::{Env, Value};

impl<'a> Evaluator<'a> {
    #[cold]
    pub(super) fn assertion_failed(
        &self,
        condition: &'a Expr<'a>,
        env: Env<'a>,
        pos: Pos,
        text: &str,
    ) -> Fault {
        if let Expr::Binary {
            op: Op::Equal,
            left,
            right,
            pos: equal_pos,
        } = condition
        {
            let sides = self
                .eval(left, env)
                .and_then(|a| Ok((a, self.eval(right, env)?)));
            if let Ok((a, b)) = sides {
                let mut steps = Vec::new();
                if let Ok(Some(message)) = self.difference(a, b, *equal_pos, &mut steps) {
                    let mut fault = FaultData::new(Kind::Assertion, pos, message);
                    for (step_pos, step) in steps.into_iter().rev() {
                        fault = fault.while_doing(step_pos, step);
                    }
                    let what = format!("while evaluating the condition of the assertion '{text}'");
                    return fault.while_doing(pos, what);
                }
            }
        }
        FaultData::new(Kind::Assertion, pos, format!("assertion '{text}' failed"))
    }

    /// Where two values that are not equal differ.
    fn difference(
        &self,
        a: Value<'a>,
        b: Value<'a>,
        pos: Pos,
        steps: &mut Vec<(Pos, String)>,
    ) -> Result<Option<String>, Fault> {
        self.check_stack()?;
        let shown = |value| self.describe(value);
        let number = |value| matches!(value, Value::Int(_) | Value::Float(_));
        Ok(Some(match (a, b) {
            (a, b) if number(a) && number(b) => {
                if self.equal(a, b, pos)? {
                    return Ok(None);
                }
                format!("{} with value '{}' is not equal to {} with value '{}'", type_name(a), shown(a), type_name(b), shown(b))
            }
            (Value::Text(x), Value::Text(y)) if x.bytes != y.bytes => {
                format!("string '{}' is not equal to string '{}'", shown(a), shown(b))
            }
            (Value::Path(x), Value::Path(y)) if x.bytes != y.bytes => {
                format!("path '{}' is not equal to path '{}'", shown(a), shown(b))
            }
            (Value::Bool(x), Value::Bool(y)) if x != y => {
                format!("boolean '{x}' is not equal to boolean '{y}'")
            }
            (Value::List(x), Value::List(y)) => {
                if x.items.len() != y.items.len() {
                    return Ok(Some(format!(
                        "list of size '{}' is not equal to list of size '{}', left hand side is '{}', right hand side is '{}'",
                        x.items.len(), y.items.len(), shown(a), shown(b)
                    )));
                }
                for (index, (x, y)) in x.items.iter().zip(y.items).enumerate() {
                    let (x, y) = (self.force(x)?, self.force(y)?);
                    steps.push((Pos::NONE, format!("while comparing list element {index}")));
                    if let Some(message) = self.difference(x, y, pos, steps)? {
                        return Ok(Some(message));
                    }
                    steps.pop();
                }
                return Ok(None);
            }
            (Value::Attrs(x), Value::Attrs(y)) => {
                if self.is_derivation(x)?
                    && self.is_derivation(y)?
                    && let (Some(x), Some(y)) = (x.get(names::OUT_PATH), y.get(names::OUT_PATH))
                {
                    steps.push((Pos::NONE, "while comparing a derivation by its 'outPath' attribute".to_owned()));
                    let message = self.difference(self.force(x)?, self.force(y)?, pos, steps)?;
                    if message.is_none() {
                        steps.pop();
                    }
                    return Ok(message);
                }
                if x.shape.names != y.shape.names {
                    return Ok(Some(format!(
                        "attribute names of attribute set '{}' differs from attribute set '{}'", shown(a), shown(b)
                    )));
                }
                for ((name, place, slot), other) in x.iter().zip(y.slots) {
                    if std::ptr::eq(slot, other) {
                        continue;
                    }
                    let (x, y) = (self.force(slot)?, self.force(other)?);
                    steps.push((place, format!("while comparing attribute '{}'", self.symbols.display(name))));
                    if let Some(message) = self.difference(x, y, pos, steps)? {
                        return Ok(Some(message));
                    }
                    steps.pop();
                }
                return Ok(None);
            }
            (Value::Lambda(_) | Value::Primop(_) | Value::Partial(_), Value::Lambda(_) | Value::Primop(_) | Value::Partial(_)) => {
                "distinct functions and immediate comparisons of identical functions compare as unequal".to_owned()
            }
            (a, b) if std::mem::discriminant(&a) != std::mem::discriminant(&b) => {
                format!("{} of value '{}' is not equal to {} of value '{}'", type_name(a), shown(a), type_name(b), shown(b))
            }
            _ => return Ok(None),
        }))
    }
}
