//! How many newcomers may overtake a waiter.

use crate::waiter_queue::MAX_LIMIT;

/// How many newcomers may barge ahead of queued waiters.
///
/// Handing a permit or lock to the waiter that has waited longest is fair and slow: until that
/// waiter's thread runs, nobody uses the permit. Letting every newcomer take it is fast, and starves
/// the waiters. A bound on the number of newcomers keeps most of both.
///
/// | event | `Fifo` | `Bounded(n)` |
/// |---|---|---|
/// | A release, with waiters | hands off to the first waiter | wakes the first waiter, so that it competes; hands what it does not need to those behind it |
/// | A newcomer | is queued | may barge, up to `n` times in a row |
/// | After `n` of them | | newcomers are queued, and the first waiter is handed what is released next |
/// | A waiter that was woken and is not polled | keeps what was handed to it | is skipped once `n` newcomers have overtaken it |
///
/// # The bound
///
/// While one waiter is the first of the wait list, at most `n` newcomers take what it waits for. The
/// time from its wake to its next poll does not count: its thread may sleep, and it may never be polled
/// again. If more than `n` have overtaken it when it is polled, and nothing is free, it is requeued
/// ahead of all waiters that were not skipped, no newcomer barges ahead of it, and it is handed what is
/// released next.
///
/// On one runtime the bound is lower: at most 6 newcomers overtake a waiter after its wake, if that wake and
/// the 32 wakes of first waiters before it were all by their own runtime. There, a higher bound gains
/// little, and makes the longest waits longer.
///
/// So every waiter that is polled when woken gets what it waits for after a bounded number of others.
/// Waiters are served in the order of their arrival, except that a skipped waiter does not hold up
/// those behind it.
///
/// # Futures that nobody polls
///
/// A future that is kept but not polled, such as one that lost a `select!` by reference, can be the
/// first waiter. With `Fifo` it is handed a permit that it never uses. If there are no others, all
/// waiters wait until the future is dropped.
///
/// With `Bounded` it is only woken, and the permit stays free for newcomers, and for any waiter that is
/// polled meanwhile, such as another wait of the same task. Once `n` newcomers have taken it, the next
/// release or arrival skips the first waiter and wakes the second. An abandoned future is handed a
/// permit only if `n` newcomers have overtaken it before it was woken, or if several permits are free
/// at once and it is not the first waiter.
/// Drop futures that you do not go on polling.
///
/// # Examples
///
/// ```
/// use compio_sync::{Fairness, Mutex, Semaphore};
///
/// static TICKETS: Semaphore = Semaphore::with_fairness(10, Fairness::Fifo);
/// static TOTAL: Mutex<u64> = Mutex::with_fairness(0, Fairness::Bounded(16));
///
/// assert_eq!(TICKETS.fairness(), Fairness::Fifo);
/// assert_eq!(TOTAL.fairness(), Fairness::Bounded(16));
/// assert_eq!(Semaphore::new(1).fairness(), Fairness::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fairness {
    /// Strictly first come, first served. The same as `Bounded(0)`.
    Fifo,
    /// At most so many newcomers, from 0 to 255, overtake the first waiter. On 32-bit targets numbers
    /// above 30 count as 30.
    Bounded(u8),
}

impl Fairness {
    /// The fairness of primitives that were created without naming one.
    ///
    /// It is `Bounded(32)`, or `Bounded(30)` on 32-bit targets. A higher bound gains little more
    /// throughput, and makes the longest waits longer: see `docs/performance.md`.
    pub const DEFAULT: Self = Self::of_limit(Self::Bounded(32).limit());

    /// How many newcomers may barge.
    pub(crate) const fn limit(self) -> u8 {
        match self {
            Self::Bounded(n) if n < MAX_LIMIT => n,
            Self::Bounded(_) => MAX_LIMIT,
            Self::Fifo => 0,
        }
    }

    pub(crate) const fn of_limit(limit: u8) -> Self {
        match limit {
            0 => Self::Fifo,
            n => Self::Bounded(n),
        }
    }
}

impl Default for Fairness {
    /// [`Fairness::DEFAULT`].
    fn default() -> Self {
        Self::DEFAULT
    }
}
