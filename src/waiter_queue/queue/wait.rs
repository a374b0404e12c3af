//! Going through a wait: beginning it, polling it, leaving it.

use std::{
    mem,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
    task::{Context, Poll},
};

use super::{
    super::{
        inbox::Message,
        listener::home,
        waiter::{Look, Outcome, Stand, Task, Ticket},
    },
    ASKED, BARRED, CALLED, HELD, NOTICE_ONLY, PASSED, PASSED_ONE, QUEUED, Queue, SHIFT, permits,
};

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
    /// Waits for `need` permits. `None` is for the bar.
    #[inline]
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
        let task = task(cx);
        let need = if self.is_gate {
            // ORDERING: as above.
            word = self.word.load(Acquire);
            Self::next_opening(word)
        } else {
            need
        };
        let (mut ticket, waiter) = Ticket::new(need, task);
        loop {
            let let_through = if self.is_through(word, need) {
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
                    if self.is_gate {
                        // The message of an opening that began the count anew may have been read before
                        // the waiter was in line.
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
        match ticket.look() {
            Look::Over(outcome) => Poll::Ready(Some(outcome)),
            _ if self.is_through(word, need) => {
                // The bar came down, or the gate was opened, before the arrival was announced: whoever did
                // that need not have known of this waiter.
                match self.leave(slot) {
                    Left::Nothing => Poll::Ready(None),
                    Left::With(outcome) => Poll::Ready(Some(outcome)),
                }
            }
            Look::Waits => Poll::Pending,
            Look::Called | Look::Absent => self.poll_waiting(slot, need, cx),
        }
    }

    /// Whether a wait that has just begun, and needs `need`, does not have to queue after all.
    fn is_through(&self, word: usize, need: usize) -> bool {
        word & BARRED != 0 || self.is_gate && need != Self::next_opening(word)
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
                    if self.limit > 0
                        && need != NOTICE_ONLY
                        && let Some(passed) = self.take_turn_and(need)
                    {
                        return self.go_from_line(slot, need, passed);
                    }
                    look = ticket.leave_waker(cx, home);
                    if look == Look::Waits {
                        return Poll::Pending;
                    }
                }
                Look::Called => {
                    if let Some(passed) = self.take_turn_and(need) {
                        return self.go_from_line(slot, need, passed);
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

    /// Takes the turn and `need` permits in one, for a waiter in line, if a newcomer may take them.
    ///
    /// A head that may not is granted them when it stands in line again. Returns how many have
    /// passed the head by then.
    fn take_turn_and(&self, need: usize) -> Option<usize> {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        loop {
            let may = word & (HELD | BARRED) == 0 && !self.is_spent(word);
            if !may || permits(word) < need as isize {
                return None;
            }
            // ORDERING: Acquire, as in `try_take` and in `try_hold`.
            match self.word.compare_exchange_weak(
                word,
                (word - (need << SHIFT)) | HELD,
                Acquire,
                Relaxed,
            ) {
                Ok(_) => return Some(word & PASSED),
                Err(now) => word = now,
            }
        }
    }

    /// As the turn's holder, ends the wait of a waiter in line that has taken its permits.
    fn go_from_line(&self, slot: &mut Slot, need: usize, passed: usize) -> Poll<Option<Outcome>> {
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
                let granted = if outcome == Outcome::Granted { need } else { 0 };
                let take_back = GiveOnDrop(self, granted);
                self.serve();
                mem::forget(take_back);
                return Poll::Ready(Some(outcome));
            }
        };
        // Waking others and dropping the waker is their code, which may panic.
        let take_back = GiveOnDrop(self, need);
        self.serve_after(|line, turn| {
            if !line.is_head(&ticket) {
                turn.passed = Some(turn.passed.unwrap_or(passed) + PASSED_ONE);
            }
            self.remove(line, ticket, turn);
        });
        drop(task);
        mem::forget(take_back);
        Poll::Ready(Some(Outcome::Granted))
    }

    /// Takes `need` permits, if they are there, for a waiter that was passed over. It came before
    /// everyone in line, those apart who have returned.
    fn take_as_absent(&self, need: usize) -> bool {
        // ORDERING: as in `try_take`.
        let mut word = self.word.load(Relaxed);
        while word & (HELD | BARRED) == 0
            && word & PASSED != PASSED
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
                old.into_iter().for_each(|old| self.remove(line, old, turn));
                self.put_back(line, waiter);
            });
        } else {
            // In this order, so that one of them is always in line. But the old one is called off already:
            // whoever has the turn may drop it first, and call the next in line, in vain.
            self.inbox.push(Message::ComeBack(waiter));
            old.into_iter()
                .for_each(|old| self.inbox.push(Message::Leave(old)));
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

#[cfg(all(test, not(compio_sync_loom), not(compio_sync_shuttle)))]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::Arc,
        task::{Wake, Waker},
    };

    use super::*;

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker panics");
        }
    }

    /// A waiter has been granted, and has then taken the turn and as many permits again. It gives these
    /// back, and somebody whom it grants them panics.
    #[test]
    fn what_was_granted_just_before_the_turn_was_taken_is_given_back_on_a_panic() {
        let queue = Queue::new(0);
        let (mut granted, mut panics) = (Slot::Idle, Slot::Idle);
        let quiet = Context::from_waker(Waker::noop());
        assert!(queue.poll_take(&mut granted, 1, &quiet).is_pending());
        queue.give(1);
        // As `take_turn_and` does, while one more is free.
        assert!(queue.try_hold());
        queue.give(1);
        queue.forget(1);
        let waker = Waker::from(Arc::new(Panics));
        let cx = Context::from_waker(&waker);
        assert!(queue.poll_take(&mut panics, 1, &cx).is_pending());

        let result = catch_unwind(AssertUnwindSafe(|| queue.go_from_line(&mut granted, 1, 0)));
        assert!(result.is_err());
        assert_eq!(queue.permits(), 1, "its own is given back");
        let poll = queue.poll_take(&mut panics, 1, &quiet);
        assert_eq!(poll, Poll::Ready(Some(Outcome::Granted)));
        assert_eq!(queue.permits(), 1);
    }
}
