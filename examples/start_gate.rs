//! Two `Event`s, as a start signal and as a stop signal, for tasks and threads alike.
//!
//! Runtimes on threads of their own count as fast as they can, all of them from the same moment
//! until the same moment, and so does a plain thread. What to look at:
//! - `START` stays set: who comes late does not wait, and nobody can miss it.
//! - `READY` counts those who have arrived. It is a `Semaphore` without permits: each adds one, and
//!   `main` acquires them all at once.
//! - `main` is a plain thread. It waits by `blocking_` methods, in the same line as the tasks.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use compio::runtime::{Runtime, spawn};
use compio_sync::{Event, Semaphore};
use futures_util::future::join_all;

const RUNTIMES: usize = 2;
const TASKS: usize = 8;
/// The tasks of all runtimes, and the plain thread.
const RUNNERS: usize = RUNTIMES * TASKS + 1;

static READY: Semaphore = Semaphore::new(0);
static START: Event = Event::new();
static STOP: Event = Event::new();
static COUNT: AtomicU64 = AtomicU64::new(0);

fn main() {
    let mut threads: Vec<_> = (0..RUNTIMES)
        .map(|_| {
            thread::spawn(|| {
                let runtime =
                    Runtime::new().expect("the system should have room for another runtime");
                let tasks =
                    runtime.block_on(async { join_all((0..TASKS).map(|_| spawn(run()))).await });
                assert!(tasks.into_iter().all(|task| task.is_ok()));
            })
        })
        .collect();
    threads.push(thread::spawn(|| {
        READY.add_permits(1);
        START.blocking_wait();
        while !STOP.is_set() {
            COUNT.fetch_add(1, Relaxed);
        }
    }));

    READY.blocking_acquire_many(RUNNERS).forget();
    assert_eq!(COUNT.load(Relaxed), 0, "nobody has jumped the gun");
    println!("{RUNNERS} at the start, {} asleep", START.waiter_count());

    let begin = Instant::now();
    START.set();
    thread::sleep(Duration::from_millis(50));
    STOP.set();
    let time = begin.elapsed();
    for thread in threads {
        thread.join().expect("nobody should panic");
    }
    let count = COUNT.load(Relaxed);
    println!("counted to {count} in {} ms", time.as_millis());
    assert!(count >= RUNNERS as u64 - 1, "every task has run");
}

/// Says that it is ready, waits for the start, and counts until the stop.
async fn run() {
    READY.add_permits(1);
    START.wait().await;
    loop {
        COUNT.fetch_add(1, Relaxed);
        if STOP.is_set() {
            return;
        }
        // A task that does not wait for anything has to let the others run.
        compio::time::sleep(Duration::ZERO).await;
    }
}
