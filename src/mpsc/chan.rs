//! What the ends of a channel share.
//!
//! ```text
//!              places                         values
//!    senders ─────────► list of values ─────────────► receiver
//!       ▲                                                │
//!       └───────────────── places ◄──────────────────────┘
//! ```
//!
//! Two queues. Senders wait in `places`, which has a permit for each value that fits: a sender takes it before it sends,
//! and the receiver gives it back. Receivers wait in `values`. One receiver looks for values by itself, and is told when
//! one has come that it waits for. For several there is a permit for each value that is there. Either queue is closed, for
//! good, by the other side:
//!
//! - `places` by the receiver. Nobody gets a place from then on. Who has one already may still send.
//! - `values` when there will be no more: by the last sender, or, if `places` is closed, by whoever brings
//!   the last place back.
//!
//! So the receiver has got all there is when `values` is closed and nothing is left.
//!
//! An unbounded channel with one receiver has no use for places. There the receiver closes the list: numbers that are taken
//! after that are refused, and it has got all there is when it has those before.

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
    /// Whether values need places.
    has_places: bool,
    /// Whether there may be several receivers.
    is_shared: bool,
    pub(crate) senders: Ends,
    pub(crate) weak_senders: Ends,
    /// With several receivers.
    pub(crate) receivers: Ends,
}

// A panic leaves a channel as it should be.
impl<T> std::panic::UnwindSafe for Chan<T> {}
impl<T> std::panic::RefUnwindSafe for Chan<T> {}

impl<T> Chan<T> {
    /// A channel with one sender, and one receiver for good.
    pub(crate) fn new(capacity: usize) -> Self {
        Self::with(List::new(), capacity, true, false)
    }

    /// The same, and without a bound.
    pub(crate) fn unbounded() -> Self {
        Self::with(List::new(), MAX_PERMITS, false, false)
    }

    /// A channel with one sender, and one receiver at first.
    pub(crate) fn shared(capacity: usize) -> Self {
        Self::with(List::new_shared(), capacity, true, true)
    }

    fn with(list: List<T>, capacity: usize, has_places: bool, is_shared: bool) -> Self {
        debug_assert!((1..=MAX_PERMITS).contains(&capacity));
        Self {
            places: Queue::new(capacity),
            values: Queue::new(0),
            closed: Queue::gate(),
            list,
            capacity,
            has_places,
            is_shared,
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
        if self.has_places {
            self.places.is_no_wait()
        } else {
            self.list.is_closed()
        }
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

    /// Gives places back, those of a sender or of values that were taken.
    #[inline]
    pub(crate) fn give_places(&self, count: usize) {
        if !self.has_places {
            return;
        }
        self.places.give(count);
        self.close_values_if_last();
    }

    /// Closes `values` if `places` is closed, and all places are back.
    ///
    /// Called after whatever may have locked `places`: permits that a combiner is granting are not in the word
    /// any more only when it has unlocked, and then it is the one to look.
    #[inline]
    fn close_values_if_last(&self) {
        if self.has_places && self.places.is_no_wait() && self.places.has_all(self.capacity) {
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
        let number = self.list.take_number();
        self.put(number.expect("a list with places is not closed"), value);
    }

    /// Sends a value without waiting for a place, or gives it back if the channel is closed. For an unbounded channel.
    #[inline]
    pub(crate) fn send_unbounded(&self, value: T) -> Result<(), T> {
        if self.has_places {
            while !self.try_take_places(1) {
                if self.is_closed() {
                    return Err(value);
                }
                assert!(
                    self.capacity() > 0,
                    "more values were sent than an unbounded channel can count; receive some"
                );
            }
        }
        match self.list.take_number() {
            Some(number) => {
                self.put(number, value);
                Ok(())
            }
            None => Err(value),
        }
    }

    #[inline]
    fn put(&self, number: usize, value: T) {
        if self.is_shared {
            let published = self.list.put_shared(number, value);
            if published > 0 {
                self.values.give(published);
            }
        } else if self.list.put(number, value) {
            self.values.notify(1);
        }
    }

    /// Takes the next value, if it is there. Its place is not given back.
    ///
    /// # Safety
    ///
    /// For the only receiver.
    #[inline]
    pub(crate) unsafe fn take(&self) -> Option<T> {
        // SAFETY: as for this function.
        unsafe { self.list.pop() }
    }

    /// Waits for the next value, and takes it. `None`: there will be none.
    ///
    /// # Safety
    ///
    /// For the only receiver.
    #[inline]
    pub(crate) unsafe fn poll_take(&self, slot: &mut Slot, cx: &Context<'_>) -> Poll<Option<T>> {
        let look = |is_waiting| {
            if is_waiting {
                // SAFETY: as for this function.
                unsafe { self.list.await_next() };
            }
            // SAFETY: as for this function.
            match unsafe { self.list.pop() } {
                None if self.has_places || !self.list.is_over() => None,
                value => Some(value),
            }
        };
        self.values
            .poll_until_with(slot, cx, look)
            .map(Option::flatten)
    }

    /// Whether the next value is there.
    ///
    /// # Safety
    ///
    /// Beside the only receiver, while that takes none.
    pub(crate) unsafe fn has_next(&self) -> bool {
        // SAFETY: as for this function.
        unsafe { self.list.has_next() }
    }

    /// Whether no more values will come: what is not there when this has returned `true` is not sent.
    ///
    /// For the only receiver.
    pub(crate) fn is_over(&self) -> bool {
        self.values.is_no_wait() || !self.has_places && self.list.is_over()
    }

    /// Takes a value, one of several receivers. None is there if the channel was closed meanwhile, and others have
    /// taken it.
    ///
    /// # Safety
    ///
    /// For a receiver that has a permit of `values` for it; and the channel is [shared](Self::shared).
    #[inline]
    pub(crate) unsafe fn take_shared(&self) -> Option<T> {
        // SAFETY: permits are given for published values.
        unsafe { self.list.pop_shared() }
    }

    /// Takes a value, one of several receivers, if `values` are closed and there is one.
    ///
    /// # Safety
    ///
    /// The channel is [shared](Self::shared).
    pub(crate) unsafe fn take_left(&self) -> Option<T> {
        if !self.values.is_no_wait() {
            return None;
        }
        // SAFETY: `values` are closed when there will be no more.
        unsafe { self.list.pop_left() }
    }

    /// How many values were not taken. Those that are being sent may count.
    pub(crate) fn left(&self) -> usize {
        self.list.left()
    }

    // ---- the ends ----

    /// Closes the channel for the receiver.
    pub(crate) fn close(&self) {
        if self.has_places {
            self.places.close();
            self.close_values_if_last();
        } else {
            self.list.close();
        }
        self.closed.open();
    }

    pub(crate) fn remove_sender(&self) {
        // What all have sent comes before the close.
        if self.senders.remove() {
            self.values.close();
        }
    }
}
