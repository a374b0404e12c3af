//! A latch: a count that goes down to zero, once.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed},
    task::{Context, Poll},
};

use crate::{
    blocking::block_on,
    loom::AtomicUsize,
    timeout::{Wait, wait_methods},
    waiter_queue::{Left, Queue, Slot},
};

/// A count that goes down, and waits until it is zero.
///
/// Once it is zero it stays so. For something that happens again and again, see [`Barrier`](crate::Barrier); if the count
/// is not known beforehand, [`WaitGroup`](crate::WaitGroup).
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | All who wait are woken when the count is zero, in FIFO order. |
/// | Memory ordering | Each count down synchronizes-with the waits that end, and with each [`try_wait`](Self::try_wait) that returns `true`. |
/// | Cost | Counting down: one atomic read-modify-write. Waiting at zero: one load. A wait: six, and in steady state no allocation. |
/// | Cancelling | A dropped wait has no effect. |
/// | Panics | None of its own. |
/// | Without a runtime | Works with any executor, and with plain threads through [`blocking_wait`](Self::blocking_wait). |
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use compio_sync::Latch;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let ready = Arc::new(Latch::new(3));
/// for _ in 0..3 {
///     let ready = ready.clone();
///     compio::runtime::spawn(async move { ready.count_down() }).detach();
/// }
/// ready.wait().await;
/// # });
/// ```
#[doc(alias = "CountDownLatch")]
pub struct Latch {
    count: AtomicUsize,
    /// Opens when the count is zero.
    zero: Queue,
}

impl Latch {
    crate::loom::const_fn! {
        /// Creates a latch that has to be counted down `count` times. With 0, nobody waits.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::Latch;
        ///
        /// static READY: Latch = Latch::new(2);
        /// assert!(!READY.try_wait());
        /// ```
        pub fn new(count: usize) -> Self {
            Self { count: AtomicUsize::new(count), zero: Queue::gate() }
        }
    }

    /// Counts down by one. At zero it has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// let latch = compio_sync::Latch::new(1);
    /// latch.count_down();
    /// assert!(latch.try_wait());
    /// ```
    #[inline]
    pub fn count_down(&self) {
        self.arrive(1);
    }

    /// Counts down by `n`, or to zero if that is less.
    ///
    /// # Examples
    ///
    /// ```
    /// let latch = compio_sync::Latch::new(3);
    /// latch.arrive(2);
    /// assert_eq!(latch.count(), 1);
    /// latch.arrive(2);
    /// assert!(latch.try_wait());
    /// ```
    pub fn arrive(&self, n: usize) {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut count = self.count.load(Relaxed);
        while n > 0 && count > 0 {
            let next = count.saturating_sub(n);
            // ORDERING: Release: what came before this call comes before the count is zero. Acquire: so does what came before
            // those of others, for whom this one opens.
            match self
                .count
                .compare_exchange_weak(count, next, AcqRel, Relaxed)
            {
                Ok(_) if next == 0 => return self.zero.open(),
                Ok(_) => return,
                Err(now) => count = now,
            }
        }
    }

    /// Returns whether the count is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(compio_sync::Latch::new(0).try_wait());
    /// ```
    #[inline]
    pub fn try_wait(&self) -> bool {
        // ORDERING: Acquire pairs with the release in `arrive`.
        self.count.load(Acquire) == 0
    }

    /// Waits until the count is zero.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let latch = compio_sync::Latch::new(1);
    /// latch.count_down();
    /// latch.wait().await;
    /// # });
    /// ```
    pub fn wait(&self) -> LatchWait<'_> {
        LatchWait {
            latch: self,
            slot: Slot::Idle,
        }
    }

    /// Waits until the count is zero, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::Latch;
    ///
    /// static READY: Latch = Latch::new(1);
    ///
    /// let thread = std::thread::spawn(|| READY.blocking_wait());
    /// READY.count_down();
    /// thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_wait(&self) {
        block_on("blocking_wait", self.wait());
    }

    /// Returns the count.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(compio_sync::Latch::new(3).count(), 3);
    /// ```
    pub fn count(&self) -> usize {
        // ORDERING: Acquire, as in `try_wait`.
        self.count.load(Acquire)
    }
}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

/// The future of [`Latch::wait`].
#[must_use = "futures do nothing unless polled"]
pub struct LatchWait<'a> {
    latch: &'a Latch,
    slot: Slot,
}

impl Future for LatchWait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Slot::Idle = this.slot
            && this.latch.try_wait()
        {
            this.slot = Slot::Done;
            return Poll::Ready(());
        }
        this.latch.zero.poll_notice(&mut this.slot, cx).map(drop)
    }
}

impl Wait for LatchWait<'_> {
    fn at_deadline(&mut self) -> Option<()> {
        let left = self.latch.zero.leave(&mut self.slot);
        (left != Left::Nothing || self.latch.try_wait()).then_some(())
    }
}

wait_methods!(['a] LatchWait<'a>, it => it.slot,
    "let latch = compio_sync::Latch::new(1);", "latch.wait()");

impl Drop for LatchWait<'_> {
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot {
            self.latch.zero.leave(&mut self.slot);
        }
    }
}

impl fmt::Debug for LatchWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatchWait").finish_non_exhaustive()
    }
}
