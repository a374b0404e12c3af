//! What a sender can do if receivers may take values beside each other.

use super::Mpmc;
use crate::mpsc::{
    Sender,
    error::{SendError, TrySendError},
};

impl<T> Sender<T, Mpmc> {
    /// Sends a value without waiting: if the channel is full, the oldest value gives way, and is returned.
    ///
    /// For values of which only the last few matter, such as positions or frames.
    ///
    /// If all values are already on their way to receivers, or all places are reserved, there is none to give way.
    /// The channel then holds one value more than its capacity, until so many have been received.
    ///
    /// # Errors
    ///
    /// Gives the value back if the channel is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpmc::channel(2);
    /// assert_eq!(sender.force_send(1).unwrap(), None);
    /// assert_eq!(sender.force_send(2).unwrap(), None);
    /// assert_eq!(sender.force_send(3).unwrap(), Some(1));
    /// assert_eq!(receiver.try_recv(), Ok(2));
    /// ```
    pub fn force_send(&self, value: T) -> Result<Option<T>, SendError<T>> {
        let value = match self.try_send(value) {
            Ok(()) => return Ok(None),
            Err(TrySendError::Closed(value)) => return Err(SendError(value)),
            Err(TrySendError::Full(value)) => value,
        };
        let chan = self.chan();
        if chan.values.try_take(1) {
            // SAFETY: it has a permit, and those who receive from such a channel share it.
            if let Some(oldest) = unsafe { chan.take_shared() } {
                // Into the place of that one.
                chan.send(value);
                return Ok(Some(oldest));
            }
        }
        if chan.take_place_anyway() {
            chan.send(value);
            Ok(None)
        } else {
            Err(SendError(value))
        }
    }

    /// Returns how many receivers there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::mpmc::channel::<u32>(2);
    /// let other = receiver.clone();
    /// assert_eq!(sender.receiver_count(), 2);
    /// # drop(other);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.chan().receivers.count()
    }
}
