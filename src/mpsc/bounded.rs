//! What the sending end of a bounded channel does.

use std::time::Duration;

use super::{
    error::{SendError, TrySendError},
    permit::{OwnedPermit, Permit, PermitIterator},
    send::{Closed, Reserve, ReserveMany, ReserveOwned, SendTimeout, Sending},
    sender::Sender,
    weak::WeakSender,
};
use crate::{blocking::block_on, loom::Arc};

impl<T, K> Sender<T, K> {
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
        Sending::new(self.chan(), value)
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
                self.chan().send(value);
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
    /// The time runs from the first poll. See [`Timeout`](crate::Timeout).
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
        SendTimeout::new(self.send(value), timeout)
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
        Reserve::new(self.chan())
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
        ReserveMany::new(self.chan(), count)
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
    pub fn reserve_owned(self) -> ReserveOwned<T, K> {
        ReserveOwned::new(self)
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
        Ok(Permit::new(self.chan()))
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
        Ok(PermitIterator::new(self.chan(), count))
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
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T, K>, TrySendError<Self>> {
        match self.try_places(1) {
            Ok(()) => Ok(OwnedPermit::new(self)),
            Err(TrySendError::Full(())) => Err(TrySendError::Full(self)),
            Err(TrySendError::Closed(())) => Err(TrySendError::Closed(self)),
        }
    }

    fn try_places(&self, count: usize) -> Result<(), TrySendError<()>> {
        if count == 0 && !self.chan().is_closed()
            || (1..=self.max_capacity()).contains(&count) && self.chan().try_take_places(count)
        {
            Ok(())
        } else if self.chan().is_closed() {
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
        Closed::new(self.chan())
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
        self.chan().is_closed()
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
        Arc::ptr_eq(self.chan(), other.chan())
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
        self.chan().capacity()
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
        self.chan().max_capacity()
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
    pub fn downgrade(&self) -> WeakSender<T, K> {
        WeakSender::new(self.chan().clone())
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
        self.chan().senders.count()
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
        self.chan().weak_senders.count()
    }
}
