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
//! # Overtaking
//!
//! A queue has a *limit*: how many newcomers may take permits past the same head of the line. With
//! a limit of 0 nobody may, and permits are *granted*: they leave the word in the turn that hands
//! them over. Otherwise the head is *called*: woken, while its permits stay in the word. It stays
//! in line until it has them.
//!
//! ```text
//!           call                     takes them: out of line, passed = 0
//!   head ─────────► head, called ──────────────────────────────────────────► done
//!     ▲                │      │
//!     │ came in vain   │      │ passed = limit, and there are permits for others
//!     └────────────────┘      └──────────────────► absent: out of line. When it comes, it takes
//!                                                  permits that are free, or goes to the head of
//!   passed = limit: the head is granted            the line, with passed = limit
//! ```
//!
//! - Only the head is called, and nobody else while it has not come. Permits beyond those that it
//!   needs are granted to the next in line. So as long as one waiter is on its way to one permit, a
//!   release of it is one `fetch_add`.
//! - Each newcomer that takes permits past the line counts one up in `passed`. At the limit none
//!   may, and the head is granted the next permits as soon as it waits, which sets the count back.
//! - A head that has been called and has not come by then is *absent*: its thread sleeps, or its
//!   future is not being polled and may never be. Others go on without it. When it does come, and
//!   finds nothing, it is at the head again and is granted the next permits: from then on nobody
//!   passes it.
//!
//! So between two polls of its own, and not counting while it has been woken and not polled, a
//! head is passed at most `limit` times.
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
    waiter::{Look, Notice, Outcome, Queued, Stand, Task, Ticket},
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

/// The head of the line has been called, and has not come yet.
const CALLED: usize = 1 << 4;
/// One who has taken permits past the head.
const PASSED_ONE: usize = 1 << 5;
/// The count of those.
const PASSED: usize = (1 << SHIFT) - PASSED_ONE;

/// Where the permits begin.
const SHIFT: u32 = if usize::BITS == 64 { 16 } else { 10 };

/// The highest limit there can be: 255, or 31 where words have 32 bits.
pub(crate) const MAX_LIMIT: u8 = if PASSED / PASSED_ONE < u8::MAX as usize {
    (PASSED / PASSED_ONE) as u8
} else {
    u8::MAX
};

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
    /// How many may pass the same head.
    limit: u8,
}

/// What a turn has come to, and is not in the word yet.
struct Turn {
    batch: Batch,
    /// Permits that were granted.
    taken: usize,
    /// How many have passed the head, as `PASSED` has it, if that is not what the word says.
    passed: Option<usize>,
}

impl Turn {
    fn new() -> Self {
        Self {
            batch: Batch::new(),
            taken: 0,
            passed: None,
        }
    }

    /// What `word` becomes when the turn is given back.
    fn settle(&mut self, word: usize, line: &LineIs) -> usize {
        let mut next = word.wrapping_sub(self.taken << SHIFT) & !(QUEUED | HELD | CALLED);
        if let Some(passed) = self.passed {
            next = next & !PASSED | passed;
        }
        match line {
            LineIs::Empty => next & !PASSED,
            LineIs::Waiting => next | QUEUED,
            LineIs::Called => next | QUEUED | CALLED,
        }
    }
}

/// What a round has left the line in.
enum LineIs {
    Empty,
    Waiting,
    /// Its head has been called.
    Called,
}

// SAFETY: the line is accessed by the turn's holder only, and the turn is passed on with release
// and acquire; everything else is atomic.
unsafe impl Sync for Queue {}

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
            }
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
        // ORDERING: Release pairs with `try_take` and with the turn's reading of the word.
        let word = self.word.fetch_add(count << SHIFT, Release);
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

    /// Whether whoever has been called will come for the one permit there is. It looks again if that
    /// is not what it needs.
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

    /// Lowers the bar: from here on nobody queues. Says whether anyone does.
    pub(crate) fn bar(&self) -> bool {
        // ORDERING: Release pairs with the acquire of whoever sees the bar. What those who queued before
        // it have left is acquired by the turn that lets them go.
        self.word.fetch_or(BARRED, Release) & QUEUED != 0
    }

    /// Raises the bar. Whoever queued before it came down is let go, if that is still to be done.
    pub(crate) fn unbar(&self) {
        // ORDERING: Acquire pairs with `bar`, and with the arrival of whoever queued before it: the message
        // goes behind theirs.
        let word = self.word.load(Acquire);
        if word & BARRED == 0 {
            return;
        }
        if word & QUEUED != 0 {
            // Behind them, and before anyone who may queue again.
            self.inbox.push(Message::Notify(Notice::new(EVERYONE)));
        }
        // ORDERING: Release publishes the message.
        self.word.fetch_and(!BARRED, Release);
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
        let poll = match slot {
            Slot::Idle => self.enqueue(slot, need, cx),
            Slot::Waiting(_) => self.poll_waiting(slot, need, cx),
            Slot::Done => panic!("a wait was polled after it had completed"),
        };
        if poll.is_ready() {
            // What is left of the wait is the future's side of it.
            if let Slot::Waiting(ticket) = mem::replace(slot, Slot::Done) {
                ticket.finish();
            }
        }
        poll
    }

    #[cold]
    fn enqueue(&self, slot: &mut Slot, need: usize, cx: &Context<'_>) -> Poll<Option<Outcome>> {
        // ORDERING: Acquire, throughout: a caller that is let through sees what came before.
        let mut word = self.word.load(Acquire);
        if word & BARRED != 0 {
            return Poll::Ready(None);
        }
        // The caller's code first: it may panic, block or come back here.
        let (mut ticket, waiter) = Ticket::new(need, task(cx));
        loop {
            let let_through = if word & BARRED != 0 {
                Some(None)
            } else if let Some(next) = self.without(word, need) {
                match self
                    .word
                    .compare_exchange_weak(word, next, Acquire, Acquire)
                {
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
        match ticket.look() {
            Look::Over(outcome) => Poll::Ready(Some(outcome)),
            _ if word & BARRED != 0 => {
                // The bar came down before the arrival was announced: whoever lowered it need not have
                // known of this waiter.
                match self.leave(slot) {
                    Left::Nothing => Poll::Ready(None),
                    Left::With(outcome) => Poll::Ready(Some(outcome)),
                }
            }
            Look::Waits => Poll::Pending,
            Look::Called | Look::Absent => self.poll_waiting(slot, need, cx),
        }
    }

    /// Polls a wait that has begun. If it is over, the slot holds what is left of it.
    fn poll_waiting(
        &self,
        slot: &mut Slot,
        need: usize,
        cx: &Context<'_>,
    ) -> Poll<Option<Outcome>> {
        let Slot::Waiting(ticket) = slot else {
            unreachable!("the caller has looked")
        };
        let mut look = ticket.look();
        loop {
            match look {
                Look::Over(outcome) => return Poll::Ready(Some(outcome)),
                Look::Waits => {
                    // One in line may do what a newcomer may.
                    if self.limit > 0 && need != NOTICE_ONLY && self.take_turn_and(need, false) {
                        return self.go_from_line(slot, need);
                    }
                    look = ticket.leave_waker(cx, home);
                    if look == Look::Waits {
                        return Poll::Pending;
                    }
                }
                Look::Called => {
                    if self.take_turn_and(need, true) {
                        return self.go_from_line(slot, need);
                    }
                    match ticket.stand(cx, home) {
                        Stand::Again => {
                            self.came_in_vain();
                            return match ticket.look() {
                                Look::Over(outcome) => Poll::Ready(Some(outcome)),
                                _ => Poll::Pending,
                            };
                        }
                        Stand::Expected => return Poll::Pending,
                        Stand::Stuck => return self.come_back(slot, need, cx),
                        Stand::See(other) => look = other,
                    }
                }
                Look::Absent => {
                    if self.is_barred() {
                        return Poll::Ready(None);
                    }
                    if self.take_as_absent(need) {
                        return Poll::Ready(Some(Outcome::Granted));
                    }
                    return self.come_back(slot, need, cx);
                }
            }
        }
    }

    /// Takes the turn and `need` permits in one, for a waiter in line, if they are there and it may.
    fn take_turn_and(&self, need: usize, is_called: bool) -> bool {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        loop {
            let may = word & (HELD | BARRED) == 0 && (is_called || !self.is_spent(word));
            if !may || permits(word) < need as isize {
                return false;
            }
            let mut next = (word - (need << SHIFT)) | HELD;
            if is_called {
                next &= !PASSED;
            } else {
                next += PASSED_ONE;
            }
            // ORDERING: Acquire, as in `try_take` and in `try_hold`.
            match self
                .word
                .compare_exchange_weak(word, next, Acquire, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// As the turn's holder, ends the wait of a waiter in line that has taken its permits.
    fn go_from_line(&self, slot: &mut Slot, need: usize) -> Poll<Option<Outcome>> {
        let Slot::Waiting(mut ticket) = mem::replace(slot, Slot::Done) else {
            unreachable!("the caller has looked")
        };
        let task = match ticket.cancel() {
            Ok(task) => task,
            Err(outcome) => {
                // It was granted just before the turn was taken.
                // ORDERING: Relaxed. Nothing was done with them, and what was done before is still in the
                // word's release sequence.
                self.word.fetch_add(need << SHIFT, Relaxed);
                ticket.finish();
                self.serve();
                return Poll::Ready(Some(outcome));
            }
        };
        self.serve_after(|line, _| self.remove(line, ticket));
        // The waker is the caller's code: last.
        let take_back = GiveOnDrop(self, need);
        drop(task);
        mem::forget(take_back);
        Poll::Ready(Some(Outcome::Granted))
    }

    /// Takes `need` permits, if they are there, for a waiter that was passed over.
    fn take_as_absent(&self, need: usize) -> bool {
        // ORDERING: as in `try_take`.
        let mut word = self.word.load(Relaxed);
        while word & (HELD | BARRED) == 0 && permits(word) >= need as isize {
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

    /// Announces that a called waiter has come, found nothing, and stands in line again.
    fn came_in_vain(&self) {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        loop {
            let mut next = word & !CALLED;
            if word & HELD != 0 {
                next |= ASKED;
            }
            // ORDERING: Release: a turn that takes the word from here sees that the waiter has come.
            match self
                .word
                .compare_exchange_weak(word, next, Release, Relaxed)
            {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        // What was given while the waiter was expected has been left to it.
        if permits(word) > 0 {
            self.serve_if_free();
        }
    }

    /// Begins the wait anew at the head of the line, in a new node, to be granted what comes next.
    #[cold]
    fn come_back(&self, slot: &mut Slot, need: usize, cx: &Context<'_>) -> Poll<Option<Outcome>> {
        let (mut ticket, waiter) = Ticket::new(need, task(cx));
        let Slot::Waiting(mut old) = mem::replace(slot, Slot::Done) else {
            unreachable!("the caller has looked")
        };
        if let Err(outcome) = old.cancel() {
            let task = ticket.cancel();
            waiter.finish();
            ticket.finish();
            old.finish();
            drop(task);
            return Poll::Ready(Some(outcome));
        }
        *slot = Slot::Waiting(ticket);
        let old = if old.is_absent() {
            old.finish();
            None
        } else {
            Some(old)
        };
        if self.try_hold() {
            self.serve_after(|line, turn| {
                old.into_iter().for_each(|old| self.remove(line, old));
                self.push_front(line, waiter, turn);
            });
        } else {
            old.into_iter()
                .for_each(|old| self.inbox.push(Message::Leave(old)));
            self.inbox.push(Message::ComeBack(waiter));
            self.ask();
        }
        let Slot::Waiting(ticket) = slot else {
            unreachable!("it was put there above")
        };
        match ticket.look() {
            Look::Over(outcome) => Poll::Ready(Some(outcome)),
            _ => Poll::Pending,
        }
    }

    /// Ends a slot's wait from the future's side.
    pub(crate) fn leave(&self, slot: &mut Slot) -> Left {
        let Slot::Waiting(mut ticket) = mem::replace(slot, Slot::Done) else {
            return Left::Nothing;
        };
        match ticket.cancel() {
            Ok(task) => {
                if ticket.is_absent() {
                    ticket.finish();
                } else {
                    self.take_out(ticket);
                }
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
            self.serve_after(|line, turn| self.grant_notice(line, count, &mut turn.batch));
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
        let nothing_to_do = self.with_line(|line| {
            self.push_back(line, waiter);
            // A release may have come just before, and leave its permits to this turn.
            line.head().is_some_and(|head| {
                permits(word) < head.need() as isize || self.is_left_to_the_called(word)
            })
        });
        // ORDERING: Release passes the line on. On failure the round looks again.
        if !nothing_to_do
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
        self.serve_with(Turn::new());
    }

    /// Does `first`, after what is in the inbox, and serves.
    fn serve_after(&self, first: impl FnOnce(&mut Line, &mut Turn)) {
        let mut turn = Turn::new();
        self.with_line(|line| {
            self.read_inbox(line, &mut turn);
            first(line, &mut turn);
        });
        self.serve_with(turn);
    }

    fn serve_with(&self, mut turn: Turn) {
        loop {
            let mut rounds = 0;
            // ORDERING: Acquire pairs with the release of permits and of messages.
            let mut word = self.word.load(Acquire);
            let done = loop {
                if word & ASKED != 0 {
                    // ORDERING: as above. Clearing comes before reading: what is asked for later
                    // sets the bit again.
                    word = self.word.fetch_and(!ASKED, Acquire) & !ASKED;
                }
                let line = self.with_line(|line| {
                    self.read_inbox(line, &mut turn);
                    // ORDERING: Acquire pairs with `bar`. Looked at after the inbox: whoever has come
                    // out of it may have come after an earlier bar was raised again.
                    if word & BARRED != 0 && self.word.load(Acquire) & BARRED != 0 {
                        let released = turn.batch.release_all(line, Outcome::Refused);
                        self.shrink(released);
                    } else {
                        self.grant(line, word, &mut turn);
                    }
                    match line.head() {
                        None => LineIs::Empty,
                        Some(head) if head.look() == Some(Look::Called) => LineIs::Called,
                        Some(_) => LineIs::Waiting,
                    }
                });
                rounds += 1;
                let pause = turn.batch.is_full() || (rounds >= ROUNDS && !turn.batch.is_empty());
                // ORDERING: Release passes the line on; Acquire as for the load above.
                match self
                    .word
                    .compare_exchange(word, turn.settle(word, &line), Release, Acquire)
                {
                    Ok(_) => break !pause,
                    Err(now) if !pause => word = now,
                    Err(now) => {
                        // Whatever has changed in the word, it is looked at again below: so the
                        // line counts as waiting.
                        self.pause(now, &mut turn);
                        break false;
                    }
                }
            };
            turn.taken = 0;
            turn.passed = None;
            turn.batch.deliver();
            if done {
                return turn.batch.finish();
            }
            // ORDERING: as in `ask`.
            if self.word.fetch_or(HELD | ASKED, AcqRel) & HELD != 0 {
                return turn.batch.finish();
            }
        }
    }

    /// Gives the turn back before all is done. The word was last seen as `word`.
    fn pause(&self, mut word: usize, turn: &mut Turn) {
        // ORDERING: Release passes the line on.
        while let Err(now) = self.word.compare_exchange_weak(
            word,
            turn.settle(word, &LineIs::Waiting),
            Release,
            Relaxed,
        ) {
            word = now;
        }
    }

    /// Hands out what `word` has in permits, from the head on.
    fn grant(&self, line: &mut Line, word: usize, turn: &mut Turn) {
        while !turn.batch.is_full()
            && let Some(head) = line.head()
        {
            let free = permits(word) - turn.taken as isize;
            let need = head.need() as isize;
            let is_spent = self.is_spent(turn.passed.unwrap_or(word & PASSED));
            match head.look() {
                None => self.drop_head(line),
                Some(Look::Called) if is_spent => {
                    if free <= 0 {
                        return;
                    }
                    self.pass_over_head(line, turn);
                }
                Some(Look::Called) => {
                    // What the called one needs stays there for it.
                    let Some(next) = line.second().map(|second| second.need() as isize) else {
                        return;
                    };
                    if free - need < next {
                        return;
                    }
                    if self.grant_second(line, &mut turn.batch) {
                        turn.taken += next as usize;
                    }
                }
                Some(_) if free < need => return,
                Some(_) if is_spent => {
                    if self.grant_head(line, &mut turn.batch) {
                        turn.taken += need as usize;
                        turn.passed = Some(0);
                    }
                }
                Some(_) => {
                    if let Ok(letter) = head.call() {
                        letter.into_iter().for_each(|it| turn.batch.push(it));
                    }
                }
            }
        }
    }

    /// Takes a head that has called its wait off out of the line.
    fn drop_head(&self, line: &mut Line) {
        if let Some(head) = line.pop_front() {
            self.shrink(1);
            head.finish();
        }
    }

    /// Takes a head that has been called and has not come out of the line.
    fn pass_over_head(&self, line: &mut Line, turn: &mut Turn) {
        let Some(head) = line.pop_front() else { return };
        match head.pass_over() {
            None => {
                self.shrink(1);
                turn.passed = Some(0);
            }
            // It has come by now.
            Some(head) => line.push_front(head),
        }
    }

    fn grant_second(&self, line: &mut Line, batch: &mut Batch) -> bool {
        match line.pop_second() {
            Some(second) => self.end_wait(second, batch),
            None => false,
        }
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
        match line.pop_front() {
            Some(head) => self.end_wait(head, batch),
            None => false,
        }
    }

    /// Grants what a waiter that was taken out of the line waits for. Says whether it still waited.
    fn end_wait(&self, waiter: Queued, batch: &mut Batch) -> bool {
        self.shrink(1);
        let (waited, letter) = waiter.grant(Outcome::Granted);
        letter.into_iter().for_each(|letter| batch.push(letter));
        waited
    }

    fn read_inbox(&self, line: &mut Line, turn: &mut Turn) {
        for message in self.inbox.take() {
            match message {
                Message::Arrive(waiter) => self.push_back(line, waiter),
                Message::ComeBack(waiter) => self.push_front(line, waiter, turn),
                Message::Leave(ticket) => self.remove(line, ticket),
                Message::Notify(notice) => {
                    self.grant_notice(line, notice.into_count(), &mut turn.batch);
                }
            }
        }
    }

    fn push_back(&self, line: &mut Line, waiter: Queued) {
        line.push_back(waiter);
        self.grow();
    }

    /// Puts a waiter that came back at the head, which nobody passes.
    fn push_front(&self, line: &mut Line, waiter: Queued, turn: &mut Turn) {
        line.push_front(waiter);
        self.grow();
        turn.passed = Some(PASSED);
    }

    fn grow(&self) {
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

/// The task that is being polled. Runs the caller's code.
fn task(cx: &Context<'_>) -> Task {
    let waker = cx.waker().clone();
    Task {
        home: home(&waker),
        waker,
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
        let mut turn = Turn::new();
        let mut left = super::line::Chain::new();
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
