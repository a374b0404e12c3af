//! A waiting line with permits and notices.
//!
//! Grants and notices need not take effect in the call that caused them: whoever has the queue's
//! turn may do it for others, a little later. So the line has them as *outstanding*, and does them
//! one at a time and in order by [`Line::advance`]. Before and in a call that is alone, everything
//! outstanding has been done. In a call that overlaps with others, any part of it has, and
//! - a wait that has ended may be seen as going on,
//! - a request that is not kept waiting may be refused, if it is one that never waits.

use std::collections::BTreeMap;

pub type Id = u32;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Granted,
    Broadcast,
    Refused,
}

/// What polling a wait answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Polled {
    Pending,
    Ready,
    /// Turned away.
    Refused,
    /// A waker panicked.
    Panicked,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Entry {
    /// Waits for so many permits, or for a notice.
    Waiter(Id, Option<usize>),
    /// Ends the first wait before it.
    One,
    /// Ends all waits before it.
    All(Outcome),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    pub permits: i64,
    /// Nobody queues; they are let through, or turned away.
    pub barred: bool,
    entries: Vec<Entry>,
    /// Waits that have ended, whose futures do not know yet.
    ended: BTreeMap<Id, Outcome>,
}

impl Line {
    pub fn new(permits: usize) -> Self {
        Self {
            permits: permits as i64,
            barred: false,
            entries: Vec::new(),
            ended: BTreeMap::new(),
        }
    }

    /// Does the first thing that is outstanding, if anything is.
    fn advance(&mut self) -> bool {
        let notice = |entry: &Entry| !matches!(entry, Entry::Waiter(..));
        if let Some(at) = self.entries.iter().position(notice) {
            let (count, outcome) = match self.entries.remove(at) {
                Entry::All(outcome) => (at, outcome),
                _ => (at.min(1), Outcome::Granted),
            };
            for entry in self.entries.drain(..count) {
                if let Entry::Waiter(id, _) = entry {
                    self.ended.insert(id, outcome);
                }
            }
            return true;
        }
        match self.entries.first() {
            Some(&Entry::Waiter(id, Some(need))) if self.permits >= need as i64 => {
                self.permits -= need as i64;
                self.ended.insert(id, Outcome::Granted);
                self.entries.remove(0);
                true
            }
            _ => false,
        }
    }

    /// What the line may look like to a call: with everything done, or any part of it.
    pub fn views(&self, alone: bool) -> Vec<Self> {
        let mut line = self.clone();
        let mut views = Vec::new();
        loop {
            let before = line.clone();
            let more = line.advance();
            if !alone || !more {
                views.push(before);
            }
            if !more {
                return views;
            }
        }
    }

    pub fn waiters(&self) -> usize {
        let waiter = |entry: &&Entry| matches!(entry, Entry::Waiter(..));
        self.entries.iter().filter(waiter).count()
    }

    pub fn waits(&self, id: Id) -> bool {
        self.entries
            .iter()
            .any(|entry| matches!(entry, Entry::Waiter(it, _) if *it == id))
    }

    pub fn has_ended(&self, id: Id) -> bool {
        self.ended.contains_key(&id)
    }

    /// The wait ends, as its future knows.
    pub fn take_ended(&mut self, id: Id) -> Option<Outcome> {
        self.ended.remove(&id)
    }

    pub fn is_free_for(&self, need: usize) -> bool {
        !self.barred && self.waiters() == 0 && self.permits >= need as i64
    }

    pub fn enqueue(&mut self, id: Id, need: Option<usize>) {
        self.entries.push(Entry::Waiter(id, need));
    }

    /// Takes out a wait, or says how it had ended.
    pub fn leave(&mut self, id: Id) -> Option<Outcome> {
        self.entries
            .retain(|entry| !matches!(entry, Entry::Waiter(it, _) if *it == id));
        self.ended.remove(&id)
    }

    pub fn notify_one(&mut self) {
        self.entries.push(Entry::One);
    }

    pub fn end_all(&mut self, outcome: Outcome) {
        self.entries.push(Entry::All(outcome));
    }

    /// The first half of a wait's first poll: it joins the line, unless it will be let through or
    /// turned away. Others' calls may come between that and the answer. With `perhaps`, a waker may
    /// have panicked before.
    pub fn arrive(&self, id: Id, need: Option<usize>, perhaps: bool, alone: bool) -> Vec<Self> {
        let mut next = Vec::new();
        for line in self.views(alone) {
            if line.waits(id) || line.has_ended(id) {
                next.push(line);
                continue;
            }
            if line.barred || perhaps || !alone {
                next.push(line.clone());
            }
            if !line.barred {
                next.push(line);
                next.last_mut().expect("pushed").enqueue(id, need);
            }
        }
        next
    }

    /// A poll of the wait `id`. `at_the_bar` is what a barred line answers to newcomers.
    pub fn poll(
        &self,
        id: Id,
        need: Option<usize>,
        at_the_bar: Polled,
        result: Polled,
        alone: bool,
    ) -> Vec<Self> {
        let mut next = Vec::new();
        for mut line in self.views(alone) {
            if line.waits(id) || line.has_ended(id) {
                line.poll_again(id, result, alone, &mut next);
            } else if result == Polled::Panicked || (line.barred && result == at_the_bar) {
                next.push(line);
            } else if let Some(need) = need
                && line.is_free_for(need)
                && result == Polled::Ready
            {
                line.permits -= need as i64;
                next.push(line);
            }
        }
        next
    }

    fn poll_again(mut self, id: Id, result: Polled, alone: bool, next: &mut Vec<Self>) {
        let ended = self.ended.get(&id).copied();
        let is_right = match result {
            Polled::Pending => ended.is_none() || !alone,
            Polled::Ready => matches!(ended, Some(Outcome::Granted | Outcome::Broadcast)),
            Polled::Refused => ended == Some(Outcome::Refused),
            Polled::Panicked => true,
        };
        if is_right {
            if matches!(result, Polled::Ready | Polled::Refused) {
                self.ended.remove(&id);
            }
            next.push(self);
        }
    }

    /// A request that never waits.
    pub fn try_take(&self, need: usize, taken: bool, alone: bool) -> Vec<Self> {
        let mut next = Vec::new();
        for mut line in self.views(alone) {
            let is_free = line.is_free_for(need);
            if taken && is_free {
                line.permits -= need as i64;
                next.push(line);
            } else if !(taken || is_free && alone) {
                next.push(line);
            }
        }
        next
    }

    /// Changes the line, as it may look to a call.
    pub fn change(&self, alone: bool, change: impl Fn(&mut Self)) -> Vec<Self> {
        let mut views = self.views(alone);
        views.iter_mut().for_each(change);
        views
    }
}
