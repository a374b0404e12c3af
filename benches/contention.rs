//! Several runtimes that want the same permits.
//!
//! `cargo bench --bench ratios` measures the same for more peers, and copes with those that hang.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

mod peers;
mod workload;

use peers::Peer;
use workload::{Inside, Load, PingPong, Placement, Remotes, cancel_among, contend, ping_pong};

fn contention(c: &mut Criterion) {
    fn one<P: Peer>(c: &mut Criterion, runtimes: usize, load: Load) {
        let mut remotes = Remotes::default();
        let remotes = remotes.get(Placement::Apart, runtimes);
        let Load {
            tasks,
            permits,
            inside,
            ..
        } = load;
        let group = format!("contention/{runtimes} runtimes x {tasks} tasks");
        c.benchmark_group(group).sample_size(20).bench_function(
            BenchmarkId::new(P::NAME, format_args!("{permits} permits, {inside:?}")),
            |b| {
                b.iter_custom(|iterations| {
                    (0..iterations)
                        .map(|_| contend::<P>(remotes, load))
                        .sum::<Duration>()
                });
            },
        );
    }
    for (runtimes, tasks) in [(2, 1), (2, 8), (2, 64), (4, 8)] {
        for permits in [1, 10] {
            for inside in [Inside::Nothing, Inside::Yield, Inside::Read] {
                let load = Load {
                    tasks,
                    permits,
                    rounds: 20,
                    inside,
                    reads_outside: false,
                };
                for_each_peer!(one(c, runtimes, load));
            }
        }
    }
}

fn ping_pongs(c: &mut Criterion) {
    fn one<P: Peer>(c: &mut Criterion, besides: PingPong, placement: Placement) {
        let mut remotes = Remotes::default();
        let remotes = remotes.get(placement, 2);
        c.benchmark_group(format!("ping_pong/{besides:?}, {placement:?}"))
            .sample_size(20)
            .bench_function(P::NAME, |b| {
                b.iter_custom(|iterations| ping_pong::<P>(remotes, besides, iterations as usize));
            });
    }
    for_each_peer!(one(c, PingPong::Asleep, Placement::Apart));
    for_each_peer!(one(c, PingPong::Asleep, Placement::Together));
    for_each_peer!(one(c, PingPong::Awake, Placement::Apart));
}

fn cancels(c: &mut Criterion) {
    fn one<P: Peer>(c: &mut Criterion) {
        let mut remotes = Remotes::default();
        let remotes = remotes.get(Placement::Apart, 2);
        c.benchmark_group("cancel/2 runtimes x 8 tasks")
            .sample_size(20)
            .bench_function(P::NAME, |b| {
                b.iter_custom(|iterations| {
                    (0..iterations)
                        .map(|_| cancel_among::<P>(remotes, 8, 20))
                        .sum::<Duration>()
                });
            });
    }
    for_each_peer!(one(c));
}

criterion_group!(benches, contention, ping_pongs, cancels);
criterion_main!(benches);
