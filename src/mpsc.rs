//! A channel with many senders and one receiver.
//!
//! [`channel`] makes one with a bound: a sender waits while there are as many values as that.
//! [`unbounded_channel`] makes one on which sending never waits. Names and contracts are those of
//! `tokio::sync::mpsc`.
//!
//! | Property | Contract |
//! |---|---|
//! | Order | Values are received in the order in which they were sent. Senders that wait are served first come, first served. |
//! | Memory ordering | A send synchronizes-with the receipt of its value, and a receipt with the sends that it makes room for. |
//! | Cost | A value: three atomic read-modify-writes to send and one to receive, without a bound two and none; those of a wait come on top. In steady state no allocation. |
//! | Cancelling | A `send` that is dropped has not happened, and drops its value. A `recv` that is dropped has received nothing. |
//! | Closing | What was sent before the channel was closed can be received. When all senders are dropped, the receiver gets what is left, and then `None`. |
//! | Panics | A task that panics drops its end like any other. |
//! | Without a runtime | Works with any executor, and with plain threads through the `blocking` methods. |
//!
//! A receiver on another runtime is signalled once per sleep, however many values are sent to it.
//!
//! # Examples
//!
//! ```
//! use compio_sync::mpsc;
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let (sender, mut receiver) = mpsc::channel(16);
//! for n in 0..2 {
//!     let sender = sender.clone();
//!     std::thread::spawn(move || sender.blocking_send(n));
//! }
//! drop(sender);
//! let mut sum = 0;
//! while let Some(n) = receiver.recv().await {
//!     sum += n;
//! }
//! assert_eq!(sum, 1);
//! # });
//! ```

mod bounded;
mod chan;
#[cfg(feature = "futures")]
mod futures;
mod list;
mod permit;
mod receiver;
mod recv;
mod send;
mod sender;
mod unbounded;
mod weak;

pub mod error;

pub(crate) use chan::Chan;
#[cfg(feature = "futures")]
pub use futures::{SinkSender, UnboundedSinkSender};
pub use permit::{OwnedPermit, Permit, PermitIterator};
pub use receiver::Receiver;
pub use recv::{Recv, RecvMany};
pub use send::{Closed, Reserve, ReserveMany, ReserveOwned, SendTimeout, Sending};
pub use sender::{Mpsc, Sender};
pub use unbounded::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender};
pub use weak::WeakSender;

use crate::{loom::Arc, waiter_queue::MAX_PERMITS};

/// Creates a channel that holds up to `capacity` values.
///
/// Memory grows with the values that are there, not with the capacity.
///
/// # Panics
///
/// If `capacity` is 0, or more than [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
///
/// # Examples
///
/// ```
/// use compio_sync::mpsc;
///
/// let (sender, mut receiver) = mpsc::channel(2);
/// sender.try_send(1).unwrap();
/// sender.try_send(2).unwrap();
/// assert!(sender.try_send(3).is_err());
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    check_capacity(capacity);
    let chan = Arc::new(Chan::new(capacity));
    (Sender::new(chan.clone()), Receiver::new(chan))
}

/// Creates a channel on which sending never waits.
///
/// If the receiver is slower than the senders, memory grows without a bound. Prefer [`channel`] where
/// senders can wait.
///
/// # Examples
///
/// ```
/// use compio_sync::mpsc;
///
/// let (sender, mut receiver) = mpsc::unbounded_channel();
/// for n in 0..1000 {
///     sender.send(n).unwrap();
/// }
/// assert_eq!(receiver.try_recv(), Ok(0));
/// ```
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let chan = Arc::new(Chan::unbounded());
    (
        UnboundedSender::new(chan.clone()),
        UnboundedReceiver::new(Receiver::new(chan)),
    )
}

#[track_caller]
pub(crate) fn check_capacity(capacity: usize) {
    assert!(
        capacity > 0,
        "a channel of capacity 0 could never send; use 1, or a oneshot channel"
    );
    assert!(
        capacity <= MAX_PERMITS,
        "a capacity of {capacity} is more than Semaphore::MAX_PERMITS; use unbounded_channel"
    );
}
