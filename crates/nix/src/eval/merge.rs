//! `//`.

use super::Evaluator;
use crate::source::Pos;
use crate::symbol::Symbol;
use crate::value::{Attrs, Shape, Slot, share};

impl<'a> Evaluator<'a> {
    /// `left // right`.
    pub(crate) fn update(&self, left: &Attrs<'a>, right: &'a Attrs<'a>) -> &'a Attrs<'a> {
        if std::ptr::eq(left.shape, right.shape) || left.is_empty() {
            return right;
        }
        if right.is_empty() {
            return self.arena.alloc(*left);
        }
        let shape = self.merge_shapes(left.shape, right.shape);
        let (ln, rn) = (left.shape.names, right.shape.names);
        if ln.last() < rn.first() {
            let slots = self.rooms.concat(self.arena, left.slots, right.slots);
            return self.arena.alloc(Attrs { shape, slots });
        }
        let mut slots = bumpalo::collections::Vec::with_capacity_in(shape.names.len(), self.arena);
        let mut i = 0;
        for (&name, slot) in rn.iter().zip(right.slots) {
            let next = i + before(&ln[i..], name, rn.len());
            slots.extend(
                left.slots[i..next]
                    .iter()
                    .map(|slot| Slot::new(share(slot))),
            );
            slots.push(Slot::new(share(slot)));
            i = next + usize::from(ln.get(next) == Some(&name));
        }
        slots.extend(left.slots[i..].iter().map(|slot| Slot::new(share(slot))));
        let slots = slots.into_bump_slice();
        self.arena.alloc(Attrs { shape, slots })
    }

    /// The names of two sets together; where the second has a name, it was defined there. Sets of
    /// two shapes are merged again and again, and then all have one shape.
    fn merge_shapes(&self, left: &'a Shape<'a>, right: &'a Shape<'a>) -> &'a Shape<'a> {
        let key = (
            std::ptr::from_ref(left).addr(),
            std::ptr::from_ref(right).addr(),
        );
        if let Some(shape) = self.merged.borrow().get(&key) {
            return shape;
        }
        let (ln, rn) = (left.names, right.names);
        let shape = if ln.last() < rn.first() && left.has_positions() == right.has_positions() {
            self.append_shapes(left, right)
        } else {
            self.interleave_shapes(left, right)
        };
        self.merged.borrow_mut().insert(key, shape);
        shape
    }

    /// All names on the right come after all on the left, as names do that are new.
    fn append_shapes(&self, left: &'a Shape<'a>, right: &'a Shape<'a>) -> &'a Shape<'a> {
        let names = self.name_rooms.concat(self.arena, left.names, right.names);
        let (lp, rp) = (
            left.positions(0..left.names.len()),
            right.positions(0..right.names.len()),
        );
        let positions = if lp.is_empty() {
            lp
        } else {
            self.position_rooms.concat(self.arena, lp, rp)
        };
        self.arena.alloc(Shape::new(names, positions))
    }

    fn interleave_shapes(&self, left: &'a Shape<'a>, right: &'a Shape<'a>) -> &'a Shape<'a> {
        let (ln, rn) = (left.names, right.names);
        let known = left.has_positions() || right.has_positions();
        let mut names = Vec::with_capacity(ln.len() + rn.len());
        let mut positions = Vec::with_capacity(if known { names.capacity() } else { 0 });
        let add_left =
            |range: std::ops::Range<usize>, names: &mut Vec<Symbol>, positions: &mut Vec<Pos>| {
                names.extend_from_slice(&ln[range.clone()]);
                if left.has_positions() {
                    positions.extend_from_slice(left.positions(range));
                } else if known {
                    positions.extend(range.map(|_| Pos::NONE));
                }
            };
        let mut i = 0;
        for (j, &name) in rn.iter().enumerate() {
            let next = i + before(&ln[i..], name, rn.len());
            add_left(i..next, &mut names, &mut positions);
            names.push(name);
            if known {
                positions.push(right.position(j));
            }
            i = next + usize::from(ln.get(next) == Some(&name));
        }
        add_left(i..ln.len(), &mut names, &mut positions);
        self.arena.alloc(Shape::new(
            self.arena.alloc_slice_copy(&names),
            self.arena.alloc_slice_copy(&positions),
        ))
    }
}

/// How many of `names` come before a name. Where `others` such names are few for so many, it is
/// searched for instead of walking over all.
fn before(names: &[Symbol], name: Symbol, others: usize) -> usize {
    if others * 8 < names.len() {
        names.partition_point(|&other| other < name)
    } else {
        names.iter().take_while(|&&other| other < name).count()
    }
}
