//! Run-time scopes.

use std::alloc::Layout;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;

use bumpalo::Bump;

use super::{Slot, Value};

/// A scope: the scope around it and one slot for each of its variables.
///
/// One pointer wide, so that a delayed expression and its scope fit into a [`Value`].
#[derive(Clone, Copy)]
pub struct Env<'a> {
    header: NonNull<Header<'a>>,
    lifetime: PhantomData<&'a Slot<'a>>,
}

/// Followed in memory by `len` slots.
#[repr(C)]
struct Header<'a> {
    up: Option<Env<'a>>,
    len: u64,
}

impl<'a> Env<'a> {
    const SLOTS: usize = size_of::<Header<'static>>();

    /// A scope whose slots are all null, to be set before anything looks at them.
    pub fn new(arena: &'a Bump, up: Option<Env<'a>>, len: usize) -> Self {
        const { assert!(align_of::<Slot<'static>>() <= align_of::<Header<'static>>()) };
        let size = Self::SLOTS + len * size_of::<Slot<'a>>();
        let layout =
            Layout::from_size_align(size, align_of::<Header<'a>>()).expect("a scope is small");
        let header = arena.alloc_layout(layout).cast::<Header<'a>>();
        // SAFETY: the block is as large and as aligned as a header and `len` slots after it, it
        // belongs to nobody else, and everything in it is initialised here.
        unsafe {
            header.write(Header {
                up,
                len: len as u64,
            });
            let first = header.cast::<u8>().add(Self::SLOTS).cast::<Slot<'a>>();
            for index in 0..len {
                first.add(index).write(Cell::new(Value::Null));
            }
        }
        Self {
            header,
            lifetime: PhantomData,
        }
    }

    fn header(self) -> &'a Header<'a> {
        // SAFETY: made by `new`, lives as long as the arena, and headers never change.
        unsafe { self.header.as_ref() }
    }

    /// The scope around this one.
    pub fn up(self) -> Option<Env<'a>> {
        self.header().up
    }

    /// All variables.
    pub fn slots(self) -> &'a [Slot<'a>] {
        let len = self.header().len as usize;
        // SAFETY: `new` put `len` initialised slots behind the header, in the same allocation as
        // the pointer was made from; they are only ever shared, as cells.
        unsafe {
            let first = self.header.cast::<u8>().add(Self::SLOTS).cast::<Slot<'a>>();
            std::slice::from_raw_parts(first.as_ptr(), len)
        }
    }

    /// The scope `depth` levels out; lowering has made sure that it exists.
    #[inline]
    pub fn ancestor(self, depth: u32) -> Env<'a> {
        let mut env = self;
        for _ in 0..depth {
            env = env
                .header()
                .up
                .expect("lowering counts scopes as evaluation makes them");
        }
        env
    }

    /// The slot of a variable.
    #[inline]
    pub fn lookup(self, depth: u32, slot: u32) -> &'a Slot<'a> {
        &self.ancestor(depth).slots()[slot as usize]
    }
}
