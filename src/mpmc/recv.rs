//! Receiving as a future, and on plain threads.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::receiver::Receiver;
use crate::{
    Timeout,
    blocking::block_on,
    timeout::{Wait, wait_methods},
    waiter_queue::Slot,
};

impl<T> Receiver<T> {
    /// Receives the next value. Yields `None` if the channel is closed and empty.
    ///
    /// Receivers that wait get values first come, first served.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has received nothing, and has lost its place in the wait list. The value that it
    /// was granted goes to the next receiver, or is there for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::mpmc;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = mpmc::channel(4);
    /// compio::runtime::spawn(async move { sender.send("hello").await }).detach();
    /// assert_eq!(receiver.recv().await, Some("hello"));
    /// assert_eq!(receiver.recv().await, None);
    /// # });
    /// ```
    pub fn recv(&self) -> Recv<'_, T> {
        Recv {
            receiver: self,
            slot: Slot::Idle,
        }
    }

    /// Receives up to `limit` values that are there, and waits only for the first one.
    ///
    /// Appends them to `buffer`, and yields how many there were: 0 if the channel is closed and empty, or if
    /// `limit` is 0. Other receivers may get values between them.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has received nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::mpmc;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = mpmc::channel(4);
    /// for n in 1..=3 {
    ///     sender.send(n).await.unwrap();
    /// }
    /// let mut buffer = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut buffer, 2).await, 2);
    /// assert_eq!(buffer, [1, 2]);
    /// # });
    /// ```
    pub fn recv_many<'a>(&'a self, buffer: &'a mut Vec<T>, limit: usize) -> RecvMany<'a, T> {
        RecvMany {
            receiver: self,
            buffer,
            limit,
            slot: Slot::Idle,
        }
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
    /// use compio_sync::mpmc;
    ///
    /// let (sender, receiver) = mpmc::channel(4);
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.try_send(5).unwrap();
    /// assert_eq!(thread.join().unwrap(), Some(5));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&self) -> Option<T> {
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
    /// use compio_sync::mpmc;
    ///
    /// let (sender, receiver) = mpmc::channel(4);
    /// sender.try_send(5).unwrap();
    /// let mut buffer = Vec::new();
    /// assert_eq!(receiver.blocking_recv_many(&mut buffer, 10), 1);
    /// ```
    #[track_caller]
    pub fn blocking_recv_many(&self, buffer: &mut Vec<T>, limit: usize) -> usize {
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
    /// let (_sender, receiver) = compio_sync::mpmc::channel::<u32>(4);
    /// assert!(receiver.recv_timeout(Duration::from_millis(5)).blocking().is_err());
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Timeout<Recv<'_, T>> {
        self.recv().timeout(timeout)
    }
}

/// The future of [`Receiver::recv`].
#[must_use = "futures do nothing unless polled"]
pub struct Recv<'a, T> {
    receiver: &'a Receiver<T>,
    slot: Slot,
}

impl<T> Future for Recv<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.receiver.poll_in(&mut this.slot, cx)
    }
}

impl<T> Wait for Recv<'_, T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        self.receiver.at_deadline(&mut self.slot)
    }
}

wait_methods!(['a, T] Recv<'a, T>, it => it.slot,
    "let (_sender, receiver) = compio_sync::mpmc::channel::<u32>(1);", "receiver.recv()");

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        self.receiver.give_up(&mut self.slot);
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
    receiver: &'a Receiver<T>,
    buffer: &'a mut Vec<T>,
    limit: usize,
    slot: Slot,
}

impl<T> RecvMany<'_, T> {
    /// With the first value, takes those that are there.
    fn received(&mut self, first: Option<T>) -> usize {
        let Some(first) = first else { return 0 };
        self.buffer.push(first);
        1 + self.receiver.take_many(self.buffer, self.limit - 1)
    }
}

impl<T> Future for RecvMany<'_, T> {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.limit == 0 {
            this.slot = Slot::Done;
            return Poll::Ready(0);
        }
        let first = ready!(this.receiver.poll_in(&mut this.slot, cx));
        Poll::Ready(this.received(first))
    }
}

impl<T> Wait for RecvMany<'_, T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        let first = self.receiver.at_deadline(&mut self.slot)?;
        Some(self.received(first))
    }
}

wait_methods!(['a, T] RecvMany<'a, T>, it => it.slot,
    "let (_sender, receiver) = compio_sync::mpmc::channel::<u32>(1); let mut buffer = Vec::new();",
    "receiver.recv_many(&mut buffer, 2)");

impl<T> Drop for RecvMany<'_, T> {
    fn drop(&mut self) {
        self.receiver.give_up(&mut self.slot);
    }
}

impl<T> fmt::Debug for RecvMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvMany").finish_non_exhaustive()
    }
}
