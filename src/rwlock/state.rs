//! What a read-write lock is made of, and the lock without its guards.
//!
//! There are two queues. The permits of one are the room for readers: a reader has one of them, a writer
//! all. The one permit of the other is the right to upgrade: an upgradable reader takes it first, and then
//! a reader's permit like any reader.
//!
//! ```text
//!                       permits        upgrading
//!   reader              1
//!   upgradable reader   1              1, taken first
//!   upgraded            all            1
//!   writer              all
//! ```
//!
//! An upgrade waits for the permits that it lacks, and goes ahead of everyone in the list. It has to: a writer in
//! the list waits for all permits, of which the upgradable reader has one, so each would wait for the other.
//! No waiter that it overtakes has a permit that it needs. Only an upgrader goes ahead, and there is one at a
//! time, so that two never wait for each other's permit.

use std::{
    panic::{RefUnwindSafe, UnwindSafe},
    ptr::NonNull,
};

use crate::{
    loom::UnsafeCell,
    waiter_queue::{MAX_PERMITS, Queue},
};

/// A read-write lock whose guards may be held across `await`.
///
/// At a time there is one writer, or any number of readers, one of whom may be
/// [upgradable](Self::upgradable_read).
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | Readers and writers wait in one list, first come, first served, but for a bounded number of newcomers that may barge past the first waiter: see [`Fairness`](crate::Fairness), by default [`Fairness::DEFAULT`](crate::Fairness::DEFAULT). Neither readers nor writers starve: see [Fairness](#fairness). |
/// | Memory ordering | The end of a write synchronizes-with all later locks, and the end of a read with later writes and upgrades. |
/// | Cost | Uncontended: one atomic read-modify-write to lock, one to unlock, and two each for an upgradable read. A wait: six in place of the one to lock, or ten if newcomers may barge, and in steady state no allocation. |
/// | Cancelling | A dropped lock has taken nothing and has lost its place in the queue. A dropped upgrade leaves its read lock as it was. |
/// | Panics | There is no poisoning: a task that panics unlocks like any other. |
/// | Without a runtime | Works with any executor, and with plain threads through the `blocking_` methods. |
///
/// # Fairness
///
/// A waiter is overtaken by newcomers only while it is the first of the list, and by at most as many of them, readers
/// or writers, as its [`Fairness`](crate::Fairness) says: none with [`Fairness::Fifo`](crate::Fairness::Fifo). So a writer waits for those
/// who came before it, and these few readers, however many more come. A reader waits for the writers that came
/// before it, and these few. Readers that wait side by side are let in together.
///
/// Upgradable readers wait for each other in a list of their own, in the same way, before they wait as readers.
/// An upgrade goes ahead of everyone in the list, but waits for the readers that have the lock already. A reader that
/// waits is overtaken by a guard that is upgraded again and again at most as often as by newcomers, and once more.
///
/// # Deadlocks
///
/// A task waits for itself, for ever, if it
///
/// - writes while it has any guard;
/// - reads while it has a write guard;
/// - reads while it has a read guard, and a writer or an upgrade waits: that waits for the first guard, and the second
///   read for that. With [`Fairness::Bounded`](crate::Fairness::Bounded) the second read may barge past a writer, so that
///   this happens only under load, but never past an upgrade;
/// - upgrades while it has a read guard beside the upgradable one;
/// - asks for an upgradable read while it has one.
///
/// An upgrade never waits for a writer, and readers never wait for an upgradable reader that is not upgrading.
///
/// # Futures that are not polled
///
/// With `Fifo` a future that has been handed the lock and is not polled keeps it until it is polled or dropped. With
/// `Bounded` it is woken and skipped: see [Futures that nobody polls](crate::Fairness#futures-that-nobody-polls).
/// A pending upgradable read may have the right to upgrade already, for which other upgradable readers wait,
/// and a pending upgrade keeps everyone else out. Drop futures that you do not go on polling.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use compio_sync::RwLock;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let names = Arc::new(RwLock::new(vec!["Ada"]));
/// let mut tasks = Vec::new();
/// for _ in 0..10 {
///     let names = names.clone();
///     tasks.push(compio::runtime::spawn(async move { names.read().await.len() }));
/// }
/// names.write().await.push("Grace");
/// for task in tasks {
///     assert!((1..=2).contains(&task.await.unwrap()));
/// }
/// # });
/// ```
#[doc(alias = "ReadWriteLock")]
#[doc(alias = "SharedMutex")]
pub struct RwLock<T: ?Sized> {
    pub(super) raw: RawRwLock,
    pub(super) value: UnsafeCell<T>,
}

// SAFETY: the value goes where the lock goes.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: whoever shares the lock gets `&mut T` one at a time, which is sending it, and `&T` at once.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

// As for the mutex: whoever panics with the lock unlocks it.
impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

impl<T: ?Sized> RwLock<T> {
    /// Where the value is.
    #[inline]
    pub(super) fn value_ptr(&self) -> NonNull<T> {
        // SAFETY: a cell's pointer is not null.
        self.value
            .with(|value| unsafe { NonNull::new_unchecked(value.cast_mut()) })
    }
}

/// The most readers that there can be at a time.
pub(super) const MAX_READERS: u32 = if MAX_PERMITS < u32::MAX as usize {
    MAX_PERMITS as u32
} else {
    u32::MAX
};

/// The lock without its value.
pub(super) struct RawRwLock {
    /// As many permits as there may be readers.
    pub(super) permits: Queue,
    /// One permit: the right to upgrade.
    pub(super) upgrading: Queue,
    max_readers: u32,
}

impl RawRwLock {
    crate::loom::const_fn! {
        pub(super) fn new(max_readers: u32, limit: u8) -> Self {
            assert!(max_readers > 0, "an RwLock needs room for a reader");
            assert!(
                max_readers as usize <= MAX_PERMITS,
                "an RwLock has room for RwLock::MAX_READERS readers"
            );
            Self {
                permits: Queue::with_limit(max_readers as usize, limit),
                upgrading: Queue::with_limit(1, limit),
                max_readers,
            }
        }
    }

    /// How many readers there may be at a time.
    pub(super) fn max_readers(&self) -> u32 {
        self.max_readers
    }

    /// How many permits a writer has.
    #[inline]
    pub(super) fn all(&self) -> usize {
        self.max_readers as usize
    }

    /// How many permits an upgradable reader lacks for an upgrade; none, if there is room for one reader.
    #[inline]
    pub(super) fn others(&self) -> usize {
        self.all() - 1
    }

    #[inline]
    pub(super) fn try_read(&self) -> bool {
        self.permits.try_take(1)
    }

    #[inline]
    pub(super) fn try_write(&self) -> bool {
        self.permits.try_take(self.all())
    }

    pub(super) fn try_upgradable_read(&self) -> bool {
        if !self.upgrading.try_take(1) {
            return false;
        }
        let is_taken = self.permits.try_take(1);
        if !is_taken {
            self.upgrading.give(1);
        }
        is_taken
    }

    pub(super) fn try_upgrade(&self) -> bool {
        self.permits.try_take_ahead(self.others())
    }

    #[inline]
    pub(super) fn end_read(&self) {
        self.permits.give(1);
    }

    #[inline]
    pub(super) fn end_write(&self) {
        self.permits.give(self.all());
    }

    pub(super) fn end_upgradable_read(&self) {
        // Giving wakes, and a waker that panics must not keep the other permit from being given.
        let _last = GiveOnDrop(&self.upgrading);
        self.permits.give(1);
    }

    /// Makes of a write, or of an upgraded read, a read.
    pub(super) fn downgrade(&self) {
        self.permits.give(self.others());
    }
}

struct GiveOnDrop<'a>(&'a Queue);

impl Drop for GiveOnDrop<'_> {
    fn drop(&mut self) {
        self.0.give(1);
    }
}
