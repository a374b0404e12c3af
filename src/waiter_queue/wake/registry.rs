//! All doorbells there are, and who owns them.

use std::{
    mem,
    ptr::null_mut,
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};

use super::{
    super::tier::WakeTier,
    doorbell::{Doorbell, Home, Signaller},
    node::WakeList,
    run::{discard, wake},
};
use crate::loom::{AtomicPtr, AtomicUsize, BUDGET};

/// All doorbells there are. The list only grows: whoever holds a stale [`Home`] may look at it.
///
/// `S` is what the tiers of a doorbell signal by.
pub(crate) struct Doorbells<S: 'static> {
    first: AtomicPtr<Place<S>>,
}

/// A doorbell's place in the list.
struct Place<S: 'static> {
    doorbell: Doorbell,
    signaller: &'static S,
    is_taken: AtomicUsize,
    next: *mut Place<S>,
}

impl<S: Signaller + Default> Doorbells<S> {
    pub(crate) fn new() -> Self {
        Self {
            first: AtomicPtr::new(null_mut()),
        }
    }

    /// Opens a doorbell that nobody has for a runtime of this thread.
    pub(crate) fn open(&'static self, tier: WakeTier) -> DoorbellOwner<S> {
        let place = self.claim();
        place.doorbell.open(tier);
        DoorbellOwner {
            place,
            taken: WakeList::new(),
        }
    }

    /// Takes a place that is free, or makes one.
    fn claim(&self) -> &'static Place<S> {
        // ORDERING: Acquire pairs with the release below: the places are seen as they were made.
        let first = self.first.load(Acquire);
        let mut next = first;
        // SAFETY: places are published whole and never freed.
        while let Some(place) = unsafe { next.as_ref() } {
            // ORDERING: Acquire pairs with the release in `DoorbellOwner::drop`: the runtime before has
            // ended.
            if place
                .is_taken
                .compare_exchange(0, 1, Acquire, Relaxed)
                .is_ok()
            {
                return place;
            }
            next = place.next;
        }
        let signaller: &'static S = Box::leak(Box::default());
        let place = Box::into_raw(Box::new(Place {
            doorbell: Doorbell::new(signaller),
            signaller,
            is_taken: AtomicUsize::new(1),
            next: first,
        }));
        let mut next = first;
        // ORDERING: Release publishes the place, and as a read-modify-write leaves the places below it
        // published by those who made them. Relaxed on failure: nothing is looked at.
        while let Err(now) = self
            .first
            .compare_exchange_weak(next, place, Release, Relaxed)
        {
            next = now;
            // SAFETY: not published yet.
            unsafe { (*place).next = next };
        }
        // SAFETY: places are never freed.
        unsafe { &*place }
    }

    /// Frees the list, and returns how many places it had. For models, in which nobody has one any more.
    #[cfg(all(test, compio_sync_loom))]
    pub(crate) fn free(&self) -> usize {
        let mut count = 0;
        // ORDERING: Relaxed. The threads have been joined.
        let mut next = self.first.load(Relaxed);
        while !next.is_null() {
            // SAFETY: made by `claim`, and nobody else's any more.
            let place = unsafe { Box::from_raw(next) };
            let signaller = std::ptr::from_ref(place.signaller).cast_mut();
            next = place.next;
            drop(place);
            // SAFETY: leaked by `claim`; only the doorbell referred to it.
            drop(unsafe { Box::from_raw(signaller) });
            count += 1;
        }
        count
    }
}

/// A runtime's doorbell, for as long as it has one: what its listener holds.
pub(crate) struct DoorbellOwner<S: 'static> {
    place: &'static Place<S>,
    /// Taken out of the mailbox; still to be woken.
    taken: WakeList<Home>,
}

impl<S> DoorbellOwner<S> {
    pub(crate) fn doorbell(&self) -> &'static Doorbell {
        &self.place.doorbell
    }

    pub(crate) fn signaller(&self) -> &'static S {
        self.place.signaller
    }

    /// Wakes those who were delivered, until there are none and `fall_asleep` has succeeded. Returns
    /// false if it has woken many, and other tasks should run first.
    pub(crate) fn drain(&mut self, mut fall_asleep: impl FnMut(&'static Doorbell) -> bool) -> bool {
        let doorbell = self.doorbell();
        let home = doorbell.home();
        let mut woken = 0;
        loop {
            if self.taken.is_empty() {
                self.taken = doorbell.take();
            }
            if self.taken.is_empty() {
                if fall_asleep(doorbell) {
                    return true;
                }
                continue;
            }
            if woken == BUDGET {
                return false;
            }
            woken += 1;
            let Some(next) = self.taken.pop_front() else {
                continue;
            };
            // If not, it is of a runtime that had the doorbell before, and will not be woken.
            if next.home() == Some(home) {
                doorbell.count_wake();
            }
            // A task's waker does not panic. If one does, there is nobody to pass it on to
            // whose fault it could be, and others wait to be woken.
            mem::forget(wake(next));
        }
    }

    /// Closes the doorbell, drops the wakers that were not called, and then the listener's own: its task
    /// is cancelled by then, so that compio keeps nobody who calls its waker, and its executor will be
    /// gone.
    pub(crate) fn close(&mut self) {
        let mut left = self.doorbell().close();
        while let Some(wake) = self.taken.pop_front().or_else(|| left.pop_front()) {
            mem::forget(discard(wake));
        }
        self.doorbell().drop_listener();
    }
}

impl<S> Drop for DoorbellOwner<S> {
    fn drop(&mut self) {
        self.close();
        // ORDERING: Release pairs with the acquire in `Doorbells::claim`.
        self.place.is_taken.store(0, Release);
    }
}
