//! Lists that are built by `++`, and sets that are built by `//`.
//!
//! `foldl' (acc: x: acc ++ [ x ]) [ ]` and `foldr (x: acc: [ x ] ++ acc) [ ]` would copy the whole
//! list for each `x`. Instead, a list that was made by `++` from one that was made by `++` is given
//! room behind it or before it, and the next one only writes into that room. Earlier lists stay
//! what they were: their ends do not move, and what they share are places that are evaluated once.
//! The same goes for the parts of a set, when names are added that come after all others.

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::NonNull;

use bumpalo::Bump;

/// Shorter slices are simply copied.
const WORTH_IT: usize = 16;

/// Slices that are known by their ends; others are forgotten.
const REMEMBERED: usize = 64;

/// Elements of room that one slice gets at most.
const MOST: usize = 1 << 20;

/// An end of a slice, and how many elements are free there.
type Remembered<T> = Cell<Option<(NonNull<T>, usize)>>;

/// The room at one end of slices.
struct Ends<T> {
    /// By address: the end of a slice that nothing has been written beyond, and how many elements are
    /// free there.
    table: [Remembered<T>; REMEMBERED],
}

impl<T> Ends<T> {
    fn place(&self, end: *const T) -> &Remembered<T> {
        let index = (end.addr() / size_of::<T>()) % REMEMBERED;
        &self.table[index]
    }

    /// The room at an end, which is not free any more then.
    fn take(&self, end: *const T) -> Option<(NonNull<T>, usize)> {
        let place = self.place(end);
        let found = place
            .get()
            .filter(|entry| std::ptr::eq(entry.0.as_ptr(), end))?;
        place.set(None);
        Some(found)
    }

    fn give(&self, end: NonNull<T>, free: usize) {
        self.place(end.as_ptr()).set(Some((end, free)));
    }
}

impl<T> Default for Ends<T> {
    fn default() -> Self {
        Self {
            table: [const { Cell::new(None) }; REMEMBERED],
        }
    }
}

/// The room around slices that were put together.
pub struct Rooms<'a, T> {
    before: Ends<T>,
    behind: Ends<T>,
    copy: fn(&'a T) -> T,
}

impl<'a, T> Rooms<'a, T> {
    /// No slices yet; `copy` makes a second one of an element, and nothing has to be dropped.
    pub fn new(copy: fn(&'a T) -> T) -> Self {
        const { assert!(!std::mem::needs_drop::<T>()) };
        Self {
            before: Ends::default(),
            behind: Ends::default(),
            copy,
        }
    }

    /// `left` and `right`, one after the other; neither is empty.
    pub fn concat(&self, arena: &'a Bump, left: &'a [T], right: &'a [T]) -> &'a [T] {
        let len = left.len() + right.len();
        if len < WORTH_IT {
            return arena.alloc_slice_fill_with(len, |index| {
                (self.copy)(match index.checked_sub(left.len()) {
                    None => &left[index],
                    Some(index) => &right[index],
                })
            });
        }
        // The longer one stays where it is, if there is room for the other.
        let (mut before, mut behind) = (0, 0);
        if left.len() >= right.len() {
            if let Some((end, free)) = self.behind.take(left.as_ptr_range().end) {
                if right.len() <= free {
                    // SAFETY: `end` is where `left` ends, in a block of ours that has `free` slots
                    // after it, which are in no slice yet: an end is forgotten when it is taken,
                    // and given back only for the list that ends last. The pointer is that of the
                    // block, so it reaches from the beginning of `left` to the end of the room.
                    return unsafe {
                        self.write(end, right);
                        let after = end.add(right.len());
                        self.behind.give(after, free - right.len());
                        std::slice::from_raw_parts(end.sub(left.len()).as_ptr(), len)
                    };
                }
                behind = len.min(MOST);
            }
        } else if let Some((start, free)) = self.before.take(right.as_ptr()) {
            if left.len() <= free {
                // SAFETY: as above, with the `free` slots before the beginning of `right`.
                return unsafe {
                    let first = start.sub(left.len());
                    self.write(first, left);
                    self.before.give(first, free - left.len());
                    std::slice::from_raw_parts(first.as_ptr(), len)
                };
            }
            before = len.min(MOST);
        }
        let layout = Layout::array::<T>(before + len + behind).expect("a list fits into memory");
        let block = arena.alloc_layout(layout).cast::<T>();
        // SAFETY: the block has that many slots, nobody else knows it, and those of the new list
        // are written before a slice is made of them.
        unsafe {
            let first = block.add(before);
            self.write(first, left);
            self.write(first.add(left.len()), right);
            self.before.give(first, before);
            self.behind.give(first.add(len), behind);
            std::slice::from_raw_parts(first.as_ptr(), len)
        }
    }

    /// Writes copies one after the other.
    ///
    /// # Safety
    ///
    /// There are as many places from `first` on as elements, in one block, and no slice has them.
    unsafe fn write(&self, first: NonNull<T>, elements: &'a [T]) {
        for (index, element) in elements.iter().enumerate() {
            // SAFETY: the caller says so.
            unsafe { first.add(index).write((self.copy)(element)) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Slot, Value, share};

    fn numbers<'a>(arena: &'a Bump, range: std::ops::Range<i64>) -> &'a [Slot<'a>] {
        arena.alloc_slice_fill_iter(
            range
                .map(|number| Slot::new(Value::Int(number)))
                .collect::<Vec<_>>(),
        )
    }

    fn read(slots: &[Slot<'_>]) -> Vec<i64> {
        let read = |slot: &Slot<'_>| match slot.get() {
            Value::Int(number) => number,
            _ => -1,
        };
        slots.iter().map(read).collect()
    }

    #[test]
    fn earlier_lists_stay() {
        let arena = Bump::new();
        let rooms = Rooms::new(|slot| Slot::new(share(slot)));
        let mut list = numbers(&arena, 0..20);
        for number in 20..40 {
            list = rooms.concat(&arena, list, numbers(&arena, number..number + 1));
        }
        let one = rooms.concat(&arena, list, numbers(&arena, 40..41));
        let other = rooms.concat(&arena, list, numbers(&arena, 50..52));
        assert_eq!(read(list), (0..40).collect::<Vec<_>>());
        assert_eq!(read(one), (0..41).collect::<Vec<_>>());
        assert_eq!(read(other), (0..40).chain(50..52).collect::<Vec<_>>());
    }

    #[test]
    fn both_directions_take_little_memory() {
        for forwards in [true, false] {
            let arena = Bump::new();
            let rooms = Rooms::new(|slot| Slot::new(share(slot)));
            let mut list = numbers(&arena, 0..1);
            for number in 1..2000 {
                let one = numbers(&arena, number..number + 1);
                list = if forwards {
                    rooms.concat(&arena, list, one)
                } else {
                    rooms.concat(&arena, one, list)
                };
            }
            let mut expected: Vec<i64> = (0..2000).collect();
            if !forwards {
                expected.reverse();
            }
            assert_eq!(read(list), expected);
            assert!(
                arena.allocated_bytes() < 400_000,
                "{} bytes",
                arena.allocated_bytes()
            );
        }
    }
}
