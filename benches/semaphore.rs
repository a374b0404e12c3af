//! The semaphore against its peers: uncontended, handed over on one runtime, and granted to many
//! waiters of another.

use std::{
    hint::black_box,
    sync::atomic::{
        AtomicUsize,
        Ordering::{Acquire, Release},
    },
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

mod peers;
mod workload;

use peers::{Peer, Semaphore};
use workload::{Inside, Load, Placement, Remotes, Target, contend, fan_out};

fn uncontended(c: &mut Criterion) {
    fn one<P: Peer>(c: &mut Criterion) {
        let semaphore = P::semaphore(100);
        c.benchmark_group("semaphore_uncontended/try_acquire")
            .bench_function(P::NAME, |b| {
                b.iter(|| drop(black_box(black_box(&semaphore).try_acquire())));
            });
        let runtime = compio::runtime::Runtime::new().expect("a runtime");
        c.benchmark_group("semaphore_uncontended/acquire")
            .bench_function(P::NAME, |b| {
                b.iter_custom(|iterations| {
                    runtime.block_on(async {
                        let begin = Instant::now();
                        for _ in 0..iterations {
                            drop(black_box(black_box(&semaphore).acquire().await));
                        }
                        begin.elapsed()
                    })
                });
            });
    }
    // The limit: a semaphore's acquire and release change one word each.
    let word = AtomicUsize::new(100);
    c.benchmark_group("semaphore_uncontended/try_acquire")
        .bench_function("two bare RMWs", |b| {
            b.iter(|| {
                let word = black_box(&word);
                black_box(word.fetch_sub(1, Acquire));
                black_box(word.fetch_add(1, Release));
            });
        });
    for_each_peer!(one(c));
}

fn contended(c: &mut Criterion) {
    fn one<P: Peer>(c: &mut Criterion, tasks: usize, permits: usize) {
        let load = Load {
            tasks,
            permits,
            rounds: 20,
            inside: Inside::Yield,
            reads_outside: false,
        };
        let mut remotes = Remotes::default();
        let remotes = remotes.get(Placement::Apart, 1);
        let group = format!("semaphore_contended/{permits} permits");
        c.benchmark_group(group).bench_function(
            BenchmarkId::new(P::NAME, format_args!("{tasks} tasks")),
            |b| {
                b.iter_custom(|iterations| {
                    (0..iterations)
                        .map(|_| contend::<P>(remotes, load))
                        .sum::<Duration>()
                });
            },
        );
    }
    for permits in [1, 10] {
        for tasks in [2, 4, 8, 16, 32, 64, 128] {
            for_each_peer!(one(c, tasks, permits));
        }
    }
}

fn fan_outs(c: &mut Criterion) {
    fn one<P: Peer>(c: &mut Criterion, target: Target, count: usize) {
        // See there.
        if P::NAME == peers::AsyncLock::NAME && count > peers::REMOTE_WAKES {
            return;
        }
        let mut remotes = Remotes::default();
        let remotes = remotes.get(Placement::Apart, 2);
        let group = format!("semaphore_fan_out/{count} waiters, {target:?}");
        c.benchmark_group(group).bench_function(P::NAME, |b| {
            b.iter_custom(|iterations| {
                (0..iterations)
                    .map(|_| fan_out::<P>(&remotes[0], &remotes[1..], target, count))
                    .sum::<Duration>()
            });
        });
    }
    for target in [Target::Asleep, Target::Awake] {
        for count in [1, 16, 64, 256, 1024, 4096] {
            for_each_peer!(one(c, target, count));
        }
    }
}

fn cycle(c: &mut Criterion) {
    fn one<P: Peer>(c: &mut Criterion) {
        let runtime = compio::runtime::Runtime::new().expect("a runtime");
        c.benchmark_group("semaphore_cycle/single_thread")
            .bench_function(P::NAME, |b| {
                b.iter(|| {
                    runtime.block_on(async {
                        let semaphore = P::semaphore(1);
                        for _ in 0..1000 {
                            drop(black_box(black_box(&semaphore).acquire().await));
                        }
                    });
                });
            });
    }
    for_each_peer!(one(c));
}

criterion_group!(benches, uncontended, contended, fan_outs, cycle);
criterion_main!(benches);
