//! The turn: serving a queue's line, on behalf of whoever asked.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::{
    super::{
        batch::Batch,
        inbox::Message,
        line::Line,
        waiter::{Look, Outcome, Place, Queued, Ticket},
    },
    ASKED, BARRED, CALLED, EVERYONE, HELD, PASSED, QUEUED, Queue, SHIFT, permits,
};
use crate::loom::ROUNDS;

/// What a turn has come to, and is not in the word yet.
pub(super) struct Turn {
    pub(super) batch: Batch,
    /// Permits that were granted.
    taken: usize,
    /// How many have passed the head, as `PASSED` has it, if that is not what the word says.
    pub(super) passed: Option<usize>,
}

impl Turn {
    pub(super) fn new() -> Self {
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
            LineIs::Returned => next | QUEUED | PASSED,
        }
    }
}

/// What a round has left the line in.
enum LineIs {
    Empty,
    Waiting,
    /// Its head has been called.
    Called,
    /// Its head has returned.
    Returned,
}

impl Queue {
    /// Takes the turn if it is free.
    pub(super) fn try_hold(&self) -> bool {
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
    pub(super) fn ask(&self) {
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
    pub(super) fn join(&self, word: usize, waiter: Queued) {
        if word & ASKED != 0 || !self.inbox.is_empty() {
            return self.serve_after(|line, _| self.push_back(line, waiter));
        }
        let nothing_to_do = self.with_line(|line| {
            self.push_back(line, waiter);
            // A release may have come just before, and leave its permits to this turn; or a called
            // head has been passed as often as may be, and is to be passed over.
            line.head().is_some_and(|head| {
                permits(word) <= 0
                    || self.is_left_to_the_called(word)
                    || word & CALLED == 0 && permits(word) < head.need() as isize
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
    pub(super) fn take_out(&self, ticket: Ticket) {
        if self.try_hold() {
            self.serve_after(|line, turn| self.remove(line, ticket, turn));
        } else {
            self.inbox.push(Message::Leave(ticket));
            self.ask();
        }
    }

    /// Serves rounds until there is nothing left to do, gives the turn back, and wakes.
    pub(super) fn serve(&self) {
        self.serve_with(Turn::new());
    }

    /// Does `first`, after what is in the inbox, and serves.
    pub(super) fn serve_after(&self, first: impl FnOnce(&mut Line, &mut Turn)) {
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
                    if word & BARRED != 0 && !self.is_gate {
                        let released = turn.batch.release_all(line, Outcome::Refused);
                        self.shrink(released);
                    } else {
                        self.grant(line, word, &mut turn);
                    }
                    match line.head() {
                        None => LineIs::Empty,
                        Some(_) if line.head_place() == Place::Returned => LineIs::Returned,
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
                        // Whatever has changed in the word, it is looked at again below.
                        self.pause(now, line, &mut turn);
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
    fn pause(&self, mut word: usize, line: LineIs, turn: &mut Turn) {
        // Others may have come, or a called head, since the line was looked at.
        let line = match line {
            LineIs::Returned => LineIs::Returned,
            LineIs::Empty | LineIs::Waiting | LineIs::Called => LineIs::Waiting,
        };
        // ORDERING: Release passes the line on.
        while let Err(now) =
            self.word
                .compare_exchange_weak(word, turn.settle(word, &line), Release, Relaxed)
        {
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
                None => self.drop_head(line, turn),
                Some(Look::Called) if is_spent => {
                    if free <= 0 {
                        return;
                    }
                    if head.pass_over() {
                        self.drop_head(line, turn);
                    }
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
                Some(_) if is_spent || line.head_place() == Place::Returned => {
                    if self.is_gate {
                        // What it waits for stays there, for all.
                        self.end_head(line, Outcome::Broadcast, &mut turn.batch);
                    } else if self.end_head(line, Outcome::Granted, &mut turn.batch) {
                        turn.taken += need as usize;
                    }
                    turn.passed = Some(0);
                }
                Some(_) => {
                    if let Ok(letter) = head.call() {
                        letter.into_iter().for_each(|it| turn.batch.push(it));
                    }
                }
            }
        }
    }

    /// Takes a head that has called its wait off, or was passed over, out of the line.
    fn drop_head(&self, line: &mut Line, turn: &mut Turn) {
        if let Some(head) = line.pop_front() {
            self.shrink(1);
            head.finish();
            turn.passed = Some(0);
        }
    }

    fn grant_second(&self, line: &mut Line, batch: &mut Batch) -> bool {
        match line.pop_second() {
            Some(second) => self.end_wait(second, Outcome::Granted, batch),
            None => false,
        }
    }

    pub(super) fn grant_notice(&self, line: &mut Line, count: usize, batch: &mut Batch) {
        if count == EVERYONE {
            let released = batch.release_all(line, Outcome::Broadcast);
            self.shrink(released);
            return;
        }
        let mut left = count;
        while left > 0 && !line.is_empty() {
            if self.end_head(line, Outcome::Granted, batch) {
                left -= 1;
            }
        }
    }

    /// Ends the wait of the head of a line that has one. Says whether it still waited.
    fn end_head(&self, line: &mut Line, outcome: Outcome, batch: &mut Batch) -> bool {
        match line.pop_front() {
            Some(head) => self.end_wait(head, outcome, batch),
            None => false,
        }
    }

    /// Ends the wait of a waiter that was taken out of the line. Says whether it still waited.
    fn end_wait(&self, waiter: Queued, outcome: Outcome, batch: &mut Batch) -> bool {
        self.shrink(1);
        let (waited, letter) = waiter.grant(outcome);
        letter.into_iter().for_each(|letter| batch.push(letter));
        waited
    }

    pub(super) fn read_inbox(&self, line: &mut Line, turn: &mut Turn) {
        for message in self.inbox.take() {
            match message {
                Message::Arrive(waiter) => self.push_back(line, waiter),
                Message::ComeBack(waiter) => self.put_back(line, waiter),
                Message::Leave(ticket) => self.remove(line, ticket, turn),
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

    /// Puts a waiter that was passed over ahead of all who were not.
    pub(super) fn put_back(&self, line: &mut Line, waiter: Queued) {
        line.put_back(waiter);
        self.grow();
    }

    fn grow(&self) {
        // ORDERING: Relaxed. Only the turn's holder writes it.
        self.len
            .store(self.len.load(Relaxed).saturating_add(1), Relaxed);
    }

    pub(super) fn remove(&self, line: &mut Line, ticket: Ticket, turn: &mut Turn) {
        if line.is_head(&ticket) {
            turn.passed = Some(0);
        }
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
    pub(super) fn with_line<R>(&self, f: impl FnOnce(&mut Line) -> R) -> R {
        // SAFETY: private, and called between taking and giving back the turn only; `f` never
        // leads back here, as no code of other people's runs in a turn.
        self.line.with_mut(|line| f(unsafe { &mut *line }))
    }
}
