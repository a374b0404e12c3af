//! How many permits a semaphore has in all.
//!
//! Permits are in the queue's word, or held. Both counts here are of all of them together, and the
//! word changes between the changes of the two:
//!
//! ```text
//!   add       ceiling + n, if there is room      word + n    capacity + n
//!   remove    capacity - n, if there are n       word - n    ceiling - n
//! ```
//!
//! So `ceiling` is never below the permits that there are, and `capacity` never above: what is added
//! has room in the word, however many are stopped half-way through removing what there was, and what
//! is removed is there. Permits that are forgotten or reduced count as held until both have fallen.
//!
//! Both are signed: permits that are forgotten while there is a debt are missing from later ones.

use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};

use crate::{loom::AtomicUsize, waiter_queue::MAX_PERMITS};

pub(super) struct Counts {
    /// All permits but those that are being added.
    capacity: AtomicUsize,
    /// All permits, and those that are being removed.
    ceiling: AtomicUsize,
}

impl Counts {
    crate::loom::const_fn! {
        pub(super) fn new(permits: usize) -> Self {
            Self {
                capacity: AtomicUsize::new(permits),
                ceiling: AtomicUsize::new(permits),
            }
        }
    }

    /// How many permits there are; negative in debt.
    pub(super) fn capacity(&self) -> isize {
        // ORDERING: Relaxed. A snapshot.
        self.capacity.load(Relaxed) as isize
    }

    /// Makes room for `count` permits. Fails if there would be more than [`MAX_PERMITS`].
    pub(super) fn begin_to_add(&self, count: usize) -> bool {
        // ORDERING: Acquire pairs with the release in `lower`: the word has lost what was removed.
        change(&self.ceiling, Acquire, |ceiling| {
            let sum = (count as isize).checked_add(ceiling)?;
            (count <= MAX_PERMITS && sum <= MAX_PERMITS as isize).then_some(sum)
        })
    }

    /// `count` permits, for which there was room, are in the word.
    pub(super) fn added(&self, count: usize) {
        // ORDERING: Release pairs with the acquire in `begin_to_remove`: the word has them.
        self.capacity.fetch_add(count, Release);
    }

    /// Counts `count` permits off, which are to be taken out of the word then. Fails if there are
    /// fewer.
    pub(super) fn begin_to_remove(&self, count: usize) -> bool {
        // ORDERING: Acquire pairs with the release in `added`.
        change(&self.capacity, Acquire, |capacity| {
            let rest = usize::try_from(capacity).ok()?.checked_sub(count)?;
            Some(rest as isize)
        })
    }

    /// `count` permits that were counted off have been taken out of the word.
    pub(super) fn end_of_removing(&self, count: usize) {
        // ORDERING: Release pairs with the acquire in `begin_to_add`.
        self.ceiling.fetch_sub(count, Release);
    }

    /// `count` permits are gone from the word, or were held and will not be given back.
    pub(super) fn removed(&self, count: usize) {
        // ORDERING: Relaxed. Who removes permits need not know of others that are gone.
        self.capacity.fetch_sub(count, Relaxed);
        self.end_of_removing(count);
    }
}

/// Makes of `count` what `to` says, unless that is nothing.
fn change(count: &AtomicUsize, order: Ordering, to: impl Fn(isize) -> Option<isize>) -> bool {
    // ORDERING: Relaxed, here and on failure. The compare-exchange decides.
    let mut now = count.load(Relaxed);
    while let Some(next) = to(now as isize) {
        match count.compare_exchange_weak(now, next as usize, order, Relaxed) {
            Ok(_) => return true,
            Err(other) => now = other,
        }
    }
    false
}
