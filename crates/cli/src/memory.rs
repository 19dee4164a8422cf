//! The program's memory: large blocks in huge pages.
//!
//! An evaluation takes its memory in a few large blocks and fills them from one end. With pages of
//! 4 KiB, a tenth of its time goes into the kernel's handing them out one by one.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, which asks for huge pages where they pay.
pub struct Huge;

/// Blocks from this size on.
const LARGE: usize = 16 << 20;

/// What the kernel calls huge on x86_64.
const PAGE: usize = 2 << 20;

// SAFETY: every call is passed on to the system's allocator with the arguments that it came with;
// the advice beside it does not change what memory holds or who owns it.
unsafe impl GlobalAlloc for Huge {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { System.alloc(layout) };
        if layout.size() >= LARGE && !block.is_null() {
            let start = block.addr().next_multiple_of(PAGE);
            let end = (block.addr() + layout.size()) & !(PAGE - 1);
            if start < end {
                let inside = block.wrapping_add(start - block.addr());
                // SAFETY: the range lies in the block that was just made. Failure means small pages.
                unsafe { libc::madvise(inside.cast(), end - start, libc::MADV_HUGEPAGE) };
            }
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { System.realloc(block, layout, size) }
    }
}
