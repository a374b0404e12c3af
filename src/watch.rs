//! A value that changes now and then, and that many look at: configuration, state, progress.
//!
//! [`channel`] makes a [`Sender`] and a [`Receiver`], with a value. Receivers see the last value only; each knows
//! whether it has seen that, and can wait for another one. Names and contracts are those of `tokio::sync::watch`.
//!
//! Nobody waits for somebody who looks: a [`Ref`] keeps the value that it was made for, and a sender puts the new
//! one beside it. A receiver may keep its [`Ref`] across an `await`.
//!
//! | Property | Contract |
//! |---|---|
//! | Order | A receiver never sees an older value than it has seen before. It may miss values between two looks. |
//! | Memory ordering | A send synchronizes-with every look that sees its value, or a later one. |
//! | Cost | A look: two atomic read-modify-writes. A send: nine, and those of the wakes on top; one signal per runtime, however many receivers wait there. In steady state no allocation: there are as many values in memory as are looked at, and two. |
//! | Cancelling | A wait that is dropped has no effect. |
//! | Closing | When all senders are dropped, a receiver sees the last value, and then that there will be none. |
//! | Panics | A task that panics drops its end like any other. |
//! | Without a runtime | Works with any executor, and with plain threads through the futures' `blocking`. |
//!
//! # Examples
//!
//! ```
//! use compio_sync::watch;
//!
//! let (sender, mut receiver) = watch::channel("starting");
//! let worker = std::thread::spawn(move || {
//!     compio::runtime::Runtime::new().unwrap().block_on(async {
//!         receiver.wait_for(|&state| state == "ready").await.unwrap();
//!         // ...
//!         while receiver.changed().await.is_ok() {
//!             println!("now {}", *receiver.borrow());
//!         }
//!     })
//! });
//! sender.send("ready").unwrap();
//! drop(sender);
//! worker.join().unwrap();
//! ```

mod changed;
mod receiver;
mod reference;
mod sender;
mod shared;

pub mod error;

pub use changed::{Changed, WaitFor};
pub use receiver::Receiver;
pub use reference::Ref;
pub use sender::{Closed, Sender};
use shared::Shared;

use crate::loom::Arc;

/// Creates a channel, with the value that is there at first. The receiver counts that as seen.
///
/// # Examples
///
/// ```
/// use compio_sync::watch;
///
/// let (sender, receiver) = watch::channel(1);
/// assert_eq!(*receiver.borrow(), 1);
/// sender.send(2).unwrap();
/// assert_eq!(*receiver.borrow(), 2);
/// ```
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared::new(value, 1));
    (Sender::with(shared.clone()), Receiver::new(shared, 0))
}
