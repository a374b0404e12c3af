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

use std::task::{Context, Poll};

use super::list::List;
use crate::{
    ends::Ends,
    waiter_queue::{Left, MAX_PERMITS, Outcome, Queue, Slot},
};

pub(crate) struct Chan<T> {
    places: Queue,
    pub(crate) values: Queue,
    /// A gate that opens when the receiver has closed the channel.
    pub(crate) closed: Queue,
    list: List<T>,
    /// How many places there are in all.
    capacity: usize,
    pub(crate) senders: Ends,
    pub(crate) weak_senders: Ends,
    /// With several receivers.
    pub(crate) receivers: Ends,
}

// A panic leaves a channel as it should be.
impl<T> std::panic::UnwindSafe for Chan<T> {}
impl<T> std::panic::RefUnwindSafe for Chan<T> {}

impl<T> Chan<T> {
    /// A channel with one sender and one receiver.
    pub(crate) fn new(capacity: usize) -> Self {
        debug_assert!((1..=MAX_PERMITS).contains(&capacity));
        Self {
            places: Queue::new(capacity),
            values: Queue::new(0),
            closed: Queue::gate(),
            list: List::new(),
            capacity,
            senders: Ends::new(1),
            weak_senders: Ends::new(0),
            receivers: Ends::new(1),
        }
    }

    pub(crate) fn max_capacity(&self) -> usize {
        self.capacity
    }

    // ---- places ----

    /// How many places are free.
    pub(crate) fn capacity(&self) -> usize {
        self.places.permits().max(0) as usize
    }

    /// Whether the receiver has closed the channel.
    pub(crate) fn is_closed(&self) -> bool {
        self.places.is_no_wait()
    }

    #[inline]
    pub(crate) fn try_take_places(&self, count: usize) -> bool {
        self.places.try_take(count)
    }

    /// Waits for places. Says whether it got them; if not, the channel is closed.
    #[inline]
    pub(crate) fn poll_places(
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
    pub(crate) fn leave_places(&self, slot: &mut Slot) -> bool {
        let left = self.places.leave(slot);
        self.close_values_if_last();
        left == Left::With(Outcome::Granted)
    }

    /// Gives places back.
    #[inline]
    pub(crate) fn give_places(&self, count: usize) {
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

    /// Takes a place even if there is none: there will be one less. Not of a closed channel; says whether it did.
    pub(crate) fn take_place_anyway(&self) -> bool {
        self.places.take_anyway(1)
    }

    // ---- values ----

    /// Sends a value, for which the caller has a place.
    #[inline]
    pub(crate) fn send(&self, value: T) {
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
    pub(crate) unsafe fn take(&self) -> T {
        // SAFETY: permits are given for published values, and the caller is the receiver.
        unsafe { self.list.pop() }
    }

    /// Takes a value, one of several receivers. None is there if the channel was closed meanwhile, and others have
    /// taken it.
    ///
    /// # Safety
    ///
    /// For a receiver that has a permit of `values` for it; and no receiver calls [`take`](Self::take).
    #[inline]
    pub(crate) unsafe fn take_shared(&self) -> Option<T> {
        // SAFETY: permits are given for published values.
        unsafe { self.list.pop_shared() }
    }

    /// Takes a value, one of several receivers, if `values` are closed and there is one.
    ///
    /// # Safety
    ///
    /// No receiver calls [`take`](Self::take).
    pub(crate) unsafe fn take_left(&self) -> Option<T> {
        if !self.values.is_no_wait() {
            return None;
        }
        // SAFETY: `values` are closed when there will be no more.
        unsafe { self.list.pop_left() }
    }

    /// How many values there are in a channel whose `values` are closed.
    pub(crate) fn left(&self) -> usize {
        self.list.left()
    }

    // ---- the ends ----

    /// Closes the channel for the receiver.
    pub(crate) fn close(&self) {
        self.places.close();
        self.close_values_if_last();
        self.closed.open();
    }

    pub(crate) fn remove_sender(&self) {
        // What all have sent comes before the close.
        if self.senders.remove() {
            self.values.close();
        }
    }
}
