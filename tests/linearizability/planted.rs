//! Primitives with mistakes, each of which the checker has to find.

use std::{
    collections::{HashMap, VecDeque},
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
};

use compio_sync::{Event, Fairness, SetOnce};

use super::{
    THREADS,
    model::{event, monitor, player::BoxFuture, player::Source, semaphore, set_once, waiter_queue},
    play,
};

/// A violation has to be found in that many histories.
pub(super) const ENOUGH: usize = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    /// For comparison.
    None,
    /// A wait that is dropped when it has been granted keeps what it was granted.
    LosesOnCancel,
    /// It gives it back twice.
    DoublesOnCancel,
    /// A newcomer takes what is free, though others wait for more than that.
    Overtakes,
    /// Grants the first request that there is enough for.
    SmallOnesFirst,
    NewestFirst,
    /// Wakes the waker of the first poll.
    WakesTheOldWaker,
    /// Looks whether there is a permit, and takes it a moment later.
    LooksThenTakes,
    /// Reads the number of permits, and writes a greater one a moment later.
    ReadsThenWrites,
    /// Grants those who wait when it is closed.
    GrantsAfterClosing,
    /// A waiter's place is kept when it has gone.
    GrantsTheGone,
    /// A notification that finds nobody is kept for whoever comes.
    Sticky,
    NotifiesTwo,
    /// Notifies all but the last.
    ForgetsTheLast,
    /// What was for all is passed on, too.
    PassesABroadcastOn,
}

/// A semaphore and a waiter queue with a lock around everything.
struct Simple {
    bug: Bug,
    capacity: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    permits: usize,
    is_closed: bool,
    line: VecDeque<(u64, usize)>,
    wakers: HashMap<u64, Waker>,
    ended: HashMap<u64, Ending>,
    next: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Granted,
    Broadcast,
    Refused,
}

impl Inner {
    fn end(&mut self, id: u64, ending: Ending) -> Option<Waker> {
        self.ended.insert(id, ending);
        self.wakers.remove(&id)
    }

    fn grant(&mut self, bug: Bug) -> Vec<Waker> {
        let mut woken = Vec::new();
        while !(self.is_closed && bug != Bug::GrantsAfterClosing) {
            let fits = |&(_, need): &(u64, usize)| need <= self.permits;
            let at = match bug {
                Bug::SmallOnesFirst => self.line.iter().position(fits),
                Bug::NewestFirst => self
                    .line
                    .back()
                    .filter(|it| fits(it))
                    .map(|_| self.line.len() - 1),
                _ => self.line.front().filter(|it| fits(it)).map(|_| 0),
            };
            let Some((id, need)) = at.and_then(|at| self.line.remove(at)) else {
                break;
            };
            self.permits -= need;
            woken.extend(self.end(id, Ending::Granted));
        }
        woken
    }
}

pub(super) fn wake_all(woken: Vec<Waker>) {
    woken.into_iter().for_each(Waker::wake);
}

/// Lets the other threads come in between.
fn moment() {
    for _ in 0..20 {
        thread::yield_now();
    }
}

impl Simple {
    fn new(permits: usize, bug: Bug) -> Self {
        Self {
            bug,
            capacity: AtomicUsize::new(permits),
            inner: Mutex::new(Inner {
                permits,
                ..Inner::default()
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    fn give(&self, count: usize) {
        let woken = {
            let mut inner = self.inner();
            if self.bug == Bug::ReadsThenWrites {
                let permits = inner.permits;
                drop(inner);
                moment();
                inner = self.inner();
                inner.permits = permits + count;
            } else {
                inner.permits += count;
            }
            inner.grant(self.bug)
        };
        wake_all(woken);
    }

    fn notify(&self, count: usize) {
        let mut woken = Vec::new();
        {
            let mut inner = self.inner();
            if count == 1 && self.bug == Bug::Sticky && inner.line.is_empty() {
                inner.permits = 1;
            }
            let (count, ending) = match (count, self.bug) {
                (1, Bug::NotifiesTwo) => (2, Ending::Granted),
                (1, _) => (1, Ending::Granted),
                (_, Bug::ForgetsTheLast) => (inner.line.len().saturating_sub(1), Ending::Broadcast),
                (_, Bug::PassesABroadcastOn) => (usize::MAX, Ending::Granted),
                _ => (usize::MAX, Ending::Broadcast),
            };
            for _ in 0..count {
                let Some((id, _)) = inner.line.pop_front() else {
                    break;
                };
                woken.extend(inner.end(id, ending));
            }
        }
        wake_all(woken);
    }

    fn wait(self: &Arc<Self>, need: usize) -> Wait {
        Wait {
            simple: self.clone(),
            need,
            id: None,
        }
    }

    fn close(&self) {
        let mut woken = Vec::new();
        {
            let mut inner = self.inner();
            inner.is_closed = true;
            if self.bug != Bug::GrantsAfterClosing {
                while let Some((id, _)) = inner.line.pop_front() {
                    woken.extend(inner.end(id, Ending::Refused));
                }
            }
        }
        wake_all(woken);
    }
}

struct Wait {
    simple: Arc<Simple>,
    need: usize,
    id: Option<u64>,
}

impl Wait {
    /// Whether it was granted, once that is known.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let bug = self.simple.bug;
        let mut inner = self.simple.inner();
        if let Some(id) = self.id {
            if let Some(ending) = inner.ended.remove(&id) {
                self.id = None;
                return Poll::Ready(ending != Ending::Refused);
            }
            if bug != Bug::WakesTheOldWaker {
                let old = inner.wakers.insert(id, cx.waker().clone());
                drop(inner);
                drop(old);
            }
            return Poll::Pending;
        }
        if inner.is_closed {
            return Poll::Ready(false);
        }
        let goes_first = inner.line.is_empty() || bug == Bug::Overtakes;
        if inner.permits >= self.need && goes_first {
            inner.permits -= self.need;
            return Poll::Ready(true);
        }
        let id = inner.next;
        inner.next += 1;
        inner.line.push_back((id, self.need));
        inner.wakers.insert(id, cx.waker().clone());
        self.id = Some(id);
        Poll::Pending
    }

    fn leave(&mut self) -> Option<Ending> {
        let id = self.id.take()?;
        let mut inner = self.simple.inner();
        if self.simple.bug != Bug::GrantsTheGone {
            inner.line.retain(|(it, _)| *it != id);
        }
        let waker = inner.wakers.remove(&id);
        let ending = inner.ended.remove(&id);
        let woken = inner.grant(self.simple.bug);
        drop(inner);
        drop(waker);
        wake_all(woken);
        ending
    }
}

// ---- as a semaphore ----

struct Permit(usize);

struct Acquire(Wait);

impl Drop for Acquire {
    fn drop(&mut self) {
        let times = match self.0.simple.bug {
            Bug::LosesOnCancel => 0,
            Bug::DoublesOnCancel => 2,
            _ => 1,
        };
        if self.0.leave() == Some(Ending::Granted) && times > 0 {
            self.0.simple.give(times * self.0.need);
        }
    }
}

impl semaphore::Permits for Simple {
    type Permit = Permit;

    fn acquire(self: &Arc<Self>, count: usize) -> BoxFuture<Option<Permit>> {
        let mut acquire = Acquire(self.wait(count));
        Box::pin(poll_fn(move |cx| {
            if count == 0 {
                let is_closed = acquire.0.simple.inner().is_closed;
                return Poll::Ready((!is_closed).then_some(Permit(0)));
            }
            let poll = acquire.0.poll(cx);
            poll.map(|is_granted| is_granted.then_some(Permit(count)))
        }))
    }

    fn try_acquire(self: &Arc<Self>, count: usize) -> Option<Permit> {
        let mut inner = self.inner();
        let is_free = count == 0 || (inner.line.is_empty() && inner.permits >= count);
        if inner.is_closed || !is_free {
            return None;
        }
        if self.bug == Bug::LooksThenTakes {
            drop(inner);
            moment();
            inner = self.inner();
        }
        inner.permits = inner.permits.saturating_sub(count);
        Some(Permit(count))
    }

    fn count(permit: &Permit) -> usize {
        permit.0
    }

    fn give_back(&self, permit: Permit) {
        self.give(permit.0);
    }

    fn forget(&self, permit: Permit) {
        self.capacity.fetch_sub(permit.0, SeqCst);
    }

    fn split(&self, permit: &mut Permit, count: usize) -> Option<Permit> {
        permit.0 = permit.0.checked_sub(count)?;
        Some(Permit(count))
    }

    fn merge(&self, permit: &mut Permit, other: Permit) {
        permit.0 += other.0;
    }

    fn add(&self, count: usize) {
        self.capacity.fetch_add(count, SeqCst);
        self.give(count);
    }

    fn reduce(&self, count: usize) -> usize {
        let mut inner = self.inner();
        let taken = inner.permits.min(count);
        inner.permits -= taken;
        drop(inner);
        self.capacity.fetch_sub(taken, SeqCst);
        taken
    }

    /// It knows no debts.
    fn remove_permits(&self, _count: usize) {
        unreachable!()
    }

    fn close(&self) {
        self.close();
    }

    fn is_closed(&self) -> bool {
        self.inner().is_closed
    }

    fn counts(&self) -> [usize; 4] {
        let inner = self.inner();
        // What is in use follows from the others.
        let capacity = self.capacity.load(SeqCst);
        let in_use = capacity.saturating_sub(inner.permits);
        [inner.permits, capacity, in_use, inner.line.len()]
    }

    fn may_remove(&self, _count: usize) -> bool {
        false
    }
}

// ---- as a waiter queue ----

struct Waiting<F> {
    wait: Wait,
    condition: Option<F>,
}

impl<F> Drop for Waiting<F> {
    fn drop(&mut self) {
        let bug = self.wait.simple.bug;
        if self.wait.leave() == Some(Ending::Granted) && bug != Bug::LosesOnCancel {
            self.wait.simple.notify(1);
        }
    }
}

impl waiter_queue::Wakes for Simple {
    fn wait(self: &Arc<Self>, condition: impl FnOnce() -> bool + Send + 'static) -> BoxFuture<()> {
        let mut waiting = Waiting {
            wait: self.wait(1),
            condition: Some(condition),
        };
        Box::pin(poll_fn(move |cx| {
            if waiting.wait.poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let Some(condition) = waiting.condition.take() else {
                return Poll::Pending;
            };
            if condition() {
                if waiting.wait.leave() == Some(Ending::Granted) {
                    waiting.wait.simple.notify(1);
                }
                return Poll::Ready(());
            }
            Poll::Pending
        }))
    }

    fn wake_one(&self) {
        self.notify(1);
    }

    fn wake_all(&self) {
        self.notify(usize::MAX);
    }

    fn waiter_count(&self) -> usize {
        self.inner().line.len()
    }
}

// ---- as an event ----

/// An event whose waits end only if it is set when they look.
struct Forgetful(Arc<Event>);

impl event::Flag for Forgetful {
    fn wait(self: &Arc<Self>) -> BoxFuture<()> {
        let event = self.0.clone();
        let mut wait = event::Flag::wait(&event);
        Box::pin(poll_fn(move |cx| {
            while wait.as_mut().poll(cx).is_ready() {
                if event.is_set() {
                    return Poll::Ready(());
                }
                wait = event::Flag::wait(&event);
            }
            Poll::Pending
        }))
    }

    fn set(&self) {
        self.0.set();
    }

    fn reset(&self) {
        self.0.reset();
    }

    fn is_set(&self) -> bool {
        self.0.is_set()
    }

    fn waiter_count(&self) -> usize {
        self.0.waiter_count()
    }
}

// ---- as a mutex and a condition variable ----

#[derive(Clone, Copy, Debug)]
enum MonitorBug {
    LosesEveryThirdNotification,
    NotifiesAll,
    /// Nobody finds out what the last holder wrote.
    ForgetsWhatWasWritten,
}

struct Faulty {
    real: Arc<monitor::Real>,
    bug: MonitorBug,
    notifications: AtomicUsize,
}

struct Guard {
    it: <monitor::Real as monitor::Monitor>::Guard,
    copy: u64,
}

impl Guard {
    fn new(mut it: <monitor::Real as monitor::Monitor>::Guard) -> Self {
        let copy = *<monitor::Real as monitor::Monitor>::value(&mut it);
        Self { it, copy }
    }

    fn of(mut lock: BoxFuture<<monitor::Real as monitor::Monitor>::Guard>) -> BoxFuture<Self> {
        Box::pin(poll_fn(move |cx| {
            Pin::new(&mut lock).poll(cx).map(Self::new)
        }))
    }
}

impl monitor::Monitor for Faulty {
    type Guard = (Guard, MonitorBug);

    fn lock(self: &Arc<Self>) -> BoxFuture<Self::Guard> {
        let bug = self.bug;
        let mut lock = Guard::of(self.real.lock());
        Box::pin(poll_fn(move |cx| {
            lock.as_mut().poll(cx).map(|guard| (guard, bug))
        }))
    }

    fn try_lock(self: &Arc<Self>) -> Option<Self::Guard> {
        let guard = self.real.try_lock()?;
        Some((Guard::new(guard), self.bug))
    }

    fn wait(self: &Arc<Self>, (guard, bug): Self::Guard) -> BoxFuture<Self::Guard> {
        let mut wait = Guard::of(self.real.wait(guard.it));
        Box::pin(poll_fn(move |cx| {
            wait.as_mut().poll(cx).map(|guard| (guard, bug))
        }))
    }

    fn value((guard, bug): &mut Self::Guard) -> &mut u64 {
        match bug {
            MonitorBug::ForgetsWhatWasWritten => &mut guard.copy,
            _ => <monitor::Real as monitor::Monitor>::value(&mut guard.it),
        }
    }

    fn notify_one(&self) {
        let number = self.notifications.fetch_add(1, SeqCst);
        match self.bug {
            MonitorBug::LosesEveryThirdNotification if number % 3 == 2 => {}
            MonitorBug::NotifiesAll => self.real.notify_all(),
            _ => self.real.notify_one(),
        }
    }

    fn notify_all(&self) {
        self.real.notify_all();
    }

    fn waiter_counts(&self) -> (usize, usize) {
        self.real.waiter_counts()
    }
}

// ---- the tests ----

#[test]
fn what_is_right_is_found_right() {
    let semaphore = play(THREADS, 500, |random| {
        let permits = random.below(4);
        let system = semaphore::Playing::new(Simple::new(permits, Bug::None), 0);
        (system, semaphore::State::new(permits, 0))
    });
    semaphore.unwrap();
    let queue = play(THREADS, 500, |_| {
        let system = waiter_queue::Playing::new(Simple::new(0, Bug::None));
        (system, waiter_queue::State::new())
    });
    queue.unwrap();
}

fn found_in_a_semaphore(bug: Bug) {
    let found = play(THREADS, ENOUGH, |random| {
        let permits = random.below(4);
        let system = semaphore::Playing::new(Simple::new(permits, bug), 0);
        (system, semaphore::State::new(permits, 0))
    });
    found.expect_err("the mistake has not been found");
}

fn found_in_a_waiter_queue(bug: Bug) {
    let found = play(THREADS, ENOUGH, |_| {
        let system = waiter_queue::Playing::new(Simple::new(0, bug));
        (system, waiter_queue::State::new())
    });
    found.expect_err("the mistake has not been found");
}

fn found_in_a_monitor(bug: MonitorBug) {
    let found = play(THREADS, ENOUGH, |_| {
        let faulty = Faulty {
            real: Arc::new(monitor::Real::new(compio_sync::Mutex::with_fairness(
                0,
                Fairness::Fifo,
            ))),
            bug,
            notifications: AtomicUsize::new(0),
        };
        (monitor::Playing::new(faulty, 0), monitor::State::new(0))
    });
    found.expect_err("the mistake has not been found");
}

macro_rules! found {
    ($($test:ident: $found:ident($bug:expr);)*) => {$(
        #[test]
        fn $test() {
            $found($bug);
        }
    )*};
}

found! {
    permit_lost_on_cancel_is_found: found_in_a_semaphore(Bug::LosesOnCancel);
    permit_doubled_on_cancel_is_found: found_in_a_semaphore(Bug::DoublesOnCancel);
    overtaking_is_found: found_in_a_semaphore(Bug::Overtakes);
    small_request_that_goes_first_is_found: found_in_a_semaphore(Bug::SmallOnesFirst);
    newest_request_that_goes_first_is_found: found_in_a_semaphore(Bug::NewestFirst);
    permit_taken_a_moment_later_is_found: found_in_a_semaphore(Bug::LooksThenTakes);
    permit_lost_between_two_releases_is_found: found_in_a_semaphore(Bug::ReadsThenWrites);
    grant_after_closing_is_found: found_in_a_semaphore(Bug::GrantsAfterClosing);
    wake_of_an_old_waker_is_found: found_in_a_semaphore(Bug::WakesTheOldWaker);
    grant_to_the_gone_is_found: found_in_a_semaphore(Bug::GrantsTheGone);
    wake_lost_on_cancel_is_found: found_in_a_waiter_queue(Bug::LosesOnCancel);
    kept_wake_is_found: found_in_a_waiter_queue(Bug::Sticky);
    doubled_wake_is_found: found_in_a_waiter_queue(Bug::NotifiesTwo);
    waiter_forgotten_by_wake_all_is_found: found_in_a_waiter_queue(Bug::ForgetsTheLast);
    wake_of_all_that_passes_on_is_found: found_in_a_waiter_queue(Bug::PassesABroadcastOn);
    lost_notification_is_found: found_in_a_monitor(MonitorBug::LosesEveryThirdNotification);
    notification_of_too_many_is_found: found_in_a_monitor(MonitorBug::NotifiesAll);
    write_lost_under_the_mutex_is_found: found_in_a_monitor(MonitorBug::ForgetsWhatWasWritten);
}

#[test]
fn event_wait_that_a_reset_undoes_is_found() {
    let found = play(THREADS, ENOUGH, |_| {
        let system = event::Playing::new(Forgetful(Arc::new(Event::new())));
        (system, event::State::new())
    });
    found.expect_err("the mistake has not been found");
}

// ---- as a cell that is set once ----

/// A cell whose set fails while there is no value yet: another is about to set it.
struct Early {
    is_claimed: AtomicBool,
    cell: Arc<SetOnce<usize>>,
}

impl set_once::Cell for Early {
    fn wait(self: &Arc<Self>) -> BoxFuture<usize> {
        set_once::Cell::wait(&self.cell)
    }

    fn set(&self, value: usize) -> bool {
        if self.is_claimed.swap(true, SeqCst) {
            return false;
        }
        thread::yield_now();
        set_once::Cell::set(&*self.cell, value)
    }

    fn get(&self) -> Option<usize> {
        set_once::Cell::get(&*self.cell)
    }

    fn waiter_count(&self) -> usize {
        self.cell.waiter_count()
    }
}

/// A cell that keeps the last value, not the first.
struct Overwrites(Mutex<Option<usize>>, Arc<SetOnce<usize>>);

impl set_once::Cell for Overwrites {
    fn wait(self: &Arc<Self>) -> BoxFuture<usize> {
        set_once::Cell::wait(&self.1)
    }

    fn set(&self, value: usize) -> bool {
        let mut last = self.0.lock().unwrap();
        let is_set = set_once::Cell::set(&*self.1, value);
        *last = Some(value);
        is_set
    }

    fn get(&self) -> Option<usize> {
        *self.0.lock().unwrap()
    }

    fn waiter_count(&self) -> usize {
        self.1.waiter_count()
    }
}

fn found_in_a_cell<C: set_once::Cell>(make: impl Fn() -> C + Sync) {
    let found = play(THREADS, ENOUGH, |_| {
        (set_once::Playing::new(make()), set_once::State::new())
    });
    found.expect_err("the mistake has not been found");
}

#[test]
fn set_that_fails_before_there_is_a_value_is_found() {
    found_in_a_cell(|| Early {
        is_claimed: AtomicBool::new(false),
        cell: Arc::new(SetOnce::new()),
    });
}

#[test]
fn second_set_that_counts_is_found() {
    found_in_a_cell(|| Overwrites(Mutex::new(None), Arc::new(SetOnce::new())));
}
