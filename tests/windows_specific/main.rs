//! The completion port tier: on the Windows that runs this, or on Wine.
//!
//! What would spoil other tests (an environment, a count of the process's memory) is done in a
//! child: this test binary again, told by a variable which part to play.

#![cfg(all(windows, feature = "windows-iocp"))]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    env,
    ffi::{OsStr, OsString, c_void},
    future::{Future, poll_fn},
    hint,
    os::windows::{
        ffi::OsStringExt,
        io::{AsRawHandle, FromRawHandle, OwnedHandle},
    },
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    process::{self, Command, Output, Stdio},
    ptr,
    rc::Rc,
    sync::{
        Arc, Barrier,
        atomic::{
            AtomicBool, AtomicIsize, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread,
};

use compio::{
    driver::DriverType,
    io::AsyncReadAt,
    runtime::{JoinError, Runtime, spawn},
};
use compio_sync::{Condvar, Event, Fairness, Mutex, Semaphore, TierError, WakeStats, WakeTier};

#[path = "../common/mod.rs"]
mod common;
use common::{Watchdog, panic_of, until, yield_now as pass};

// ---- helpers ----

/// Wipes what it frees, so that a completion for an operation that is gone does not go unnoticed;
/// and counts what it has not freed.
struct Wiping;

static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: all is passed on to the system's allocator, and what is written to is the caller's no
// more.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Relaxed);
        // SAFETY: the caller's contract is this call's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Relaxed);
        // SAFETY: the caller's contract is these calls'.
        unsafe {
            ptr::write_bytes(memory, 0xDD, layout.size());
            System.dealloc(memory, layout);
        }
    }
}

#[global_allocator]
static ALLOCATOR: Wiping = Wiping;

const TIERS: [WakeTier; 2] = [WakeTier::Generic, WakeTier::Iocp];

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

/// Runs `future` as a task, whose waits have a home, rather than as the runtime's main future.
fn run<T: 'static>(runtime: &Runtime, future: impl Future<Output = T> + 'static) -> T {
    runtime.block_on(async {
        match spawn(future).await {
            Ok(output) => output,
            Err(JoinError::Panicked(panic)) => resume_unwind(panic),
            Err(JoinError::Cancelled) => unreachable!("nobody cancels it"),
        }
    })
}

/// Waits in a task until `condition` holds.
async fn pass_until(condition: impl Fn() -> bool) {
    while !condition() {
        pass().await;
    }
}

/// Lets the listener of a runtime that has waited come to its sleep.
async fn let_the_listener_sleep() {
    for _ in 0..4 {
        pass().await;
    }
}

fn stats(tier: WakeTier) -> WakeStats {
    WakeStats::current(tier).expect("inside a runtime")
}

/// Counts a wait as soon as it is queued to its end: what wakes it from then on is the doorbell.
async fn counted<F: Future>(wait: F, queued: &AtomicUsize) -> F::Output {
    let mut wait = pin!(wait);
    let mut begun = false;
    poll_fn(|cx| {
        let polled = wait.as_mut().poll(cx);
        if !std::mem::replace(&mut begun, true) {
            queued.fetch_add(1, SeqCst);
        }
        polled
    })
    .await
}

/// Waits for permits in a task of this thread's runtime, which another thread releases one by one.
fn assert_wakes_arrive(runtime: &Runtime) {
    const ROUNDS: usize = 20;
    let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
    let queued = Arc::new(AtomicUsize::new(0));
    let releaser = thread::spawn({
        let (semaphore, queued) = (semaphore.clone(), queued.clone());
        move || {
            for round in 1..=ROUNDS {
                until(|| queued.load(SeqCst) == round);
                semaphore.add_permits(1);
            }
        }
    });
    run(runtime, async move {
        for _ in 0..ROUNDS {
            counted(semaphore.acquire(), &queued).await.forget();
        }
    });
    releaser.join().unwrap();
}

/// As [`assert_wakes_arrive`], after the choice of `tier`.
fn assert_wakes_arrive_by(tier: WakeTier, runtime: &Runtime) {
    runtime.enter(|| tier.select()).expect("it can be had");
    assert_wakes_arrive(runtime);
    runtime.enter(|| assert!(stats(tier).wakes > 0, "by {tier}"));
}

// ---- children ----

const ROLE: &str = "COMPIO_SYNC_TEST_ROLE";
const TIER: &str = "COMPIO_SYNC_TIER";

/// This test binary again, playing `role` in the test `name`.
fn child(name: &str, role: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("the test binary"));
    command
        .args([name, "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        // Slow in Wine, for panics that are expected.
        .env("RUST_BACKTRACE", "0")
        .env_remove(TIER)
        .stdin(Stdio::null());
    command
}

/// Runs `test`, the body of the test `name`, in a process without other tests: a wake for a runtime
/// that is gone is passed on, and counted, by the one that has got its doorbell.
fn by_itself(name: &'static str, test: impl FnOnce()) {
    const ALL_OF_IT: &str = "all of it";
    let _watchdog = Watchdog::new(ALL_OF_IT);
    if role().is_some() {
        test();
        println!("{}", played(ALL_OF_IT));
    } else {
        let output = child(name, ALL_OF_IT).output();
        assert_played(ALL_OF_IT, &output.expect("a child"));
    }
}

/// Which part this process is to play, if it is a child.
fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// What a child prints when it has played its part to the end.
fn played(role: &str) -> String {
    format!("PLAYED {role}")
}

fn assert_played(role: &str, output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && text.contains(&played(role)),
        "the child did not play `{role}`: {}\n---- stdout\n{text}\n---- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
    text
}

mod changing;
mod ending;
mod iocp;
mod many;
mod refused;
