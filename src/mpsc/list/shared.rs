//! Taking values with several receivers.
//!
//! A receiver that has a permit takes the next number, which is published: there are no more permits than
//! published values. It looks for the number's block from the *front* on, the first one of which not all values
//! were taken, reads the value, and counts it in the block. Whoever counts the last one of the front block makes
//! the next one the front, and goes on as long as it finds all of a block taken. A receiver that is interrupted
//! holds up nobody: only its block stays the front one for longer.
//!
//! A receiver reads the front after it has taken its number. So when the front leaves a block, the numbers that
//! have been taken by then are noted in it, as for senders: the block may be used again when these values were all
//! taken, and all whose senders may know it.
//!
//! **Permits do not count any more once the channel is closed**, and all that was sent is published. Then each
//! receiver takes a number only if there is a value for it. One that had got its permit before may find that
//! others were faster: its slot was never written, and it goes away with nothing.

use std::{
    cmp::max,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use super::{Block, List, READY};
use crate::loom::SLOTS;

/// In a block's `taken`: it is the front one.
pub(super) const FRONT: usize = 1 << 16;

impl<T> List<T> {
    /// Takes the next value. None is there if the channel was closed meanwhile, and others have taken it.
    ///
    /// # Safety
    ///
    /// For a receiver that has a permit; and no receiver calls [`pop`](Self::pop).
    pub(in crate::mpsc) unsafe fn pop_shared(&self) -> Option<T> {
        // ORDERING: Acquire pairs with the release in `pass`: who comes after it sees the new front; and with
        // the one in `pop_left`, by which others have been faster.
        let number = self.head.number.fetch_add(1, Acquire);
        // SAFETY: by the permit, the value is published; if permits do not count any more, `take` looks.
        unsafe { self.take(number) }
    }

    /// Takes the next value of a closed channel, if there is one.
    ///
    /// # Safety
    ///
    /// For a receiver that has seen that no more values will be published; and no receiver calls
    /// [`pop`](Self::pop).
    pub(in crate::mpsc) unsafe fn pop_left(&self) -> Option<T> {
        // ORDERING: Relaxed. The caller has acquired all sends.
        let end = self.next.load(Relaxed);
        // ORDERING: Relaxed, here and on failure. The compare-exchange decides.
        let mut number = self.head.number.load(Relaxed);
        while (end.wrapping_sub(number) as isize) > 0 {
            // ORDERING: Acquire as in `pop_shared`; Release hands on that all is published.
            match self.head.number.compare_exchange_weak(
                number,
                number.wrapping_add(1),
                AcqRel,
                Relaxed,
            ) {
                // SAFETY: there is a value for each number before the end.
                Ok(_) => return unsafe { self.take(number) },
                Err(now) => number = now,
            }
        }
        None
    }

    /// Takes the value with this number.
    ///
    /// # Safety
    ///
    /// The number is the caller's alone. The value is published, or will never be sent.
    unsafe fn take(&self, number: usize) -> Option<T> {
        // ORDERING: Relaxed. The front is at most at the block of the number, or at that of the end; and the caller
        // has acquired what the senders did, which had found these blocks.
        let mut block = self.head.block.load(Relaxed);
        let (block, slot) = loop {
            // SAFETY: the front block when this number had been taken, or one behind it: none is used again
            // before the value is counted.
            let it = unsafe { block.as_ref() }?;
            match it.slot(number) {
                Some(slot) => break (it, slot),
                // ORDERING: Acquire pairs with the release of whoever has linked it: with a number that no sender has
                // had, it may be a spare one.
                None => block = it.next.load(Acquire),
            }
        };
        // ORDERING: Relaxed. The caller has acquired what was sent.
        if slot.state.load(Relaxed) & READY == 0 {
            return None;
        }
        // SAFETY: published, and taken once.
        let value = slot.value.with(|it| unsafe { (*it).assume_init_read() });
        // ORDERING: Release: this receiver is done with the block; Acquire: and so are the others.
        if block.taken.fetch_add(1, AcqRel) == FRONT + SLOTS - 1 {
            self.pass(block);
        }
        Some(value)
    }

    /// Makes the block behind `block` the front one, and those that are taken as well. For whoever has counted the
    /// last value of the front block.
    fn pass(&self, mut block: &Block<T>) {
        loop {
            let next = block.next_or_new();
            // ORDERING: Relaxed. See `take`.
            self.head.block.store(next, Relaxed);
            // ORDERING: a read-modify-write with Release, so that whoever takes a number later sees the new front.
            let number = self.head.number.fetch_add(0, Release);
            // ORDERING: Relaxed. It is read by those who pass blocks, one after the other.
            block.passed_at.store(number, Relaxed);
            // SAFETY: the front block, of whose values none has been counted as the last.
            block = unsafe { &*next };
            let start = block.start();
            // ORDERING: Relaxed. Who has seen a block's last value taken has acquired what its sender did.
            let known_until = |block: &Block<T>| {
                let (left, passed) = (block.left_at.load(Relaxed), block.passed_at.load(Relaxed));
                let of_senders = left.wrapping_sub(start) as isize;
                let of_receivers = passed.wrapping_sub(start) as isize;
                start.wrapping_add_signed(max(of_senders, of_receivers))
            };
            self.use_again(next, known_until, start);
            // ORDERING: Release hands on what is the front's; Acquire as in `take`.
            if block.taken.fetch_add(FRONT, AcqRel) != SLOTS {
                return;
            }
        }
    }
}
