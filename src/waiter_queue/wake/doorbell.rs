//! A runtime's doorbell: its mailbox, and how it is signalled while it sleeps.
//!
//! Other threads deliver wakes to the doorbell. The runtime's listener, a task, takes them out and
//! wakes them there, which on their own thread is cheap and never blocks. If the listener sleeps, the
//! delivery that finds the mailbox armed signals it, by the tier that the listener has armed.
//!
//! All wakes go through the listener, also the wake of a single waiter, though its own waker would
//! do. A waker that another thread calls goes on to use the task's executor when the task may have run
//! already. compio 0.19 has a runtime that ends wait for such calls, but not for calls for tasks that
//! have completed. The listener never completes before its runtime ends. Several threads may be
//! signalling it at a time (the last sleep's still, and this sleep's already), and compio would wait
//! for one of them. So they are counted, and the listener that ends waits for them. They are counted
//! before they replace `ARMED`, so that whoever closes the mailbox knows of all of them.
//!
//! Doorbells are never freed, only used again by later runtimes. A [`Home`] names a doorbell and a
//! *generation*: which of its runtimes is meant. A delivery to a runtime that is gone finds the mailbox
//! closed, or the generation changed. It may have looked just before, and then its wakes are in the
//! mailbox of the next runtime, whose listener drops their wakers. Nobody calls those: a compio
//! runtime that ends must not have its tasks woken by a thread that it does not know of.

use std::{
    cell::Cell,
    mem, ptr,
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
    task::Waker,
};

use super::{
    super::tier::{Counters, WakeTier},
    mailbox::Mailbox,
    node::{WakeList, WakeStack},
};
use crate::loom::{AtomicU32, AtomicUsize, UnsafeCell};

/// Finds out where the task lives that a waker, a clone, wakes, and that is being polled. What knows
/// the runtimes has one.
pub(crate) type HomeOf = fn(&Waker) -> Option<Home>;

/// What a doorbell's tiers need: the memory that they signal by.
pub(crate) trait Signaller: Sync {
    /// Signals a listener that sleeps by `tier`.
    fn signal(&'static self, tier: WakeTier, signal: Signal);
}

pub(crate) struct Doorbell {
    mailbox: Mailbox<Home>,
    /// How many runtimes have had the doorbell. With 32-bit words a count returns after 2^32 of them: a
    /// waiter would have to stay unpolled for as long as that.
    generation: AtomicUsize,
    /// The thread on which the listener runs, as [`this_thread`] tells it.
    thread: AtomicUsize,
    /// The tier that the listener is to sleep by.
    tier: AtomicU32,
    /// The tier that the listener sleeps by. Written by it before it arms.
    armed: AtomicU32,
    /// The listener's task, for [`WakeTier::Generic`], and where another tier fails. While there are
    /// signals, threads read it; the listener changes it only when there are none.
    listener: UnsafeCell<Option<Waker>>,
    /// How many threads signal, or are about to find out that another one does.
    signals: AtomicUsize,
    signaller: &'static dyn Signaller,
    counters: [Counters; WakeTier::COUNT],
}

// SAFETY: all fields are `Sync` but `listener`, a waker, which any thread may use. It is changed only
// by the listener's thread, and only while there are no signals; only those read it on other threads.
unsafe impl Sync for Doorbell {}

impl Doorbell {
    /// A doorbell that no runtime has: closed.
    pub(crate) fn new(signaller: &'static dyn Signaller) -> Self {
        Self {
            mailbox: Mailbox::new(),
            generation: AtomicUsize::new(0),
            thread: AtomicUsize::new(0),
            tier: AtomicU32::new(WakeTier::Generic as u32),
            armed: AtomicU32::new(WakeTier::Generic as u32),
            listener: UnsafeCell::new(None),
            signals: AtomicUsize::new(0),
            signaller,
            counters: Default::default(),
        }
    }

    /// The runtime that has the doorbell. Only for that runtime's thread.
    pub(crate) fn home(&'static self) -> Home {
        Home {
            doorbell: self,
            // ORDERING: Relaxed. Set by this thread.
            generation: self.generation.load(Relaxed),
        }
    }

    /// The tier that the listener is to sleep by.
    pub(crate) fn tier(&self) -> WakeTier {
        // ORDERING: Relaxed. Set and read on the listener's thread; for others it is a hint.
        WakeTier::from_index(self.tier.load(Relaxed))
    }

    /// Has the listener sleep by `tier` from its next sleep on.
    pub(crate) fn set_tier(&self, tier: WakeTier) {
        // ORDERING: see `tier`.
        self.tier.store(tier as u32, Relaxed);
    }

    pub(crate) fn counters(&self, tier: WakeTier) -> &Counters {
        &self.counters[tier as usize]
    }

    // ---- any thread ----

    /// Puts wakes for the runtime `generation` into the mailbox, and signals if the listener sleeps.
    fn deliver(
        &'static self,
        generation: usize,
        wakes: WakeStack<Home>,
    ) -> Result<(), WakeStack<Home>> {
        let signal = self.mailbox.push(wakes, |is_armed| {
            // ORDERING: Relaxed. It comes with the mailbox.
            let is_meant = self.generation.load(Relaxed) == generation;
            is_meant.then(|| is_armed.then(|| Signal::new(self)))
        })?;
        // ORDERING: Relaxed. If the push replaced `ARMED`, its acquire has brought `armed` along;
        // otherwise it is for the counters only.
        let tier = WakeTier::from_index(self.armed.load(Relaxed));
        self.counters(tier).batch();
        if let Some(signal) = signal {
            signal.send(tier);
        }
        Ok(())
    }

    // ---- the listener ----

    /// Opens the doorbell for a listener on this thread.
    pub(crate) fn open(&self, tier: WakeTier) {
        self.set_tier(tier);
        // ORDERING: Relaxed; for the counters until the listener arms.
        self.armed.store(tier as u32, Relaxed);
        self.counters.iter().for_each(Counters::reset);
        // ORDERING: Relaxed; see `Home::is_at`.
        self.thread.store(this_thread(), Relaxed);
        // ORDERING: Relaxed. Only the owner of the doorbell's place changes it, one after the other;
        // opening the mailbox publishes it.
        let before = self.generation.load(Relaxed);
        self.generation.store(before.wrapping_add(1), Relaxed);
        self.mailbox.open();
    }

    /// Counts a waiter that was delivered and is about to be woken.
    pub(super) fn count_wake(&self) {
        // ORDERING: Relaxed. Written on the listener's thread.
        let tier = WakeTier::from_index(self.armed.load(Relaxed));
        self.counters(tier).wake();
    }

    /// Takes all wakes out, oldest first. The mailbox is no longer armed.
    pub(crate) fn take(&self) -> WakeList<Home> {
        self.mailbox.take()
    }

    /// Has the next delivery signal by `tier`. Fails if there are wakes already.
    ///
    /// What the tier signals by has to be set up before.
    pub(crate) fn arm(&self, tier: WakeTier) -> bool {
        // ORDERING: Relaxed; published by arming.
        self.armed.store(tier as u32, Relaxed);
        let is_armed = self.mailbox.arm();
        if is_armed {
            self.counters(tier).sleep();
        }
        is_armed
    }

    /// Has signals wake `waker` from the next sleep on. The mailbox is not armed.
    pub(crate) fn set_listener(&self, waker: &Waker) {
        // By the data as well: what a task is polled with may have another table of functions than its
        // clones.
        // SAFETY: only the listener changes it.
        let is_known = self.listener.with(|it| unsafe {
            (*it)
                .as_ref()
                .is_some_and(|it| it.data() == waker.data() || it.will_wake(waker))
        });
        if !is_known {
            self.wait_for_signals();
            let waker = Some(waker.clone());
            // SAFETY: there are no signals, and there will be none before the mailbox is armed.
            drop(
                self.listener
                    .with_mut(|it| unsafe { mem::replace(&mut *it, waker) }),
            );
        }
    }

    /// Closes the doorbell, and returns the wakes that were still in the mailbox.
    pub(crate) fn close(&self) -> WakeList<Home> {
        self.mailbox.close()
    }

    /// Drops the waker of the listener, which has closed the doorbell.
    pub(crate) fn drop_listener(&self) {
        self.wait_for_signals();
        // SAFETY: there are no signals, and nobody arms the mailbox any more.
        drop(self.listener.with_mut(|it| unsafe { (*it).take() }));
    }

    fn wait_for_signals(&self) {
        // ORDERING: Acquire pairs with the release in `Signal::drop`: what a signal did with the waker
        // happened before it goes. Whoever replaced `ARMED` was counted before that, and the swap
        // of `take` or `close` has brought it along.
        while self.signals.load(Acquire) != 0 {
            crate::loom::yield_now();
        }
    }
}

/// The duty to signal a listener. The listener's waker stays for as long as there is one.
pub(crate) struct Signal(&'static Doorbell);

impl Signal {
    pub(crate) fn new(doorbell: &'static Doorbell) -> Self {
        // ORDERING: Relaxed. Published by the push that replaces `ARMED`.
        doorbell.signals.fetch_add(1, Relaxed);
        Self(doorbell)
    }

    pub(crate) fn counters(&self, tier: WakeTier) -> &'static Counters {
        self.0.counters(tier)
    }

    fn send(self, tier: WakeTier) {
        self.counters(tier).signal();
        self.0.signaller.signal(tier, self);
    }

    /// Calls the listener's waker.
    pub(crate) fn wake_listener(&self) {
        // SAFETY: the listener changes it only when there are no signals.
        self.0.listener.with(|it| unsafe {
            if let Some(listener) = &*it {
                listener.wake_by_ref();
            }
        });
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        // ORDERING: Release pairs with `Doorbell::wait_for_signals`.
        self.0.signals.fetch_sub(1, Release);
    }
}

/// The runtime that a waiter was last polled on.
#[derive(Clone, Copy)]
pub(crate) struct Home {
    doorbell: &'static Doorbell,
    generation: usize,
}

impl PartialEq for Home {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.doorbell, other.doorbell) && self.generation == other.generation
    }
}

impl Home {
    pub(crate) fn doorbell(self) -> &'static Doorbell {
        self.doorbell
    }

    /// Whether it is a runtime of the calling thread.
    pub(crate) fn is_here(self) -> bool {
        self.is_at(this_thread())
    }

    /// Whether it is a runtime of the thread `thread`.
    pub(crate) fn is_at(self, thread: usize) -> bool {
        // ORDERING: Relaxed, both. They change only while the mailbox is closed. Whoever takes a
        // runtime that is gone for one on another thread finds it closed, or another's. A thread knows
        // which runtimes of its own are gone.
        self.doorbell.thread.load(Relaxed) == thread
            && self.doorbell.generation.load(Relaxed) == self.generation
    }

    /// Whether the runtime has ended, as far as its listener is concerned.
    ///
    /// Only the runtime's own thread closes its mailbox; for others this is a hint.
    pub(crate) fn is_gone(self) -> bool {
        self.doorbell.mailbox.is_closed()
            // ORDERING: Relaxed. It comes with the mailbox.
            || self.doorbell.generation.load(Relaxed) != self.generation
    }

    /// Puts wakes into the runtime's mailbox, and signals if its listener sleeps.
    ///
    /// They come back if the runtime has ended.
    pub(crate) fn deliver(self, wakes: WakeStack<Self>) -> Result<(), WakeStack<Self>> {
        self.doorbell.deliver(self.generation, wakes)
    }
}

/// A number for the calling thread that no other thread has, nor had: the doorbell of a runtime that
/// was leaked stays open when its thread is gone.
pub(crate) fn this_thread() -> usize {
    // std's: it orders nothing, so loom need not see it.
    static THREADS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    crate::loom::thread_local! {
        static THIS: Cell<usize> = const { Cell::new(0) };
    }
    THIS.with(|this| {
        if this.get() == 0 {
            // ORDERING: Relaxed. A number that nobody else gets.
            this.set(THREADS.fetch_add(1, Relaxed) + 1);
        }
        this.get()
    })
}
