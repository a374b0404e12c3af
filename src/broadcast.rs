//! A channel whose every value goes to every receiver: events, log lines, chat.
//!
//! [`channel`] makes a [`Sender`] and a [`Receiver`]; [`Sender::subscribe`] makes more receivers, which get what is sent
//! from then on. Sending never waits: the channel keeps the last values, as many as its capacity, and a receiver that
//! is slower than that misses some, and is told [how many](error::RecvError::Lagged). Names and contracts are those of
//! `tokio::sync::broadcast`.
//!
//! Nobody waits for a receiver that copies a value, however long that takes: a sender puts the new one beside it.
//!
//! | Property | Contract |
//! |---|---|
//! | Order | All receivers get values in the same order. |
//! | Memory ordering | A send synchronizes-with every receipt of its value. |
//! | Cost | A send: nine atomic read-modify-writes, and those of the wakes on top; one signal per runtime, however many receivers wait there. A receipt: two, and the value's `clone`. In steady state no allocation. |
//! | Memory | A value is kept until it is overwritten, even if all receivers have had it, or until the last receiver is dropped. |
//! | Cancelling | A wait that is dropped has received nothing. |
//! | Closing | When all senders are dropped, a receiver gets what it has not had, and then that there will be nothing. |
//! | Panics | A task that panics drops its end like any other. If a value's `clone` panics, that receiver skips the value. |
//! | Without a runtime | Works with any executor, and with plain threads through the `blocking` methods. |
//!
//! # Examples
//!
//! ```
//! use compio_sync::broadcast::{self, error::RecvError};
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let (sender, mut one) = broadcast::channel(2);
//! let mut other = sender.subscribe();
//! sender.send(1).unwrap();
//! assert_eq!(one.recv().await, Ok(1));
//! sender.send(2).unwrap();
//! sender.send(3).unwrap();
//! assert_eq!(one.recv().await, Ok(2));
//! assert_eq!(other.recv().await, Err(RecvError::Lagged(1)));
//! assert_eq!(other.recv().await, Ok(2));
//! # });
//! ```

mod receiver;
mod recv;
mod ring;
mod sender;

pub mod error;

pub use receiver::Receiver;
pub use recv::Recv;
use ring::Ring;
pub use sender::{Closed, Sender, WeakSender};

use crate::loom::Arc;

/// Creates a channel that keeps at least the last `capacity` values.
///
/// The capacity is rounded up to a power of two. Memory for the list is allocated at once, for the values when they
/// come.
///
/// # Panics
///
/// If `capacity` is 0, or more than half of what there can be (`usize::MAX / 2`).
///
/// # Examples
///
/// ```
/// use compio_sync::broadcast;
///
/// let (sender, mut receiver) = broadcast::channel(16);
/// assert_eq!(sender.send(1).unwrap(), 1);
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    check_capacity(capacity);
    let ring = Arc::new(Ring::new(capacity, 1));
    (Sender::with(ring.clone()), Receiver::new(ring, 0))
}

#[track_caller]
fn check_capacity(capacity: usize) {
    assert!(
        capacity > 0,
        "a broadcast channel of capacity 0 could never keep a value; use 1"
    );
    assert!(
        capacity <= usize::MAX / 2,
        "a capacity of {capacity} is more than half of what there can be"
    );
}
