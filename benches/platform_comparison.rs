//! One event loop for I/O and for waiting, or two: the same load, signalled in each way that the
//! platform has, and by the peers.

use std::time::Duration;

use compio_sync::WakeTier;
use criterion::{Criterion, criterion_group, criterion_main};

mod peers;
mod workload;

use peers::Peer;
use workload::{Inside, Load, Placement, Remotes, contend};

const LOAD: Load = Load {
    tasks: 16,
    permits: 4,
    rounds: 10,
    inside: Inside::Read,
    reads_outside: true,
};

fn unified_vs_dual_event_loop(c: &mut Criterion) {
    fn one<P: Peer>(c: &mut Criterion, runtimes: usize, name: &str, tier: Option<WakeTier>) {
        let mut remotes = Remotes::default();
        let remotes = remotes.get(Placement::Apart, runtimes);
        if let Some(tier) = tier {
            for remote in remotes {
                let selected = remote.run(move || async move { tier.select() });
                if selected.recv().expect("the runtime answers").is_err() {
                    return;
                }
            }
        }
        c.benchmark_group(format!("unified_vs_dual_event_loop/{runtimes} runtimes"))
            .sample_size(20)
            .bench_function(name, |b| {
                b.iter_custom(|iterations| {
                    (0..iterations)
                        .map(|_| contend::<P>(remotes, LOAD))
                        .sum::<Duration>()
                });
            });
    }
    fn peer<P: Peer>(c: &mut Criterion, runtimes: usize) {
        one::<P>(c, runtimes, P::NAME, None);
    }
    for runtimes in [1, 2] {
        for tier in [WakeTier::Generic, WakeTier::Futex, WakeTier::Iocp] {
            one::<peers::CompioSync>(c, runtimes, &format!("compio-sync {tier}"), Some(tier));
        }
        for_each_peer!(peer(c, runtimes));
    }
}

criterion_group!(benches, unified_vs_dual_event_loop);
criterion_main!(benches);
