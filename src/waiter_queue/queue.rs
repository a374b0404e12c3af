//! The queue that every primitive waits in: a word, an inbox and a line.
//!
//! ```text
//!   bit  0        1        2        3        4        5 ..  SHIFT  SHIFT ..
//!      ┌────────┬────────┬────────┬────────┬────────┬────────────┬────────────────────┐
//! word │ QUEUED │ HELD   │ ASKED  │ BARRED │ CALLED │ passed     │ permits, signed    │
//!      └────────┴────────┴────────┴────────┴────────┴────────────┴────────────────────┘
//! ```
//!
//! **Nobody waits to be allowed to wait.** The line is plain data that belongs to whoever holds
//! the *turn*, the bit `HELD`. Whoever finds it set leaves a message in the inbox, sets `ASKED`
//! and goes on; the holder serves another round.
//!
//! ```text
//!                 compare-exchange
//!      free ─────────────────────────► HELD ◄───────────────┐
//!       ▲                               │  ▲                │
//!       │ compare-exchange of exactly   │  │ fetch_and      │ fetch_or: somebody
//!       │ the word that the last round  │  │ (read inbox)   │ wants one more round
//!       │ served                        │  └──────── HELD + ASKED
//!       └───────────────────────────────┘
//! ```
//!
//! A *round* reads the inbox, moves arrivals to the end of the line in the order they came, takes
//! leavers out, and grants or calls from the head while there are permits for it. The turn is given
//! back by a compare-exchange on the word that the round has served. It fails if anything was asked
//! for meanwhile, or any permit came back, and then there is another round. So nothing is ever left
//! undone in a word whose turn is free, unless its last holder is waking a batch and comes back:
//!
//! - **A release** is one `fetch_add` on the word. If the value it read has no `QUEUED`, it came
//!   before the first waiter's change of the word, and that waiter sees its permits. If it has,
//!   the releaser serves, or leaves it to a holder, whose compare-exchange fails, or to a waiter
//!   who has been called and will look.
//! - **An arrival** changes the word (`QUEUED`) after it is in the line or the inbox, and in that
//!   same step either has the turn or asks its holder.
//! - **A leaver** takes itself out in a turn of its own, or asks the holder to.
//! - **A notification** is for those in line or in the inbox at that moment: it is carried out in
//!   a turn, or left in the inbox behind exactly those.
//!
//! While the turn is held, permits are taken out by the holder alone, once per round, after
//! granting them. [`Queue::reduce`] and [`Queue::forget`] may take permits even then, so the count
//! can fall below zero. It is a debt that releases repay before anyone is granted more.
//!
//! # Gates
//!
//! A queue can be a *gate* instead, which has no permits: where they would be, its word counts how
//! often it was opened. A waiter needs the next opening after the one that the word had when its wait
//! began, and takes nothing. So whatever opens and shuts the gate in which order, a wait ends if and
//! only if the gate was opened after it began, or was open then: all that takes place in one change
//! of the word. `BARRED` says that it is open. When the count is full it begins anew, and those who
//! wait at that moment are notified besides.
//!
//! # Overtaking
//!
//! A queue has a *limit*: how many newcomers may take permits past the same head of the line. With
//! a limit of 0 nobody may, and permits are *granted*: they leave the word in the turn that hands
//! them over. Otherwise the head is *called*: woken, while its permits stay in the word. It stays
//! in line until it has them.
//!
//! ```text
//!                        limit newcomers have passed: granted
//!   ┌──────────────────────────────────────────────────────────────────────────┐
//!   │       call                        takes its permits, in a turn of its own │
//!  head ───────────► head, called ───────────────────────────────────────────► served
//!   ▲                  │      │                                                 ▲
//!   │ came in vain     │      │ limit newcomers have passed, permits are free   │ takes free
//!   └──────────────────┘      ▼                                                 │ permits
//!                           absent: out of line ────────────────────────────────┤
//!                             │ came in vain                                    │ granted
//!                             ▼                                                 │
//!                           returned: ahead of all who have not, and passed by nobody
//! ```
//!
//! - Only the head is called. Permits beyond those that it needs are granted to the next in line.
//!   So as long as one waiter is on its way to one permit, a release of it is one `fetch_add`.
//! - Each newcomer that takes permits past the line counts one up in `passed`. At the limit none
//!   may, and a head that waits is granted the next permits. A new head starts at 0.
//! - A head that has been called and has not come by then is *absent*: its thread sleeps, or its
//!   future is not being polled and may never be. Others go on without it. When it does come, and
//!   finds nothing, it is at the head again, behind others like it, and is granted the next
//!   permits. Until then `passed` has all bits set.
//!
//! So while it waits, and not counting the time from when it has been woken until it is polled, a
//! head is passed by at most `limit` newcomers.
//!
//! `CALLED` says that the head has been called. It is set by turns only, and cleared by them or by
//! a waiter who has come in vain. The latter is the one thing that changes without a turn what a
//! turn has decided; whoever does it looks at the permits again, or asks the holder to.
//!
//! # Waking
//!
//! Wakers run after the turn has been given back. A turn that has many to wake gives itself back
//! after each `BATCH`, and one that serves others after `ROUNDS` rounds, so that the woken
//! need not wait for the end. The queue is lock-free, not wait-free: a turn that finds nobody to
//! wake goes on for as long as others keep asking, each of whom has got what it wanted.
//!
//! The idea to hand a critical section's work to whoever is inside it is known as flat combining
//! (Hendler, Incze, Shavit and Tzafrir, SPAA 2010); nobody here waits for the combiner's answer.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::{
    inbox::{Inbox, Message},
    line::{Chain, Line},
    waiter::{Notice, Outcome},
};
use crate::loom::{AtomicU32, AtomicUsize, UnsafeCell};

mod turn;
mod wait;

use turn::Turn;
pub(crate) use wait::{Left, Slot};

/// Somebody is in the line, or on the way there.
const QUEUED: usize = 1;
/// Somebody has the turn.
const HELD: usize = 1 << 1;
/// The turn's holder has to serve another round.
const ASKED: usize = 1 << 2;
/// What the primitive makes of it: a closed semaphore, an event that is set. Nobody queues.
const BARRED: usize = 1 << 3;

/// The head of the line has been called, and has not come yet.
const CALLED: usize = 1 << 4;
/// One who has taken permits past the head.
const PASSED_ONE: usize = 1 << 5;
/// The count of those.
const PASSED: usize = (1 << SHIFT) - PASSED_ONE;

/// Where the permits begin.
const SHIFT: u32 = if usize::BITS == 64 { 16 } else { 10 };

/// The highest limit there can be: 255, or 30 where words have 32 bits. A count with all bits set
/// says that the head has returned, and is passed by nobody.
pub(crate) const MAX_LIMIT: u8 = if PASSED / PASSED_ONE > u8::MAX as usize {
    u8::MAX
} else {
    (PASSED / PASSED_ONE) as u8 - 1
};

/// How many permits a queue can hold: 2^46 - 1, or 2^20 - 1 where words have 32 bits. Half of what
/// there is room for: those that a turn has granted are in the word until it ends, and may have been
/// given back by then.
pub(crate) const MAX_PERMITS: usize = (isize::MAX >> (SHIFT + 1)) as usize;

/// How many openings of a gate there can be before the count begins anew.
const OPENINGS: isize = match crate::loom::OPENINGS {
    Some(few) => few,
    None => isize::MAX >> SHIFT,
};

/// The need of a waiter whom no permits can satisfy, only a notification.
const NOTICE_ONLY: usize = isize::MAX as usize;

/// A notification's count that stands for everyone.
const EVERYONE: usize = usize::MAX;

fn permits(word: usize) -> isize {
    word as isize >> SHIFT
}

pub(crate) struct Queue {
    word: AtomicUsize,
    inbox: Inbox,
    line: UnsafeCell<Line>,
    /// How many are in the line. Written by the turn's holder only.
    len: AtomicU32,
    /// How many may pass the same head.
    limit: u8,
    /// Whether the word counts openings of a gate where it would have permits.
    is_gate: bool,
}

// SAFETY: the line is accessed by the turn's holder only, and the turn is passed on with release
// and acquire; everything else is atomic.
unsafe impl Sync for Queue {}

// A panic of other people's code, of a waker or of a condition, leaves the queue as it should be.
impl std::panic::UnwindSafe for Queue {}
impl std::panic::RefUnwindSafe for Queue {}

impl Queue {
    crate::loom::const_fn! {
        /// A queue with `permits`, at most [`MAX_PERMITS`], in which nobody is overtaken.
        pub(crate) fn new(permits: usize) -> Self {
            Self::with_limit(permits, 0)
        }

        /// A queue with `permits`, at most [`MAX_PERMITS`], in which `limit`, at most
        /// [`MAX_LIMIT`], may pass the same head of the line.
        pub(crate) fn with_limit(permits: usize, limit: u8) -> Self {
            Self {
                word: AtomicUsize::new(permits << SHIFT),
                inbox: Inbox::new(),
                line: UnsafeCell::new(Line::new()),
                len: AtomicU32::new(0),
                limit,
                is_gate: false,
            }
        }

        /// A gate, which is shut: see [`open`](Self::open).
        pub(crate) fn gate() -> Self {
            let mut gate = Self::new(0);
            gate.is_gate = true;
            gate
        }
    }

    // ---- permits ----

    /// How many may pass the same head of the line.
    pub(crate) fn limit(&self) -> u8 {
        self.limit
    }

    /// Whether as many have passed the head as may.
    fn is_spent(&self, word: usize) -> bool {
        (word & PASSED) / PASSED_ONE >= self.limit as usize
    }

    /// The word without the `need` permits that a newcomer takes, if it may.
    ///
    /// Nobody may while the turn is held, even if nobody is known to wait: the holder may be granting
    /// what is there to an arrival that it has found in the inbox, and that has not set `QUEUED` yet.
    #[inline]
    fn without(&self, word: usize, need: usize) -> Option<usize> {
        let is_there = permits(word) >= need as isize;
        if is_there && word & (QUEUED | HELD | BARRED) == 0 {
            Some(word - (need << SHIFT))
        } else if is_there && word & (HELD | BARRED) == 0 && !self.is_spent(word) {
            Some(word - (need << SHIFT) + PASSED_ONE)
        } else {
            None
        }
    }

    /// Takes `need` permits, if they are there and a newcomer may take them.
    #[inline]
    pub(crate) fn try_take(&self, need: usize) -> bool {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        while let Some(next) = self.without(word, need) {
            // ORDERING: Acquire pairs with the release in `give`: what was done with the permits
            // before happened before. Other changes of the word keep up its release sequence.
            match self
                .word
                .compare_exchange_weak(word, next, Acquire, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Gives `count` permits, of which there are never more than [`MAX_PERMITS`] in all.
    #[inline]
    pub(crate) fn give(&self, count: usize) {
        self.give_and(count, || ());
    }

    /// Gives `count` permits, and calls `then` before anybody is woken.
    #[inline]
    pub(crate) fn give_and(&self, count: usize, then: impl FnOnce()) {
        // ORDERING: Release pairs with `try_take` and with the turn's reading of the word.
        let word = self.word.fetch_add(count << SHIFT, Release);
        then();
        if word & QUEUED != 0 {
            self.given(word.wrapping_add(count << SHIFT));
        }
    }

    /// Sees to it that permits that were given, which made it `word`, reach those who wait.
    #[cold]
    fn given(&self, word: usize) {
        if !self.is_left_to_the_called(word) {
            self.serve_if_free();
        }
    }

    /// Whether the head has been called, and nothing is there for others. It will come for the one
    /// permit there may be, and looks again if that is not what it needs.
    fn is_left_to_the_called(&self, word: usize) -> bool {
        word & CALLED != 0 && permits(word) <= 1 && !self.is_spent(word)
    }

    /// Takes up to `count` permits away, as many as there are, and returns how many.
    ///
    /// Takes none while somebody serves the line: what is there then may be granted already.
    pub(crate) fn reduce(&self, count: usize) -> usize {
        // ORDERING: Relaxed, here and below. Nothing is handed over.
        let mut word = self.word.load(Relaxed);
        loop {
            let taken = if word & HELD != 0 {
                0
            } else {
                count.min(permits(word).max(0) as usize)
            };
            let next = word.wrapping_sub(taken << SHIFT);
            match self
                .word
                .compare_exchange_weak(word, next, Relaxed, Relaxed)
            {
                Ok(_) => return taken,
                Err(now) => word = now,
            }
        }
    }

    /// Takes `count` permits away, into debt if need be.
    pub(crate) fn forget(&self, count: usize) {
        // ORDERING: Relaxed. Nothing is handed over.
        self.word.fetch_sub(count << SHIFT, Relaxed);
    }

    /// How many permits there are; negative in debt.
    pub(crate) fn permits(&self) -> isize {
        // ORDERING: Relaxed. A snapshot.
        permits(self.word.load(Relaxed))
    }

    // ---- the bar ----

    /// Whether the bar is down.
    #[inline]
    pub(crate) fn is_barred(&self) -> bool {
        // ORDERING: Acquire pairs with `bar`: what came before it happened before.
        self.word.load(Acquire) & BARRED != 0
    }

    /// Lowers the bar, for good: from here on nobody queues. Says whether anyone does.
    pub(crate) fn bar(&self) -> bool {
        // ORDERING: Release pairs with the acquire of whoever sees the bar. What those who queued before
        // it have left is acquired by the turn that lets them go.
        self.word.fetch_or(BARRED, Release) & QUEUED != 0
    }

    // ---- the gate ----

    /// Opens a gate: its waiters are let go, and nobody queues until it is [shut](Self::shut).
    pub(crate) fn open(&self) {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        loop {
            let next = if word & BARRED != 0 {
                word
            } else if permits(word) == OPENINGS {
                // The count begins anew.
                word & ((1 << SHIFT) - 1) | BARRED
            } else {
                (word + (1 << SHIFT)) | BARRED
            };
            // ORDERING: Release pairs with the acquire of whoever sees the gate open, or shuts it, and
            // with the turn's reading of the word. Release, too, if it is open already: what came before
            // this call then happened before it is shut.
            match self
                .word
                .compare_exchange_weak(word, next, Release, Relaxed)
            {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if word & (BARRED | QUEUED) == QUEUED {
            if permits(word) == OPENINGS {
                // None of them is told from those who will come by the count.
                self.notify_queued(EVERYONE);
            } else {
                self.serve_if_free();
            }
        }
    }

    /// Shuts a gate: who comes from here on waits until it is opened again.
    pub(crate) fn shut(&self) {
        // ORDERING: Acquire pairs with `open`: who shuts a gate, and then looks at what it was opened for,
        // sees that. What waiters see comes from `open` alone.
        self.word.fetch_and(!BARRED, Acquire);
    }

    /// How many openings of the gate, of which `word` has the count, a wait that begins now needs.
    fn next_opening(word: usize) -> usize {
        (permits(word) + 1) as usize
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        // ORDERING: Relaxed. A snapshot.
        self.len.load(Relaxed) as usize
    }

    // ---- notifying ----

    /// Ends the waits of the first `count` in line. A queue without permits only.
    #[inline]
    pub(crate) fn notify(&self, count: usize) {
        // ORDERING: AcqRel. If this comes after an arrival's change of the word, it sees `QUEUED`;
        // if before, the arrival sees all that this caller has done.
        if self.word.fetch_or(0, AcqRel) & QUEUED != 0 {
            self.notify_queued(count);
        }
    }

    /// Ends the waits of all who wait now. A queue without permits only.
    #[inline]
    pub(crate) fn notify_all(&self) {
        self.notify(EVERYONE);
    }

    #[cold]
    fn notify_queued(&self, count: usize) {
        if self.try_hold() {
            self.serve_after(|line, turn| self.grant_notice(line, count, &mut turn.batch));
        } else {
            self.inbox.push(Message::Notify(Notice::new(count)));
            self.ask();
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Nobody can be waiting: futures borrow or own the primitive. What is left are waiters
        // whose futures were leaked; their wakers at least are dropped.
        let mut turn = Turn::new();
        let mut left = Chain::new();
        self.with_line(|line| {
            self.read_inbox(line, &mut turn);
            line.take_all(&mut left);
        });
        turn.batch.deliver();
        while let Some(waiter) = left.pop_front() {
            if let (_, Some(letter)) = waiter.grant(Outcome::Refused) {
                drop(letter.into_waker());
            }
        }
    }
}
