//! What the ends of a channel say if there is no value, or no other end.

use std::{error::Error, fmt};

pub use crate::mpsc::error::SendError;

/// There is no next value.
///
/// # Examples
///
/// ```
/// use compio_sync::broadcast::{self, error::RecvError};
///
/// let (sender, mut receiver) = broadcast::channel(1);
/// sender.send(1).unwrap();
/// sender.send(2).unwrap();
/// drop(sender);
/// assert_eq!(receiver.blocking_recv(), Err(RecvError::Lagged(1)));
/// assert_eq!(receiver.blocking_recv(), Ok(2));
/// assert_eq!(receiver.blocking_recv(), Err(RecvError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// All senders were dropped, and it has received all they sent.
    Closed,
    /// So many values were overwritten before it received them. It goes on with the oldest that is there.
    Lagged(u64),
}

/// There is no next value now.
///
/// # Examples
///
/// ```
/// use compio_sync::broadcast::{self, error::TryRecvError};
///
/// let (sender, mut receiver) = broadcast::channel::<u32>(1);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// It has received all there is.
    Empty,
    /// All senders were dropped, and it has received all they sent.
    Closed,
    /// So many values were overwritten before it received them. It goes on with the oldest that is there.
    Lagged(u64),
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TryRecvError::from(*self).fmt(f)
    }
}

impl Error for RecvError {}

impl From<RecvError> for TryRecvError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Closed => Self::Closed,
            RecvError::Lagged(count) => Self::Lagged(count),
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the channel is empty"),
            Self::Closed => f.write_str("the channel is closed and empty"),
            Self::Lagged(count) => write!(f, "the receiver was too slow for {count} values"),
        }
    }
}

impl Error for TryRecvError {}
