//! Who may overtake whom.

use crate::waiter_queue::MAX_LIMIT;

/// Whether newcomers may take what is free while others wait for it.
///
/// Handing a permit or a lock straight to whoever has waited longest is fair, and slow: until that
/// waiter runs, nobody has it, and if the waiter's thread sleeps that is a long time. Letting
/// everybody take it who comes by is fast, and starves those who wait. A bound on the number of
/// those who come by gives up little of either.
///
/// | | `Fifo` | `Bounded(n)` |
/// |---|---|---|
/// | A release, with waiters | hands over to the first in line | wakes the first in line, to take what is free; hands what is beyond its need to those behind it |
/// | A newcomer | goes to the end of the line | may take what is free, past the line, up to `n` times in a row |
/// | After `n` of them | | goes to the end of the line, and the first in line is handed what is released next |
/// | A waiter that was woken, and that nobody polls | keeps what was handed to it from everybody | is passed over, once `n` newcomers have passed it |
///
/// # The bound
///
/// While one waiter is the first in line, at most `n` newcomers take what it waits for. What does
/// not count is the time from when the waiter has been woken until it is polled: it may be that its
/// thread sleeps, and it may be that it is never polled again, and others cannot know. If more
/// than `n` have passed by the time it is polled, and nothing is left, it is ahead of all who have
/// not been through the same, no newcomer passes it, and it is handed what is released next.
///
/// So every waiter that is polled when it has been woken gets what it waits for, after a bounded
/// number of others. Those in line are served in the order in which they came, except that one that
/// has been woken, and has been passed by `n` newcomers before it was polled, no longer holds up those
/// behind it.
///
/// # Futures that nobody polls
///
/// A future that is kept but not polled, such as one that lost a `select!` by reference, can be the
/// first in line. With `Fifo` it is handed a permit that it never uses, and if there are no others
/// everybody waits until the future is dropped.
///
/// With `Bounded` it is only woken, and the permit stays free: for newcomers, and for everyone in line
/// that is polled meanwhile, such as another wait of the same task, which has the same waker. Once
/// `n` have taken it, the next release or arrival finds that the first in line does not come, and
/// wakes the second. An abandoned future is handed a permit only if `n` newcomers have passed it
/// while it was waiting, or if several permits are free at once and it is not the first in line.
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
    /// At most so many others, from 0 to 255, pass the first in line. On 32-bit targets numbers
    /// above 30 count as 30.
    Bounded(u8),
}

impl Fairness {
    /// What primitives have that were made without naming any.
    ///
    /// It is `Bounded(32)`, or `Bounded(30)` on 32-bit targets. A higher bound gains little more
    /// throughput, and makes the longest waits longer in proportion: see `docs/performance.md`.
    pub const DEFAULT: Self = Self::of_limit(Self::Bounded(32).limit());

    /// How many may pass.
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
