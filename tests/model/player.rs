//! Somebody who makes calls at random and writes down what happened.
//!
//! A [`Player`] is used on one of several threads; or alone, and then its wakers are not *calm*: when
//! they are cloned, woken or dropped they may make calls in turn, or panic. Calls that a waker makes
//! are, to the checker, another thread's: the call that they interrupt has begun and not ended.

use std::{
    any::Any,
    future::Future,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, RawWaker, RawWakerVTable, Waker},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use super::{
    checker::{Checker, Event, Model, Violation},
    line::{Id, Polled},
};

pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How many waits a player has at a time.
const WAITS: usize = 6;
/// How deep wakers call back.
const DEPTH: usize = 3;

/// Where a player's decisions come from.
pub trait Source: Send {
    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize;
}

/// Marsaglia's xorshift.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(
            (seed + 1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(17)
                | 1,
        )
    }
}

impl Source for Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

/// What a player's wakers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Temper {
    Calm,
    /// They make calls.
    Nasty,
    /// They make calls, and panic.
    Panicking,
}

/// A primitive, and how to play with it.
pub trait System: Sized + Send + Sync + 'static {
    type Model: Model<Call = Self::Call>;
    type Call: Send + std::fmt::Debug;
    /// What a wait yields.
    type Output: Send;
    /// What a player may have in its hands.
    type Held: Send;
    /// What a player keeps with a wait.
    type Extra: Send;

    /// Whether a wait's waker may be woken once more after a poll.
    const WAKES_IN_PHASES: bool = false;

    /// Whether a wait may be woken to look whether there is something for it, in vain. A wait whose
    /// poll has panicked is to be dropped then.
    fn calls(&self) -> bool {
        false
    }

    /// Makes a call, or a few.
    fn act(player: &Player<Self>);
    /// Drops a wait.
    fn drop_wait(player: &Player<Self>, wait: Wait<Self>);
    /// Gives back what is held.
    fn give_back(player: &Player<Self>, held: Self::Held);
    /// Looks at everything there is to see, when nobody is in a call.
    fn look(&self, woken: Vec<(Id, bool)>) -> Self::Call;
}

/// A wait of a player.
pub struct Wait<S: System> {
    pub id: Id,
    pub extra: S::Extra,
    pub future: BoxFuture<S::Output>,
    /// The doorbells that its waker may ring: that of the last poll, and those of earlier ones if a
    /// waker has panicked in it.
    doorbells: Vec<Arc<Bell<S>>>,
    last: Option<Polled>,
    /// How often the last doorbell had been signalled before the last poll.
    rung_before: usize,
}

/// What a call returned, and when it was.
pub struct Timed<R> {
    pub result: R,
    thread: usize,
    begun: u64,
    ended: u64,
}

impl<R> Timed<R> {
    /// The result, and when it was.
    pub fn take(self) -> (Timed<()>, R) {
        let Self {
            result,
            thread,
            begun,
            ended,
        } = self;
        let when = Timed {
            result: (),
            thread,
            begun,
            ended,
        };
        (when, result)
    }

    /// What came before and after `moment`.
    pub fn split(&self, moment: u64) -> (Timed<()>, Timed<()>) {
        let part = |begun, ended| Timed {
            result: (),
            thread: self.thread,
            begun,
            ended,
        };
        (part(self.begun, moment), part(moment, self.ended))
    }
}

pub struct Player<S: System> {
    pub system: Arc<S>,
    shared: Arc<Shared>,
    thread: usize,
    temper: Temper,
    home: ThreadId,
    depth: AtomicUsize,
    desk: Mutex<Desk<S>>,
    me: Weak<Self>,
}

/// What all players of a game share.
#[derive(Default)]
pub struct Shared {
    clock: AtomicU64,
    ids: AtomicU32,
}

struct Desk<S: System> {
    source: Box<dyn Source>,
    events: Vec<Event<S::Call>>,
    waits: Vec<Wait<S>>,
    /// Waits that nobody polls or drops any more, until the end of the game.
    abandoned: Vec<Wait<S>>,
    held: Vec<S::Held>,
    /// The doorbells of waits that are over.
    old_bells: Vec<Arc<Bell<S>>>,
    /// What is wrong, whatever the model says.
    complaint: Option<String>,
    has_panicked: bool,
}

impl<S: System> Player<S> {
    pub fn new(
        system: Arc<S>,
        shared: Arc<Shared>,
        thread: usize,
        source: Box<dyn Source>,
        temper: Temper,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            system,
            shared,
            thread,
            temper,
            home: thread::current().id(),
            depth: AtomicUsize::new(0),
            desk: Mutex::new(Desk {
                source,
                events: Vec::new(),
                waits: Vec::new(),
                abandoned: Vec::new(),
                held: Vec::new(),
                old_bells: Vec::new(),
                complaint: None,
                has_panicked: false,
            }),
            me: me.clone(),
        })
    }

    fn desk(&self) -> MutexGuard<'_, Desk<S>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn below(&self, limit: usize) -> usize {
        self.desk().source.below(limit)
    }

    pub fn one_in(&self, limit: usize) -> bool {
        self.below(limit) == 0
    }

    // ---- calls ----

    /// Makes a call that may panic on a waker's account.
    pub fn call<R>(&self, f: impl FnOnce() -> R) -> Timed<Option<R>> {
        let depth = self.depth.fetch_add(1, SeqCst);
        let begun = self.shared.clock.fetch_add(1, SeqCst);
        let result = catch_unwind(AssertUnwindSafe(f));
        let ended = self.shared.clock.fetch_add(1, SeqCst);
        self.depth.fetch_sub(1, SeqCst);
        let result = match result {
            Ok(result) => Some(result),
            Err(panic) if panic.is::<Scripted>() => {
                self.desk().has_panicked = true;
                None
            }
            Err(panic) => resume_unwind(panic),
        };
        Timed {
            result,
            thread: self.thread + depth,
            begun,
            ended,
        }
    }

    /// Writes down a part of a call. Parts take effect one after another.
    pub fn log<R>(&self, timed: &Timed<R>, call: S::Call) {
        self.desk().events.push(Event {
            thread: timed.thread,
            call,
            begun: timed.begun,
            ended: timed.ended,
        });
    }

    /// A moment in a call.
    pub fn moment(&self) -> u64 {
        self.shared.clock.fetch_add(1, SeqCst)
    }

    /// Makes a call in the midst of another one, if the player is not calm.
    pub fn interrupt(&self) {
        if self.temper > Temper::Calm && self.depth.load(SeqCst) <= DEPTH {
            S::act(self);
        }
    }

    pub fn me(&self) -> Weak<Self> {
        self.me.clone()
    }

    fn expect(&self, holds: bool, otherwise: &str) {
        if !holds {
            self.desk().complaint = Some(otherwise.into());
        }
    }

    // ---- waits ----

    pub fn new_wait(&self, extra: S::Extra, future: BoxFuture<S::Output>) -> Wait<S> {
        Wait {
            id: self.shared.ids.fetch_add(1, SeqCst),
            extra,
            future,
            doorbells: vec![self.doorbell()],
            last: None,
            rung_before: 0,
        }
    }

    fn doorbell(&self) -> Arc<Bell<S>> {
        Arc::new(Bell {
            wakes: AtomicUsize::new(0),
            wakers: AtomicUsize::new(0),
            player: (self.temper > Temper::Calm).then(|| self.me.clone()),
        })
    }

    /// Polls a wait, now and then with another waker.
    pub fn poll(&self, wait: &mut Wait<S>) -> Timed<Option<Poll<S::Output>>> {
        if S::WAKES_IN_PHASES || self.one_in(4) {
            wait.doorbells.push(self.doorbell());
        }
        let doorbell = wait.doorbells.last().expect("there is one").clone();
        wait.rung_before = doorbell.wakes.load(SeqCst);
        let waker = doorbell.waker();
        let future = wait.future.as_mut();
        let timed = self.call(|| future.poll(&mut Context::from_waker(&waker)));
        wait.last = Some(match &timed.result {
            Some(Poll::Pending) => Polled::Pending,
            Some(Poll::Ready(_)) => Polled::Ready,
            None => Polled::Panicked,
        });
        if wait.last == Some(Polled::Pending) {
            let last = wait.doorbells.len() - 1;
            let before: Vec<_> = wait.doorbells.drain(..last).collect();
            let is_woken = |doorbell: &Arc<Bell<S>>| doorbell.wakes.load(SeqCst) > 0;
            let may_be = S::WAKES_IN_PHASES || self.system.calls();
            let is_right = may_be || !before.iter().any(is_woken);
            self.expect(is_right, "an old waker was woken");
            self.desk().old_bells.extend(before);
        }
        timed
    }

    /// Takes a wait, to poll or drop it.
    pub fn take_wait(&self) -> Option<Wait<S>> {
        let mut desk = self.desk();
        let count = desk.waits.len();
        (count > 0).then(|| {
            let at = desk.source.below(count);
            desk.waits.swap_remove(at)
        })
    }

    pub fn put_wait(&self, wait: Wait<S>) {
        self.desk().waits.push(wait);
    }

    pub fn has_room(&self) -> bool {
        self.desk().waits.len() < WAITS
    }

    /// Leaves a wait to itself.
    pub fn abandon(&self, wait: Wait<S>) {
        self.desk().abandoned.push(wait);
    }

    /// A wait is over.
    pub fn end(&self, wait: Wait<S>) {
        let Wait {
            future, doorbells, ..
        } = wait;
        // The futures' own drops are calls; this one is of a future that has nothing left.
        drop(future);
        self.desk().old_bells.extend(doorbells);
    }

    /// Drops a wait's future, which is a call.
    pub fn drop_future(&self, wait: Wait<S>) -> (Id, Timed<Option<()>>) {
        let Wait {
            id,
            future,
            doorbells,
            ..
        } = wait;
        let timed = self.call(move || drop(future));
        self.desk().old_bells.extend(doorbells);
        (id, timed)
    }

    // ---- hands ----

    pub fn take_held(&self) -> Option<S::Held> {
        let mut desk = self.desk();
        let count = desk.held.len();
        (count > 0).then(|| {
            let at = desk.source.below(count);
            desk.held.swap_remove(at)
        })
    }

    pub fn hold(&self, held: S::Held) {
        self.desk().held.push(held);
    }

    // ---- the game ----

    /// Drops all waits and gives back what is held.
    pub fn give_up(&self) {
        loop {
            if let Some(held) = self.take_held() {
                S::give_back(self, held);
            } else if let Some(wait) = self.take_wait() {
                S::drop_wait(self, wait);
            } else {
                let abandoned = self.desk().abandoned.pop();
                match abandoned {
                    Some(wait) => S::drop_wait(self, wait),
                    None => return,
                }
            }
        }
    }
}

/// Exchanges what two players wait for: futures that go on on another thread.
pub fn exchange_waits<S: System>(one: &Player<S>, other: &Player<S>) {
    if !std::ptr::eq(one, other) {
        std::mem::swap(&mut one.desk().waits, &mut other.desk().waits);
    }
}

/// Checks what the players have done since the last time. Nobody may be in a call.
pub fn check<S: System>(
    players: &[Arc<Player<S>>],
    checker: &mut Checker<S::Model>,
) -> Result<(), Violation> {
    let mut events = Vec::new();
    let mut has_panicked = false;
    for player in players {
        let mut desk = player.desk();
        events.append(&mut desk.events);
        has_panicked |= desk.has_panicked;
    }
    checker.window(events)?;
    // Who unwinds has others woken by a thread of its own, and does not wait for it.
    let deadline = Instant::now() + Duration::from_secs(if has_panicked { 30 } else { 0 });
    loop {
        let result = look(players, checker, has_panicked);
        if result.is_ok() || Instant::now() >= deadline {
            players.iter().for_each(|it| it.desk().old_bells.clear());
            return result;
        }
        thread::yield_now();
    }
}

/// Checks what there is to see. If somebody has panicked, a wake may still be on its way.
fn look<S: System>(
    players: &[Arc<Player<S>>],
    checker: &mut Checker<S::Model>,
    has_panicked: bool,
) -> Result<(), Violation> {
    let mut woken = Vec::new();
    for player in players {
        let desk = player.desk();
        let complain = |text: &str| Err(checker.violation(text, std::iter::empty()));
        if let Some(text) = &desk.complaint {
            return complain(text);
        }
        for wait in desk.waits.iter().chain(&desk.abandoned) {
            if wait.last.is_none() {
                continue;
            }
            let (wakes, wakers) = (wait.wakes(), wait.wakers());
            if player.system.calls() {
                let Some(is_woken) = wait.is_called() else {
                    return complain(&format!("{} has {wakers} wakers, {wakes} wakes", wait.id));
                };
                woken.push((wait.id, is_woken));
                continue;
            }
            let is_pending = wait.last == Some(Polled::Pending);
            woken.push((wait.id, wakes > 0 && !(is_pending && wakers > 0)));
            // One phase may have ended, and woken, within the poll that began it and the next.
            let before = usize::from(S::WAKES_IN_PHASES && wakes > 0 && wakes + wakers == 2);
            let is_right = match wait.last {
                // The waker is there, or has been woken.
                Some(Polled::Pending) => wakes + wakers == 1 + before,
                _ => wakes <= 1 + usize::from(S::WAKES_IN_PHASES),
            };
            if !is_right {
                return complain(&format!("{} has {wakers} wakers, {wakes} wakes", wait.id));
            }
        }
        let left = |doorbell: &Arc<Bell<S>>| doorbell.wakers.load(SeqCst) > 0;
        if desk.old_bells.iter().any(left) {
            return complain("there are wakers of waits that are over");
        }
    }
    let system = &players[0].system;
    let all = system.look(woken.clone());
    if !(has_panicked && system.calls()) {
        return checker.look(&all);
    }
    // Who is not woken by now may be, a moment later, by the same calls. So that there is a state in
    // which all is as it seems does not say that it is this one.
    checker.after(&all)?;
    woken.retain(|&(_, is_woken)| is_woken);
    checker.look(&system.look(woken))
}

impl<S: System> Wait<S> {
    fn wakers(&self) -> usize {
        let wakers = |doorbell: &Arc<Bell<S>>| doorbell.wakers.load(SeqCst);
        self.doorbells.iter().map(wakers).sum()
    }

    /// Whether it has not been polled, or only in vain: it may not be in line.
    pub fn is_new(&self) -> bool {
        self.last != Some(Polled::Pending)
    }

    /// Whether a wait that may be called has been woken, for the last time so far. `None` if nobody
    /// will wake it, or not the waker that it was polled with last.
    fn is_called(&self) -> Option<bool> {
        let last = self.doorbells.last().expect("there is one");
        let since = last.wakes.load(SeqCst) - self.rung_before;
        // The wake for a call may arrive when the waiter has come already.
        match (last.wakers.load(SeqCst), self.wakers()) {
            (1, 1) if since <= 1 => Some(false),
            (0, 0) if (1..=2).contains(&since) => Some(true),
            _ => None,
        }
    }

    /// How often it has been woken since its last poll.
    fn wakes(&self) -> usize {
        let wakes = |doorbell: &Arc<Bell<S>>| doorbell.wakes.load(SeqCst);
        self.doorbells.iter().map(wakes).sum()
    }
}

// ---- wakers ----

/// A waker's panic.
struct Scripted;

/// What a wait's wakers ring.
struct Bell<S: System> {
    wakes: AtomicUsize,
    /// How many wakers there are.
    wakers: AtomicUsize,
    /// Whom a waker has make calls.
    player: Option<Weak<Player<S>>>,
}

impl<S: System> Bell<S> {
    const VTABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: see `waker`.
            let doorbell = unsafe { &*data.cast::<Self>() };
            doorbell.touched();
            doorbell.wakers.fetch_add(1, SeqCst);
            // SAFETY: see `waker`.
            unsafe { Arc::increment_strong_count(doorbell) };
            RawWaker::new(data, &Self::VTABLE)
        },
        |data| {
            // SAFETY: see `waker`.
            let doorbell = unsafe { Arc::from_raw(data.cast::<Self>()) };
            doorbell.wakers.fetch_sub(1, SeqCst);
            doorbell.wakes.fetch_add(1, SeqCst);
            doorbell.touched();
        },
        |data| {
            // SAFETY: see `waker`.
            let doorbell = unsafe { &*data.cast::<Self>() };
            doorbell.wakes.fetch_add(1, SeqCst);
            doorbell.touched();
        },
        |data| {
            // SAFETY: see `waker`.
            let doorbell = unsafe { Arc::from_raw(data.cast::<Self>()) };
            doorbell.wakers.fetch_sub(1, SeqCst);
            doorbell.touched();
        },
    );

    /// A waker that counts its clones, but not itself.
    fn waker(self: &Arc<Self>) -> ManuallyDrop<Waker> {
        // SAFETY: the pointer is an `Arc`'s, whose count goes up with each clone and down with each
        // drop. This waker borrows the caller's `Arc`, and is not dropped.
        ManuallyDrop::new(unsafe { Waker::new(Arc::as_ptr(self).cast(), &Self::VTABLE) })
    }

    fn touched(&self) {
        let Some(player) = self.player.as_ref().and_then(Weak::upgrade) else {
            return;
        };
        if thread::current().id() != player.home {
            return;
        }
        match player.below(64) {
            0..16 => player.interrupt(),
            16 if player.temper == Temper::Panicking && !thread::panicking() => {
                let panic: Box<dyn Any + Send> = Box::new(Scripted);
                resume_unwind(panic)
            }
            _ => {}
        }
    }
}
