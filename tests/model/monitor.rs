//! The mutex and the condition variable: their model, and playing with them.
//!
//! What is under the mutex is a number that each unlocking counts up: whoever locks has to find the
//! last one.
//!
//! Calls that do several things one after another are written down in parts.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use compio_sync::{Condvar, Mutex, MutexGuard};

use super::{
    checker::Model,
    line::{Id, Line, Outcome, Polled},
    player::{BoxFuture, Player, System, Wait},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    mutex: Line,
    condvar: Line,
    /// What those received who lock again.
    received: BTreeMap<Id, Outcome>,
    value: u64,
}

impl State {
    /// Of a mutex whose fairness is `Bounded(limit)`, which for 0 is `Fifo`.
    pub fn new(limit: u8) -> Self {
        Self {
            mutex: Line::with_limit(1, limit),
            condvar: Line::new(0),
            received: BTreeMap::new(),
            value: 0,
        }
    }
}

#[derive(Debug)]
pub enum Call {
    /// The first half of a lock's poll.
    ArriveAtLock {
        id: Id,
        perhaps: bool,
    },
    Lock {
        id: Id,
        result: Polled,
        value: Option<u64>,
    },
    DropLock(Id),
    TryLock(Option<u64>),
    Unlock(u64),
    /// Begins to wait for a notification.
    BeginWait(Id),
    /// Perhaps began to, before a waker panicked.
    PerhapsBeginWait(Id),
    /// Sees whether it has been notified.
    SeeNotice(Id),
    /// If it has been, waits for the mutex.
    ArriveAgain(Id),
    /// Goes on waiting, for either.
    Wait {
        id: Id,
        result: Polled,
        value: Option<u64>,
    },
    /// Stops waiting for a notification, or passes it on.
    DropWait(Id),
    NotifyOne,
    NotifyAll,
    Look {
        /// Not known where to try is to pass the head.
        is_locked: Option<bool>,
        locking: usize,
        waiting: usize,
        woken: Vec<(Id, bool)>,
    },
}

impl Model for State {
    type State = Self;
    type Call = Call;

    fn step(state: &Self, call: &Call, alone: bool) -> Vec<Self> {
        match *call {
            Call::ArriveAtLock { id, perhaps } => {
                state.with_mutexes(state.mutex.arrive(id, Some(1), perhaps, alone))
            }
            Call::Lock { id, result, value } => state.lock(id, result, value, alone),
            Call::DropLock(id) => state.on_mutex(alone, |mutex| {
                if mutex.leave(id).is_some() {
                    mutex.give(1);
                }
            }),
            Call::TryLock(value) => {
                if value.is_some_and(|value| value != state.value) {
                    return Vec::new();
                }
                let mutexes = state.mutex.try_take(1, value.is_some(), alone);
                state.with_mutexes(mutexes)
            }
            Call::Unlock(value) => {
                let mut states = state.on_mutex(alone, |mutex| mutex.give(1));
                states.iter_mut().for_each(|state| state.value = value);
                states
            }
            Call::BeginWait(id) => state.on_condvar(alone, |condvar| condvar.enqueue(id, None)),
            Call::PerhapsBeginWait(id) => {
                let mut states = state.on_condvar(alone, |condvar| condvar.enqueue(id, None));
                states.push(state.clone());
                states
            }
            Call::SeeNotice(id) => {
                let mut states = Vec::new();
                for mut state in state.on_condvar(alone, |_| {}) {
                    if !state.condvar.has_ended(id) || !alone {
                        states.push(state.clone());
                    }
                    if let Some(outcome) = state.condvar.take_ended(id) {
                        state.received.insert(id, outcome);
                        states.push(state);
                    }
                }
                states
            }
            Call::ArriveAgain(id) if state.received.contains_key(&id) => {
                state.with_mutexes(state.mutex.arrive(id, Some(1), false, alone))
            }
            Call::ArriveAgain(_) => vec![state.clone()],
            Call::Wait { id, result, value } if state.received.contains_key(&id) => {
                let mut states = state.lock(id, result, value, alone);
                if result == Polled::Ready {
                    states.iter_mut().for_each(|state| {
                        state.received.remove(&id);
                    });
                }
                states
            }
            Call::Wait { result, .. } => {
                Vec::from_iter((result != Polled::Ready).then(|| state.clone()))
            }
            Call::DropWait(id) => {
                let mut states = state.on_condvar(alone, |_| {});
                for state in &mut states {
                    let left = state.condvar.leave(id);
                    if state.received.remove(&id).or(left) == Some(Outcome::Granted) {
                        state.condvar.notify_one();
                    }
                }
                states
            }
            Call::NotifyOne => state.on_condvar(alone, Line::notify_one),
            Call::NotifyAll => {
                state.on_condvar(alone, |condvar| condvar.end_all(Outcome::Broadcast))
            }
            Call::Look {
                is_locked,
                locking,
                waiting,
                ref woken,
            } => {
                let mut states = Vec::new();
                for state in state.on_condvar(alone, |_| {}) {
                    states.extend(state.on_mutex(alone, |_| {}));
                }
                states.retain(|Self { mutex, condvar, .. }| {
                    is_locked.is_none_or(|it| it == (mutex.permits == 0))
                        && (locking, waiting) == (mutex.waiters(), condvar.waiters())
                        && woken.iter().all(|&(id, is_woken)| {
                            is_woken == (mutex.is_woken(id) || condvar.is_woken(id))
                        })
                });
                states
            }
        }
    }
}

impl State {
    fn with_mutexes(&self, mutexes: Vec<Line>) -> Vec<Self> {
        let with = |mutex| Self {
            mutex,
            ..self.clone()
        };
        mutexes.into_iter().map(with).collect()
    }

    fn on_mutex(&self, alone: bool, change: impl Fn(&mut Line)) -> Vec<Self> {
        self.with_mutexes(self.mutex.change(alone, change))
    }

    fn on_condvar(&self, alone: bool, change: impl Fn(&mut Line)) -> Vec<Self> {
        let with = |condvar| Self {
            condvar,
            ..self.clone()
        };
        let condvars = self.condvar.change(alone, change);
        condvars.into_iter().map(with).collect()
    }

    fn lock(&self, id: Id, result: Polled, value: Option<u64>, alone: bool) -> Vec<Self> {
        if value.is_some_and(|value| value != self.value) {
            return Vec::new();
        }
        self.with_mutexes(self.mutex.poll(id, Some(1), Polled::Refused, result, alone))
    }
}

/// What a mutex with a condition variable does, as the game sees it.
pub trait Monitor: Send + Sync + 'static {
    type Guard: Send + 'static;

    fn lock(self: &Arc<Self>) -> BoxFuture<Self::Guard>;
    fn try_lock(self: &Arc<Self>) -> Option<Self::Guard>;
    fn wait(self: &Arc<Self>, guard: Self::Guard) -> BoxFuture<Self::Guard>;
    fn value(guard: &mut Self::Guard) -> &mut u64;
    fn notify_one(&self);
    fn notify_all(&self);
    fn is_locked(self: &Arc<Self>) -> bool {
        self.try_lock().is_none()
    }
    /// Waiting for the mutex, and for a notification.
    fn waiter_counts(&self) -> (usize, usize);
}

pub struct Real {
    pub mutex: Mutex<u64>,
    pub condvar: Condvar,
}

impl Real {
    pub fn new(mutex: Mutex<u64>) -> Self {
        Self {
            mutex,
            condvar: Condvar::new(),
        }
    }

    fn borrowed(self: &Arc<Self>) -> &'static Self {
        // SAFETY: it lives on the heap for as long as there is an `Arc`, and every caller keeps one
        // beside what it makes of this, to be dropped later.
        unsafe { &*Arc::as_ptr(self) }
    }
}

/// Something that borrows from a `Real`, and is dropped before it.
pub struct Keeping<T> {
    it: T,
    real: Arc<Real>,
}

impl<F: Future<Output = MutexGuard<'static, u64>>> Future for Keeping<Pin<Box<F>>> {
    type Output = Keeping<MutexGuard<'static, u64>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.it.as_mut().poll(cx).map(|it| Keeping {
            it,
            real: self.real.clone(),
        })
    }
}

impl Monitor for Real {
    type Guard = Keeping<MutexGuard<'static, u64>>;

    fn lock(self: &Arc<Self>) -> BoxFuture<Self::Guard> {
        Box::pin(Keeping {
            it: Box::pin(self.borrowed().mutex.lock()),
            real: self.clone(),
        })
    }

    fn try_lock(self: &Arc<Self>) -> Option<Self::Guard> {
        self.borrowed().mutex.try_lock().map(|it| Keeping {
            it,
            real: self.clone(),
        })
    }

    fn wait(self: &Arc<Self>, guard: Self::Guard) -> BoxFuture<Self::Guard> {
        Box::pin(Keeping {
            it: Box::pin(self.borrowed().condvar.wait(guard.it)),
            real: self.clone(),
        })
    }

    fn value(guard: &mut Self::Guard) -> &mut u64 {
        &mut guard.it
    }

    fn notify_one(&self) {
        self.condvar.notify_one();
    }

    fn notify_all(&self) {
        self.condvar.notify_all();
    }

    fn waiter_counts(&self) -> (usize, usize) {
        (self.mutex.waiter_count(), self.condvar.waiter_count())
    }
}

/// What a wait is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The mutex.
    Lock,
    /// A notification; it has never been polled and holds the lock. The number under the mutex is
    /// to be this one when it lets go.
    New(u64),
    /// A notification, and then the mutex.
    Notice,
}

/// Playing with a mutex and a condition variable.
pub struct Playing<M: Monitor> {
    monitor: Arc<M>,
    calls: bool,
}

impl<M: Monitor> Playing<M> {
    /// Playing with one whose mutex has a limit, which may be 0.
    pub fn new(monitor: M, limit: u8) -> Self {
        Self {
            monitor: Arc::new(monitor),
            calls: limit > 0,
        }
    }

    fn begin(player: &Player<Self>) {
        let mut wait = player.new_wait(Stage::Lock, player.system.monitor.lock());
        if player.one_in(3)
            && let Some(mut guard) = player.take_held()
        {
            let value = M::value(&mut guard);
            *value += 1;
            let stage = Stage::New(*value);
            wait = player.new_wait(stage, player.system.monitor.wait(guard));
        }
        if player.one_in(8) {
            player.put_wait(wait);
        } else {
            Self::poll(player, wait);
        }
    }

    fn poll(player: &Player<Self>, mut wait: Wait<Self>) {
        let id = wait.id;
        let mut timed = player.poll(&mut wait);
        let (result, value) = match &mut timed.result {
            None => (Polled::Panicked, None),
            Some(Poll::Pending) => (Polled::Pending, None),
            Some(Poll::Ready(guard)) => (Polled::Ready, Some(*M::value(guard))),
        };
        let panicked = result == Polled::Panicked;
        match wait.extra {
            Stage::Lock => {
                let perhaps = panicked;
                player.log(&timed, Call::ArriveAtLock { id, perhaps });
                player.log(&timed, Call::Lock { id, result, value });
            }
            Stage::New(value) if panicked => {
                player.log(&timed, Call::PerhapsBeginWait(id));
                player.log(&timed, Call::Unlock(value));
            }
            Stage::New(_) | Stage::Notice => {
                if let Stage::New(unlocked) = wait.extra {
                    player.log(&timed, Call::BeginWait(id));
                    player.log(&timed, Call::Unlock(unlocked));
                }
                player.log(&timed, Call::SeeNotice(id));
                player.log(&timed, Call::ArriveAgain(id));
                player.log(&timed, Call::Wait { id, result, value });
            }
        }
        if wait.extra != Stage::Lock {
            wait.extra = Stage::Notice;
            if panicked {
                // The future has dropped what it was made of.
                player.log(&timed, Call::DropLock(id));
                player.log(&timed, Call::DropWait(id));
                return player.end(wait);
            }
        }
        match timed.result {
            Some(Poll::Ready(guard)) => {
                player.end(wait);
                player.hold(guard);
            }
            None if player.system.calls => Self::drop_wait(player, wait),
            _ => player.put_wait(wait),
        }
    }
}

impl<M: Monitor> System for Playing<M> {
    type Model = State;
    type Call = Call;
    type Output = M::Guard;
    type Held = M::Guard;
    type Extra = Stage;

    const WAKES_IN_PHASES: bool = true;

    fn calls(&self) -> bool {
        self.calls
    }

    fn act(player: &Player<Self>) {
        let monitor = &player.system.monitor;
        match player.below(20) {
            0..6 if player.has_room() => Self::begin(player),
            0..10 => {
                if let Some(wait) = player.take_wait() {
                    Self::poll(player, wait);
                }
            }
            10..12 => {
                if let Some(wait) = player.take_wait() {
                    Self::drop_wait(player, wait);
                }
            }
            12..15 => {
                if let Some(guard) = player.take_held() {
                    Self::give_back(player, guard);
                }
            }
            15 => {
                let mut timed = player.call(|| monitor.try_lock());
                let value = timed
                    .result
                    .as_mut()
                    .and_then(|it| it.as_mut())
                    .map(M::value);
                let value = value.copied();
                player.log(&timed, Call::TryLock(value));
                let guard = timed.result.flatten();
                guard.into_iter().for_each(|guard| player.hold(guard));
            }
            16..18 => {
                let timed = player.call(|| monitor.notify_one());
                player.log(&timed, Call::NotifyOne);
            }
            18 => {
                let timed = player.call(|| monitor.notify_all());
                player.log(&timed, Call::NotifyAll);
            }
            _ if player.one_in(8) => {
                if let Some(wait) = player.take_wait() {
                    player.abandon(wait);
                }
            }
            _ => {}
        }
    }

    fn drop_wait(player: &Player<Self>, wait: Wait<Self>) {
        let stage = wait.extra;
        let (id, timed) = player.drop_future(wait);
        match stage {
            Stage::Lock => player.log(&timed, Call::DropLock(id)),
            Stage::New(value) => player.log(&timed, Call::Unlock(value)),
            Stage::Notice => {
                player.log(&timed, Call::DropLock(id));
                player.log(&timed, Call::DropWait(id));
            }
        }
    }

    fn give_back(player: &Player<Self>, mut guard: M::Guard) {
        let value = M::value(&mut guard);
        *value += 1;
        let value = *value;
        let timed = player.call(move || drop(guard));
        player.log(&timed, Call::Unlock(value));
    }

    fn look(&self, woken: Vec<(Id, bool)>) -> Call {
        let (locking, waiting) = self.monitor.waiter_counts();
        Call::Look {
            is_locked: (!self.calls).then(|| self.monitor.is_locked()),
            locking,
            waiting,
            woken,
        }
    }
}
