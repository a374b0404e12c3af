//! A channel without a bound: the same one, with as many places as there can be.

use std::{
    fmt,
    marker::PhantomData,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    chan::Chan,
    error::{SendError, TryRecvError},
    receiver::Receiver,
    recv::{Recv, RecvMany},
    send::Closed,
    sender::Mpsc,
};
use crate::{Timeout, budget::set_budget, loom::Arc};

/// The sending end of an [unbounded channel](super::unbounded_channel). Clones send to the same receiver.
///
/// When all are dropped, the channel is closed.
pub struct UnboundedSender<T, K = Mpsc> {
    chan: Arc<Chan<T>>,
    _kind: PhantomData<fn() -> K>,
}

impl<T, K> UnboundedSender<T, K> {
    /// A sender that is counted already.
    pub(crate) fn new(chan: Arc<Chan<T>>) -> Self {
        Self {
            chan,
            _kind: PhantomData,
        }
    }

    /// Sends a value. Never waits.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver has been dropped, or has closed the channel.
    ///
    /// # Panics
    ///
    /// If there are [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS) values that were not received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.chan.send_unbounded(value).map_err(SendError)
    }

    /// Waits until the receiver is dropped, or has closed the channel.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// drop(receiver);
    /// sender.closed().await;
    /// # });
    /// ```
    pub fn closed(&self) -> Closed<'_, T> {
        Closed::new(&self.chan)
    }

    /// Returns whether the receiver has been dropped, or has closed the channel.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// Returns whether both send to the same receiver.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chan, &other.chan)
    }

    /// Makes a sender that does not keep the channel open.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// assert!(sender.downgrade().upgrade().is_some());
    /// ```
    pub fn downgrade(&self) -> WeakUnboundedSender<T, K> {
        WeakUnboundedSender::new(self.chan.clone())
    }

    /// Returns how many senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// assert_eq!(sender.strong_count(), 1);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.chan.senders.count()
    }

    /// Returns how many weak senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// assert_eq!(sender.weak_count(), 0);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.chan.weak_senders.count()
    }
}

impl<T, K> Clone for UnboundedSender<T, K> {
    fn clone(&self) -> Self {
        self.chan.senders.add();
        Self::new(self.chan.clone())
    }
}

impl<T, K> Drop for UnboundedSender<T, K> {
    fn drop(&mut self) {
        self.chan.remove_sender();
    }
}

impl<T, K> fmt::Debug for UnboundedSender<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// A sender that does not keep its channel open. From [`UnboundedSender::downgrade`].
pub struct WeakUnboundedSender<T, K = Mpsc> {
    chan: Arc<Chan<T>>,
    _kind: PhantomData<fn() -> K>,
}

impl<T, K> WeakUnboundedSender<T, K> {
    fn new(chan: Arc<Chan<T>>) -> Self {
        chan.weak_senders.add();
        Self {
            chan,
            _kind: PhantomData,
        }
    }

    /// Makes a sender, if there is still another one.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// let weak = sender.downgrade();
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn upgrade(&self) -> Option<UnboundedSender<T, K>> {
        self.chan
            .senders
            .try_add()
            .then(|| UnboundedSender::new(self.chan.clone()))
    }

    /// Returns how many senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// assert_eq!(sender.downgrade().strong_count(), 1);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.chan.senders.count()
    }

    /// Returns how many weak senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// assert_eq!(sender.downgrade().weak_count(), 1);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.chan.weak_senders.count()
    }
}

impl<T, K> Clone for WeakUnboundedSender<T, K> {
    fn clone(&self) -> Self {
        Self::new(self.chan.clone())
    }
}

impl<T, K> Drop for WeakUnboundedSender<T, K> {
    fn drop(&mut self) {
        self.chan.weak_senders.remove();
    }
}

impl<T, K> fmt::Debug for WeakUnboundedSender<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakUnboundedSender")
            .finish_non_exhaustive()
    }
}

/// The receiving end of an [unbounded channel](super::unbounded_channel).
///
/// Its methods are those of [`Receiver`], but for what is about capacity.
pub struct UnboundedReceiver<T>(Receiver<T>);

impl<T> UnboundedReceiver<T> {
    pub(super) fn new(receiver: Receiver<T>) -> Self {
        Self(receiver)
    }

    /// The receiver of the bounded channel that it is.
    #[cfg(feature = "futures")]
    pub(super) fn bounded(&self) -> &Receiver<T> {
        &self.0
    }

    /// Receives the next value. Yields `None` if the channel is closed and empty.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has received nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = compio_sync::mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # });
    /// ```
    pub fn recv(&mut self) -> Recv<'_, T> {
        self.0.recv()
    }

    /// Receives up to `limit` values that are there, and waits only for the first one.
    ///
    /// See [`Receiver::recv_many`].
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has received nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = compio_sync::mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// let mut buffer = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut buffer, 8).await, 1);
    /// # });
    /// ```
    pub fn recv_many<'a>(&'a mut self, buffer: &'a mut Vec<T>, limit: usize) -> RecvMany<'a, T> {
        self.0.recv_many(buffer, limit)
    }

    /// Receives the next value if there is one.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if there is none, [`TryRecvError::Disconnected`] if there will be none.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.0.try_recv()
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
    /// let (sender, mut receiver) = compio_sync::mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.blocking_recv(), Some(1));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        self.0.blocking_recv()
    }

    /// Receives up to `limit` values, blocking the calling thread until there is one.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// let mut buffer = Vec::new();
    /// assert_eq!(receiver.blocking_recv_many(&mut buffer, 8), 1);
    /// ```
    #[track_caller]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        self.0.blocking_recv_many(buffer, limit)
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
    /// let (_sender, mut receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// assert!(receiver.recv_timeout(Duration::from_millis(5)).blocking().is_err());
    /// ```
    pub fn recv_timeout(&mut self, timeout: Duration) -> Timeout<Recv<'_, T>> {
        self.0.recv_timeout(timeout)
    }

    /// Polls for the next value. See [`Receiver::poll_recv`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = compio_sync::mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// assert_eq!(poll_fn(|cx| receiver.poll_recv(cx)).await, Some(1));
    /// # });
    /// ```
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.poll_recv(cx)
    }

    /// Polls for up to `limit` values. See [`Receiver::poll_recv_many`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = compio_sync::mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
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
        self.0.poll_recv_many(cx, buffer, limit)
    }

    /// Closes the channel: nobody can send any more.
    ///
    /// What was sent can still be received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::mpsc::unbounded_channel();
    /// receiver.close();
    /// assert!(sender.send(1).is_err());
    /// ```
    pub fn close(&mut self) {
        self.0.close();
    }

    /// Returns whether the channel is closed: by [`close`](Self::close), or since all senders were dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Returns how many values there are to be received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no value to be received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// assert!(receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// assert_eq!(receiver.sender_strong_count(), 1);
    /// # drop(sender);
    /// ```
    pub fn sender_strong_count(&self) -> usize {
        self.0.sender_strong_count()
    }

    /// Returns how many weak senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// assert_eq!(receiver.sender_weak_count(), 0);
    /// # drop(sender);
    /// ```
    pub fn sender_weak_count(&self) -> usize {
        self.0.sender_weak_count()
    }
}

set_budget!([T] UnboundedReceiver<T>, it => it.0.budget(),
    "let (_sender, mut receiver) = compio_sync::mpsc::unbounded_channel::<u32>();");

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedReceiver")
            .field("len", &self.len())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
