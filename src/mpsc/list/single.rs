//! Taking values with one receiver, which looks at the slots.
//!
//! The receiver takes its next value when it finds `READY` in that value's slot. So a send tells nobody of it,
//! and a receipt takes no read-modify-write.
//!
//! A receiver that finds nothing begins to wait, and *then* sets `AWAITED` in the slot, and looks once more. Either it
//! finds the value, or the sender of the value finds `AWAITED`, and ends the wait:
//!
//! ```text
//!              READY: the sender
//!       0 ─────────────────────────────► READY
//!       │ AWAITED: the receiver            ▲
//!       ▼                                  │ the sender, which ends the wait
//!    AWAITED ──────────────────────────────┘
//! ```
//!
//! A sender that is interrupted before `READY` holds up the values behind its own.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::{Block, List, READY, Slot};

/// The receiver waits for this value.
const AWAITED: u32 = 2;

impl<T> List<T> {
    /// Puts a value. Says whether the receiver has begun to wait for it.
    pub(in crate::mpsc) fn put(&self, number: usize, value: T) -> bool {
        let (_, slot) = self.find(number);
        // SAFETY: the number is this call's alone, and not there.
        slot.value.with_mut(|it| unsafe {
            (*it).write(value);
        });
        // ORDERING: Release publishes the value. Acquire pairs with the release in `await_next`: the wait has begun.
        slot.state.swap(READY, AcqRel) & AWAITED != 0
    }

    /// Takes the next value, if it is there.
    ///
    /// # Safety
    ///
    /// For the only receiver.
    pub(in crate::mpsc) unsafe fn pop(&self) -> Option<T> {
        // ORDERING: Relaxed, for all of the head: it is the receiver's alone.
        let number = self.head.number.load(Relaxed);
        // SAFETY: the caller is the only receiver.
        let slot = unsafe { self.next_slot(number, Block::next_if_any) }?;
        // ORDERING: Acquire pairs with the release of the sender.
        if slot.state.load(Acquire) & READY == 0 {
            return None;
        }
        // SAFETY: there, and taken once.
        let value = slot.value.with(|it| unsafe { (*it).assume_init_read() });
        self.head
            .number
            .store(number.wrapping_add(super::STEP), Relaxed);
        Some(value)
    }

    /// Has the sender of the next value end the wait, which has begun. The caller has to look once more.
    ///
    /// # Safety
    ///
    /// For the only receiver.
    pub(in crate::mpsc) unsafe fn await_next(&self) {
        // ORDERING: Relaxed, as in `pop`.
        let number = self.head.number.load(Relaxed);
        // SAFETY: the caller is the only receiver.
        if let Some(slot) = unsafe { self.next_slot(number, Block::next_or_new) } {
            // ORDERING: Release: the sender that sees this finds the receiver in the queue.
            slot.state.fetch_or(AWAITED, Release);
        }
    }

    /// Whether the next value is there.
    ///
    /// # Safety
    ///
    /// Beside the only receiver, while that takes none.
    pub(in crate::mpsc) unsafe fn has_next(&self) -> bool {
        // ORDERING: Relaxed, as in `pop`.
        let number = self.head.number.load(Relaxed);
        // SAFETY: the block of a value that is not taken, or the one before.
        let block = unsafe { &*self.head.block.load(Relaxed) };
        let slot = block.slot(number).or_else(|| {
            // SAFETY: the list's, behind the head.
            let next = unsafe { block.next_if_any().as_ref() }?;
            next.slots.first()
        });
        // ORDERING: Relaxed. A snapshot.
        slot.is_some_and(|slot| slot.state.load(Relaxed) & READY != 0)
    }

    /// The slot of the receiver's next value. If it is in the next block, that becomes the head.
    ///
    /// # Safety
    ///
    /// For the only receiver.
    unsafe fn next_slot(
        &self,
        number: usize,
        next_of: impl FnOnce(&Block<T>) -> *mut Block<T>,
    ) -> Option<&Slot<T>> {
        // SAFETY: the block of a value that is not taken, or the one before.
        let block = unsafe { &*self.head.block.load(Relaxed) };
        block.slot(number).or_else(|| {
            let next = next_of(block);
            if next.is_null() {
                return None;
            }
            self.head.block.store(next, Relaxed);
            self.use_again(next, Block::known_until, number);
            // SAFETY: as above.
            unsafe { &*next }.slots.first()
        })
    }
}
