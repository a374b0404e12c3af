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
//!      taken        taken and        published       being written
//! ```
//!
//! A sender takes a number, writes the value into that slot, and sets `READY`. Values are to be *published*
//! in the order of their numbers, without that a sender waits for another. So there is a baton, the bit
//! `TURN` of one slot. Whoever has set both bits of a slot, `READY` or `TURN` second, has the baton: it
//! passes it to the next slot, and goes on as long as it finds `READY` there. Then it says how many values
//! it has published. A sender that is interrupted before `READY` holds up the values behind its own, and
//! publishes them when it goes on; the others never wait.
//!
//! Whoever has the baton moves `tail` to the next block. The receiver takes values that it knows to be
//! published, and uses the blocks again. A sender reads `tail` after it has taken its number. When `tail`
//! leaves a block, the numbers that have been taken by then are noted in the block: it may be used again when
//! the receiver has all of these, for then their senders are done with it, and later ones never see it.
//!
//! That is with one receiver. How several take values is in [`shared`].
//!
//! Numbers, blocks and their use again are those of tokio's `sync::mpsc`; the baton takes the place of a
//! receiver that looks at each slot.

mod shared;

use std::{
    array,
    mem::MaybeUninit,
    ptr::null_mut,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use crate::loom::{AtomicPtr, AtomicU32, AtomicUsize, SLOTS, UnsafeCell};

/// The value is there.
const READY: u32 = 1;
/// All values before this one are published.
const TURN: u32 = 2;

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
    /// The number that was to be taken next when `tail` left the block.
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
        self.slots.get(number.wrapping_sub(self.start()))
    }

    /// The next block, which is made if there is none.
    fn next_or_new(&self) -> *mut Self {
        // ORDERING: Acquire pairs with the release of whoever has linked it.
        let next = self.next.load(Acquire);
        if !next.is_null() {
            return next;
        }
        let new = Box::into_raw(Block::new(self.start().wrapping_add(SLOTS)));
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

/// The receiver's side, or the receivers'.
struct Head<T> {
    /// The number that is to be taken next.
    number: AtomicUsize,
    /// The block in which it is, or the one that has been taken to the end before. With several
    /// receivers, the front one.
    block: AtomicPtr<Block<T>>,
    /// The first block that is not used again yet. The receiver's; or of whoever makes a block the front one.
    free: UnsafeCell<*mut Block<T>>,
}

pub(super) struct List<T> {
    /// The number that the next sender takes.
    next: AtomicUsize,
    /// The block in which the baton is.
    tail: AtomicPtr<Block<T>>,
    head: Head<T>,
}

// SAFETY: values go from thread to thread, so they have to be `Send`; each is accessed by its sender until it is published,
// and by the receiver that has its number after that. What is free is accessed by one thread at a time.
unsafe impl<T: Send> Send for List<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for List<T> {}

impl<T> List<T> {
    pub(super) fn new() -> Self {
        let block = Block::new(0);
        // ORDERING: Relaxed. Nobody else has it.
        block.slots[0].state.store(TURN, Relaxed);
        block.taken.store(shared::FRONT, Relaxed);
        let block = Box::into_raw(block);
        Self {
            next: AtomicUsize::new(0),
            tail: AtomicPtr::new(block),
            head: Head {
                number: AtomicUsize::new(0),
                block: AtomicPtr::new(block),
                free: UnsafeCell::new(block),
            },
        }
    }

    /// Appends a value. Returns how many values this has published: none if those before are not yet.
    pub(super) fn push(&self, value: T) -> usize {
        // ORDERING: Acquire pairs with the release in `leave`: who comes after it sees the new tail.
        let number = self.next.fetch_add(1, Acquire);
        // ORDERING: Acquire pairs with the release in `leave`: the block is seen as it was made.
        let mut block = self.tail.load(Acquire);
        let slot = loop {
            // SAFETY: a block with unpublished numbers, of which this is one, or one before it that was the tail
            // when this number had been taken: neither is used again before the number is published.
            let it = unsafe { &*block };
            match it.slot(number) {
                Some(slot) => break slot,
                None => block = it.next_or_new(),
            }
        };
        // SAFETY: the number is this call's alone, and not published.
        slot.value.with_mut(|it| unsafe {
            (*it).write(value);
        });
        // ORDERING: Acquire pairs with the release of whoever has set `TURN`, Release publishes the value to
        // whoever sets it later.
        if slot.state.load(Acquire) & TURN != 0 {
            // ORDERING: Relaxed. It has the baton, and publishes this with the value.
            slot.state.store(READY | TURN, Relaxed);
        } else if slot.state.fetch_or(READY, AcqRel) & TURN == 0 {
            return 0;
        }
        self.publish(block, number)
    }

    /// Passes on the baton, which the caller has got at `number`, and returns how many it has published.
    fn publish(&self, mut block: *mut Block<T>, number: usize) -> usize {
        let mut count = 0;
        loop {
            count += 1;
            let next = number.wrapping_add(count);
            // SAFETY: it has the baton, or had it a moment ago, and what has been published on the way is not
            // known to the receiver yet.
            let it = unsafe { &*block };
            let slot = match it.slot(next) {
                Some(slot) => slot,
                None => {
                    block = it.next_or_new();
                    self.leave(it, block);
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

    /// Moves the tail from `block`, all of whose values are published, to `next`. For whoever has the baton.
    fn leave(&self, block: &Block<T>, next: *mut Block<T>) {
        // ORDERING: Release publishes the block to those who find it here.
        self.tail.store(next, Release);
        // ORDERING: a read-modify-write with Release, so that whoever takes a number later sees the new tail.
        let taken = self.next.fetch_add(0, Release);
        // ORDERING: Relaxed. The receiver looks when it has a value of the next block, which is published later.
        block.left_at.store(taken, Relaxed);
    }

    /// Takes the next value.
    ///
    /// # Safety
    ///
    /// For the only receiver, which knows that the value is published.
    pub(super) unsafe fn pop(&self) -> T {
        // ORDERING: Relaxed, for all of the head: it is the receiver's alone.
        let number = self.head.number.load(Relaxed);
        // SAFETY: a block that has values which are not taken, or the one before.
        let mut block = unsafe { &*self.head.block.load(Relaxed) };
        let slot = match block.slot(number) {
            Some(slot) => slot,
            None => {
                // ORDERING: Relaxed. One of its values is published, and whoever did that had found the block.
                let next = block.next.load(Relaxed);
                self.head.block.store(next, Relaxed);
                self.use_again(next, |block| block.left_at.load(Relaxed), number);
                // SAFETY: as above.
                block = unsafe { &*next };
                &block.slots[0]
            }
        };
        // SAFETY: published, and taken once.
        let value = slot.value.with(|it| unsafe { (*it).assume_init_read() });
        self.head.number.store(number.wrapping_add(1), Relaxed);
        value
    }

    /// How many values have numbers and were not taken. All of them are published if no sender is at work.
    pub(super) fn left(&self) -> usize {
        // ORDERING: Relaxed. Whoever has seen that no sender is at work has acquired what they did.
        let end = self.next.load(Relaxed);
        let left = end.wrapping_sub(self.head.number.load(Relaxed));
        // Several receivers may have asked for more than there was.
        (left as isize).max(0) as usize
    }

    /// Links the blocks before `end` that everybody is done with behind the tail. All values before `done` were
    /// taken, and `known_until` says whose numbers, those before it, may have known a block.
    ///
    /// For the receiver, or for whoever has just made `end` the front block.
    fn use_again(&self, end: *mut Block<T>, known_until: impl Fn(&Block<T>) -> usize, done: usize) {
        self.head.free.with_mut(|free| {
            // SAFETY: the caller's alone.
            let free = unsafe { &mut *free };
            while *free != end {
                // SAFETY: the list's, in front of the head, and not used again yet.
                let block = unsafe { &**free };
                if (done.wrapping_sub(known_until(block)) as isize) < 0 {
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
        block.next.store(null_mut(), Relaxed);
        // ORDERING: Acquire: its start is looked at.
        let mut last = self.tail.load(Acquire);
        let block = Box::into_raw(block);
        for _ in 0..SPARE {
            // SAFETY: at or behind the tail, and only the caller uses blocks again.
            let it = unsafe { &*last };
            let start = it.start().wrapping_add(SLOTS);
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
            // SAFETY: all senders are gone, so what has a number is published; and so is the receiver.
            drop(unsafe { self.list.pop() });
        }
    }
}

impl<T> Drop for Values<'_, T> {
    fn drop(&mut self) {
        self.drop_all();
    }
}
