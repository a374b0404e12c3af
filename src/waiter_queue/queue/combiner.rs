//! The combiner: serving a queue's wait list, on behalf of whoever asked.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::{
    inbox::Message,
    list::{Chain, WaitList},
    state::Queue,
    waiter::{Outcome, Position, Queued, State, Ticket},
    word::{
        BARGED, BARGED_ONE, EVERYONE, LOCKED, NO_WAIT, PENDING, QUEUED, SHIFT, STORED, WOKEN,
        permits,
    },
};
use crate::{
    loom::PASSES,
    waiter_queue::wake::{Batch, Home, Wake},
};

/// What a combiner has decided, and is not in the word yet.
pub(super) struct Combiner {
    /// To be woken.
    batch: Batch,
    /// Out of the list; to be granted, as `outcome`, and woken. Only a gate's waiters can be released
    /// with two outcomes in one pass, and to them it is all the same.
    released: Chain,
    outcome: Outcome,
    /// Permits that were granted.
    taken: usize,
    /// How many have barged past the head, as `BARGED` has it, if that is not what the word says.
    pub(super) barged: Option<usize>,
}

impl Combiner {
    fn new() -> Self {
        Self {
            batch: Batch::new(),
            released: Chain::new(),
            outcome: Outcome::Granted,
            taken: 0,
            barged: None,
        }
    }

    /// What the `word` of a gate, or of another queue, becomes when it is unlocked.
    fn unlocked(&self, word: usize, list: &ListIs, is_gate: bool) -> usize {
        let mut next = word.wrapping_sub(self.taken << SHIFT) & !(QUEUED | LOCKED);
        if !is_gate {
            next &= !WOKEN;
        }
        if let Some(barged) = self.barged {
            next = next & !BARGED | barged;
        }
        match list {
            ListIs::Empty => next & !BARGED,
            ListIs::Waiting => next | QUEUED,
            ListIs::Woken => next | QUEUED | WOKEN,
            ListIs::Requeued => next | QUEUED | BARGED,
        }
    }

    fn has_nobody_to_wake(&self) -> bool {
        self.batch.is_empty() && self.released.is_empty()
    }

    /// Wakes all, a batch at a time.
    fn deliver(&mut self) {
        loop {
            while !self.batch.is_full()
                && let Some(waiter) = self.released.pop_front()
            {
                if let (_, Some(wake)) = waiter.grant(self.outcome) {
                    self.batch.push(wake);
                }
            }
            if self.batch.is_empty() {
                return;
            }
            self.batch.deliver();
        }
    }

    /// Passes on a waker's panic.
    fn finish(self) {
        self.batch.finish();
    }
}

/// What a pass has left the list in.
enum ListIs {
    Empty,
    Waiting,
    /// Its head has been woken.
    Woken,
    /// Its head was requeued, or has gone ahead of everyone.
    Requeued,
}

impl Queue {
    /// Takes the lock if it is free.
    pub(super) fn try_lock(&self) -> bool {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        while word & LOCKED == 0 {
            // ORDERING: Acquire pairs with the release of the lock.
            match self
                .word
                .compare_exchange_weak(word, word | LOCKED, Acquire, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Has the combiner make another pass, or combines.
    pub(super) fn request_pass(&self) {
        // ORDERING: Release publishes what the pass is for, Acquire takes the lock.
        if self.word.fetch_or(LOCKED | PENDING, AcqRel) & LOCKED == 0 {
            self.combine();
        }
    }

    /// Combines, unless nobody waits or the queue is locked: the combiner then sees the change of the
    /// word that the caller has just made.
    #[cold]
    pub(crate) fn combine_if_unlocked(&self) {
        // ORDERING: Relaxed. At least as new as the caller's own change of the word.
        let mut word = self.word.load(Relaxed);
        while word & (QUEUED | LOCKED) == QUEUED {
            // ORDERING: Acquire pairs with the release of the lock.
            match self
                .word
                .compare_exchange_weak(word, word | LOCKED, Acquire, Relaxed)
            {
                Ok(_) => return self.combine(),
                Err(now) => word = now,
            }
        }
    }

    /// Carries on as the combiner, with a new arrival. `word` is what the lock was taken from.
    pub(super) fn combine_arrival(&self, word: usize, waiter: Queued) {
        if word & PENDING != 0 || !self.inbox.is_empty() {
            return self.combine_after(|list, combiner| self.arrive(list, waiter, combiner));
        }
        let nothing_to_do = self.with_list(|list| {
            self.push_back(list, waiter);
            // A release may have come just before, and leave its permits to this combiner; or a woken
            // head has been barged past as often as may be, and is to be skipped.
            list.head().is_some_and(|head| {
                permits(word) <= 0
                    || self.is_for_woken_head(word)
                    || word & WOKEN == 0 && permits(word) < head.need() as isize
            })
        });
        // ORDERING: Release passes the list on. On failure the pass looks again.
        if !nothing_to_do
            || self
                .word
                .compare_exchange(word | QUEUED | LOCKED, word | QUEUED, Release, Relaxed)
                .is_err()
        {
            self.combine();
        }
    }

    /// Takes a waiter that has cancelled its wait out of the list.
    pub(super) fn take_out(&self, ticket: Ticket) {
        if self.try_lock() {
            self.combine_after(|list, combiner| self.remove(list, ticket, combiner));
        } else {
            self.inbox.push(Message::Leave(ticket));
            self.request_pass();
        }
    }

    /// Makes passes until there is nothing left to do, unlocks, and wakes.
    pub(super) fn combine(&self) {
        self.combine_with(Combiner::new());
    }

    /// Does `first`, after what is in the inbox, and combines.
    pub(super) fn combine_after(&self, first: impl FnOnce(&mut WaitList, &mut Combiner)) {
        let mut combiner = Combiner::new();
        self.with_list(|list| {
            self.read_inbox(list, &mut combiner);
            first(list, &mut combiner);
        });
        self.combine_with(combiner);
    }

    fn combine_with(&self, mut combiner: Combiner) {
        loop {
            let mut passes = 0;
            // ORDERING: Acquire pairs with the release of permits and of messages.
            let mut word = self.word.load(Acquire);
            let done = loop {
                if word & PENDING != 0 {
                    // ORDERING: as above. Clearing comes before reading: what is asked for later
                    // sets the bit again.
                    word = self.word.fetch_and(!PENDING, Acquire) & !PENDING;
                }
                let list = self.with_list(|list| {
                    self.read_inbox(list, &mut combiner);
                    if word & NO_WAIT != 0 && !self.is_gate {
                        self.release_all(list, Outcome::Refused, &mut combiner);
                    } else {
                        self.grant(list, word, &mut combiner);
                    }
                    match list.head() {
                        None => ListIs::Empty,
                        Some(_) if list.head_position() != Position::Queued => ListIs::Requeued,
                        Some(head) if head.state() == Some(State::Woken) => ListIs::Woken,
                        Some(_) => ListIs::Waiting,
                    }
                });
                passes += 1;
                let pause = combiner.batch.is_full()
                    || (passes >= PASSES && !combiner.has_nobody_to_wake());
                // ORDERING: Release passes the list on; Acquire as for the load above.
                match self.word.compare_exchange(
                    word,
                    combiner.unlocked(word, &list, self.is_gate),
                    Release,
                    Acquire,
                ) {
                    Ok(_) => break !pause,
                    Err(now) if !pause => word = now,
                    Err(now) => {
                        // Whatever has changed in the word, it is looked at again below.
                        self.pause(now, list, &combiner);
                        break false;
                    }
                }
            };
            combiner.taken = 0;
            combiner.barged = None;
            combiner.deliver();
            if done {
                return combiner.finish();
            }
            // ORDERING: as in `request_pass`.
            if self.word.fetch_or(LOCKED | PENDING, AcqRel) & LOCKED != 0 {
                return combiner.finish();
            }
        }
    }

    /// Unlocks before all is done. The word was last seen as `word`.
    fn pause(&self, mut word: usize, list: ListIs, combiner: &Combiner) {
        // Others may have come, or a woken head, since the list was looked at.
        let list = match list {
            ListIs::Requeued => ListIs::Requeued,
            ListIs::Empty | ListIs::Waiting | ListIs::Woken => ListIs::Waiting,
        };
        // ORDERING: Release passes the list on.
        while let Err(now) = self.word.compare_exchange_weak(
            word,
            combiner.unlocked(word, &list, self.is_gate),
            Release,
            Relaxed,
        ) {
            word = now;
        }
    }

    /// Hands out what `word` has in permits, from the head on.
    fn grant(&self, list: &mut WaitList, word: usize, combiner: &mut Combiner) {
        while !combiner.batch.is_full()
            && let Some(head) = list.head()
        {
            let free = permits(word) - combiner.taken as isize;
            let need = head.need() as isize;
            let is_limit_reached = self.is_limit_reached(combiner.barged.unwrap_or(word & BARGED));
            match head.state() {
                None => self.drop_head(list, combiner),
                Some(State::Woken) if is_limit_reached => {
                    if free <= 0 {
                        return;
                    }
                    if head.skip() {
                        self.drop_head(list, combiner);
                    }
                }
                Some(State::Woken) => {
                    // What the woken head needs stays there for it.
                    let Some(next) = list.second().map(|second| second.need() as isize) else {
                        return;
                    };
                    if free - need < next {
                        return;
                    }
                    if self.grant_second(list, combiner) {
                        combiner.taken += next as usize;
                    }
                }
                Some(_) if free < need => return,
                Some(_) if is_limit_reached || list.head_position() != Position::Queued => {
                    let barged = self.barged_past_next(list);
                    if self.is_gate {
                        // What it waits for stays there, for all.
                        self.end_head(list, Outcome::Broadcast, combiner);
                    } else if self.end_head(list, Outcome::Granted, combiner) {
                        combiner.taken += need as usize;
                    }
                    combiner.barged = Some(barged);
                }
                Some(_) => {
                    if let Ok(wake) = head.wake() {
                        let home = wake.as_ref().and_then(Wake::home);
                        if self.count_woken(home.is_some_and(Home::is_here)) {
                            let barged = combiner.barged.unwrap_or(word & BARGED);
                            combiner.barged = Some(barged.max(self.barged_at_home()));
                        }
                        push(combiner, wake);
                    }
                }
            }
        }
    }

    /// Takes a head that has cancelled its wait, or was skipped, out of the list.
    fn drop_head(&self, list: &mut WaitList, combiner: &mut Combiner) {
        let barged = self.barged_past_next(list);
        if let Some(head) = list.pop_front() {
            self.shrink(1);
            head.finish();
            combiner.barged = Some(barged);
        }
    }

    /// How many have barged past the waiter behind the head, as `BARGED` has it. As many as may, if the head
    /// itself has gone ahead of it.
    fn barged_past_next(&self, list: &WaitList) -> usize {
        match list.head_position() {
            Position::Ahead => self.limit() as usize * BARGED_ONE,
            _ => 0,
        }
    }

    fn grant_second(&self, list: &mut WaitList, combiner: &mut Combiner) -> bool {
        match list.pop_second() {
            Some(second) => self.end_wait(second, Outcome::Granted, combiner),
            None => false,
        }
    }

    /// Ends the waits of the first `count` in the list.
    pub(super) fn grant_notice(&self, list: &mut WaitList, count: usize, combiner: &mut Combiner) {
        if count == EVERYONE {
            return self.release_all(list, Outcome::Broadcast, combiner);
        }
        let mut left = count;
        while left > 0 && !list.is_empty() {
            if self.end_head(list, Outcome::Granted, combiner) {
                left -= 1;
            }
        }
    }

    /// Ends the wait of one in a gate's list, or stores the notification if nobody waits there.
    ///
    /// Waits that began before `opening` of the gate, the one that comes next, were ended by those before.
    pub(super) fn grant_or_store(
        &self,
        list: &mut WaitList,
        outcome: Outcome,
        opening: usize,
        combiner: &mut Combiner,
    ) {
        let pop = match outcome {
            Outcome::GrantedLast => WaitList::pop_back,
            _ => WaitList::pop_front,
        };
        while let Some(waiter) = pop(list) {
            if waiter.need() < opening {
                self.end_wait(waiter, Outcome::Broadcast, combiner);
            } else if self.end_wait(waiter, outcome, combiner) {
                return;
            }
        }
        // ORDERING: Release, for `take_stored`: as if whoever has left the message had done it.
        self.word.fetch_or(STORED, Release);
    }

    /// Ends the wait of one in a gate's list, if a notification is stored.
    fn grant_stored(&self, list: &mut WaitList, combiner: &mut Combiner) {
        // ORDERING: Relaxed. While the queue is locked, only the combiner stores or takes one.
        if self.word.load(Relaxed) & STORED == 0 {
            return;
        }
        while !list.is_empty() {
            if self.end_head(list, Outcome::Granted, combiner) {
                // ORDERING: Acquire, as in `take_stored`. The grant passes it on.
                self.word.fetch_and(!STORED, Acquire);
                return;
            }
        }
    }

    /// Takes everyone out of the list, to end their waits with `outcome`.
    fn release_all(&self, list: &mut WaitList, outcome: Outcome, combiner: &mut Combiner) {
        combiner.outcome = outcome;
        let released = list.take_all(&mut combiner.released);
        self.shrink(released);
    }

    /// Ends the wait of the head of a list that has one. Says whether it still waited.
    fn end_head(&self, list: &mut WaitList, outcome: Outcome, combiner: &mut Combiner) -> bool {
        match list.pop_front() {
            Some(head) => self.end_wait(head, outcome, combiner),
            None => false,
        }
    }

    /// Ends the wait of a waiter that was taken out of the list. Says whether it still waited.
    fn end_wait(&self, waiter: Queued, outcome: Outcome, combiner: &mut Combiner) -> bool {
        self.shrink(1);
        let (waited, wake) = waiter.grant(outcome);
        push(combiner, wake);
        waited
    }

    fn read_inbox(&self, list: &mut WaitList, combiner: &mut Combiner) {
        for message in self.inbox.take() {
            match message {
                Message::Arrive(waiter) => self.arrive(list, waiter, combiner),
                Message::Requeue(waiter) => self.requeue(list, waiter),
                Message::Leave(ticket) => self.remove(list, ticket, combiner),
                Message::Notify(notice) => self.grant_notice(list, notice.into_count(), combiner),
                Message::NotifyFirst(notice) => {
                    self.grant_or_store(list, Outcome::Granted, notice.into_count(), combiner);
                }
                Message::NotifyLast(notice) => {
                    self.grant_or_store(list, Outcome::GrantedLast, notice.into_count(), combiner);
                }
            }
        }
    }

    fn arrive(&self, list: &mut WaitList, waiter: Queued, combiner: &mut Combiner) {
        self.push_back(list, waiter);
        if self.is_gate {
            self.grant_stored(list, combiner);
        }
    }

    fn push_back(&self, list: &mut WaitList, waiter: Queued) {
        list.push_back(waiter);
        self.grow();
    }

    /// Puts a waiter that was skipped ahead of all who were not, or one that goes ahead before all.
    pub(super) fn requeue(&self, list: &mut WaitList, waiter: Queued) {
        list.requeue(waiter);
        self.grow();
    }

    fn grow(&self) {
        // ORDERING: Relaxed. Only the combiner writes it.
        self.len
            .store(self.len.load(Relaxed).saturating_add(1), Relaxed);
    }

    pub(super) fn remove(&self, list: &mut WaitList, ticket: Ticket, combiner: &mut Combiner) {
        if list.is_head(&ticket) {
            combiner.barged = Some(self.barged_past_next(list));
        }
        if let Some(waiter) = list.remove(&ticket) {
            self.shrink(1);
            waiter.finish();
        }
        ticket.finish();
    }

    fn shrink(&self, by: usize) {
        // ORDERING: Relaxed. Only the combiner writes it.
        self.len
            .store(self.len.load(Relaxed).saturating_sub(by as u32), Relaxed);
    }

    /// Gives `f` the list. For the combiner.
    fn with_list<R>(&self, f: impl FnOnce(&mut WaitList) -> R) -> R {
        // SAFETY: private, and called between locking and unlocking only; `f` never leads back here, as
        // no code of other people's runs under the lock.
        self.list.with_mut(|list| f(unsafe { &mut *list }))
    }
}

fn push(combiner: &mut Combiner, wake: Option<Wake>) {
    if let Some(wake) = wake {
        combiner.batch.push(wake);
    }
}

impl Drop for Queue {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: Relaxed. Nobody else has it.
        if self.word.load(Relaxed) & (QUEUED | PENDING) != 0 || !self.inbox.is_empty() {
            self.drop_waiters();
        }
    }
}

impl Queue {
    /// Nobody can be waiting: futures borrow or own the primitive. What is left are waiters whose futures were
    /// leaked; their wakers at least are dropped.
    #[cold]
    fn drop_waiters(&mut self) {
        let mut combiner = Combiner::new();
        let mut left = Chain::new();
        self.with_list(|list| {
            self.read_inbox(list, &mut combiner);
            list.take_all(&mut left);
        });
        combiner.deliver();
        while let Some(waiter) = left.pop_front() {
            if let (_, Some(wake)) = waiter.grant(Outcome::Refused) {
                drop(wake.into_waker());
            }
        }
    }
}
