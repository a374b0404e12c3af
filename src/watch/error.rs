//! What the ends of a channel say if there is no other end.

use std::fmt;

pub use crate::mpsc::error::SendError;

/// There will be no new value: all senders were dropped.
///
/// # Examples
///
/// ```
/// use compio_sync::watch;
///
/// let (sender, mut receiver) = watch::channel(1);
/// drop(sender);
/// assert_eq!(receiver.changed().blocking(), Err(watch::error::RecvError));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed, and there is no new value")
    }
}

impl std::error::Error for RecvError {}
