//! Where a value is that is set once, and how it is published.
//!
//! ```text
//!            claim             publish
//!   EMPTY ──────────► WRITING ─────────► HERE
//!     │                  │ another setter
//!     │ put              └─────────────► its value's address, in a box
//!     └────────────────────────────────► HERE
//! ```
//!
//! A setter claims the room in the cell, writes its value there, and publishes it. Another setter that comes in
//! between does not wait for that, nor does it fail while there is no value to be seen: it publishes its own value,
//! in a box, and the first setter finds that it was too late. So a setter that fails sees a value, and no thread
//! waits for another. The box is for this case alone: otherwise nothing is allocated.
//!
//! The room is claimed once, so what is in it is changed by one thread only. What is published stays until the value
//! is taken out by whoever has the cell to itself.

use std::{
    mem::MaybeUninit,
    panic::{RefUnwindSafe, UnwindSafe},
    ptr,
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};

use crate::loom::{AtomicPtr, UnsafeCell};

/// A value in a box, whose address is none of the states below.
#[repr(align(4))]
struct Boxed<T>(T);

/// There is no value.
const fn empty<T>() -> *mut Boxed<T> {
    ptr::null_mut()
}

/// A setter writes its value.
const fn writing<T>() -> *mut Boxed<T> {
    ptr::without_provenance_mut(1)
}

/// The value is here, in the cell.
const fn here<T>() -> *mut Boxed<T> {
    ptr::without_provenance_mut(2)
}

/// A value that is set once.
pub(super) struct Value<T> {
    /// One of the states above, or the address of the value.
    state: AtomicPtr<Boxed<T>>,
    /// Written by whoever has claimed it, and read by all when the state is `here`.
    room: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: it owns the value, if there is one.
unsafe impl<T: Send> Send for Value<T> {}
// SAFETY: a value is set by one thread, and taken out by another, so it has to be `Send`. It is looked at by several at
// once, so `Sync`. Who may access the room is in `get`, `set` and `put`.
unsafe impl<T: Send + Sync> Sync for Value<T> {}

// As std's cells: nobody sees a value that is being written.
impl<T: UnwindSafe> UnwindSafe for Value<T> {}
impl<T: UnwindSafe + RefUnwindSafe> RefUnwindSafe for Value<T> {}

impl<T> Value<T> {
    crate::loom::const_fn! {
        pub(super) fn new() -> Self {
            Self {
                state: AtomicPtr::new(empty()),
                room: UnsafeCell::new(MaybeUninit::uninit()),
            }
        }

        /// One that is there from the beginning.
        pub(super) fn of(value: T) -> Self {
            Self {
                state: AtomicPtr::new(here()),
                room: UnsafeCell::new(MaybeUninit::new(value)),
            }
        }
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        // ORDERING: Acquire pairs with the releases in `set` and `put`: the value was written before.
        self.at(self.state.load(Acquire))
    }

    /// The value, if it is in the room, as it is if nobody sets but by `put`: one comparison.
    #[inline]
    pub(super) fn get_put(&self) -> Option<&T> {
        // ORDERING: Acquire pairs with the release in `put`: the value was written before.
        let state = self.state.load(Acquire);
        if state == here() {
            self.at(state)
        } else {
            None
        }
    }

    /// The value of a state that was acquired.
    #[inline]
    fn at(&self, state: *mut Boxed<T>) -> Option<&T> {
        if state == here() {
            // SAFETY: what is published in the room is not changed while the cell is borrowed.
            return Some(self.room.with(|room| unsafe { (*room).assume_init_ref() }));
        }
        if !is_box(state) {
            return None;
        }
        // SAFETY: a box that is published stays while the cell is borrowed.
        Some(unsafe { &(*state).0 })
    }

    pub(super) fn get_mut(&mut self) -> Option<&mut T> {
        // ORDERING: Relaxed. Nobody else has it.
        let state = self.state.load(Relaxed);
        if state == here() {
            // SAFETY: it was published, and the caller has the cell to itself.
            return Some(
                self.room
                    .with_mut(|room| unsafe { (*room).assume_init_mut() }),
            );
        }
        if !is_box(state) {
            return None;
        }
        // SAFETY: what is in the box is the cell's, which the caller has to itself.
        Some(unsafe { &mut (*state).0 })
    }

    /// Sets the value, or gives it back if there is one.
    pub(super) fn set(&self, value: T) -> Result<(), T> {
        // ORDERING: Relaxed. Nothing was published yet. Acquire on failure pairs with the setter that was faster, as in
        // `get`.
        match self
            .state
            .compare_exchange(empty(), writing(), Relaxed, Acquire)
        {
            Ok(_) => self.write(value),
            Err(state) if state == writing() => self.overtake(value),
            Err(_) => Err(value),
        }
    }

    /// For whoever has claimed the room.
    fn write(&self, value: T) -> Result<(), T> {
        // SAFETY: the room is claimed once, and nobody reads it before it is published.
        self.room.with_mut(|room| unsafe {
            (*room).write(value);
        });
        // ORDERING: Release pairs with `get`. Acquire on failure, as in `set`.
        match self
            .state
            .compare_exchange(writing(), here(), Release, Acquire)
        {
            Ok(_) => Ok(()),
            // SAFETY: it was written above, and is not published.
            Err(_) => Err(self.room.with(|room| unsafe { (*room).assume_init_read() })),
        }
    }

    /// Publishes a value before that of the setter that has claimed the room.
    #[cold]
    fn overtake(&self, value: T) -> Result<(), T> {
        let new = Box::into_raw(Box::new(Boxed(value)));
        // ORDERING: as in `write`.
        match self
            .state
            .compare_exchange(writing(), new, Release, Acquire)
        {
            Ok(_) => Ok(()),
            Err(_) => {
                // SAFETY: it was made above, and nobody else has got it.
                let Boxed(value) = *unsafe { Box::from_raw(new) };
                Err(value)
            }
        }
    }

    /// Sets the value.
    ///
    /// # Safety
    ///
    /// There is none, and nobody else sets or puts one.
    pub(super) unsafe fn put(&self, value: T) {
        // SAFETY: the caller is the only one to write it, and nobody reads it before it is published.
        self.room.with_mut(|room| unsafe {
            (*room).write(value);
        });
        // ORDERING: Release pairs with `get`.
        self.state.store(here(), Release);
    }

    pub(super) fn take(&mut self) -> Option<T> {
        // ORDERING: Relaxed, here and below. Nobody else has it.
        let state = self.state.load(Relaxed);
        self.state.store(empty(), Relaxed);
        if state == here() {
            // SAFETY: it was published, and is not any more.
            return Some(
                self.room
                    .with_mut(|room| unsafe { (*room).assume_init_read() }),
            );
        }
        if !is_box(state) {
            return None;
        }
        // SAFETY: the box is the cell's, which has forgotten it.
        let Boxed(value) = *unsafe { Box::from_raw(state) };
        Some(value)
    }
}

impl<T> Drop for Value<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[inline]
fn is_box<T>(state: *mut Boxed<T>) -> bool {
    state.addr() > here::<T>().addr()
}
