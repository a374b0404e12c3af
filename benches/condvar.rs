//! The condition variable, with its mutex, against its peers.

use std::{hint::black_box, time::Instant};

use criterion::{Criterion, criterion_group, criterion_main};

mod peers;
mod workload;

use peers::{Monitor, Peer};
use workload::{Placement, Remotes, notify_all, notify_one};

fn uncontended(c: &mut Criterion) {
    fn one<P: Peer>(c: &mut Criterion) {
        let Some(monitor) = P::monitor() else { return };
        let runtime = compio::runtime::Runtime::new().expect("a runtime");
        c.benchmark_group("condvar_uncontended/lock")
            .bench_function(P::NAME, |b| {
                b.iter_custom(|iterations| {
                    runtime.block_on(async {
                        let begin = Instant::now();
                        for _ in 0..iterations {
                            drop(black_box(black_box(&monitor).lock().await));
                        }
                        begin.elapsed()
                    })
                });
            });
        c.benchmark_group("condvar_uncontended/notify_one")
            .bench_function(P::NAME, |b| {
                b.iter(|| black_box(&monitor).notify_one());
            });
    }
    for_each_peer!(one(c));
}

fn waiting(c: &mut Criterion) {
    fn one<P: Peer>(c: &mut Criterion, runtimes: usize) {
        if P::monitor().is_none() {
            return;
        }
        let mut remotes = Remotes::default();
        let remotes = remotes.get(Placement::Apart, runtimes);
        c.benchmark_group(format!("condvar_one/{runtimes} runtimes"))
            .bench_function(P::NAME, |b| {
                b.iter_custom(|iterations| {
                    notify_one::<P>(remotes, iterations as usize).expect("it has one")
                });
            });
        c.benchmark_group(format!("condvar_all/{runtimes} runtimes x 16 waiters"))
            .bench_function(P::NAME, |b| {
                b.iter_custom(|iterations| {
                    notify_all::<P>(remotes, 16, iterations as usize).expect("it has one")
                });
            });
    }
    for runtimes in [1, 2] {
        for_each_peer!(one(c, runtimes));
    }
}

criterion_group!(benches, uncontended, waiting);
criterion_main!(benches);
