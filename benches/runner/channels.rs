//! The rows about channels.

use std::time::Duration;

use crate::{
    peers::channels::{AcrossThreads, Channels},
    workload::{
        PingPong, Placement, Remotes, Requests, Stream, allocations_of, each, echo,
        memory_of_values, memory_of_waits, oneshots, requests_across, requests_within,
        share_across, stream_across, stream_within,
    },
};

/// Where the tasks are.
#[derive(Clone, Copy, Debug)]
pub enum Where {
    OneRuntime,
    /// Those that send, or ask, on one; the one that receives, or answers, on the other.
    TwoRuntimes,
}

/// Whether a channel has a bound.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    Bounded,
    Unbounded,
}

impl Bound {
    fn name(self) -> &'static str {
        match self {
            Self::Bounded => "bounded",
            Self::Unbounded => "unbounded",
        }
    }
}

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
pub enum Scenario {
    /// Many send to one.
    Stream {
        at: Where,
        bound: Bound,
        stream: Stream,
    },
    /// The same with a bound, and how much is allocated.
    StreamAllocations {
        at: Where,
        stream: Stream,
    },
    /// Many send to many, on two runtimes.
    Share {
        stream: Stream,
    },
    Echo {
        besides: PingPong,
    },
    /// A channel for one value is made and used, by one task.
    Oneshot,
    /// Many ask one, with a channel for each answer.
    Requests {
        at: Where,
        requests: Requests,
    },
    /// The same, and how much is allocated.
    RequestAllocations {
        at: Where,
        requests: Requests,
    },
    /// What each of many channels takes.
    Memory {
        bound: Bound,
    },
}

const ECHOES: usize = 200;
const ONESHOTS: usize = 20_000;
const CHANNELS: usize = 100;

impl Scenario {
    pub fn metrics(&self) -> &'static [&'static str] {
        match self {
            Self::Memory {
                bound: Bound::Bounded,
            } => &["new", "a sender that waits", "its future"],
            Self::Memory {
                bound: Bound::Unbounded,
            } => &["new", "a value"],
            _ => &["median"],
        }
    }

    /// Whether the first run says it all.
    pub fn is_exact(&self) -> bool {
        matches!(self, Self::Memory { .. })
    }

    pub fn unit(&self) -> &'static str {
        match self {
            Self::Memory { .. } => "bytes",
            Self::StreamAllocations { .. } | Self::RequestAllocations { .. } => "allocations",
            _ => "ns",
        }
    }

    /// How many operations one run consists of: values, round trips, requests.
    pub fn operations(&self) -> usize {
        match *self {
            Self::Stream { stream, .. }
            | Self::Share { stream }
            | Self::StreamAllocations { stream, .. } => stream.senders * stream.values,
            Self::Echo { .. } => ECHOES,
            Self::Oneshot => ONESHOTS,
            Self::Requests { requests, .. } | Self::RequestAllocations { requests, .. } => {
                requests.clients * requests.rounds
            }
            Self::Memory { .. } => CHANNELS,
        }
    }

    /// One run of a peer. `None` if that is nothing for it.
    pub fn run<P: AcrossThreads>(&self, remotes: &mut Remotes) -> Option<Vec<f64>> {
        let figure = match *self {
            Self::Stream {
                at: Where::TwoRuntimes,
                bound,
                stream,
            } => self.each(across::<P>(remotes, bound, stream)?),
            Self::StreamAllocations {
                at: Where::TwoRuntimes,
                stream,
            } => self.allocations(stream.values, |values| {
                across::<P>(remotes, Bound::Bounded, Stream { values, ..stream })
            })?,
            Self::Share { stream } => {
                let remotes = remotes.get(Placement::Apart, 2);
                self.each(share_across::<P::Shared>(remotes, stream)?)
            }
            Self::Echo { besides } => {
                let remotes = remotes.get(Placement::Apart, 2);
                self.each(echo::<P::Bounded>(remotes, besides, ECHOES)?)
            }
            Self::Requests {
                at: Where::TwoRuntimes,
                requests,
            } => {
                let remotes = remotes.get(Placement::Apart, 2);
                self.each(requests_across::<P>(remotes, requests)?)
            }
            Self::RequestAllocations {
                at: Where::TwoRuntimes,
                requests,
            } => {
                let remotes = remotes.get(Placement::Apart, 2);
                self.allocations(requests.rounds, |rounds| {
                    requests_across::<P>(remotes, Requests { rounds, ..requests })
                })?
            }
            _ => return self.run_within::<P>(remotes),
        };
        Some(vec![figure])
    }

    /// The same, of a peer for one runtime.
    pub fn run_within<P: Channels>(&self, remotes: &mut Remotes) -> Option<Vec<f64>> {
        let remote = &remotes.get(Placement::Apart, 1)[0];
        let stream_within = |bound, stream| match bound {
            Bound::Bounded => stream_within::<P::Bounded>(remote, stream),
            Bound::Unbounded => stream_within::<P::Unbounded>(remote, stream),
        };
        let figure = match *self {
            Self::Stream {
                at: Where::OneRuntime,
                bound,
                stream,
            } => self.each(stream_within(bound, stream)?),
            Self::StreamAllocations {
                at: Where::OneRuntime,
                stream,
            } => self.allocations(stream.values, |values| {
                stream_within(Bound::Bounded, Stream { values, ..stream })
            })?,
            Self::Oneshot => self.each(oneshots::<P::Oneshots>(remote, ONESHOTS)?),
            Self::Requests {
                at: Where::OneRuntime,
                requests,
            } => self.each(requests_within::<P>(remote, requests)?),
            Self::RequestAllocations {
                at: Where::OneRuntime,
                requests,
            } => self.allocations(requests.rounds, |rounds| {
                requests_within::<P>(remote, Requests { rounds, ..requests })
            })?,
            Self::Memory { bound } => {
                return match bound {
                    Bound::Bounded => memory_of_waits::<P::Bounded>(CHANNELS),
                    Bound::Unbounded => memory_of_values::<P::Unbounded>(CHANNELS),
                };
            }
            _ => return None,
        };
        Some(vec![figure])
    }

    fn each(&self, time: Duration) -> f64 {
        each(time, self.operations())
    }

    /// How many allocations an operation takes, when many have been through.
    fn allocations(
        &self,
        rounds: usize,
        mut run: impl FnMut(usize) -> Option<Duration>,
    ) -> Option<f64> {
        // Whether there is such a channel at all.
        run(1)?;
        let more = allocations_of(rounds, |rounds| {
            run(rounds);
        });
        Some(more / self.operations() as f64)
    }
}

fn across<P: AcrossThreads>(
    remotes: &mut Remotes,
    bound: Bound,
    stream: Stream,
) -> Option<Duration> {
    let remotes = remotes.get(Placement::Apart, 2);
    match bound {
        Bound::Bounded => stream_across::<P::Bounded>(remotes, stream),
        Bound::Unbounded => stream_across::<P::Unbounded>(remotes, stream),
    }
}

/// All that is measured: what it is called, and what it is.
pub fn cells() -> Vec<(String, Scenario)> {
    let mut cells = Vec::new();
    let streams = [
        (Where::OneRuntime, 1),
        (Where::OneRuntime, 8),
        (Where::TwoRuntimes, 1),
        (Where::TwoRuntimes, 8),
        (Where::TwoRuntimes, 64),
        (Where::TwoRuntimes, 128),
    ];
    for bound in [Bound::Bounded, Bound::Unbounded] {
        for (at, senders) in streams {
            let scenario = Scenario::Stream {
                at,
                bound,
                stream: stream(at, senders),
            };
            cells.push((stream_name("mpsc", bound, at, senders), scenario));
        }
    }
    for tasks in [2, 16] {
        let stream = stream(Where::TwoRuntimes, tasks);
        cells.push((
            format!("mpmc/bounded, 2 runtimes, {tasks} x {tasks}"),
            Scenario::Share { stream },
        ));
    }
    for (name, besides) in [("asleep", PingPong::Asleep), ("awake", PingPong::Awake)] {
        cells.push((
            format!("mpsc/ping-pong, {name}"),
            Scenario::Echo { besides },
        ));
    }
    cells.push(("oneshot/no wait".into(), Scenario::Oneshot));
    for at in [Where::OneRuntime, Where::TwoRuntimes] {
        for clients in [1, 8, 64] {
            let requests = requests(at, clients);
            cells.push((
                format!("oneshot/requests, {}, {clients} clients", runtimes(at)),
                Scenario::Requests { at, requests },
            ));
        }
    }

    for bound in [Bound::Bounded, Bound::Unbounded] {
        cells.push((
            format!("mpsc/memory, {}", bound.name()),
            Scenario::Memory { bound },
        ));
    }
    for at in [Where::OneRuntime, Where::TwoRuntimes] {
        let scenario = Scenario::StreamAllocations {
            at,
            stream: stream(at, 8),
        };
        let name = stream_name("allocations/mpsc", Bound::Bounded, at, 8);
        cells.push((name, scenario));
    }
    for at in [Where::OneRuntime, Where::TwoRuntimes] {
        let requests = requests(at, 8);
        cells.push((
            format!("oneshot/allocations, {}, 8 clients", runtimes(at)),
            Scenario::RequestAllocations { at, requests },
        ));
    }
    cells
}

fn stream(at: Where, senders: usize) -> Stream {
    // A value takes a few dozen nanoseconds within a runtime, and up to ten thousand between two.
    let values = match at {
        Where::OneRuntime => 16_000,
        Where::TwoRuntimes => 4_096,
    };
    Stream {
        senders,
        values: values / senders,
        // So that most of many senders wait.
        capacity: if senders < 64 { 100 } else { 16 },
    }
}

fn requests(at: Where, clients: usize) -> Requests {
    let requests = match at {
        Where::OneRuntime => 4_096,
        // One client's runtime sleeps after every request.
        Where::TwoRuntimes => 256 * clients.min(8),
    };
    Requests {
        clients,
        rounds: requests / clients,
    }
}

fn stream_name(group: &str, bound: Bound, at: Where, senders: usize) -> String {
    let (bound, at) = (bound.name(), runtimes(at));
    format!("{group}/{bound}, {at}, {senders} senders")
}

fn runtimes(at: Where) -> &'static str {
    match at {
        Where::OneRuntime => "1 runtime",
        Where::TwoRuntimes => "2 runtimes",
    }
}
