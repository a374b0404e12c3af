//! Turns bytes into interleavings of one thread, and checks them against the sequential models.
//!
//! Each call may be interrupted: its wakers are cloned, woken and dropped in the midst of it, and
//! may then make calls in turn, or panic. Futures are polled with one waker and then another,
//! dropped, and left to themselves, granted or not.

#![allow(unreachable_pub)]

#[path = "../model/mod.rs"]
mod model;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use compio_sync::{Event, Fairness, Mutex, Semaphore, WaiterQueue};
pub use model::checker::Counts;
use model::{
    checker::{Checker, Model},
    event, monitor,
    player::{Player, Shared, Source, System, Temper, check},
    semaphore, waiter_queue,
};

/// Decides by the bytes it is given, and for nothing when they are used up.
#[derive(Clone)]
struct Bytes {
    bytes: Arc<[u8]>,
    at: Arc<AtomicUsize>,
}

impl Bytes {
    fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.into(),
            at: Arc::default(),
        }
    }

    fn are_used_up(&self) -> bool {
        self.at.load(SeqCst) >= self.bytes.len()
    }
}

impl Source for Bytes {
    fn below(&mut self, limit: usize) -> usize {
        let byte = self.bytes.get(self.at.fetch_add(1, SeqCst));
        byte.map_or(limit - 1, |&byte| usize::from(byte) % limit)
    }
}

fn play<S: System>(bytes: Bytes, system: S, state: <S::Model as Model>::State) -> Counts {
    let mut checker = Checker::<S::Model>::new(state);
    let mut source = Box::new(bytes.clone());
    // Who unwinds has others woken by threads of their own, which takes its time.
    let temper = match source.below(8) {
        0 => Temper::Panicking,
        _ => Temper::Nasty,
    };
    let shared = Arc::new(Shared::default());
    let player = Player::new(Arc::new(system), shared, 0, source, temper);
    let players = [player];
    while !bytes.are_used_up() {
        S::act(&players[0]);
        check(&players, &mut checker).expect("this has no order");
    }
    players[0].give_up();
    check(&players, &mut checker).expect("this has no order");
    checker.counts()
}

fn semaphore_with_limit(mut bytes: Bytes, limit: u8) -> Counts {
    let permits = bytes.below(5);
    let semaphore = Semaphore::with_fairness(permits, Fairness::Bounded(limit));
    let system = semaphore::Playing::new(semaphore, limit);
    play(bytes, system, semaphore::State::new(permits, limit))
}

fn condvar_with_limit(bytes: Bytes, limit: u8) -> Counts {
    let mutex = Mutex::with_fairness(0, Fairness::Bounded(limit));
    let system = monitor::Playing::new(monitor::Real::new(mutex), limit);
    play(bytes, system, monitor::State::new(limit))
}

fn any_limit(bytes: &mut Bytes) -> u8 {
    let Fairness::Bounded(default) = Fairness::DEFAULT else {
        unreachable!("the default has a bound")
    };
    [1, 2, 3, default][bytes.below(4)]
}

/// Plays with a semaphore as `bytes` say.
pub fn semaphore(bytes: &[u8]) -> Counts {
    semaphore_with_limit(Bytes::new(bytes), 0)
}

/// Plays with a semaphore that lets newcomers pass as `bytes` say.
pub fn semaphore_with_overtaking(bytes: &[u8]) -> Counts {
    let mut bytes = Bytes::new(bytes);
    let limit = any_limit(&mut bytes);
    semaphore_with_limit(bytes, limit)
}

/// Plays with a mutex and a condition variable as `bytes` say.
pub fn condvar(bytes: &[u8]) -> Counts {
    condvar_with_limit(Bytes::new(bytes), 0)
}

/// Plays with a mutex that lets newcomers pass and a condition variable as `bytes` say.
pub fn condvar_with_overtaking(bytes: &[u8]) -> Counts {
    let mut bytes = Bytes::new(bytes);
    let limit = any_limit(&mut bytes);
    condvar_with_limit(bytes, limit)
}

/// Plays with an event as `bytes` say.
pub fn event(bytes: &[u8]) -> Counts {
    let system = event::Playing::new(Event::new());
    play(Bytes::new(bytes), system, event::State::new())
}

/// Plays with a waiter queue as `bytes` say.
pub fn waiter_queue(bytes: &[u8]) -> Counts {
    let system = waiter_queue::Playing::new(WaiterQueue::new());
    play(Bytes::new(bytes), system, waiter_queue::State::new())
}
