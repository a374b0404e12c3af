//! What a receiver says if there is no value.

use std::fmt;

/// There will be no value: the sender was dropped, or the receiver has closed the channel.
///
/// # Examples
///
/// ```
/// use compio_sync::oneshot;
///
/// let (sender, receiver) = oneshot::channel::<u32>();
/// drop(sender);
/// assert_eq!(receiver.blocking_recv(), Err(oneshot::error::RecvError));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed, and no value was sent")
    }
}

impl std::error::Error for RecvError {}

/// There is no value now.
///
/// # Examples
///
/// ```
/// use compio_sync::oneshot::{self, error::TryRecvError};
///
/// let (sender, mut receiver) = oneshot::channel::<u32>();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// None has been sent yet.
    Empty,
    /// There will be none: the sender was dropped, the receiver has closed the channel, or the value was
    /// received before.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "no value was sent yet",
            Self::Closed => "the channel is closed, and there is no value",
        })
    }
}

impl std::error::Error for TryRecvError {}
