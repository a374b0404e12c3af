//! The ends that send.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{
    error::SendError,
    receiver::Receiver,
    ring::{Ring, leave},
};
use crate::{
    loom::Arc,
    timeout::{Wait, wait_methods},
    waiter_queue::Slot,
};

/// The sending end of a [channel](super::channel). Clones send to the same receivers.
///
/// When all are dropped, receivers get what they have not had, and then that the channel is closed.
pub struct Sender<T> {
    ring: Arc<Ring<T>>,
}

impl<T> Sender<T> {
    /// Creates a channel without a receiver, which keeps at least the last `capacity` values.
    ///
    /// # Panics
    ///
    /// As [`channel`](super::channel) does.
    ///
    /// # Examples
    ///
    /// ```
    /// let sender = compio_sync::broadcast::Sender::new(16);
    /// assert!(sender.send(1).is_err());
    /// let mut receiver = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(2));
    /// ```
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        super::check_capacity(capacity);
        Self::with(Arc::new(Ring::new(capacity, 0)))
    }

    /// A sender that is counted already.
    pub(super) fn with(ring: Arc<Ring<T>>) -> Self {
        Self { ring }
    }

    /// Sends a value to all receivers that there are. Returns how many that are.
    ///
    /// It never waits: if a receiver is that slow, the oldest value is overwritten.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is no receiver.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut one) = compio_sync::broadcast::channel(16);
    /// let mut other = sender.subscribe();
    /// assert_eq!(sender.send("hello").unwrap(), 2);
    /// assert_eq!(one.try_recv(), Ok("hello"));
    /// assert_eq!(other.try_recv(), Ok("hello"));
    /// ```
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let receivers = self.ring.receivers.count();
        if receivers == 0 {
            return Err(SendError(value));
        }
        self.ring.send(value);
        Ok(receivers)
    }

    /// Creates a receiver, which gets what is sent from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::broadcast::channel(16);
    /// sender.send(1).unwrap();
    /// let mut late = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!(late.try_recv(), Ok(2));
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        self.ring.receivers.add();
        Receiver::new(self.ring.clone(), self.ring.next())
    }

    /// Waits until there is no receiver.
    ///
    /// There may be another one by the time that the future completes.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// compio::runtime::spawn(async move { drop(receiver) }).detach();
    /// sender.closed().await;
    /// # });
    /// ```
    pub fn closed(&self) -> Closed<'_, T> {
        Closed {
            ring: &self.ring,
            slot: Slot::Idle,
        }
    }

    /// Returns how many receivers there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// let other = receiver.resubscribe();
    /// assert_eq!(sender.receiver_count(), 2);
    /// # drop(other);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.ring.receivers.count()
    }

    /// Returns whether both send to the same receivers.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ring, &other.ring)
    }

    /// Makes a sender that does not keep the channel open.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender::with(self.ring.clone())
    }

    /// Returns how many senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// assert_eq!(sender.strong_count(), 1);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.ring.senders.count()
    }

    /// Returns how many weak senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// assert_eq!(sender.weak_count(), 0);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.ring.weak_senders.count()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.ring.senders.add();
        Self::with(self.ring.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.ring.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("receiver_count", &self.receiver_count())
            .finish_non_exhaustive()
    }
}

/// A sender that does not keep its channel open. From [`Sender::downgrade`].
pub struct WeakSender<T> {
    ring: Arc<Ring<T>>,
}

impl<T> WeakSender<T> {
    fn with(ring: Arc<Ring<T>>) -> Self {
        ring.weak_senders.add();
        Self { ring }
    }

    /// Makes a sender, if there is still another one.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// assert!(sender.downgrade().upgrade().is_some());
    /// ```
    pub fn upgrade(&self) -> Option<Sender<T>> {
        self.ring
            .senders
            .try_add()
            .then(|| Sender::with(self.ring.clone()))
    }

    /// Returns how many senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// assert_eq!(sender.downgrade().strong_count(), 1);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.ring.senders.count()
    }

    /// Returns how many weak senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// assert_eq!(sender.downgrade().weak_count(), 1);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.ring.weak_senders.count()
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self::with(self.ring.clone())
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        self.ring.weak_senders.remove();
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}

/// The future of [`Sender::closed`].
#[must_use = "futures do nothing unless polled"]
pub struct Closed<'a, T> {
    ring: &'a Ring<T>,
    slot: Slot,
}

impl<T> Closed<'_, T> {
    fn look(ring: &Ring<T>) -> Option<()> {
        (ring.receivers.count() == 0).then_some(())
    }
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let look = || Self::look(this.ring);
        let poll = this.ring.gone.poll_until(&mut this.slot, cx, look);
        if poll.is_ready() {
            this.slot = Slot::Done;
        }
        poll.map(drop)
    }
}

impl<T> Wait for Closed<'_, T> {
    fn at_deadline(&mut self) -> Option<()> {
        leave(&self.ring.gone, &mut self.slot);
        Self::look(self.ring)
    }
}

wait_methods!(['a, T] Closed<'a, T>, it => it.slot,
    "let (sender, _receiver) = compio_sync::broadcast::channel::<u32>(16);", "sender.closed()");

impl<T> Drop for Closed<'_, T> {
    fn drop(&mut self) {
        leave(&self.ring.gone, &mut self.slot);
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
