//! What cancelling a wait does, and the traps in it.
//!
//! To cancel a wait is to drop its future: the loser of a `select!`, what a timeout has ended, a
//! compio task whose handle was dropped. For every wait of this crate that is safe:
//!
//! | Dropped | Effect |
//! |---|---|
//! | before the first poll | none |
//! | while it waits | it has taken nothing, and has lost its place in the wait list |
//! | after it was handed a permit or the lock, before it was polled | that passes on to the next waiter |
//! | [`Condvar::wait`](crate::Condvar::wait), at any time | the mutex is unlocked. A notification that had reached it passes on |
//! | [`Event::wait`](crate::Event::wait), [`CancellationToken::cancelled`](crate::CancellationToken::cancelled) | none |
//! | [`WaiterQueue::add_waiter_if`](crate::WaiterQueue::add_waiter_if) | a wake that had reached it passes on |
//!
//! So nothing is lost and nothing leaks. Eight traps remain, which every crate of this kind has.
//!
//! # A future that is kept and not polled
//!
//! The worst of them, known as *futurelock*. `select!` by reference, a poll by hand, or a
//! collection of futures whose owner is busy with something else: all keep a queued
//! future and do not poll it. If it is handed the lock, it holds it without knowing. Every other waiter
//! then waits for a future that is not polled, and if its owner is one of them, that is for ever:
//!
//! ```
//! use std::pin::pin;
//!
//! use compio_sync::{Fairness, Mutex};
//! use futures_util::poll;
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let mutex = Mutex::with_fairness((), Fairness::Fifo);
//! let guard = mutex.lock().await;
//!
//! // This wait begins, loses a `select!` by reference, say, and is kept.
//! let mut kept = pin!(mutex.lock());
//! assert!(poll!(&mut kept).is_pending());
//!
//! // The lock is handed to it.
//! drop(guard);
//!
//! // The same task wants the lock elsewhere. `mutex.lock().await` would wait for ever here.
//! let mut elsewhere = pin!(mutex.lock());
//! assert!(poll!(&mut elsewhere).is_pending());
//! assert!(mutex.try_lock().is_none(), "it is locked, by nobody who knows it");
//!
//! // What helps: to go on polling it, or to drop it.
//! drop(kept.await);
//! elsewhere.await;
//! # });
//! ```
//!
//! With [`Fairness::Bounded`](crate::Fairness::Bounded), the default, the first waiter is only
//! woken, and what it does not take stays free. The same code goes on:
//!
//! ```
//! use std::pin::pin;
//!
//! use compio_sync::Mutex;
//! use futures_util::poll;
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let mutex = Mutex::new(());
//! let guard = mutex.lock().await;
//! let mut kept = pin!(mutex.lock());
//! assert!(poll!(&mut kept).is_pending());
//! drop(guard);
//!
//! drop(mutex.lock().await);
//! # });
//! ```
//!
//! That is a help and no cure: there are cases in which an abandoned future is handed a permit even
//! so, which [`Fairness`](crate::Fairness#futures-that-nobody-polls) lists. The rules that cure it:
//!
//! - Give `select!` and `timeout` the future itself, not `&mut` of it. What loses is dropped.
//! - Do not `await` a lock in the body of a loop that owns other futures that wait for it (`while let
//!   Some(x) = unordered.next().await`). Spawn the body, or spawn the futures: a task is always
//!   polled.
//!
//! # A select in a loop is requeued at the end, each time
//!
//! ```
//! use compio_sync::{Event, Semaphore};
//! use futures_util::future::{Either, select};
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! # let (semaphore, tick) = (Semaphore::new(1), Event::new());
//! // With `semaphore.acquire()` in the loop, each tick would give its place up.
//! let mut acquire = semaphore.acquire();
//! let permit = loop {
//!     match select(&mut acquire, tick.wait()).await {
//!         Either::Left((permit, _)) => break permit,
//!         Either::Right(_) => tick.reset(), // and on with the same wait
//!     }
//! };
//! # drop(permit);
//! # });
//! ```
//!
//! The wait is kept here, by reference, and polled again without anything in between that waits for
//! the semaphore: that is what makes it safe.
//!
//! # A permit in a future that is not done
//!
//! `join!` and `join_all` keep finished results until all are finished. If those are permits, they
//! are held meanwhile; with fewer permits than futures that is a deadlock. Acquire inside the
//! future that does the work, so that the permit is dropped with it.
//!
//! # A permit that a task holds for its buffer
//!
//! compio's operations own their buffers, and a cancelled one keeps its buffer until the kernel is through
//! with it. A permit that stands for memory and lives in the *task* is given back before that: with two
//! permits there can be many buffers. So it lives in the buffer, in a type of yours that implements compio's
//! `IoBufMut` by way of its `Vec`:
//!
//! ```
//! use compio::buf::{IoBuf, IoBufMut, SetLen};
//! use compio_sync::SemaphorePermit;
//!
//! /// A buffer, and the permit for its memory: they go together.
//! struct Buffer {
//!     bytes: Vec<u8>,
//!     _memory: SemaphorePermit<'static>,
//! }
//!
//! impl IoBuf for Buffer {
//!     fn as_init(&self) -> &[u8] {
//!         self.bytes.as_init()
//!     }
//! }
//!
//! impl SetLen for Buffer {
//!     unsafe fn set_len(&mut self, len: usize) {
//!         // SAFETY: the caller's promise is passed on.
//!         unsafe { self.bytes.set_len(len) }
//!     }
//! }
//!
//! impl IoBufMut for Buffer {
//!     fn as_uninit(&mut self) -> &mut [std::mem::MaybeUninit<u8>] {
//!         self.bytes.as_uninit()
//!     }
//! }
//! ```
//!
//! # A cancel token around a wait
//!
//! compio's `with_cancel` cancels operations of its driver. A wait of this crate is none: it goes on until its
//! future is dropped. Take `select!`, a wait with a [deadline](crate::Timeout), or
//! [`run_until_cancelled`](crate::CancellationToken::run_until_cancelled) around the wait.
//!
//! # An operation that is dropped
//!
//! The loser of a `select!` is dropped, and if it is one of compio's operations, it is cancelled, and what it has done is not
//! known: a read may have taken bytes from the socket, which are lost with its buffer. Where the connection goes on after that,
//! let the operation end: [`run_cancelling_io`](crate::CancellationToken::run_cancelling_io) cancels it and yields what it has come to.
//!
//! compio's `with_cancel` does that, too, for a token of the same thread. In optimized programs compio 0.19's may do nothing, though: it
//! looks its token up by the address of a function of which there may be several. `run_cancelling_io` is not affected.
//!
//! # Shutting down
//!
//! Two tokens, one a child of the other: the first says that nothing new is begun, the second ends what is still in flight when
//! the time is up. Tasks that hold a permit each are waited for by acquiring all of them.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use compio_sync::{CancellationToken, Semaphore};
//!
//! const MOST: usize = 100;
//!
//! let abort = CancellationToken::new();
//! let stop = abort.child_token();
//! let tasks = Arc::new(Semaphore::new(MOST));
//!
//! let runtime = std::thread::spawn({
//!     let (abort, stop, tasks) = (abort.clone(), stop.clone(), tasks.clone());
//!     move || {
//!         compio::runtime::Runtime::new().unwrap().block_on(async {
//!             while let Some(permit) = stop.run_until_cancelled(tasks.clone().acquire_owned()).await {
//!                 // ... accept, by `stop.run_cancelling_io(listener.accept())`, and spawn ...
//!                 # let endless = std::future::pending::<()>();
//!                 abort.run_until_cancelled(endless).await; // one that does not end by itself
//!                 drop(permit);
//!             }
//!         })
//!     }
//! });
//!
//! stop.cancel();
//! if tasks.acquire_many(MOST).timeout(Duration::from_millis(5)).blocking().is_err() {
//!     abort.cancel();
//! }
//! runtime.join().unwrap();
//! ```
//!
//! `examples/graceful_shutdown.rs` is a whole server of this kind.
//!
//! # Half of what was to be done
//!
//! A guard whose task is cancelled at an `await` unlocks, and there is no poisoning: the next
//! holder finds whatever was half done under the lock. Make changes without an `await` between the
//! first and the last, or in a copy that is put in place at the end.
//!
//! # An initializer that is longer than anybody waits
//!
//! A cancelled [`get_or_init`](crate::OnceCell::get_or_init) drops its initializer, and the next one begins anew. See
//! [A value that is made once](crate::guide::choosing#a-value-that-is-made-once).
//!
//! # A condition that was given up
//!
//! A dropped [`Condvar::wait`](crate::Condvar::wait) has given the guard away for good. A
//! timeout around it loses the guard; `wait_timeout` (feature
//! `time`) gives it back:
//!
//! ```
//! # #[cfg(feature = "time")]
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! use std::time::Duration;
//!
//! use compio_sync::{Condvar, Mutex};
//!
//! let (queue, filled) = (Mutex::new(Vec::<u32>::new()), Condvar::new());
//! let (mut queue, result) = filled
//!     .wait_timeout_while(queue.lock().await, Duration::from_millis(5), |queue| queue.is_empty())
//!     .await;
//! if result.timed_out() {
//!     queue.push(0); // still locked
//! }
//! # assert_eq!(queue.len(), 1);
//! # });
//! ```
//!
//! In the same way, `acquire().timeout(second)`, or `acquire_timeout(second)`, yields a permit that
//! arrives just as the time ends. Under a plain timeout such a permit passes on to the next
//! waiter: correct, too, but you have waited for nothing.
//!
//! [`Fairness`]: crate::Fairness
