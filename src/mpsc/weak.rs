//! A sender that does not keep its channel open.

use std::{fmt, marker::PhantomData};

use super::{
    chan::Chan,
    sender::{Mpsc, Sender},
};
use crate::loom::Arc;

/// A sender that does not keep its channel open. From [`Sender::downgrade`].
pub struct WeakSender<T, K = Mpsc> {
    chan: Arc<Chan<T>>,
    _kind: PhantomData<fn() -> K>,
}

impl<T, K> WeakSender<T, K> {
    pub(super) fn new(chan: Arc<Chan<T>>) -> Self {
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
    /// let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(1);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn upgrade(&self) -> Option<Sender<T, K>> {
        self.chan
            .senders
            .try_add()
            .then(|| Sender::new(self.chan.clone()))
    }

    /// Returns how many senders there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(1);
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
    /// let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(1);
    /// assert_eq!(sender.downgrade().weak_count(), 1);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.chan.weak_senders.count()
    }
}

impl<T, K> Clone for WeakSender<T, K> {
    fn clone(&self) -> Self {
        Self::new(self.chan.clone())
    }
}

impl<T, K> Drop for WeakSender<T, K> {
    fn drop(&mut self) {
        self.chan.weak_senders.remove();
    }
}

impl<T, K> fmt::Debug for WeakSender<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}
