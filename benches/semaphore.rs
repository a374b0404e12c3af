//! The semaphore against its peers: uncontended, contended on one runtime and on two, and waking
//! many waiters on another runtime.

use std::{
    hint::black_box,
    sync::atomic::{
        AtomicUsize,
        Ordering::{Acquire, Release},
    },
    time::Duration,
};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

mod peers;
use peers::{Remote, Semaphore, contend, fan_out};

fn uncontended(c: &mut Criterion) {
    fn one<S: Semaphore>(c: &mut Criterion) {
        let semaphore = S::new(100);
        c.benchmark_group("semaphore_uncontended/try_acquire")
            .bench_function(S::NAME, |b| {
                b.iter(|| drop(black_box(black_box(&semaphore).try_acquire())));
            });
        let runtime = compio::runtime::Runtime::new().expect("a runtime");
        c.benchmark_group("semaphore_uncontended/acquire")
            .bench_function(S::NAME, |b| {
                b.iter_custom(|iterations| {
                    runtime.block_on(async {
                        let begin = std::time::Instant::now();
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
    for_each_semaphore!(one(c));
}

fn contended(c: &mut Criterion) {
    fn one<S: Semaphore>(c: &mut Criterion, runtimes: usize, tasks: usize, permits: usize) {
        const ROUNDS: usize = 20;
        let remotes: Vec<_> = (0..runtimes).map(|_| Remote::new()).collect();
        let group = format!("semaphore_contended/{runtimes} runtimes x {tasks} tasks");
        c.benchmark_group(group).bench_function(
            BenchmarkId::new(S::NAME, format_args!("{permits} permits")),
            |b| {
                b.iter_custom(|iterations| {
                    (0..iterations)
                        .map(|_| contend::<S>(&remotes, tasks, permits, ROUNDS))
                        .sum::<Duration>()
                });
            },
        );
    }
    for (runtimes, tasks) in [(1, 2), (1, 8), (1, 64), (1, 128), (2, 1), (2, 8), (2, 64)] {
        for permits in [1, 10] {
            for_each_semaphore!(one(c, runtimes, tasks, permits));
        }
    }
}

fn fan_outs(c: &mut Criterion) {
    fn one<S: Semaphore>(c: &mut Criterion, count: usize) {
        let remote = Remote::new();
        let group = format!("semaphore_fan_out/{count} waiters");
        c.benchmark_group(group).bench_function(S::NAME, |b| {
            b.iter_custom(|iterations| {
                (0..iterations)
                    .map(|_| fan_out::<S>(&remote, count))
                    .sum::<Duration>()
            });
        });
    }
    for count in [1, 16, 64, 256, 1024, 4096] {
        one::<compio_sync::Semaphore>(c, count);
        one::<tokio::sync::Semaphore>(c, count);
        one::<asyncband::semaphore::Semaphore>(c, count);
        if count <= peers::REMOTE_WAKES {
            one::<async_lock::Semaphore>(c, count);
        }
    }
}

criterion_group!(benches, uncontended, contended, fan_outs);
criterion_main!(benches);
