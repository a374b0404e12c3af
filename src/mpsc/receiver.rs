//! The end that receives.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{chan::Chan, error::TryRecvError};
use crate::{
    Timeout,
    blocking::block_on,
    loom::Arc,
    timeout::{Wait, wait_methods},
    waiter_queue::{Left, Outcome, Slot},
};

/// How many values a task receives in a row before it lets the runtime's other tasks run.
const BUDGET: u32 = 128;

/// The receiving end of a [bounded channel](super::channel).
///
/// When it is dropped, the channel is closed, and the values that are left are dropped with it.
///
/// A task that always finds a value would never let its runtime's other tasks and its I/O go on. So after 128
/// values in a row, `recv` yields once, as tokio's does.
pub struct Receiver<T> {
    chan: Arc<Chan<T>>,
    /// The wait for a value. Idle when there is none.
    slot: Slot,
    /// Values that it has permits for.
    ready: usize,
    /// How many more values may be received before it yields.
    budget: u32,
}

impl<T> Receiver<T> {
    pub(super) fn new(chan: Arc<Chan<T>>) -> Self {
        Self {
            chan,
            slot: Slot::Idle,
            ready: 0,
            budget: BUDGET,
        }
    }

    // ---- receiving ----

    /// Receives the next value. Yields `None` if the channel is closed and empty.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has received nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::mpsc;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(4);
    /// compio::runtime::spawn(async move { sender.send("hello").await }).detach();
    /// assert_eq!(receiver.recv().await, Some("hello"));
    /// assert_eq!(receiver.recv().await, None);
    /// # });
    /// ```
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv {
            receiver: self,
            is_done: false,
        }
    }

    /// Receives up to `limit` values that are there, and waits only for the first one.
    ///
    /// Appends them to `buffer`, and yields how many there were: 0 if the channel is closed and empty, or if
    /// `limit` is 0.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has received nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::mpsc;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(4);
    /// for n in 1..=3 {
    ///     sender.send(n).await.unwrap();
    /// }
    /// let mut buffer = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut buffer, 2).await, 2);
    /// assert_eq!(buffer, [1, 2]);
    /// # });
    /// ```
    pub fn recv_many<'a>(&'a mut self, buffer: &'a mut Vec<T>, limit: usize) -> RecvMany<'a, T> {
        RecvMany {
            receiver: self,
            buffer,
            limit,
            is_done: false,
        }
    }

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
        if self.get_ready() {
            return Ok(self.take());
        }
        // What came before the close is there by now.
        if self.chan.values.is_no_wait() {
            return if self.get_ready() {
                Ok(self.take())
            } else {
                Err(TryRecvError::Disconnected)
            };
        }
        Err(TryRecvError::Empty)
    }

    /// Receives the next value, blocking the calling thread until there is one.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::channel(4);
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.try_send(5).unwrap();
    /// assert_eq!(thread.join().unwrap(), Some(5));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        block_on("blocking_recv", self.recv())
    }

    /// Receives up to `limit` values, blocking the calling thread until there is one.
    ///
    /// See [`recv_many`](Self::recv_many).
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::channel(4);
    /// sender.try_send(5).unwrap();
    /// let mut buffer = Vec::new();
    /// assert_eq!(receiver.blocking_recv_many(&mut buffer, 10), 1);
    /// ```
    #[track_caller]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        block_on("blocking_recv_many", self.recv_many(buffer, limit))
    }

    /// Receives the next value, waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// The future yields [`Elapsed`](crate::Elapsed) if the time was up first.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has received nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (_sender, mut receiver) = compio_sync::mpsc::channel::<u32>(4);
    /// assert!(receiver.recv_timeout(Duration::from_millis(5)).blocking().is_err());
    /// ```
    pub fn recv_timeout(&mut self, timeout: Duration) -> Timeout<Recv<'_, T>> {
        self.recv().timeout(timeout)
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
        let is_there = ready!(self.poll_ready(cx));
        Poll::Ready(is_there.then(|| self.take()))
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
        if limit == 0 || !ready!(self.poll_ready(cx)) {
            return Poll::Ready(0);
        }
        Poll::Ready(self.take_many(buffer, limit))
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
        if self.chan.values.is_no_wait() {
            // SAFETY: this is the receiver.
            return unsafe { self.chan.left() };
        }
        let granted = match &self.slot {
            Slot::Waiting(ticket) if ticket.is_granted() => 1,
            _ => 0,
        };
        self.ready + granted + self.chan.values.permits().max(0) as usize
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
        self.len() == 0
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
        self.chan.senders()
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
        self.chan.weak_senders()
    }

    // ---- inside ----

    /// Gets permits for values that are there, if it has none. Says whether it has one.
    fn get_ready(&mut self) -> bool {
        if self.ready > 0 {
            return true;
        }
        let values = &self.chan.values;
        if let Slot::Waiting(ticket) = &self.slot {
            if !ticket.is_done() && !values.is_no_wait() {
                return false;
            }
            if self.leave() {
                return true;
            }
        }
        let values = &self.chan.values;
        self.ready = if values.is_no_wait() {
            // All that was sent is there. (A sender may still be about to take off the permit that this receiver
            // was handed last, so the permits are not to be counted.)
            // SAFETY: this is the receiver.
            unsafe { self.chan.left() }
        } else {
            values.take_up_to(usize::MAX)
        };
        self.ready > 0
    }

    /// Waits until it has a permit. Yields `false` if there will be none.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.budget == 0 {
            self.budget = BUDGET;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !self.get_ready() {
            let poll = self.chan.values.poll_take(&mut self.slot, 1, cx);
            let Poll::Ready(outcome) = poll else {
                self.budget = BUDGET;
                return Poll::Pending;
            };
            self.slot = Slot::Idle;
            if outcome == Some(Outcome::Granted) {
                self.ready = 1;
            } else if !self.get_ready() {
                return Poll::Ready(false);
            }
        }
        self.budget -= 1;
        Poll::Ready(true)
    }

    /// Ends its wait. Keeps the permit, if it got one, and says so.
    fn leave(&mut self) -> bool {
        let left = self.chan.values.leave(&mut self.slot);
        self.slot = Slot::Idle;
        if left == Left::With(Outcome::Granted) {
            self.ready += 1;
            return true;
        }
        false
    }

    /// Takes the value that it has a permit for.
    fn take(&mut self) -> T {
        self.ready -= 1;
        // SAFETY: this is the receiver, and it had a permit.
        let value = unsafe { self.chan.take() };
        self.chan.give_places(1);
        value
    }

    /// Takes up to `limit` values that it has permits for, or can have.
    fn take_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        let mut taken = 0;
        while taken < limit && self.get_ready() {
            let count = self.ready.min(limit - taken);
            buffer.reserve(count);
            for _ in 0..count {
                self.ready -= 1;
                // SAFETY: this is the receiver, and it had a permit.
                buffer.push(unsafe { self.chan.take() });
            }
            self.chan.give_places(count);
            taken += count;
        }
        taken
    }
}

// A panic leaves a channel as it should be.
impl<T> std::panic::UnwindSafe for Receiver<T> {}
impl<T> std::panic::RefUnwindSafe for Receiver<T> {}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.chan.close();
        if let Slot::Waiting(_) = self.slot {
            self.leave();
        }
        // Those that are sent by permits which are still there go with the channel.
        let mut rest = Rest(self);
        rest.drop_all();
    }
}

/// The values that a receiver leaves, to be dropped: all of them even if dropping one panics.
struct Rest<'a, T>(&'a mut Receiver<T>);

impl<T> Rest<'_, T> {
    fn drop_all(&mut self) {
        while self.0.get_ready() {
            drop(self.0.take());
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

/// Whether a future has yielded.
struct Done(bool);

impl Done {
    fn is_done(&self) -> bool {
        self.0
    }
}

/// The future of [`Receiver::recv`].
#[must_use = "futures do nothing unless polled"]
pub struct Recv<'a, T> {
    receiver: &'a mut Receiver<T>,
    is_done: bool,
}

impl<T> Future for Recv<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let value = ready!(self.receiver.poll_recv(cx));
        self.is_done = true;
        Poll::Ready(value)
    }
}

impl<T> Wait for Recv<'_, T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        self.is_done = true;
        match self.receiver.try_recv() {
            Ok(value) => Some(Some(value)),
            Err(TryRecvError::Disconnected) => Some(None),
            Err(TryRecvError::Empty) => None,
        }
    }
}

wait_methods!(['a, T] Recv<'a, T>, it => Done(it.is_done),
    "let (_sender, mut receiver) = compio_sync::mpsc::channel::<u32>(1);", "receiver.recv()");

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.receiver.slot {
            self.receiver.leave();
        }
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}

/// The future of [`Receiver::recv_many`].
#[must_use = "futures do nothing unless polled"]
pub struct RecvMany<'a, T> {
    receiver: &'a mut Receiver<T>,
    buffer: &'a mut Vec<T>,
    limit: usize,
    is_done: bool,
}

impl<T> Future for RecvMany<'_, T> {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let count = ready!(this.receiver.poll_recv_many(cx, this.buffer, this.limit));
        this.is_done = true;
        Poll::Ready(count)
    }
}

impl<T> Wait for RecvMany<'_, T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        self.is_done = true;
        let count = self.receiver.take_many(self.buffer, self.limit);
        let is_over = count > 0 || self.receiver.chan.values.is_no_wait();
        is_over.then_some(count)
    }
}

wait_methods!(['a, T] RecvMany<'a, T>, it => Done(it.is_done),
    "let (_sender, mut receiver) = compio_sync::mpsc::channel::<u32>(1); let mut buffer = Vec::new();",
    "receiver.recv_many(&mut buffer, 2)");

impl<T> Drop for RecvMany<'_, T> {
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.receiver.slot {
            self.receiver.leave();
        }
    }
}

impl<T> fmt::Debug for RecvMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvMany").finish_non_exhaustive()
    }
}
