//! Waiting for a token, which is waiting for it and for each of its ancestors.

use std::task::{Context, Poll};

use super::node::Node;
use crate::waiter_queue::Slot;

/// How many waits there is room for without an allocation: a root, its child and its grandchild.
const NEAR: usize = 3;

/// The waits of one task on the path from a token to the root.
///
/// There is nothing to be lost between them: a token is cancelled for good, so the waits may begin one after the
/// other. Whoever has begun them [leaves](Self::leave).
#[derive(Default)]
pub(super) struct Waits {
    near: [Slot; NEAR],
    far: Vec<Slot>,
    is_done: bool,
}

impl Waits {
    /// Whether what is waited for has come, or nobody waits for it any more.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Waits until `node` is cancelled, or one of its ancestors.
    ///
    /// Not pending after a `cancel` that has returned, even if those who wait have yet to be woken.
    pub(super) fn poll(&mut self, node: &Node, cx: &Context<'_>) -> Poll<()> {
        if self.is_done {
            panic!("a wait was polled after it had completed");
        }
        let is_cancelled = node.is_cancelled()
            || node
                .path()
                .enumerate()
                .any(|(level, it)| it.queue.poll_notice(self.slot(level), cx).is_ready());
        if !is_cancelled {
            return Poll::Pending;
        }
        self.leave(node);
        Poll::Ready(())
    }

    fn slot(&mut self, level: usize) -> &mut Slot {
        if level < NEAR {
            return &mut self.near[level];
        }
        if self.far.len() == level - NEAR {
            self.far.push(Slot::Idle);
        }
        &mut self.far[level - NEAR]
    }

    /// Ends the waits, with the node that they were begun with.
    #[inline]
    pub(super) fn leave(&mut self, node: &Node) {
        self.is_done = true;
        let slots = self.near.iter_mut().chain(&mut self.far);
        for (slot, it) in slots.zip(node.path()) {
            if let Slot::Waiting(_) = slot {
                it.queue.leave(slot);
            }
        }
    }
}
