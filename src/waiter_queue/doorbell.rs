//! How other threads reach the waiters of one runtime.
//!
//! A [`Bell`] is a runtime's letter box with a bell on it. Remote threads lay granted waiters into
//! it; the runtime's [listener](super::listener) takes them out and wakes them, which on their own
//! thread is cheap and never blocks. One word holds the box and tells whether the listener sleeps:
//!
//! ```text
//!                             deliver               deliver
//!    ARMED ──────────────► pile ◄──────────────┐              CLOSED ──► handed back to the
//!     ▲     deliver: ring  │  └────────────────┘                ▲        caller, who drops
//!     │                    │ take                               │        their wakers
//!     │ arm                ▼                                    │ close (from any state)
//!     └───────────────── EMPTY ────────────────────────────────┘
//! ```
//!
//! Only the listener takes, arms and closes. It arms with a compare-exchange from `EMPTY`, so a
//! delivery either is seen by it or sees `ARMED`; the one delivery that replaces `ARMED` rings,
//! and no other does until the listener has slept again. How it rings is the tier that the
//! listener has armed: see [`WakeTier`].
//!
//! Everything goes through the listener, a single waiter, too, though its own waker would do. A waker
//! that another thread calls goes on to use the task's executor when the task may have run already;
//! compio 0.19 has a runtime that ends wait for such calls, but not for those of tasks that are
//! over by then. The listener is never over before its runtime is. And as several may be ringing
//! it at a time, the last sleep's ringer still and this sleep's already, of whom compio would wait
//! for one, they are counted, and the listener that ends waits for them. They are counted before
//! they replace `ARMED`, so that whoever closes the bell knows of all who have.
//!
//! Bells are never freed, only used again by later runtimes: a thread that still delivers to a
//! runtime that is gone finds `CLOSED`, or the runtime that came after it, which passes the wake
//! on just as well.

use std::{
    cell::Cell,
    ptr::null_mut,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
    task::Waker,
};

use super::{
    generic,
    line::{Chain, Pile},
    tier::{TierStats, WakeTier},
    waiter::{Letter, Waiter},
};
use crate::loom::{AtomicPtr, AtomicU32, AtomicUsize, UnsafeCell};

const EMPTY: *mut Waiter = null_mut();
const ARMED: *mut Waiter = std::ptr::without_provenance_mut(1);
const CLOSED: *mut Waiter = std::ptr::without_provenance_mut(2);

pub(crate) struct Bell {
    letters: AtomicPtr<Waiter>,
    /// The thread on which the listener runs, as [`here`] tells it.
    thread: AtomicUsize,
    /// The tier the listener is to sleep by.
    tier: AtomicU32,
    /// The tier the listener sleeps by. Written by it before it arms.
    armed: AtomicU32,
    /// The listener's task, for [`WakeTier::Generic`], and where another tier's way is blocked.
    /// Callers may read it; the listener may, and changes it when there are none.
    listener: UnsafeCell<Option<Waker>>,
    /// How many ring, or are about to find out that somebody else does.
    callers: AtomicUsize,
    /// What the listener sleeps on, for [`WakeTier::Futex`].
    #[cfg(all(target_os = "linux", feature = "linux-futex"))]
    pub(super) futex: super::linux::Word,
    /// How the listener's operation is completed, for [`WakeTier::Iocp`].
    #[cfg(all(windows, feature = "windows-iocp"))]
    pub(super) iocp: super::windows::Slot,
    pub(super) stats: [TierStats; WakeTier::COUNT],
}

// SAFETY: all fields are but `listener`, a waker, which any thread may use. It is changed only by the
// listener's thread, and only while there are no callers, who alone look at it from other threads.
unsafe impl Sync for Bell {}

impl Bell {
    /// A bell of nobody's: closed.
    pub(super) fn new() -> Self {
        Self {
            letters: AtomicPtr::new(CLOSED),
            thread: AtomicUsize::new(0),
            tier: AtomicU32::new(WakeTier::Generic as u32),
            armed: AtomicU32::new(WakeTier::Generic as u32),
            listener: UnsafeCell::new(None),
            callers: AtomicUsize::new(0),
            #[cfg(all(target_os = "linux", feature = "linux-futex"))]
            futex: super::linux::Word::new(),
            #[cfg(all(windows, feature = "windows-iocp"))]
            iocp: super::windows::Slot::new(),
            stats: Default::default(),
        }
    }

    /// Whether the bell belongs to the thread `here`.
    pub(super) fn is_at(&self, here: usize) -> bool {
        // ORDERING: Relaxed. It changes only while the bell is closed, and who takes a runtime that
        // is gone for one on another thread finds it closed.
        self.thread.load(Relaxed) == here
    }

    /// Whether its runtime has ended, as far as the listener is concerned.
    pub(super) fn is_closed(&self) -> bool {
        // ORDERING: Relaxed. Only the listener's thread closes it; for others it is a hint.
        self.letters.load(Relaxed) == CLOSED
    }

    /// The tier the listener is to sleep by.
    pub(super) fn tier(&self) -> WakeTier {
        // ORDERING: Relaxed. Set and read on the listener's thread; for others it is a hint.
        WakeTier::from_index(self.tier.load(Relaxed))
    }

    /// Has the listener sleep by `tier` from its next sleep on.
    pub(super) fn set_tier(&self, tier: WakeTier) {
        // ORDERING: see `tier`.
        self.tier.store(tier as u32, Relaxed);
    }

    pub(super) fn stats(&self, tier: WakeTier) -> &TierStats {
        &self.stats[tier as usize]
    }

    // ---- any thread ----

    /// Lays waiters into the box, and rings if the listener sleeps.
    ///
    /// They come back if the bell is closed.
    pub(super) fn deliver(&'static self, mut pile: Pile) -> Result<(), Pile> {
        let count = pile.len();
        // ORDERING: Acquire, here and on failure, so that `CLOSED` is the end: what the listener
        // did before closing happened before its waiters are woken elsewhere.
        let mut letters = self.letters.load(Acquire);
        loop {
            if letters == CLOSED {
                pile.lay_on(EMPTY);
                return Err(pile);
            }
            let caller = (letters == ARMED).then(|| Caller::new(self));
            pile.lay_on(if letters == ARMED { EMPTY } else { letters });
            // ORDERING: Release publishes the waiters to `take`, and the caller to `close`; Acquire
            // pairs with `arm`.
            match self
                .letters
                .compare_exchange_weak(letters, pile.top(), AcqRel, Acquire)
            {
                Ok(_) => {
                    // ORDERING: Relaxed. If this replaced `ARMED`, the acquire above has brought
                    // `armed` along; otherwise it is for the books only.
                    let tier = WakeTier::from_index(self.armed.load(Relaxed));
                    self.stats(tier).delivered(count);
                    if let Some(caller) = caller {
                        caller.ring(tier);
                    }
                    return Ok(());
                }
                Err(now) => letters = now,
            }
        }
    }

    // ---- the listener ----

    /// Opens the bell for a listener on this thread.
    pub(super) fn open(&self, tier: WakeTier) {
        self.set_tier(tier);
        // ORDERING: Relaxed; for the books until the listener arms.
        self.armed.store(tier as u32, Relaxed);
        self.stats.iter().for_each(TierStats::reset);
        // ORDERING: Relaxed; see `is_at`.
        self.thread.store(here(), Relaxed);
        // ORDERING: Relaxed. Who delivers to this runtime has the bell from one of its waiters; who takes
        // it for an earlier runtime needs nothing of the above.
        self.letters.store(EMPTY, Relaxed);
    }

    /// Takes all letters, first in first out. The bell is no longer armed.
    pub(super) fn take(&self) -> Chain<Letter> {
        // ORDERING: Relaxed. Whatever is missed here makes `arm` fail.
        if self.letters.load(Relaxed) == EMPTY {
            return Chain::new();
        }
        // ORDERING: Acquire pairs with the release in `deliver`.
        let letters = self.letters.swap(EMPTY, Acquire);
        Self::into_chain(letters)
    }

    /// Lets the next delivery ring by `tier`. Fails if there are letters already.
    ///
    /// Whatever the tier rings has to be set up before.
    pub(super) fn arm(&self, tier: WakeTier) -> bool {
        // ORDERING: Relaxed; published by the compare-exchange.
        self.armed.store(tier as u32, Relaxed);
        // ORDERING: Release pairs with the acquire of the delivery that rings.
        let armed = self
            .letters
            .compare_exchange(EMPTY, ARMED, Release, Relaxed)
            .is_ok();
        if armed {
            self.stats(tier).slept();
        }
        armed
    }

    /// Has callers wake `waker` from the next sleep on. The bell is not armed.
    pub(super) fn set_listener(&self, waker: &Waker) {
        // By the data as well: what a task is polled with may have another table of functions than its
        // clones.
        // SAFETY: only the listener changes it.
        let is_known = self.listener.with(|it| unsafe {
            (*it)
                .as_ref()
                .is_some_and(|it| it.data() == waker.data() || it.will_wake(waker))
        });
        if !is_known {
            self.wait_for_callers();
            let waker = Some(waker.clone());
            // SAFETY: there are no callers, and there will be none before the bell is armed.
            drop(
                self.listener
                    .with_mut(|it| unsafe { std::mem::replace(&mut *it, waker) }),
            );
        }
    }

    /// Closes the bell and returns what was still in it.
    pub(super) fn close(&self) -> Chain<Letter> {
        // ORDERING: Acquire pairs with `deliver`, Release with its acquire of `CLOSED`.
        let letters = self.letters.swap(CLOSED, AcqRel);
        Self::into_chain(letters)
    }

    /// Forgets the listener, which has closed the bell and will be gone with its executor.
    ///
    /// Its task is cancelled by then, so that compio keeps nobody who calls its waker.
    pub(super) fn end(&self) {
        self.wait_for_callers();
        // SAFETY: there are no callers, and nobody arms the bell any more.
        drop(self.listener.with_mut(|it| unsafe { (*it).take() }));
    }

    fn wait_for_callers(&self) {
        // ORDERING: Acquire pairs with the release in `Caller::drop`: what a caller did with the waker
        // happened before it goes. Whoever replaced `ARMED` was counted before that, and the swap
        // of `take` or `close` has brought it along.
        while self.callers.load(Acquire) != 0 {
            crate::loom::yield_now();
        }
    }

    fn into_chain(letters: *mut Waiter) -> Chain<Letter> {
        if [ARMED, CLOSED].contains(&letters) {
            return Chain::new();
        }
        // SAFETY: piles laid on each other by `deliver`, which the swap has taken over.
        unsafe { Chain::from_pile(letters) }
    }
}

/// One who rings. The listener's waker stays for as long as there is one.
pub(super) struct Caller(&'static Bell);

impl Caller {
    pub(super) fn new(bell: &'static Bell) -> Self {
        // ORDERING: Relaxed. Published by the compare-exchange that makes it one who rings.
        bell.callers.fetch_add(1, Relaxed);
        Self(bell)
    }

    fn ring(self, tier: WakeTier) {
        self.0.stats(tier).rang();
        match tier {
            #[cfg(all(target_os = "linux", feature = "linux-futex"))]
            WakeTier::Futex => super::linux::ring(self.0),
            #[cfg(all(windows, feature = "windows-iocp"))]
            WakeTier::Iocp => super::windows::ring(self.0, self),
            _ => generic::ring(self),
        }
    }

    /// Wakes the listener.
    pub(super) fn wake(&self) {
        // SAFETY: the listener changes it only when there are no callers.
        self.0.listener.with(|it| unsafe {
            if let Some(listener) = &*it {
                listener.wake_by_ref();
            }
        });
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // ORDERING: Release pairs with `Bell::wait_for_callers`.
        self.0.callers.fetch_sub(1, Release);
    }
}

/// What tells the calling thread from all others, those that are gone among them: a runtime that was
/// leaked keeps its bell open.
pub(super) fn here() -> usize {
    // std's: it orders nothing, so loom need not see it.
    static THREADS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    crate::loom::thread_local! {
        static HERE: Cell<usize> = const { Cell::new(0) };
    }
    HERE.with(|here| {
        if here.get() == 0 {
            // ORDERING: Relaxed. A number that nobody else gets.
            here.set(THREADS.fetch_add(1, Relaxed) + 1);
        }
        here.get()
    })
}
