//! A value that whoever needs it first initializes.

use std::{
    fmt,
    future::{Future, ready},
};

use super::{
    error::SetError,
    init::{GetOrInit, GetOrTryInit, succeed},
    right::Attempts,
    wait::OnceWait,
};
use crate::{blocking::block_on, waiter_queue::Queue};

/// A value that whoever needs it first initializes, by an asynchronous operation.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | One initializer runs at a time. If it fails or is cancelled, that of the one that has waited longest begins. |
/// | Memory ordering | The initializer, or the `set` that succeeds, synchronizes-with whoever gets the value. An initializer that fails or is cancelled happened before the next one begins. |
/// | Cost | `get`, and `get_or_init` of a value that is there: one load. Initializing: three atomic read-modify-writes if nobody waits. A wait: six, and in steady state no allocation. |
/// | Cancelling | A dropped `get_or_init` has lost its place in the wait list. If it was initializing, the next one begins. |
/// | Panics | A panic of an initializer is one's own: the next one begins, and the cell is not poisoned. |
/// | Without a runtime | Works with any executor, and with plain threads through [`blocking_get_or_init`](Self::blocking_get_or_init) and [`blocking_wait`](Self::blocking_wait). |
///
/// An initializer that is cancelled is dropped, so the next one starts from the beginning: a `get_or_init` that is
/// shorter of time than its initializer needs never ends, however often it is tried. Where that may be, spawn the
/// initialization as a task, or take a [`LazyCell`](super::LazyCell), whose initializer goes on from where it was.
///
/// Where the value comes from elsewhere, a [`SetOnce`](super::SetOnce) is enough.
///
/// # Deadlocks
///
/// An initializer that initializes its own cell, or waits for it, waits for itself. And whoever runs an initializer, and
/// then neither polls nor drops that future, keeps all others waiting.
///
/// # Examples
///
/// ```
/// use compio_sync::OnceCell;
///
/// static CONFIG: OnceCell<String> = OnceCell::new();
///
/// async fn config() -> &'static String {
///     CONFIG
///         .get_or_init(async || {
///             // ... read a file, ask a server ...
///             String::from("ready")
///         })
///         .await
/// }
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// assert_eq!(CONFIG.get(), None);
/// assert_eq!(config().await, "ready");
/// assert_eq!(CONFIG.get().unwrap(), "ready");
/// # });
/// ```
#[doc(alias = "OnceLock")]
#[doc(alias = "AsyncOnce")]
pub struct OnceCell<T> {
    attempts: Attempts<T>,
    /// Opened when the value is there. Those who do not initialize wait for that.
    gate: Queue,
}

impl<T> OnceCell<T> {
    crate::loom::const_fn! {
        /// Creates a cell without a value.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::OnceCell;
        ///
        /// static NAME: OnceCell<String> = OnceCell::new();
        /// assert!(!NAME.initialized());
        /// ```
        pub fn new() -> Self {
            Self { attempts: Attempts::new(), gate: Queue::gate() }
        }

        /// Creates a cell with a value.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::OnceCell;
        ///
        /// static PORT: OnceCell<u16> = OnceCell::from_value(80);
        /// assert_eq!(PORT.get(), Some(&80));
        /// ```
        pub fn from_value(value: T) -> Self {
            Self { attempts: Attempts::of(value), gate: Queue::gate() }
        }
    }

    /// Creates a cell with a value, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::OnceCell;
    ///
    /// assert!(OnceCell::new_with(Some(1)).initialized());
    /// assert!(!OnceCell::<u32>::new_with(None).initialized());
    /// ```
    pub fn new_with(value: Option<T>) -> Self {
        value.map_or_else(Self::new, Self::from_value)
    }

    // ---- looking ----

    /// Returns whether there is a value.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = compio_sync::OnceCell::new();
    /// assert!(!cell.initialized());
    /// cell.set(1).unwrap();
    /// assert!(cell.initialized());
    /// ```
    #[doc(alias = "is_initialized")]
    pub fn initialized(&self) -> bool {
        self.get().is_some()
    }

    /// Returns the value, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = compio_sync::OnceCell::new();
    /// assert_eq!(cell.get(), None);
    /// cell.set(1).unwrap();
    /// assert_eq!(cell.get(), Some(&1));
    /// ```
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.attempts.get()
    }

    /// Returns the value, if there is one, to be changed.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut cell = compio_sync::OnceCell::from(1);
    /// *cell.get_mut().unwrap() += 1;
    /// assert_eq!(cell.get(), Some(&2));
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.attempts.value_mut().get_mut()
    }

    /// Waits until there is a value, without initializing it. Returns at once if there is one.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let cell = compio_sync::OnceCell::new();
    /// let mut wait = cell.wait();
    /// assert!(poll!(&mut wait).is_pending());
    /// cell.get_or_init(async || 1).await;
    /// assert_eq!(wait.await, &1);
    /// # });
    /// ```
    #[doc(alias = "wait_initialized")]
    #[inline]
    pub fn wait(&self) -> OnceWait<'_, T> {
        OnceWait::new(self.attempts.value(), &self.gate)
    }

    /// Waits until there is a value, without initializing it, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::OnceCell;
    ///
    /// static NAME: OnceCell<&str> = OnceCell::new();
    ///
    /// let thread = std::thread::spawn(|| NAME.blocking_wait().len());
    /// NAME.set("compio").unwrap();
    /// assert_eq!(thread.join().unwrap(), 6);
    /// ```
    #[doc(alias = "wait_blocking")]
    #[track_caller]
    pub fn blocking_wait(&self) -> &T {
        block_on("blocking_wait", self.wait())
    }

    /// Returns how many tasks and threads wait, for the value or for an initializer to end.
    ///
    /// A snapshot: tasks that other threads are adding or taking out at this moment may or may not
    /// be counted.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let cell = compio_sync::OnceCell::new();
    /// let mut wait = cell.wait();
    /// assert!(poll!(&mut wait).is_pending());
    /// assert_eq!(cell.waiter_count(), 1);
    /// cell.set(1).unwrap();
    /// assert_eq!(cell.waiter_count(), 0);
    /// # });
    /// ```
    pub fn waiter_count(&self) -> usize {
        self.attempts.waiters() + self.gate.len()
    }

    // ---- initializing ----

    /// Sets the value, if there is none and nobody initializes it.
    ///
    /// # Errors
    ///
    /// [`SetError`] with `value`: there is a value already, or an initializer runs or waits to.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{OnceCell, SetError};
    ///
    /// let cell = OnceCell::new();
    /// assert_eq!(cell.set(1), Ok(()));
    /// assert_eq!(cell.set(2), Err(SetError::AlreadyInitializedError(2)));
    /// assert_eq!(cell.get(), Some(&1));
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        if let Some(mut right) = self.attempts.try_right() {
            succeed(&mut right, &self.gate, value);
            return Ok(());
        }
        Err(match self.get() {
            Some(_) => SetError::AlreadyInitializedError(value),
            None => SetError::InitializingError(value),
        })
    }

    /// Returns the value, initializing it if need be.
    ///
    /// Waits if another initializer runs, and begins with `init` if that one fails, panics or is cancelled.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has lost its place in the wait list. If it was initializing, `init`'s future is dropped,
    /// and the next one begins: see [above](Self).
    ///
    /// # Panics
    ///
    /// The future passes on a panic of `init`. The next one that waits begins then.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let cell = compio_sync::OnceCell::new();
    /// assert_eq!(*cell.get_or_init(async || 1).await, 1);
    /// assert_eq!(*cell.get_or_init(async || 2).await, 1);
    /// # });
    /// ```
    #[inline]
    pub fn get_or_init<F, Fut>(&self, init: F) -> GetOrInit<'_, T, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        GetOrInit::new(&self.attempts, &self.gate, init)
    }

    /// Returns the value, initializing it if need be by an operation that may fail.
    ///
    /// Waits if another initializer runs, and begins with `init` if that one fails, panics or is cancelled.
    ///
    /// # Errors
    ///
    /// The future yields the error of `init`. The next one that waits begins then.
    ///
    /// # Cancel safety
    ///
    /// As for [`get_or_init`](Self::get_or_init).
    ///
    /// # Panics
    ///
    /// The future passes on a panic of `init`. The next one that waits begins then.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let cell = compio_sync::OnceCell::new();
    /// assert_eq!(cell.get_or_try_init(async || Err("not yet")).await, Err("not yet"));
    /// assert_eq!(cell.get_or_try_init(async || Ok::<_, &str>(1)).await, Ok(&1));
    /// # });
    /// ```
    #[inline]
    pub fn get_or_try_init<E, F, Fut>(&self, init: F) -> GetOrTryInit<'_, T, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        GetOrTryInit::new(&self.attempts, &self.gate, init)
    }

    /// Returns the value, initializing it if need be, blocking the calling thread.
    ///
    /// For plain threads. The thread waits in the same wait list as the tasks, and calls `init` when it is its turn.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop; and if `init` does.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = compio_sync::OnceCell::new();
    /// assert_eq!(*cell.blocking_get_or_init(|| 1), 1);
    /// assert_eq!(*cell.blocking_get_or_init(|| 2), 1);
    /// ```
    #[doc(alias = "get_or_init_blocking")]
    #[track_caller]
    pub fn blocking_get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        block_on("blocking_get_or_init", self.get_or_init(|| ready(init())))
    }

    /// Returns the value, initializing it if need be by a function that may fail, blocking the calling thread.
    ///
    /// For plain threads, as [`blocking_get_or_init`](Self::blocking_get_or_init).
    ///
    /// # Errors
    ///
    /// The error of `init`. The next one that waits begins then.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop; and if `init` does.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = compio_sync::OnceCell::new();
    /// assert_eq!(cell.blocking_get_or_try_init(|| "x".parse::<u8>()).is_err(), true);
    /// assert_eq!(cell.blocking_get_or_try_init(|| "7".parse::<u8>()), Ok(&7));
    /// ```
    #[doc(alias = "get_or_try_init_blocking")]
    #[track_caller]
    pub fn blocking_get_or_try_init<E>(
        &self,
        init: impl FnOnce() -> Result<T, E>,
    ) -> Result<&T, E> {
        let init = self.get_or_try_init(|| ready(init()));
        block_on("blocking_get_or_try_init", init)
    }

    // ---- taking out ----

    /// Returns the value, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = compio_sync::OnceCell::from(1);
    /// assert_eq!(cell.into_inner(), Some(1));
    /// ```
    pub fn into_inner(mut self) -> Option<T> {
        self.attempts.value_mut().take()
    }

    /// Takes the value out, if there is one. The cell can be initialized again then.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut cell = compio_sync::OnceCell::from(1);
    /// assert_eq!(cell.take(), Some(1));
    /// assert_eq!(cell.take(), None);
    /// cell.set(2).unwrap();
    /// assert_eq!(cell.get(), Some(&2));
    /// ```
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }
}

/// What both cells implement, as tokio's do.
macro_rules! traits_of_a_cell {
    ($cell:ident) => {
        impl<T> Default for $cell<T> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<T> From<T> for $cell<T> {
            fn from(value: T) -> Self {
                Self::from_value(value)
            }
        }

        /// A new cell with a clone of the value, if there is one.
        impl<T: Clone> Clone for $cell<T> {
            fn clone(&self) -> Self {
                Self::new_with(self.get().cloned())
            }
        }

        impl<T: PartialEq> PartialEq for $cell<T> {
            fn eq(&self, other: &Self) -> bool {
                self.get() == other.get()
            }
        }

        impl<T: Eq> Eq for $cell<T> {}
    };
}
pub(super) use traits_of_a_cell;

traits_of_a_cell!(OnceCell);

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceCell")
            .field("value", &self.get())
            .finish()
    }
}
