//! Why a value was not set.

use std::fmt;

/// The error of [`OnceCell::set`](super::OnceCell::set), with the value. The names are tokio's.
///
/// # Examples
///
/// ```
/// use compio_sync::{OnceCell, SetError};
///
/// let cell = OnceCell::from(1);
/// assert_eq!(cell.set(2), Err(SetError::AlreadyInitializedError(2)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetError<T> {
    /// There is a value already.
    AlreadyInitializedError(T),
    /// Another task or thread is initializing the cell, or is about to.
    InitializingError(T),
}

impl<T> SetError<T> {
    /// Returns whether there was a value already.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = compio_sync::OnceCell::from(1);
    /// assert!(cell.set(2).unwrap_err().is_already_init_err());
    /// ```
    pub fn is_already_init_err(&self) -> bool {
        matches!(self, Self::AlreadyInitializedError(_))
    }

    /// Returns whether the cell was being initialized.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::pending;
    ///
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let cell = compio_sync::OnceCell::new();
    /// let mut init = Box::pin(cell.get_or_init(pending));
    /// assert!(poll!(&mut init).is_pending());
    /// assert!(cell.set(2).unwrap_err().is_initializing_err());
    /// # });
    /// ```
    pub fn is_initializing_err(&self) -> bool {
        matches!(self, Self::InitializingError(_))
    }

    /// Returns the value that was not set.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = compio_sync::OnceCell::from(1);
    /// assert_eq!(cell.set(2).unwrap_err().into_inner(), 2);
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            Self::AlreadyInitializedError(value) | Self::InitializingError(value) => value,
        }
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInitializedError(_) => "the cell has a value already",
            Self::InitializingError(_) => "the cell is being initialized",
        })
    }
}

impl<T: fmt::Debug> std::error::Error for SetError<T> {}

/// The error of [`SetOnce::set`](super::SetOnce::set): there is a value already. It has the one that was not set.
///
/// # Examples
///
/// ```
/// use compio_sync::{SetOnce, SetOnceError};
///
/// let cell = SetOnce::from(1);
/// assert_eq!(cell.set(2), Err(SetOnceError(2)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetOnceError<T>(pub T);

impl<T> fmt::Display for SetOnceError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cell has a value already")
    }
}

impl<T: fmt::Debug> std::error::Error for SetOnceError<T> {}
