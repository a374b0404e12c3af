//! The building blocks of the protocols: std's, or loom's models of them.
//!
//! Every atomic and every shared cell of the crate's protocols comes from here, so that the same
//! source is compiled into the library and, with `--cfg compio_sync_loom`, into the models that explore its
//! interleavings. With `--cfg compio_sync_shuttle` the atomics are shuttle's, which hands over to another
//! thread at each access, at random. Nothing else in the crate looks at these, its tests apart.

#[cfg(not(compio_sync_loom))]
mod imp {
    #[cfg(compio_sync_shuttle)]
    pub(crate) use shuttle::{
        sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize},
        thread::yield_now,
        thread_local,
    };
    #[cfg(not(compio_sync_shuttle))]
    pub(crate) use std::{
        sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize},
        thread::yield_now,
        thread_local,
    };

    pub(crate) use std::sync::Arc;

    /// What `arc` has, if nobody else has it. Of those who give up the last ones at once, one gets it.
    pub(crate) fn into_inner<T>(arc: Arc<T>) -> Option<T> {
        Arc::into_inner(arc)
    }

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

    /// Whether this is a model.
    pub(crate) const IN_MODEL: bool = cfg!(compio_sync_shuttle);
    /// How many waiters a combiner grants before it unlocks the queue and wakes them.
    pub(crate) const BATCH: usize = if IN_MODEL { 2 } else { 32 };
    /// How many passes a combiner makes for others while it has waiters to wake.
    pub(crate) const PASSES: usize = if IN_MODEL { 2 } else { 4 };
    /// How many waiters a runtime's listener wakes before it lets the other tasks run.
    pub(crate) const BUDGET: usize = 64;
    /// How many values there are in a block of a channel.
    pub(crate) const SLOTS: usize = if IN_MODEL { 2 } else { 32 };
    /// How many idle waiters a thread keeps for its next waits.
    pub(crate) const POOL: usize = if IN_MODEL { 2 } else { 1024 };
    /// How many openings of a gate its word counts before it begins anew, if not as many as it can.
    pub(crate) const OPENINGS: Option<isize> = if IN_MODEL { Some(3) } else { None };
}

#[cfg(compio_sync_loom)]
mod imp {
    use std::{
        cell::Cell,
        sync::atomic::Ordering::{self, Relaxed},
    };

    use loom::sync::atomic;
    pub(crate) use loom::{cell::UnsafeCell, sync::Arc, thread::yield_now};

    /// As above, but for those who give up the last ones at once: loom has only `try_unwrap`.
    pub(crate) fn into_inner<T>(arc: Arc<T>) -> Option<T> {
        Arc::try_unwrap(arc).ok()
    }

    std::thread_local! {
        /// How many read-modify-writes there have been. std's: all threads of a model run on one.
        pub(crate) static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    /// loom's atomics, each with a second one that is changed just before each access.
    ///
    /// loom takes an access for one that may be swapped with another thread's only if that was the
    /// last one before it, and of two loads neither counts for the other: a thread that loads, and
    /// then changes what it has loaded, hides the loads of others from its change, and the
    /// interleaving in which it comes before them is never tried. With changes nothing is hidden.
    /// The second atomic is relaxed: it orders nothing in the model.
    macro_rules! atomics {
        ($($name:ident $(<$t:ident>)? of $value:ty {
            $($method:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*
        })*) => {$(
            #[derive(Debug)]
            pub(crate) struct $name $(<$t>)? {
                value: atomic::$name $(<$t>)?,
                accesses: atomic::AtomicUsize,
            }

            #[allow(dead_code, reason = "all have what one needs")]
            impl $(<$t>)? $name $(<$t>)? {
                pub(crate) fn new(value: $value) -> Self {
                    Self {
                        value: atomic::$name::new(value),
                        accesses: atomic::AtomicUsize::new(0),
                    }
                }

                #[track_caller]
                pub(crate) fn load(&self, ordering: Ordering) -> $value {
                    self.accesses.fetch_add(1, Relaxed);
                    self.value.load(ordering)
                }

                #[track_caller]
                pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                    self.accesses.fetch_add(1, Relaxed);
                    self.value.store(value, ordering);
                }

                $(#[track_caller]
                pub(crate) fn $method(&self, $($arg: $ty),*) -> $ret {
                    STEPS.set(STEPS.get() + 1);
                    self.accesses.fetch_add(1, Relaxed);
                    self.value.$method($($arg),*)
                })*
            }
        )*};
    }

    atomics! {
        AtomicUsize of usize {
            fetch_add(value: usize, ordering: Ordering) -> usize;
            fetch_sub(value: usize, ordering: Ordering) -> usize;
            fetch_or(value: usize, ordering: Ordering) -> usize;
            fetch_and(value: usize, ordering: Ordering) -> usize;
            compare_exchange(old: usize, new: usize, success: Ordering, failure: Ordering)
                -> Result<usize, usize>;
            compare_exchange_weak(old: usize, new: usize, success: Ordering, failure: Ordering)
                -> Result<usize, usize>;
        }
        AtomicU32 of u32 {
            swap(value: u32, ordering: Ordering) -> u32;
            fetch_or(value: u32, ordering: Ordering) -> u32;
            fetch_and(value: u32, ordering: Ordering) -> u32;
            compare_exchange_weak(old: u32, new: u32, success: Ordering, failure: Ordering)
                -> Result<u32, u32>;
        }
        AtomicPtr<T> of *mut T {
            swap(value: *mut T, ordering: Ordering) -> *mut T;
            compare_exchange(old: *mut T, new: *mut T, success: Ordering, failure: Ordering)
                -> Result<*mut T, *mut T>;
            compare_exchange_weak(old: *mut T, new: *mut T, success: Ordering, failure: Ordering)
                -> Result<*mut T, *mut T>;
        }
    }

    /// loom's `thread_local`, which knows no `const` blocks.
    macro_rules! local {
        ($(#[$meta:meta])* $vis:vis static $name:ident: $ty:ty = const $init:block;) => {
            ::loom::thread_local! { $(#[$meta])* $vis static $name: $ty = $init; }
        };
        ($(#[$meta:meta])* $vis:vis static $name:ident: $ty:ty = $init:expr;) => {
            ::loom::thread_local! { $(#[$meta])* $vis static $name: $ty = $init; }
        };
    }
    pub(crate) use local as thread_local;

    pub(crate) const BATCH: usize = 2;
    pub(crate) const PASSES: usize = 2;
    pub(crate) const BUDGET: usize = 2;
    /// As above.
    pub(crate) const SLOTS: usize = 2;
    pub(crate) const POOL: usize = 1;
    pub(crate) const OPENINGS: Option<isize> = Some(2);
    pub(crate) const IN_MODEL: bool = true;
}

pub(crate) use imp::*;

/// Declares constructors that are `const` over std's types; loom's have no `const` ones.
macro_rules! const_fn {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty $body:block)*) => {$(
        #[cfg(not(compio_sync_loom))]
        $(#[$meta])*
        $vis const fn $name($($arg: $ty),*) -> $ret $body

        #[cfg(compio_sync_loom)]
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) -> $ret $body
    )*};
}
pub(crate) use const_fn;
