//! Places that senders have taken.

use std::{fmt, mem};

use super::{
    chan::Chan,
    sender::{Mpsc, Sender},
};
use crate::loom::Arc;

/// A place in a channel: sends one value without waiting. From [`Sender::reserve`] and
/// [`Sender::try_reserve`].
///
/// If it is dropped, the place is free again. It is good even if the channel is closed meanwhile.
#[must_use = "a place that is dropped is free again"]
pub struct Permit<'a, T> {
    chan: &'a Chan<T>,
}

impl<'a, T> Permit<'a, T> {
    pub(super) fn new(chan: &'a Chan<T>) -> Self {
        Self { chan }
    }

    /// Sends a value into the place.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::mpsc::channel(1);
    /// sender.try_reserve().unwrap().send(1);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn send(self, value: T) {
        // The place is the value's, even if the receiver's waker panics.
        let chan = self.chan;
        mem::forget(self);
        chan.send(value);
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.chan.give_places(1);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// Several places in a channel: yields a [`Permit`] for each. From [`Sender::reserve_many`] and
/// [`Sender::try_reserve_many`].
///
/// If it is dropped, the places that it has not yielded are free again.
#[must_use = "places that are dropped are free again"]
pub struct PermitIterator<'a, T> {
    chan: &'a Chan<T>,
    left: usize,
}

impl<'a, T> PermitIterator<'a, T> {
    pub(super) fn new(chan: &'a Chan<T>, left: usize) -> Self {
        Self { chan, left }
    }
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Permit<'a, T>> {
        self.left = self.left.checked_sub(1)?;
        Some(Permit::new(self.chan))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> std::iter::FusedIterator for PermitIterator<'_, T> {}

impl<T> Drop for PermitIterator<'_, T> {
    fn drop(&mut self) {
        if self.left > 0 {
            self.chan.give_places(self.left);
        }
    }
}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitIterator")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// A place in a channel that owns its sender. From [`Sender::reserve_owned`] and
/// [`Sender::try_reserve_owned`].
///
/// If it is dropped, the place is free again, and the sender is dropped.
#[must_use = "a place that is dropped is free again"]
pub struct OwnedPermit<T, K = Mpsc> {
    /// Taken out when the permit is used.
    sender: Option<Sender<T, K>>,
}

impl<T, K> OwnedPermit<T, K> {
    pub(super) fn new(sender: Sender<T, K>) -> Self {
        Self {
            sender: Some(sender),
        }
    }

    fn into_sender(mut self) -> Sender<T, K> {
        self.sender.take().expect("a permit is used once")
    }

    /// Sends a value into the place, and returns the sender.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::mpsc::channel(1);
    /// let sender = sender.try_reserve_owned().unwrap().send(1);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// # drop(sender);
    /// ```
    pub fn send(self, value: T) -> Sender<T, K> {
        let sender = self.into_sender();
        sender.chan().send(value);
        sender
    }

    /// Frees the place, and returns the sender.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(1);
    /// let sender = sender.try_reserve_owned().unwrap().release();
    /// assert_eq!(sender.capacity(), 1);
    /// ```
    pub fn release(self) -> Sender<T, K> {
        let sender = self.into_sender();
        sender.chan().give_places(1);
        sender
    }

    /// Returns whether both are places in the same channel.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(2);
    /// let one = sender.clone().try_reserve_owned().unwrap();
    /// let other = sender.try_reserve_owned().unwrap();
    /// assert!(one.same_channel(&other));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        matches!((&self.sender, &other.sender), (Some(one), Some(other)) if one.same_channel(other))
    }

    /// Returns whether it is a place in the channel that `sender` sends to.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(2);
    /// let permit = sender.clone().try_reserve_owned().unwrap();
    /// assert!(permit.same_channel_as_sender(&sender));
    /// ```
    pub fn same_channel_as_sender(&self, sender: &Sender<T, K>) -> bool {
        self.sender
            .as_ref()
            .is_some_and(|own| Arc::ptr_eq(own.chan(), sender.chan()))
    }
}

impl<T, K> Drop for OwnedPermit<T, K> {
    fn drop(&mut self) {
        if let Some(sender) = &self.sender {
            sender.chan().give_places(1);
        }
    }
}

impl<T, K> fmt::Debug for OwnedPermit<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").finish_non_exhaustive()
    }
}
