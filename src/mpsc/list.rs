//! The values of a channel: an unbounded list that any thread appends to, and one or several take from.
//!
//! Values have numbers. Each is in a slot of a block, and the blocks are linked:
//!
//! ```text
//!      free          head                    tail
//!        ▼             ▼                       ▼
//!    ┌───────┐     ┌───────┐     ┌───────┐     ┌───────┐     ┌───────┐
//!    │ block ├────►│ block ├────►│ block ├────►│ block ├────►│ spare │
//!    └───────┘     └───────┘     └───────┘     └───────┘     └───────┘
//!      taken        taken and        written       being written
//! ```
//!
//! A sender takes a number, writes the value into that slot, and sets `READY`. How one receiver takes values is in
//! [`single`], and how several do in [`shared`].
//!
//! **The tail** is where a sender begins to look for its slot, after it has taken its number. The sender of a block's
//! first value moves the tail, past all blocks before its own whose values are all there: their senders look for
//! nothing any more. If one of them is not there yet, the next block's first sender moves the tail.
//!
//! **Blocks are used again.** When the tail leaves a block, the numbers that have been taken by then are noted in the
//! block. Later senders never see it. It may be used again when all values with these numbers were taken, for
//! then their senders are done with it.
//!
//! Numbers, blocks and their use again are those of tokio's `sync::mpsc`.

mod shared;
mod single;

use std::{
    array,
    mem::MaybeUninit,
    ptr::null_mut,
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};

use crate::loom::{AtomicPtr, AtomicU32, AtomicUsize, SLOTS, UnsafeCell};

/// The value is there. The other bit of a slot's state is that of [`single`] or of [`shared`].
const READY: u32 = 1;

/// No number is given out any more. A bit of the number that is to be taken next.
const CLOSED: usize = 1;
/// From one number to the next.
const STEP: usize = 2;
/// The tail has left the block. A bit of the number that is noted then.
const LEFT: usize = 1;

/// How many blocks behind `tail` are looked at for a place to put a spare one.
const SPARE: usize = 3;

struct Slot<T> {
    state: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

struct Block<T> {
    /// The number of the first slot. Changed only while the block is nobody else's.
    start: UnsafeCell<usize>,
    next: AtomicPtr<Block<T>>,
    /// The number that was to be taken next when the tail left the block, and `LEFT`.
    left_at: AtomicUsize,
    /// With several receivers: how many values were taken, and whether the block is the front one.
    taken: AtomicUsize,
    /// With several receivers: the value that was to be taken next when the front left the block.
    passed_at: AtomicUsize,
    slots: [Slot<T>; SLOTS],
}

impl<T> Block<T> {
    fn new(start: usize) -> Box<Self> {
        Box::new(Self {
            start: UnsafeCell::new(start),
            next: AtomicPtr::new(null_mut()),
            left_at: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            passed_at: AtomicUsize::new(0),
            slots: array::from_fn(|_| Slot {
                state: AtomicU32::new(0),
                value: UnsafeCell::new(MaybeUninit::uninit()),
            }),
        })
    }

    fn start(&self) -> usize {
        // SAFETY: a block that others can find is not changed.
        self.start.with(|start| unsafe { *start })
    }

    /// The slot with this number, if it is in the block.
    fn slot(&self, number: usize) -> Option<&Slot<T>> {
        self.slots.get(number.wrapping_sub(self.start()) / STEP)
    }

    /// The number after the last one of the block.
    fn end(&self) -> usize {
        self.start().wrapping_add(SLOTS * STEP)
    }

    /// Whether all of its values have been written.
    fn is_written(&self) -> bool {
        // ORDERING: Acquire pairs with the release of the sender: it has found its slot before.
        let is_ready = |slot: &Slot<T>| slot.state.load(Acquire) & READY != 0;
        self.slots.iter().all(is_ready)
    }

    /// The number before which senders may know the block, if the tail has left it.
    fn known_until(&self) -> Option<usize> {
        // ORDERING: Relaxed. If the block may be used again, the value of the sender that has moved the tail was
        // taken, so the caller sees the tail behind this block. Before that, it does not matter.
        let left_at = self.left_at.load(Relaxed);
        (left_at & LEFT != 0).then_some(left_at & !LEFT)
    }

    /// The next block, or null.
    fn next_if_any(&self) -> *mut Self {
        // ORDERING: Acquire pairs with the release of whoever has linked it.
        self.next.load(Acquire)
    }

    /// The next block, which is made if there is none.
    fn next_or_new(&self) -> *mut Self {
        let next = self.next_if_any();
        if !next.is_null() {
            return next;
        }
        let new = Box::into_raw(Block::new(self.end()));
        // ORDERING: Release publishes the block, Acquire as above.
        match self
            .next
            .compare_exchange(null_mut(), new, Release, Acquire)
        {
            Ok(_) => new,
            Err(next) => {
                // SAFETY: made above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(new) });
                next
            }
        }
    }
}

/// The senders' side, in a line of its own.
#[repr(align(64))]
struct Tail<T> {
    /// The number that the next sender takes, and `CLOSED`.
    number: AtomicUsize,
    /// The block at which a sender begins to look for its slot.
    block: AtomicPtr<Block<T>>,
}

/// The receiver's side, or the receivers', in a line of its own.
#[repr(align(64))]
struct Head<T> {
    /// The number that is to be taken next.
    number: AtomicUsize,
    /// The block in which it is, or the one that has been taken to the end before. With several
    /// receivers, the front one.
    block: AtomicPtr<Block<T>>,
    /// The first block that is not used again yet. The receiver's; or of whoever makes a block the front one.
    free: UnsafeCell<*mut Block<T>>,
    /// The number after the last one that was given out, once the list is closed.
    end: AtomicUsize,
}

pub(super) struct List<T> {
    tail: Tail<T>,
    head: Head<T>,
}

// SAFETY: values go from thread to thread, so they have to be `Send`; each is accessed by its sender until it is there,
// and by the receiver that has its number after that. What is free is accessed by one thread at a time.
unsafe impl<T: Send> Send for List<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for List<T> {}

impl<T> List<T> {
    pub(super) fn new() -> Self {
        let block = Box::into_raw(Block::new(0));
        Self {
            tail: Tail {
                number: AtomicUsize::new(0),
                block: AtomicPtr::new(block),
            },
            head: Head {
                number: AtomicUsize::new(0),
                block: AtomicPtr::new(block),
                free: UnsafeCell::new(block),
                end: AtomicUsize::new(0),
            },
        }
    }

    // ---- numbers ----

    /// Takes a number to send by, if the list is not closed. A value has to be put there.
    pub(super) fn take_number(&self) -> Option<usize> {
        // ORDERING: Acquire pairs with the release in `advance`: who comes after it sees the new tail; and with the one
        // in `close`.
        let number = self.tail.number.fetch_add(STEP, Acquire);
        (number & CLOSED == 0).then_some(number)
    }

    /// Gives out no more numbers. For the only receiver, once.
    pub(super) fn close(&self) {
        // ORDERING: Release: what came before the close happened before a send is refused.
        let end = self.tail.number.fetch_or(CLOSED, Release);
        if end & CLOSED == 0 {
            // ORDERING: Relaxed. The receiver's alone.
            self.head.end.store(end, Relaxed);
        }
    }

    /// Whether no more numbers are given out.
    pub(super) fn is_closed(&self) -> bool {
        // ORDERING: Acquire pairs with the release in `close`.
        self.tail.number.load(Acquire) & CLOSED != 0
    }

    /// Whether no more numbers are given out, and the receiver has taken all values. For the only receiver.
    pub(super) fn is_over(&self) -> bool {
        self.is_closed() && self.left() == 0
    }

    /// How many values have numbers and were not taken. All of them are there if no sender is at work.
    pub(super) fn left(&self) -> usize {
        // ORDERING: Relaxed, all. Whoever has seen that no sender is at work has acquired what they did.
        let mut end = self.tail.number.load(Relaxed);
        if end & CLOSED != 0 {
            end = self.head.end.load(Relaxed);
        }
        let left = end.wrapping_sub(self.head.number.load(Relaxed));
        // Several receivers may have asked for more than there was.
        (left as isize).max(0) as usize / STEP
    }

    // ---- blocks ----

    /// The slot with this number, and its block, for the sender that has taken it.
    #[inline]
    fn find(&self, number: usize) -> (*mut Block<T>, &Slot<T>) {
        // ORDERING: Acquire pairs with the release in `advance`: the block is seen as it was made.
        let tail = self.tail.block.load(Acquire);
        // SAFETY: the tail when this number had been taken, or one behind it: it is not used again before the number's
        // value is taken.
        match unsafe { &*tail }.slot(number) {
            Some(slot) => (tail, slot),
            None => self.find_behind(tail, number),
        }
    }

    #[cold]
    fn find_behind(&self, tail: *mut Block<T>, number: usize) -> (*mut Block<T>, &Slot<T>) {
        let mut block = tail;
        loop {
            // SAFETY: as in `find`.
            let it = unsafe { &*block };
            if let Some(slot) = it.slot(number) {
                if number == it.start() {
                    self.advance(tail, block);
                }
                return (block, slot);
            }
            block = it.next_or_new();
        }
    }

    /// Moves the tail from `tail` on, past blocks that are written, up to `end`. For a sender that has found both,
    /// and has not written its value.
    fn advance(&self, mut tail: *mut Block<T>, end: *mut Block<T>) {
        while tail != end {
            // SAFETY: as in `find`.
            let block = unsafe { &*tail };
            if !block.is_written() {
                return;
            }
            // ORDERING: Relaxed. The caller has come this way.
            let next = block.next.load(Relaxed);
            // ORDERING: Release publishes the block to those who find it here. Relaxed if another sender is faster.
            let moved = self
                .tail
                .block
                .compare_exchange(tail, next, Release, Relaxed);
            if moved.is_err() {
                return;
            }
            // ORDERING: a read-modify-write with Release, so that whoever takes a number later sees the new tail.
            let taken = self.tail.number.fetch_add(0, Release);
            // ORDERING: Relaxed. Who uses the block again has taken this sender's value, which comes after.
            block.left_at.store(taken & !CLOSED | LEFT, Relaxed);
            tail = next;
        }
    }

    /// Links the blocks before `end` that everybody is done with behind the tail. All values before `done` were
    /// taken, and `known_until` says whose numbers, those before it, may have known a block, once that is known.
    ///
    /// For the receiver, or for whoever has just made `end` the front block.
    fn use_again(
        &self,
        end: *mut Block<T>,
        known_until: impl Fn(&Block<T>) -> Option<usize>,
        done: usize,
    ) {
        self.head.free.with_mut(|free| {
            // SAFETY: the caller's alone.
            let free = unsafe { &mut *free };
            while *free != end {
                // SAFETY: the list's, in front of the head, and not used again yet.
                let block = unsafe { &**free };
                let is_done = |known_until| done.wrapping_sub(known_until) as isize >= 0;
                if !known_until(block).is_some_and(is_done) {
                    return;
                }
                // ORDERING: Relaxed. Published long ago.
                let next = block.next.load(Relaxed);
                let first = std::mem::replace(free, next);
                // SAFETY: made by `Box`. All who have known it are done with it: their numbers have been taken.
                self.append(unsafe { Box::from_raw(first) });
            }
        });
    }

    /// Links a block that nobody else knows behind the tail, or frees it if there are spare ones already.
    fn append(&self, block: Box<Block<T>>) {
        for slot in &block.slots {
            // ORDERING: Relaxed, here and below. Linking it publishes it.
            slot.state.store(0, Relaxed);
        }
        block.taken.store(0, Relaxed);
        block.left_at.store(0, Relaxed);
        block.next.store(null_mut(), Relaxed);
        // ORDERING: Acquire: its start is looked at.
        let mut last = self.tail.block.load(Acquire);
        let block = Box::into_raw(block);
        for _ in 0..SPARE {
            // SAFETY: at or behind the tail, and only the caller uses blocks again.
            let it = unsafe { &*last };
            let start = it.end();
            // SAFETY: nobody else knows it.
            unsafe { (*block).start.with_mut(|it| *it = start) };
            // ORDERING: Release publishes the block, Acquire is for the start of the next one.
            match it
                .next
                .compare_exchange(null_mut(), block, Release, Acquire)
            {
                Ok(_) => return,
                Err(next) => last = next,
            }
        }
        // SAFETY: made by `Box`, and nobody else knows it.
        drop(unsafe { Box::from_raw(block) });
    }
}

impl<T> Drop for List<T> {
    fn drop(&mut self) {
        let _blocks = Blocks(self);
        let mut left = Values {
            list: self,
            count: self.left(),
        };
        left.drop_all();
    }
}

/// Frees the blocks of a list that is dropped.
struct Blocks<'a, T>(&'a List<T>);

impl<T> Drop for Blocks<'_, T> {
    fn drop(&mut self) {
        // SAFETY: nobody else has it.
        let mut block = self.0.head.free.with(|free| unsafe { *free });
        while !block.is_null() {
            // SAFETY: made by `Box`; the list's, which is dropped.
            let it = unsafe { Box::from_raw(block) };
            // ORDERING: Relaxed. As above.
            block = it.next.load(Relaxed);
        }
    }
}

/// Values to be dropped, all of them even if dropping one panics.
struct Values<'a, T> {
    list: &'a List<T>,
    count: usize,
}

impl<T> Values<'_, T> {
    fn drop_all(&mut self) {
        while self.count > 0 {
            self.count -= 1;
            // SAFETY: all senders are gone, so what has a number is there; and so is the receiver.
            drop(unsafe { self.list.pop() });
        }
    }
}

impl<T> Drop for Values<'_, T> {
    fn drop(&mut self) {
        self.drop_all();
    }
}
