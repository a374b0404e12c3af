//! Concurrent histories of each primitive, checked against its sequential model.
//!
//! Some threads make random calls; [`model::checker`] then looks for an order of the calls in which
//! the model gives the same answers. The models know who may overtake whom, and how many permits
//! there are: a history in which somebody was overtaken that may not be, a permit or a wake was
//! lost, or one was granted twice has no such order. [`planted`] and [`overtaking`] have primitives
//! with such mistakes, each of which has to be found.
//!
//! `STRESS_TEST_ITERATIONS` says how many histories: twenty times as many, of each primitive. A
//! failure prints the seed of its history, which `COMPIO_SYNC_SEED` begins with next time: the
//! threads then make the same calls, though not at the same moments.

#[path = "../model/mod.rs"]
mod model;
mod overtaking;
mod planted;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use compio_sync::{Event, Fairness, Semaphore, SetOnce, WaiterQueue};
use model::{
    channel,
    checker::{Checker, Counts, Event as Made, Model, Violation},
    event,
    line::Polled,
    monitor,
    player::{Player, Random, Shared, Source, System, Temper, check, exchange_waits},
    semaphore, set_once, waiter_queue,
};

const THREADS: usize = 3;
/// How many times in a history nobody is in a call.
const WINDOWS: usize = 8;

/// A limit that is reached now and then, or the default.
fn any_limit(random: &mut Random) -> u8 {
    let Fairness::Bounded(default) = Fairness::DEFAULT else {
        unreachable!("the default has a bound")
    };
    [1, 1, 2, 3, default][random.below(5)]
}

fn histories() -> usize {
    let iterations = match env::var("STRESS_TEST_ITERATIONS") {
        Ok(number) => number.parse().expect("STRESS_TEST_ITERATIONS is a number"),
        Err(_) => 30,
    };
    20 * iterations
}

fn first_seed() -> u64 {
    match env::var("COMPIO_SYNC_SEED") {
        Ok(seed) => seed.parse().expect("COMPIO_SYNC_SEED is a number"),
        Err(_) => 1,
    }
}

/// What the model could not follow, and the seed of the history.
#[derive(Debug)]
struct Found {
    #[allow(dead_code, reason = "printed")]
    seed: u64,
    #[allow(dead_code, reason = "printed")]
    violation: Violation,
}

/// A point that all threads reach before one goes on; as far as that can be had, at the same moment
/// as another.
struct Gate {
    threads: usize,
    arrived: AtomicUsize,
    awake: AtomicUsize,
    has_broken: AtomicBool,
    asleep: Mutex<()>,
    doorbell: Condvar,
}

impl Gate {
    fn new(threads: usize) -> Self {
        Self {
            threads,
            arrived: AtomicUsize::new(0),
            awake: AtomicUsize::new(0),
            has_broken: AtomicBool::new(false),
            asleep: Mutex::new(()),
            doorbell: Condvar::new(),
        }
    }

    /// Says whether all have come. If one has broken the gate, some never will.
    fn pass(&self) -> bool {
        let place = self.arrived.fetch_add(1, SeqCst);
        let all = (place / self.threads + 1) * self.threads;
        if place + 1 == all {
            self.ring();
            return self.meet(all);
        }
        let waits = || self.arrived.load(SeqCst) < all && !self.has_broken.load(SeqCst);
        let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        while waits() {
            asleep = self
                .doorbell
                .wait(asleep)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(asleep);
        self.meet(all)
    }

    /// Waits, though not for long, until another thread is awake, too.
    fn meet(&self, all: usize) -> bool {
        self.awake.fetch_add(1, SeqCst);
        for _ in 0..20_000 {
            if self.awake.load(SeqCst) >= all - self.threads + 2 {
                break;
            }
            std::hint::spin_loop();
        }
        self.arrived.load(SeqCst) >= all
    }

    fn break_open(&self) {
        self.has_broken.store(true, SeqCst);
        self.ring();
    }

    fn ring(&self) {
        drop(self.asleep.lock().unwrap_or_else(PoisonError::into_inner));
        self.doorbell.notify_all();
    }
}

/// Checks histories of the systems that `make` makes of the seeds, until one violates the model.
fn play<S: System>(
    threads: usize,
    count: usize,
    make: impl Fn(&mut Random) -> (S, <S::Model as Model>::State) + Sync,
) -> Result<Counts, Found> {
    // One game at a time: its threads are to run at the same time.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let gate = Gate::new(threads);
    let table: Mutex<Vec<Arc<Player<S>>>> = Mutex::default();
    let seeds = first_seed()..first_seed() + count as u64;

    let act = |player: &Player<S>, window: usize, random: &mut Random| {
        if window + 1 == WINDOWS {
            return player.give_up();
        }
        for _ in 0..1 + random.below(4) {
            S::act(player);
        }
    };
    let lead = |seed: u64| -> Option<Result<Counts, Found>> {
        let mut random = Random::new(seed);
        let (system, state) = make(&mut random);
        let mut checker = Checker::<S::Model>::new(state);
        let (system, shared) = (Arc::new(system), Arc::new(Shared::default()));
        let players: Vec<_> = (0..threads)
            .map(|thread| {
                let random = Random::new(seed.wrapping_mul(1000) + thread as u64);
                let (system, shared) = (system.clone(), shared.clone());
                Player::new(system, shared, thread, Box::new(random), Temper::Calm)
            })
            .collect();
        *table.lock().unwrap() = players.clone();
        gate.pass().then_some(())?;
        for window in 0..WINDOWS {
            gate.pass().then_some(())?;
            act(&players[0], window, &mut random);
            gate.pass().then_some(())?;
            if let Err(violation) = check(&players, &mut checker) {
                return Some(Err(Found { seed, violation }));
            }
            let one = (seed as usize + window) % threads;
            exchange_waits(&players[one], &players[(one + 1) % threads]);
        }
        Some(Ok(checker.counts()))
    };
    let follow = |thread: usize| -> Option<()> {
        for seed in seeds.clone() {
            let mut random = Random::new(seed.wrapping_mul(2000) + thread as u64);
            gate.pass().then_some(())?;
            let player = table.lock().unwrap()[thread].clone();
            for window in 0..WINDOWS {
                gate.pass().then_some(())?;
                act(&player, window, &mut random);
                gate.pass().then_some(())?;
            }
        }
        Some(())
    };

    thread::scope(|scope| {
        for thread in 1..threads {
            let (gate, follow) = (&gate, &follow);
            scope.spawn(move || or_break(gate, || follow(thread)));
        }
        or_break(&gate, || {
            let mut total = Counts::default();
            for seed in seeds.clone() {
                match lead(seed).expect("a thread has panicked") {
                    Ok(counts) => total.add(counts),
                    Err(found) => {
                        gate.break_open();
                        return Err(found);
                    }
                }
            }
            Ok(total)
        })
    })
}

fn or_break<T>(gate: &Gate, f: impl FnOnce() -> T) -> T {
    let result = catch_unwind(AssertUnwindSafe(f));
    result.unwrap_or_else(|panic| {
        gate.break_open();
        resume_unwind(panic)
    })
}

/// Checks histories, which must all be right.
fn prove<S: System>(
    name: &str,
    make: impl Fn(&mut Random) -> (S, <S::Model as Model>::State) + Sync,
) {
    let count = histories();
    match play(THREADS, count, make) {
        Ok(counts) => eprintln!("{name}: {count} histories, {counts:?}"),
        Err(found) => panic!("{name}: no order of these calls is right: {found:?}"),
    }
}

fn prove_semaphore(name: &str, limit: fn(&mut Random) -> u8) {
    prove(name, |random| {
        let (permits, limit) = (random.below(5), limit(random));
        let semaphore = Semaphore::with_fairness(permits, Fairness::Bounded(limit));
        let system = semaphore::Playing::new(semaphore, limit);
        (system, semaphore::State::new(permits, limit))
    });
}

fn prove_monitor(name: &str, limit: fn(&mut Random) -> u8) {
    prove(name, |random| {
        let limit = limit(random);
        let mutex = compio_sync::Mutex::with_fairness(0, Fairness::Bounded(limit));
        let system = monitor::Playing::new(monitor::Real::new(mutex), limit);
        (system, monitor::State::new(limit))
    });
}

#[test]
fn semaphore_is_linearizable() {
    prove_semaphore("semaphore", |_| 0);
}

#[test]
fn semaphore_with_overtaking_is_linearizable() {
    prove_semaphore("semaphore with overtaking", any_limit);
}

#[test]
fn mutex_and_condvar_are_linearizable() {
    prove_monitor("mutex and condvar", |_| 0);
}

#[test]
fn mutex_with_overtaking_and_condvar_are_linearizable() {
    prove_monitor("mutex with overtaking, and condvar", any_limit);
}

#[test]
fn tree_of_cancellation_tokens_is_linearizable() {
    prove("cancellation tokens", |_| {
        (
            event::Playing::new(event::Generations::new()),
            event::State::new(),
        )
    });
}

#[test]
fn event_is_linearizable() {
    prove("event", |_| {
        (event::Playing::new(Event::new()), event::State::new())
    });
}

#[test]
fn set_once_is_linearizable() {
    prove("set once", |_| {
        let system = set_once::Playing::new(SetOnce::new());
        (system, set_once::State::new())
    });
}

#[test]
fn channel_is_linearizable() {
    prove("channel", |random| {
        let capacity = [1, 1, 2, 5][random.below(4)];
        (
            channel::Playing::new(capacity),
            channel::State::new(capacity),
        )
    });
}

#[test]
fn waiter_queue_is_linearizable() {
    prove("waiter queue", |_| {
        let system = waiter_queue::Playing::new(WaiterQueue::new());
        (system, waiter_queue::State::new())
    });
}

fn event_of(thread: usize, begun: u64, ended: u64, call: semaphore::Call) -> Made<semaphore::Call> {
    Made {
        thread,
        call,
        begun,
        ended,
    }
}

/// A poll, in its two halves.
fn poll_of(
    thread: usize,
    begun: u64,
    ended: u64,
    wait: (u32, usize),
    result: Polled,
) -> [Made<semaphore::Call>; 2] {
    let (id, need) = wait;
    let perhaps = false;
    let arrive = semaphore::Call::Arrive { id, need, perhaps };
    let poll = semaphore::Call::Poll { id, need, result };
    [arrive, poll].map(|call| event_of(thread, begun, ended, call))
}

/// A called head that waits again gives up its old place before it stands in the new one. What is
/// released meanwhile calls the second, and is more than that needs.
#[test]
fn release_while_a_head_returns_serves_those_behind_the_second() {
    use semaphore::{Call, State};

    let play = |ended_last| {
        let mut checker = Checker::<State>::new(State::new(0, 32));
        let waits = (0u32..).zip([2, 2, 1, 1]);
        let arrivals = waits.flat_map(|wait| {
            let at = u64::from(wait.0) * 2;
            poll_of(0, at, at + 1, wait, Polled::Pending)
        });
        checker.window(arrivals.collect()).expect("all wait");
        let mut window = vec![
            event_of(1, 10, 11, Call::Give(2)),
            event_of(1, 13, 14, Call::Give(2)),
        ];
        window.extend(poll_of(0, 12, ended_last, (0, 2), Polled::Ready));
        checker.window(window).expect("the first is served");
        checker.look(&Call::Look {
            counts: [0, 0, 0, 1],
            is_closed: false,
            woken: vec![(1, true), (2, true), (3, true)],
        })
    };
    play(15).expect("the second was called, the others served");
    play(12).expect_err("nobody returned while there was a release");
}

/// A poll is two moments: a called head returns to the line in the first, ahead of one that was passed
/// over and returns after it, and has what is released between them in the second.
#[test]
fn head_that_returns_in_a_long_poll_is_first() {
    use semaphore::{Call, State};

    let play = |begun, ended| {
        let mut checker = Checker::<State>::new(State::new(0, 1));
        let arrivals = [0u32, 1].map(|id| {
            let at = u64::from(id) * 2;
            poll_of(0, at, at + 1, (id, 1), Polled::Pending)
        });
        let mut window: Vec<_> = arrivals.into_iter().flatten().collect();
        for at in [4, 8] {
            // The first is called, passed by one, and passed over at the next release; so the second.
            let (need, taken) = (1, true);
            window.push(event_of(0, at, at + 1, Call::Give(1)));
            window.push(event_of(0, at + 2, at + 3, Call::Try { need, taken }));
        }
        checker.window(window).expect("both were passed");
        let mut window = vec![event_of(1, 24, 25, Call::Give(1))];
        window.extend(poll_of(1, 22, 23, (0, 1), Polled::Pending));
        window.extend(poll_of(0, begun, ended, (1, 1), Polled::Ready));
        window.sort_by_key(|event| event.begun);
        checker.window(window)
    };
    play(20, 26).expect("the second returned first");
    play(26, 27).expect_err("the first had returned, and was granted");
}
