//! The futures that wait for the lock.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    guard::{RwLockReadGuard, RwLockWriteGuard},
    owned::{OwnedRwLockReadGuard, OwnedRwLockUpgradableReadGuard, OwnedRwLockWriteGuard},
    state::RwLock,
    upgradable::RwLockUpgradableReadGuard,
    wait::{Reading, UpgradableReading, Waiting, Writing},
};
use crate::timeout::{Wait, wait_methods};

/// Declares a future that borrows the lock, or owns it in an `Arc`.
macro_rules! future {
    ($(#[$meta:meta])* [$($life:lifetime)?] $future:ident($lock:ty, $wait:ty) -> $guard:ty,
     |$this:ident| $share:expr, $setup:literal, $make:literal) => {
        $(#[$meta])*
        #[must_use = "futures do nothing unless polled"]
        pub struct $future<$($life,)? T: ?Sized> {
            lock: $lock,
            wait: $wait,
        }

        impl<$($life,)? T: ?Sized> $future<$($life,)? T> {
            #[inline]
            pub(super) fn new(lock: $lock) -> Self {
                Self { lock, wait: <$wait>::default() }
            }

            /// The guard of a lock that has just been taken.
            #[inline]
            fn guard(&self) -> $guard {
                let $this = self;
                <$guard>::new($share)
            }
        }

        impl<$($life,)? T: ?Sized> Future for $future<$($life,)? T> {
            type Output = $guard;

            #[inline]
            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let this = &mut *self;
                this.wait.poll(&this.lock.raw, cx).map(|()| this.guard())
            }
        }

        impl<$($life,)? T: ?Sized> Wait for $future<$($life,)? T> {
            fn at_deadline(&mut self) -> Option<Self::Output> {
                self.wait.at_deadline(&self.lock.raw).then(|| self.guard())
            }
        }

        wait_methods!([$($life,)? T: ?Sized] $future<$($life,)? T>, it => it.wait, $setup, $make);

        impl<$($life,)? T: ?Sized> Drop for $future<$($life,)? T> {
            #[inline]
            fn drop(&mut self) {
                self.wait.leave(&self.lock.raw);
            }
        }

        impl<$($life,)? T: ?Sized> fmt::Debug for $future<$($life,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($future)).finish_non_exhaustive()
            }
        }
    };
}

future!(
    /// The future of [`RwLock::read`](crate::RwLock::read).
    ['a] RwLockRead(&'a RwLock<T>, Reading) -> RwLockReadGuard<'a, T>,
    |this| this.lock,
    "let lock = compio_sync::RwLock::new(1); let guard = lock.try_write();", "lock.read()"
);
future!(
    /// The future of [`RwLock::write`](crate::RwLock::write).
    ['a] RwLockWrite(&'a RwLock<T>, Writing) -> RwLockWriteGuard<'a, T>,
    |this| this.lock,
    "let lock = compio_sync::RwLock::new(1); let guard = lock.try_write();", "lock.write()"
);
future!(
    /// The future of [`RwLock::upgradable_read`](crate::RwLock::upgradable_read).
    ['a] RwLockUpgradableRead(&'a RwLock<T>, UpgradableReading) -> RwLockUpgradableReadGuard<'a, T>,
    |this| this.lock,
    "let lock = compio_sync::RwLock::new(1); let guard = lock.try_write();", "lock.upgradable_read()"
);
future!(
    /// The future of [`RwLock::read_owned`](crate::RwLock::read_owned).
    [] RwLockReadOwned(Arc<RwLock<T>>, Reading) -> OwnedRwLockReadGuard<T>,
    |this| this.lock.clone(),
    "let lock = std::sync::Arc::new(compio_sync::RwLock::new(1)); let guard = lock.try_write();",
    "lock.clone().read_owned()"
);
future!(
    /// The future of [`RwLock::write_owned`](crate::RwLock::write_owned).
    [] RwLockWriteOwned(Arc<RwLock<T>>, Writing) -> OwnedRwLockWriteGuard<T>,
    |this| this.lock.clone(),
    "let lock = std::sync::Arc::new(compio_sync::RwLock::new(1)); let guard = lock.try_write();",
    "lock.clone().write_owned()"
);
future!(
    /// The future of [`RwLock::upgradable_read_owned`](crate::RwLock::upgradable_read_owned).
    [] RwLockUpgradableReadOwned(Arc<RwLock<T>>, UpgradableReading) -> OwnedRwLockUpgradableReadGuard<T>,
    |this| this.lock.clone(),
    "let lock = std::sync::Arc::new(compio_sync::RwLock::new(1)); let guard = lock.try_write();",
    "lock.clone().upgradable_read_owned()"
);
