//! The queue that every primitive waits in: a word, an inbox and a line.
//!
//! ```text
//!   bit  0        1        2        3        4 ..  SHIFT  SHIFT ..
//!      ┌────────┬────────┬────────┬────────┬────────────┬──────────────────────┐
//! word │ QUEUED │ HELD   │ ASKED  │ BARRED │ (reserved) │ permits, signed      │
//!      └────────┴────────┴────────┴────────┴────────────┴──────────────────────┘
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
//! leavers out, and grants from the head while there are permits for it. The turn is given back by
//! a compare-exchange on the word that the round has served. It fails if anything was asked for
//! meanwhile, or any permit came back, and then there is another round. So nothing is ever left
//! undone in a word whose turn is free, unless its last holder is waking a batch and comes back:
//!
//! - **A release** is one `fetch_add` on the word. If the value it read has no `QUEUED`, it came
//!   before the first waiter's change of the word, and that waiter sees its permits. If it has,
//!   the releaser serves, or leaves it to a holder, whose compare-exchange fails.
//! - **An arrival** changes the word (`QUEUED`) after it is in the line or the inbox, and in that
//!   same step either has the turn or asks its holder.
//! - **A leaver** takes itself out in a turn of its own, or asks the holder to.
//! - **A notification** is for those in line or in the inbox at that moment: it is carried out in
//!   a turn, or left in the inbox behind exactly those.
//!
//! While the turn is held, permits are taken out by the holder alone, once per round, after
//! granting them; while `QUEUED` is set, nobody passes the line. [`Queue::reduce`] and
//! [`Queue::forget`] may take permits even then, so the count can fall below zero. It is a debt
//! that releases repay before anyone is granted more.
//!
//! Wakers run after the turn has been given back. A turn that has many to wake gives itself back
//! after each `BATCH`, and one that serves others after `ROUNDS` rounds, so that the woken
//! need not wait for the end. The queue is lock-free, not wait-free: a turn that finds nobody to
//! wake goes on for as long as others keep asking, each of whom has got what it wanted.
//!
//! The idea to hand a critical section's work to whoever is inside it is known as flat combining
//! (Hendler, Incze, Shavit and Tzafrir, SPAA 2010); nobody here waits for the combiner's answer.

use std::{
    mem,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
    task::{Context, Poll},
};

use super::{
    batch::Batch,
    inbox::{Inbox, Message},
    line::Line,
    listener::home,
    waiter::{Notice, Outcome, Queued, Task, Ticket},
};
use crate::loom::{AtomicU32, AtomicUsize, ROUNDS, UnsafeCell};

/// Somebody is in the line, or on the way there.
const QUEUED: usize = 1;
/// Somebody has the turn.
const HELD: usize = 1 << 1;
/// The turn's holder has to serve another round.
const ASKED: usize = 1 << 2;
/// What the primitive makes of it: a closed semaphore, an event that is set. Nobody queues.
const BARRED: usize = 1 << 3;

/// Where the permits begin. The bits between are left for counting overtakers.
const SHIFT: u32 = if usize::BITS == 64 { 16 } else { 10 };

/// How many permits a queue can hold: 2^46 - 1, or 2^20 - 1 where words have 32 bits. Half of what
/// there is room for: while permits are being forgotten as others are added, there can be more.
pub(crate) const MAX_PERMITS: usize = (isize::MAX >> (SHIFT + 1)) as usize;

/// The need of a waiter whom no permits can satisfy, only a notification.
const NOTICE_ONLY: usize = isize::MAX as usize;

/// A notification's count that stands for everyone.
const EVERYONE: usize = usize::MAX;

fn permits(word: usize) -> isize {
    word as isize >> SHIFT
}

/// Whether `word` has permits for `need` and nobody to take them before.
///
/// Not while the turn is held, even if nobody is known to wait: the holder may be granting what is
/// there to an arrival that it has found in the inbox, and that has not set `QUEUED` yet.
fn is_free_for(word: usize, need: usize) -> bool {
    word & (QUEUED | HELD | BARRED) == 0 && permits(word) >= need as isize
}

/// A wait that a future goes through: not begun, waiting, over.
#[derive(Default)]
pub(crate) enum Slot {
    #[default]
    Idle,
    Waiting(Ticket),
    Done,
}

/// What became of a slot that was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It was waiting, or not even that: it took nothing.
    Nothing,
    /// Its wait had been ended already.
    With(Outcome),
}

pub(crate) struct Queue {
    word: AtomicUsize,
    inbox: Inbox,
    line: UnsafeCell<Line>,
    /// How many are in the line. Written by the turn's holder only.
    len: AtomicU32,
}

// SAFETY: the line is accessed by the turn's holder only, and the turn is passed on with release
// and acquire; everything else is atomic.
unsafe impl Sync for Queue {}

impl Queue {
    crate::loom::const_fn! {
        /// A queue with `permits`, at most [`MAX_PERMITS`].
        pub(crate) fn new(permits: usize) -> Self {
            Self {
                word: AtomicUsize::new(permits << SHIFT),
                inbox: Inbox::new(),
                line: UnsafeCell::new(Line::new()),
                len: AtomicU32::new(0),
            }
        }
    }

    // ---- permits ----

    /// Takes `need` permits, if they are there and nobody waits.
    #[inline]
    pub(crate) fn try_take(&self, need: usize) -> bool {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        while is_free_for(word, need) {
            // ORDERING: Acquire pairs with the release in `give`: what was done with the permits
            // before happened before. Other changes of the word keep up its release sequence.
            match self
                .word
                .compare_exchange_weak(word, word - (need << SHIFT), Acquire, Relaxed)
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
        // ORDERING: Release pairs with `try_take` and with the turn's reading of the word.
        if self.word.fetch_add(count << SHIFT, Release) & QUEUED != 0 {
            self.serve_if_free();
        }
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

    /// Lowers the bar: from here on nobody queues. Says whether anyone does.
    pub(crate) fn bar(&self) -> bool {
        // ORDERING: Release pairs with the acquire of whoever sees the bar. Acquire pairs with the
        // arrival of whoever queued before it.
        self.word.fetch_or(BARRED, AcqRel) & QUEUED != 0
    }

    /// Raises the bar. Whoever queued before it came down is let go, if that is still to be done.
    pub(crate) fn unbar(&self) {
        // ORDERING: Acquire pairs with `bar`.
        let word = self.word.load(Acquire);
        if word & BARRED == 0 {
            return;
        }
        if word & QUEUED != 0 {
            // Behind them, and before anyone who may queue again.
            self.inbox.push(Message::Notify(Notice::new(EVERYONE)));
        }
        // ORDERING: Release publishes the message; Acquire orders this after the bar.
        self.word.fetch_and(!BARRED, AcqRel);
        if word & QUEUED != 0 {
            self.ask();
        }
    }

    // ---- waiting ----

    /// Waits for `need` permits. `None` is for the bar.
    pub(crate) fn poll_take(
        &self,
        slot: &mut Slot,
        need: usize,
        cx: &Context<'_>,
    ) -> Poll<Option<Outcome>> {
        if let Slot::Idle = slot
            && self.try_take(need)
        {
            *slot = Slot::Done;
            return Poll::Ready(Some(Outcome::Granted));
        }
        self.poll(slot, need, cx)
    }

    /// Waits for a notification. `None` is for the bar.
    pub(crate) fn poll_notice(&self, slot: &mut Slot, cx: &Context<'_>) -> Poll<Option<Outcome>> {
        self.poll(slot, NOTICE_ONLY, cx)
    }

    fn poll(&self, slot: &mut Slot, need: usize, cx: &Context<'_>) -> Poll<Option<Outcome>> {
        let outcome = match slot {
            Slot::Idle => match self.enqueue(slot, need, cx) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => return Poll::Pending,
            },
            Slot::Waiting(ticket) => match ticket.poll(cx, home) {
                Poll::Ready(outcome) => Some(outcome),
                Poll::Pending => return Poll::Pending,
            },
            Slot::Done => panic!("a wait was polled after it had completed"),
        };
        if let Slot::Waiting(ticket) = mem::replace(slot, Slot::Done) {
            ticket.finish();
        }
        Poll::Ready(outcome)
    }

    #[cold]
    fn enqueue(&self, slot: &mut Slot, need: usize, cx: &Context<'_>) -> Poll<Option<Outcome>> {
        // ORDERING: Acquire, throughout: a caller that is let through sees what came before.
        let mut word = self.word.load(Acquire);
        if word & BARRED != 0 {
            return Poll::Ready(None);
        }
        // The caller's code first: it may panic, block or come back here.
        let waker = cx.waker().clone();
        let task = Task {
            home: home(&waker),
            waker,
        };
        let (mut ticket, waiter) = Ticket::new(need, task);
        loop {
            let let_through = if word & BARRED != 0 {
                Some(None)
            } else if is_free_for(word, need) {
                match self.word.compare_exchange_weak(
                    word,
                    word - (need << SHIFT),
                    Acquire,
                    Acquire,
                ) {
                    Ok(_) => Some(Some(Outcome::Granted)),
                    Err(now) => {
                        word = now;
                        continue;
                    }
                }
            } else {
                None
            };
            if let Some(outcome) = let_through {
                let task = ticket.cancel();
                waiter.finish();
                ticket.finish();
                // The waker is the caller's code. If dropping it panics, nothing has been taken.
                let take_back = GiveOnDrop(self, outcome.map_or(0, |_| need));
                drop(task);
                mem::forget(take_back);
                return Poll::Ready(outcome);
            }
            if word & HELD != 0 {
                self.inbox.push(Message::Arrive(waiter));
                *slot = Slot::Waiting(ticket);
                // ORDERING: Release publishes the message to the holder, Acquire takes the turn.
                word = self.word.fetch_or(QUEUED | HELD | ASKED, AcqRel);
                if word & HELD == 0 {
                    self.serve();
                }
                break;
            }
            // ORDERING: Acquire pairs with the release of the turn.
            match self
                .word
                .compare_exchange_weak(word, word | QUEUED | HELD, Acquire, Acquire)
            {
                Ok(_) => {
                    *slot = Slot::Waiting(ticket);
                    self.join(word, waiter);
                    break;
                }
                Err(now) => word = now,
            }
        }
        let Slot::Waiting(ticket) = slot else {
            unreachable!("it was put there above")
        };
        if let Some(outcome) = ticket.outcome() {
            return Poll::Ready(Some(outcome));
        }
        if word & BARRED != 0 {
            // The bar came down before the arrival was announced: whoever lowered it need not have
            // known of this waiter.
            return match self.leave(slot) {
                Left::Nothing => Poll::Ready(None),
                Left::With(outcome) => Poll::Ready(Some(outcome)),
            };
        }
        Poll::Pending
    }

    /// Ends a slot's wait from the future's side.
    pub(crate) fn leave(&self, slot: &mut Slot) -> Left {
        let Slot::Waiting(mut ticket) = mem::replace(slot, Slot::Done) else {
            return Left::Nothing;
        };
        match ticket.cancel() {
            Ok(task) => {
                self.take_out(ticket);
                // The waker is the caller's code: last.
                drop(task);
                Left::Nothing
            }
            Err(outcome) => {
                ticket.finish();
                Left::With(outcome)
            }
        }
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
            self.serve_after(|line, batch| self.grant_notice(line, count, batch));
        } else {
            self.inbox.push(Message::Notify(Notice::new(count)));
            self.ask();
        }
    }

    // ---- the turn ----

    /// Takes the turn if it is free.
    fn try_hold(&self) -> bool {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        while word & HELD == 0 {
            // ORDERING: Acquire pairs with the release of the turn.
            match self
                .word
                .compare_exchange_weak(word, word | HELD, Acquire, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Has the turn's holder serve another round, or serves it.
    fn ask(&self) {
        // ORDERING: Release publishes what the round is for, Acquire takes the turn.
        if self.word.fetch_or(HELD | ASKED, AcqRel) & HELD == 0 {
            self.serve();
        }
    }

    /// Serves, unless nobody waits or somebody has the turn: the change of the word that the
    /// caller has just made is then seen by them.
    #[cold]
    pub(crate) fn serve_if_free(&self) {
        // ORDERING: Relaxed. At least as new as the caller's own change of the word.
        let mut word = self.word.load(Relaxed);
        while word & (QUEUED | HELD) == QUEUED {
            // ORDERING: Acquire pairs with the release of the turn.
            match self
                .word
                .compare_exchange_weak(word, word | HELD, Acquire, Relaxed)
            {
                Ok(_) => return self.serve(),
                Err(now) => word = now,
            }
        }
    }

    /// Carries on as the turn's holder, with a new arrival. `word` is what the turn was taken from.
    fn join(&self, word: usize, waiter: Queued) {
        if word & ASKED != 0 || !self.inbox.is_empty() {
            return self.serve_after(|line, _| self.push_back(line, waiter));
        }
        let nothing_to_grant = self.with_line(|line| {
            self.push_back(line, waiter);
            // A release may have come just before, and leave its permits to this turn.
            line.head_need()
                .is_some_and(|need| permits(word) < need as isize)
        });
        // ORDERING: Release passes the line on. On failure the round looks again.
        if !nothing_to_grant
            || self
                .word
                .compare_exchange(word | QUEUED | HELD, word | QUEUED, Release, Relaxed)
                .is_err()
        {
            self.serve();
        }
    }

    /// Takes a waiter that has called its wait off out of the line.
    fn take_out(&self, ticket: Ticket) {
        if self.try_hold() {
            self.serve_after(|line, _| self.remove(line, ticket));
        } else {
            self.inbox.push(Message::Leave(ticket));
            self.ask();
        }
    }

    /// Serves rounds until there is nothing left to do, gives the turn back, and wakes.
    fn serve(&self) {
        self.serve_with(Batch::new());
    }

    /// Does `first`, after what is in the inbox, and serves.
    fn serve_after(&self, first: impl FnOnce(&mut Line, &mut Batch)) {
        let mut batch = Batch::new();
        self.with_line(|line| {
            self.read_inbox(line, &mut batch);
            first(line, &mut batch);
        });
        self.serve_with(batch);
    }

    fn serve_with(&self, mut batch: Batch) {
        loop {
            // Permits that were granted and are still in the word.
            let mut taken = 0;
            let mut rounds = 0;
            // ORDERING: Acquire pairs with the release of permits and of messages.
            let mut word = self.word.load(Acquire);
            let done = loop {
                if word & ASKED != 0 {
                    // ORDERING: as above. Clearing comes before reading: what is asked for later
                    // sets the bit again.
                    word = self.word.fetch_and(!ASKED, Acquire) & !ASKED;
                }
                let is_empty = self.with_line(|line| {
                    self.read_inbox(line, &mut batch);
                    // ORDERING: Acquire pairs with `bar`. Looked at after the inbox: whoever has come
                    // out of it may have come after an earlier bar was raised again.
                    if word & BARRED != 0 && self.word.load(Acquire) & BARRED != 0 {
                        let released = batch.release_all(line, Outcome::Refused);
                        self.shrink(released);
                    } else {
                        taken = self.grant(line, word, taken, &mut batch);
                    }
                    line.is_empty()
                });
                rounds += 1;
                if batch.is_full() || (rounds >= ROUNDS && !batch.is_empty()) {
                    // ORDERING: Release passes the line on. Whatever has changed in the word, it is
                    // looked at again below.
                    self.word.fetch_sub((taken << SHIFT) + HELD, Release);
                    break false;
                }
                let mut next = word.wrapping_sub(taken << SHIFT) & !HELD;
                if is_empty {
                    next &= !QUEUED;
                }
                // ORDERING: Release passes the line on; Acquire as for the load above.
                match self.word.compare_exchange(word, next, Release, Acquire) {
                    Ok(_) => break true,
                    Err(now) => word = now,
                }
            };
            batch.deliver();
            if done {
                return batch.finish();
            }
            // ORDERING: as in `ask`.
            if self.word.fetch_or(HELD | ASKED, AcqRel) & HELD != 0 {
                return batch.finish();
            }
        }
    }

    /// Grants from the head while there are permits. `taken` of those in `word` are spent.
    fn grant(&self, line: &mut Line, word: usize, mut taken: usize, batch: &mut Batch) -> usize {
        while !batch.is_full()
            && let Some(need) = line.head_need()
            && permits(word) - taken as isize >= need as isize
        {
            if self.grant_head(line, batch) {
                taken += need;
            }
        }
        taken
    }

    fn grant_notice(&self, line: &mut Line, count: usize, batch: &mut Batch) {
        if count == EVERYONE {
            let released = batch.release_all(line, Outcome::Broadcast);
            self.shrink(released);
            return;
        }
        let mut left = count;
        while left > 0 && !line.is_empty() {
            if self.grant_head(line, batch) {
                left -= 1;
            }
        }
    }

    /// Grants the head of a line that has one. Says whether it still waited.
    fn grant_head(&self, line: &mut Line, batch: &mut Batch) -> bool {
        let Some(head) = line.pop_front() else {
            return false;
        };
        self.shrink(1);
        let (waited, granted) = head.grant(Outcome::Granted);
        if let Some(granted) = granted {
            batch.push(granted);
        }
        waited
    }

    fn read_inbox(&self, line: &mut Line, batch: &mut Batch) {
        for message in self.inbox.take() {
            match message {
                Message::Arrive(waiter) => self.push_back(line, waiter),
                Message::Leave(ticket) => self.remove(line, ticket),
                Message::Notify(notice) => self.grant_notice(line, notice.into_count(), batch),
            }
        }
    }

    fn push_back(&self, line: &mut Line, waiter: Queued) {
        line.push_back(waiter);
        // ORDERING: Relaxed. Only the turn's holder writes it.
        self.len
            .store(self.len.load(Relaxed).saturating_add(1), Relaxed);
    }

    fn remove(&self, line: &mut Line, ticket: Ticket) {
        if let Some(waiter) = line.remove(&ticket) {
            self.shrink(1);
            waiter.finish();
        }
        ticket.finish();
    }

    fn shrink(&self, by: usize) {
        // ORDERING: Relaxed. Only the turn's holder writes it.
        self.len
            .store(self.len.load(Relaxed).saturating_sub(by as u32), Relaxed);
    }

    /// Gives `f` the line. For the turn's holder.
    fn with_line<R>(&self, f: impl FnOnce(&mut Line) -> R) -> R {
        // SAFETY: private, and called between taking and giving back the turn only; `f` never
        // leads back here, as no code of other people's runs in a turn.
        self.line.with_mut(|line| f(unsafe { &mut *line }))
    }
}

/// Gives permits back when dropped.
struct GiveOnDrop<'a>(&'a Queue, usize);

impl Drop for GiveOnDrop<'_> {
    fn drop(&mut self) {
        if self.1 > 0 {
            self.0.give(self.1);
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Nobody can be waiting: futures borrow or own the primitive. What is left are waiters
        // whose futures were leaked; their wakers at least are dropped.
        let mut batch = Batch::new();
        let mut left = super::line::Chain::new();
        self.with_line(|line| {
            self.read_inbox(line, &mut batch);
            line.take_all(&mut left);
        });
        batch.deliver();
        while let Some(waiter) = left.pop_front() {
            if let (_, Some(granted)) = waiter.grant(Outcome::Refused) {
                drop(granted.into_waker());
            }
        }
    }
}
