//! The end that looks, and waits for changes.

use std::fmt;

use super::{
    changed::{Changed, WaitFor},
    error::RecvError,
    reference::Ref,
    shared::{Shared, is_later},
};
use crate::{
    budget::{Budget, set_budget},
    loom::Arc,
};

/// The receiving end of a [channel](super::channel). Each clone knows on its own what it has seen.
///
/// A task that always finds a change would never let its runtime's other tasks and its I/O go on. So after 128 in a
/// row, a wait yields once. See [`set_budget`](Self::set_budget).
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The version that it has seen last.
    seen: usize,
    budget: Budget,
}

impl<T> Receiver<T> {
    /// A receiver that is counted already.
    pub(super) fn new(shared: Arc<Shared<T>>, seen: usize) -> Self {
        Self {
            shared,
            seen,
            budget: Budget::new(),
        }
    }

    // ---- looking ----

    /// Returns the current value. The receiver does not count it as seen.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = compio_sync::watch::channel("hello");
    /// assert_eq!(*receiver.borrow(), "hello");
    /// ```
    pub fn borrow(&self) -> Ref<'_, T> {
        let value = self.shared.get();
        let has_changed = is_later(value.number(), self.seen);
        Ref::new(value, has_changed)
    }

    /// Returns the current value, and counts it as seen.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.borrow_and_update(), 2);
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// ```
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let value = self.shared.get();
        let has_changed = is_later(value.number(), self.seen);
        self.seen = value.number();
        Ref::new(value, has_changed)
    }

    /// Returns whether there is a value that it has not seen.
    ///
    /// # Errors
    ///
    /// If all senders were dropped, even if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::watch::channel(1);
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.has_changed(), Ok(true));
    /// drop(sender);
    /// assert!(receiver.has_changed().is_err());
    /// ```
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        if self.shared.is_at_end() {
            return Err(RecvError);
        }
        Ok(self.shared.later_than(self.seen).is_some())
    }

    /// Counts the current value as not seen.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, mut receiver) = compio_sync::watch::channel(1);
    /// receiver.mark_changed();
    /// assert!(receiver.changed().blocking().is_ok());
    /// ```
    pub fn mark_changed(&mut self) {
        self.seen = self.shared.version().wrapping_sub(1);
    }

    /// Counts the current value as seen.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// receiver.mark_unchanged();
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// ```
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.get().number();
    }

    // ---- waiting ----

    /// Waits for a value that it has not seen, and counts it as seen.
    ///
    /// # Errors
    ///
    /// The future yields an error if all senders were dropped, and it has seen the last value.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = compio_sync::watch::channel(1);
    /// compio::runtime::spawn(async move { sender.send(2) }).detach();
    /// receiver.changed().await.unwrap();
    /// assert_eq!(*receiver.borrow(), 2);
    /// assert!(receiver.changed().await.is_err());
    /// # });
    /// ```
    pub fn changed(&mut self) -> Changed<'_, T> {
        Changed::new(&self.shared, &mut self.seen, &self.budget)
    }

    /// Waits for a value of which `is_right` says that it is, and counts it as seen.
    ///
    /// The current value is the first that is looked at, seen or not.
    ///
    /// # Errors
    ///
    /// The future yields an error if all senders were dropped, and the last value is not right.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has counted the values that it has looked at as seen.
    ///
    /// # Panics
    ///
    /// The future does if `is_right` does.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = compio_sync::watch::channel(1);
    /// compio::runtime::spawn(async move { (2..9).try_for_each(|n| sender.send(n)) }).detach();
    /// assert_eq!(*receiver.wait_for(|&n| n > 5).await.unwrap(), 8);
    /// # });
    /// ```
    pub fn wait_for<F: FnMut(&T) -> bool>(&mut self, is_right: F) -> WaitFor<'_, T, F> {
        WaitFor::new(self.changed(), is_right)
    }

    // ---- the channel ----

    /// Returns whether both look at the same value.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = compio_sync::watch::channel(1);
    /// assert!(receiver.same_channel(&receiver.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

set_budget!([T] Receiver<T>, it => it.budget,
    "let (_sender, mut receiver) = compio_sync::watch::channel(1);");

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.receivers.add();
        Self::new(self.shared.clone(), self.seen)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.remove_receiver();
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("value", &*self.shared.get())
            .field("has_changed", &self.has_changed())
            .finish_non_exhaustive()
    }
}
