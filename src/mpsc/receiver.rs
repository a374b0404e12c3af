//! The end that receives.

use std::{
    fmt, iter,
    task::{Context, Poll, ready},
};

use super::{chan::Chan, error::TryRecvError};
use crate::{
    budget::{Budget, set_budget},
    loom::Arc,
    waiter_queue::Slot,
};

/// The receiving end of a [bounded channel](super::channel).
///
/// When it is dropped, the channel is closed, and the values that are left are dropped with it.
///
/// A task that always finds a value would never let its runtime's other tasks and its I/O go on. So after 128
/// values in a row, `recv` yields once, as tokio's does. See [`set_budget`](Self::set_budget).
pub struct Receiver<T> {
    chan: Arc<Chan<T>>,
    /// The wait for a value. Idle when there is none.
    slot: Slot,
    budget: Budget,
}

impl<T> Receiver<T> {
    pub(super) fn new(chan: Arc<Chan<T>>) -> Self {
        Self {
            chan,
            slot: Slot::Idle,
            budget: Budget::new(),
        }
    }

    // ---- receiving ----

    /// Receives the next value if there is one.
    ///
    /// A value whose `send` is still going on may not be seen yet.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if there is none, [`TryRecvError::Disconnected`] if there will be none.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::mpsc::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = mpsc::channel(4);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if let Some(value) = self.take() {
            return Ok(value);
        }
        if !self.is_over() {
            return Err(TryRecvError::Empty);
        }
        // What came before the close is there by now.
        self.take().ok_or(TryRecvError::Disconnected)
    }

    /// Polls for the next value: [`recv`](Self::recv) for those who write futures by hand.
    ///
    /// If there is none, `cx`'s task is woken when there is. Only the task of the last call is.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = compio_sync::mpsc::channel(4);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(poll_fn(|cx| receiver.poll_recv(cx)).await, Some(1));
    /// # });
    /// ```
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let value = ready!(self.poll_take(cx));
        if value.is_some() {
            self.chan.give_places(1);
        }
        Poll::Ready(value)
    }

    /// Polls for up to `limit` values: [`recv_many`](Self::recv_many) for those who write futures by hand.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = compio_sync::mpsc::channel(4);
    /// sender.try_send(1).unwrap();
    /// let mut buffer = Vec::new();
    /// assert_eq!(poll_fn(|cx| receiver.poll_recv_many(cx, &mut buffer, 8)).await, 1);
    /// # });
    /// ```
    pub fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        if limit == 0 {
            return Poll::Ready(0);
        }
        buffer.reserve(1);
        let Some(first) = ready!(self.poll_take(cx)) else {
            return Poll::Ready(0);
        };
        buffer.push(first);
        Poll::Ready(1 + self.take_many_after(1, buffer, limit - 1))
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
    /// use compio_sync::mpsc::{self, error::TrySendError};
    ///
    /// let (sender, mut receiver) = mpsc::channel(4);
    /// sender.try_send(1).unwrap();
    /// receiver.close();
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
    /// assert_eq!(receiver.blocking_recv(), Some(1));
    /// assert_eq!(receiver.blocking_recv(), None);
    /// ```
    pub fn close(&mut self) {
        self.chan.close();
    }

    /// Returns whether the channel is closed: by [`close`](Self::close), or since all senders were dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpsc::channel::<u32>(4);
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed() || self.chan.values.is_no_wait()
    }

    /// Returns how many values there are to be received.
    ///
    /// A snapshot, if others are sending.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpsc::channel(4);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.chan.left()
    }

    /// Returns whether there is no value to be received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = compio_sync::mpsc::channel::<u32>(4);
    /// assert!(receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        // SAFETY: this is the only receiver, and borrowed.
        !unsafe { self.chan.has_next() }
    }

    /// Returns how many values could be sent at the moment without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpsc::channel(4);
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
    /// let (_sender, receiver) = compio_sync::mpsc::channel::<u32>(4);
    /// assert_eq!(receiver.max_capacity(), 4);
    /// ```
    pub fn max_capacity(&self) -> usize {
        self.chan.max_capacity()
    }

    /// Returns how many senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpsc::channel::<u32>(4);
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
    /// let (sender, receiver) = compio_sync::mpsc::channel::<u32>(4);
    /// let weak = sender.downgrade();
    /// assert_eq!(receiver.sender_weak_count(), 1);
    /// # drop(weak);
    /// ```
    pub fn sender_weak_count(&self) -> usize {
        self.chan.weak_senders.count()
    }

    // ---- inside ----

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Ends a wait that the caller does not go on with.
    pub(super) fn stop_waiting(&mut self) {
        if let Slot::Waiting(_) = self.slot {
            self.chan.values.leave(&mut self.slot);
            self.slot = Slot::Idle;
        }
    }

    /// Whether no more values will come.
    pub(super) fn is_over(&self) -> bool {
        self.chan.is_over()
    }

    /// Takes the next value, if it is there.
    fn take(&mut self) -> Option<T> {
        // SAFETY: this is the only receiver.
        let value = unsafe { self.chan.take() };
        if value.is_some() {
            self.chan.give_places(1);
        }
        value
    }

    /// Waits for the next value, and takes it. Its place is not given back.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if self.budget.is_spent(cx) {
            return Poll::Pending;
        }
        // SAFETY: this is the only receiver.
        let Poll::Ready(value) = (unsafe { self.chan.poll_take(&mut self.slot, cx) }) else {
            self.budget.refill();
            return Poll::Pending;
        };
        self.slot = Slot::Idle;
        if value.is_some() {
            self.budget.spend();
        }
        Poll::Ready(value)
    }

    /// Takes up to `limit` values that are there.
    pub(super) fn take_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        self.take_many_after(0, buffer, limit)
    }

    /// The same, and gives the places of `before` more values back.
    fn take_many_after(&mut self, before: usize, buffer: &mut Vec<T>, limit: usize) -> usize {
        let most = self.chan.left().min(limit);
        buffer.reserve(most);
        // SAFETY: this is the only receiver.
        let values = iter::from_fn(|| unsafe { self.chan.take() });
        let len = buffer.len();
        buffer.extend(values.take(most));
        let count = buffer.len() - len;
        if before + count > 0 {
            self.chan.give_places(before + count);
        }
        count
    }
}

set_budget!([T] Receiver<T>, it => it.budget,
    "let (_sender, mut receiver) = compio_sync::mpsc::channel::<u32>(1);");

// A panic leaves a channel as it should be.
impl<T> std::panic::UnwindSafe for Receiver<T> {}
impl<T> std::panic::RefUnwindSafe for Receiver<T> {}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.chan.close();
        self.stop_waiting();
        // Those that are sent by permits which are still there go with the channel.
        let mut rest = Rest(self);
        rest.drop_all();
    }
}

/// The values that a receiver leaves, to be dropped: all of them even if dropping one panics.
struct Rest<'a, T>(&'a mut Receiver<T>);

impl<T> Rest<'_, T> {
    fn drop_all(&mut self) {
        while let Some(value) = self.0.take() {
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
