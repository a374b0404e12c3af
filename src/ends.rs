//! Counting the ends of a channel, of one kind: its senders, or its receivers.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use crate::loom::AtomicUsize;

pub(crate) struct Ends(AtomicUsize);

impl Ends {
    pub(crate) fn new(count: usize) -> Self {
        Self(AtomicUsize::new(count))
    }

    /// Adds one, even if there is none.
    pub(crate) fn add(&self) {
        // ORDERING: Acquire pairs with `remove`: one that comes after the last has seen what that one did.
        let before = self.0.fetch_add(1, Acquire);
        assert!(before <= isize::MAX as usize, "too many ends of a channel");
    }

    /// Adds one if there is one.
    pub(crate) fn try_add(&self) -> bool {
        // ORDERING: Relaxed, here and below. It only counts.
        let mut count = self.0.load(Relaxed);
        while count > 0 {
            match self
                .0
                .compare_exchange_weak(count, count + 1, Relaxed, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => count = now,
            }
        }
        false
    }

    /// Takes one off. Says whether it was the last one.
    pub(crate) fn remove(&self) -> bool {
        // ORDERING: Release: what this one did comes before whatever sees that it has gone; Acquire: and what the
        // others did comes before what the last one does.
        self.0.fetch_sub(1, AcqRel) == 1
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        // ORDERING: Acquire pairs with `remove`.
        self.0.load(Acquire)
    }
}
