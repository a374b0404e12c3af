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
//! Bells are never freed, only used again by later runtimes. So a [`Home`] names a bell and *which* of
//! its runtimes is meant, and whoever delivers to one that is gone finds the bell closed, or
//! another's. He may have looked just before, and have his letters in the box of the runtime that came
//! after: its listener drops their wakers, as he would have done. Nobody calls them, since a compio
//! runtime that ends must not have its tasks woken by another thread that it does not know of.

use std::{
    cell::Cell,
    mem,
    ptr::{self, null_mut},
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
    task::Waker,
};

use super::{
    batch::{let_go, wake},
    generic,
    line::{Chain, Pile},
    tier::{TierStats, WakeTier},
    waiter::{Letter, Waiter},
};
use crate::loom::{AtomicPtr, AtomicU32, AtomicUsize, BUDGET, UnsafeCell};

const EMPTY: *mut Waiter = null_mut();
const ARMED: *mut Waiter = std::ptr::without_provenance_mut(1);
const CLOSED: *mut Waiter = std::ptr::without_provenance_mut(2);

pub(crate) struct Bell {
    letters: AtomicPtr<Waiter>,
    /// How many runtimes have had the bell. Where words have 32 bits a count comes again after 2^32
    /// of them: a waiter would have to be polled by a runtime that is gone for as long as that.
    generation: AtomicUsize,
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
            generation: AtomicUsize::new(0),
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

    /// The runtime that has the bell. Only for that runtime's thread.
    pub(super) fn home(&'static self) -> Home {
        Home {
            bell: self,
            // ORDERING: Relaxed. Set by this thread.
            generation: self.generation.load(Relaxed),
        }
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

    /// Lays waiters of the runtime `generation` into the box, and rings if the listener sleeps.
    ///
    /// They come back if the bell is closed, or another's.
    fn deliver(&'static self, generation: usize, mut pile: Pile) -> Result<(), Pile> {
        // ORDERING: Acquire, here and on failure, so that `CLOSED` is the end: what the listener
        // did before closing happened before its waiters are woken elsewhere. It pairs with `open`,
        // too: whoever finds the box open for another runtime knows that it is another's.
        let mut letters = self.letters.load(Acquire);
        loop {
            // ORDERING: Relaxed. It comes with the box.
            if letters == CLOSED || self.generation.load(Relaxed) != generation {
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
                    self.stats(tier).delivered();
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
        // ORDERING: Relaxed; see `Home::is_at`.
        self.thread.store(here(), Relaxed);
        // ORDERING: Relaxed. Only who has the bell's place changes it, one after the other.
        let before = self.generation.load(Relaxed);
        self.generation.store(before.wrapping_add(1), Relaxed);
        // ORDERING: Release pairs with the acquire in `deliver` and in `Home::is_gone`.
        self.letters.store(EMPTY, Release);
    }

    /// Counts a waiter that was delivered and is about to be woken.
    pub(super) fn woke(&self) {
        // ORDERING: Relaxed. Written on the listener's thread.
        let tier = WakeTier::from_index(self.armed.load(Relaxed));
        self.stats(tier).woke();
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
                    .with_mut(|it| unsafe { mem::replace(&mut *it, waker) }),
            );
        }
    }

    /// Closes the bell and returns what was still in it.
    pub(super) fn close(&self) -> Chain<Letter> {
        // ORDERING: Acquire pairs with `deliver`, Release with its acquire of `CLOSED`.
        let letters = self.letters.swap(CLOSED, AcqRel);
        Self::into_chain(letters)
    }

    /// Forgets the listener, which has closed the bell.
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

/// The runtime that a waiter was last polled on: a bell, and which of its runtimes.
#[derive(Clone, Copy)]
pub(crate) struct Home {
    bell: &'static Bell,
    generation: usize,
}

impl PartialEq for Home {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.bell, other.bell) && self.generation == other.generation
    }
}

impl Home {
    pub(super) fn bell(self) -> &'static Bell {
        self.bell
    }

    /// Whether it is a runtime of the thread `here`.
    pub(super) fn is_at(self, here: usize) -> bool {
        // ORDERING: Relaxed, both. They change only while the bell is closed, and who takes a runtime that
        // is gone for one on another thread finds it closed, or another's. A thread knows which
        // runtimes of its own are gone.
        self.bell.thread.load(Relaxed) == here
            && self.bell.generation.load(Relaxed) == self.generation
    }

    /// Whether the runtime has ended, as far as its listener is concerned.
    pub(super) fn is_gone(self) -> bool {
        // ORDERING: Acquire pairs with the release in `Bell::open`: whose box is open is known. Only the
        // runtime's own thread closes it; for others this is a hint.
        self.bell.letters.load(Acquire) == CLOSED
            // ORDERING: Relaxed. As above.
            || self.bell.generation.load(Relaxed) != self.generation
    }

    /// Lays waiters at home there into its box, and rings if its listener sleeps.
    ///
    /// They come back if the runtime has ended.
    pub(super) fn deliver(self, pile: Pile) -> Result<(), Pile> {
        self.bell.deliver(self.generation, pile)
    }
}

/// All bells there are. The list only grows.
pub(super) struct Bells {
    first: AtomicPtr<Place>,
}

/// A bell's place in the list.
struct Place {
    bell: Bell,
    is_taken: AtomicUsize,
    next: *mut Place,
}

impl Bells {
    pub(super) fn new() -> Self {
        Self {
            first: AtomicPtr::new(null_mut()),
        }
    }

    /// Opens a bell that nobody has for a runtime of this thread.
    pub(super) fn open(&'static self, tier: WakeTier) -> Open {
        let place = self.claim();
        place.bell.open(tier);
        Open {
            place,
            letters: Chain::new(),
        }
    }

    /// Takes a place that is free, or makes one.
    fn claim(&self) -> &'static Place {
        // ORDERING: Acquire pairs with the release below: the places are seen as they were made.
        let first = self.first.load(Acquire);
        let mut next = first;
        // SAFETY: places are published whole and never freed.
        while let Some(place) = unsafe { next.as_ref() } {
            // ORDERING: Acquire pairs with the release in `Open::drop`: the runtime before has ended.
            if place
                .is_taken
                .compare_exchange(0, 1, Acquire, Relaxed)
                .is_ok()
            {
                return place;
            }
            next = place.next;
        }
        let place = Box::into_raw(Box::new(Place {
            bell: Bell::new(),
            is_taken: AtomicUsize::new(1),
            next: first,
        }));
        let mut next = first;
        // ORDERING: Release publishes the place, and as a read-modify-write leaves the places below it
        // published by those who made them. Relaxed on failure: nothing is looked at.
        while let Err(now) = self
            .first
            .compare_exchange_weak(next, place, Release, Relaxed)
        {
            next = now;
            // SAFETY: not published yet.
            unsafe { (*place).next = next };
        }
        // SAFETY: places are never freed.
        unsafe { &*place }
    }

    /// Frees the list, and returns how many places it had. For models, in which nobody has one any more.
    #[cfg(all(test, compio_sync_loom))]
    pub(super) fn free(&self) -> usize {
        let mut count = 0;
        // ORDERING: Relaxed. The threads have been joined.
        let mut next = self.first.load(Relaxed);
        while !next.is_null() {
            // SAFETY: made by `claim`, and nobody else's any more.
            let place = unsafe { Box::from_raw(next) };
            next = place.next;
            count += 1;
        }
        count
    }
}

/// A runtime's bell, for as long as it has one: what its listener holds.
pub(super) struct Open {
    place: &'static Place,
    /// Taken out of the box; still to be woken.
    letters: Chain<Letter>,
}

impl Open {
    pub(super) fn bell(&self) -> &'static Bell {
        &self.place.bell
    }

    /// Wakes those who were delivered, until there are none and `fall_asleep` has succeeded. Returns
    /// false if it has woken many, and others should have their turn first.
    pub(super) fn answer(&mut self, mut fall_asleep: impl FnMut(&'static Bell) -> bool) -> bool {
        let bell = self.bell();
        let home = bell.home();
        let mut woken = 0;
        loop {
            if self.letters.is_empty() {
                self.letters = bell.take();
            }
            if self.letters.is_empty() {
                if fall_asleep(bell) {
                    return true;
                }
                continue;
            }
            if woken == BUDGET {
                return false;
            }
            woken += 1;
            let Some(letter) = self.letters.pop_front() else {
                continue;
            };
            // If not, it is of a runtime that had the bell before, and will not be woken.
            if letter.home() == Some(home) {
                bell.woke();
            }
            // A task's waker does not panic. If one does, there is nobody to pass it on to
            // whose fault it could be, and others wait to be woken.
            mem::forget(wake(letter));
        }
    }

    /// Closes the bell and lets go of whoever has not been woken, then forgets the listener: its task is
    /// cancelled by then, so that compio keeps nobody who calls its waker, and its executor will be gone.
    pub(super) fn close(&mut self) {
        let mut left = self.bell().close();
        while let Some(letter) = self.letters.pop_front().or_else(|| left.pop_front()) {
            mem::forget(let_go(letter));
        }
        self.bell().end();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close();
        // ORDERING: Release pairs with the acquire in `Bells::claim`.
        self.place.is_taken.store(0, Release);
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
