//! Synchronization primitives for [compio](compio_runtime).
//!
//! compio is the runtime with one event loop per thread and completion-based I/O. The primitives
//! are for programs that run several such runtimes and share something between them. They work on
//! one runtime, too.
//!
//! ```
//! use compio_sync::{Mutex, Semaphore};
//!
//! static CONNECTIONS: Semaphore = Semaphore::new(100); // shared by all runtimes
//! static TOTAL: Mutex<u64> = Mutex::new(0);
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let _permit = CONNECTIONS.acquire().await; // at most 100 at a time
//! *TOTAL.lock().await += 1;
//! # });
//! ```
//!
//! | Type | For |
//! |---|---|
//! | [`Semaphore`] | at most N at a time |
//! | [`Mutex`] | one at a time, held across `await` |
//! | [`RwLock`] | many that read, or one that writes, held across `await` |
//! | [`Condvar`] | wait until something under a mutex changes |
//! | [`Event`] | wait until a flag is set |
//! | [`AutoResetEvent`] | wait until a flag is set, and reset it |
//! | [`Notify`] | wake one task, or all that wait |
//! | [`Gate`] | refuse newcomers, and wait for those inside |
//! | [`WaitGroup`], [`Latch`] | wait until all are done, counted by handles or by a number |
//! | [`Barrier`] | tasks that wait for each other, again and again |
//! | [`CancellationToken`] | tell tasks to end, and end compio's operations in them |
//! | [`OnceCell`] | a value that whoever needs it first initializes |
//! | [`LazyCell`] | a value that is made when it is first needed |
//! | [`SetOnce`] | a value that is set once, and waited for |
//! | [`mpsc`] | send values from many tasks to one |
//! | [`mpmc`] | send values from many tasks to several workers |
//! | [`oneshot`] | send one value |
//! | [`watch`] | a value that changes, and that many look at |
//! | [`broadcast`] | send values to every receiver |
//! | [`WaiterQueue`] | build another primitive |
//! | [`Fairness`] | how many newcomers may barge past the first waiter of a semaphore or a mutex |
//! | [`WakeTier`], [`WakeStats`] | how a sleeping runtime is signalled, and how often it was |
//!
//! **[The guide](guide)** tells which of them is for what, and [which channel](guide::channels), [what a wait costs](guide::cost), who
//! may go [before whom](guide::fairness), what [cancelling](guide::cancelling) does and where its traps
//! are, how [plain threads](guide::blocking) take part, and which [tier](guide::tiers) runs.
//!
//! # Waiting
//!
//! Waiters queue in user space, in the order in which they came, without a lock. No operation of
//! this crate blocks, spins or yields on another thread, but for the `blocking_` methods, which are
//! for plain threads. (A waker is not this crate's: for what compio 0.19's can do, see
//! [Limits](WakeTier#limits).)
//! [`Fairness`] limits how often a newcomer may barge ahead of queued waiters. Wakers may call the
//! primitive reentrantly. Every wait is cancel-safe: a future that is dropped has taken nothing.
//!
//! # Waking
//!
//! A waiter on the releasing thread is woken directly. Waiters on another runtime are pushed to that
//! runtime's mailbox in batches, and woken by the runtime itself. A sleeping runtime is signalled once
//! per batch, by its [`WakeTier`]. A future that is polled outside compio's tasks is woken by its own
//! waker, wherever it is.
//!
//! # Features
//!
//! - `linux-futex` (default): [`WakeTier::Futex`]. Turns on both of compio-driver's Linux drivers.
//!   Inert on other platforms.
//! - `windows-iocp` (default): [`WakeTier::Iocp`]. Inert on other platforms.
//! - `futures`: receivers are streams, and senders sinks.
//! - `time`: awaiting waits with a deadline, on compio's timers: [`Timeout`]. Plain threads block on them
//!   without it.
//!
//! # Versions of compio
//!
//! A version 0.x of this crate is for one version 0.y of compio: 0.1 for compio 0.19. A change of
//! that is a breaking change, and comes with a new 0.x. No type of compio's is in this API. But this
//! crate recognizes the tasks of the compio that it was built with. Tasks of another version are to it
//! those of any executor: each is woken by its own waker, and that version's runtimes have neither a
//! tier nor the timers that timed waits need.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs)]
#![deny(rustdoc::broken_intra_doc_links)]

mod auto_reset_event;
mod barrier;
pub mod broadcast;
mod cancellation_token;
mod condvar;
mod drop_guard;
mod event;
mod fairness;
mod gate;
mod latch;
pub mod mpmc;
pub mod mpsc;
mod mutex;
mod notify;
mod once;
pub mod oneshot;
mod rwlock;
mod semaphore;
mod snapshot;
mod timeout;
mod wait_group;
mod waiter_queue;
pub mod watch;

pub mod guide;

mod blocking;
mod budget;
mod ends;
mod loom;

pub use auto_reset_event::*;
pub use barrier::*;
pub use cancellation_token::*;
pub use condvar::*;
pub use drop_guard::*;
pub use event::*;
pub use fairness::Fairness;
pub use gate::*;
pub use latch::*;
pub use mutex::*;
pub use notify::*;
pub use once::*;
pub use rwlock::*;
pub use semaphore::*;
pub use timeout::{Elapsed, Timeout};
pub use wait_group::*;
pub use waiter_queue::{AddWaiterIf, TierError, WaiterQueue, WakeStats, WakeTier};

/// The examples in these files are tests.
#[cfg(doctest)]
mod markdown {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/MIGRATION.md")]
    struct Migration;
}
