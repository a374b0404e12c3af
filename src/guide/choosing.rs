//! Which primitive for what.
//!
//! | You want | Take | Because |
//! |---|---|---|
//! | at most N at a time: open files, connections, requests under way | [`Semaphore`] | a permit is a value that goes where the work goes |
//! | at most N bytes, rows or credits at a time | [`Semaphore`] and [`acquire_many`](crate::Semaphore::acquire_many) | a bounded number of small requests overtake a large one, so it is not starved |
//! | at most N in a second, on all runtimes together | [`Semaphore`], whose permits are [forgotten](crate::SemaphorePermit::forget) and [added](crate::Semaphore::add_permits) by a clock | see [below](#limiting-a-rate) |
//! | one at a time, with data, across `await` | [`Mutex`] | the guard may be held across `await`, sent to another thread, or mapped to a part |
//! | one at a time, with data, for a few instructions | `std::sync::Mutex` or an atomic | waits are too short for a task switch to pay |
//! | to wait until something under a mutex has changed | [`Condvar`] | what has been tested is still true on the next line |
//! | to wait for something that happens once, or stays: a start, a shutdown | [`Event`] | it stays set, so no waiter can come too late |
//! | to wait until all workers have ended | [`WaitGroup`](crate::WaitGroup), of which each has a clone; or a [`Semaphore`] whose permits they hold, if there is one anyway | see [below](#waiting-until-all-have-ended) |
//! | to shut down: refuse new requests, and wait for those under way | [`Gate`](crate::Gate) | entering and closing are in an order: whoever got in is waited for |
//! | to wait until N things have happened | [`Latch`](crate::Latch) | it stays open |
//! | tasks that wait for each other in each round | [`Barrier`](crate::Barrier) | one that is cancelled is not counted |
//! | to wake one task, or the next one that comes: "there is work" | [`Notify`](crate::Notify), [`AutoResetEvent`](crate::AutoResetEvent) | one signal is stored, a second one is the same |
//! | to wake one task for each signal | [`Semaphore`] with 0 permits and [`add_permits`](crate::Semaphore::add_permits) | each added permit completes one wait, now or later |
//! | to tell tasks to end, all or a part of them, and to end their reads and writes | [`CancellationToken`](crate::CancellationToken) | a child is cancelled with its parent, on whichever runtime it is; see [Shutting down](super::cancelling#shutting-down) |
//! | a configuration that is reloaded | [`watch`](crate::watch) | see [below](#a-configuration-that-is-reloaded) |
//! | a value that is made when it is first needed, and once | [`LazyCell`] if it is known how, [`OnceCell`] if whoever needs it says how, or if it may fail and is tried again | one initializer runs at a time, and the others wait; see [below](#a-value-that-is-made-once) |
//! | a value that one task finds out, and that others wait for | [`SetOnce`] | all look at the same value, without a clone |
//! | a primitive that is not here | [`WaiterQueue`] | brings the waiting; the condition is yours |
//! | to send one value to one task, such as an answer | [`oneshot`](crate::oneshot) | one allocation, or none with [`Reusable`](crate::oneshot::Reusable) |
//! | data for one task alone | `Cell`, `RefCell` | nothing to synchronize |
//! | to send values from many tasks to one | [`mpsc`](crate::mpsc), with a bound unless senders cannot wait | a full channel makes its senders wait, so memory stays bounded |
//! | to send values to several workers, or to all; or only the latest value | [`mpmc`](crate::mpmc), [`broadcast`](crate::broadcast), [`watch`](crate::watch) | see [Channels](super::channels) |
//!
//! # Where they can be used
//!
//! All of them are `Send` and `Sync`, can be a `static`, and work on one compio runtime, across
//! several, under another executor and from [plain threads](crate::guide::blocking), with all of
//! these waiting for the same one at once.
//!
//! Borrowed or owned: [`acquire`](crate::Semaphore::acquire) and [`lock`](crate::Mutex::lock)
//! borrow. compio's `spawn` takes what is `'static`, so a permit or guard that goes into a task is
//! an owned one, of an `Arc`, or one of a `static`:
//!
//! ```
//! use std::sync::Arc;
//!
//! use compio_sync::{Mutex, Semaphore};
//!
//! static FILES: Semaphore = Semaphore::new(64);
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let total = Arc::new(Mutex::new(0));
//!
//! // Of a static, a permit is 'static.
//! let permit = FILES.acquire().await;
//! // Of an Arc, a guard owns its share of the mutex.
//! let mut guard = total.clone().lock_owned().await;
//! let task = compio::runtime::spawn(async move {
//!     *guard += 1;
//!     drop((guard, permit));
//! });
//! task.await.unwrap();
//! assert_eq!(*total.lock().await, 1);
//! # });
//! ```
//!
//! # Bounding tasks
//!
//! Acquire before spawning, and let the permit move into the task. Then there are never more tasks
//! than permits, and the loop that spawns waits instead of filling the memory. Acquiring inside the
//! task bounds what runs, not what exists.
//!
//! ```
//! use std::sync::Arc;
//!
//! use compio_sync::Semaphore;
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! const LIMIT: usize = 8;
//! let tasks = Arc::new(Semaphore::new(LIMIT));
//! for _ in 0..100 {
//!     let permit = tasks.clone().acquire_owned().await;
//!     compio::runtime::spawn(async move {
//!         // ... the work ...
//!         drop(permit);
//!     })
//!     .detach();
//! }
//! // All permits: no task is left.
//! let _all = tasks.acquire_many(LIMIT).await;
//! # });
//! ```
//!
//! compio cancels a task whose handle is dropped, hence `detach`.
//!
//! # Waiting until all have ended
//!
//! Each worker holds a permit, and acquiring all permits waits for every worker to end. The permit is taken *before*
//! the worker is spawned. One that is acquired inside the task may come too late: a task that has not run yet
//! holds nothing, and the wait is over before it began.
//!
//! ```
//! use std::sync::Arc;
//!
//! use compio_sync::Semaphore;
//!
//! const MOST: usize = 1000;
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let workers = Arc::new(Semaphore::new(MOST));
//! for _ in 0..10 {
//!     let permit = workers.clone().acquire_owned().await;
//!     compio::runtime::spawn(async move {
//!         // ... the work ...
//!         drop(permit);
//!     })
//!     .detach();
//! }
//! let _all = workers.acquire_many(MOST).await; // all ten have ended
//! assert_eq!(workers.in_use(), MOST);
//! # });
//! ```
//!
//! A worker that panics or is cancelled drops its permit as well.
//!
//! # A configuration that is reloaded
//!
//! Take [`watch`](crate::watch), and not a [`RwLock`](crate::RwLock). Whoever looks keeps what he has seen for as long as he likes, also
//! across an `await`, and the next one is put beside it. Under a lock, a request that takes long would
//! keep the writer waiting, and the writer all later readers: those must not pass him, or he would never have his turn. A lock is right where
//! the value is changed in place, a part of it at a time, and each reader must see the last change.
//!
//! ```
//! use compio_sync::watch;
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let (config, receiver) = watch::channel(String::from("hello"));
//! let under_way = receiver.borrow(); // a request begins
//! config.send_replace("good day".into()); // waits for nobody
//! assert_eq!(*under_way, "hello");
//! assert_eq!(*receiver.borrow(), "good day"); // the next one
//! # });
//! ```
//!
//! `examples/config_reload.rs` does so on several runtimes, refuses a file that makes no sense, and resizes a semaphore when
//! its limit has changed.
//!
//! # A value that is made once
//!
//! | | [`OnceCell`] | [`LazyCell`] |
//! |---|---|---|
//! | how the value is made | each [`get_or_init`](crate::OnceCell::get_or_init) says it | the cell knows it |
//! | the task that makes it is cancelled | the next one begins anew | the next one goes on from there |
//! | it fails | the next one begins | the value is a `Result`, for good |
//! | it panics | the next one begins | whoever needs it panics, too |
//!
//! A timeout around [`get_or_init`](crate::OnceCell::get_or_init) that is shorter than the initializer takes has all
//! begin anew, for ever. A [`LazyCell`] gets there, as does a task of its own that is spawned for it.
//!
//! ```
//! use compio_sync::{LazyCell, OnceCell};
//!
//! static CONFIG: LazyCell<String> = LazyCell::new(|| Box::pin(async { "from a file".into() }));
//! static TOKEN: OnceCell<u64> = OnceCell::new();
//!
//! async fn log_in(name: &str) -> Result<u64, &'static str> {
//!     if name.is_empty() { Err("who?") } else { Ok(7) }
//! }
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! assert_eq!(CONFIG.force().await, "from a file");
//! // The first fails, and is not remembered.
//! assert_eq!(TOKEN.get_or_try_init(|| log_in("")).await, Err("who?"));
//! assert_eq!(TOKEN.get_or_try_init(|| log_in("me")).await, Ok(&7));
//! # });
//! ```
//!
//! # Limiting a rate
//!
//! A permit that is forgotten does not come back, so a semaphore whose permits are added by the
//! clock is a token bucket. The clock must outlive the waiters: as a task of one runtime it ends with that
//! runtime, and all others wait for ever. So it has a thread of its own. Closing the semaphore fails all
//! waits, and ends the clock.
//!
//! ```
//! use std::{thread, time::Duration};
//!
//! use compio_sync::{AcquireError, Semaphore};
//!
//! /// How many can be saved up, and how many there are each time.
//! const BURST: usize = 20;
//! const REFILL: usize = 10;
//! static REQUESTS: Semaphore = Semaphore::new(BURST);
//!
//! fn refill() {
//!     while !REQUESTS.is_closed() {
//!         thread::sleep(Duration::from_millis(10));
//!         let room = BURST.saturating_sub(REQUESTS.available_permits());
//!         REQUESTS.add_permits(room.min(REFILL));
//!     }
//! }
//!
//! async fn request() -> Result<(), AcquireError> {
//!     REQUESTS.acquire().or_closed().await?.forget();
//!     // ... at most 1000 a second, after the first ...
//!     Ok(())
//! }
//!
//! let clock = thread::spawn(refill);
//! // One runtime after the other, or several at a time.
//! for _ in 0..2 {
//!     compio::runtime::Runtime::new().unwrap().block_on(async {
//!         for _ in 0..30 {
//!             request().await.unwrap();
//!         }
//!     });
//! }
//! REQUESTS.close();
//! clock.join().unwrap();
//! ```
//!
//! # Examples to run
//!
//! | `cargo run --example` | Shows |
//! |---|---|
//! | `bounded_tasks` | bounded concurrency over file I/O, on several runtimes |
//! | `graceful_shutdown` | a server on several runtimes that stops, drains for a while, and ends what is left in flight |
//! | `config_reload` | a configuration that is replaced while requests look at it |
//! | `copy_dir` | the same in its shortest form, with a progress bar |
//! | `connection_limit` | a limit in front of a TCP server |
//! | `condvar_signaling` | producer and consumer on two runtimes |
//! | `start_gate` | an event as a start signal, and as a stop signal |
//! | `memory_budget` | a budget in bytes, by `acquire_many` |
//! | `basic_semaphore` | the ways to take permits and to give them back |
//!
//! [`Condvar`]: crate::Condvar
//! [`Event`]: crate::Event
//! [`LazyCell`]: crate::LazyCell
//! [`Mutex`]: crate::Mutex
//! [`OnceCell`]: crate::OnceCell
//! [`Semaphore`]: crate::Semaphore
//! [`SetOnce`]: crate::SetOnce
//! [`WaiterQueue`]: crate::WaiterQueue
