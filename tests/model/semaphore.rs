//! The semaphore: its model, and playing with it.

use std::{future::poll_fn, marker::PhantomData, pin::Pin, sync::Arc, task::Poll};

use compio_sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    checker::Model,
    line::{Id, Line, Outcome, Polled},
    player::{BoxFuture, Player, System, Wait},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    line: Line,
    capacity: i64,
}

impl State {
    /// Of a semaphore whose fairness is `Bounded(limit)`, which for 0 is `Fifo`.
    pub fn new(permits: usize, limit: u8) -> Self {
        Self {
            line: Line::with_limit(permits, limit),
            capacity: permits as i64,
        }
    }
}

#[derive(Debug)]
pub enum Call {
    /// The first half of a poll.
    Arrive {
        id: Id,
        need: usize,
        perhaps: bool,
    },
    Poll {
        id: Id,
        need: usize,
        result: Polled,
    },
    Drop {
        id: Id,
        need: usize,
    },
    Try {
        need: usize,
        taken: bool,
    },
    Give(usize),
    Take {
        at_most: usize,
        taken: usize,
    },
    Remove(usize),
    /// Changes how many permits there are in all.
    Capacity(i64),
    Close,
    Look {
        /// Available, in all, in use, waiting.
        counts: [usize; 4],
        is_closed: bool,
        woken: Vec<(Id, bool)>,
    },
}

impl Model for State {
    type State = Self;
    type Call = Call;

    fn step(state: &Self, call: &Call, alone: bool) -> Vec<Self> {
        let line = &state.line;
        let lines = match *call {
            Call::Arrive { need: 0, .. } => vec![line.clone()],
            Call::Arrive { id, need, perhaps } => line.arrive(id, Some(need), perhaps, alone),
            Call::Poll {
                need: 0, result, ..
            } => {
                let right = match line.barred {
                    true => Polled::Refused,
                    false => Polled::Ready,
                };
                let is_right = result == right || result == Polled::Panicked;
                is_right.then(|| line.clone()).into_iter().collect()
            }
            Call::Poll { id, need, result } => {
                line.poll(id, Some(need), Polled::Refused, result, alone)
            }
            Call::Drop { id, need } => line.change(alone, |line| {
                if line.leave(id) == Some(Outcome::Granted) {
                    line.give(need);
                }
            }),
            Call::Try { need: 0, taken } => (taken != line.barred)
                .then(|| line.clone())
                .into_iter()
                .collect(),
            Call::Try { need, taken } => line.try_take(need, taken, alone),
            Call::Give(count) => line.change(alone, |line| line.give(count)),
            Call::Take { at_most, taken } => {
                let mut views = line.views(alone);
                views.retain(|line| {
                    let there = (line.permits.max(0) as usize).min(at_most);
                    taken == there || (taken == 0 && !alone)
                });
                let take = |line: &mut Line| line.permits -= taken as i64;
                views.iter_mut().for_each(take);
                views
            }
            Call::Remove(count) => line.change(alone, |line| line.permits -= count as i64),
            Call::Capacity(by) => {
                let capacity = state.capacity + by;
                return vec![Self {
                    line: line.clone(),
                    capacity,
                }];
            }
            Call::Close => line.change(alone, |line| {
                line.barred = true;
                line.end_all(Outcome::Refused);
            }),
            Call::Look {
                counts,
                is_closed,
                ref woken,
            } => {
                let mut views = line.views(alone);
                views.retain(|line| {
                    let available = line.permits.max(0) as usize;
                    let in_all = state.capacity.max(0) as usize;
                    let in_use = (state.capacity - line.permits).max(0) as usize;
                    counts == [available, in_all, in_use, line.waiters()]
                        && is_closed == line.barred
                        && woken.iter().all(|&(id, it)| it == line.is_woken(id))
                });
                views
            }
        };
        let capacity = state.capacity;
        lines
            .into_iter()
            .map(|line| Self { line, capacity })
            .collect()
    }
}

/// What a semaphore does, as the game sees it.
pub trait Permits: Send + Sync + 'static {
    type Permit: Send + 'static;

    /// Yields nothing if the semaphore is closed.
    fn acquire(self: &Arc<Self>, count: usize) -> BoxFuture<Option<Self::Permit>>;
    fn try_acquire(self: &Arc<Self>, count: usize) -> Option<Self::Permit>;
    fn count(permit: &Self::Permit) -> usize;
    fn give_back(&self, permit: Self::Permit) {
        drop(permit);
    }
    fn forget(&self, permit: Self::Permit);
    fn split(&self, permit: &mut Self::Permit, count: usize) -> Option<Self::Permit>;
    fn merge(&self, permit: &mut Self::Permit, other: Self::Permit);
    fn add(&self, count: usize);
    fn reduce(&self, count: usize) -> usize;
    fn remove_permits(&self, count: usize);
    /// Whether as many can be removed without a panic. There may be fewer by the time of the call,
    /// but not by more than what the players take away in one window.
    fn may_remove(&self, count: usize) -> bool {
        self.counts()[1] > 2 * count + 6
    }
    fn close(&self);
    fn is_closed(&self) -> bool;
    /// Available, in all, in use, waiting.
    fn counts(&self) -> [usize; 4];
}

impl Permits for Semaphore {
    type Permit = OwnedSemaphorePermit;

    fn acquire(self: &Arc<Self>, count: usize) -> BoxFuture<Option<Self::Permit>> {
        let mut acquire = self.clone().acquire_many_owned(count).or_closed();
        Box::pin(poll_fn(move |cx| {
            Pin::new(&mut acquire).poll(cx).map(Result::ok)
        }))
    }

    fn try_acquire(self: &Arc<Self>, count: usize) -> Option<Self::Permit> {
        self.clone().try_acquire_many_owned(count)
    }

    fn count(permit: &Self::Permit) -> usize {
        permit.num_permits()
    }

    fn forget(&self, permit: Self::Permit) {
        permit.forget();
    }

    fn split(&self, permit: &mut Self::Permit, count: usize) -> Option<Self::Permit> {
        permit.split(count)
    }

    fn merge(&self, permit: &mut Self::Permit, other: Self::Permit) {
        permit.merge(other);
    }

    fn add(&self, count: usize) {
        self.add_permits(count);
    }

    fn reduce(&self, count: usize) -> usize {
        self.reduce_permits(count)
    }

    fn remove_permits(&self, count: usize) {
        self.remove_permits(count);
    }

    fn close(&self) {
        self.close();
    }

    fn is_closed(&self) -> bool {
        self.is_closed()
    }

    fn counts(&self) -> [usize; 4] {
        [
            self.available_permits(),
            self.max_permits(),
            self.in_use(),
            self.waiter_count(),
        ]
    }
}

/// Playing with a semaphore.
pub struct Playing<P: Permits> {
    pub permits: Arc<P>,
    calls: bool,
    _permits: PhantomData<P>,
}

impl<P: Permits> Playing<P> {
    /// Playing with one that has a limit, which may be 0.
    pub fn new(permits: P, limit: u8) -> Self {
        Self {
            permits: Arc::new(permits),
            calls: limit > 0,
            _permits: PhantomData,
        }
    }

    fn begin(player: &Player<Self>) {
        let need = [1, 1, 1, 1, 2, 2, 3, 0][player.below(8)];
        let future = player.system.permits.acquire(need);
        let wait = player.new_wait(need, future);
        if player.one_in(8) {
            player.put_wait(wait);
        } else {
            Self::poll(player, wait);
        }
    }

    fn poll(player: &Player<Self>, mut wait: Wait<Self>) {
        let (id, need) = (wait.id, wait.extra);
        let timed = player.poll(&mut wait);
        let result = match &timed.result {
            None => Polled::Panicked,
            Some(Poll::Pending) => Polled::Pending,
            Some(Poll::Ready(Some(_))) => Polled::Ready,
            Some(Poll::Ready(None)) => Polled::Refused,
        };
        let perhaps = result == Polled::Panicked;
        player.log(&timed, Call::Arrive { id, need, perhaps });
        player.log(&timed, Call::Poll { id, need, result });
        match timed.result {
            Some(Poll::Ready(permit)) => {
                player.end(wait);
                permit.into_iter().for_each(|permit| player.hold(permit));
            }
            None if player.system.calls => Self::drop_wait(player, wait),
            _ => player.put_wait(wait),
        }
    }

    fn change_held(player: &Player<Self>) {
        let permits = &player.system.permits;
        let Some(mut permit) = player.take_held() else {
            return;
        };
        match player.below(4) {
            0 => {
                let count = P::count(&permit);
                let timed = player.call(|| permits.forget(permit));
                return player.log(&timed, Call::Capacity(-(count as i64)));
            }
            1 => {
                if let Some(part) = permits.split(&mut permit, player.below(3)) {
                    player.hold(part);
                }
            }
            _ => {
                if let Some(other) = player.take_held() {
                    permits.merge(&mut permit, other);
                }
            }
        }
        player.hold(permit);
    }
}

impl<P: Permits> System for Playing<P> {
    type Model = State;
    type Call = Call;
    type Output = Option<P::Permit>;
    type Held = P::Permit;
    type Extra = usize;

    fn calls(&self) -> bool {
        self.calls
    }

    fn act(player: &Player<Self>) {
        let permits = &player.system.permits;
        match player.below(20) {
            0..6 if player.has_room() => Self::begin(player),
            0..9 => {
                if let Some(wait) = player.take_wait() {
                    Self::poll(player, wait);
                }
            }
            9..11 => {
                if let Some(wait) = player.take_wait() {
                    Self::drop_wait(player, wait);
                }
            }
            11..14 => {
                if let Some(permit) = player.take_held() {
                    Self::give_back(player, permit);
                }
            }
            14 => {
                let need = player.below(3);
                let timed = player.call(|| permits.try_acquire(need));
                let taken = matches!(timed.result, Some(Some(_)));
                player.log(&timed, Call::Try { need, taken });
                timed
                    .result
                    .flatten()
                    .into_iter()
                    .for_each(|permit| player.hold(permit));
            }
            15 => Self::change_held(player),
            16 => {
                let count = player.below(3);
                let timed = player.call(|| permits.add(count));
                player.log(&timed, Call::Capacity(count as i64));
                player.log(&timed, Call::Give(count));
            }
            17 => {
                let at_most = player.below(3);
                let timed = player.call(|| permits.reduce(at_most));
                let taken = timed.result.expect("no waker is called");
                player.log(&timed, Call::Take { at_most, taken });
                player.log(&timed, Call::Capacity(-(taken as i64)));
            }
            18 => {
                let count = player.below(3);
                if permits.may_remove(count) {
                    let timed = player.call(|| permits.remove_permits(count));
                    player.log(&timed, Call::Capacity(-(count as i64)));
                    player.log(&timed, Call::Remove(count));
                }
            }
            _ => match player.below(16) {
                0 if player.one_in(4) => {
                    let timed = player.call(|| permits.close());
                    player.log(&timed, Call::Close);
                }
                1 => {
                    if let Some(wait) = player.take_wait() {
                        player.abandon(wait);
                    }
                }
                _ => {}
            },
        }
    }

    fn drop_wait(player: &Player<Self>, wait: Wait<Self>) {
        let need = wait.extra;
        let (id, timed) = player.drop_future(wait);
        player.log(&timed, Call::Drop { id, need });
    }

    fn give_back(player: &Player<Self>, permit: P::Permit) {
        let count = P::count(&permit);
        let permits = &player.system.permits;
        let timed = player.call(|| permits.give_back(permit));
        player.log(&timed, Call::Give(count));
    }

    fn look(&self, woken: Vec<(Id, bool)>) -> Call {
        Call::Look {
            counts: self.permits.counts(),
            is_closed: self.permits.is_closed(),
            woken,
        }
    }
}
