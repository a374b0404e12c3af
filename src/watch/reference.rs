//! Looking at a value.

use std::{fmt, ops::Deref};

use crate::snapshot::Snapshot;

/// A look at a channel's value. From [`Receiver::borrow`](super::Receiver::borrow) and others.
///
/// It keeps the value that was there when it was made, and nobody waits for it: senders go on, and it may be kept
/// across an `await`. The value's memory is used again when it is dropped.
pub struct Ref<'a, T> {
    value: Snapshot<'a, T>,
    has_changed: bool,
}

impl<'a, T> Ref<'a, T> {
    pub(super) fn new(value: Snapshot<'a, T>, has_changed: bool) -> Self {
        Self { value, has_changed }
    }

    /// Returns whether the receiver had not seen the value before.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert!(receiver.borrow_and_update().has_changed());
    /// assert!(!receiver.borrow().has_changed());
    /// ```
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

impl<T: fmt::Display> fmt::Display for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}
