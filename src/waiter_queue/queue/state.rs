//! What a queue is made of.

use std::sync::atomic::Ordering::Relaxed;

use super::{
    inbox::Inbox,
    list::WaitList,
    word::{BARGED, BARGED_ONE, SHIFT, STORED, WOKEN, permits},
};
use crate::loom::{AtomicU32, AtomicUsize, UnsafeCell};

/// How many newcomers barge past a head that was woken at home, if those before it were, too.
///
/// On one runtime, a higher number gains little throughput, and costs the longest waits.
const AT_HOME: u8 = 6;
/// After how many heads that were woken at home the queue counts as one runtime's.
const LOCAL: u8 = 32;

/// A queue.
pub(crate) struct Queue {
    pub(super) word: AtomicUsize,
    pub(super) inbox: Inbox,
    pub(super) list: UnsafeCell<WaitList>,
    /// How many are in the list. Written by the combiner only.
    pub(super) len: AtomicU32,
    /// How many may barge past the same head.
    limit: u8,
    /// How many heads in a row were woken at home, by their own runtime's thread; up to [`LOCAL`].
    woken_at_home: UnsafeCell<u8>,
    /// Whether the word counts openings of a gate where it would have permits.
    pub(super) is_gate: bool,
}

// SAFETY: the list and the count of heads are accessed by the combiner only (`Queue::with_list`, `Queue::count_woken`),
// and the lock is passed on with release and acquire; everything else is atomic.
unsafe impl Sync for Queue {}

// A panic of other people's code, of a waker or of a condition, leaves the queue as it should be.
impl std::panic::UnwindSafe for Queue {}
impl std::panic::RefUnwindSafe for Queue {}

impl Queue {
    crate::loom::const_fn! {
        /// A queue with `permits`, at most `MAX_PERMITS`, in which nobody barges.
        pub(crate) fn new(permits: usize) -> Self {
            Self::with_limit(permits, 0)
        }

        /// A queue with `permits`, at most `MAX_PERMITS`, in which `limit`, at most `MAX_LIMIT`,
        /// newcomers may barge past the same head of the list.
        pub(crate) fn with_limit(permits: usize, limit: u8) -> Self {
            Self {
                word: AtomicUsize::new(permits << SHIFT),
                inbox: Inbox::new(),
                list: UnsafeCell::new(WaitList::new()),
                len: AtomicU32::new(0),
                limit,
                woken_at_home: UnsafeCell::new(0),
                is_gate: false,
            }
        }

        /// A gate, which is shut: see `open`.
        pub(crate) fn gate() -> Self {
            Self::gate_with(false)
        }

        /// The same, with a notification stored, or not: see `notify_or_store`.
        pub(crate) fn gate_with(is_stored: bool) -> Self {
            let mut gate = Self::new(0);
            gate.is_gate = true;
            if is_stored {
                gate.word = AtomicUsize::new(STORED);
            }
            gate
        }
    }

    /// How many may barge past the same head of the list.
    pub(crate) fn limit(&self) -> u8 {
        self.limit
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        // ORDERING: Relaxed. A snapshot.
        self.len.load(Relaxed) as usize
    }

    /// Whether as many have barged past the head as may.
    pub(super) fn is_limit_reached(&self, word: usize) -> bool {
        (word & BARGED) / BARGED_ONE >= self.limit as usize
    }

    /// Counts a head that is woken, at home or not. Says whether it is, and the [`LOCAL`] before it were. For
    /// the combiner.
    pub(super) fn count_woken(&self, at_home: bool) -> bool {
        self.woken_at_home.with_mut(|count| {
            // SAFETY: private to the queue, and the caller has the lock.
            let count = unsafe { &mut *count };
            let before = *count;
            *count = if at_home { LOCAL.min(before + 1) } else { 0 };
            at_home && before == LOCAL
        })
    }

    /// The least count, as `BARGED` has it, of a head that is woken at home: `AT_HOME` below the limit.
    pub(super) fn barged_at_home(&self) -> usize {
        self.limit.saturating_sub(AT_HOME) as usize * BARGED_ONE
    }

    /// Whether the head has been woken, and nothing is there for others. It will take the one permit
    /// there may be, and looks again if that is not what it needs.
    pub(super) fn is_for_woken_head(&self, word: usize) -> bool {
        word & WOKEN != 0 && permits(word) <= 1 && !self.is_limit_reached(word)
    }
}
