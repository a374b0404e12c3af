//! What is different in a line whose head newcomers may pass.
//!
//! ```text
//!  waits ──── permits are there ───► called ──── takes them ────────────► served
//!   ▲ │                              │   │                                ▲
//!   │ └── limit passed: granted ─────┼───┼────────────────────────────────┤
//!   └──── polled in vain ────────────┘   │ limit passed, permits are there│
//!                                        ▼                                │
//!                                      absent ─── polled: takes them ─────┤
//!                                        │                                │
//!                                        └── polled in vain ─► returned ──┘ granted
//! ```
//!
//! A called head leaves its permits where they are, for it and for whoever may pass. Whoever takes
//! permits past the head is counted, whether it comes or has stood in line; with the head, the count
//! changes. A returned head is passed by nobody.
//!
//! That a called head is passed over has to happen after a release or an arrival ([`Line::due`]), and
//! may happen at any time before that.

use super::line::{Entry, Id, Line, Outcome, Polled};

/// A wait in line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiter {
    pub(super) id: Id,
    /// How many permits it waits for; or for a notice.
    need: Option<usize>,
    stands: Stands,
    /// The poll that it begins with is still going on. It has been a newcomer once, and need not be
    /// one again when the line has changed by its arrival.
    is_new: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stands {
    Waiting,
    /// Woken, to take what it needs.
    Called,
    /// Was passed over, and came in vain.
    Returned,
}

impl Waiter {
    pub(super) fn new(id: Id, need: Option<usize>) -> Self {
        Self {
            id,
            need,
            stands: Stands::Waiting,
            is_new: need.is_some(),
        }
    }

    fn needs(&self) -> i64 {
        self.need.map_or(i64::MAX, |need| need as i64)
    }
}

/// What a turn does next.
pub(super) enum Step {
    Nothing,
    /// It need not.
    May(Line),
    Must(Line),
}

impl Line {
    fn head(&self) -> Option<&Waiter> {
        self.queue().next()
    }

    /// Whether nobody may pass the head.
    fn is_spent(&self) -> bool {
        let head = self.head().map(|head| head.stands);
        self.passed >= self.limit || head == Some(Stands::Returned)
    }

    /// Whether a newcomer may take what it needs.
    pub(super) fn may_take(&self, need: Option<usize>) -> bool {
        need.is_some_and(|need| self.permits >= need as i64)
            && !self.barred
            && (self.head().is_none() || !self.is_spent())
    }

    pub(super) fn take_as_newcomer(&mut self, need: Option<usize>) {
        self.permits -= need.unwrap_or(0) as i64;
        self.count_one_that_passes();
    }

    pub(super) fn count_one_that_passes(&mut self) {
        self.passed += u32::from(self.head().is_some());
    }

    /// Whether a wait has been woken since it was polled last.
    pub fn is_woken(&self, id: Id) -> bool {
        let is_called = |it: &Waiter| it.id == id && it.stands == Stands::Called;
        self.has_ended(id) || self.absent.contains_key(&id) || self.queue().any(is_called)
    }

    /// Takes a wait out of the line, if it is in it.
    pub(super) fn take_out(&mut self, id: Id) -> Option<Waiter> {
        let is_it = |entry: &Entry| matches!(entry, Entry::Waiter(waiter) if waiter.id == id);
        let at = self.entries.iter().position(is_it)?;
        if self.head().is_some_and(|head| head.id == id) {
            self.passed = 0;
        }
        match self.entries.remove(at) {
            Entry::Waiter(waiter) => Some(waiter),
            _ => None,
        }
    }

    fn granted(&self, id: Id) -> Self {
        let mut line = self.clone();
        if let Some(waiter) = line.take_out(id) {
            line.permits -= waiter.needs();
            line.ended.insert(id, Outcome::Granted);
        }
        line
    }

    fn waiter_mut(&mut self, id: Id) -> Option<&mut Waiter> {
        self.entries.iter_mut().find_map(|entry| match entry {
            Entry::Waiter(waiter) if waiter.id == id => Some(waiter),
            _ => None,
        })
    }

    fn standing(&self, id: Id, stands: Stands) -> Self {
        let mut line = self.clone();
        line.waiter_mut(id).expect("it waits").stands = stands;
        line
    }

    /// A wait that was passed over, or called, stands ahead of all who have not returned.
    fn returned(&self, id: Id) -> Self {
        let mut line = self.clone();
        let absent = line.absent.remove(&id).map(Some);
        let waiter = line.take_out(id).map(|waiter| waiter.need);
        let mut waiter = Waiter::new(id, absent.or(waiter).expect("it waits"));
        (waiter.stands, waiter.is_new) = (Stands::Returned, false);
        let returned = |it: &&Waiter| it.stands == Stands::Returned;
        let at = line.queue().take_while(returned).count();
        if at == 0 {
            line.passed = 0;
        }
        line.entries.insert(at, Entry::Waiter(waiter));
        line
    }

    /// The line after a wait that was called, or passed over, has returned to it while others are in calls.
    ///
    /// One that was called gives up its old place just before it stands in the new one. Between the two,
    /// whoever is next in line may be called, in vain, and what is beyond its need be granted to those
    /// behind it.
    pub(super) fn returned_meanwhile(&self, id: Id) -> Vec<Self> {
        let mut without = self.clone();
        match self.queue().find(|waiter| waiter.id == id) {
            Some(waiter) if waiter.stands == Stands::Called => {
                without.take_out(id);
                without.absent.insert(id, waiter.need.unwrap_or(0));
                let views = without.views(false).into_iter();
                let returned = views.map(|line| line.returned(id));
                returned.chain([self.returned(id)]).collect()
            }
            None if !self.barred && self.absent.contains_key(&id) => vec![self.returned(id)],
            _ => Vec::new(),
        }
    }

    /// The first thing that is outstanding, done.
    pub(super) fn next(&self) -> Step {
        if let Some(next) = self.after_notice() {
            return Step::Must(next);
        }
        let Some(head) = self.head() else {
            return Step::Nothing;
        };
        if head.stands == Stands::Called && self.is_spent() {
            if self.permits <= 0 {
                return Step::Nothing;
            }
            let mut next = self.clone();
            let head = next.take_out(head.id).expect("it is the head");
            next.absent.insert(head.id, head.need.unwrap_or(0));
            return match self.due {
                true => Step::Must(next),
                false => Step::May(next),
            };
        }
        if head.stands == Stands::Called {
            // What is beyond its need.
            let beyond = self.permits - head.needs();
            let second = self.queue().nth(1);
            return match second.filter(|second| second.needs() <= beyond) {
                Some(second) => Step::Must(self.granted(second.id)),
                None => Step::Nothing,
            };
        }
        if self.permits < head.needs() {
            return Step::Nothing;
        }
        Step::Must(match self.is_spent() {
            true => self.granted(head.id),
            false => self.standing(head.id, Stands::Called),
        })
    }

    /// A poll of a wait that is in line.
    pub(super) fn poll_in_line(
        mut self,
        id: Id,
        result: Polled,
        alone: bool,
        next: &mut Vec<Self>,
    ) {
        let waiter = self.waiter_mut(id).expect("it waits");
        let (need, is_called) = (waiter.need, waiter.stands == Stands::Called);
        let is_new = std::mem::replace(&mut waiter.is_new, false);
        let may = self.may_take(need);
        let mut taken = self.clone();
        if may {
            // If it is the head that goes, the count of those who passed it goes with it.
            taken.take_as_newcomer(need);
            taken.take_out(id);
        }
        let in_vain = self.standing(id, Stands::Waiting);
        match result {
            Polled::Refused => {}
            Polled::Ready => {
                if may {
                    next.push(taken);
                }
                if is_called && !(may && alone) {
                    in_vain.ended_at_once(id, alone, next);
                }
            }
            Polled::Pending if may && alone && (is_called || !is_new) => {}
            Polled::Pending if !is_called => next.push(self),
            Polled::Pending if alone => {
                let views = in_vain.views(true);
                next.extend(views.into_iter().filter(|line| !line.has_ended(id)));
            }
            Polled::Pending => {
                // The wake is still on its way, perhaps to an old waker.
                next.extend([in_vain, self]);
            }
            Polled::Panicked => {
                if may {
                    taken.permits += need.unwrap_or(0) as i64;
                    next.push(taken);
                }
                if is_called {
                    next.push(in_vain);
                }
                next.push(self);
            }
        }
    }

    /// A poll of a wait that was passed over.
    pub(super) fn poll_absent(
        mut self,
        id: Id,
        at_the_bar: Polled,
        result: Polled,
        alone: bool,
        next: &mut Vec<Self>,
    ) {
        if self.barred {
            if result == at_the_bar {
                self.absent.remove(&id);
                next.push(self);
            } else if result == Polled::Panicked {
                next.push(self);
            }
            return;
        }
        let need = self.absent[&id] as i64;
        let head = self.head().map(|head| head.stands);
        let may = self.permits >= need && head != Some(Stands::Returned);
        let returned = self.returned(id);
        match result {
            Polled::Refused => {}
            Polled::Ready => {
                if may {
                    let mut line = self.clone();
                    line.permits -= need;
                    line.absent.remove(&id);
                    if !alone && line.may_take(Some(0)) {
                        // It was passed over while it came, and counts as one that passes.
                        let mut counted = line.clone();
                        counted.count_one_that_passes();
                        next.push(counted);
                    }
                    next.push(line);
                }
                if !(may && alone) {
                    // It has come in vain, and then there was something for it.
                    returned.ended_at_once(id, alone, next);
                }
            }
            Polled::Pending if may && alone => {}
            Polled::Pending if alone => {
                let views = returned.views(true);
                next.extend(views.into_iter().filter(|line| !line.has_ended(id)));
            }
            Polled::Pending => next.push(returned),
            Polled::Panicked => next.extend([returned, self]),
        }
    }

    /// A wait that stands in line again, and is granted before its poll returns.
    fn ended_at_once(self, id: Id, alone: bool, next: &mut Vec<Self>) {
        for mut line in self.views(alone) {
            if line.take_ended(id) == Some(Outcome::Granted) {
                next.push(line);
            }
        }
    }
}
