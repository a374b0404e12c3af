//! A waiting line with permits and notices, and a limit to how many newcomers pass its head.
//!
//! With a limit of 0 permits are handed over, strictly first come, first served. What another limit
//! changes is in [`super::overtaking`].
//!
//! Grants and notices need not take effect in the call that caused them: whoever has the queue's
//! turn may do it for others, a little later. So the line has them as *outstanding*, and does them
//! one at a time and in order by [`Line::advance`]. Before and in a call that is alone, everything
//! outstanding has been done. In a call that overlaps with others, any part of it has, and
//! - a wait that has ended may be seen as going on,
//! - a request that is not kept waiting may be refused, if it is one that never waits.

use std::collections::BTreeMap;

use super::overtaking::{Step, Waiter};

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
pub(super) enum Entry {
    Waiter(Waiter),
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
    pub(super) entries: Vec<Entry>,
    /// Waits that have ended, whose futures do not know yet.
    pub(super) ended: BTreeMap<Id, Outcome>,
    /// How many may pass the same head.
    pub(super) limit: u32,
    /// How many have passed the head.
    pub(super) passed: u32,
    /// There was a release or an arrival, which passes a head over that does not come.
    pub(super) due: bool,
    /// Waits that were passed over, and what they need.
    pub(super) absent: BTreeMap<Id, usize>,
}

impl Line {
    pub fn new(permits: usize) -> Self {
        Self::with_limit(permits, 0)
    }

    pub fn with_limit(permits: usize, limit: u8) -> Self {
        Self {
            permits: permits as i64,
            barred: false,
            entries: Vec::new(),
            ended: BTreeMap::new(),
            limit: limit.into(),
            passed: 0,
            due: false,
            absent: BTreeMap::new(),
        }
    }

    /// The first notice that is outstanding, carried out.
    pub(super) fn after_notice(&self) -> Option<Self> {
        let notice = |entry: &Entry| !matches!(entry, Entry::Waiter(_));
        let at = self.entries.iter().position(notice)?;
        let mut line = self.clone();
        let (count, outcome) = match line.entries.remove(at) {
            Entry::All(outcome) => (at, outcome),
            _ => (at.min(1), Outcome::Granted),
        };
        for entry in line.entries.drain(..count) {
            if let Entry::Waiter(waiter) = entry {
                line.ended.insert(waiter.id, outcome);
            }
        }
        line.passed = 0;
        Some(line)
    }

    /// What the line may look like to a call: with everything done, or any part of it.
    pub fn views(&self, alone: bool) -> Vec<Self> {
        let mut views = Vec::new();
        let mut line = self.clone();
        loop {
            line = match line.next() {
                Step::Nothing => {
                    line.due = false;
                    views.push(line);
                    return views;
                }
                Step::Must(next) if alone => next,
                Step::Must(next) | Step::May(next) => {
                    views.push(line);
                    next
                }
            };
        }
    }

    pub(super) fn queue(&self) -> impl Iterator<Item = &Waiter> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Waiter(waiter) => Some(waiter),
            _ => None,
        })
    }

    pub fn waiters(&self) -> usize {
        self.queue().count()
    }

    /// Whether it has begun to wait, and its future does not know of an end.
    pub fn is_known(&self, id: Id) -> bool {
        self.waits(id) || self.has_ended(id) || self.absent.contains_key(&id)
    }

    pub fn waits(&self, id: Id) -> bool {
        self.queue().any(|waiter| waiter.id == id)
    }

    pub fn has_ended(&self, id: Id) -> bool {
        self.ended.contains_key(&id)
    }

    /// The wait ends, as its future knows.
    pub fn take_ended(&mut self, id: Id) -> Option<Outcome> {
        self.ended.remove(&id)
    }

    pub fn give(&mut self, count: usize) {
        self.permits += count as i64;
        self.due |= count > 0 && self.limit > 0;
    }

    pub fn enqueue(&mut self, id: Id, need: Option<usize>) {
        self.entries.push(Entry::Waiter(Waiter::new(id, need)));
        self.due |= self.limit > 0;
    }

    /// Takes out a wait, or says how it had ended.
    pub fn leave(&mut self, id: Id) -> Option<Outcome> {
        self.take_out(id);
        self.absent.remove(&id);
        self.ended.remove(&id)
    }

    pub fn notify_one(&mut self) {
        self.entries.push(Entry::One);
    }

    pub fn end_all(&mut self, outcome: Outcome) {
        self.entries.push(Entry::All(outcome));
    }

    /// The first half of a poll. A wait that is new joins the line, unless it will be let through or
    /// turned away; one that was woken, or passed over, may find nothing and return to it. Others' calls
    /// may come between that and the answer. With `perhaps`, a waker may have panicked before.
    pub fn arrive(&self, id: Id, need: Option<usize>, perhaps: bool, alone: bool) -> Vec<Self> {
        let mut next = Vec::new();
        for line in self.views(alone) {
            if line.is_known(id) {
                if !alone {
                    next.extend(line.returned_meanwhile(id));
                }
                next.push(line);
                continue;
            }
            let may = line.may_take(need);
            let is_sure = alone && !perhaps;
            if line.barred || may || !is_sure {
                next.push(line.clone());
            }
            if !(line.barred || may && is_sure) {
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
        for line in self.views(alone) {
            if line.has_ended(id) {
                line.poll_ended(id, result, alone, &mut next);
            } else if line.waits(id) {
                line.poll_in_line(id, result, alone, &mut next);
            } else if line.absent.contains_key(&id) {
                line.poll_absent(id, at_the_bar, result, alone, &mut next);
            } else {
                line.poll_newcomer(need, at_the_bar, result, &mut next);
            }
        }
        next
    }

    fn poll_newcomer(
        mut self,
        need: Option<usize>,
        at_the_bar: Polled,
        result: Polled,
        next: &mut Vec<Self>,
    ) {
        let may = self.may_take(need);
        if result == Polled::Panicked {
            next.push(self.clone());
            if may {
                // It has taken what it needs, and given it back.
                self.count_one_that_passes();
                next.push(self);
            }
        } else if self.barred && result == at_the_bar {
            next.push(self);
        } else if may && result == Polled::Ready {
            self.take_as_newcomer(need);
            next.push(self);
        }
    }

    fn poll_ended(mut self, id: Id, result: Polled, alone: bool, next: &mut Vec<Self>) {
        let ended = self.ended.get(&id).copied();
        let is_right = match result {
            Polled::Pending => !alone,
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
            let may = line.may_take(Some(need));
            if taken && may {
                line.take_as_newcomer(Some(need));
                next.push(line);
            } else if !(taken || may && alone) {
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
