//! Who may go before whom, and how often.
//!
//! Waiters stand in line in the order in which they came. The question is what a *newcomer* may do,
//! who finds a permit free, or a mutex unlocked, while others stand in line. Whether the line is
//! kept strictly is a [`Fairness`], a number that a [`Semaphore`] or [`Mutex`] is made with.
//!
//! | | [`Fairness::Fifo`](crate::Fairness::Fifo) | [`Fairness::Bounded(n)`](crate::Fairness::Bounded) |
//! |---|---|---|
//! | a release | hands over to the first in line | wakes the first in line, to take what is free |
//! | a newcomer | goes to the end of the line | may pass, `n` times while the same waiter is first |
//! | costs | throughput: the permit travels with a sleeping thread | order: up to `n` go first |
//! | take it if | the order itself matters, or each holder keeps it for long | it is contended by short holders. The default, with `n` = 32 |
//!
//! # The bound
//!
//! While one waiter is first in line, at most `n` newcomers take what it waits for; the time from
//! when it has been woken until it is polled does not count, since its thread may sleep. Then
//! nobody passes, and the next release is handed to it. Each waiter that is polled when woken is
//! served after a bounded number of others: there is no starvation, neither of a large request by
//! small ones nor of a slow thread by a fast one.
//!
//! The bound can be watched:
//!
//! ```
//! use compio_sync::{Fairness, Semaphore};
//! use futures_util::poll;
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let semaphore = Semaphore::with_fairness(2, Fairness::Bounded(3));
//! let _held = semaphore.acquire().await;
//!
//! // Needs both, and one is held: it waits.
//! let mut large = semaphore.acquire_many(2);
//! assert!(poll!(&mut large).is_pending());
//!
//! // Three small ones pass it.
//! for _ in 0..3 {
//!     drop(semaphore.try_acquire().expect("may pass"));
//! }
//! // A fourth may not, though a permit is free.
//! assert_eq!(semaphore.available_permits(), 1);
//! assert!(semaphore.try_acquire().is_none());
//! # });
//! ```
//!
//! The tests in
//! [tests/fairness_tests.rs](https://github.com/jmalicki/compio-sync/blob/main/tests/fairness_tests.rs)
//! fail if it does not hold, and the models in
//! [src/waiter_queue/models](https://github.com/jmalicki/compio-sync/tree/main/src/waiter_queue/models)
//! look for an interleaving in which it does not.
//!
//! # What follows
//!
//! - [`try_acquire`](crate::Semaphore::try_acquire) and [`try_lock`](crate::Mutex::try_lock) are
//!   newcomers. With `Fifo` they fail while anybody waits.
//! - A loop that locks, works and unlocks may take the lock many times in a row. With `Bounded` it
//!   is stopped after `n`; with `Fifo` after one.
//! - The first in line is not passed by those behind it, except while it has been woken and has not
//!   been polled. See [futures that nobody polls](crate::Fairness#futures-that-nobody-polls).
//! - [`Condvar`], [`Event`] and [`WaiterQueue`] have nothing to take, so nobody can pass: they wake
//!   in order. A notified waiter of a [`Condvar`] then locks the mutex by the mutex's own fairness.
//!
//! [`Condvar`]: crate::Condvar
//! [`Event`]: crate::Event
//! [`Fairness`]: crate::Fairness
//! [`Mutex`]: crate::Mutex
//! [`Semaphore`]: crate::Semaphore
//! [`WaiterQueue`]: crate::WaiterQueue
