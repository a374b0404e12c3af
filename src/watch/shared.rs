//! What the ends of a channel share.
//!
//! The value is a [snapshot](crate::snapshot), with the number of its version. Receivers wait in `changed` for a
//! version that they have not seen, and senders in `gone` for the last receiver to go.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::{
    loom::AtomicUsize,
    snapshot::{Snapshot, Snapshots},
    waiter_queue::Queue,
};

pub(super) struct Shared<T> {
    value: Snapshots<T>,
    /// The number of the last value that receivers may have been told of.
    version: AtomicUsize,
    /// Closed when all senders are gone.
    pub(super) changed: Queue,
    pub(super) gone: Queue,
    receivers: AtomicUsize,
    senders: AtomicUsize,
}

// A panic leaves a channel as it should be.
impl<T> std::panic::UnwindSafe for Shared<T> {}
impl<T> std::panic::RefUnwindSafe for Shared<T> {}

impl<T> Shared<T> {
    /// With one sender, and as many receivers.
    pub(super) fn new(value: T, receivers: usize) -> Self {
        let values = Snapshots::new();
        let Ok(()) = values.replace(None, 0, value) else {
            unreachable!("nobody else has it")
        };
        Self {
            value: values,
            version: AtomicUsize::new(0),
            changed: Queue::new(0),
            gone: Queue::new(0),
            receivers: AtomicUsize::new(receivers),
            senders: AtomicUsize::new(1),
        }
    }

    pub(super) fn get(&self) -> Snapshot<'_, T> {
        self.value
            .get()
            .expect("there is a value from the beginning")
    }

    /// Publishes what `make` makes of the current value, and returns what that was. `make` may decline.
    ///
    /// If another sender is faster, `make` is called once more, with the value that it has returned.
    pub(super) fn publish(
        &self,
        mut make: impl FnMut(&Snapshot<'_, T>, Option<T>) -> Option<T>,
    ) -> Option<Snapshot<'_, T>> {
        let mut value = None;
        loop {
            let old = self.get();
            let number = old.number().wrapping_add(1);
            match self.value.replace(Some(&old), number, make(&old, value)?) {
                Ok(()) => {
                    self.announce(number);
                    return Some(old);
                }
                Err(it) => value = Some(it),
            }
        }
    }

    /// Tells receivers of a version.
    fn announce(&self, number: usize) {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut version = self.version.load(Relaxed);
        // A later one may have been faster.
        while is_later(number, version) {
            // ORDERING: Release pairs with `version`: the value is there.
            match self
                .version
                .compare_exchange_weak(version, number, Release, Relaxed)
            {
                Ok(_) => break,
                Err(now) => version = now,
            }
        }
        self.changed.notify_all();
    }

    /// The number of a value that can be seen, and of which nobody needs to be told any more.
    pub(super) fn version(&self) -> usize {
        // ORDERING: Acquire pairs with `announce`.
        self.version.load(Acquire)
    }

    /// A version later than `seen`, if there is one.
    pub(super) fn later_than(&self, seen: usize) -> Option<usize> {
        let version = self.version();
        is_later(version, seen).then_some(version)
    }

    /// Whether all senders are gone.
    pub(super) fn is_at_end(&self) -> bool {
        self.changed.is_no_wait()
    }

    // ---- the ends ----

    pub(super) fn receivers(&self) -> usize {
        // ORDERING: Acquire pairs with `remove_receiver`.
        self.receivers.load(Acquire)
    }

    pub(super) fn add_receiver(&self) {
        // ORDERING: Relaxed. It only counts.
        let before = self.receivers.fetch_add(1, Relaxed);
        assert!(before <= isize::MAX as usize, "too many receivers");
    }

    pub(super) fn remove_receiver(&self) {
        // ORDERING: AcqRel: what receivers have done comes before whoever sees that they are gone.
        if self.receivers.fetch_sub(1, AcqRel) == 1 {
            self.gone.notify_all();
        }
    }

    pub(super) fn senders(&self) -> usize {
        // ORDERING: Relaxed. A snapshot.
        self.senders.load(Relaxed)
    }

    pub(super) fn add_sender(&self) {
        // ORDERING: Relaxed. The caller has one already.
        let before = self.senders.fetch_add(1, Relaxed);
        assert!(before <= isize::MAX as usize, "too many senders");
    }

    pub(super) fn remove_sender(&self) {
        // ORDERING: AcqRel: what all have sent comes before the close.
        if self.senders.fetch_sub(1, AcqRel) == 1 {
            self.changed.close();
        }
    }
}

/// Versions are counted, and the count may begin anew.
pub(super) fn is_later(version: usize, than: usize) -> bool {
    version.wrapping_sub(than) as isize > 0
}
