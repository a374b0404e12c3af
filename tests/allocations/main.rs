//! What waiting costs in memory: nothing in steady state, and nothing that stays.
//!
//! Allocations are counted per thread, so the tests, and the harness that runs them, do not see
//! each other's.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    process,
    sync::{
        Arc, Barrier,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use compio::runtime::Runtime;
use compio_sync::{
    CancellationToken, Condvar, Event, Fairness, LazyCell, Mutex, OnceCell, Semaphore, SetOnce,
    WaiterQueue, WakeStats, WakeTier, oneshot,
};

// ---- the counting allocator ----

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// Bytes that this thread has allocated, less those that it has freed.
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

fn count(allocations: usize, bytes: isize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
    LIVE.set(LIVE.get() + bytes);
}

// SAFETY: all is passed on to the system's allocator. Counting neither allocates nor unwinds: the
// cells are const and have no destructors.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: the caller's contract is this call's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        // SAFETY: the caller's contract is this call's.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as isize - layout.size() as isize);
        // SAFETY: the caller's contract is this call's.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> usize {
    ALLOCATIONS.get()
}

fn live() -> isize {
    LIVE.get()
}

// ---- helpers ----

/// Runs `test`, and ends the process if that takes two minutes.
fn watched<T>(name: &'static str, test: impl FnOnce() -> T) -> T {
    let (_done, alarm) = mpsc::channel::<()>();
    thread::spawn(move || {
        if alarm.recv_timeout(Duration::from_secs(110)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("HANG: {name} has not ended after 110 s");
            process::exit(124);
        }
    });
    test()
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    runtime().block_on(async {
        compio::runtime::spawn(future)
            .await
            .expect("the task panicked")
    })
}

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

async fn pass_until(condition: impl Fn() -> bool) {
    while !condition() {
        pass().await;
    }
}

/// Polls once with a waker that does nothing.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

const WARM_UP: usize = 200;

mod leaks;
mod steady;
