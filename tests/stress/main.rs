//! Long runs with many threads, runtimes and cancellations.
//!
//! `STRESS_TEST_ITERATIONS` says how long: the default of 30 takes some seconds, and each test's
//! work grows with the number.

mod cancellation;
mod edge_cases;
mod high_contention;
#[cfg(target_os = "linux")]
mod hostile;

use std::{
    env,
    future::{Future, poll_fn},
    pin::Pin,
    process,
    sync::mpsc,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use compio::runtime::Runtime;
use compio_sync::Fairness;

const DEFAULT: usize = 30;

/// What of each there is to be tested.
const FAIRNESSES: [Fairness; 3] = [Fairness::Fifo, Fairness::Bounded(1), Fairness::DEFAULT];

/// How much a test is to do, in its own unit.
fn iterations() -> usize {
    match env::var("STRESS_TEST_ITERATIONS") {
        Ok(number) => number.parse().expect("STRESS_TEST_ITERATIONS is a number"),
        Err(_) => DEFAULT,
    }
}

/// Runs `test`, and ends the process if that takes too long: two minutes, if
/// `STRESS_TEST_ITERATIONS` does not ask for more.
fn watched<T>(name: &'static str, test: impl FnOnce() -> T) -> T {
    let limit = Duration::from_secs(110) * iterations().div_ceil(DEFAULT) as u32;
    let (_done, alarm) = mpsc::channel::<()>();
    thread::spawn(move || {
        if alarm.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("HANG: {name} has not ended after {} s", limit.as_secs());
            process::exit(124);
        }
    });
    test()
}

/// Runs `test`, the body of the test `name`, in a process of its own, which it may abort.
fn isolated(name: &'static str, test: impl FnOnce()) {
    const ROLE: &str = "COMPIO_SYNC_TEST_ROLE";
    if env::var_os(ROLE).is_some() {
        return watched(name, test);
    }
    let output = process::Command::new(env::current_exe().expect("the test binary"))
        .args(["--exact", name, "--nocapture"])
        .env(ROLE, "isolated")
        .output()
        .expect("a child");
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

/// Runs `future` on a runtime of its own, as a task rather than as its main future.
fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    runtime().block_on(async {
        compio::runtime::spawn(future)
            .await
            .expect("the task panicked")
    })
}

/// Runs `main` on `count` threads, and returns what they return.
fn on_threads<T: Send>(count: usize, main: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let main = &main;
        let threads: Vec<_> = (0..count)
            .map(|thread| scope.spawn(move || main(thread)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread panicked"))
            .collect()
    })
}

/// Waits on this thread until `condition` holds.
fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// Lets the runtime's other tasks run.
async fn pass() {
    let mut passed = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut passed, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits in a task until `condition` holds.
async fn pass_until(condition: impl Fn() -> bool) {
    while !condition() {
        pass().await;
    }
}

/// Polls once with a waker that does nothing.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls `future` at most `polls` times, letting others run in between, and then drops it.
async fn at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    some_polls(polls, std::pin::pin!(future)).await
}

/// Polls `future` at most `polls` times, letting others run in between.
async fn some_polls<F: Future>(polls: usize, mut future: Pin<&mut F>) -> Option<F::Output> {
    for _ in 0..polls {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        pass().await;
    }
    None
}

/// Marsaglia's xorshift: the same numbers in each run.
struct Random(u64);

impl Random {
    fn new(seed: usize) -> Self {
        Self((seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}
