//! Idle nodes, kept per thread: in steady state a wait allocates nothing.
//!
//! A node is given back on whichever thread its last owner is. For a wait that a compio runtime
//! polls and that is granted, that is the thread that took it, since both the delivery of the wake and
//! the poll that sees the grant happen at home. The nodes of waits that were cancelled while another
//! thread combined stay with that thread. So a thread that does nothing but cancel waits on a contended
//! primitive goes on allocating, one node at a time.

use std::ptr::NonNull;

use crate::loom::POOL;

/// Nodes that nobody else refers to.
pub(super) struct Pool<T>(Vec<NonNull<T>>);

impl<T> Pool<T> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Takes a node that was given back.
    pub(super) fn take(&mut self) -> Option<NonNull<T>> {
        self.0.pop()
    }

    /// Gives a node back. Fails if the pool is full.
    ///
    /// # Safety
    ///
    /// `node` came from `Box::leak`, and nobody else refers to it.
    pub(super) unsafe fn give(&mut self, node: NonNull<T>) -> bool {
        let has_room = self.0.len() < POOL;
        if has_room {
            self.0.push(node);
        }
        has_room
    }
}

impl<T> Drop for Pool<T> {
    fn drop(&mut self) {
        for node in self.0.drain(..) {
            // SAFETY: by `give`'s contract it came from a `Box`, and is owned by the pool alone.
            drop(unsafe { Box::from_raw(node.as_ptr()) });
        }
    }
}
