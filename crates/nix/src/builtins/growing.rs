//! Strings that are built by appending.
//!
//! `foldl' (acc: x: acc + x) ""` would copy the whole string for each `x`. Instead, the result of
//! a concatenation is given room behind it, and when the left side of the next one ends exactly
//! where the used part of that room begins, only the right side is copied. Earlier results stay
//! what they were, as they end where they ended.

use std::alloc::Layout;
use std::cell::Cell;

use bumpalo::Bump;

/// Strings shorter than this are simply copied.
const WORTH_IT: usize = 256;

/// The room behind the last concatenation.
pub struct Growing {
    /// The block that the last concatenation lies in; null: none.
    block: Cell<*mut u8>,
    /// Bytes of it that are used.
    used: Cell<usize>,
    /// Bytes of it.
    capacity: Cell<usize>,
}

impl Default for Growing {
    fn default() -> Self {
        Self {
            block: Cell::new(std::ptr::null_mut()),
            used: Cell::new(0),
            capacity: Cell::new(0),
        }
    }
}

impl Growing {
    /// `left` and `right`, one after the other.
    pub fn append<'a>(&self, arena: &'a Bump, left: &'a [u8], right: &[u8]) -> &'a [u8] {
        let len = left.len() + right.len();
        if len < WORTH_IT {
            let joined = arena.alloc_slice_fill_copy(len, 0u8);
            joined[..left.len()].copy_from_slice(left);
            joined[left.len()..].copy_from_slice(right);
            return joined;
        }
        let (block, used) = (self.block.get(), self.used.get());
        let offset = left.as_ptr().addr().wrapping_sub(block.addr());
        let ends_here = !block.is_null() && offset < used && offset + left.len() == used;
        if ends_here && right.len() <= self.capacity.get() - used {
            self.used.set(used + right.len());
            // SAFETY: `left` lies in the block and ends where its used part ends, so the bytes that
            // are written here are in no slice yet; they are never written again. The new slice
            // is made from the block's own pointer.
            return unsafe {
                block
                    .add(used)
                    .copy_from_nonoverlapping(right.as_ptr(), right.len());
                std::slice::from_raw_parts(block.add(offset), len)
            };
        }
        let capacity = len.saturating_mul(2).min(len + (64 << 20));
        let layout = Layout::array::<u8>(capacity).expect("a string fits into memory");
        let block = arena.alloc_layout(layout).as_ptr();
        self.block.set(block);
        self.used.set(len);
        self.capacity.set(capacity);
        // SAFETY: the block has room for both, nobody else knows it, and `len` bytes of it are
        // initialised before a slice is made of them.
        unsafe {
            block.copy_from_nonoverlapping(left.as_ptr(), left.len());
            block
                .add(left.len())
                .copy_from_nonoverlapping(right.as_ptr(), right.len());
            std::slice::from_raw_parts(block, len)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_results_stay() {
        let arena = Bump::new();
        let growing = Growing::default();
        let first = growing.append(&arena, &[b'a'; 300], &[b'b'; 10]);
        let second = growing.append(&arena, first, b"second");
        let other = growing.append(&arena, first, b"other");
        assert!(second.ends_with(b"bsecond"));
        assert!(other.ends_with(b"bother"));
        assert_eq!(first.len(), 310);
        let mut long = second;
        for _ in 0..1000 {
            long = growing.append(&arena, long, b"0123456789");
        }
        assert_eq!(long.len(), 10_316);
        assert!(
            arena.allocated_bytes() < 200_000,
            "{} bytes",
            arena.allocated_bytes()
        );
    }
}
