//! What the ends of a channel share.
//!
//! ```text
//!              places                         values
//!    senders ─────────► list of values ─────────────► receiver
//!       ▲                                                │
//!       └───────────────── places ◄──────────────────────┘
//! ```
//!
//! Two queues of permits. `places` has one for each value that fits: a sender takes it before it sends,
//! and the receiver gives it back. `values` has one for each value that is there: the receiver waits for
//! it. Either is closed, for good, by the other side:
//!
//! - `places` by the receiver. Nobody gets a place from then on. Who has one already may still send.
//! - `values` when there will be no more: by the last sender, or, if `places` is closed, by whoever brings
//!   the last place back.
//!
//! So the receiver has got all there is when `values` is closed and empty.

use std::{
    sync::atomic::Ordering::{AcqRel, Relaxed},
    task::{Context, Poll},
};

use super::list::List;
use crate::{
    loom::AtomicUsize,
    waiter_queue::{Left, MAX_PERMITS, Outcome, Queue, Slot},
};

pub(super) struct Chan<T> {
    places: Queue,
    pub(super) values: Queue,
    /// A gate that opens when the receiver has closed the channel.
    pub(super) closed: Queue,
    list: List<T>,
    /// How many places there are in all.
    capacity: usize,
    senders: AtomicUsize,
    weak_senders: AtomicUsize,
}

// A panic leaves a channel as it should be.
impl<T> std::panic::UnwindSafe for Chan<T> {}
impl<T> std::panic::RefUnwindSafe for Chan<T> {}

impl<T> Chan<T> {
    /// A channel with one sender.
    pub(super) fn new(capacity: usize) -> Self {
        debug_assert!((1..=MAX_PERMITS).contains(&capacity));
        Self {
            places: Queue::new(capacity),
            values: Queue::new(0),
            closed: Queue::gate(),
            list: List::new(),
            capacity,
            senders: AtomicUsize::new(1),
            weak_senders: AtomicUsize::new(0),
        }
    }

    pub(super) fn max_capacity(&self) -> usize {
        self.capacity
    }

    // ---- places ----

    /// How many places are free.
    pub(super) fn capacity(&self) -> usize {
        self.places.permits().max(0) as usize
    }

    /// Whether the receiver has closed the channel.
    pub(super) fn is_closed(&self) -> bool {
        self.places.is_no_wait()
    }

    #[inline]
    pub(super) fn try_take_places(&self, count: usize) -> bool {
        self.places.try_take(count)
    }

    /// Waits for places. Says whether it got them; if not, the channel is closed.
    #[inline]
    pub(super) fn poll_places(
        &self,
        slot: &mut Slot,
        count: usize,
        cx: &Context<'_>,
    ) -> Poll<bool> {
        let poll = self.places.poll_take(slot, count, cx);
        if let Poll::Ready(Some(Outcome::Granted)) = poll {
            return Poll::Ready(true);
        }
        self.close_values_if_last();
        poll.map(|_| false)
    }

    /// Ends a wait for places. Says whether it had got them.
    pub(super) fn leave_places(&self, slot: &mut Slot) -> bool {
        let left = self.places.leave(slot);
        self.close_values_if_last();
        left == Left::With(Outcome::Granted)
    }

    /// Gives places back.
    #[inline]
    pub(super) fn give_places(&self, count: usize) {
        self.places.give(count);
        self.close_values_if_last();
    }

    /// Closes `values` if `places` is closed, and all places are back.
    ///
    /// Called after whatever may have locked `places`: permits that a combiner is granting are not in the word
    /// any more only when it has unlocked, and then it is the one to look.
    #[inline]
    fn close_values_if_last(&self) {
        if self.places.is_no_wait() && self.places.has_all(self.capacity) {
            self.values.close();
        }
    }

    // ---- values ----

    /// Sends a value, for which the caller has a place.
    #[inline]
    pub(super) fn send(&self, value: T) {
        let published = self.list.push(value);
        if published > 0 {
            self.values.give(published);
        }
    }

    /// Takes a value.
    ///
    /// # Safety
    ///
    /// For the receiver, which has a permit of `values` for it, or knows that it is [left](Self::left).
    #[inline]
    pub(super) unsafe fn take(&self) -> T {
        // SAFETY: permits are given for published values, and the caller is the receiver.
        unsafe { self.list.pop() }
    }

    /// How many values there are in a channel whose `values` are closed.
    ///
    /// # Safety
    ///
    /// For the receiver.
    pub(super) unsafe fn left(&self) -> usize {
        // SAFETY: the caller is the receiver.
        unsafe { self.list.left() }
    }

    // ---- the ends ----

    /// Closes the channel for the receiver.
    pub(super) fn close(&self) {
        self.places.close();
        self.close_values_if_last();
        self.closed.open();
    }

    pub(super) fn add_sender(&self) {
        // ORDERING: Relaxed. The caller has one already.
        let before = self.senders.fetch_add(1, Relaxed);
        assert!(before <= isize::MAX as usize, "too many senders");
    }

    /// Adds a sender if there is one left.
    pub(super) fn try_add_sender(&self) -> bool {
        // ORDERING: Relaxed, here and below. It only counts.
        let mut count = self.senders.load(Relaxed);
        while count > 0 {
            match self
                .senders
                .compare_exchange_weak(count, count + 1, Relaxed, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => count = now,
            }
        }
        false
    }

    pub(super) fn remove_sender(&self) {
        // ORDERING: Release: what this sender has sent comes before the close; Acquire: and so does what the
        // others have sent.
        if self.senders.fetch_sub(1, AcqRel) == 1 {
            self.values.close();
        }
    }

    pub(super) fn senders(&self) -> usize {
        // ORDERING: Relaxed. A snapshot.
        self.senders.load(Relaxed)
    }

    pub(super) fn add_weak_sender(&self) {
        // ORDERING: Relaxed. It only counts.
        self.weak_senders.fetch_add(1, Relaxed);
    }

    pub(super) fn remove_weak_sender(&self) {
        // ORDERING: Relaxed. It only counts.
        self.weak_senders.fetch_sub(1, Relaxed);
    }

    pub(super) fn weak_senders(&self) -> usize {
        // ORDERING: Relaxed. A snapshot.
        self.weak_senders.load(Relaxed)
    }
}
