//! The end that receives: what it holds.

use std::fmt;

use super::ring::Ring;
use crate::{
    budget::{Budget, set_budget},
    loom::Arc,
};

/// The receiving end of a [channel](super::channel), which gets all values that are sent while it is there.
///
/// A task that always finds a value would never let its runtime's other tasks and its I/O go on. So after 128 values in
/// a row, `recv` yields once. See [`set_budget`](Self::set_budget).
///
/// It is not `Clone`: see [`resubscribe`](Self::resubscribe).
pub struct Receiver<T> {
    pub(super) ring: Arc<Ring<T>>,
    /// The number of the value that it gets next.
    pub(super) position: usize,
    pub(super) budget: Budget,
}

impl<T> Receiver<T> {
    /// A receiver that is counted already.
    pub(super) fn new(ring: Arc<Ring<T>>, position: usize) -> Self {
        Self {
            ring,
            position,
            budget: Budget::new(),
        }
    }

    /// Creates a receiver, which gets what is sent from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::broadcast::channel(16);
    /// sender.send(1).unwrap();
    /// assert_eq!((receiver.len(), receiver.resubscribe().len()), (1, 0));
    /// ```
    pub fn resubscribe(&self) -> Self {
        self.ring.receivers.add();
        Self::new(self.ring.clone(), self.ring.next())
    }

    /// Returns how many values were sent that it has not received, also those that are overwritten.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::broadcast::channel(16);
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.ring.next().wrapping_sub(self.position)
    }

    /// Returns whether it has received all that was sent.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// assert!(receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether all senders were dropped. There may be values that it has not received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.ring.is_at_end()
    }

    /// Returns whether both receive from the same channel.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// assert!(receiver.same_channel(&receiver.resubscribe()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ring, &other.ring)
    }

    /// Returns how many senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// let other = sender.clone();
    /// assert_eq!(receiver.sender_strong_count(), 2);
    /// # drop(other);
    /// ```
    pub fn sender_strong_count(&self) -> usize {
        self.ring.senders.count()
    }

    /// Returns how many weak senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// let weak = sender.downgrade();
    /// assert_eq!(receiver.sender_weak_count(), 1);
    /// # drop(weak);
    /// ```
    pub fn sender_weak_count(&self) -> usize {
        self.ring.weak_senders.count()
    }
}

set_budget!([T] Receiver<T>, it => it.budget,
    "let (_sender, mut receiver) = compio_sync::broadcast::channel::<u32>(16);");

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.ring.remove_receiver();
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
