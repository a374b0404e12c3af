//! What an acquire yields.

use std::{fmt, mem, sync::Arc};

use super::state::Semaphore;

/// Permits of a [`Semaphore`], given back when dropped.
///
/// They are given back all together, as if by one [`add_permits`](Semaphore::add_permits), and on
/// whichever thread they are dropped.
///
/// # Examples
///
/// ```
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let semaphore = compio_sync::Semaphore::new(2);
/// {
///     let _permit = semaphore.acquire().await;
///     assert_eq!(semaphore.available_permits(), 1);
/// }
/// assert_eq!(semaphore.available_permits(), 2);
/// # });
/// ```
#[must_use = "permits are given back when dropped"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
}

/// Permits of a [`Semaphore`] in an [`Arc`], given back when dropped.
///
/// They may go where a borrow cannot: into a task, a thread, or a struct that lives on.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use compio_sync::{OwnedSemaphorePermit, Semaphore};
///
/// struct Connection {
///     _permit: OwnedSemaphorePermit,
/// }
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let semaphore = Arc::new(Semaphore::new(2));
/// let connection = Connection { _permit: semaphore.clone().acquire_owned().await };
/// assert_eq!(semaphore.available_permits(), 1);
/// drop(connection);
/// assert_eq!(semaphore.available_permits(), 2);
/// # });
/// ```
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
    ($permit:ident $(<$life:lifetime>)?, $semaphore:ty, |$this:ident| $share:expr,
     $new:literal, $take:literal) => {
        impl $(<$life>)? $permit $(<$life>)? {
            /// Returns how many permits these are.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $new]
            #[doc = $take]
            /// assert_eq!(permit.num_permits(), 3);
            /// ```
            pub fn num_permits(&self) -> usize {
                self.count
            }

            /// Takes the permits away from the semaphore for good.
            ///
            /// [`max_permits`](Semaphore::max_permits) falls by as many.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $new]
            #[doc = $take]
            /// permit.forget();
            /// assert_eq!(semaphore.available_permits(), 2);
            /// assert_eq!(semaphore.max_permits(), 2);
            /// ```
            pub fn forget(mut self) {
                let count = mem::take(&mut self.count);
                self.semaphore.counts.removed(count);
            }

            /// Takes in the permits of `other`.
            ///
            /// # Panics
            ///
            /// If `other` is of another semaphore, to which it is given back then.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $new]
            #[doc = $take]
            /// let mut permit = permit;
            /// let one = permit.split(1).unwrap();
            /// permit.merge(one);
            /// assert_eq!(permit.num_permits(), 3);
            /// ```
            #[track_caller]
            pub fn merge(&mut self, mut other: Self) {
                let (this, that): (&Semaphore, &Semaphore) = (&self.semaphore, &other.semaphore);
                assert!(std::ptr::eq(this, that), "merged permits of two semaphores");
                self.count += mem::take(&mut other.count);
            }

            /// Splits `count` permits off, or returns `None` if there are not that many.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $new]
            #[doc = $take]
            /// let mut permit = permit;
            /// let two = permit.split(2).unwrap();
            /// assert!(permit.split(2).is_none(), "only one is left");
            /// drop(two);
            /// assert_eq!(semaphore.available_permits(), 4);
            /// # drop(permit);
            /// ```
            pub fn split(&mut self, count: usize) -> Option<Self> {
                self.count = self.count.checked_sub(count)?;
                let $this = &*self;
                Some(Self { semaphore: $share, count })
            }

            /// Returns the semaphore that the permits are of.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $new]
            #[doc = $take]
            /// assert_eq!(permit.semaphore().in_use(), 3);
            /// ```
            pub fn semaphore(&self) -> &$($life)? $semaphore {
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

permit!(
    SemaphorePermit<'a>,
    Semaphore,
    |this| this.semaphore,
    "let semaphore = compio_sync::Semaphore::new(5);",
    "let permit = semaphore.try_acquire_many(3).unwrap();"
);
permit!(
    OwnedSemaphorePermit,
    Arc<Semaphore>,
    |this| this.semaphore.clone(),
    "let semaphore = std::sync::Arc::new(compio_sync::Semaphore::new(5));",
    "let permit = semaphore.clone().try_acquire_many_owned(3).unwrap();"
);
