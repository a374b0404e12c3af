//! What an acquire yields.

use std::{
    fmt, mem,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::Semaphore;

/// Permits of a [`Semaphore`], given back when dropped.
#[must_use = "permits are given back when dropped"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
}

/// Permits of a [`Semaphore`] in an [`Arc`], given back when dropped.
#[must_use = "permits are given back when dropped"]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    count: usize,
}

impl<'a> SemaphorePermit<'a> {
    /// Permits that have just been taken.
    #[inline]
    pub(super) fn new(semaphore: &'a Semaphore, count: usize) -> Self {
        Self { semaphore, count }
    }
}

impl OwnedSemaphorePermit {
    /// Permits that have just been taken.
    pub(super) fn new(semaphore: Arc<Semaphore>, count: usize) -> Self {
        Self { semaphore, count }
    }
}

macro_rules! permit {
    ($permit:ident $(<$life:lifetime>)?, $semaphore:ty, |$this:ident| $share:expr) => {
        impl $(<$life>)? $permit $(<$life>)? {
            /// Returns how many permits these are.
            pub fn num_permits(&self) -> usize {
                self.count
            }

            /// Takes the permits away from the semaphore for good.
            ///
            /// [`max_permits`](Semaphore::max_permits) falls by as many.
            pub fn forget(mut self) {
                let count = mem::take(&mut self.count);
                // ORDERING: Relaxed. A count; the permits are in the queue's word.
                self.semaphore.capacity.fetch_sub(count, Relaxed);
            }

            /// Takes in the permits of `other`.
            ///
            /// # Panics
            ///
            /// If `other` is of another semaphore, to which it is given back then.
            #[track_caller]
            pub fn merge(&mut self, mut other: Self) {
                let (this, that): (&Semaphore, &Semaphore) = (&self.semaphore, &other.semaphore);
                assert!(std::ptr::eq(this, that), "merged permits of two semaphores");
                self.count += mem::take(&mut other.count);
            }

            /// Splits `count` permits off, or returns `None` if there are not that many.
            pub fn split(&mut self, count: usize) -> Option<Self> {
                self.count = self.count.checked_sub(count)?;
                let $this = &*self;
                Some(Self { semaphore: $share, count })
            }

            /// Returns the semaphore that the permits are of.
            pub fn semaphore(&self) -> &$semaphore {
                &self.semaphore
            }
        }

        impl $(<$life>)? Drop for $permit $(<$life>)? {
            #[inline]
            fn drop(&mut self) {
                if self.count > 0 {
                    self.semaphore.queue.give(self.count);
                }
            }
        }

        impl $(<$life>)? fmt::Debug for $permit $(<$life>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($permit)).field("num_permits", &self.count).finish()
            }
        }
    };
}

permit!(SemaphorePermit<'a>, Semaphore, |this| this.semaphore);
permit!(OwnedSemaphorePermit, Arc<Semaphore>, |this| this
    .semaphore
    .clone());
