//! The building blocks of the protocols: std's, or loom's models of them.
//!
//! Every atomic and every shared cell of the crate's protocols comes from here, so that the same
//! source is compiled into the library and, with `--cfg loom`, into the models that explore its
//! interleavings. Nothing else in the crate looks at `cfg(loom)`, its tests apart.

#[cfg(not(loom))]
mod imp {
    pub(crate) use std::{
        sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize},
        thread_local,
    };

    pub(crate) use atomic_waker::AtomicWaker;

    /// `std::cell::UnsafeCell` with the interface of loom's, which sees each access begin and end.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }

    impl<T: ?Sized> UnsafeCell<T> {
        /// Calls `f` with a pointer that may only be read through.
        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Calls `f` with a pointer that may be written through.
        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }

    /// How many waiters a turn grants before it gives itself back and wakes them.
    pub(crate) const BATCH: usize = 32;
    /// How many rounds a turn serves for others while it has granted waiters to wake.
    pub(crate) const ROUNDS: usize = 4;
    /// How many idle waiters a thread keeps for its next waits.
    pub(crate) const POOL: usize = 1024;
    /// Whether this is a model.
    pub(crate) const IN_MODEL: bool = false;
}

#[cfg(loom)]
mod imp {
    pub(crate) use loom::{
        cell::UnsafeCell,
        future::AtomicWaker,
        sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize},
        thread_local,
    };

    pub(crate) const BATCH: usize = 2;
    pub(crate) const ROUNDS: usize = 2;
    pub(crate) const POOL: usize = 1;
    pub(crate) const IN_MODEL: bool = true;
}

pub(crate) use imp::*;

/// Declares constructors that are `const` over std's types; loom's have no `const` ones.
macro_rules! const_fn {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty $body:block)*) => {$(
        #[cfg(not(loom))]
        $(#[$meta])*
        $vis const fn $name($($arg: $ty),*) -> $ret $body

        #[cfg(loom)]
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) -> $ret $body
    )*};
}
pub(crate) use const_fn;
