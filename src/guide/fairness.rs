//! How many newcomers may barge ahead of waiters.
//!
//! Waiters are queued in the order of their arrival. A *newcomer* may find a permit free, or a mutex
//! unlocked, while others are queued. Whether it may take it is decided by a [`Fairness`], which a
//! [`Semaphore`] or [`Mutex`] is created with.
//!
//! | event | [`Fairness::Fifo`](crate::Fairness::Fifo) | [`Fairness::Bounded(n)`](crate::Fairness::Bounded) |
//! |---|---|---|
//! | a release | hands off to the first waiter | wakes the first waiter, which then competes |
//! | a newcomer | is queued | may barge, `n` times while the same waiter is first |
//! | costs | throughput: the permit waits for a sleeping thread | order: up to `n` go first |
//! | choose it if | the order itself matters, or each holder keeps it for long | holders are short and many. The default, with `n` = 32 |
//!
//! # The bound
//!
//! While one waiter is first, at most `n` newcomers take what it waits for. The time from its wake to
//! its next poll does not count, since its thread may sleep. Then no newcomer barges, and the next
//! release is handed to it. So there is no starvation: neither of a large request by small ones nor of
//! a slow thread by a fast one.
//!
//! While all waiters are tasks of one runtime, which wakes them itself, the bound is 6 if `n` is more: see
//! [`Fairness`](crate::Fairness#the-bound).
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
//! // Three small ones overtake it.
//! for _ in 0..3 {
//!     drop(semaphore.try_acquire().expect("may barge"));
//! }
//! // A fourth may not, though a permit is free.
//! assert_eq!(semaphore.available_permits(), 1);
//! assert!(semaphore.try_acquire().is_none());
//! # });
//! ```
//!
//! The tests in
//! [tests/fairness_tests](https://github.com/jmalicki/compio-sync/tree/main/tests/fairness_tests)
//! fail if it does not hold, and the models in
//! [src/waiter_queue/models](https://github.com/jmalicki/compio-sync/tree/main/src/waiter_queue/models)
//! look for an interleaving in which it does not.
//!
//! # What follows
//!
//! - [`try_acquire`](crate::Semaphore::try_acquire) and [`try_lock`](crate::Mutex::try_lock) are
//!   newcomers. With `Fifo` they fail while there are waiters.
//! - A loop that locks, works and unlocks may take the lock many times in a row. With `Bounded` it
//!   is queued after `n`; with `Fifo` as soon as there is a waiter.
//! - Waiters behind the first do not overtake it, except while it has been woken and not yet
//!   polled. See [futures that nobody polls](crate::Fairness#futures-that-nobody-polls).
//! - [`Condvar`], [`Event`] and [`WaiterQueue`] have nothing to take, so there is no barging: they wake
//!   in order. A notified waiter of a [`Condvar`] then locks the mutex by the mutex's own fairness.
//!
//! [`Condvar`]: crate::Condvar
//! [`Event`]: crate::Event
//! [`Fairness`]: crate::Fairness
//! [`Mutex`]: crate::Mutex
//! [`Semaphore`]: crate::Semaphore
//! [`WaiterQueue`]: crate::WaiterQueue
