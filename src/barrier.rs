//! A barrier: a number of tasks that wait for each other, again and again.
//!
//! ```text
//!   bits  0 .. HALF    HALF ..
//!        ┌───────────┬──────────────┐
//! state  │ arrived   │ generation   │
//!        └───────────┴──────────────┘
//! ```
//!
//! The last one of a generation arrives by beginning the next one, in the same compare-exchange. One that
//! leaves takes its arrival back by a compare-exchange of the same word, if its generation is still going on. So which of
//! the two was first is decided in one place.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed},
    task::{Context, Poll},
};

use crate::{
    blocking::block_on,
    loom::AtomicUsize,
    timeout::{Wait, wait_methods},
    waiter_queue::{Queue, Slot},
};

const HALF: u32 = usize::BITS / 2;
const MAX: usize = (1 << HALF) - 1;
const ARRIVED: usize = MAX;

/// A barrier: waits until a number of tasks have arrived, again and again.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | When the last one arrives, all who wait are woken, in FIFO order. The last one is the leader. |
/// | Memory ordering | What each did before it arrived synchronizes-with the end of each wait of the same generation. |
/// | Cost | The arrival that waits: one atomic read-modify-write, and six for the wait. The last one: two, and the wakes. In steady state no allocation. |
/// | Cancelling | A wait that is dropped before the last one has arrived takes its arrival back: the barrier waits for another. Later it has no effect. |
/// | Panics | A task that panics while it waits drops its wait. |
/// | Without a runtime | Works with any executor, and with plain threads through [`blocking_wait`](Self::blocking_wait). |
///
/// With more tasks than the barrier counts, those who arrive when a generation is complete are in the next one.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use compio_sync::Barrier;
///
/// let barrier = Arc::new(Barrier::new(3));
/// let threads: Vec<_> = (0..3)
///     .map(|_| {
///         let barrier = barrier.clone();
///         std::thread::spawn(move || {
///             compio::runtime::Runtime::new().unwrap().block_on(async move {
///                 barrier.wait().await.is_leader()
///             })
///         })
///     })
///     .collect();
/// let leads = threads.into_iter().map(|it| it.join().unwrap());
/// assert_eq!(leads.filter(|&leads| leads).count(), 1);
/// ```
pub struct Barrier {
    n: usize,
    state: AtomicUsize,
    /// Who waits looks at the generation.
    queue: Queue,
}

impl Barrier {
    crate::loom::const_fn! {
        /// Creates a barrier for `n` tasks. With 0, as with 1, nobody waits.
        ///
        /// # Panics
        ///
        /// If `n` is more than [`MAX_TASKS`](Self::MAX_TASKS).
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::Barrier;
        ///
        /// static ROUND: Barrier = Barrier::new(2);
        /// ```
        #[track_caller]
        pub fn new(n: usize) -> Self {
            assert!(n <= MAX, "a barrier is for at most Barrier::MAX_TASKS tasks");
            Self { n, state: AtomicUsize::new(0), queue: Queue::new(0) }
        }
    }

    /// How many tasks a barrier can be for: 2^32 - 1, or 2^16 - 1 where words have 32 bits.
    pub const MAX_TASKS: usize = MAX;

    /// Arrives, and waits for the others.
    ///
    /// The task arrives when the future is first polled.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped before all have arrived takes its arrival back. Dropped after that, it has no effect, and
    /// the others go on.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::Barrier;
    /// use futures_util::{join, poll};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let barrier = Barrier::new(2);
    /// let mut early = barrier.wait();
    /// assert!(poll!(&mut early).is_pending());
    /// drop(early); // nobody has arrived
    /// let (one, other) = join!(barrier.wait(), barrier.wait());
    /// assert!(one.is_leader() != other.is_leader());
    /// # });
    /// ```
    pub fn wait(&self) -> BarrierWait<'_> {
        BarrierWait {
            barrier: self,
            generation: None,
            slot: Slot::Idle,
        }
    }

    /// Arrives, and waits for the others, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::Barrier;
    ///
    /// static ROUND: Barrier = Barrier::new(2);
    ///
    /// let thread = std::thread::spawn(|| ROUND.blocking_wait());
    /// ROUND.blocking_wait();
    /// thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_wait(&self) -> BarrierWaitResult {
        block_on("blocking_wait", self.wait())
    }

    /// Arrives. Returns the generation, and whether that was the last one it waited for.
    fn arrive(&self) -> (usize, bool) {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut state = self.state.load(Relaxed);
        loop {
            let is_last = (state & ARRIVED) + 1 >= self.n;
            let next = if is_last {
                (state & !ARRIVED).wrapping_add(1 << HALF)
            } else {
                state + 1
            };
            // ORDERING: Release: what came before the arrival comes before the end of the generation; Acquire: for the
            // last one, what the others did.
            match self
                .state
                .compare_exchange_weak(state, next, AcqRel, Relaxed)
            {
                Ok(_) => return (state >> HALF, is_last),
                Err(now) => state = now,
            }
        }
    }

    fn is_over(&self, generation: usize) -> bool {
        // ORDERING: Acquire pairs with the release of the last one, and of all before it, in `arrive`.
        self.state.load(Acquire) >> HALF != generation
    }

    /// Takes an arrival back, unless its generation is over. Says whether it did.
    fn withdraw(&self, generation: usize) -> bool {
        // ORDERING: Acquire, as in `is_over`, here and below.
        let mut state = self.state.load(Acquire);
        while state >> HALF == generation {
            // ORDERING: Relaxed. Nothing is handed over, and the arrivals of others are kept up.
            match self
                .state
                .compare_exchange_weak(state, state - 1, Relaxed, Acquire)
            {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDERING: Relaxed. A snapshot.
        let arrived = self.state.load(Relaxed) & ARRIVED;
        f.debug_struct("Barrier")
            .field("n", &self.n)
            .field("arrived", &arrived)
            .finish_non_exhaustive()
    }
}

/// What [`Barrier::wait`] yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult {
    is_leader: bool,
}

impl BarrierWaitResult {
    /// Returns whether this task arrived last. One of each generation did.
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = compio_sync::Barrier::new(1);
    /// assert!(barrier.blocking_wait().is_leader());
    /// ```
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.is_leader
    }
}

/// The future of [`Barrier::wait`].
#[must_use = "futures do nothing unless polled"]
pub struct BarrierWait<'a> {
    barrier: &'a Barrier,
    /// The generation in which it has arrived, while it waits.
    generation: Option<usize>,
    slot: Slot,
}

impl BarrierWait<'_> {
    fn end(&mut self, is_leader: bool) -> BarrierWaitResult {
        self.generation = None;
        self.slot = Slot::Done;
        BarrierWaitResult { is_leader }
    }
}

impl Future for BarrierWait<'_> {
    type Output = BarrierWaitResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BarrierWaitResult> {
        let this = &mut *self;
        let generation = match this.generation {
            Some(generation) => generation,
            None if this.slot.is_done() => panic!("a wait was polled after it had completed"),
            None => {
                let (generation, is_last) = this.barrier.arrive();
                if is_last {
                    let result = this.end(true);
                    this.barrier.queue.notify_all();
                    return Poll::Ready(result);
                }
                *this.generation.insert(generation)
            }
        };
        let look = || this.barrier.is_over(generation).then_some(());
        let poll = this.barrier.queue.poll_until(&mut this.slot, cx, look);
        poll.map(|_| this.end(false))
    }
}

impl Wait for BarrierWait<'_> {
    fn at_deadline(&mut self) -> Option<BarrierWaitResult> {
        self.leave().then(|| self.end(false))
    }
}

impl BarrierWait<'_> {
    /// Ends the wait. Says whether all had arrived.
    fn leave(&mut self) -> bool {
        let slot = &mut mem::replace(&mut self.slot, Slot::Done);
        self.barrier.queue.leave(slot);
        let generation = self.generation.take();
        generation.is_some_and(|it| !self.barrier.withdraw(it))
    }
}

wait_methods!(['a] BarrierWait<'a>, it => it.slot,
    "let barrier = compio_sync::Barrier::new(2);", "barrier.wait()");

impl Drop for BarrierWait<'_> {
    fn drop(&mut self) {
        if self.generation.is_some() {
            self.leave();
        }
    }
}

impl fmt::Debug for BarrierWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierWait").finish_non_exhaustive()
    }
}
