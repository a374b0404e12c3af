//! The end that sends.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{
    chan::Chan,
    error::{SendError, SendTimeoutError, TrySendError},
    permit::{OwnedPermit, Permit, PermitIterator},
    weak::WeakSender,
};
use crate::{
    Timeout,
    blocking::block_on,
    loom::Arc,
    timeout::{Wait, wait_methods},
    waiter_queue::{Left, Slot},
};

/// The sending end of a [bounded channel](super::channel). Clones send to the same receiver.
///
/// When all are dropped, the channel is closed.
pub struct Sender<T> {
    chan: Arc<Chan<T>>,
}

impl<T> Sender<T> {
    /// A sender that is counted already.
    pub(super) fn new(chan: Arc<Chan<T>>) -> Self {
        Self { chan }
    }

    pub(super) fn chan(&self) -> &Arc<Chan<T>> {
        &self.chan
    }

    // ---- sending ----

    /// Sends a value, waiting until there is a place for it.
    ///
    /// That it was sent does not mean that it is received: the receiver may be dropped first.
    ///
    /// # Errors
    ///
    /// The future gives the value back if the receiver has been dropped, or has closed the channel.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has not sent the value, and drops it. To keep the value, wait for a place with
    /// [`reserve`](Self::reserve) first.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::mpsc;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// sender.send(1).await.unwrap();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # });
    /// ```
    pub fn send(&self, value: T) -> Sending<'_, T> {
        Sending {
            chan: &self.chan,
            value: Some(value),
            slot: Slot::Idle,
        }
    }

    /// Sends a value if there is a place for it, and nobody waits for one.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is none, or if the channel is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::channel(1);
    /// assert!(sender.try_send(1).is_ok());
    /// assert!(sender.try_send(2).is_err());
    /// ```
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.try_places(1) {
            Ok(()) => {
                self.chan.send(value);
                Ok(())
            }
            Err(TrySendError::Full(())) => Err(TrySendError::Full(value)),
            Err(TrySendError::Closed(())) => Err(TrySendError::Closed(value)),
        }
    }

    /// Sends a value, blocking the calling thread until there is a place for it.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver has been dropped, or has closed the channel.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::mpsc::channel(1);
    /// std::thread::spawn(move || sender.blocking_send(1)).join().unwrap().unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        block_on("blocking_send", self.send(value))
    }

    /// Sends a value, waiting for a place for at most `timeout`.
    ///
    /// The time runs from the first poll. See [`Timeout`].
    ///
    /// # Errors
    ///
    /// The future gives the value back if the time was up first, or if the channel is closed.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has not sent the value, and drops it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (sender, _receiver) = compio_sync::mpsc::channel(1);
    /// assert!(sender.send_timeout(1, Duration::from_millis(5)).blocking().is_ok());
    /// assert!(sender.send_timeout(2, Duration::from_millis(5)).blocking().is_err());
    /// ```
    pub fn send_timeout(&self, value: T, timeout: Duration) -> SendTimeout<'_, T> {
        SendTimeout(self.send(value).timeout(timeout))
    }

    // ---- places ----

    /// Waits for a place. The [`Permit`] sends without waiting.
    ///
    /// # Errors
    ///
    /// The future yields an error if the receiver has been dropped, or has closed the channel.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has taken nothing, and has lost its place in the wait list.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = compio_sync::mpsc::channel(1);
    /// let permit = sender.reserve().await.unwrap();
    /// permit.send(1);
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # });
    /// ```
    pub fn reserve(&self) -> Reserve<'_, T> {
        Reserve {
            chan: &self.chan,
            slot: Slot::Idle,
        }
    }

    /// Waits for `count` places at once. The iterator yields a [`Permit`] for each.
    ///
    /// # Errors
    ///
    /// The future yields an error if the receiver has been dropped, or has closed the channel, and if `count` is
    /// more than [`max_capacity`](Self::max_capacity).
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has taken nothing, and has lost its place in the wait list.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = compio_sync::mpsc::channel(4);
    /// for (permit, value) in sender.reserve_many(2).await.unwrap().zip(["a", "b"]) {
    ///     permit.send(value);
    /// }
    /// assert_eq!(receiver.len(), 2);
    /// # });
    /// ```
    pub fn reserve_many(&self, count: usize) -> ReserveMany<'_, T> {
        ReserveMany {
            chan: &self.chan,
            count,
            slot: Slot::Idle,
        }
    }

    /// Waits for a place, for a permit that owns the sender.
    ///
    /// # Errors
    ///
    /// The future yields an error if the receiver has been dropped, or has closed the channel.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has taken nothing, and drops the sender.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = compio_sync::mpsc::channel(1);
    /// let permit = sender.clone().reserve_owned().await.unwrap();
    /// compio::runtime::spawn(async move { drop(permit.send(1)) }).detach();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # });
    /// ```
    pub fn reserve_owned(self) -> ReserveOwned<T> {
        ReserveOwned {
            sender: Some(self),
            slot: Slot::Idle,
        }
    }

    /// Takes a place if there is one, and nobody waits for one.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] says why there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(1);
    /// let permit = sender.try_reserve().unwrap();
    /// assert!(sender.try_reserve().is_err());
    /// # drop(permit);
    /// ```
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        self.try_places(1)?;
        Ok(Permit::new(&self.chan))
    }

    /// Takes `count` places if they are there, and nobody waits for one.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] says why they are not.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(4);
    /// assert_eq!(sender.try_reserve_many(3).unwrap().len(), 3);
    /// assert!(sender.try_reserve_many(5).is_err());
    /// ```
    pub fn try_reserve_many(
        &self,
        count: usize,
    ) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        self.try_places(count)?;
        Ok(PermitIterator::new(&self.chan, count))
    }

    /// Takes a place if there is one, and nobody waits for one, for a permit that owns the sender.
    ///
    /// # Errors
    ///
    /// Gives the sender back.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::channel(1);
    /// let sender = sender.try_reserve_owned().unwrap().send(1);
    /// assert!(sender.try_reserve_owned().is_err());
    /// ```
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.try_places(1) {
            Ok(()) => Ok(OwnedPermit::new(self)),
            Err(TrySendError::Full(())) => Err(TrySendError::Full(self)),
            Err(TrySendError::Closed(())) => Err(TrySendError::Closed(self)),
        }
    }

    fn try_places(&self, count: usize) -> Result<(), TrySendError<()>> {
        if count == 0 && !self.chan.is_closed()
            || (1..=self.max_capacity()).contains(&count) && self.chan.try_take_places(count)
        {
            Ok(())
        } else if self.chan.is_closed() {
            Err(TrySendError::Closed(()))
        } else {
            Err(TrySendError::Full(()))
        }
    }

    // ---- the channel ----

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
    /// let (sender, receiver) = compio_sync::mpsc::channel::<u32>(1);
    /// compio::runtime::spawn(async move { drop(receiver) }).detach();
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
    /// let (sender, receiver) = compio_sync::mpsc::channel::<u32>(1);
    /// assert!(!sender.is_closed());
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
    /// let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(1);
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chan, &other.chan)
    }

    /// Returns how many values could be sent at the moment without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::channel(4);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(sender.capacity(), 3);
    /// ```
    pub fn capacity(&self) -> usize {
        self.chan.capacity()
    }

    /// Returns how many values the channel can hold.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(4);
    /// assert_eq!(sender.max_capacity(), 4);
    /// ```
    pub fn max_capacity(&self) -> usize {
        self.chan.max_capacity()
    }

    /// Makes a sender that does not keep the channel open.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::mpsc::channel::<u32>(1);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// assert_eq!(receiver.blocking_recv(), None);
    /// ```
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender::new(self.chan.clone())
    }

    /// Returns how many senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(1);
    /// assert_eq!(sender.strong_count(), 1);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.chan.senders()
    }

    /// Returns how many weak senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(1);
    /// assert_eq!(sender.weak_count(), 0);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.chan.weak_senders()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.chan.add_sender();
        Self::new(self.chan.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.chan.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

// ---- futures ----

/// The future of [`Sender::send`].
#[must_use = "futures do nothing unless polled"]
pub struct Sending<'a, T> {
    chan: &'a Chan<T>,
    value: Option<T>,
    slot: Slot,
}

// The value is never pinned.
impl<T> Unpin for Sending<'_, T> {}

impl<T> Sending<'_, T> {
    fn sent(&mut self, has_place: bool) -> Result<(), SendError<T>> {
        let value = self.value.take().expect("it was not sent before");
        if has_place {
            self.chan.send(value);
            Ok(())
        } else {
            Err(SendError(value))
        }
    }
}

impl<T> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let has_place = ready!(this.chan.poll_places(&mut this.slot, 1, cx));
        Poll::Ready(this.sent(has_place))
    }
}

impl<T> Wait for Sending<'_, T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        let has_place = self.chan.leave_places(&mut self.slot) || self.chan.try_take_places(1);
        (has_place || self.chan.is_closed()).then(|| self.sent(has_place))
    }
}

wait_methods!(['a, T] Sending<'a, T>, it => it.slot,
    "let (sender, _receiver) = compio_sync::mpsc::channel(1); sender.try_send(1).unwrap();",
    "sender.send(2)");

impl<T> Drop for Sending<'_, T> {
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot
            && self.chan.leave_places(&mut self.slot)
        {
            self.chan.give_places(1);
        }
    }
}

impl<T> fmt::Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}

/// The future of [`Sender::send_timeout`].
#[must_use = "futures do nothing unless polled"]
pub struct SendTimeout<'a, T>(Timeout<Sending<'a, T>>);

impl<T> SendTimeout<'_, T> {
    /// Waits, blocking the calling thread, for at most that time.
    ///
    /// For plain threads: it needs no runtime, and not the feature `time`.
    ///
    /// # Errors
    ///
    /// As the future.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (sender, _receiver) = compio_sync::mpsc::channel(1);
    /// assert!(sender.send_timeout(1, Duration::from_millis(5)).blocking().is_ok());
    /// ```
    #[track_caller]
    pub fn blocking(mut self) -> Result<(), SendTimeoutError<T>> {
        match self.0.block() {
            Ok(result) => result.map_err(|SendError(value)| SendTimeoutError::Closed(value)),
            Err(crate::Elapsed) => Err(self.late()),
        }
    }

    fn late(&mut self) -> SendTimeoutError<T> {
        let value = self.0.wait_mut().value.take();
        SendTimeoutError::Timeout(value.expect("it was not sent"))
    }
}

#[cfg(feature = "time")]
#[cfg_attr(docsrs, doc(cfg(feature = "time")))]
impl<T> Future for SendTimeout<'_, T> {
    type Output = Result<(), SendTimeoutError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll(cx)) {
            Ok(result) => result.map_err(|SendError(value)| SendTimeoutError::Closed(value)),
            Err(crate::Elapsed) => Err(self.late()),
        })
    }
}

impl<T> fmt::Debug for SendTimeout<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendTimeout").finish_non_exhaustive()
    }
}

/// The future of [`Sender::reserve`].
#[must_use = "futures do nothing unless polled"]
pub struct Reserve<'a, T> {
    chan: &'a Chan<T>,
    slot: Slot,
}

impl<'a, T> Reserve<'a, T> {
    fn permit(&self, has_place: bool) -> Result<Permit<'a, T>, SendError<()>> {
        if has_place {
            Ok(Permit::new(self.chan))
        } else {
            Err(SendError(()))
        }
    }
}

impl<'a, T> Future for Reserve<'a, T> {
    type Output = Result<Permit<'a, T>, SendError<()>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let has_place = ready!(this.chan.poll_places(&mut this.slot, 1, cx));
        Poll::Ready(this.permit(has_place))
    }
}

impl<T> Wait for Reserve<'_, T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        let has_place = self.chan.leave_places(&mut self.slot) || self.chan.try_take_places(1);
        (has_place || self.chan.is_closed()).then(|| self.permit(has_place))
    }
}

wait_methods!(['a, T] Reserve<'a, T>, it => it.slot,
    "let (sender, _receiver) = compio_sync::mpsc::channel(1); sender.try_send(1).unwrap();",
    "sender.reserve()");

impl<T> Drop for Reserve<'_, T> {
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot
            && self.chan.leave_places(&mut self.slot)
        {
            self.chan.give_places(1);
        }
    }
}

impl<T> fmt::Debug for Reserve<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve").finish_non_exhaustive()
    }
}

/// The future of [`Sender::reserve_many`].
#[must_use = "futures do nothing unless polled"]
pub struct ReserveMany<'a, T> {
    chan: &'a Chan<T>,
    count: usize,
    slot: Slot,
}

impl<'a, T> ReserveMany<'a, T> {
    fn permits(&self, has_places: bool) -> Result<PermitIterator<'a, T>, SendError<()>> {
        if has_places {
            Ok(PermitIterator::new(self.chan, self.count))
        } else {
            Err(SendError(()))
        }
    }

    /// What needs no waiting: no places, and more than there can be.
    fn at_once(&mut self) -> Option<Result<PermitIterator<'a, T>, SendError<()>>> {
        if (1..=self.chan.max_capacity()).contains(&self.count) {
            return None;
        }
        self.slot = Slot::Done;
        Some(self.permits(self.count == 0 && !self.chan.is_closed()))
    }
}

impl<'a, T> Future for ReserveMany<'a, T> {
    type Output = Result<PermitIterator<'a, T>, SendError<()>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(result) = this.at_once() {
            return Poll::Ready(result);
        }
        let has_places = ready!(this.chan.poll_places(&mut this.slot, this.count, cx));
        Poll::Ready(this.permits(has_places))
    }
}

impl<T> Wait for ReserveMany<'_, T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        let has_places =
            self.chan.leave_places(&mut self.slot) || self.chan.try_take_places(self.count);
        (has_places || self.chan.is_closed()).then(|| self.permits(has_places))
    }
}

wait_methods!(['a, T] ReserveMany<'a, T>, it => it.slot,
    "let (sender, _receiver) = compio_sync::mpsc::channel(2); sender.try_send(1).unwrap();",
    "sender.reserve_many(2)");

impl<T> Drop for ReserveMany<'_, T> {
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot
            && self.chan.leave_places(&mut self.slot)
        {
            self.chan.give_places(self.count);
        }
    }
}

impl<T> fmt::Debug for ReserveMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReserveMany").finish_non_exhaustive()
    }
}

/// The future of [`Sender::reserve_owned`].
#[must_use = "futures do nothing unless polled"]
pub struct ReserveOwned<T> {
    /// Taken out when the future is done.
    sender: Option<Sender<T>>,
    slot: Slot,
}

impl<T> ReserveOwned<T> {
    fn permit(&mut self, has_place: bool) -> Result<OwnedPermit<T>, SendError<()>> {
        let sender = self.sender.take().expect("it is done once");
        if has_place {
            Ok(OwnedPermit::new(sender))
        } else {
            Err(SendError(()))
        }
    }
}

impl<T> Future for ReserveOwned<T> {
    type Output = Result<OwnedPermit<T>, SendError<()>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(sender) = &this.sender else {
            panic!("a wait was polled after it had completed")
        };
        let has_place = ready!(sender.chan.poll_places(&mut this.slot, 1, cx));
        Poll::Ready(this.permit(has_place))
    }
}

impl<T> Wait for ReserveOwned<T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        let chan = &self.sender.as_ref()?.chan;
        let has_place = chan.leave_places(&mut self.slot) || chan.try_take_places(1);
        (has_place || chan.is_closed()).then(|| self.permit(has_place))
    }
}

wait_methods!([T] ReserveOwned<T>, it => it.slot,
    "let (sender, _receiver) = compio_sync::mpsc::channel(1); sender.try_send(1).unwrap();",
    "sender.clone().reserve_owned()");

impl<T> Drop for ReserveOwned<T> {
    fn drop(&mut self) {
        if let (Slot::Waiting(_), Some(sender)) = (&self.slot, &self.sender)
            && sender.chan.leave_places(&mut self.slot)
        {
            sender.chan.give_places(1);
        }
    }
}

impl<T> fmt::Debug for ReserveOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReserveOwned").finish_non_exhaustive()
    }
}

/// The future of [`Sender::closed`].
#[must_use = "futures do nothing unless polled"]
pub struct Closed<'a, T> {
    chan: &'a Chan<T>,
    slot: Slot,
}

impl<'a, T> Closed<'a, T> {
    pub(super) fn new(chan: &'a Chan<T>) -> Self {
        Self {
            chan,
            slot: Slot::Idle,
        }
    }
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.chan.closed.poll_notice(&mut this.slot, cx).map(drop)
    }
}

impl<T> Wait for Closed<'_, T> {
    fn at_deadline(&mut self) -> Option<()> {
        let left = self.chan.closed.leave(&mut self.slot);
        (left != Left::Nothing || self.chan.closed.is_no_wait()).then_some(())
    }
}

wait_methods!(['a, T] Closed<'a, T>, it => it.slot,
    "let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(1);", "sender.closed()");

impl<T> Drop for Closed<'_, T> {
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot {
            self.chan.closed.leave(&mut self.slot);
        }
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
