//! Taking values with several receivers.
//!
//! Values are *published* in the order of their numbers, without that a sender waits for another. So there is a
//! baton, the bit `TURN` of one slot. Whoever has set both bits of a slot, `READY` or `TURN` second, has the baton: it
//! passes it to the next slot, and goes on as long as it finds `READY` there. Then it says how many values
//! it has published, and there is a permit for each. A sender that is interrupted before `READY` holds up the values
//! behind its own, and publishes them when it goes on; the others never wait.
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

use super::{Block, List, READY, STEP};
use crate::loom::SLOTS;

/// All values before this one are published.
const TURN: u32 = 2;

/// In a block's `taken`: it is the front one.
pub(super) const FRONT: usize = 1 << 16;

impl<T> List<T> {
    /// A list for several receivers.
    pub(in crate::mpsc) fn new_shared() -> Self {
        let list = Self::new();
        // ORDERING: Relaxed, all. Nobody else has it.
        // SAFETY: the list's first block.
        let block = unsafe { &*list.head.block.load(Relaxed) };
        block.slots[0].state.store(TURN, Relaxed);
        block.taken.store(FRONT, Relaxed);
        list
    }

    /// Puts a value. Returns how many values this has published: none if those before are not yet.
    pub(in crate::mpsc) fn put_shared(&self, number: usize, value: T) -> usize {
        let (block, slot) = self.find(number);
        // SAFETY: the number is this call's alone, and not published.
        slot.value.with_mut(|it| unsafe {
            (*it).write(value);
        });
        // ORDERING: Acquire pairs with the release of whoever has set `TURN`, Release publishes the value to
        // whoever sets it later.
        if slot.state.load(Acquire) & TURN != 0 {
            // ORDERING: Release is for the sender that moves the tail. Who publishes it is this one.
            slot.state.store(READY | TURN, Release);
        } else if slot.state.fetch_or(READY, AcqRel) & TURN == 0 {
            return 0;
        }
        self.publish(block, number)
    }

    /// Passes on the baton, which the caller has got at `number`, and returns how many it has published.
    fn publish(&self, mut block: *mut Block<T>, mut number: usize) -> usize {
        let mut count = 0;
        loop {
            count += 1;
            number = number.wrapping_add(STEP);
            // SAFETY: it has the baton, or had it a moment ago, and what has been published on the way is not
            // known to the receivers yet.
            let it = unsafe { &*block };
            let slot = match it.slot(number) {
                Some(slot) => slot,
                None => {
                    block = it.next_or_new();
                    // SAFETY: as above.
                    &unsafe { &*block }.slots[0]
                }
            };
            // ORDERING: Release passes on what this thread and those before it have published; Acquire takes
            // over the value of a sender that was faster.
            if slot.state.fetch_or(TURN, AcqRel) & READY == 0 {
                return count;
            }
        }
    }

    /// Takes the next value. None is there if the channel was closed meanwhile, and others have taken it.
    ///
    /// # Safety
    ///
    /// For a receiver that has a permit; and no receiver calls [`pop`](Self::pop).
    pub(in crate::mpsc) unsafe fn pop_shared(&self) -> Option<T> {
        // ORDERING: Acquire pairs with the release in `pass`: who comes after it sees the new front; and with
        // the one in `pop_left`, by which others have been faster.
        let number = self.head.number.fetch_add(STEP, Acquire);
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
        let end = self.tail.number.load(Relaxed);
        // ORDERING: Relaxed, here and on failure. The compare-exchange decides.
        let mut number = self.head.number.load(Relaxed);
        while (end.wrapping_sub(number) as isize) > 0 {
            // ORDERING: Acquire as in `pop_shared`; Release hands on that all is published.
            match self.head.number.compare_exchange_weak(
                number,
                number.wrapping_add(STEP),
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
            // ORDERING: Relaxed. Those who pass blocks do so one after the other.
            let known_until = |block: &Block<T>| {
                let (left, passed) = (block.known_until()?, block.passed_at.load(Relaxed));
                let of_senders = left.wrapping_sub(start) as isize;
                let of_receivers = passed.wrapping_sub(start) as isize;
                Some(start.wrapping_add_signed(max(of_senders, of_receivers)))
            };
            self.use_again(next, known_until, start);
            // ORDERING: Release hands on what is the front's; Acquire as in `take`.
            if block.taken.fetch_add(FRONT, AcqRel) != SLOTS {
                return;
            }
        }
    }
}
