//! A counting semaphore.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    Fairness, Timeout,
    blocking::block_on,
    waiter_queue::{MAX_PERMITS, Queue},
};

mod acquire;
mod counts;
mod permit;
mod state;

pub use acquire::{Acquire, AcquireError, AcquireOrClosed, AcquireOwned, AcquireOwnedOrClosed};
use acquire::{Waiting, check_count};
use counts::Counts;
pub use permit::{OwnedSemaphorePermit, SemaphorePermit};
pub use state::Semaphore;

impl Semaphore {
    /// How many permits a semaphore can have: 2^46 - 1, or 2^20 - 1 on 32-bit targets.
    pub const MAX_PERMITS: usize = MAX_PERMITS;

    crate::loom::const_fn! {
        /// Creates a semaphore with so many `permits`.
        ///
        /// There may be from 0 to [`MAX_PERMITS`](Self::MAX_PERMITS). With 0 it is a signal: waiters go
        /// on when somebody calls [`add_permits`](Self::add_permits).
        ///
        /// # Panics
        ///
        /// If `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::Semaphore;
        ///
        /// static CONNECTIONS: Semaphore = Semaphore::new(100);
        /// assert_eq!(CONNECTIONS.available_permits(), 100);
        /// ```
        #[track_caller]
        pub fn new(permits: usize) -> Self {
            Self::with_fairness(permits, Fairness::DEFAULT)
        }

        /// Creates a semaphore with so many `permits`, and with a [`Fairness`].
        ///
        /// That says whether newcomers may take permits past those who wait, and how many. There may be
        /// from 0 to [`MAX_PERMITS`](Self::MAX_PERMITS) permits.
        ///
        /// # Panics
        ///
        /// If `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::{Fairness, Semaphore};
        ///
        /// static TURNS: Semaphore = Semaphore::with_fairness(1, Fairness::Fifo);
        /// assert!(TURNS.try_acquire().is_some());
        /// ```
        #[track_caller]
        pub fn with_fairness(permits: usize, fairness: Fairness) -> Self {
            assert!(permits <= MAX_PERMITS, "a semaphore has at most Semaphore::MAX_PERMITS permits");
            Self {
                queue: Queue::with_limit(permits, fairness.limit()),
                counts: Counts::new(permits),
            }
        }
    }

    // ---- acquiring ----

    /// Acquires a permit, waiting until there is one.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has taken nothing, and has lost its place in the wait list.
    ///
    /// # Panics
    ///
    /// The future panics if the semaphore is or gets [closed](Self#closing).
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let semaphore = compio_sync::Semaphore::new(1);
    /// let permit = semaphore.acquire().await;
    /// assert_eq!(semaphore.available_permits(), 0);
    /// drop(permit);
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # });
    /// ```
    #[inline]
    pub fn acquire(&self) -> Acquire<'_> {
        self.acquire_many(1)
    }

    /// Acquires `count` permits at once, waiting until there are that many.
    ///
    /// None are taken before all can be. While the request is the first waiter, at most as many smaller
    /// ones overtake it as the semaphore's [`Fairness`] says. The others wait, even if there are permits
    /// for them. A `count` of 0 never waits. A `count` above [`max_permits`](Self::max_permits) waits
    /// until permits are added.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// If `count` is more than [`MAX_PERMITS`](Self::MAX_PERMITS). The future panics if the
    /// semaphore is or gets [closed](Self#closing).
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let kilobytes = compio_sync::Semaphore::new(1024);
    /// let permit = kilobytes.acquire_many(256).await;
    /// assert_eq!(permit.num_permits(), 256);
    /// assert_eq!(kilobytes.in_use(), 256);
    /// # });
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, count: usize) -> Acquire<'_> {
        Acquire::new(Waiting::new(self, count))
    }

    /// Acquires a permit that owns the semaphore, waiting until there is one.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// The future panics if the semaphore is or gets [closed](Self#closing).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let semaphore = Arc::new(compio_sync::Semaphore::new(1));
    /// let permit = semaphore.clone().acquire_owned().await;
    /// let task = compio::runtime::spawn(async move { drop(permit) });
    /// task.await.unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # });
    /// ```
    pub fn acquire_owned(self: Arc<Self>) -> AcquireOwned {
        self.acquire_many_owned(1)
    }

    /// Acquires `count` permits that own the semaphore, waiting for all of them.
    ///
    /// See [`acquire_many`](Self::acquire_many).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As for [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let kilobytes = Arc::new(compio_sync::Semaphore::new(1024));
    /// let permit = kilobytes.clone().acquire_many_owned(256).await;
    /// compio::runtime::spawn(async move { drop(permit) }).await.unwrap();
    /// assert_eq!(kilobytes.available_permits(), 1024);
    /// # });
    /// ```
    #[track_caller]
    pub fn acquire_many_owned(self: Arc<Self>, count: usize) -> AcquireOwned {
        AcquireOwned::new(Waiting::new(self, count))
    }

    /// Acquires a permit if there is one that a newcomer may take.
    ///
    /// While there are waiters, that is none with [`Fairness::Fifo`], and with [`Fairness::Bounded`] any
    /// until the bound is reached. Returns `None` otherwise, on a closed semaphore, and while another
    /// thread is serving the waiters.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = compio_sync::Semaphore::new(1);
    /// let permit = semaphore.try_acquire();
    /// assert!(permit.is_some());
    /// assert!(semaphore.try_acquire().is_none());
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        self.try_acquire_many(1)
    }

    /// Acquires `count` permits if there are that many that a newcomer may take.
    ///
    /// Returns `None` otherwise; see [`try_acquire`](Self::try_acquire). A `count` of 0 is refused by
    /// a closed semaphore only.
    ///
    /// # Panics
    ///
    /// If `count` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = compio_sync::Semaphore::new(3);
    /// let two = semaphore.try_acquire_many(2).unwrap();
    /// assert!(semaphore.try_acquire_many(2).is_none(), "only one is left");
    /// drop(two);
    /// assert!(semaphore.try_acquire_many(3).is_some());
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_acquire_many(&self, count: usize) -> Option<SemaphorePermit<'_>> {
        self.try_take(count)
            .then(|| SemaphorePermit::new(self, count))
    }

    /// Acquires a permit that owns the semaphore, if a newcomer may take one.
    ///
    /// Returns `None` otherwise; see [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(compio_sync::Semaphore::new(1));
    /// let permit = semaphore.clone().try_acquire_owned().unwrap();
    /// assert!(semaphore.clone().try_acquire_owned().is_none());
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert!(semaphore.try_acquire_owned().is_some());
    /// ```
    pub fn try_acquire_owned(self: Arc<Self>) -> Option<OwnedSemaphorePermit> {
        self.try_acquire_many_owned(1)
    }

    /// Acquires `count` permits that own the semaphore, if a newcomer may take them.
    ///
    /// Returns `None` otherwise; see [`try_acquire_many`](Self::try_acquire_many).
    ///
    /// # Panics
    ///
    /// If `count` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(compio_sync::Semaphore::new(3));
    /// let two = semaphore.clone().try_acquire_many_owned(2).unwrap();
    /// assert_eq!(two.num_permits(), 2);
    /// assert!(semaphore.try_acquire_many_owned(2).is_none(), "only one is left");
    /// ```
    #[track_caller]
    pub fn try_acquire_many_owned(self: Arc<Self>, count: usize) -> Option<OwnedSemaphorePermit> {
        self.try_take(count)
            .then(|| OwnedSemaphorePermit::new(self, count))
    }

    #[inline]
    #[track_caller]
    fn try_take(&self, count: usize) -> bool {
        check_count(count);
        if count == 0 {
            !self.is_closed()
        } else {
            self.queue.try_take(count)
        }
    }

    /// Acquires a permit, blocking the calling thread until there is one.
    ///
    /// For plain threads. The thread waits in the same wait list as the tasks. A thread that has to live with
    /// being turned away writes `acquire().or_closed().blocking()`, one that gives up after a while
    /// `acquire().timeout(second).blocking()`.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop; and if the semaphore is or gets
    /// [closed](Self#closing).
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::Semaphore;
    ///
    /// static SEMAPHORE: Semaphore = Semaphore::new(0);
    ///
    /// let thread = std::thread::spawn(|| drop(SEMAPHORE.blocking_acquire()));
    /// SEMAPHORE.add_permits(1);
    /// thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_acquire(&self) -> SemaphorePermit<'_> {
        block_on("blocking_acquire", self.acquire())
    }

    /// Acquires `count` permits, blocking the calling thread until it has them.
    ///
    /// # Panics
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire), and if `count` is more than
    /// [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = compio_sync::Semaphore::new(3);
    /// let two = semaphore.blocking_acquire_many(2);
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # drop(two);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many(&self, count: usize) -> SemaphorePermit<'_> {
        block_on("blocking_acquire_many", self.acquire_many(count))
    }

    /// Acquires a permit that owns the semaphore, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// As for [`blocking_acquire`](Self::blocking_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(compio_sync::Semaphore::new(1));
    /// let permit = semaphore.clone().blocking_acquire_owned();
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> OwnedSemaphorePermit {
        block_on("blocking_acquire_owned", self.acquire_owned())
    }

    /// Acquires `count` permits that own the semaphore, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// As for [`blocking_acquire_many`](Self::blocking_acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(compio_sync::Semaphore::new(3));
    /// let two = semaphore.clone().blocking_acquire_many_owned(2);
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # drop(two);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_owned(self: Arc<Self>, count: usize) -> OwnedSemaphorePermit {
        block_on(
            "blocking_acquire_many_owned",
            self.acquire_many_owned(count),
        )
    }

    /// Acquires a permit, waiting for at most `timeout`.
    ///
    /// Short for `acquire().timeout(timeout)`, which there is for all waits: see [`Timeout`]. If a permit can
    /// be had just as the time ends, that permit is what you get.
    ///
    /// # Errors
    ///
    /// The future yields [`Elapsed`](crate::Elapsed) if there was no permit in time.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// The future panics outside a compio runtime if it has to wait; and if the semaphore is or gets
    /// [closed](Self#closing).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let semaphore = compio_sync::Semaphore::new(0);
    /// assert!(semaphore.acquire_timeout(Duration::from_millis(5)).await.is_err());
    /// # });
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Timeout<Acquire<'_>> {
        self.acquire().timeout(timeout)
    }

    // ---- changing the number of permits ----

    /// Adds `count` permits for good.
    ///
    /// Those who wait get them as they get permits that are given back. A debt that
    /// [`remove_permits`](Self::remove_permits) has left is repaid first.
    ///
    /// # Panics
    ///
    /// If there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS) in all. Nothing is changed
    /// then. Permits that another thread is removing at the moment count until it is through.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = compio_sync::Semaphore::new(0);
    /// semaphore.add_permits(3);
    /// assert_eq!(semaphore.available_permits(), 3);
    /// assert_eq!(semaphore.max_permits(), 3);
    /// ```
    #[track_caller]
    pub fn add_permits(&self, count: usize) {
        assert!(
            self.try_add(count),
            "Semaphore::add_permits: there would be more than Semaphore::MAX_PERMITS permits"
        );
    }

    pub(crate) fn try_add(&self, count: usize) -> bool {
        let has_room = self.counts.begin_to_add(count);
        if has_room && count > 0 {
            self.queue.give_and(count, || self.counts.added(count));
        }
        has_room
    }

    /// Takes up to `count` permits away for good, and returns how many.
    ///
    /// Only permits that are available are taken, and none while another thread is handing some to
    /// those who wait; it never waits for any to be given back. See
    /// [`remove_permits`](Self::remove_permits) for taking an exact number. tokio's name for this is
    /// `forget_permits`.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = compio_sync::Semaphore::new(3);
    /// let permit = semaphore.try_acquire().unwrap();
    /// assert_eq!(semaphore.reduce_permits(5), 2);
    /// drop(permit);
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    #[doc(alias = "forget_permits")]
    pub fn reduce_permits(&self, count: usize) -> usize {
        let taken = self.queue.reduce(count);
        self.counts.removed(taken);
        taken
    }

    /// Takes exactly `count` permits away for good, at once.
    ///
    /// The reverse of [`add_permits`](Self::add_permits). Those that are held at the time become a
    /// debt: as many of the permits that are given back next are not handed out again.
    ///
    /// # Panics
    ///
    /// If there are fewer than `count` permits in all, held ones included
    /// ([`max_permits`](Self::max_permits)). Nothing is changed then. Permits that another thread is
    /// adding at the moment count when it is through.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = compio_sync::Semaphore::new(2);
    /// let held = semaphore.try_acquire_many(2).unwrap();
    /// semaphore.remove_permits(1);
    /// assert_eq!((semaphore.max_permits(), semaphore.in_use()), (1, 2));
    /// drop(held);
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    #[track_caller]
    pub fn remove_permits(&self, count: usize) {
        assert!(
            self.try_remove(count),
            "Semaphore::remove_permits: there are fewer permits than that in all"
        );
    }

    pub(crate) fn try_remove(&self, count: usize) -> bool {
        let are_there = self.counts.begin_to_remove(count);
        if are_there {
            self.queue.forget(count);
            self.counts.end_of_removing(count);
        }
        are_there
    }

    // ---- looking ----

    /// Returns how many permits can be acquired now.
    ///
    /// A snapshot, like all the counts below.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = compio_sync::Semaphore::new(2);
    /// let _permit = semaphore.try_acquire();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    pub fn available_permits(&self) -> usize {
        self.queue.permits().max(0) as usize
    }

    /// Returns how many permits there are in all, held ones included.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = compio_sync::Semaphore::new(2);
    /// let _permit = semaphore.try_acquire();
    /// assert_eq!(semaphore.max_permits(), 2);
    /// ```
    pub fn max_permits(&self) -> usize {
        self.counts.capacity().max(0) as usize
    }

    /// Returns how many permits are held.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = compio_sync::Semaphore::new(2);
    /// let _permit = semaphore.try_acquire();
    /// assert_eq!(semaphore.in_use(), 1);
    /// ```
    pub fn in_use(&self) -> usize {
        (self.counts.capacity() - self.queue.permits()).max(0) as usize
    }

    /// Returns whether newcomers may take permits past those who wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{Fairness, Semaphore};
    ///
    /// assert_eq!(Semaphore::new(1).fairness(), Fairness::DEFAULT);
    /// ```
    pub fn fairness(&self) -> Fairness {
        Fairness::of_limit(self.queue.limit())
    }

    /// Returns how many tasks and threads wait for permits.
    ///
    /// One that has been woken to take its permits counts until it has taken them. One that others
    /// have gone on without, as it did not come, does not count until it waits again.
    /// Tasks that other threads are adding or taking out at this moment may or may not be counted.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let semaphore = compio_sync::Semaphore::new(0);
    /// let mut wait = semaphore.acquire();
    /// assert!(poll!(&mut wait).is_pending());
    /// assert_eq!(semaphore.waiter_count(), 1);
    /// drop(wait);
    /// assert_eq!(semaphore.waiter_count(), 0);
    /// # });
    /// ```
    pub fn waiter_count(&self) -> usize {
        self.queue.len()
    }

    // ---- closing ----

    /// Closes the semaphore for good: no more permits are handed out.
    ///
    /// Those who wait are turned away at once; see [Closing](Self#closing). Permits that are held
    /// stay valid, and may still be given back.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{AcquireError, Semaphore};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let semaphore = Semaphore::new(1);
    /// semaphore.close();
    /// assert!(semaphore.try_acquire().is_none());
    /// assert_eq!(semaphore.acquire().or_closed().await.unwrap_err(), AcquireError);
    /// # });
    /// ```
    pub fn close(&self) {
        self.queue.close();
    }

    /// Returns whether the semaphore has been closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = compio_sync::Semaphore::new(1);
    /// assert!(!semaphore.is_closed());
    /// semaphore.close();
    /// assert!(semaphore.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.queue.is_no_wait()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .field("max_permits", &self.max_permits())
            .field("waiter_count", &self.waiter_count())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
