//! Waiting for places, and for the close: the futures of the sending end.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{
    chan::Chan,
    error::{SendError, SendTimeoutError},
    permit::{OwnedPermit, Permit, PermitIterator},
    sender::{Mpsc, Sender},
};
use crate::{
    Timeout,
    timeout::{Wait, wait_methods},
    waiter_queue::{Left, Slot},
};

/// The future of [`Sender::send`].
#[must_use = "futures do nothing unless polled"]
pub struct Sending<'a, T> {
    chan: &'a Chan<T>,
    value: Option<T>,
    slot: Slot,
}

// The value is never pinned.
impl<T> Unpin for Sending<'_, T> {}

impl<'a, T> Sending<'a, T> {
    pub(super) fn new(chan: &'a Chan<T>, value: T) -> Self {
        Self {
            chan,
            value: Some(value),
            slot: Slot::Idle,
        }
    }
}

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

impl<'a, T> SendTimeout<'a, T> {
    pub(super) fn new(wait: Sending<'a, T>, timeout: Duration) -> Self {
        Self(wait.timeout(timeout))
    }
}

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
    pub(super) fn new(chan: &'a Chan<T>) -> Self {
        Self {
            chan,
            slot: Slot::Idle,
        }
    }

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
    pub(super) fn new(chan: &'a Chan<T>, count: usize) -> Self {
        Self {
            chan,
            count,
            slot: Slot::Idle,
        }
    }

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
pub struct ReserveOwned<T, K = Mpsc> {
    /// Taken out when the future is done.
    sender: Option<Sender<T, K>>,
    slot: Slot,
}

impl<T, K> ReserveOwned<T, K> {
    pub(super) fn new(sender: Sender<T, K>) -> Self {
        Self {
            sender: Some(sender),
            slot: Slot::Idle,
        }
    }

    fn permit(&mut self, has_place: bool) -> Result<OwnedPermit<T, K>, SendError<()>> {
        let sender = self.sender.take().expect("it is done once");
        if has_place {
            Ok(OwnedPermit::new(sender))
        } else {
            Err(SendError(()))
        }
    }
}

impl<T, K> Future for ReserveOwned<T, K> {
    type Output = Result<OwnedPermit<T, K>, SendError<()>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(sender) = &this.sender else {
            panic!("a wait was polled after it had completed")
        };
        let has_place = ready!(sender.chan().poll_places(&mut this.slot, 1, cx));
        Poll::Ready(this.permit(has_place))
    }
}

impl<T, K> Wait for ReserveOwned<T, K> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        let chan = self.sender.as_ref()?.chan();
        let has_place = chan.leave_places(&mut self.slot) || chan.try_take_places(1);
        (has_place || chan.is_closed()).then(|| self.permit(has_place))
    }
}

wait_methods!([T, K] ReserveOwned<T, K>, it => it.slot,
    "let (sender, _receiver) = compio_sync::mpsc::channel(1); sender.try_send(1).unwrap();",
    "sender.clone().reserve_owned()");

impl<T, K> Drop for ReserveOwned<T, K> {
    fn drop(&mut self) {
        if let (Slot::Waiting(_), Some(sender)) = (&self.slot, &self.sender)
            && sender.chan().leave_places(&mut self.slot)
        {
            sender.chan().give_places(1);
        }
    }
}

impl<T, K> fmt::Debug for ReserveOwned<T, K> {
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
