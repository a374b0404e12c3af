//! A value that is made when it is first needed.

use std::{
    fmt,
    future::{Future, IntoFuture},
    panic::{RefUnwindSafe, UnwindSafe},
    pin::Pin,
};

use super::{force::LazyForce, right::Attempts, stage::SharedStage};
use crate::blocking::block_on;

/// The future of a [`LazyCell`] whose type is not said: any, in a box.
pub type LazyFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A value that an asynchronous initializer makes when it is first needed.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | One task at a time runs the initializer. If it is cancelled, the one that has waited longest goes on with it. |
/// | Memory ordering | What the initializer has done happened before `force` returns, and before `get` returns the value. What one task has done of it happened before the next goes on with it. |
/// | Cost | `get`, and `force` of a value that is there: one load. Making the value: two atomic read-modify-writes if nobody waits, and no allocation but the initializer's. A wait: six, and in steady state no allocation. |
/// | Cancelling | A dropped `force` that ran the initializer leaves it in the cell, as far as it has come. |
/// | Panics | A panic of the initializer poisons the cell: `force` panics from then on. |
/// | Without a runtime | Works with any executor, and with plain threads through [`blocking_force`](Self::blocking_force). |
///
/// The initializer is called once. Its future stays in the cell until it has yielded the value, and is polled by one
/// of the tasks that wait for it. So it goes on from where it was if that task is cancelled, and nothing is done twice.
/// While nobody waits it does not run. A cell that is shared between threads needs a future that is `Send`.
///
/// An initializer that may fail, and is then to be tried again, or that needs something of its caller, is one for
/// [`OnceCell::get_or_try_init`](super::OnceCell::get_or_try_init).
///
/// # The type of the future
///
/// A future that is polled must not move, so either it is in a box, and [`force`](Self::force) does; or the whole cell is
/// pinned, and [`force_pin`](Self::force_pin) is for that. A box is what a `static` needs, too, as the type of an `async`
/// block cannot be written: `LazyCell<T>` is short for that.
///
/// # Deadlocks
///
/// An initializer that forces its own cell waits for itself. And whoever runs the initializer, and then neither polls
/// nor drops that future, keeps all others waiting.
///
/// # Examples
///
/// ```
/// use compio_sync::LazyCell;
///
/// static CONFIG: LazyCell<String> = LazyCell::new(|| {
///     Box::pin(async {
///         // ... read a file, ask a server ...
///         String::from("ready")
///     })
/// });
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// assert_eq!(CONFIG.get(), None);
/// assert_eq!(CONFIG.force().await, "ready");
/// assert_eq!(CONFIG.get().unwrap(), "ready");
/// # });
/// ```
///
/// Without a box:
///
/// ```
/// use std::pin::pin;
///
/// use compio_sync::LazyCell;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let name = String::from("local");
/// let lazy = pin!(LazyCell::new(|| async { name.len() }));
/// assert_eq!(*lazy.as_ref().force_pin().await, 5);
/// # });
/// ```
#[doc(alias = "Lazy")]
#[doc(alias = "LazyLock")]
pub struct LazyCell<T, Fut = LazyFuture<T>, F = fn() -> Fut> {
    attempts: Attempts<T>,
    /// Run by whoever has the right to an attempt. Pinned if the cell is.
    stage: SharedStage<F, Fut>,
}

// The value is not pinned with the cell.
impl<T, Fut: Unpin, F> Unpin for LazyCell<T, Fut, F> {}

// As std's. A future that has panicked is not polled again.
impl<T: UnwindSafe, Fut, F: UnwindSafe> UnwindSafe for LazyCell<T, Fut, F> {}
impl<T: UnwindSafe + RefUnwindSafe, Fut, F: UnwindSafe> RefUnwindSafe for LazyCell<T, Fut, F> {}

impl<T, Fut, F> LazyCell<T, Fut, F> {
    /// Returns the value, if it has been made.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::LazyCell;
    ///
    /// let lazy: LazyCell<u32> = LazyCell::new(|| Box::pin(async { 7 }));
    /// assert_eq!(lazy.get(), None);
    /// lazy.blocking_force();
    /// assert_eq!(lazy.get(), Some(&7));
    /// ```
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.attempts.get()
    }

    /// Returns the value, if it has been made, to be changed.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::LazyCell;
    ///
    /// let mut lazy: LazyCell<u32> = LazyCell::new(|| Box::pin(async { 7 }));
    /// lazy.blocking_force();
    /// *lazy.get_mut().unwrap() += 1;
    /// assert_eq!(lazy.get(), Some(&8));
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.attempts.value_mut().get_mut()
    }

    /// Returns the value, if it has been made. Drops the initializer otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::LazyCell;
    ///
    /// let lazy: LazyCell<u32> = LazyCell::new(|| Box::pin(async { 7 }));
    /// lazy.blocking_force();
    /// assert_eq!(lazy.into_inner(), Some(7));
    /// ```
    pub fn into_inner(mut self) -> Option<T> {
        self.attempts.value_mut().take()
    }

    /// Returns how many tasks and threads wait for another that runs the initializer.
    ///
    /// A snapshot, as that of [`OnceCell`](super::OnceCell::waiter_count).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::pending;
    ///
    /// use compio_sync::LazyCell;
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let never: LazyCell<u32> = LazyCell::new(|| Box::pin(pending()));
    /// let (mut first, mut second) = (never.force(), never.force());
    /// assert!(poll!(&mut first).is_pending());
    /// assert!(poll!(&mut second).is_pending());
    /// assert_eq!(never.waiter_count(), 1);
    /// # });
    /// ```
    pub fn waiter_count(&self) -> usize {
        self.attempts.waiters()
    }
}

impl<T, Fut, F> LazyCell<T, Fut, F>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T>,
{
    crate::loom::const_fn! {
        /// Creates a cell whose value `function`'s future makes.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::LazyCell;
        ///
        /// static ANSWER: LazyCell<u32> = LazyCell::new(|| Box::pin(async { 42 }));
        ///
        /// assert_eq!(*ANSWER.blocking_force(), 42);
        /// ```
        pub fn new(function: F) -> Self {
            Self {
                attempts: Attempts::new(),
                stage: SharedStage::new(function),
            }
        }
    }

    /// Returns the value, making it if need be. For futures that may be moved, as those in a box may.
    ///
    /// Waits if another task runs the initializer, and goes on with it if that task is cancelled.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped leaves the initializer where it is. The next in the wait list goes on with it, or
    /// whoever forces the cell next.
    ///
    /// # Panics
    ///
    /// The future panics if the initializer does, now or before.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// use compio_sync::LazyCell;
    /// use futures_util::poll;
    ///
    /// # async fn yield_now() { compio::time::sleep(std::time::Duration::from_millis(1)).await }
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let begun = Cell::new(0);
    /// let lazy = LazyCell::new(|| {
    ///     Box::pin(async {
    ///         begun.set(begun.get() + 1);
    ///         yield_now().await;
    ///         7
    ///     })
    /// });
    /// let mut first = lazy.force();
    /// assert!(poll!(&mut first).is_pending());
    /// drop(first); // cancelled
    /// assert_eq!((*lazy.force().await, begun.get()), (7, 1));
    /// # });
    /// ```
    #[inline]
    pub fn force(&self) -> LazyForce<'_, T, Fut, F>
    where
        Fut: Unpin,
    {
        Pin::new(self).force_pin()
    }

    /// Returns the value, making it if need be. For any future, of a cell that is pinned.
    ///
    /// # Cancel safety
    ///
    /// As for [`force`](Self::force).
    ///
    /// # Panics
    ///
    /// The future panics if the initializer does, now or before.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::LazyCell;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let lazy = Arc::pin(LazyCell::new(|| async { 7 }));
    /// let other = lazy.clone();
    /// let task = compio::runtime::spawn(async move { *other.as_ref().force_pin().await });
    /// assert_eq!((*lazy.as_ref().force_pin().await, task.await.unwrap()), (7, 7));
    /// # });
    /// ```
    #[inline]
    pub fn force_pin(self: Pin<&Self>) -> LazyForce<'_, T, Fut, F> {
        // SAFETY: the initializer is pinned with the cell: nothing moves it.
        let stage = unsafe { self.map_unchecked(|it| &it.stage) };
        LazyForce::new(stage, self.get_ref().attempts.right())
    }

    /// Returns the value, making it if need be, blocking the calling thread.
    ///
    /// For plain threads. The thread polls the initializer, or waits in the same wait list as the tasks.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop; and if the initializer panics, now or before.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::LazyCell;
    ///
    /// let lazy: LazyCell<u32> = LazyCell::new(|| Box::pin(async { 7 }));
    /// assert_eq!(*lazy.blocking_force(), 7);
    /// ```
    #[track_caller]
    pub fn blocking_force(&self) -> &T
    where
        Fut: Unpin,
    {
        block_on("blocking_force", self.force())
    }
}

impl<'a, T, Fut, F> IntoFuture for &'a LazyCell<T, Fut, F>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T> + Unpin,
{
    type IntoFuture = LazyForce<'a, T, Fut, F>;
    type Output = &'a T;

    /// [Forces](LazyCell::force) the value.
    fn into_future(self) -> Self::IntoFuture {
        self.force()
    }
}

impl<T: fmt::Debug, Fut, F> fmt::Debug for LazyCell<T, Fut, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("LazyCell");
        match self.get() {
            Some(value) => debug.field(value),
            None => debug.field(&format_args!("<uninit>")),
        };
        debug.finish()
    }
}
