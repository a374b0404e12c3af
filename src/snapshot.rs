//! A value that is replaced as a whole, and read without waiting: by many threads, for as long as they like.
//!
//! ```text
//!   current ─────────┐
//!                    ▼
//!   nodes ──► [ 1 ] ──► [ 1 + readers ] ──► [ readers ] ──► [ 0 ] ──► null
//!            being        the current        an old one,    free
//!            written        value            still read
//! ```
//!
//! Values are in nodes, each of which counts who uses it: its writer, which passes its use on to `current`, and
//! readers. A node is written by whoever changes its count from 0 to 1. Nodes are freed with the whole only, so it
//! does no harm to count oneself in a node that is not what one has taken it for.
//!
//! A reader looks which node is the current one, counts itself there, and looks again. If the node is still
//! current, its value stays until the reader has gone: the count does not become 0. If not, the reader takes itself
//! off again and begins anew. That happens only when a new value has come, so some thread makes progress.
//!
//! Whoever brings the count to 0 drops the value that is left in the node: after it has counted itself in again, as
//! a writer does, and only if no writer was faster. So a value is dropped with its last reader. Destructors are other
//! people's code: whoever must not run any between two steps leaves the value to the node's next writer.
//!
//! There are as many nodes as there were old values in use at the same time, and one or two more. In steady state
//! nothing is allocated.

use std::{
    mem::ManuallyDrop,
    ops::Deref,
    ptr::{self, null_mut},
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};

use crate::loom::{AtomicPtr, AtomicUsize, UnsafeCell};

struct Node<T> {
    /// How many use it.
    uses: AtomicUsize,
    /// What the number of the value is, and the value. Changed by its writer alone.
    content: UnsafeCell<(usize, Option<T>)>,
    /// The next in the list of all nodes. Not changed once it is in there.
    next: *mut Node<T>,
}

/// A value that is replaced as a whole. There may be none at first.
pub(crate) struct Snapshots<T> {
    current: AtomicPtr<Node<T>>,
    nodes: AtomicPtr<Node<T>>,
}

// SAFETY: values are made and dropped on any thread, so they have to be `Send`; and looked at by several, so `Sync`.
unsafe impl<T: Send + Sync> Send for Snapshots<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Snapshots<T> {}

impl<T> Snapshots<T> {
    pub(crate) fn new() -> Self {
        Self {
            current: AtomicPtr::new(null_mut()),
            nodes: AtomicPtr::new(null_mut()),
        }
    }

    /// The current value. May drop an old one.
    pub(crate) fn get(&self) -> Option<Snapshot<'_, T>> {
        self.get_and(drop)
    }

    /// The current value. Runs no code of other people's.
    pub(crate) fn get_quietly(&self) -> Option<Snapshot<'_, T>> {
        self.get_and(Snapshot::end_quietly)
    }

    fn get_and<'a>(&'a self, end: impl Fn(Snapshot<'a, T>)) -> Option<Snapshot<'a, T>> {
        // ORDERING: Acquire pairs with the release in `publish`: the node is seen as it was made.
        let mut node = self.current.load(Acquire);
        loop {
            // SAFETY: nodes are freed with `self`.
            let it = unsafe { node.as_ref() }?;
            // ORDERING: Acquire pairs with the release in `end_use`: if the node is not current any more, that is
            // seen below.
            it.uses.fetch_add(1, Acquire);
            let snapshot = Snapshot { node: it };
            // ORDERING: Acquire, as above: it may have become the current one again.
            let now = self.current.load(Acquire);
            if now == node {
                return Some(snapshot);
            }
            end(snapshot);
            node = now;
        }
    }

    /// Puts a value into a free node, to be published. Runs no code of other people's.
    pub(crate) fn prepare(&self, value: T) -> Prepared<'_, T> {
        let node = self.free_node();
        // SAFETY: it has changed the count from 0 to 1.
        let left = node
            .content
            .with_mut(|content| unsafe { (*content).1.replace(value) });
        Prepared {
            current: &self.current,
            node,
            _left: left,
        }
    }

    /// Takes the current value away, if it is `old`, and says whether it was. Drops it with its last snapshot.
    pub(crate) fn clear(&self, old: &Snapshot<'_, T>) -> bool {
        let node = ptr::from_ref(old.node).cast_mut();
        // ORDERING: Relaxed. Nothing is published; that the use ends is.
        let is_cleared = self
            .current
            .compare_exchange(node, null_mut(), Relaxed, Relaxed)
            .is_ok();
        if is_cleared {
            old.node.finish();
        }
        is_cleared
    }

    /// A node that nobody else writes or reads, with one use.
    fn free_node(&self) -> &Node<T> {
        // ORDERING: Acquire pairs with the release below.
        let mut first = self.nodes.load(Acquire);
        let mut node = first;
        // SAFETY: nodes are freed with `self`.
        while let Some(it) = unsafe { node.as_ref() } {
            if it.try_claim() {
                return it;
            }
            node = it.next;
        }
        let new = Box::into_raw(Box::new(Node {
            uses: AtomicUsize::new(1),
            content: UnsafeCell::new((0, None)),
            next: null_mut(),
        }));
        loop {
            // SAFETY: made above, and not in the list yet.
            unsafe { (*new).next = first };
            // ORDERING: Release publishes the node. Those before it are in the release sequence.
            match self
                .nodes
                .compare_exchange_weak(first, new, Release, Relaxed)
            {
                // SAFETY: nodes are freed with `self`.
                Ok(_) => return unsafe { &*new },
                Err(now) => first = now,
            }
        }
    }
}

impl<T> Node<T> {
    /// Becomes its writer if nobody uses it.
    fn try_claim(&self) -> bool {
        // ORDERING: Relaxed. The compare-exchange decides.
        self.uses.load(Relaxed) == 0
            // ORDERING: Acquire pairs with the release in `end_use`: those who have used it are done.
            && self.uses.compare_exchange(0, 1, Acquire, Relaxed).is_ok()
    }

    /// Ends one use. Says whether it was the last one.
    fn end_use(&self) -> bool {
        // ORDERING: Release: this use is over. If `current` was changed before, whoever counts itself in later sees
        // that.
        self.uses.fetch_sub(1, Release) == 1
    }

    /// Ends one use, and drops the value if it was the last one.
    fn finish(&self) {
        if self.end_use() && self.try_claim() {
            // SAFETY: it has changed the count from 0 to 1.
            let left = self
                .content
                .with_mut(|content| unsafe { (*content).1.take() });
            // If others have counted themselves in, in vain, there is nothing left for them to drop.
            self.end_use();
            // Other people's code: last.
            drop(left);
        }
    }
}

/// A value that is to be published.
pub(crate) struct Prepared<'a, T> {
    current: &'a AtomicPtr<Node<T>>,
    node: &'a Node<T>,
    /// What was left in the node, to be dropped last.
    _left: Option<T>,
}

impl<'a, T> Prepared<'a, T> {
    /// Makes the value, with its number, the current one instead of `old`; or says that `old` is not current any
    /// more. Runs no code of other people's: what is returned may have values to drop.
    pub(crate) fn publish(
        self,
        old: Option<&Snapshot<'_, T>>,
        number: usize,
    ) -> Result<impl Sized + use<'a, T>, Self> {
        // SAFETY: nobody else has found the node.
        self.node
            .content
            .with_mut(|content| unsafe { (*content).0 = number });
        let old = old.map_or(null_mut(), |old| ptr::from_ref(old.node).cast_mut());
        let new = ptr::from_ref(self.node).cast_mut();
        // ORDERING: Release publishes the node with the value.
        if self
            .current
            .compare_exchange(old, new, Release, Relaxed)
            .is_err()
        {
            return Err(self);
        }
        // Its use is the current value's now, and that of the old one ends.
        // SAFETY: nodes are freed with the snapshots that the caller has.
        let old = unsafe { old.as_ref() }.map(|node| Snapshot { node });
        let mut prepared = ManuallyDrop::new(self);
        Ok((old, prepared._left.take()))
    }
}

impl<T> Drop for Prepared<'_, T> {
    fn drop(&mut self) {
        self.node.finish();
    }
}

impl<T> Drop for Snapshots<T> {
    fn drop(&mut self) {
        // ORDERING: Relaxed. Nobody else has it.
        Nodes(self.nodes.load(Relaxed)).drop_all();
    }
}

/// Nodes that nobody uses any more, to be freed: all of them even if dropping a value panics.
struct Nodes<T>(*mut Node<T>);

impl<T> Nodes<T> {
    fn drop_all(&mut self) {
        while !self.0.is_null() {
            // SAFETY: made by `Box`, and dropped once.
            let node = unsafe { Box::from_raw(self.0) };
            self.0 = node.next;
        }
    }
}

impl<T> Drop for Nodes<T> {
    fn drop(&mut self) {
        self.drop_all();
    }
}

/// A value that was current when it was looked at, and stays for as long as this does.
pub(crate) struct Snapshot<'a, T> {
    node: &'a Node<T>,
}

// SAFETY: it is a reference to the value, and may be what drops it.
unsafe impl<T: Send + Sync> Send for Snapshot<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Snapshot<'_, T> {}

impl<T> Snapshot<'_, T> {
    /// Ends it, and leaves the value to the node's next writer if it was the last one.
    pub(crate) fn end_quietly(self) {
        ManuallyDrop::new(self).node.end_use();
    }

    /// The number of the value.
    pub(crate) fn number(&self) -> usize {
        // SAFETY: it was current while this was counted, so it is not written to.
        self.node.content.with(|content| unsafe { (*content).0 })
    }
}

impl<T: Clone> Snapshot<'_, T> {
    /// The value of a snapshot that is not current any more: itself if nobody else looks at it, or a copy.
    pub(crate) fn into_value(self) -> T {
        // ORDERING: Acquire pairs with the release in `end_use`: those who have used it are done.
        if self.node.uses.load(Acquire) == 1 {
            // SAFETY: it is not current, so whoever counts itself in does so in vain, and nobody reads it.
            let value = self
                .node
                .content
                .with_mut(|content| unsafe { (*content).1.take() });
            return value.expect("it had a value");
        }
        T::clone(&self)
    }
}

impl<T> Deref for Snapshot<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: as above.
        let value = self
            .node
            .content
            .with(|content| unsafe { (*content).1.as_ref() });
        value.expect("a current node has a value")
    }
}

impl<T> Drop for Snapshot<'_, T> {
    fn drop(&mut self) {
        self.node.finish();
    }
}
