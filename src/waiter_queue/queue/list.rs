//! The wait list, first come first served, and the chain in which many waiters are taken out.
//!
//! Plain single-threaded code: a list belongs to its queue's combiner, a chain to whoever has it. Every
//! operation is O(1), but for [`WaitList::take_all`] and [`WaitList::requeue`].

use std::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{NonNull, null_mut},
};

use super::waiter::{Position, Queued, Ticket, Waiter};

/// A circular doubly linked list of waiters. `head` has waited longest.
pub(super) struct WaitList {
    head: *mut Waiter,
}

// SAFETY: the nodes are the queue's side of waiters, which may be on any thread.
unsafe impl Send for WaitList {}

impl WaitList {
    pub(super) const fn new() -> Self {
        Self { head: null_mut() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// The waiter that has waited longest, which stays in the list.
    pub(super) fn head(&self) -> Option<ManuallyDrop<Queued>> {
        let head = NonNull::new(self.head)?;
        // SAFETY: the list owns its nodes' queue side; this one is looked at and not ended.
        Some(ManuallyDrop::new(unsafe { Queued::from_ptr(head) }))
    }

    /// The waiter behind the head, which stays in the list.
    pub(super) fn second(&self) -> Option<ManuallyDrop<Queued>> {
        let head = NonNull::new(self.head)?;
        let (_, next) = links(self.head);
        // SAFETY: as in `head`.
        NonNull::new(next)
            .filter(|next| *next != head)
            .map(|next| ManuallyDrop::new(unsafe { Queued::from_ptr(next) }))
    }

    pub(super) fn push_back(&mut self, waiter: Queued) {
        let node = waiter.into_ptr().as_ptr();
        if self.head.is_null() {
            set(node, node, node);
            self.head = node;
        } else {
            let (tail, _) = links(self.head);
            set(node, tail, self.head);
            set_next(tail, node);
            set_prev(self.head, node);
        }
    }

    /// Puts a waiter back that was skipped: ahead of all who were not. One that goes [ahead](mark_ahead)
    /// becomes the head.
    ///
    /// Costs a step for each of those who were skipped.
    pub(super) fn requeue(&mut self, waiter: Queued) {
        let node = waiter.into_ptr().as_ptr();
        let place = match position(node) {
            Position::Ahead => Position::Ahead,
            _ => Position::Requeued,
        };
        let mut before = self.head;
        while place == Position::Requeued
            && !before.is_null()
            && position(before) != Position::Queued
        {
            let (_, next) = links(before);
            before = if next == self.head { null_mut() } else { next };
        }
        // Appended, which in a circular list is also in front of the head.
        // SAFETY: as it came.
        self.push_back(unsafe { Queued::from_ptr(NonNull::new_unchecked(node)) });
        if !before.is_null() && before == self.head {
            self.head = node;
        } else if !before.is_null() {
            let (last, head) = links(node);
            set_next(last, head);
            set_prev(head, last);
            let (prev, _) = links(before);
            set(node, prev, before);
            set_next(prev, node);
            set_prev(before, node);
        }
        set_position(node, place);
    }

    /// The position of the head, if there is one.
    pub(super) fn head_position(&self) -> Position {
        if self.head.is_null() {
            Position::Unlinked
        } else {
            position(self.head)
        }
    }

    /// Whether the head is the waiter that `ticket` is the other side of.
    pub(super) fn is_head(&self, ticket: &Ticket) -> bool {
        self.head == ticket.as_ptr().as_ptr()
    }

    pub(super) fn pop_front(&mut self) -> Option<Queued> {
        let head = NonNull::new(self.head)?;
        self.unlink(head);
        // SAFETY: it was pushed as a `Queued`, and has just been taken out.
        Some(unsafe { Queued::from_ptr(head) })
    }

    pub(super) fn pop_back(&mut self) -> Option<Queued> {
        let head = NonNull::new(self.head)?;
        let (last, _) = links(head.as_ptr());
        let last = NonNull::new(last)?;
        self.unlink(last);
        // SAFETY: it was pushed as a `Queued`, and has just been taken out.
        Some(unsafe { Queued::from_ptr(last) })
    }

    pub(super) fn pop_second(&mut self) -> Option<Queued> {
        let second = ManuallyDrop::into_inner(self.second()?).into_ptr();
        self.unlink(second);
        // SAFETY: it was pushed as a `Queued`, and has just been taken out.
        Some(unsafe { Queued::from_ptr(second) })
    }

    /// Takes out the waiter that `ticket` is the other side of, if it is still in the list.
    pub(super) fn remove(&mut self, ticket: &Ticket) -> Option<Queued> {
        // The ticket keeps the node alive.
        let node = ticket.as_ptr();
        if position(node.as_ptr()) == Position::Unlinked {
            return None;
        }
        self.unlink(node);
        // SAFETY: it was pushed as a `Queued`, and has just been taken out.
        Some(unsafe { Queued::from_ptr(node) })
    }

    /// Takes everyone out, in order. Costs a few writes per waiter.
    pub(super) fn take_all(&mut self, into: &mut Chain) -> usize {
        let mut count = 0;
        while let Some(waiter) = self.pop_front() {
            into.push_back(waiter);
            count += 1;
        }
        count
    }

    fn unlink(&mut self, node: NonNull<Waiter>) {
        let node = node.as_ptr();
        let (prev, next) = links(node);
        if next == node {
            self.head = null_mut();
        } else {
            set_next(prev, next);
            set_prev(next, prev);
            if self.head == node {
                self.head = next;
            }
        }
        set_position(node, Position::Unlinked);
    }
}

/// Has a waiter that nobody else knows of go ahead of everyone when it is [requeued](WaitList::requeue).
pub(super) fn mark_ahead(waiter: Queued) -> Queued {
    let node = waiter.into_ptr();
    set_position(node.as_ptr(), Position::Ahead);
    // SAFETY: as it came.
    unsafe { Queued::from_ptr(node) }
}

// Those below are called with nodes of one list or chain, by whoever has that to itself.

fn links(node: *mut Waiter) -> (*mut Waiter, *mut Waiter) {
    // SAFETY: see above: the node is alive, and its links are the caller's.
    unsafe { (*node).links.with(|links| ((*links).prev, (*links).next)) }
}

fn set(node: *mut Waiter, prev: *mut Waiter, next: *mut Waiter) {
    // SAFETY: as in `links`.
    unsafe {
        (*node).links.with_mut(|links| {
            (*links).prev = prev;
            (*links).next = next;
        });
    }
    set_position(node, Position::Queued);
}

fn position(node: *mut Waiter) -> Position {
    // SAFETY: as in `links`; the position belongs to the combiner.
    unsafe { (*node).position.with(|position| *position) }
}

fn set_position(node: *mut Waiter, place: Position) {
    // SAFETY: as in `position`.
    unsafe { (*node).position.with_mut(|it| *it = place) }
}

fn set_next(node: *mut Waiter, next: *mut Waiter) {
    // SAFETY: as in `links`.
    unsafe { (*node).links.with_mut(|links| (*links).next = next) }
}

fn set_prev(node: *mut Waiter, prev: *mut Waiter) {
    // SAFETY: as in `links`.
    unsafe { (*node).links.with_mut(|links| (*links).prev = prev) }
}

/// Waiters that were taken out of the list, first in first out.
pub(super) struct Chain {
    head: *mut Waiter,
    tail: *mut Waiter,
    _owns: PhantomData<Queued>,
}

impl Chain {
    pub(super) const fn new() -> Self {
        Self {
            head: null_mut(),
            tail: null_mut(),
            _owns: PhantomData,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    pub(super) fn push_back(&mut self, waiter: Queued) {
        let node = waiter.into_ptr().as_ptr();
        set_next(node, null_mut());
        if self.tail.is_null() {
            self.head = node;
        } else {
            set_next(self.tail, node);
        }
        self.tail = node;
    }

    pub(super) fn pop_front(&mut self) -> Option<Queued> {
        let head = NonNull::new(self.head)?;
        let (_, next) = links(self.head);
        self.head = next;
        if next.is_null() {
            self.tail = null_mut();
        }
        // SAFETY: it was pushed as a `Queued`, and has just been taken out.
        Some(unsafe { Queued::from_ptr(head) })
    }
}
