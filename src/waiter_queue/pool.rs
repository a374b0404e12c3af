//! Idle waiters, kept per thread: in steady state a wait allocates nothing.
//!
//! A node is given back on whichever thread its last owner is. For a wait that a compio runtime
//! polls and that is granted, that is the thread that took it, since both the grant's delivery and
//! the poll that sees it happen at home. The nodes of waits that were called off while another
//! thread served the queue stay with that thread, so a thread that does nothing but call off waits
//! on a contended primitive goes on allocating, one node at a time.

use std::{cell::RefCell, ptr::NonNull};

use super::waiter::Waiter;
use crate::loom;

/// Nodes that nobody else refers to.
struct Pool(Vec<NonNull<Waiter>>);

impl Drop for Pool {
    fn drop(&mut self) {
        for node in self.0.drain(..) {
            // SAFETY: a node in the pool came from `Box::into_raw` and is owned by it alone.
            drop(unsafe { Box::from_raw(node.as_ptr()) });
        }
    }
}

loom::thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool(Vec::new())) };
}

/// Takes an idle node, or makes one.
pub(super) fn take() -> NonNull<Waiter> {
    // No pool: the thread is past its destructors.
    match POOL.try_with(|pool| pool.borrow_mut().0.pop()) {
        Ok(Some(node)) => node,
        Ok(None) | Err(_) => NonNull::from(Box::leak(Box::new(Waiter::new()))),
    }
}

/// Gives a node back.
///
/// # Safety
///
/// `node` came from [`take`], nobody refers to it any more, and its waker has been taken out.
pub(super) unsafe fn give(node: NonNull<Waiter>) {
    let kept = POOL.try_with(|pool| {
        let nodes = &mut pool.borrow_mut().0;
        let room = nodes.len() < loom::POOL;
        if room {
            nodes.push(node);
        }
        room
    });
    if !kept.unwrap_or(false) {
        // SAFETY: `take` made it with `Box::leak`, and by contract nobody else has it.
        drop(unsafe { Box::from_raw(node.as_ptr()) });
    }
}
