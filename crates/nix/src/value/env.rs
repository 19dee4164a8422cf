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
    /// The scope around this one; in the pool, the next scope there.
    up: Cell<Option<Env<'a>>>,
    len: u32,
    /// Whether anything may still know this scope after the call that made it.
    captured: Cell<bool>,
}

/// Scopes of calls that nothing knows any more, to be used again, by length.
#[derive(Default)]
pub struct Pool<'a> {
    free: [Cell<Option<Env<'a>>>; POOLED],
}

/// Scopes this long or longer are not used again.
const POOLED: usize = 6;

impl<'a> Pool<'a> {
    /// A scope as [`Env::new`] makes it, except that its slots may hold anything.
    #[inline]
    pub fn take(&self, arena: &'a Bump, up: Env<'a>, len: usize) -> Env<'a> {
        if let Some(cell) = self.free.get(len)
            && let Some(env) = cell.get()
        {
            let header = env.header();
            cell.set(header.up.get());
            up.capture();
            header.up.set(Some(up));
            return env;
        }
        Env::new(arena, Some(up), len)
    }

    /// Takes back the scope of a call that is over, unless something captured it.
    #[inline]
    pub fn give(&self, env: Env<'a>) {
        let header = env.header();
        if !header.captured.get()
            && let Some(cell) = self.free.get(header.len as usize)
        {
            header.up.set(cell.get());
            cell.set(Some(env));
        }
    }
}

impl<'a> Env<'a> {
    const SLOTS: usize = size_of::<Header<'static>>();

    /// A scope whose slots are all null, to be set before anything looks at them.
    pub fn new(arena: &'a Bump, up: Option<Env<'a>>, len: usize) -> Self {
        const { assert!(align_of::<Slot<'static>>() <= align_of::<Header<'static>>()) };
        if let Some(up) = up {
            up.capture();
        }
        let size = Self::SLOTS + len * size_of::<Slot<'a>>();
        let len = u32::try_from(len).expect("a scope is written in one file");
        let layout =
            Layout::from_size_align(size, align_of::<Header<'a>>()).expect("a scope is small");
        let header = arena.alloc_layout(layout).cast::<Header<'a>>();
        // SAFETY: the block is as large and as aligned as a header and `len` slots after it, it
        // belongs to nobody else, and everything in it is initialised here.
        unsafe {
            header.write(Header {
                up: Cell::new(up),
                len,
                captured: Cell::new(false),
            });
            let first = header.cast::<u8>().add(Self::SLOTS).cast::<Slot<'a>>();
            for index in 0..len as usize {
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

    /// Says that this scope may be known after the call that made it is over: a value put off
    /// or a function holds it, or a reference to one of its slots was given away.
    #[inline]
    pub fn capture(self) {
        self.header().captured.set(true);
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
                .get()
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
