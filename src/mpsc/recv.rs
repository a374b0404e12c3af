//! Receiving as a future, and on plain threads.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{error::TryRecvError, receiver::Receiver};
use crate::{
    Timeout,
    blocking::block_on,
    timeout::{Wait, wait_methods},
};

impl<T> Receiver<T> {
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
        self.receiver.stop_waiting();
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
        if count > 0 || self.limit == 0 {
            return Some(count);
        }
        // What came before the close is there by now.
        let is_over = self.receiver.is_over();
        is_over.then(|| self.receiver.take_many(self.buffer, self.limit))
    }
}

wait_methods!(['a, T] RecvMany<'a, T>, it => Done(it.is_done),
    "let (_sender, mut receiver) = compio_sync::mpsc::channel::<u32>(1); let mut buffer = Vec::new();",
    "receiver.recv_many(&mut buffer, 2)");

impl<T> Drop for RecvMany<'_, T> {
    fn drop(&mut self) {
        self.receiver.stop_waiting();
    }
}

impl<T> fmt::Debug for RecvMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvMany").finish_non_exhaustive()
    }
}
