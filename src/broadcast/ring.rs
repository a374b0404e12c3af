//! What the ends of a channel share.
//!
//! Values have numbers. A value is in the cell that its number has in a ring, as a [snapshot](crate::snapshot), until
//! the value that comes one round later is put there. A sender takes a number, puts its value into the cell, and tells
//! the receivers, which wait for the number that they have not had.
//!
//! Nobody waits for a sender that is interrupted in between but the receivers whose next value that is: those do not
//! take values out of order. If others have gone a whole round meanwhile, its value is overwritten before it was there.

use std::sync::atomic::Ordering::Relaxed;

use super::error::RecvError;
use crate::{
    ends::Ends,
    loom::AtomicUsize,
    snapshot::Snapshots,
    waiter_queue::{Queue, Slot},
};

pub(super) struct Ring<T> {
    /// As many as a power of two.
    cells: Box<[Snapshots<T>]>,
    /// The number of the next value.
    next: AtomicUsize,
    /// Where receivers wait for values. Closed when all senders are gone.
    pub(super) sent: Queue,
    /// Where senders wait for the last receiver to go.
    pub(super) gone: Queue,
    pub(super) receivers: Ends,
    pub(super) senders: Ends,
    pub(super) weak_senders: Ends,
}

// A panic leaves a channel as it should be.
impl<T> std::panic::UnwindSafe for Ring<T> {}
impl<T> std::panic::RefUnwindSafe for Ring<T> {}

impl<T> Ring<T> {
    /// With one sender, and as many receivers.
    pub(super) fn new(capacity: usize, receivers: usize) -> Self {
        Self {
            cells: (0..capacity.next_power_of_two())
                .map(|_| Snapshots::new())
                .collect(),
            next: AtomicUsize::new(0),
            sent: Queue::new(0),
            gone: Queue::new(0),
            receivers: Ends::new(receivers),
            senders: Ends::new(1),
            weak_senders: Ends::new(0),
        }
    }

    fn cell(&self, number: usize) -> &Snapshots<T> {
        &self.cells[number & (self.cells.len() - 1)]
    }

    /// The number of the next value.
    pub(super) fn next(&self) -> usize {
        // ORDERING: Relaxed. What a value brings along comes with its cell.
        self.next.load(Relaxed)
    }

    /// Sends a value.
    ///
    /// From the number to the value none of other people's code is run: if it panicked, receivers would wait for that
    /// number for ever.
    pub(super) fn send(&self, value: T) {
        let _left;
        // ORDERING: Relaxed. Who finds the value in its cell has acquired this, too.
        let number = self.next.fetch_add(1, Relaxed);
        let cell = self.cell(number);
        let mut prepared = cell.prepare(value);
        loop {
            let old = cell.get_quietly();
            if old
                .as_ref()
                .is_some_and(|old| is_later(old.number(), number))
            {
                // A whole round has gone by. This one is dropped.
                _left = (old, None, Some(prepared));
                break;
            }
            match prepared.publish(old.as_ref(), number) {
                Ok(left) => {
                    _left = (old, Some(left), None);
                    break;
                }
                Err(it) => prepared = it,
            }
            if let Some(old) = old {
                old.end_quietly();
            }
        }
        self.sent.notify_all();
    }

    /// Drops the values before `end`, which nobody will receive.
    fn clear_before(&self, end: usize) {
        for number in (end.saturating_sub(self.cells.len())..end).rev() {
            let cell = self.cell(number);
            // Others may be sending, and have receivers again.
            while let Some(value) = cell.get()
                && is_later(end, value.number())
                && !cell.clear(&value)
            {}
        }
    }

    /// Whether all senders are gone.
    pub(super) fn is_at_end(&self) -> bool {
        self.sent.is_no_wait()
    }

    // ---- the ends ----

    pub(super) fn remove_receiver(&self) {
        // Whoever comes after the last one begins after what that clears.
        let end = self.next();
        if self.receivers.remove() {
            self.gone.notify_all();
            self.clear_before(end);
        }
    }

    pub(super) fn remove_sender(&self) {
        // What all have sent comes before the close.
        if self.senders.remove() {
            self.sent.close();
        }
    }
}

impl<T: Clone> Ring<T> {
    /// The value at `position`, which then is the next one's; or how many are gone that were there before it. `None`
    /// if it is not there yet.
    pub(super) fn look(&self, position: &mut usize) -> Option<Result<T, RecvError>> {
        let value = self.cell(*position).get()?;
        if value.number() == *position {
            *position = position.wrapping_add(1);
            // The caller's code. If it panics, the receiver goes on with the next value.
            return Some(Ok(T::clone(&value)));
        }
        if !is_later(value.number(), *position) {
            return None;
        }
        // ORDERING: Relaxed. That the later value is there was acquired, and so is that there is a next number.
        let oldest = self.next.load(Relaxed).wrapping_sub(self.cells.len());
        let missed = oldest.wrapping_sub(*position);
        *position = oldest;
        Some(Err(RecvError::Lagged(missed as u64)))
    }

    /// [Looks](Self::look); and says so if there will be nothing.
    pub(super) fn look_or_end(&self, position: &mut usize) -> Option<Result<T, RecvError>> {
        if let Some(result) = self.look(position) {
            return Some(result);
        }
        if !self.is_at_end() {
            return None;
        }
        // What came before the end is there by now.
        Some(self.look(position).unwrap_or(Err(RecvError::Closed)))
    }
}

/// A wait in `slot` of `queue` is over.
pub(super) fn leave(queue: &Queue, slot: &mut Slot) {
    if let Slot::Waiting(_) = slot {
        queue.leave(slot);
    }
    *slot = Slot::Done;
}

/// Numbers are counted, and the count may begin anew.
pub(super) fn is_later(number: usize, than: usize) -> bool {
    number.wrapping_sub(than) as isize > 0
}
