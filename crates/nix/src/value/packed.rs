//! Results in two registers.

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};

/// A result as functions that are called for every expression return it. An enumeration of 16 bytes
/// is returned in memory, written in pieces and read as a whole, for which processors wait; two
/// words are returned in registers.
///
/// One that is thrown away loses the error in it, if it is one.
#[must_use]
pub struct Packed<T> {
    words: (MaybeUninit<u64>, MaybeUninit<u64>),
    value: PhantomData<T>,
}

impl<T> Packed<T> {
    /// A result in two words.
    #[inline(always)]
    pub fn new(result: T) -> Self {
        const { assert!(size_of::<T>() == 16) };
        let result = ManuallyDrop::new(result);
        // SAFETY: the sizes are the same, any bytes, set or not, are such an array, and as the
        // result is not dropped, nobody else has what it owns.
        let words: [MaybeUninit<u64>; 2] = unsafe { std::mem::transmute_copy(&result) };
        Self {
            words: (words[0], words[1]),
            value: PhantomData,
        }
    }

    /// The result.
    #[inline(always)]
    pub fn get(self) -> T {
        let words = [self.words.0, self.words.1];
        // SAFETY: only `new` makes these words, of a value of this type and size, and as they are
        // used up here, nobody else has what the value owns.
        unsafe { std::mem::transmute_copy(&words) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;
    use crate::value::Value;

    type R<'a> = Result<Value<'a>, Fault>;

    fn there_and_back(result: R<'_>) -> R<'_> {
        Packed::new(result).get()
    }
    use crate::error::other;
    use crate::source::Pos;

    #[test]
    fn results_survive() {
        assert!(matches!(
            there_and_back(Ok(Value::Int(-7))),
            Ok(Value::Int(-7))
        ));
        assert!(matches!(
            there_and_back(Ok(Value::Bool(true))),
            Ok(Value::Bool(true))
        ));
        assert!(matches!(
            there_and_back(Ok(Value::BlackHole(9))),
            Ok(Value::BlackHole(9))
        ));
        let fault = there_and_back(Err(other(Pos::NONE, "no")));
        assert!(fault.is_err_and(|fault| fault.message == "no"));
    }
}
