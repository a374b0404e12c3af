//! A semaphore that newcomers may pass the line of, and mistakes in it that the checker has to find.
//!
//! It has a lock around everything, and passes a called head over as soon as it may.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use super::{
    THREADS,
    model::{player::BoxFuture, player::Source, semaphore},
    planted::{ENOUGH, wake_all},
    play,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    /// For comparison.
    None,
    /// Any number may pass.
    ForgetsTheBound,
    /// One more may pass than the limit.
    CountsFromOne,
    /// Those in line that pass are not counted.
    CountsNewcomersOnly,
    /// The count of those who have passed a head goes on with the next.
    NeverStartsAnew,
    /// A called head that is dropped takes a permit along.
    LosesOnCancel,
    /// A called head that is dropped leaves nobody called.
    ForgetsTheHeir,
    /// What a called head needs is granted to the second as well.
    GivesTwice,
    /// Who is passed over takes the permit along that it was called for.
    LosesWhenPassedOver,
    /// A called head that does not come holds up the others.
    WaitsForTheHead,
    /// When a head is passed over, the second is not called.
    ForgetsTheSecond,
    /// One that comes in vain is not called again.
    CallsOnce,
    /// One that was passed over and finds nothing stands at the end.
    ReturnsToTheEnd,
    /// One that was passed over and finds nothing is passed again.
    PassesTheReturned,
    /// At the limit, the head that waits is called all the same.
    NeverHandsOver,
    /// One that comes in vain keeps the waker that has called it.
    WakesTheOldWaker,
    /// What is beyond the need of a called head waits for it, too.
    KeepsWhatIsBeyond,
    /// A called head takes its permits when it is closed, too.
    TakesAfterClosing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    Waiting,
    Called,
    Returned,
}

struct Place {
    id: u64,
    need: usize,
    stands: Stands,
}

struct Inner {
    bug: Bug,
    limit: usize,
    passed: usize,
    permits: usize,
    capacity: usize,
    is_closed: bool,
    line: VecDeque<Place>,
    absent: Vec<u64>,
    wakers: HashMap<u64, Waker>,
    /// Whether those whose waits have ended were granted.
    ended: HashMap<u64, bool>,
    next: u64,
    /// To be woken when the lock is free.
    woken: Vec<Waker>,
}

impl Inner {
    fn is_spent(&self) -> bool {
        let has_returned = self.line[0].stands == Stands::Returned;
        match self.bug {
            Bug::ForgetsTheBound => has_returned,
            Bug::CountsFromOne => has_returned || self.passed > self.limit,
            Bug::PassesTheReturned => self.passed >= self.limit,
            _ => has_returned || self.passed >= self.limit,
        }
    }

    fn may_take(&self, need: usize) -> bool {
        self.permits >= need && !self.is_closed && (self.line.is_empty() || !self.is_spent())
    }

    fn take(&mut self, need: usize) {
        self.permits -= need;
        self.passed += usize::from(!self.line.is_empty());
    }

    fn remove(&mut self, id: u64) -> Option<Place> {
        let at = self.line.iter().position(|place| place.id == id)?;
        if at == 0 && self.bug != Bug::NeverStartsAnew {
            self.passed = 0;
        }
        self.line.remove(at)
    }

    fn end(&mut self, id: u64, is_granted: bool) {
        self.ended.insert(id, is_granted);
        self.woken.extend(self.wakers.remove(&id));
    }

    fn grant(&mut self, at: usize) {
        let (id, need) = (self.line[at].id, self.line[at].need);
        self.remove(id);
        if self.bug != Bug::GivesTwice || at == 0 {
            self.permits -= need;
        }
        self.end(id, true);
    }

    /// Calls, grants and passes over, as long as there is something for somebody.
    fn serve(&mut self) {
        while !self.is_closed
            && let Some(head) = self.line.front()
        {
            let (id, need, stands) = (head.id, head.need, head.stands);
            let is_there = self.permits >= need;
            if stands == Stands::Called && self.is_spent() {
                if self.permits == 0 || self.bug == Bug::WaitsForTheHead {
                    return;
                }
                self.remove(id);
                self.absent.push(id);
                match self.bug {
                    Bug::LosesWhenPassedOver => self.permits -= 1,
                    Bug::ForgetsTheSecond => return,
                    _ => {}
                }
            } else if stands == Stands::Called {
                let Some(second) = self.line.get(1) else {
                    return;
                };
                let kept = match self.bug {
                    Bug::GivesTwice => 0,
                    Bug::KeepsWhatIsBeyond => usize::MAX,
                    _ => need,
                };
                if self.permits.saturating_sub(kept) < second.need {
                    return;
                }
                self.grant(1);
            } else if !is_there {
                return;
            } else if self.is_spent() && self.bug != Bug::NeverHandsOver {
                self.grant(0);
            } else {
                self.line[0].stands = Stands::Called;
                self.woken.extend(self.wakers.remove(&id));
                if self.is_spent() {
                    return;
                }
            }
        }
    }

    fn return_to_line(&mut self, id: u64, need: usize) {
        self.absent.retain(|it| *it != id);
        let returned = |place: &&Place| place.stands == Stands::Returned;
        let at = match self.bug {
            Bug::ReturnsToTheEnd => self.line.len(),
            _ => self.line.iter().take_while(returned).count(),
        };
        if at == 0 {
            self.passed = 0;
        }
        let stands = Stands::Returned;
        self.line.insert(at, Place { id, need, stands });
    }
}

struct Bounded(Mutex<Inner>);

impl Bounded {
    fn new(permits: usize, limit: u8, bug: Bug) -> Self {
        Self(Mutex::new(Inner {
            bug,
            limit: limit.into(),
            passed: 0,
            permits,
            capacity: permits,
            is_closed: false,
            line: VecDeque::new(),
            absent: Vec::new(),
            wakers: HashMap::new(),
            ended: HashMap::new(),
            next: 0,
            woken: Vec::new(),
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Does `f` under the lock, and wakes afterwards.
    fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.inner();
        let result = f(&mut inner);
        let woken = std::mem::take(&mut inner.woken);
        drop(inner);
        wake_all(woken);
        result
    }

    fn give(&self, count: usize) {
        self.with(|inner| {
            inner.permits += count;
            inner.serve();
        });
    }
}

struct Acquire {
    from: Arc<Bounded>,
    need: usize,
    id: Option<u64>,
}

impl Acquire {
    /// Whether it was granted, once that is known.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let (from, need) = (self.from.clone(), self.need);
        let mut old = None;
        let poll = from.with(|inner| {
            let poll = match self.id {
                Some(id) => Self::poll_again(inner, id, need),
                None if inner.is_closed => Poll::Ready(false),
                None if need == 0 => Poll::Ready(true),
                None if inner.may_take(need) => {
                    inner.take(need);
                    Poll::Ready(true)
                }
                None => {
                    let (id, stands) = (inner.next, Stands::Waiting);
                    inner.next += 1;
                    inner.line.push_back(Place { id, need, stands });
                    self.id = Some(id);
                    Poll::Pending
                }
            };
            let Some(id) = self.id else {
                return poll;
            };
            if poll.is_ready() {
                self.id = None;
                old = inner.wakers.remove(&id);
                return poll;
            }
            let keeps = inner.bug == Bug::WakesTheOldWaker && inner.wakers.contains_key(&id);
            if !keeps {
                old = inner.wakers.insert(id, cx.waker().clone());
            }
            inner.serve();
            // It may have been granted, or called to take what it needs.
            let has_ended = inner.ended.contains_key(&id);
            let head = inner.line.front();
            let is_called = head.is_some_and(|it| it.id == id && it.stands == Stands::Called);
            if has_ended || is_called && inner.may_take(need) {
                self.id = None;
                old = inner.wakers.remove(&id);
                return Self::poll_again(inner, id, need);
            }
            Poll::Pending
        });
        drop(old);
        poll
    }

    fn poll_again(inner: &mut Inner, id: u64, need: usize) -> Poll<bool> {
        if let Some(is_granted) = inner.ended.remove(&id) {
            return Poll::Ready(is_granted);
        }
        if inner.absent.contains(&id) {
            if inner.is_closed {
                inner.absent.retain(|it| *it != id);
                return Poll::Ready(inner.bug == Bug::TakesAfterClosing);
            }
            let has_returned = |place: &Place| place.stands == Stands::Returned;
            if inner.permits >= need && !inner.line.front().is_some_and(has_returned) {
                inner.absent.retain(|it| *it != id);
                inner.permits -= need;
                return Poll::Ready(true);
            }
            inner.return_to_line(id, need);
            return Poll::Pending;
        }
        if inner.may_take(need) {
            inner.permits -= need;
            let is_head = inner.line.front().is_some_and(|place| place.id == id);
            if !is_head && inner.bug != Bug::CountsNewcomersOnly {
                inner.passed += 1;
            }
            inner.remove(id);
            inner.serve();
            return Poll::Ready(true);
        }
        if inner.bug != Bug::CallsOnce
            && let Some(place) = inner.line.iter_mut().find(|place| place.id == id)
            && place.stands == Stands::Called
        {
            place.stands = Stands::Waiting;
        }
        Poll::Pending
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let need = self.need;
        let waker = self.from.with(|inner| {
            let place = inner.remove(id);
            inner.absent.retain(|it| *it != id);
            if inner.ended.remove(&id) == Some(true) {
                inner.permits += need;
            }
            let was_called = place.is_some_and(|it| it.stands == Stands::Called);
            if was_called && inner.bug == Bug::LosesOnCancel {
                inner.permits = inner.permits.saturating_sub(1);
            }
            if !(was_called && inner.bug == Bug::ForgetsTheHeir) {
                inner.serve();
            }
            inner.wakers.remove(&id)
        });
        drop(waker);
    }
}

struct Permit(usize);

impl semaphore::Permits for Bounded {
    type Permit = Permit;

    fn acquire(self: &Arc<Self>, need: usize) -> BoxFuture<Option<Permit>> {
        let mut acquire = Acquire {
            from: self.clone(),
            need,
            id: None,
        };
        Box::pin(poll_fn(move |cx| {
            let poll = acquire.poll(cx);
            poll.map(|is_granted| is_granted.then_some(Permit(need)))
        }))
    }

    fn try_acquire(self: &Arc<Self>, need: usize) -> Option<Permit> {
        self.with(|inner| {
            let may = need == 0 && !inner.is_closed || inner.may_take(need);
            may.then(|| {
                if need > 0 {
                    inner.take(need);
                    inner.serve();
                }
                Permit(need)
            })
        })
    }

    fn count(permit: &Permit) -> usize {
        permit.0
    }

    fn give_back(&self, permit: Permit) {
        self.give(permit.0);
    }

    fn forget(&self, permit: Permit) {
        self.inner().capacity -= permit.0;
    }

    fn split(&self, permit: &mut Permit, count: usize) -> Option<Permit> {
        permit.0 = permit.0.checked_sub(count)?;
        Some(Permit(count))
    }

    fn merge(&self, permit: &mut Permit, other: Permit) {
        permit.0 += other.0;
    }

    fn add(&self, count: usize) {
        self.inner().capacity += count;
        self.give(count);
    }

    fn reduce(&self, count: usize) -> usize {
        let mut inner = self.inner();
        let taken = inner.permits.min(count);
        inner.permits -= taken;
        inner.capacity -= taken;
        taken
    }

    /// It knows no debts.
    fn remove_permits(&self, _count: usize) {
        unreachable!()
    }

    fn close(&self) {
        self.with(|inner| {
            inner.is_closed = true;
            while let Some(place) = inner.line.pop_front() {
                inner.end(place.id, false);
            }
            inner.passed = 0;
        });
    }

    fn is_closed(&self) -> bool {
        self.inner().is_closed
    }

    fn counts(&self) -> [usize; 4] {
        let inner = self.inner();
        let in_use = inner.capacity.saturating_sub(inner.permits);
        [inner.permits, inner.capacity, in_use, inner.line.len()]
    }

    fn may_remove(&self, _count: usize) -> bool {
        false
    }
}

fn game(random: &mut super::Random, bug: Bug) -> (semaphore::Playing<Bounded>, semaphore::State) {
    let permits = 1 + random.below(3);
    let limit = 1 + random.below(3) as u8;
    let system = semaphore::Playing::new(Bounded::new(permits, limit, bug), limit);
    (system, semaphore::State::new(permits, limit))
}

#[test]
fn what_is_right_with_overtaking_is_found_right() {
    play(THREADS, 2000, |random| game(random, Bug::None)).unwrap();
}

fn is_found(bug: Bug) {
    let found = play(THREADS, ENOUGH, |random| game(random, bug));
    found.expect_err("the mistake has not been found");
}

macro_rules! found {
    ($($test:ident: $bug:ident;)*) => {$(
        #[test]
        fn $test() {
            is_found(Bug::$bug);
        }
    )*};
}

found! {
    bound_that_is_not_kept_is_found: ForgetsTheBound;
    bound_that_is_one_too_high_is_found: CountsFromOne;
    passing_in_line_that_is_not_counted_is_found: CountsNewcomersOnly;
    count_that_goes_on_with_the_next_head_is_found: NeverStartsAnew;
    permit_lost_with_a_called_head_is_found: LosesOnCancel;
    heir_of_a_called_head_that_is_not_called_is_found: ForgetsTheHeir;
    permit_of_a_called_head_given_twice_is_found: GivesTwice;
    permit_lost_with_one_that_is_passed_over_is_found: LosesWhenPassedOver;
    called_head_that_is_waited_for_is_found: WaitsForTheHead;
    second_that_is_not_called_is_found: ForgetsTheSecond;
    call_in_vain_that_is_the_last_is_found: CallsOnce;
    one_that_returns_to_the_end_is_found: ReturnsToTheEnd;
    returned_head_that_is_passed_is_found: PassesTheReturned;
    head_that_is_never_handed_anything_is_found: NeverHandsOver;
    old_waker_of_one_that_came_in_vain_is_found: WakesTheOldWaker;
    permits_kept_from_the_second_are_found: KeepsWhatIsBeyond;
    grant_after_closing_to_one_that_was_passed_over_is_found: TakesAfterClosing;
}
