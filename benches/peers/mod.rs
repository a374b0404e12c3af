//! The semaphores that are compared, behind one interface, and what the benchmarks share.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each benchmark uses a part of it"
)]

use std::{
    future::{Future, poll_fn},
    sync::{Arc, mpsc},
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use compio::runtime::Runtime;

/// How many tasks of one compio 0.19 runtime another thread can wake before it has to wait for that
/// runtime to look. async-lock wakes with its lock held: beyond this, the runtime that would have
/// to look waits for that lock, and neither goes on.
pub const REMOTE_WAKES: usize = 64;

/// A semaphore of some crate's.
pub trait Semaphore: Send + Sync + 'static {
    const NAME: &'static str;
    type Permit<'a>;

    fn new(permits: usize) -> Self;
    fn acquire(&self) -> impl Future<Output = Self::Permit<'_>>;
    fn try_acquire(&self) -> Option<Self::Permit<'_>>;
    fn add_permits(&self, count: usize);
    /// Keeps a permit from being given back.
    fn forget(permit: Self::Permit<'_>);
}

impl Semaphore for compio_sync::Semaphore {
    type Permit<'a> = compio_sync::SemaphorePermit<'a>;

    const NAME: &'static str = "compio-sync";

    fn new(permits: usize) -> Self {
        Self::new(permits)
    }

    #[inline]
    fn acquire(&self) -> impl Future<Output = Self::Permit<'_>> {
        self.acquire()
    }

    #[inline]
    fn try_acquire(&self) -> Option<Self::Permit<'_>> {
        self.try_acquire()
    }

    fn add_permits(&self, count: usize) {
        self.add_permits(count);
    }

    fn forget(permit: Self::Permit<'_>) {
        permit.forget();
    }
}

impl Semaphore for tokio::sync::Semaphore {
    type Permit<'a> = tokio::sync::SemaphorePermit<'a>;

    const NAME: &'static str = "tokio";

    fn new(permits: usize) -> Self {
        Self::new(permits)
    }

    #[inline]
    async fn acquire(&self) -> Self::Permit<'_> {
        self.acquire().await.unwrap()
    }

    #[inline]
    fn try_acquire(&self) -> Option<Self::Permit<'_>> {
        self.try_acquire().ok()
    }

    fn add_permits(&self, count: usize) {
        self.add_permits(count);
    }

    fn forget(permit: Self::Permit<'_>) {
        permit.forget();
    }
}

impl Semaphore for async_lock::Semaphore {
    type Permit<'a> = async_lock::SemaphoreGuard<'a>;

    const NAME: &'static str = "async-lock";

    fn new(permits: usize) -> Self {
        Self::new(permits)
    }

    #[inline]
    fn acquire(&self) -> impl Future<Output = Self::Permit<'_>> {
        self.acquire()
    }

    #[inline]
    fn try_acquire(&self) -> Option<Self::Permit<'_>> {
        self.try_acquire()
    }

    fn add_permits(&self, count: usize) {
        self.add_permits(count);
    }

    fn forget(permit: Self::Permit<'_>) {
        permit.forget();
    }
}

impl Semaphore for asyncband::semaphore::Semaphore {
    type Permit<'a> = asyncband::semaphore::SemaphorePermit<'a>;

    const NAME: &'static str = "asyncband";

    fn new(permits: usize) -> Self {
        Self::new(permits)
    }

    #[inline]
    fn acquire(&self) -> impl Future<Output = Self::Permit<'_>> {
        self.acquire(1)
    }

    #[inline]
    fn try_acquire(&self) -> Option<Self::Permit<'_>> {
        self.try_acquire(1)
    }

    fn add_permits(&self, count: usize) {
        self.release(count);
    }

    fn forget(permit: Self::Permit<'_>) {
        permit.forget();
    }
}

/// Calls `$run::<S>($args)` for every semaphore.
#[macro_export]
macro_rules! for_each_semaphore {
    ($run:ident($($arg:expr),*)) => {
        $run::<compio_sync::Semaphore>($($arg),*);
        $run::<tokio::sync::Semaphore>($($arg),*);
        $run::<async_lock::Semaphore>($($arg),*);
        $run::<asyncband::semaphore::Semaphore>($($arg),*);
    };
}

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

/// A runtime on a thread of its own, which runs what it is sent.
pub struct Remote {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

type Job = Box<dyn FnOnce(&Runtime) + Send>;

impl Remote {
    pub fn new() -> Self {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let thread = thread::spawn(move || {
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

/// On each of `remotes`, `tasks` tasks acquire and release `rounds` times, with one yield inside.
/// Returns the time until all are through.
pub fn contend<S: Semaphore>(
    remotes: &[Remote],
    tasks: usize,
    permits: usize,
    rounds: usize,
) -> Duration {
    let semaphore = Arc::new(S::new(permits));
    let begin = Instant::now();
    let done: Vec<_> = remotes
        .iter()
        .map(|remote| {
            let semaphore = semaphore.clone();
            remote.run(move || async move {
                let tasks: Vec<_> = (0..tasks)
                    .map(|_| {
                        let semaphore = semaphore.clone();
                        compio::runtime::spawn(async move {
                            for _ in 0..rounds {
                                let _permit = semaphore.acquire().await;
                                yield_now().await;
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("the task ends");
                }
            })
        })
        .collect();
    for done in done {
        done.recv().expect("the runtime ends");
    }
    begin.elapsed()
}

/// `count` tasks of `remote` wait; one call lets them all go. Returns the time from that call
/// until the last of them runs.
pub fn fan_out<S: Semaphore>(remote: &Remote, count: usize) -> Duration {
    let semaphore = Arc::new(S::new(0));
    let (waiting, all_wait) = mpsc::channel();
    let finished = remote.run({
        let semaphore = semaphore.clone();
        move || async move {
            let tasks: Vec<_> = (0..count)
                .map(|_| {
                    let semaphore = semaphore.clone();
                    compio::runtime::spawn(async move { S::forget(semaphore.acquire().await) })
                })
                .collect();
            // Behind them all in the executor's queue: they have been polled when this has run.
            compio::runtime::spawn(async move { waiting.send(()).expect("it is waited for") })
                .await
                .expect("the task ends");
            for task in tasks {
                task.await.expect("the task ends");
            }
            Instant::now()
        }
    });
    all_wait.recv().expect("the runtime gets there");
    let begin = Instant::now();
    semaphore.add_permits(count);
    finished
        .recv()
        .expect("the runtime ends")
        .duration_since(begin)
}
