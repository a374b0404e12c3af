//! A channel with many senders and many receivers: each value is received once.
//!
//! [`channel`] makes one with a bound: a sender waits while there are as many values as that.
//! [`unbounded_channel`] makes one on which sending never waits. Senders are those of [`mpsc`], with
//! the same methods. Receivers can be cloned, and receive with `&self`, so that one behind a reference can be shared
//! by tasks as well.
//!
//! | Property | Contract |
//! |---|---|
//! | Order | Values are taken in the order in which they were sent. Receivers that wait are served first come, first served, and so are senders. Of receivers that have been served, the one that is polled first takes the older value. |
//! | Memory ordering | A send synchronizes-with the receipt of its value, and a receipt with the sends that it makes room for. |
//! | Cost | A value: four atomic read-modify-writes to send, four to receive; those of a wait come on top. In steady state no allocation. |
//! | Cancelling | A `send` that is dropped has not happened, and drops its value. A `recv` that is dropped has received nothing, and what it was granted goes to the next receiver. |
//! | Closing | What was sent before the channel was closed can be received. When all senders are dropped, receivers get what is left, and then `None`. When all receivers are dropped, the channel is closed, and what is left is dropped. |
//! | Panics | A task that panics drops its end like any other. |
//! | Without a runtime | Works with any executor, and with plain threads through the `blocking` methods. |
//!
//! With one receiver, [`mpsc`] is cheaper.
//!
//! # Examples
//!
//! Workers on threads of their own, each with a runtime:
//!
//! ```
//! use compio_sync::mpmc;
//!
//! let (jobs, workers) = mpmc::channel(16);
//! let threads: Vec<_> = (0..2)
//!     .map(|_| {
//!         let worker = workers.clone();
//!         std::thread::spawn(move || {
//!             compio::runtime::Runtime::new().unwrap().block_on(async {
//!                 let mut sum = 0;
//!                 while let Some(job) = worker.recv().await {
//!                     sum += job;
//!                 }
//!                 sum
//!             })
//!         })
//!     })
//!     .collect();
//! drop(workers);
//! for job in 0..100 {
//!     jobs.blocking_send(job).unwrap();
//! }
//! drop(jobs);
//! let sums = threads.into_iter().map(|thread| thread.join().unwrap());
//! assert_eq!(sums.sum::<u32>(), 4950);
//! ```

mod force;
#[cfg(feature = "futures")]
mod futures;
mod receiver;
mod recv;

pub use receiver::Receiver;
pub use recv::{Recv, RecvMany};

pub use crate::mpsc::error;
use crate::{
    loom::Arc,
    mpsc::{self, Chan, check_capacity},
    waiter_queue::MAX_PERMITS,
};

/// The kind of channels that have many receivers.
#[derive(Debug)]
pub enum Mpmc {}

/// The sending end of a [bounded channel](channel).
pub type Sender<T> = mpsc::Sender<T, Mpmc>;

/// A sender that does not keep its channel open. From [`Sender::downgrade`](mpsc::Sender::downgrade).
pub type WeakSender<T> = mpsc::WeakSender<T, Mpmc>;

/// A place in a channel that owns its sender. From [`Sender::reserve_owned`](mpsc::Sender::reserve_owned).
pub type OwnedPermit<T> = mpsc::OwnedPermit<T, Mpmc>;

/// The sending end of an [unbounded channel](unbounded_channel).
pub type UnboundedSender<T> = mpsc::UnboundedSender<T, Mpmc>;

/// A sender that does not keep its channel open. From
/// [`UnboundedSender::downgrade`](mpsc::UnboundedSender::downgrade).
pub type WeakUnboundedSender<T> = mpsc::WeakUnboundedSender<T, Mpmc>;

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
/// use compio_sync::mpmc;
///
/// let (sender, receiver) = mpmc::channel(2);
/// let other = receiver.clone();
/// sender.try_send(1).unwrap();
/// sender.try_send(2).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// assert_eq!(other.try_recv(), Ok(2));
/// ```
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    check_capacity(capacity);
    let chan = Arc::new(Chan::shared(capacity));
    (Sender::new(chan.clone()), Receiver::new(chan))
}

/// Creates a channel on which sending never waits.
///
/// If the receivers are slower than the senders, memory grows without a bound. Prefer [`channel`] where
/// senders can wait.
///
/// # Examples
///
/// ```
/// use compio_sync::mpmc;
///
/// let (sender, receiver) = mpmc::unbounded_channel();
/// for n in 0..1000 {
///     sender.send(n).unwrap();
/// }
/// assert_eq!(receiver.try_recv(), Ok(0));
/// ```
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, Receiver<T>) {
    let chan = Arc::new(Chan::shared(MAX_PERMITS));
    (UnboundedSender::new(chan.clone()), Receiver::new(chan))
}
