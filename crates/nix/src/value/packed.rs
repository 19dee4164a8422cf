//! Results in two registers.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::Value;
use crate::error::Fault;

type R<'a> = Result<Value<'a>, Fault>;

/// A result as functions that are called for every expression return it. An enumeration of 16 bytes
/// is returned in memory, written in pieces and read as a whole, for which processors wait; two
/// words are returned in registers.
///
/// One that is thrown away loses the error in it, if it is one.
#[must_use]
pub struct Packed<'a> {
    words: (MaybeUninit<u64>, MaybeUninit<u64>),
    lifetime: PhantomData<Value<'a>>,
}

impl<'a> Packed<'a> {
    /// A result in two words.
    #[inline(always)]
    pub fn new(result: R<'a>) -> Self {
        // SAFETY: the sizes are the same, and any bytes, set or not, are such an array.
        let words: [MaybeUninit<u64>; 2] = unsafe { std::mem::transmute(result) };
        Self {
            words: (words[0], words[1]),
            lifetime: PhantomData,
        }
    }

    /// The result.
    #[inline(always)]
    pub fn get(self) -> R<'a> {
        let words = [self.words.0, self.words.1];
        // SAFETY: only `new` makes these words, of a result with this lifetime, and as they are used
        // up here, nobody else has what the result owns.
        unsafe { std::mem::transmute::<[MaybeUninit<u64>; 2], R<'a>>(words) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::other;
    use crate::source::Pos;

    #[test]
    fn results_survive() {
        assert!(matches!(
            Packed::new(Ok(Value::Int(-7))).get(),
            Ok(Value::Int(-7))
        ));
        assert!(matches!(
            Packed::new(Ok(Value::Bool(true))).get(),
            Ok(Value::Bool(true))
        ));
        assert!(matches!(
            Packed::new(Ok(Value::BlackHole(9))).get(),
            Ok(Value::BlackHole(9))
        ));
        let fault = Packed::new(Err(other(Pos::NONE, "no"))).get();
        assert!(fault.is_err_and(|fault| fault.message == "no"));
    }
}
