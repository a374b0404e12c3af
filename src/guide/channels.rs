//! Which channel for what, and the traps of channels.
//!
//! | You want | Take | Because |
//! |---|---|---|
//! | one answer to one request | [`oneshot`] | one allocation; none with [`Reusable`](crate::oneshot::Reusable) |
//! | many tasks to feed one | [`mpsc`], with a bound | a full channel makes its senders wait, so memory stays bounded, and no value is lost |
//! | many tasks to feed several workers, each value to one of them | [`mpmc`] | who is free takes the next one; receivers that wait are served first come, first served |
//! | to send from where waiting is impossible: a destructor, a callback | an unbounded [`mpsc`] or [`mpmc`] | sending never waits; somebody else must see to it that it does not grow for ever |
//! | only the newest few values, and never to wait: positions, frames | [`mpmc`] and [`force_send`](crate::mpsc::Sender::force_send) | the oldest gives way, and comes back to the sender |
//! | the newest value, looked at now and then: configuration, state, progress | [`watch`] | looking never waits, and nobody waits for those who look |
//! | every value to every receiver: events, chat, log lines | [`broadcast`] | who is too slow misses some, and is told how many |
//! | a signal without a value | [`Event`](crate::Event), or a [`Semaphore`](crate::Semaphore) | see [Choosing](super::choosing) |
//!
//! All ends can go to any thread and runtime, wait there, and be used from [plain threads](super::blocking). A runtime
//! that sleeps is signalled once, however many of its tasks a burst of values wakes.
//!
//! # How large a bound
//!
//! A bound is how far senders may run ahead. One that covers the time of a task switch between two runtimes is enough
//! for throughput: 64 is a good beginning. With 1, every value is a switch from one side to the other. A larger one adds
//! latency, since a value waits behind all that are in front of it, and memory.
//!
//! # Requests and answers
//!
//! A request carries the [`oneshot`] sender of its answer. If the worker drops it, the asking task hears of that; if
//! the asking task is cancelled, the worker sees [`is_closed`](crate::oneshot::Sender::is_closed).
//!
//! ```
//! use compio_sync::{mpsc, oneshot};
//!
//! struct Square {
//!     number: u64,
//!     answer: oneshot::Sender<u64>,
//! }
//!
//! let (requests, mut jobs) = mpsc::channel::<Square>(64);
//! let worker = std::thread::spawn(move || {
//!     compio::runtime::Runtime::new().unwrap().block_on(async {
//!         while let Some(job) = jobs.recv().await {
//!             // An error means that nobody waits for it any more.
//!             let _ = job.answer.send(job.number * job.number);
//!         }
//!     })
//! });
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let mut answers = oneshot::Reusable::new();
//! for number in 0..10 {
//!     let (answer, receiver) = answers.channel();
//!     requests.send(Square { number, answer }).await.unwrap();
//!     assert_eq!(receiver.await, Ok(number * number));
//! }
//! # });
//! drop(requests); // the worker's `recv` yields `None`
//! worker.join().unwrap();
//! ```
//!
//! `examples/line_server.rs` is a whole program of this kind, which Ctrl-C ends in order.
//!
//! # Cancelling
//!
//! A `recv` that is dropped has received nothing, whatever was on its way to it: it can be one branch of a `select!` in
//! a loop. A `send` that is dropped has sent nothing, and drops its value. To keep the value, wait for a place first:
//!
//! ```
//! use compio_sync::mpsc;
//!
//! # compio::runtime::Runtime::new().unwrap().block_on(async {
//! let (sender, mut receiver) = mpsc::channel(1);
//! let precious = String::from("not to be lost");
//! let place = sender.reserve().await.unwrap(); // may be cancelled
//! place.send(precious); // does not wait
//! assert_eq!(receiver.recv().await.unwrap(), "not to be lost");
//! # });
//! ```
//!
//! # Traps
//!
//! - **A sender that is kept keeps the channel open.** `recv` yields `None` when *all* senders are gone, also the one
//!   that was cloned for each worker. Keep a [`WeakSender`](crate::mpsc::WeakSender) where the channel is to end.
//! - **Waiting in a circle.** Two tasks that send to each other through full channels wait for ever. Make one side
//!   unbounded, receive while waiting to send, or let it fail: [`try_send`](crate::mpsc::Sender::try_send).
//! - **A future that is not polled.** A `send` or `recv` that was granted its turn keeps it until it is polled or
//!   dropped. Do not keep one aside, in a `select!` by reference, while the task does something else for long.
//! - **A receiver that always finds something** never has to wait, and the runtime's I/O does not go on. So receivers
//!   yield after 128 values in a row: [`set_budget`](crate::mpsc::Receiver::set_budget) changes that. Where each value is
//!   long work, a smaller one is right.
//! - **`watch` is no queue.** Values between two looks are missed. Where each one counts, take [`broadcast`] or [`mpsc`].

#[cfg(doc)]
use crate::{broadcast, mpmc, mpsc, oneshot, watch};
