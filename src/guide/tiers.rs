//! How a sleeping runtime is signalled, and how to see it.
//!
//! When a thread wakes waiters of another runtime, and that runtime sleeps in its driver, the thread
//! signals it. How it does that is the runtime's [`WakeTier`]:
//!
//! | Tier | A signal is | Where |
//! |---|---|---|
//! | [`Generic`](crate::WakeTier::Generic) | compio's own waker | everywhere. **The one that is chosen unless you select another** |
//! | [`Futex`](crate::WakeTier::Futex) | one `futex` call, which ends a `FUTEX_WAIT` on the runtime's own io_uring | Linux 6.7 and later with compio's io_uring driver, feature `linux-futex` |
//! | [`Iocp`](crate::WakeTier::Iocp) | one packet to the runtime's own completion port | Windows, feature `windows-iocp` |
//!
//! All of them end the sleep in the event loop itself: no second thread, no second thing to wait
//! for.
//!
//! # Why generic is the default
//!
//! - Against `Futex`: compio's waker knows whether the runtime is awake, and then makes no system
//!   call. A futex wake is a system call in both cases, and interrupts the thread.
//!   [docs/performance.md](https://github.com/jmalicki/compio-sync/blob/main/docs/performance.md)
//!   compares.
//! - Against `Iocp`: with compio 0.19 a runtime that always has ready tasks never polls its
//!   completion port.
//!
//! The advantage of `Futex`: its signal never waits for the runtime. A compio 0.19 runtime has room
//! for 64 wakes by other threads, and a waker that finds no room yields until there is some. A signal
//! by `Generic` takes one place. If other wakers fill the rest (those of `FuturesUnordered`,
//! channels of other crates), a release can come to wait for the runtime that it signals. Select
//! `Futex` if that can happen to you.
//!
//! # Seeing which one runs
//!
//! ```
//! use compio_sync::{WakeStats, WakeTier};
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let tier = WakeTier::current().expect("inside a runtime");
//! println!("signalled by {tier}");
//! if let Err(missing) = WakeTier::Futex.check() {
//!     println!("futex: {missing}");
//! }
//! let stats = WakeStats::current(tier).expect("inside a runtime");
//! println!("{} waits ended by other threads", stats.wakes);
//! println!("in {} batches, with {} signals", stats.batches, stats.signals);
//! # });
//! ```
//!
//! `wakes` that stay at 0 although other threads wake this runtime's tasks mean that the waits
//! are polled by wakers that are not compio's: directly in `block_on`, or in a `FuturesUnordered`.
//! Such waits are woken one by one. `spawn` the code that waits.
//!
//! # Choosing
//!
//! | | For | If the runtime cannot have it |
//! |---|---|---|
//! | [`WakeTier::select`](crate::WakeTier::select) | the current runtime, from its next sleep on | an error that says what is missing, and nothing changes |
//! | `COMPIO_SYNC_TIER=auto`, `generic`, `futex`, `iocp` | every runtime of the process | the first wait panics, and says so |
//!
//! ```
//! use compio_sync::WakeTier;
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! // The futex where there is one.
//! if let Err(error) = WakeTier::Futex.select() {
//!     eprintln!("staying with {}: {error}", WakeTier::current().unwrap());
//! }
//! # });
//! ```
//!
//! Which tier has been executed on which system is in
//! [docs/platforms.md](https://github.com/jmalicki/compio-sync/blob/main/docs/platforms.md).
//!
//! [`WakeTier`]: crate::WakeTier
