//! The tree, seen from below: each token knows its parent, and no token knows its children.
//!
//! A token is cancelled if it or one of its ancestors was. So cancelling is one step, which cancels the whole
//! subtree at that instant, and nobody has to be told but the tasks that wait. Those wait in the queue of each
//! token on their path to the root ([`Waits`](super::waits::Waits)): the queue that is closed wakes them all, in
//! batches.
//!
//! ```text
//!                root ◄──────────── a task that waits for `b`
//!               ▲    ▲              │         is in both queues
//!               a    b ◄────────────┘
//! ```
//!
//! Nothing is shared that needs a lock, or an order of locks: parents never change, and a token is cancelled once.

use crate::{
    loom::{Arc, into_inner},
    waiter_queue::Queue,
};

/// A token of the tree.
pub(super) struct Node {
    /// Closed when this token is cancelled itself.
    pub(super) queue: Queue,
    parent: Option<Arc<Node>>,
}

impl Node {
    pub(super) fn new(parent: Option<Arc<Node>>) -> Self {
        Self {
            queue: Queue::new(0),
            parent,
        }
    }

    /// This token and its ancestors, up to the root.
    pub(super) fn path(&self) -> impl Iterator<Item = &Node> {
        std::iter::successors(Some(self), |node| node.parent.as_deref())
    }

    /// Whether this token or one of its ancestors was cancelled.
    ///
    /// Acquires what came before that.
    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        self.path().any(|node| node.queue.is_no_wait())
    }

    /// Ends the waits for this token and for those below it.
    pub(super) fn cancel(&self) {
        self.queue.close();
    }
}

impl Drop for Node {
    /// Drops the ancestors that nobody else has, one after the other: there may be too many to do it recursively.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(mut node) = next.and_then(into_inner) {
            next = node.parent.take();
        }
    }
}
