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
/// | A release, with waiters | hands over to the first in line | wakes the first in line, to take what is free |
/// | A newcomer | goes to the end of the line | may take what is free, past the line, up to `n` times in a row |
/// | After `n` of them | | goes to the end of the line, until the first in line has been served by hand-over |
/// | A waiter whose turn it is, and that nobody polls | keeps what was handed to it from everybody | is passed over |
///
/// # The bound
///
/// While one waiter is the first in line, at most `n` others take what it waits for. What does not
/// count is the time from when the waiter has been woken until it is polled: it may be that its
/// thread sleeps, and it may be that it is never polled again, and others cannot know. If more
/// than `n` have passed by the time it is polled, and nothing is left, it is the first in line once
/// more, nobody passes it, and the next release hands over to it.
///
/// So every waiter that is polled when it has been woken gets what it waits for, after a bounded
/// number of others. Those in line are served in the order in which they came, except that one that
/// has been woken does not hold up those behind it.
///
/// # Futures that nobody polls
///
/// A future that is kept but not polled, such as one that lost a `select!` by reference, can be the
/// first in line. With `Fifo` it is handed a permit that it never uses, and if there are no others
/// everybody waits until the future is dropped. With `Bounded` it is only woken. Others take the
/// permit, and once `n` of them have the next in line is woken. The future itself may have been
/// polled in vain before it was abandoned, and have been passed `n` times by then: only in that
/// case it is handed a permit, like under `Fifo`. Drop futures that you do not go on polling.
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
    /// above 31 count as 31.
    Bounded(u8),
}

impl Fairness {
    /// What primitives have that were made without naming any: `Bounded(64)`, or `Bounded(31)` on
    /// 32-bit targets.
    pub const DEFAULT: Self = Self::of_limit(if MAX_LIMIT < 64 { MAX_LIMIT } else { 64 });

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
