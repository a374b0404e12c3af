//! The rows of the table.

use std::{
    future::Future,
    hint::black_box,
    time::{Duration, Instant},
};

use super::{channels, once, tokens};
use crate::{
    peers::{Monitor, Peer, Semaphore},
    workload::{
        Inside, Load, PingPong, Placement, Remotes, Target, allocations_per_wait, cancel_alone,
        cancel_among, contend, each, fan_out, footprint, futex_ping_pong, growth_by_cancels,
        latencies, notify_all, notify_one, ping_pong, quantile, queue_and_grant,
        spinning_ping_pong, two_rmws, yields,
    },
};

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
pub enum Scenario {
    /// Of channels, whose peers are others.
    Channel(channels::Scenario),
    /// Of cancellation tokens.
    Token(tokens::Scenario),
    /// Of cells that are set once.
    Once(once::Scenario),
    /// `try_acquire`, and the permit dropped.
    TryAcquire,
    /// `acquire().await`, and the permit dropped.
    Acquire,
    /// `lock().await`, and the guard dropped.
    Lock,
    Contend {
        runtimes: usize,
        load: Load,
    },
    Latency {
        runtimes: usize,
        load: Load,
    },
    PingPong {
        besides: PingPong,
        placement: Placement,
    },
    FanOut {
        targets: usize,
        target: Target,
        waiters: usize,
    },
    NotifyOne {
        runtimes: usize,
    },
    NotifyAll {
        runtimes: usize,
        waiters: usize,
    },
    CancelAlone {
        runtimes: usize,
        others: usize,
    },
    CancelAmong {
        runtimes: usize,
        tasks: usize,
    },
    QueueAndGrant {
        waiters: usize,
    },
    Footprint {
        semaphores: usize,
    },
    Allocations {
        runtimes: usize,
        load: Load,
    },
    Growth {
        cancels: usize,
    },
}

const UNCONTENDED: usize = 20_000;
const LATENCY: &[&str] = &[
    "acquire p99",
    "acquire p50",
    "acquire p99.9",
    "release p99",
    "release p50",
    "release p99.9",
];

impl Scenario {
    /// What one run measures. The first is what ratios are made of.
    pub fn metrics(&self) -> &'static [&'static str] {
        match self {
            Self::Channel(scenario) => scenario.metrics(),
            Self::Latency { .. } => LATENCY,
            Self::Footprint { .. } => &["used", "new", "waited for", "future"],
            _ => &["median"],
        }
    }

    pub fn unit(&self) -> &'static str {
        match self {
            Self::Channel(scenario) => scenario.unit(),
            Self::Footprint { .. } | Self::Growth { .. } => "bytes",
            Self::Allocations { .. } => "allocations",
            _ => "ns",
        }
    }

    /// Whether the first run says it all.
    pub fn is_exact(&self) -> bool {
        match self {
            Self::Channel(scenario) => scenario.is_exact(),
            _ => matches!(self, Self::Footprint { .. } | Self::Growth { .. }),
        }
    }

    /// How many operations one run consists of, for counting per operation.
    pub fn operations(&self) -> usize {
        match *self {
            Self::Channel(scenario) => scenario.operations(),
            Self::Token(scenario) => scenario.operations(),
            Self::Once(scenario) => scenario.operations(),
            Self::TryAcquire | Self::Acquire | Self::Lock => UNCONTENDED,
            Self::Contend { runtimes, load }
            | Self::Latency { runtimes, load }
            | Self::Allocations { runtimes, load } => runtimes * load.tasks * load.rounds,
            Self::PingPong { .. } => PING_PONGS,
            Self::FanOut {
                targets, waiters, ..
            } => events(targets * waiters),
            Self::NotifyOne { .. } => NOTIFIES,
            Self::NotifyAll { runtimes, waiters } => all_rounds(runtimes * waiters),
            Self::CancelAlone { runtimes, .. } => runtimes * CANCELS,
            Self::CancelAmong { runtimes, tasks } => runtimes * tasks * CANCEL_ROUNDS,
            Self::QueueAndGrant { waiters } => waiters,
            Self::Footprint { semaphores } => semaphores,
            Self::Growth { cancels } => cancels,
        }
    }

    /// One run of a peer, unless it is about channels or tokens. `None` if that is nothing for it.
    pub fn run<P: Peer>(&self, remotes: &mut Remotes) -> Option<Vec<f64>> {
        let apart = Placement::Apart;
        let ns = match *self {
            Self::Channel(_) | Self::Token(_) | Self::Once(_) => return None,
            Self::TryAcquire => try_acquire::<P>(),
            Self::Acquire => uncontended(remotes, || async {
                let semaphore = P::semaphore(1);
                let begin = Instant::now();
                for _ in 0..UNCONTENDED {
                    drop(black_box(black_box(&semaphore).acquire().await));
                }
                begin.elapsed()
            }),
            Self::Lock => {
                P::monitor()?;
                uncontended(remotes, || async {
                    let monitor = P::monitor().expect("it has one");
                    let begin = Instant::now();
                    for _ in 0..UNCONTENDED {
                        drop(black_box(black_box(&monitor).lock().await));
                    }
                    begin.elapsed()
                })
            }
            Self::Contend { runtimes, load } => {
                contend::<P>(remotes.get(apart, runtimes), load).as_nanos() as f64
            }
            Self::Latency { runtimes, load } => {
                return Some(latencies::<P>(remotes.get(apart, runtimes), load));
            }
            Self::PingPong { besides, placement } => {
                ping_pong::<P>(remotes.get(placement, 2), besides, PING_PONGS).as_nanos() as f64
            }
            Self::FanOut {
                targets,
                target,
                waiters,
            } => {
                let placement = match target {
                    Target::Fresh => Placement::Free,
                    Target::Asleep | Target::Awake => apart,
                };
                let remotes = remotes.get(placement, 1 + targets);
                let mut times: Vec<_> = (0..events(targets * waiters))
                    .map(|_| fan_out::<P>(&remotes[0], &remotes[1..], target, waiters))
                    .map(|time| time.as_nanos() as f64)
                    .collect();
                return Some(vec![quantile(&mut times, 0.5)]);
            }
            Self::NotifyOne { runtimes } => {
                notify_one::<P>(remotes.get(apart, runtimes), NOTIFIES)?.as_nanos() as f64
            }
            Self::NotifyAll { runtimes, waiters } => {
                let rounds = all_rounds(runtimes * waiters);
                notify_all::<P>(remotes.get(apart, runtimes), waiters, rounds)?.as_nanos() as f64
            }
            Self::CancelAlone { runtimes, others } => {
                cancel_alone::<P>(remotes.get(apart, runtimes), others, CANCELS).as_nanos() as f64
            }
            Self::CancelAmong { runtimes, tasks } => {
                cancel_among::<P>(remotes.get(apart, runtimes), tasks, CANCEL_ROUNDS).as_nanos()
                    as f64
            }
            Self::QueueAndGrant { waiters } => return Some(vec![queue_and_grant::<P>(waiters)]),
            Self::Footprint { semaphores } => {
                let it = footprint::<P>(semaphores);
                return Some(vec![it.used, it.new, it.waited_for, it.future]);
            }
            Self::Allocations { runtimes, load } => {
                return Some(vec![allocations_per_wait::<P>(
                    remotes.get(apart, runtimes),
                    load,
                )]);
            }
            Self::Growth { cancels } => return Some(vec![growth_by_cancels::<P>(cancels)]),
        };
        Some(vec![ns / self.operations() as f64])
    }

    /// One run of what would be the limit. `None` if there is no telling.
    pub fn run_limit(&self, remotes: &mut Remotes) -> Option<Vec<f64>> {
        let time = match *self {
            Self::TryAcquire | Self::Acquire | Self::Lock => two_rmws(UNCONTENDED),
            Self::Contend { runtimes: 1, load } if load.inside == Inside::Yield => {
                yields(remotes.get(Placement::Apart, 1), load.tasks, load.rounds)
            }
            Self::PingPong { besides, placement } => match besides {
                PingPong::Asleep => futex_ping_pong(placement, PING_PONGS),
                PingPong::Awake => spinning_ping_pong(placement, PING_PONGS),
            },
            _ => return None,
        };
        Some(vec![each(time, self.operations())])
    }
}

/// Enough to measure, and not too long where a round trip takes long.
const PING_PONGS: usize = 200;
const NOTIFIES: usize = 400;
const CANCELS: usize = 5_000;
const CANCEL_ROUNDS: usize = 60;

/// How many fan-outs a run consists of.
fn events(waiters: usize) -> usize {
    (1_000 / waiters).clamp(1, 15)
}

/// How many times all are notified in a run.
fn all_rounds(waiters: usize) -> usize {
    (2_000 / waiters).clamp(2, 50)
}

fn try_acquire<P: Peer>() -> f64 {
    let semaphore = P::semaphore(1);
    let begin = Instant::now();
    for _ in 0..UNCONTENDED {
        drop(black_box(black_box(&semaphore).try_acquire()));
    }
    begin.elapsed().as_nanos() as f64
}

/// On a runtime, as a task's code.
fn uncontended<F, Fut>(remotes: &mut Remotes, main: F) -> f64
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Duration> + 'static,
{
    let remote = &remotes.get(Placement::Apart, 1)[0];
    let time = remote.run(main).recv().expect("the runtime ends");
    time.as_nanos() as f64
}

/// A scenario, and what it is called.
pub struct Cell {
    pub id: String,
    pub scenario: Scenario,
    /// Whether it is left out if there is little time.
    pub is_extra: bool,
}

/// All that is measured.
pub fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut add = |id: String, is_extra, scenario| {
        cells.push(Cell {
            id,
            scenario,
            is_extra,
        });
    };

    add(
        "uncontended/try_acquire".into(),
        false,
        Scenario::TryAcquire,
    );
    add("uncontended/acquire".into(), false, Scenario::Acquire);
    add("uncontended/lock".into(), false, Scenario::Lock);

    for (runtimes, tasks) in [
        (1, 2),
        (1, 4),
        (1, 8),
        (1, 16),
        (1, 32),
        (1, 64),
        (1, 128),
        (2, 1),
        (2, 8),
        (2, 64),
        (4, 1),
        (4, 8),
        (4, 64),
    ] {
        for permits in [1, 10] {
            for inside in [Inside::Nothing, Inside::Yield, Inside::Read] {
                if runtimes == 1 && inside != Inside::Yield {
                    continue;
                }
                // A read takes a microsecond; so does a hand-over to another runtime, or ten.
                let operations = match (runtimes, inside) {
                    (1, _) => 4_000,
                    (_, Inside::Read) => 1_000,
                    _ => 2_000,
                };
                let load = Load {
                    tasks,
                    permits,
                    rounds: (operations / (runtimes * tasks)).max(4),
                    inside,
                    reads_outside: false,
                };
                let inside = match inside {
                    Inside::Nothing => "nothing",
                    Inside::Yield => "yield",
                    Inside::Read => "read",
                };
                add(
                    format!("contend/{runtimes}x{tasks}/{permits} permits/{inside}"),
                    matches!((runtimes, tasks), (1, 4 | 16 | 32)),
                    Scenario::Contend { runtimes, load },
                );
            }
        }
    }

    for (name, besides, placement) in [
        ("asleep, apart", PingPong::Asleep, Placement::Apart),
        ("asleep, together", PingPong::Asleep, Placement::Together),
        ("asleep, free", PingPong::Asleep, Placement::Free),
        ("awake, apart", PingPong::Awake, Placement::Apart),
    ] {
        add(
            format!("ping-pong/{name}"),
            false,
            Scenario::PingPong { besides, placement },
        );
    }

    for (name, target) in [
        ("asleep", Target::Asleep),
        ("awake", Target::Awake),
        ("fresh", Target::Fresh),
    ] {
        for waiters in [1, 4, 16, 64, 256, 1024, 4096] {
            add(
                format!("fan-out/1 runtime, {name}/{waiters}"),
                false,
                Scenario::FanOut {
                    targets: 1,
                    target,
                    waiters,
                },
            );
        }
    }
    for waiters in [1, 16, 64, 1024] {
        add(
            format!("fan-out/4 runtimes, asleep/{waiters}"),
            false,
            Scenario::FanOut {
                targets: 4,
                target: Target::Asleep,
                waiters,
            },
        );
    }

    for runtimes in [1, 2] {
        add(
            format!("condvar/one, {runtimes} runtimes"),
            false,
            Scenario::NotifyOne { runtimes },
        );
        for waiters in [16, 256] {
            add(
                format!("condvar/all, {runtimes} runtimes/{waiters}"),
                false,
                Scenario::NotifyAll { runtimes, waiters },
            );
        }
    }

    for runtimes in [1, 2] {
        for others in [0, 64] {
            add(
                format!("cancel/{runtimes} runtimes/{others} others"),
                false,
                Scenario::CancelAlone { runtimes, others },
            );
        }
        add(
            format!("cancel/{runtimes} runtimes/among 8"),
            false,
            Scenario::CancelAmong { runtimes, tasks: 8 },
        );
    }

    add(
        "mixed/2x16/4 permits".into(),
        false,
        Scenario::Contend {
            runtimes: 2,
            load: Load {
                tasks: 16,
                permits: 4,
                rounds: 30,
                inside: Inside::Read,
                reads_outside: true,
            },
        },
    );

    for (runtimes, tasks, permits) in [(1, 64, 1), (2, 8, 1), (2, 64, 10)] {
        let load = Load {
            tasks,
            permits,
            rounds: 6_000 / (runtimes * tasks),
            inside: Inside::Yield,
            reads_outside: false,
        };
        add(
            format!("latency/{runtimes}x{tasks}/{permits} permits"),
            false,
            Scenario::Latency { runtimes, load },
        );
    }

    for waiters in [1, 10, 100, 1_000, 10_000, 100_000] {
        add(
            format!("waiters/{waiters}"),
            false,
            Scenario::QueueAndGrant { waiters },
        );
    }

    for semaphores in [1, 1_000, 1_000_000] {
        add(
            format!("footprint/{semaphores}"),
            false,
            Scenario::Footprint { semaphores },
        );
    }
    for runtimes in [1, 2] {
        let load = Load {
            tasks: 64,
            permits: 1,
            rounds: 20,
            inside: Inside::Yield,
            reads_outside: false,
        };
        add(
            format!("allocations/{runtimes}x64/1 permits"),
            false,
            Scenario::Allocations { runtimes, load },
        );
    }
    add(
        "growth/1000000 cancels".into(),
        false,
        Scenario::Growth { cancels: 1_000_000 },
    );
    for (id, scenario) in channels::cells() {
        add(id, false, Scenario::Channel(scenario));
    }
    for (id, scenario) in tokens::cells() {
        add(id, false, Scenario::Token(scenario));
    }
    for (id, scenario) in once::cells() {
        add(id, false, Scenario::Once(scenario));
    }
    cells
}
