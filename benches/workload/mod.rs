//! The runtimes that the benchmarks run on, and the loads that they put on them.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each benchmark uses a part of it"
)]

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    hint,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use compio::runtime::Runtime;

mod bare;
mod cancel;
mod channels;
mod contend;
mod fan_out;
mod memory;
mod notify;
mod once;
mod ping_pong;
mod tokens;

pub use self::{
    bare::{futex_ping_pong, spinning_ping_pong, two_rmws, yields},
    cancel::{cancel_alone, cancel_among},
    channels::{
        Requests, Stream, echo, oneshots, requests_across, requests_within, share_across,
        stream_across, stream_within,
    },
    contend::{Inside, Load, contend, latencies},
    fan_out::{Target, fan_out},
    memory::{
        Counting, allocations_of, allocations_per_wait, footprint, growth_by_cancels,
        memory_of_values, memory_of_waits, queue_and_grant,
    },
    notify::{notify_all, notify_one},
    once::{get, get_or_init, init, init_together, set, wait_together},
    ping_pong::{PingPong, beside, ping_pong},
    tokens::{Use, cancel_tree, use_tokens},
};

/// Lets the runtime's other tasks run.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            Poll::Ready(())
        } else {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// On which processors the runtimes' threads are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placement {
    /// Each on one of its own, as far as there are any: thread per core.
    Apart,
    /// All on the first.
    Together,
    /// Wherever the system puts them.
    Free,
}

impl Placement {
    pub fn processor(self, index: usize) -> Option<usize> {
        match self {
            Self::Apart => Some(index % thread::available_parallelism().map_or(1, usize::from)),
            Self::Together => Some(0),
            Self::Free => None,
        }
    }
}

/// Keeps the calling thread on one of the processors that the process may use.
#[cfg(target_os = "linux")]
pub fn pin_to(processor: usize) {
    use std::mem::{MaybeUninit, size_of};

    // SAFETY: a set of processors is plain bits, for which all zeroes is the empty set; the calls
    // read and write the sets that they are given. Pid 0 is the calling thread.
    unsafe {
        let mut allowed: libc::cpu_set_t = MaybeUninit::zeroed().assume_init();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut allowed) != 0 {
            return;
        }
        let nth = (0..libc::CPU_SETSIZE as usize)
            .filter(|cpu| libc::CPU_ISSET(*cpu, &allowed))
            .nth(processor);
        if let Some(cpu) = nth {
            let mut one: libc::cpu_set_t = MaybeUninit::zeroed().assume_init();
            libc::CPU_SET(cpu, &mut one);
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &one);
        }
    }
}

/// Keeps the calling thread on one processor, where the system lets it.
#[cfg(not(target_os = "linux"))]
pub fn pin_to(_processor: usize) {}

/// A runtime on a thread of its own, which runs what it is sent.
pub struct Remote {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

type Job = Box<dyn FnOnce(&Runtime) + Send>;

impl Remote {
    pub fn new(processor: Option<usize>) -> Self {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let thread = thread::spawn(move || {
            if let Some(processor) = processor {
                pin_to(processor);
            }
            let runtime = Runtime::new().expect("a runtime");
            for job in inbox {
                job(&runtime);
            }
        });
        Self {
            jobs: Some(jobs),
            thread: Some(thread),
        }
    }

    /// Runs `main` on the runtime, and returns where its result arrives.
    pub fn run<F, Fut>(&self, main: F) -> mpsc::Receiver<Fut::Output>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future,
        Fut::Output: Send + 'static,
    {
        let (result, receiver) = mpsc::channel();
        let job: Job = Box::new(move |runtime| {
            let output = runtime.block_on(async move { main().await });
            let _ = result.send(output);
        });
        self.jobs
            .as_ref()
            .expect("not dropped")
            .send(job)
            .expect("the thread lives");
        receiver
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        drop(self.jobs.take());
        self.thread
            .take()
            .expect("joined once")
            .join()
            .expect("the thread did not panic");
    }
}

/// Runtimes, made when they are first asked for.
#[derive(Default)]
pub struct Remotes(HashMap<Placement, Vec<Remote>>);

impl Remotes {
    pub fn get(&mut self, placement: Placement, count: usize) -> &[Remote] {
        let remotes = self.0.entry(placement).or_default();
        while remotes.len() < count {
            remotes.push(Remote::new(placement.processor(remotes.len())));
        }
        &remotes[..count]
    }
}

/// Runs `main` on each of `remotes` at the same moment. Returns the time from that moment until the
/// last has returned, and what they returned.
pub fn run_together<F, Fut>(remotes: &[Remote], main: F) -> (Duration, Vec<Fut::Output>)
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future,
    Fut::Output: Send + 'static,
{
    let main = Arc::new(main);
    let start = Arc::new(Start::new(remotes.len()));
    let results: Vec<_> = remotes
        .iter()
        .enumerate()
        .map(|(index, remote)| {
            let main = main.clone();
            let start = start.clone();
            remote.run(move || async move {
                let main = main(index);
                start.wait();
                let begin = Instant::now();
                let output = main.await;
                (begin, Instant::now(), output)
            })
        })
        .collect();
    let results: Vec<_> = results
        .into_iter()
        .map(|result| result.recv().expect("the runtime ends"))
        .collect();
    let begin = results.iter().map(|(begin, ..)| *begin).min();
    let end = results.iter().map(|(_, end, _)| *end).max();
    let time = end
        .zip(begin)
        .map_or(Duration::ZERO, |(end, begin)| end - begin);
    (
        time,
        results.into_iter().map(|(.., output)| output).collect(),
    )
}

/// Where threads wait for each other without going to sleep.
pub struct Start {
    missing: AtomicUsize,
}

impl Start {
    pub fn new(threads: usize) -> Self {
        Self {
            missing: AtomicUsize::new(threads),
        }
    }

    pub fn wait(&self) {
        self.missing.fetch_sub(1, SeqCst);
        let mut tries = 0;
        while self.missing.load(SeqCst) > 0 {
            tries += 1;
            // There may be more threads than processors.
            if tries % 1000 == 0 {
                thread::yield_now();
            }
            hint::spin_loop();
        }
    }
}

/// Nanoseconds, for each of `count`.
pub fn each(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count as f64
}

/// The value that `share` of `values` do not exceed.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * share) as usize;
    values[index.min(values.len() - 1)]
}
