//! What is done to a queue without waiting: taking and giving permits, closing, opening, notifying.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::{
    inbox::Message,
    state::Queue,
    waiter::{Notice, Outcome},
    word::{
        BARGED_ONE, EVERYONE, LOCKED, NO_WAIT, OPENINGS, QUEUED, SHIFT, STORED, next_opening,
        permits,
    },
};

impl Queue {
    // ---- permits ----

    /// The word without the `need` permits that a newcomer takes, if it may.
    ///
    /// Nobody may while the queue is locked, even if nobody is known to wait: the combiner may be
    /// granting what is there to an arrival that it has found in the inbox, and that has not set
    /// `QUEUED` yet.
    #[inline]
    pub(super) fn after_take(&self, word: usize, need: usize) -> Option<usize> {
        let is_there = permits(word) >= need as isize;
        if is_there && word & (QUEUED | LOCKED | NO_WAIT) == 0 {
            Some(word - (need << SHIFT))
        } else if is_there && word & (LOCKED | NO_WAIT) == 0 && !self.is_limit_reached(word) {
            Some(word - (need << SHIFT) + BARGED_ONE)
        } else {
            None
        }
    }

    /// Takes `need` permits, if they are there and a newcomer may take them.
    #[inline]
    pub(crate) fn try_take(&self, need: usize) -> bool {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        while let Some(next) = self.after_take(word, need) {
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

    /// Takes `need` permits, if they are there, ahead of everyone who waits.
    ///
    /// Counts as barging, up to the limit. So if that goes on, the head is granted or skipped when permits are
    /// given.
    pub(crate) fn try_take_ahead(&self, need: usize) -> bool {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        while word & (LOCKED | NO_WAIT) == 0 && permits(word) >= need as isize {
            let mut next = word - (need << SHIFT);
            if word & QUEUED != 0 && !self.is_limit_reached(word) {
                next += BARGED_ONE;
            }
            // ORDERING: Acquire, as in `try_take`.
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

    /// Gives `count` permits, of which there are never more than `MAX_PERMITS` in all.
    #[inline]
    pub(crate) fn give(&self, count: usize) {
        self.give_and(count, || ());
    }

    /// Gives `count` permits, and calls `then` before anybody is woken.
    #[inline]
    pub(crate) fn give_and(&self, count: usize, then: impl FnOnce()) {
        // ORDERING: Release pairs with `try_take` and with the combiner's reading of the word.
        let word = self.word.fetch_add(count << SHIFT, Release);
        then();
        if word & QUEUED != 0 {
            self.given(word.wrapping_add(count << SHIFT));
        }
    }

    /// Gives `count` permits, unless the queue is closed. Says whether it was not.
    #[inline]
    pub(crate) fn give_unless_closed(&self, count: usize) -> bool {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        loop {
            // Acquires what came before the close.
            if word & NO_WAIT != 0 && self.is_no_wait() {
                return false;
            }
            let next = word.wrapping_add(count << SHIFT);
            // ORDERING: Release, as in `give_and`.
            match self
                .word
                .compare_exchange_weak(word, next, Release, Relaxed)
            {
                Ok(_) if word & QUEUED == 0 => return true,
                Ok(_) => {
                    self.given(next);
                    return true;
                }
                Err(now) => word = now,
            }
        }
    }

    /// Takes `need` permits out of a closed queue, if it still has them. For a queue with one taker, which does
    /// not wait.
    pub(crate) fn take_closed(&self, need: usize) -> bool {
        // ORDERING: Relaxed, here and below. Whoever has seen the close has acquired what came before it, and
        // no permits come after it.
        let mut word = self.word.load(Relaxed);
        while permits(word) >= need as isize {
            match self
                .word
                .compare_exchange_weak(word, word - (need << SHIFT), Relaxed, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Takes up to `most` permits, as many as there are, for a newcomer that nobody waits before.
    pub(crate) fn take_up_to(&self, most: usize) -> usize {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        loop {
            let count = most.min(permits(word).max(0) as usize);
            if count == 0 || word & (QUEUED | LOCKED | NO_WAIT) != 0 {
                return 0;
            }
            // ORDERING: Acquire, as in `try_take`.
            match self
                .word
                .compare_exchange_weak(word, word - (count << SHIFT), Acquire, Relaxed)
            {
                Ok(_) => return count,
                Err(now) => word = now,
            }
        }
    }

    /// Whether there is a permit, for the only taker of a queue in which nobody waits.
    #[inline]
    pub(crate) fn has_permit(&self) -> bool {
        // ORDERING: Acquire pairs with the release in `give`, as if it was taken.
        permits(self.word.load(Acquire)) > 0
    }

    /// Whether all `count` permits are there, and none is being granted.
    pub(crate) fn has_all(&self, count: usize) -> bool {
        // ORDERING: Relaxed. It only counts.
        let word = self.word.load(Relaxed);
        word & LOCKED == 0 && permits(word) == count as isize
    }

    /// Sees to it that permits that were given, which made it `word`, reach those who wait.
    #[cold]
    fn given(&self, word: usize) {
        if !self.is_for_woken_head(word) {
            self.combine_if_unlocked();
        }
    }

    /// Takes up to `count` permits away, as many as there are, and returns how many.
    ///
    /// Takes none while there is a combiner: what is there then may be granted already.
    pub(crate) fn reduce(&self, count: usize) -> usize {
        // ORDERING: Relaxed, here and below. Nothing is handed over.
        let mut word = self.word.load(Relaxed);
        loop {
            let taken = if word & LOCKED != 0 {
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

    /// Takes `count` permits, into debt if need be, unless the queue is closed. Says whether it did.
    pub(crate) fn take_anyway(&self, count: usize) -> bool {
        // ORDERING: Relaxed, here and below. Nothing is handed over.
        let mut word = self.word.load(Relaxed);
        while word & NO_WAIT == 0 {
            let next = word.wrapping_sub(count << SHIFT);
            match self
                .word
                .compare_exchange_weak(word, next, Relaxed, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// How many permits there are; negative in debt.
    pub(crate) fn permits(&self) -> isize {
        // ORDERING: Relaxed. A snapshot.
        permits(self.word.load(Relaxed))
    }

    // ---- closing ----

    /// Whether nobody queues: the queue is closed, or is a gate that is open.
    #[inline]
    pub(crate) fn is_no_wait(&self) -> bool {
        // ORDERING: Acquire pairs with `close` and `open`: what came before them happened before.
        self.word.load(Acquire) & NO_WAIT != 0
    }

    /// Closes the queue, for good: from here on nobody queues, and those who wait are refused.
    pub(crate) fn close(&self) {
        if self.begin_to_close() {
            self.combine_if_unlocked();
        }
    }

    /// Has nobody queue from here on. Says whether there is anyone to be refused.
    pub(crate) fn begin_to_close(&self) -> bool {
        // ORDERING: Release pairs with the acquire of whoever sees the queue closed. What those who queued
        // before have left is acquired by the combiner that refuses them.
        self.word.fetch_or(NO_WAIT, Release) & QUEUED != 0
    }

    // ---- the gate ----

    /// Opens a gate: its waiters' waits end, and nobody queues until it is [shut](Self::shut).
    pub(crate) fn open(&self) {
        self.open_and(NO_WAIT);
    }

    /// Opens and shuts a gate at once: the waits that have begun end.
    pub(crate) fn open_once(&self) {
        self.open_and(0);
    }

    fn open_and(&self, no_wait: usize) {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        loop {
            let next = if word & NO_WAIT != 0 {
                word
            } else if permits(word) == OPENINGS {
                // The count begins anew.
                word & ((1 << SHIFT) - 1) | no_wait
            } else {
                (word + (1 << SHIFT)) | no_wait
            };
            // ORDERING: Release pairs with the acquire of whoever sees the gate open, or shuts it, and
            // with the combiner's reading of the word. Release, too, if it is open already: what came
            // before this call then happened before it is shut.
            match self
                .word
                .compare_exchange_weak(word, next, Release, Relaxed)
            {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if word & (NO_WAIT | QUEUED) == QUEUED {
            if permits(word) == OPENINGS {
                // None of them is told from those who will come by the count.
                self.notify_queued(EVERYONE);
            } else {
                self.combine_if_unlocked();
            }
        }
    }

    /// Shuts a gate: whoever comes from here on waits until it is opened again.
    pub(crate) fn shut(&self) {
        // ORDERING: Acquire pairs with `open`: whoever shuts a gate, and then looks at what it was opened
        // for, sees that. What waiters see comes from `open` alone.
        self.word.fetch_and(!NO_WAIT, Acquire);
    }

    /// Which opening of a gate comes next: the one that a wait which begins now waits for.
    pub(crate) fn next_opening(&self) -> usize {
        // ORDERING: Acquire: what came before the last opening is not waited for.
        next_opening(self.word.load(Acquire))
    }

    // ---- one notification, which is stored ----

    /// Ends the wait of the first in a gate's list. If nobody waits, the notification is stored, unless there is one
    /// already. It is taken by the next wait.
    #[inline]
    pub(crate) fn notify_or_store(&self) {
        self.notify_one_or_store(Outcome::Granted);
    }

    /// The same for the last in the list.
    #[inline]
    pub(crate) fn notify_last_or_store(&self) {
        self.notify_one_or_store(Outcome::GrantedLast);
    }

    #[inline]
    fn notify_one_or_store(&self, outcome: Outcome) {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        while word & (QUEUED | LOCKED) == 0 {
            // ORDERING: Release pairs with `take_stored`. Release, too, if there is one already: whoever takes it sees
            // what came before this call.
            match self
                .word
                .compare_exchange_weak(word, word | STORED, Release, Relaxed)
            {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.notify_one_queued(outcome);
    }

    #[cold]
    fn notify_one_queued(&self, outcome: Outcome) {
        if self.try_lock() {
            self.combine_after(|list, combiner| {
                self.grant_or_store(list, outcome, self.next_opening(), combiner);
            });
        } else {
            let notice = Notice::new(self.next_opening());
            self.inbox.push(match outcome {
                Outcome::GrantedLast => Message::NotifyLast(notice),
                _ => Message::NotifyFirst(notice),
            });
            self.request_pass();
        }
    }

    /// Takes the notification that is stored, if there is one.
    #[inline]
    pub(crate) fn take_stored(&self) -> bool {
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        // While the queue is locked, the combiner may be giving it to somebody.
        while word & (STORED | LOCKED) == STORED {
            // ORDERING: Acquire pairs with the release of whoever has stored it.
            match self
                .word
                .compare_exchange_weak(word, word & !STORED, Acquire, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Whether a notification is stored.
    #[inline]
    pub(crate) fn has_stored(&self) -> bool {
        // ORDERING: Acquire, as if it was taken.
        self.word.load(Acquire) & STORED != 0
    }

    // ---- notifying ----

    /// Ends the waits of the first `count` in the list. A queue without permits only.
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
        if self.try_lock() {
            self.combine_after(|list, combiner| self.grant_notice(list, count, combiner));
        } else {
            self.inbox.push(Message::Notify(Notice::new(count)));
            self.request_pass();
        }
    }
}
