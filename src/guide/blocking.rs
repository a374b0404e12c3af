//! Plain threads, other executors, and the blocking of runtimes.
//!
//! Plain threads take part in everything, in the same wait list as tasks:
//!
//! | Task | Thread |
//! |---|---|
//! | [`acquire`](crate::Semaphore::acquire), [`acquire_many`](crate::Semaphore::acquire_many) | [`blocking_acquire`](crate::Semaphore::blocking_acquire), [`blocking_acquire_many`](crate::Semaphore::blocking_acquire_many) |
//! | [`acquire_owned`](crate::Semaphore::acquire_owned), [`acquire_many_owned`](crate::Semaphore::acquire_many_owned) | [`blocking_acquire_owned`](crate::Semaphore::blocking_acquire_owned), [`blocking_acquire_many_owned`](crate::Semaphore::blocking_acquire_many_owned) |
//! | [`lock`](crate::Mutex::lock), [`lock_owned`](crate::Mutex::lock_owned) | [`blocking_lock`](crate::Mutex::blocking_lock), [`blocking_lock_owned`](crate::Mutex::blocking_lock_owned) |
//! | [`Condvar::wait`](crate::Condvar::wait), [`wait_while`](crate::Condvar::wait_while) | [`blocking_wait`](crate::Condvar::blocking_wait), [`blocking_wait_while`](crate::Condvar::blocking_wait_while) |
//! | [`Event::wait`](crate::Event::wait) | [`Event::blocking_wait`](crate::Event::blocking_wait) |
//! | [`OnceCell::get_or_init`](crate::OnceCell::get_or_init), [`wait`](crate::OnceCell::wait) | [`blocking_get_or_init`](crate::OnceCell::blocking_get_or_init), [`blocking_wait`](crate::OnceCell::blocking_wait) |
//! | [`LazyCell::force`](crate::LazyCell::force), [`SetOnce::wait`](crate::SetOnce::wait) | [`blocking_force`](crate::LazyCell::blocking_force), [`blocking_wait`](crate::SetOnce::blocking_wait) |
//! | every wait with a deadline, `acquire().timeout(second).await` | `acquire().timeout(second).blocking()`: see [`Timeout`](crate::Timeout) |
//! | giving back, setting, notifying, all `try_` methods, all counts | the same methods |
//!
//! ```
//! use compio_sync::{Event, Semaphore};
//!
//! static JOBS: Semaphore = Semaphore::new(0);
//! static DONE: Event = Event::new();
//!
//! let worker = std::thread::spawn(|| {
//!     for _ in 0..3 {
//!         JOBS.blocking_acquire().forget(); // one job
//!     }
//!     DONE.set();
//! });
//!
//! compio::runtime::Runtime::new().unwrap().block_on(async {
//!     JOBS.add_permits(3);
//!     DONE.wait().await;
//! });
//! worker.join().unwrap();
//! ```
//!
//! # Inside a runtime they panic
//!
//! A blocked thread runs none of its runtime's tasks, and the task that would let it go may be one
//! of them. So the `blocking_` methods panic on a thread that is inside a compio runtime. That is also a
//! thread which is just dropping a runtime: a destructor of one of its tasks must not block, and a panic in
//! it ends the process if another one is under way.
//!
//! In an `async fn`, `await` the method without `blocking_`. For compio's `spawn_blocking`, acquire or lock
//! *before*, and move the owned permit or guard into the closure. Its pool is bounded, by 256 threads: closures
//! that block in it until others of them have run keep all threads, and compio's driver then spins on the
//! runtime's own thread until there is room.
//!
//! ```
//! use std::sync::Arc;
//!
//! use compio_sync::Mutex;
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let log = Arc::new(Mutex::new(Vec::new()));
//! let mut guard = log.clone().lock_owned().await;
//! compio::runtime::spawn_blocking(move || guard.push("slow")).await.unwrap();
//! assert_eq!(log.lock().await.len(), 1);
//! # });
//! ```
//!
//! # Other executors
//!
//! Any executor can poll these futures: they call the waker that they were polled with. Waits with
//! a deadline need a compio runtime for its timers; under another executor use that one's, around a
//! wait without one.
//!
//! # What starves a runtime
//!
//! A wait that need not wait does not yield: there is no cooperative budget. A loop that always finds a
//! permit or a notification keeps its runtime from its other tasks and from its I/O; let it yield now and
//! then.
//!
//! # Signal handlers
//!
//! Nothing here may be called in one: letting somebody go calls a waker, which may allocate or
//! lock.
