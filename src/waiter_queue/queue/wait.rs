//! A wait, as a future polls it: beginning, polling, leaving.

use std::{
    mem,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
    task::{Context, Poll},
};

use super::{
    inbox::Message,
    list::mark_ahead,
    state::Queue,
    waiter::{Outcome, Rewait, State, Ticket},
    word::{
        BARGED, BARGED_ONE, LOCKED, NO_WAIT, NOTICE_ONLY, PENDING, QUEUED, SHIFT, STORED, WOKEN,
        next_opening, permits,
    },
};
use crate::waiter_queue::wake::{HomeOf, Task};

/// A wait that a future goes through: not begun, waiting, over.
#[derive(Default)]
pub(crate) enum Slot {
    #[default]
    Idle,
    Waiting(Ticket),
    Done,
}

impl Slot {
    /// Whether the wait is over.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }
}

/// What became of a slot that was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It was waiting, or not even that: it took nothing.
    Nothing,
    /// Its wait had been ended already.
    With(Outcome),
}

impl Queue {
    /// Waits for `need` permits. `None`: the queue is closed, or the gate open.
    ///
    /// `home_of` finds out where the task lives.
    #[inline]
    pub(crate) fn poll_take_with(
        &self,
        slot: &mut Slot,
        need: usize,
        cx: &Context<'_>,
        home_of: HomeOf,
    ) -> Poll<Option<Outcome>> {
        if let Slot::Idle = slot
            && self.try_take(need)
        {
            *slot = Slot::Done;
            return Poll::Ready(Some(Outcome::Granted));
        }
        self.poll(slot, need, cx, home_of)
    }

    /// Waits for `need` permits, ahead of everyone else. A queue that is never closed only.
    ///
    /// Those who wait for others to go ahead must not be needed for these permits to be given.
    pub(crate) fn poll_take_ahead_with(
        &self,
        slot: &mut Slot,
        need: usize,
        cx: &Context<'_>,
        home_of: HomeOf,
    ) -> Poll<Option<Outcome>> {
        if let Slot::Idle = slot {
            if self.try_take_ahead(need) {
                *slot = Slot::Done;
                return Poll::Ready(Some(Outcome::Granted));
            }
            self.enqueue_ahead(slot, need, cx, home_of);
        }
        self.poll(slot, need, cx, home_of)
    }

    /// Waits for a notification. `None`: the queue is closed, or the gate open.
    pub(crate) fn poll_notice_with(
        &self,
        slot: &mut Slot,
        cx: &Context<'_>,
        home_of: HomeOf,
    ) -> Poll<Option<Outcome>> {
        self.poll(slot, NOTICE_ONLY, cx, home_of)
    }

    /// Waits for a notification, which may be stored, or for `opening` of a gate. `None`: it has been.
    #[inline]
    pub(crate) fn poll_stored_with(
        &self,
        slot: &mut Slot,
        opening: usize,
        cx: &Context<'_>,
        home_of: HomeOf,
    ) -> Poll<Option<Outcome>> {
        if let Slot::Idle = slot {
            if self.next_opening() != opening {
                *slot = Slot::Done;
                return Poll::Ready(None);
            }
            if self.take_stored() {
                *slot = Slot::Done;
                return Poll::Ready(Some(Outcome::Granted));
            }
        }
        self.poll(slot, opening, cx, home_of)
    }

    fn poll(
        &self,
        slot: &mut Slot,
        need: usize,
        cx: &Context<'_>,
        home_of: HomeOf,
    ) -> Poll<Option<Outcome>> {
        let poll = match slot {
            Slot::Idle => self.enqueue(slot, need, cx, home_of),
            Slot::Waiting(_) => self.poll_waiting(slot, need, cx, home_of),
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
    fn enqueue(
        &self,
        slot: &mut Slot,
        need: usize,
        cx: &Context<'_>,
        home_of: HomeOf,
    ) -> Poll<Option<Outcome>> {
        // ORDERING: Acquire, throughout: a caller that need not wait sees what came before.
        let mut word = self.word.load(Acquire);
        if word & NO_WAIT != 0 {
            return Poll::Ready(None);
        }
        // The caller's code first: it may panic, block or come back here.
        let task = task(cx, home_of);
        let need = if self.is_gate && need == NOTICE_ONLY {
            // ORDERING: as above.
            word = self.word.load(Acquire);
            next_opening(word)
        } else {
            need
        };
        let (mut ticket, waiter) = Ticket::new(need, task);
        loop {
            let without_waiting = if self.need_not_wait(word, need) {
                Some(None)
            } else if let Some(next) = self.after_take_or_stored(word, need) {
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
            if let Some(outcome) = without_waiting {
                let task = ticket.cancel();
                waiter.finish();
                ticket.finish();
                // The waker is the caller's code. If dropping it panics, nothing has been taken.
                let take_back = GiveOnDrop(self, outcome.map_or(0, |_| need));
                drop(task);
                mem::forget(take_back);
                return Poll::Ready(outcome);
            }
            if word & LOCKED != 0 {
                self.inbox.push(Message::Arrive(waiter));
                *slot = Slot::Waiting(ticket);
                // ORDERING: Release publishes the message to the combiner, Acquire takes the lock.
                word = self.word.fetch_or(QUEUED | LOCKED | PENDING, AcqRel);
                if word & LOCKED == 0 {
                    self.combine();
                }
                break;
            }
            // ORDERING: Acquire pairs with the release of the lock.
            match self
                .word
                .compare_exchange_weak(word, word | QUEUED | LOCKED, Acquire, Acquire)
            {
                Ok(_) => {
                    *slot = Slot::Waiting(ticket);
                    self.combine_arrival(word, waiter);
                    if self.is_gate {
                        // The message of an opening that began the count anew may have been read before
                        // the waiter was in the list.
                        // ORDERING: Relaxed. If this shows an opening, leaving acquires it: by the word, or by
                        // what the waiter was granted.
                        word = self.word.load(Relaxed);
                    }
                    break;
                }
                Err(now) => word = now,
            }
        }
        let Slot::Waiting(ticket) = slot else {
            unreachable!("it was put there above")
        };
        match ticket.state() {
            State::Done(outcome) => Poll::Ready(Some(outcome)),
            _ if self.need_not_wait(word, need) => {
                // The queue was closed, or the gate opened, before the arrival was announced: whoever did
                // that need not have known of this waiter.
                match self.leave(slot) {
                    Left::Nothing => Poll::Ready(None),
                    Left::With(outcome) => Poll::Ready(Some(outcome)),
                }
            }
            State::Waiting => Poll::Pending,
            State::Woken | State::Skipped => self.poll_waiting(slot, need, cx, home_of),
        }
    }

    #[cold]
    fn enqueue_ahead(&self, slot: &mut Slot, need: usize, cx: &Context<'_>, home_of: HomeOf) {
        let (ticket, waiter) = Ticket::new(need, task(cx, home_of));
        let waiter = mark_ahead(waiter);
        *slot = Slot::Waiting(ticket);
        if self.try_lock() {
            self.combine_after(|list, _| self.requeue(list, waiter));
        } else {
            self.inbox.push(Message::Requeue(waiter));
            self.request_pass();
        }
    }

    /// The word without what a newcomer takes, permits or what is stored.
    fn after_take_or_stored(&self, word: usize, need: usize) -> Option<usize> {
        if self.is_gate {
            (word & (STORED | LOCKED) == STORED).then_some(word & !STORED)
        } else {
            self.after_take(word, need)
        }
    }

    /// Whether a wait that has just begun, and needs `need`, does not have to queue after all.
    fn need_not_wait(&self, word: usize, need: usize) -> bool {
        word & NO_WAIT != 0 || self.is_gate && need != next_opening(word)
    }

    /// Polls a wait that has begun. If it is over, the slot holds what is left of it.
    fn poll_waiting(
        &self,
        slot: &mut Slot,
        need: usize,
        cx: &Context<'_>,
        home_of: HomeOf,
    ) -> Poll<Option<Outcome>> {
        let Slot::Waiting(ticket) = slot else {
            unreachable!("the caller has looked")
        };
        let mut state = ticket.state();
        loop {
            match state {
                State::Done(outcome) => return Poll::Ready(Some(outcome)),
                State::Waiting => {
                    // A waiter in the list may do what a newcomer may.
                    if self.limit() > 0
                        && need != NOTICE_ONLY
                        && let Some(barged) = self.lock_and_take(need)
                    {
                        return self.complete_in_list(slot, need, barged);
                    }
                    state = ticket.set_waker(cx, home_of);
                    if state == State::Waiting {
                        return Poll::Pending;
                    }
                }
                State::Woken => {
                    if let Some(barged) = self.lock_and_take(need) {
                        return self.complete_in_list(slot, need, barged);
                    }
                    match ticket.rewait(cx, home_of) {
                        Rewait::Waiting => {
                            self.clear_woken();
                            return match ticket.state() {
                                State::Done(outcome) => Poll::Ready(Some(outcome)),
                                _ => Poll::Pending,
                            };
                        }
                        Rewait::InFlight => return Poll::Pending,
                        Rewait::Stuck => return self.requeue_skipped(slot, need, cx, home_of),
                        Rewait::Changed(other) => state = other,
                    }
                }
                State::Skipped => {
                    if self.is_no_wait() {
                        return Poll::Ready(None);
                    }
                    if self.take_skipped(need) {
                        return Poll::Ready(Some(Outcome::Granted));
                    }
                    return self.requeue_skipped(slot, need, cx, home_of);
                }
            }
        }
    }

    /// Takes the lock and `need` permits in one, for a waiter in the list, if a newcomer may take them.
    ///
    /// A head that may not is granted them when it waits again. Returns how many have barged past the
    /// head by then.
    fn lock_and_take(&self, need: usize) -> Option<usize> {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        loop {
            let may = word & (LOCKED | NO_WAIT) == 0 && !self.is_limit_reached(word);
            if !may || permits(word) < need as isize {
                return None;
            }
            // ORDERING: Acquire, as in `try_take` and in `try_lock`.
            match self.word.compare_exchange_weak(
                word,
                (word - (need << SHIFT)) | LOCKED,
                Acquire,
                Relaxed,
            ) {
                Ok(_) => return Some(word & BARGED),
                Err(now) => word = now,
            }
        }
    }

    /// As the combiner, ends the wait of a waiter in the list that has taken its permits.
    fn complete_in_list(
        &self,
        slot: &mut Slot,
        need: usize,
        barged: usize,
    ) -> Poll<Option<Outcome>> {
        let Slot::Waiting(mut ticket) = mem::replace(slot, Slot::Done) else {
            unreachable!("the caller has looked")
        };
        let task = match ticket.cancel() {
            Ok(task) => task,
            Err(outcome) => {
                // It was granted just before the lock was taken.
                // ORDERING: Relaxed. Nothing was done with them, and what was done before is still in the
                // word's release sequence.
                self.word.fetch_add(need << SHIFT, Relaxed);
                ticket.finish();
                let granted = if outcome == Outcome::Granted { need } else { 0 };
                let take_back = GiveOnDrop(self, granted);
                self.combine();
                mem::forget(take_back);
                return Poll::Ready(Some(outcome));
            }
        };
        // Waking others and dropping the waker is their code, which may panic.
        let take_back = GiveOnDrop(self, need);
        self.combine_after(|list, combiner| {
            if !list.is_head(&ticket) {
                combiner.barged = Some(combiner.barged.unwrap_or(barged) + BARGED_ONE);
            }
            self.remove(list, ticket, combiner);
        });
        drop(task);
        mem::forget(take_back);
        Poll::Ready(Some(Outcome::Granted))
    }

    /// Takes `need` permits, if they are there, for a waiter that was skipped. It came before everyone
    /// in the list, but for those who were requeued.
    fn take_skipped(&self, need: usize) -> bool {
        // ORDERING: as in `try_take`.
        let mut word = self.word.load(Relaxed);
        while word & (LOCKED | NO_WAIT) == 0
            && word & BARGED != BARGED
            && permits(word) >= need as isize
        {
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

    /// Announces that a woken waiter was polled, found nothing, and waits again.
    fn clear_woken(&self) {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        loop {
            let mut next = word & !WOKEN;
            if word & LOCKED != 0 {
                next |= PENDING;
            }
            // ORDERING: Release: a combiner that takes the word from here sees that the waiter waits again.
            match self
                .word
                .compare_exchange_weak(word, next, Release, Relaxed)
            {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        // What was given while the waiter was on its way has been left to it.
        if permits(word) > 0 {
            self.combine_if_unlocked();
        }
    }

    /// Begins the wait anew at the head of the list, in a new node, to be granted what comes next.
    #[cold]
    fn requeue_skipped(
        &self,
        slot: &mut Slot,
        need: usize,
        cx: &Context<'_>,
        home_of: HomeOf,
    ) -> Poll<Option<Outcome>> {
        let (mut ticket, waiter) = Ticket::new(need, task(cx, home_of));
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
        let old = if old.is_skipped() {
            old.finish();
            None
        } else {
            Some(old)
        };
        if self.try_lock() {
            self.combine_after(|list, combiner| {
                old.into_iter()
                    .for_each(|old| self.remove(list, old, combiner));
                self.requeue(list, waiter);
            });
        } else {
            // In this order, so that one of them is always in the list. But the old one is cancelled
            // already: the combiner may drop it first, and wake the next waiter for nothing.
            self.inbox.push(Message::Requeue(waiter));
            old.into_iter()
                .for_each(|old| self.inbox.push(Message::Leave(old)));
            self.request_pass();
        }
        let Slot::Waiting(ticket) = slot else {
            unreachable!("it was put there above")
        };
        match ticket.state() {
            State::Done(outcome) => Poll::Ready(Some(outcome)),
            _ => Poll::Pending,
        }
    }

    /// Ends a slot's wait from the future's side.
    #[inline]
    pub(crate) fn leave(&self, slot: &mut Slot) -> Left {
        match mem::replace(slot, Slot::Done) {
            Slot::Waiting(ticket) => self.leave_with(ticket),
            _ => Left::Nothing,
        }
    }

    fn leave_with(&self, mut ticket: Ticket) -> Left {
        match ticket.cancel() {
            Ok(task) => {
                if ticket.is_skipped() {
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
}

/// The task that is being polled. Runs the caller's code.
fn task(cx: &Context<'_>, home_of: HomeOf) -> Task {
    let waker = cx.waker().clone();
    Task {
        home: home_of(&waker),
        waker,
    }
}

/// Gives permits back when dropped.
struct GiveOnDrop<'a>(&'a Queue, usize);

impl Drop for GiveOnDrop<'_> {
    fn drop(&mut self) {
        match self.1 {
            0 => {}
            _ if self.0.is_gate => self.0.notify_or_store(),
            count => self.0.give(count),
        }
    }
}

#[cfg(all(test, not(compio_sync_loom), not(compio_sync_shuttle)))]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::Arc,
        task::{Wake, Waker},
    };

    use super::*;
    use crate::waiter_queue::wake::Home;

    fn nowhere(_: &Waker) -> Option<Home> {
        None
    }

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker panics");
        }
    }

    /// A waiter has been granted, and has then taken the lock and as many permits again. It gives these
    /// back, and the waker of somebody whom it grants them panics.
    #[test]
    fn what_was_granted_just_before_the_lock_was_taken_is_given_back_on_a_panic() {
        let queue = Queue::new(0);
        let (mut granted, mut panics) = (Slot::Idle, Slot::Idle);
        let quiet = Context::from_waker(Waker::noop());
        assert!(
            queue
                .poll_take_with(&mut granted, 1, &quiet, nowhere)
                .is_pending()
        );
        queue.give(1);
        // As `lock_and_take` does, while one more is free.
        assert!(queue.try_lock());
        queue.give(1);
        queue.forget(1);
        let waker = Waker::from(Arc::new(Panics));
        let cx = Context::from_waker(&waker);
        assert!(
            queue
                .poll_take_with(&mut panics, 1, &cx, nowhere)
                .is_pending()
        );

        let result = catch_unwind(AssertUnwindSafe(|| {
            queue.complete_in_list(&mut granted, 1, 0)
        }));
        assert!(result.is_err());
        assert_eq!(queue.permits(), 1, "its own is given back");
        let poll = queue.poll_take_with(&mut panics, 1, &quiet, nowhere);
        assert_eq!(poll, Poll::Ready(Some(Outcome::Granted)));
        assert_eq!(queue.permits(), 1);
    }
}
