//! Finds nodes that are used after they were freed, or never freed.
//!
//! loom sees neither, as nodes are plain boxes. So the models' allocator keeps an account of the
//! blocks that have a node's size, and holds back those that are freed until the interleaving is
//! over, filled with bytes in which no atomic or cell of loom's can be found.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    ptr::null_mut,
};

use super::super::queue::Waiter;

const NODE: Layout = Layout::new::<Waiter>();
const FREED: u8 = 0xfe;

thread_local! {
    /// How many nodes there are. Plain std: all threads of a model run on one.
    static ALIVE: Cell<isize> = const { Cell::new(0) };
    /// The blocks that are held back; each one's last word holds the one before it.
    static HELD_BACK: Cell<*mut u8> = const { Cell::new(null_mut()) };
}

struct Accountant;

#[global_allocator]
static ACCOUNTANT: Accountant = Accountant;

fn link(block: *mut u8) -> *mut *mut u8 {
    block
        .wrapping_add(NODE.size() - size_of::<*mut u8>())
        .cast()
}

// SAFETY: std's allocator, but that some blocks are freed later.
unsafe impl GlobalAlloc for Accountant {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout == NODE {
            let _ = ALIVE.try_with(|alive| alive.set(alive.get() + 1));
        }
        // SAFETY: by contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout == NODE {
            let _ = ALIVE.try_with(|alive| alive.set(alive.get() - 1));
            let held_back = HELD_BACK.try_with(|last| {
                // SAFETY: by contract the block is the caller's, and of that size.
                unsafe {
                    block.write_bytes(FREED, layout.size());
                    link(block).write_unaligned(last.replace(block));
                }
            });
            if held_back.is_ok() {
                return;
            }
        }
        // SAFETY: by contract.
        unsafe { System.dealloc(block, layout) }
    }
}

/// To be called when an interleaving is over, and its threads' pools are gone.
pub(super) fn check() {
    let mut block = HELD_BACK.replace(null_mut());
    while !block.is_null() {
        // SAFETY: `dealloc` wrote the link, and left the block to be freed here.
        let next = unsafe { link(block).read_unaligned() };
        // SAFETY: as above.
        unsafe { System.dealloc(block, NODE) };
        block = next;
    }
    assert_eq!(ALIVE.replace(0), 0, "nodes were leaked, or freed twice");
}
