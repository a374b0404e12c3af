//! The bits of a queue's word.
//!
//! ```text
//!   bit  0        1        2         3         4       5 ..  SHIFT  SHIFT ..
//!      ┌────────┬────────┬─────────┬─────────┬───────┬────────────┬────────────────────┐
//! word │ QUEUED │ LOCKED │ PENDING │ NO_WAIT │ WOKEN │ barged     │ permits, signed    │
//!      └────────┴────────┴─────────┴─────────┴───────┴────────────┴────────────────────┘
//! ```

/// Somebody is in the wait list, or on the way there.
pub(super) const QUEUED: usize = 1;
/// There is a combiner.
pub(super) const LOCKED: usize = 1 << 1;
/// The combiner has to make another pass.
pub(super) const PENDING: usize = 1 << 2;
/// Nobody queues: a closed semaphore, an open gate.
pub(super) const NO_WAIT: usize = 1 << 3;
/// The head of the list has been woken, and has not been polled yet.
pub(super) const WOKEN: usize = 1 << 4;
/// In a gate, no head of which is ever woken: there is a notification that nobody has waited for.
pub(super) const STORED: usize = WOKEN;
/// One newcomer has barged past the head.
pub(super) const BARGED_ONE: usize = 1 << 5;
/// The count of those.
pub(super) const BARGED: usize = (1 << SHIFT) - BARGED_ONE;

/// Where the permits begin.
pub(super) const SHIFT: u32 = if usize::BITS == 64 { 16 } else { 10 };

/// The highest limit there can be: 255, or 30 where words have 32 bits. A count with all bits set
/// says that the head was requeued, and nobody may barge past it.
pub(crate) const MAX_LIMIT: u8 = if BARGED / BARGED_ONE > u8::MAX as usize {
    u8::MAX
} else {
    (BARGED / BARGED_ONE) as u8 - 1
};

/// How many permits a queue can hold: 2^46 - 1, or 2^20 - 1 where words have 32 bits. Half of what
/// there is room for: permits that a combiner has granted are in the word until its pass ends, and may
/// have been given back by then.
pub(crate) const MAX_PERMITS: usize = (isize::MAX >> (SHIFT + 1)) as usize;

/// How many openings of a gate there can be before the count begins anew.
pub(super) const OPENINGS: isize = match crate::loom::OPENINGS {
    Some(few) => few,
    None => isize::MAX >> SHIFT,
};

/// The need of a waiter that no permits can satisfy, only a notification.
pub(super) const NOTICE_ONLY: usize = isize::MAX as usize;

/// A notification's count that stands for everyone.
pub(super) const EVERYONE: usize = usize::MAX;

pub(super) fn permits(word: usize) -> isize {
    word as isize >> SHIFT
}

/// How many openings of the gate, of which `word` has the count, a wait that begins now needs.
pub(super) fn next_opening(word: usize) -> usize {
    (permits(word) + 1) as usize
}
