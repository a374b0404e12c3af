//! What the ends of a channel share.
//!
//! The value is a [snapshot](crate::snapshot), with the number of its version. Receivers wait in `changed` for a
//! version that they have not seen, and senders in `gone` for the last receiver to go.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::{
    ends::Ends,
    loom::AtomicUsize,
    snapshot::{Prepared, Snapshot, Snapshots},
    waiter_queue::Queue,
};

pub(super) struct Shared<T> {
    value: Snapshots<T>,
    /// The number of the last value that receivers may have been told of.
    version: AtomicUsize,
    /// Closed when all senders are gone.
    pub(super) changed: Queue,
    pub(super) gone: Queue,
    pub(super) receivers: Ends,
    pub(super) senders: Ends,
}

// A panic leaves a channel as it should be.
impl<T> std::panic::UnwindSafe for Shared<T> {}
impl<T> std::panic::RefUnwindSafe for Shared<T> {}

impl<T> Shared<T> {
    /// With one sender, and as many receivers.
    pub(super) fn new(value: T, receivers: usize) -> Self {
        let values = Snapshots::new();
        let is_published = values.prepare(value).publish(None, 0).is_ok();
        debug_assert!(is_published, "nobody else has it");
        Self {
            value: values,
            version: AtomicUsize::new(0),
            changed: Queue::new(0),
            gone: Queue::new(0),
            receivers: Ends::new(receivers),
            senders: Ends::new(1),
        }
    }

    pub(super) fn get(&self) -> Snapshot<'_, T> {
        self.value
            .get()
            .expect("there is a value from the beginning")
    }

    /// Publishes a value, and returns the one before.
    pub(super) fn replace(&self, value: T) -> Snapshot<'_, T> {
        let mut prepared = self.value.prepare(value);
        loop {
            let old = self.get();
            match self.publish(prepared, &old) {
                Ok(()) => return old,
                Err(it) => prepared = it,
            }
        }
    }

    /// Publishes what `make` makes of the current value, and says whether it did: `make` may decline. If another
    /// sender is faster, `make` is called once more.
    pub(super) fn modify(&self, mut make: impl FnMut(&T) -> Option<T>) -> bool {
        loop {
            let old = self.get();
            let Some(value) = make(&old) else {
                return false;
            };
            if self.publish(self.value.prepare(value), &old).is_ok() {
                return true;
            }
        }
    }

    /// Publishes a value, unless `old` is not the current one any more.
    fn publish<'a>(
        &self,
        prepared: Prepared<'a, T>,
        old: &Snapshot<'_, T>,
    ) -> Result<(), Prepared<'a, T>> {
        let number = old.number().wrapping_add(1);
        // Dropping what is left of others is their code: last.
        let _left = prepared.publish(Some(old), number)?;
        self.announce(number);
        Ok(())
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

    pub(super) fn remove_receiver(&self) {
        if self.receivers.remove() {
            self.gone.notify_all();
        }
    }

    pub(super) fn remove_sender(&self) {
        // What all have sent comes before the close.
        if self.senders.remove() {
            self.changed.close();
        }
    }
}

/// Versions are counted, and the count may begin anew.
pub(super) fn is_later(version: usize, than: usize) -> bool {
    version.wrapping_sub(than) as isize > 0
}
