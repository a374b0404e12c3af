//! A value that is set once, and that others wait for.

use std::fmt;

use super::{error::SetOnceError, value::Value, wait::OnceWait};
use crate::{blocking::block_on, waiter_queue::Queue};

/// A value that is set once, and that tasks and threads wait for.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | [`set`](Self::set) wakes all current waiters, in FIFO order. |
/// | Memory ordering | The `set` that succeeds synchronizes-with whoever gets the value, and with each `set` that fails. |
/// | Cost | `get`, and `wait` for a value that is there: one load. `set`: three atomic read-modify-writes if nobody waits. No allocation, unless two `set`s meet. A wait: six, and in steady state no allocation. |
/// | Cancelling | A dropped wait has no effect. |
/// | Panics | None of its own. |
/// | Without a runtime | Works with any executor, and with plain threads through [`blocking_wait`](Self::blocking_wait). |
///
/// Of several [`set`](Self::set)s at once, one succeeds. The others get their values back, and then there is a value to
/// be seen: no thread waits for another for that.
///
/// It is a [`oneshot`](crate::oneshot) channel with any number of senders and receivers, all of whom look at the same
/// value. Where the value is made by whoever needs it first, take an [`OnceCell`](super::OnceCell).
///
/// # Examples
///
/// ```
/// use compio_sync::SetOnce;
///
/// static ADDRESS: SetOnce<String> = SetOnce::new();
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let client = compio::runtime::spawn(async { ADDRESS.wait().await.len() });
/// ADDRESS.set("[::1]:80".into()).unwrap();
/// assert_eq!(client.await.unwrap(), 8);
/// assert!(ADDRESS.set("[::1]:81".into()).is_err());
/// # });
/// ```
#[doc(alias = "Promise")]
#[doc(alias = "AsyncCell")]
#[doc(alias = "Completion")]
pub struct SetOnce<T> {
    value: Value<T>,
    /// Opened when the value is there.
    gate: Queue,
}

impl<T> SetOnce<T> {
    crate::loom::const_fn! {
        /// Creates a cell without a value.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::SetOnce;
        ///
        /// static NAME: SetOnce<String> = SetOnce::new();
        /// assert!(!NAME.initialized());
        /// ```
        pub fn new() -> Self {
            Self { value: Value::new(), gate: Queue::gate() }
        }

        /// Creates a cell with a value.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::SetOnce;
        ///
        /// static PORT: SetOnce<u16> = SetOnce::from_value(80);
        /// assert_eq!(PORT.get(), Some(&80));
        /// ```
        pub fn from_value(value: T) -> Self {
            Self { value: Value::of(value), gate: Queue::gate() }
        }
    }

    /// Creates a cell with a value, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::SetOnce;
    ///
    /// assert!(SetOnce::new_with(Some(1)).initialized());
    /// assert!(!SetOnce::<u32>::new_with(None).initialized());
    /// ```
    pub fn new_with(value: Option<T>) -> Self {
        value.map_or_else(Self::new, Self::from_value)
    }

    /// Returns whether there is a value.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = compio_sync::SetOnce::new();
    /// assert!(!cell.initialized());
    /// cell.set(1).unwrap();
    /// assert!(cell.initialized());
    /// ```
    #[doc(alias = "is_initialized")]
    #[doc(alias = "is_set")]
    pub fn initialized(&self) -> bool {
        self.get().is_some()
    }

    /// Returns the value, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = compio_sync::SetOnce::new();
    /// assert_eq!(cell.get(), None);
    /// cell.set(1).unwrap();
    /// assert_eq!(cell.get(), Some(&1));
    /// ```
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Returns the value, if there is one, to be changed.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut cell = compio_sync::SetOnce::from(1);
    /// *cell.get_mut().unwrap() += 1;
    /// assert_eq!(cell.get(), Some(&2));
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Sets the value, and lets everybody go who waits for it.
    ///
    /// # Errors
    ///
    /// [`SetOnceError`] with `value`, if there is a value already.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{SetOnce, SetOnceError};
    ///
    /// let cell = SetOnce::new();
    /// assert_eq!(cell.set(1), Ok(()));
    /// assert_eq!(cell.set(2), Err(SetOnceError(2)));
    /// assert_eq!(cell.get(), Some(&1));
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetOnceError<T>> {
        self.value.set(value).map_err(SetOnceError)?;
        self.gate.open();
        Ok(())
    }

    /// Waits until there is a value. Returns at once if there is one.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let cell = compio_sync::SetOnce::from(1);
    /// assert_eq!(cell.wait().await, &1);
    /// # });
    /// ```
    #[inline]
    pub fn wait(&self) -> OnceWait<'_, T> {
        OnceWait::new(&self.value, &self.gate)
    }

    /// Waits until there is a value, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::SetOnce;
    ///
    /// static NAME: SetOnce<&str> = SetOnce::new();
    ///
    /// let thread = std::thread::spawn(|| NAME.blocking_wait().len());
    /// NAME.set("compio").unwrap();
    /// assert_eq!(thread.join().unwrap(), 6);
    /// ```
    #[track_caller]
    pub fn blocking_wait(&self) -> &T {
        block_on("blocking_wait", self.wait())
    }

    /// Returns the value, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = compio_sync::SetOnce::from(1);
    /// assert_eq!(cell.into_inner(), Some(1));
    /// ```
    pub fn into_inner(mut self) -> Option<T> {
        self.value.take()
    }

    /// Returns how many tasks and threads wait.
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
    /// let cell = compio_sync::SetOnce::new();
    /// let mut wait = cell.wait();
    /// assert!(poll!(&mut wait).is_pending());
    /// assert_eq!(cell.waiter_count(), 1);
    /// cell.set(1).unwrap();
    /// assert_eq!(cell.waiter_count(), 0);
    /// # });
    /// ```
    pub fn waiter_count(&self) -> usize {
        self.gate.len()
    }
}

super::cell::traits_of_a_cell!(SetOnce);

impl<T: fmt::Debug> fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetOnce")
            .field("value", &self.get())
            .finish()
    }
}
