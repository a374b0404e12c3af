//! A channel for a single value.
//!
//! [`channel`] makes a [`Sender`] and a [`Receiver`]. The sender sends one value, or is dropped and sends
//! none. The receiver is a future that yields the value, or a [`RecvError`](error::RecvError) if there
//! will be none.
//!
//! A request that carries a [`Sender`] for its answer is the most frequent use. A task that makes many such
//! requests, one after the other, keeps a [`Reusable`] channel, which is allocated once.
//!
//! | Property | Contract |
//! |---|---|
//! | Memory ordering | A `send` synchronizes-with the receipt of its value. A close, or a drop, synchronizes-with whatever sees it. |
//! | Cost | Two atomic read-modify-writes for a channel whose value is there when it is asked for: one to send, one for the end that goes first. A wait: six more. One allocation per channel; with [`Reusable`], none in steady state. |
//! | Cancelling | A [`Receiver`] that is polled by reference and not awaited to the end has received nothing. Dropping it closes the channel. |
//! | Panics | A task that panics drops its end like any other. |
//! | Without a runtime | Works with any executor, and with plain threads through the `blocking` methods. |
//!
//! # Examples
//!
//! ```
//! use compio_sync::oneshot;
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let (sender, receiver) = oneshot::channel();
//! std::thread::spawn(move || sender.send("hello")).join().unwrap().unwrap();
//! assert_eq!(receiver.await, Ok("hello"));
//! # });
//! ```

mod owner;
mod receiver;
mod sender;
mod shared;

pub mod error;

use owner::Keeper;
pub use receiver::Receiver;
pub use sender::{Closed, Sender};

/// Creates a channel for one value.
///
/// # Examples
///
/// ```
/// use compio_sync::oneshot;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let (sender, receiver) = oneshot::channel::<u32>();
/// drop(sender);
/// assert!(receiver.await.is_err());
/// # });
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = owner::ends();
    (Sender::new(sender), Receiver::new(receiver))
}

/// The memory of one channel, used again for one channel after the other.
///
/// If both ends of the channel before have been dropped, [`channel`](Self::channel) allocates nothing.
///
/// # Examples
///
/// ```
/// use compio_sync::oneshot;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let mut answers = oneshot::Reusable::new();
/// for n in 0..3 {
///     let (sender, receiver) = answers.channel();
///     // ... a request that carries the sender ...
///     sender.send(n).unwrap();
///     assert_eq!(receiver.await, Ok(n));
/// }
/// # });
/// ```
pub struct Reusable<T> {
    memory: Option<Keeper<T>>,
}

impl<T> Reusable<T> {
    /// Creates one without any memory: the first channel allocates it.
    ///
    /// # Examples
    ///
    /// ```
    /// let reusable = compio_sync::oneshot::Reusable::<u32>::new();
    /// ```
    pub const fn new() -> Self {
        Self { memory: None }
    }

    /// Creates a channel for one value, in the memory of the one before if that is free.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut reusable = compio_sync::oneshot::Reusable::new();
    /// let (sender, mut receiver) = reusable.channel();
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn channel(&mut self) -> (Sender<T>, Receiver<T>) {
        let ends = match self.memory.as_mut().and_then(Keeper::reuse) {
            Some(ends) => ends,
            None => {
                let memory = self.memory.insert(Keeper::new());
                memory.reuse().expect("nobody else has it")
            }
        };
        (Sender::new(ends.0), Receiver::new(ends.1))
    }
}

impl<T> Default for Reusable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> std::fmt::Debug for Reusable<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reusable").finish_non_exhaustive()
    }
}
