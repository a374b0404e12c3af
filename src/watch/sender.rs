//! The end that sends.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use super::{error::SendError, receiver::Receiver, reference::Ref, shared::Shared};
use crate::{
    loom::Arc,
    timeout::{Wait, wait_methods},
    waiter_queue::Slot,
};

/// The sending end of a [channel](super::channel). Clones send to the same receivers.
///
/// When all are dropped, receivers see the last value, and then that the channel is closed.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Creates a channel without a receiver.
    ///
    /// # Examples
    ///
    /// ```
    /// let sender = compio_sync::watch::Sender::new(1);
    /// assert!(sender.is_closed());
    /// let receiver = sender.subscribe();
    /// assert_eq!(*receiver.borrow(), 1);
    /// ```
    pub fn new(value: T) -> Self {
        Self::with(Arc::new(Shared::new(value, 0)))
    }

    /// A sender that is counted already.
    pub(super) fn with(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    // ---- sending ----

    /// Sends a new value, which all receivers that wait are told of.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is no receiver. See [`send_replace`](Self::send_replace) for then.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.borrow(), 2);
    /// drop(receiver);
    /// assert!(sender.send(3).is_err());
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.shared.receivers.count() == 0 {
            return Err(SendError(value));
        }
        drop(self.shared.replace(value));
        Ok(())
    }

    /// Returns the current value, which stays as it is for as long as the reference is kept.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::watch::channel(1);
    /// assert_eq!(*sender.borrow(), 1);
    /// ```
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref::new(self.shared.get(), false)
    }

    // ---- the channel ----

    /// Creates a receiver, which has seen the current value.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::watch::channel(1);
    /// let other = sender.subscribe();
    /// assert_eq!(other.has_changed(), Ok(false));
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        self.shared.receivers.add();
        let seen = self.shared.get().number();
        Receiver::new(self.shared.clone(), seen)
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
    /// let (sender, receiver) = compio_sync::watch::channel(1);
    /// compio::runtime::spawn(async move { drop(receiver) }).detach();
    /// sender.closed().await;
    /// # });
    /// ```
    pub fn closed(&self) -> Closed<'_, T> {
        Closed {
            shared: &self.shared,
            slot: Slot::Idle,
        }
    }

    /// Returns whether there is no receiver.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::watch::channel(1);
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Returns how many receivers there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::watch::channel(1);
    /// let other = receiver.clone();
    /// assert_eq!(sender.receiver_count(), 2);
    /// # drop(other);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.count()
    }

    /// Returns how many senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::watch::channel(1);
    /// assert_eq!(sender.sender_count(), 1);
    /// ```
    pub fn sender_count(&self) -> usize {
        self.shared.senders.count()
    }

    /// Returns whether both send to the same receivers.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::watch::channel(1);
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// What needs a copy of the value, since receivers may be looking at it.
impl<T: Clone> Sender<T> {
    /// Changes the value, which all receivers that wait are told of.
    ///
    /// `modify` gets a copy of the value. If another sender is faster, it is called once more, with a copy of what
    /// that one has sent: no change is lost. There need not be a receiver.
    ///
    /// # Panics
    ///
    /// If `modify` does. The value then stays as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::watch::channel(vec![1]);
    /// sender.send_modify(|list| list.push(2));
    /// assert_eq!(*receiver.borrow(), [1, 2]);
    /// ```
    pub fn send_modify(&self, mut modify: impl FnMut(&mut T)) {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// Changes the value, if `modify` says that it did. Returns what it said.
    ///
    /// As [`send_modify`](Self::send_modify) does. If `modify` yields `false`, nobody sees what it has done.
    ///
    /// # Panics
    ///
    /// If `modify` does. The value then stays as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::watch::channel(1);
    /// let raise_to = |new: u32| sender.send_if_modified(|value| std::mem::replace(value, new.max(*value)) < new);
    /// assert!(raise_to(5));
    /// assert!(!raise_to(3));
    /// assert_eq!(*receiver.borrow(), 5);
    /// ```
    pub fn send_if_modified(&self, mut modify: impl FnMut(&mut T) -> bool) -> bool {
        self.shared.modify(|old| {
            let mut value = old.clone();
            modify(&mut value).then_some(value)
        })
    }

    /// Sends a new value, and returns the one before. There need not be a receiver.
    ///
    /// # Examples
    ///
    /// ```
    /// let sender = compio_sync::watch::Sender::new(1);
    /// assert_eq!(sender.send_replace(2), 1);
    /// assert_eq!(*sender.borrow(), 2);
    /// ```
    pub fn send_replace(&self, value: T) -> T {
        self.shared.replace(value).into_value()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.add();
        Self::with(self.shared.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.remove_sender();
    }
}

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("value", &*self.shared.get())
            .field("receiver_count", &self.receiver_count())
            .finish_non_exhaustive()
    }
}

/// The future of [`Sender::closed`].
#[must_use = "futures do nothing unless polled"]
pub struct Closed<'a, T> {
    shared: &'a Shared<T>,
    slot: Slot,
}

impl<T> Closed<'_, T> {
    fn look(shared: &Shared<T>) -> Option<()> {
        (shared.receivers.count() == 0).then_some(())
    }
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let poll = this
            .shared
            .gone
            .poll_until(&mut this.slot, cx, || Self::look(this.shared));
        if poll.is_ready() {
            this.slot = Slot::Done;
        }
        poll.map(drop)
    }
}

impl<T> Wait for Closed<'_, T> {
    fn at_deadline(&mut self) -> Option<()> {
        let slot = &mut mem::replace(&mut self.slot, Slot::Done);
        self.shared.gone.leave(slot);
        Self::look(self.shared)
    }
}

wait_methods!(['a, T] Closed<'a, T>, it => it.slot,
    "let (sender, _receiver) = compio_sync::watch::channel(1);", "sender.closed()");

impl<T> Drop for Closed<'_, T> {
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot {
            self.shared.gone.leave(&mut self.slot);
        }
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
