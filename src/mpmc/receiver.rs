//! The end that receives: what it holds, and what can be had without waiting.

use std::{
    fmt,
    task::{Context, Poll},
};

use crate::{
    budget::{Budget, set_budget},
    loom::Arc,
    mpsc::{Chan, error::TryRecvError},
    waiter_queue::{Left, Outcome, Slot},
};

/// The receiving end of a [channel](super::channel). Each value goes to one of its clones.
///
/// When all are dropped, the channel is closed, and the values that are left are dropped.
///
/// A task that always finds a value would never let its runtime's other tasks and its I/O go on. So after 128
/// values in a row, `recv` yields once. See [`set_budget`](Self::set_budget).
pub struct Receiver<T> {
    chan: Arc<Chan<T>>,
    budget: Budget,
    /// The wait of `Stream`.
    #[cfg_attr(not(feature = "futures"), allow(dead_code, reason = "a stream's"))]
    pub(super) slot: Slot,
}

impl<T> Receiver<T> {
    /// A receiver that is counted already.
    pub(super) fn new(chan: Arc<Chan<T>>) -> Self {
        Self {
            chan,
            budget: Budget::new(),
            slot: Slot::Idle,
        }
    }

    // ---- receiving ----

    /// Receives the next value if there is one, and nobody waits for it.
    ///
    /// A value whose `send` is still going on may not be seen yet; nor one that another receiver hands on at the
    /// moment.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if there is none, [`TryRecvError::Disconnected`] if there will be none.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::mpmc::{self, error::TryRecvError};
    ///
    /// let (sender, receiver) = mpmc::channel(4);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// ```
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let value = if self.chan.values.try_take(1) {
            self.granted()
        } else if self.is_at_end() {
            self.left()
        } else {
            return Err(TryRecvError::Empty);
        };
        value.ok_or(TryRecvError::Disconnected)
    }

    // ---- the channel ----

    /// Closes the channel: nobody can send any more, but those who have a permit.
    ///
    /// What was sent can still be received. `recv` yields `None` when all of that was received, and all permits
    /// were used or dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::mpmc::{self, error::TrySendError};
    ///
    /// let (sender, receiver) = mpmc::channel(4);
    /// sender.try_send(1).unwrap();
    /// receiver.close();
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
    /// assert_eq!(receiver.blocking_recv(), Some(1));
    /// assert_eq!(receiver.blocking_recv(), None);
    /// ```
    pub fn close(&self) {
        self.chan.close();
    }

    /// Returns whether the channel is closed: by [`close`](Self::close), or since all senders were dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpmc::channel::<u32>(4);
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed() || self.is_at_end()
    }

    /// Returns how many values there are to be received, without those on their way to receivers that wait.
    ///
    /// A snapshot, if others are sending or receiving.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpmc::channel(4);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        if self.is_at_end() {
            return self.chan.left();
        }
        self.chan.values.permits().max(0) as usize
    }

    /// Returns whether there is no value to be received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = compio_sync::mpmc::channel::<u32>(4);
    /// assert!(receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many values could be sent at the moment without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpmc::channel(4);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.capacity(), 3);
    /// ```
    pub fn capacity(&self) -> usize {
        self.chan.capacity()
    }

    /// Returns how many values the channel can hold.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = compio_sync::mpmc::channel::<u32>(4);
    /// assert_eq!(receiver.max_capacity(), 4);
    /// ```
    pub fn max_capacity(&self) -> usize {
        self.chan.max_capacity()
    }

    /// Returns whether both receive from the same channel.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = compio_sync::mpmc::channel::<u32>(4);
    /// assert!(receiver.same_channel(&receiver.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chan, &other.chan)
    }

    /// Returns how many receivers there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = compio_sync::mpmc::channel::<u32>(4);
    /// assert_eq!(receiver.receiver_count(), 1);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.chan.receivers.count()
    }

    /// Returns how many senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpmc::channel::<u32>(4);
    /// let other = sender.clone();
    /// assert_eq!(receiver.sender_strong_count(), 2);
    /// # drop(other);
    /// ```
    pub fn sender_strong_count(&self) -> usize {
        self.chan.senders.count()
    }

    /// Returns how many weak senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpmc::channel::<u32>(4);
    /// let weak = sender.downgrade();
    /// assert_eq!(receiver.sender_weak_count(), 1);
    /// # drop(weak);
    /// ```
    pub fn sender_weak_count(&self) -> usize {
        self.chan.weak_senders.count()
    }

    // ---- inside ----

    /// Whether there will be no more values than there are.
    pub(super) fn is_at_end(&self) -> bool {
        self.chan.values.is_no_wait()
    }

    /// Waits for a value in `slot`. Yields `None` if there will be none.
    pub(super) fn poll_in(&self, slot: &mut Slot, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if self.budget.is_spent(cx) {
            return Poll::Pending;
        }
        let Poll::Ready(outcome) = self.chan.values.poll_take(slot, 1, cx) else {
            self.budget.refill();
            return Poll::Pending;
        };
        self.budget.spend();
        Poll::Ready(match outcome {
            Some(Outcome::Granted) => self.granted(),
            _ => self.left(),
        })
    }

    /// Ends a wait in `slot`, and takes a value if it was granted one, or could have one. Yields `None` if it
    /// would still wait.
    pub(super) fn at_deadline(&self, slot: &mut Slot) -> Option<Option<T>> {
        if self.chan.values.leave(slot) == Left::With(Outcome::Granted) {
            return Some(self.granted());
        }
        match self.try_recv() {
            Ok(value) => Some(Some(value)),
            Err(TryRecvError::Disconnected) => Some(None),
            Err(TryRecvError::Empty) => None,
        }
    }

    /// Ends a wait in `slot`, and hands on the value if it was granted one.
    pub(super) fn give_up(&self, slot: &mut Slot) {
        if let Slot::Waiting(_) = slot
            && self.chan.values.leave(slot) == Left::With(Outcome::Granted)
        {
            self.chan.values.give(1);
        }
    }

    /// Takes up to `limit` values that are there.
    pub(super) fn take_many(&self, buffer: &mut Vec<T>, limit: usize) -> usize {
        let before = buffer.len();
        let count = self.chan.values.take_up_to(limit);
        buffer.reserve(count);
        for _ in 0..count {
            buffer.extend(self.granted());
        }
        while self.is_at_end()
            && buffer.len() - before < limit
            && let Some(value) = self.left()
        {
            buffer.push(value);
        }
        buffer.len() - before
    }

    /// Takes the value that it has a permit for.
    fn granted(&self) -> Option<T> {
        // SAFETY: it has a permit, and nobody takes from such a channel alone.
        self.received(unsafe { self.chan.take_shared() })
    }

    /// Takes a value that is left when the channel is closed.
    fn left(&self) -> Option<T> {
        // SAFETY: nobody takes from such a channel alone.
        self.received(unsafe { self.chan.take_left() })
    }

    fn received(&self, value: Option<T>) -> Option<T> {
        if value.is_some() {
            self.chan.give_places(1);
        }
        value
    }
}

set_budget!([T] Receiver<T>, it => it.budget,
    "let (_sender, mut receiver) = compio_sync::mpmc::channel::<u32>(1);");

// A panic leaves a channel as it should be.
impl<T> std::panic::UnwindSafe for Receiver<T> {}
impl<T> std::panic::RefUnwindSafe for Receiver<T> {}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.chan.receivers.add();
        Self::new(self.chan.clone())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut slot = std::mem::take(&mut self.slot);
        self.give_up(&mut slot);
        if self.chan.receivers.remove() {
            self.chan.close();
            // Those that are sent by permits which are still there go with the channel.
            let mut rest = Rest(self);
            rest.drop_all();
        }
    }
}

/// The values that the last receiver leaves, to be dropped: all of them even if dropping one panics.
struct Rest<'a, T>(&'a Receiver<T>);

impl<T> Rest<'_, T> {
    fn drop_all(&mut self) {
        while let Ok(value) = self.0.try_recv() {
            drop(value);
        }
    }
}

impl<T> Drop for Rest<'_, T> {
    fn drop(&mut self) {
        self.drop_all();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.len())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
