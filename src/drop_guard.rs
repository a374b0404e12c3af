//! Guards that cancel when they are dropped.

use crate::CancellationToken;

impl CancellationToken {
    /// Returns a guard that cancels this token when it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// drop(token.clone().drop_guard());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn drop_guard(self) -> DropGuard {
        DropGuard(Some(self))
    }

    /// Returns a guard that borrows this token, and cancels it when it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// drop(token.drop_guard_ref());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn drop_guard_ref(&self) -> DropGuardRef<'_> {
        DropGuardRef(Some(self))
    }
}

/// Cancels a token when it is dropped: what [`CancellationToken::drop_guard`] returns.
///
/// # Examples
///
/// ```
/// use compio_sync::CancellationToken;
///
/// let token = CancellationToken::new();
/// {
///     let _guard = token.clone().drop_guard();
///     // ... an early return, a panic ...
/// }
/// assert!(token.is_cancelled());
/// ```
#[derive(Debug)]
#[must_use = "the token is cancelled as soon as the guard is dropped"]
pub struct DropGuard(Option<CancellationToken>);

impl DropGuard {
    /// Returns the token, which is not cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::CancellationToken;
    ///
    /// let guard = CancellationToken::new().drop_guard();
    /// let token = guard.disarm();
    /// assert!(!token.is_cancelled());
    /// ```
    pub fn disarm(mut self) -> CancellationToken {
        let Some(token) = self.0.take() else {
            unreachable!("a guard has its token until it is dropped")
        };
        token
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = &self.0 {
            token.cancel();
        }
    }
}

/// Cancels a token that it borrows when it is dropped: what [`CancellationToken::drop_guard_ref`] returns.
///
/// # Examples
///
/// ```
/// use compio_sync::CancellationToken;
///
/// let token = CancellationToken::new();
/// {
///     let _guard = token.drop_guard_ref();
///     assert!(!token.is_cancelled());
/// }
/// assert!(token.is_cancelled());
/// ```
#[derive(Debug)]
#[must_use = "the token is cancelled as soon as the guard is dropped"]
pub struct DropGuardRef<'a>(Option<&'a CancellationToken>);

impl<'a> DropGuardRef<'a> {
    /// Returns the token, which is not cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// let guard = token.drop_guard_ref();
    /// assert!(!guard.disarm().is_cancelled());
    /// ```
    pub fn disarm(mut self) -> &'a CancellationToken {
        let Some(token) = self.0.take() else {
            unreachable!("a guard has its token until it is dropped")
        };
        token
    }
}

impl Drop for DropGuardRef<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.0 {
            token.cancel();
        }
    }
}
