//! What a wait costs: on one runtime, across runtimes, across threads.
//!
//! This chapter counts: atomic read-modify-writes of this crate ("steps"), allocations, system
//! calls. The steps in the first two tables are tested, by models that count them
//! (`src/waiter_queue/models/steps.rs`), and so is what is said of allocations
//! (`tests/allocations/`). What that takes in time, here and with other crates, is in
//! [docs/performance.md](https://github.com/jmalicki/compio-sync/blob/main/docs/performance.md).
//!
//! # Without waiting
//!
//! | | Steps |
//! |---|---|
//! | acquire a permit, lock a mutex | 1 |
//! | give it back with nobody waiting | 1 |
//! | [`Event::wait`](crate::Event::wait) on a set event, [`Event::is_set`](crate::Event::is_set) | none: a load |
//! | [`Event::set`](crate::Event::set), [`notify_one`](crate::Condvar::notify_one), [`wake_one`](crate::WaiterQueue::wake_one) with nobody waiting | 1 |
//!
//! No allocation and no system call. The primitives contain no lock, and do not allocate when they
//! are made either.
//!
//! # On one runtime
//!
//! | | Steps, if nobody interferes |
//! |---|---|
//! | begin to wait | 2 |
//! | let the waiter go: a release, `set` or notification that finds it | 5 |
//! | go on: `Event`, `Condvar`, `WaiterQueue`, or with [`Fairness::Fifo`](crate::Fairness::Fifo) | 0 |
//! | go on: with [`Fairness::Bounded`](crate::Fairness::Bounded), where the woken takes its permit itself | 4 |
//! | cancel a wait | 4 |
//!
//! One of the five is what the release costs anyway. So with a wait, getting a permit takes six
//! steps instead of one, or ten where newcomers may pass.
//!
//! A waiter's memory comes from a pool of its thread, which keeps what it has once had, up to 1024
//! waiters: in steady state a wait allocates nothing. (A runtime's first wait makes its mailbox
//! and the task that empties it, once.) The waker is called directly, and compio's, on its own
//! thread, makes no system call.
//!
//! A tick costs more than all of these steps: the waiting task is left and polled again, and in
//! between the runtime polls its driver. Handing a contended lock from task to task takes two ticks
//! per hand-over, taking it where it is free takes one. That is why newcomers
//! may barge by default: see [fairness](crate::guide::fairness).
//!
//! # Across runtimes
//!
//! The thread that wakes waiters of another runtime sorts them by runtime, and pushes them to each
//! runtime's mailbox, all at once, by one compare-exchange. It then signals the runtime if that
//! sleeps. The runtime takes the wakes, with one swap, and wakes the tasks itself. These steps, and
//! a handful for arming the mailbox and for [`WakeStats`](crate::WakeStats), are per batch, and not
//! per waiter.
//!
//! | The other runtime | System calls by the releasing thread |
//! |---|---|
//! | runs tasks | none |
//! | sleeps | one, however many waiters there are in the batch |
//! | has been signalled and is not awake yet | none |
//!
//! With [`WakeTier::Futex`](crate::WakeTier::Futex) the second line is also that of a runtime that
//! is awake but has nothing more to do for this crate's waits: see [tiers](crate::guide::tiers). A
//! batch is up to 32 waiters. Nothing is allocated, and nobody waits for anybody, but for what
//! [`WakeTier`](crate::WakeTier#limits) says of compio 0.19's own queue.
//!
//! Waits that are not polled by a compio task's waker, as directly in `block_on` or in a
//! `FuturesUnordered`, are woken by their own wakers, one by one. Each of these may be a system call.
//!
//! # From and to plain threads
//!
//! A thread that waits by a [`blocking_` method](crate::guide::blocking) is parked and unparked by
//! std. Each such call allocates once, for the parker, whether it waits or not; so do not use them
//! where `try_lock` succeeds most of the time. A thread that wakes waiters pays what a runtime
//! pays.
//!
//! # What stays
//!
//! A cancelled wait leaves nothing behind: its waker is dropped at once, and its node goes back to
//! the pool as soon as there is a combiner, the thread that serves the wait list. A loop of timeouts on a busy primitive
//! does not grow.
//!
//! [`WakeTier`]: crate::WakeTier
