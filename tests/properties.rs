//! What holds for all numbers of permits, up to the greatest, and for all batches of wakes.

mod common;

use std::{sync::Arc, thread};

use common::{Polled, panic_of};
use compio::{
    driver::{DriverType, ProactorBuilder},
    runtime::Runtime,
};
use compio_sync::{OwnedSemaphorePermit, Semaphore, WakeStats, WakeTier};
use proptest::{collection::vec, prelude::*, sample::Index};

const MAX: usize = Semaphore::MAX_PERMITS;

/// A semaphore that lets nobody overtake and hands permits over directly.
fn fifo(permits: usize) -> Semaphore {
    Semaphore::with_fairness(permits, compio_sync::Fairness::Fifo)
}

// ---- permits ----

#[derive(Clone, Debug)]
enum Op {
    Acquire(usize),
    TryAcquire(usize),
    Poll(Index),
    Cancel(Index),
    Drop(Index),
    Forget(Index),
    Split(Index, usize),
    Merge(Index, Index),
    Add(usize),
    Reduce(usize),
    RemovePermits(usize),
}

/// A number of permits: few, nearly the greatest, half of it, beyond it.
fn count() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0..4_usize,
        2 => (0..4_usize).prop_map(|less| MAX - less),
        1 => (0..3_usize).prop_map(|more| MAX / 2 + more),
        1 => (1..3_usize).prop_map(|more| MAX + more),
        1 => (0..3_usize).prop_map(|less| usize::MAX - less),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => count().prop_map(Op::Acquire),
        2 => count().prop_map(Op::TryAcquire),
        3 => any::<Index>().prop_map(Op::Poll),
        1 => any::<Index>().prop_map(Op::Cancel),
        2 => any::<Index>().prop_map(Op::Drop),
        1 => any::<Index>().prop_map(Op::Forget),
        2 => (any::<Index>(), count()).prop_map(|(at, count)| Op::Split(at, count)),
        2 => any::<(Index, Index)>().prop_map(|(one, other)| Op::Merge(one, other)),
        2 => count().prop_map(Op::Add),
        2 => count().prop_map(Op::Reduce),
        2 => count().prop_map(Op::RemovePermits),
    ]
}

type Wait = Polled<std::pin::Pin<Box<dyn Future<Output = OwnedSemaphorePermit>>>>;

/// What there should be, in numbers without an end.
#[derive(Default)]
struct Model {
    available: i128,
    capacity: i128,
    /// Who waits, and for how many.
    line: Vec<(usize, i128)>,
    granted: Vec<usize>,
}

impl Model {
    fn grant(&mut self) {
        while let Some(&(id, need)) = self.line.first()
            && self.available >= need
        {
            self.available -= need;
            self.granted.push(id);
            self.line.remove(0);
        }
    }
}

fn pick<T>(items: &mut Vec<T>, at: Index) -> Option<T> {
    (!items.is_empty()).then(|| items.swap_remove(at.index(items.len())))
}

fn permits_add_up(initial: usize, ops: Vec<Op>) {
    let semaphore = Arc::new(fifo(initial));
    let mut model = Model {
        available: initial as i128,
        capacity: initial as i128,
        ..Model::default()
    };
    let mut held: Vec<OwnedSemaphorePermit> = Vec::new();
    let mut waits: Vec<(usize, usize, Wait)> = Vec::new();
    let max = MAX as i128;
    for (id, op) in ops.into_iter().enumerate() {
        match op {
            Op::Acquire(count) if count > MAX => {
                panic_of(|| drop(semaphore.acquire_many(count)));
            }
            Op::Acquire(count) => {
                let mut wait =
                    Polled::new(Box::pin(semaphore.clone().acquire_many_owned(count))
                        as std::pin::Pin<Box<_>>);
                let fits = model.line.is_empty() && model.available >= count as i128;
                if fits || count == 0 {
                    held.push(wait.ready());
                    model.available -= count as i128;
                } else {
                    wait.waits();
                    model.line.push((id, count as i128));
                    waits.push((id, count, wait));
                }
            }
            Op::TryAcquire(count) if count > MAX => {
                panic_of(|| drop(semaphore.try_acquire_many(count)));
            }
            Op::TryAcquire(count) => {
                let permit = semaphore.clone().try_acquire_many_owned(count);
                let fits = model.line.is_empty() && model.available >= count as i128;
                assert_eq!(permit.is_some(), fits || count == 0);
                if let Some(permit) = permit {
                    model.available -= count as i128;
                    held.push(permit);
                }
            }
            Op::Poll(at) => {
                let Some((id, count, mut wait)) = pick(&mut waits, at) else {
                    continue;
                };
                if model.granted.contains(&id) {
                    assert_eq!(wait.wakes(), 1);
                    let permit = wait.ready();
                    assert_eq!(permit.num_permits(), count);
                    held.push(permit);
                } else {
                    assert_eq!(wait.wakes(), 0);
                    wait.waits();
                    waits.push((id, count, wait));
                }
            }
            Op::Cancel(at) => {
                let Some((id, count, wait)) = pick(&mut waits, at) else {
                    continue;
                };
                drop(wait);
                if model.granted.contains(&id) {
                    model.available += count as i128;
                }
                model.line.retain(|(it, _)| *it != id);
            }
            Op::Drop(at) => {
                let Some(permit) = pick(&mut held, at) else {
                    continue;
                };
                model.available += permit.num_permits() as i128;
                drop(permit);
            }
            Op::Forget(at) => {
                let Some(permit) = pick(&mut held, at) else {
                    continue;
                };
                model.capacity -= permit.num_permits() as i128;
                permit.forget();
            }
            Op::Split(at, count) => {
                let Some(mut permit) = pick(&mut held, at) else {
                    continue;
                };
                let before = permit.num_permits();
                match permit.split(count) {
                    Some(part) => {
                        assert_eq!(part.num_permits(), count);
                        assert_eq!(permit.num_permits(), before - count);
                        held.push(part);
                    }
                    None => assert!(count > before && permit.num_permits() == before),
                }
                held.push(permit);
            }
            Op::Merge(one, other) if held.len() > 1 => {
                let mut one = pick(&mut held, one).expect("there are two");
                let other = pick(&mut held, other).expect("there is one");
                let sum = one.num_permits() + other.num_permits();
                one.merge(other);
                assert_eq!(one.num_permits(), sum);
                held.push(one);
            }
            Op::Merge(..) => {}
            Op::Add(count) if count > MAX || model.capacity + count as i128 > max => {
                panic_of(|| semaphore.add_permits(count));
            }
            Op::Add(count) => {
                semaphore.add_permits(count);
                model.available += count as i128;
                model.capacity += count as i128;
            }
            Op::Reduce(count) => {
                let taken = (count as i128).min(model.available.max(0));
                assert_eq!(semaphore.reduce_permits(count) as i128, taken);
                model.available -= taken;
                model.capacity -= taken;
            }
            Op::RemovePermits(count) if count as i128 > model.capacity => {
                panic_of(|| semaphore.remove_permits(count));
            }
            Op::RemovePermits(count) => {
                semaphore.remove_permits(count);
                model.available -= count as i128;
                model.capacity -= count as i128;
            }
        }
        model.grant();
        assert_eq!(
            [
                semaphore.available_permits() as i128,
                semaphore.max_permits() as i128,
                semaphore.in_use() as i128,
                semaphore.waiter_count() as i128,
            ],
            [
                model.available.max(0),
                model.capacity.max(0),
                (model.capacity - model.available).max(0),
                model.line.len() as i128,
            ],
        );
    }
    // Whoever waits gives up, and all that is held comes back.
    drop(waits);
    drop(held);
    assert_eq!(semaphore.waiter_count(), 0);
    assert_eq!(semaphore.available_permits() as i128, model.capacity.max(0));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn permits_add_up_at_the_edges(
        initial in count().prop_filter("legal", |&count| count <= MAX),
        ops in vec(op(), 1..60),
    ) {
        permits_add_up(initial, ops);
    }
}

// ---- the doorbell ----

/// Tasks of one runtime wait for `releases` and `local` permits, of which the former come from
/// another thread, so many at a time.
fn wakes_are_counted(driver: DriverType, tier: WakeTier, releases: &[usize], local: usize) {
    let mut proactor = ProactorBuilder::new();
    proactor.driver_type(driver);
    let runtime = Runtime::builder().with_proactor(proactor).build().unwrap();
    runtime.block_on(async {
        tier.select().unwrap();
        let remote: usize = releases.iter().sum();
        let semaphore = Arc::new(fifo(0));
        let tasks: Vec<_> = (0..local + remote)
            .map(|_| {
                let semaphore = semaphore.clone();
                compio::runtime::spawn(async move { semaphore.acquire().await.forget() })
            })
            .collect();
        while semaphore.waiter_count() < tasks.len() {
            common::yield_now().await;
        }
        semaphore.add_permits(local);
        let releaser = thread::spawn({
            let (semaphore, releases) = (semaphore.clone(), releases.to_vec());
            move || {
                releases
                    .into_iter()
                    .for_each(|it| semaphore.add_permits(it))
            }
        });
        for task in tasks {
            task.await.unwrap();
        }
        releaser.join().unwrap();
        let stats = WakeStats::current(tier).unwrap();
        assert_eq!(
            stats.wakes, remote,
            "each remote waiter is delivered once: {stats:?}"
        );
        // One turn's waiters for one runtime are one delivery.
        assert_eq!(stats.batches, releases.len(), "{stats:?}");
        assert!(stats.signals <= stats.batches, "{stats:?}");
        assert!(stats.signals <= stats.sleeps, "{stats:?}");
        assert!(stats.completions <= stats.sleeps, "{stats:?}");
    });
}

fn tiers() -> Vec<(DriverType, WakeTier)> {
    let candidates = if cfg!(target_os = "linux") {
        vec![
            (DriverType::IoUring, WakeTier::Futex),
            (DriverType::IoUring, WakeTier::Generic),
            (DriverType::Poll, WakeTier::Generic),
        ]
    } else if cfg!(windows) {
        vec![
            (DriverType::IOCP, WakeTier::Iocp),
            (DriverType::IOCP, WakeTier::Generic),
        ]
    } else {
        vec![(DriverType::Poll, WakeTier::Generic)]
    };
    let works = |&(driver, tier): &(DriverType, WakeTier)| {
        let mut proactor = ProactorBuilder::new();
        proactor.driver_type(driver);
        let runtime = Runtime::builder().with_proactor(proactor).build();
        runtime.is_ok_and(|runtime| {
            // A runtime must have the tier that the environment asks for, too.
            let has = |it: WakeTier| runtime.enter(|| it.check()).is_ok();
            runtime.driver_type() == driver
                && has(tier)
                && WakeTier::requested().unwrap().is_none_or(has)
        })
    };
    candidates.into_iter().filter(works).collect()
}

#[test]
fn every_remote_wake_is_delivered_and_counted_once() {
    let tiers = tiers();
    assert!(!tiers.is_empty());
    let config = ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(releases in vec(1..=32_usize, 0..8), local in 0..40_usize)| {
        for &(driver, tier) in &tiers {
            wakes_are_counted(driver, tier, &releases, local);
        }
    });
}
