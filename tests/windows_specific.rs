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
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
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

// ---- the tier ----

const ROUNDS: usize = 400;
const WAITERS: usize = 16;

/// Two runtimes that take turns in waiting, with `WAITERS` tasks, and in releasing these, which
/// each does only when all of the other's tasks wait and its listener sleeps. Each returns what its
/// two tiers have counted: iocp, generic.
fn take_turns(tier: WakeTier) -> Vec<(WakeStats, WakeStats)> {
    #[derive(Default)]
    struct Side {
        door: Option<Semaphore>,
        /// The number of the round in which it waits.
        waits: AtomicUsize,
    }

    impl Side {
        fn door(&self) -> &Semaphore {
            self.door.as_ref().expect("it has a door")
        }
    }

    async fn side(me: usize, sides: Arc<[Side; 2]>, tier: WakeTier) -> (WakeStats, WakeStats) {
        tier.select().expect("it can be had");
        for round in 1..=ROUNDS {
            if round % 2 == me {
                let waiters: Vec<_> = (0..WAITERS)
                    .map(|_| {
                        let sides = sides.clone();
                        spawn(async move { sides[me].door().acquire().await.forget() })
                    })
                    .collect();
                pass_until(|| sides[me].door().waiter_count() == WAITERS).await;
                let_the_listener_sleep().await;
                sides[me].waits.store(round, SeqCst);
                for waiter in waiters {
                    waiter.await.expect("a waiter panicked");
                }
            } else {
                let other = &sides[1 - me];
                pass_until(|| other.waits.load(SeqCst) == round).await;
                other.door().add_permits(WAITERS);
            }
        }
        (stats(WakeTier::Iocp), stats(WakeTier::Generic))
    }

    let sides = Arc::new([(); 2].map(|()| Side {
        door: Some(Semaphore::with_fairness(0, Fairness::Fifo)),
        ..Side::default()
    }));
    let threads: Vec<_> = (0..2)
        .map(|me| {
            let sides = sides.clone();
            thread::spawn(move || run(&runtime(), side(me, sides, tier)))
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect()
}

#[test]
fn test_windows_iocp_integration() {
    by_itself("test_windows_iocp_integration", || {
        for (iocp, generic) in take_turns(WakeTier::Iocp) {
            assert_eq!(generic, WakeStats::default(), "nothing went another way");
            assert_eq!(iocp.wakes, ROUNDS / 2 * WAITERS, "{iocp:?}");
            assert_eq!(iocp.batches, ROUNDS / 2, "one delivery for all: {iocp:?}");
            assert_eq!(iocp.signals, ROUNDS / 2, "it slept each time: {iocp:?}");
            assert_eq!(iocp.syscalls, ROUNDS / 2, "one post a ring: {iocp:?}");
            assert_eq!(
                iocp.completions,
                ROUNDS / 2,
                "one completion a post: {iocp:?}"
            );
            assert!(iocp.sleeps >= ROUNDS / 2, "{iocp:?}");
        }
    });
}

#[test]
fn the_generic_tier_completes_no_operation() {
    by_itself("the_generic_tier_completes_no_operation", || {
        for (iocp, generic) in take_turns(WakeTier::Generic) {
            assert_eq!(iocp, WakeStats::default());
            assert_eq!(generic.wakes, ROUNDS / 2 * WAITERS, "{generic:?}");
            assert_eq!(generic.signals, ROUNDS / 2, "{generic:?}");
            assert_eq!(
                (generic.syscalls, generic.completions),
                (0, 0),
                "{generic:?}"
            );
        }
    });
}

#[test]
fn wakes_arrive_between_the_completions_of_other_operations() {
    let _watchdog = Watchdog::new("readers and a waiter");
    const READERS: usize = 16;
    const ROUNDS: usize = 200;
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
    let (reads, wakes) = run(&runtime(), async move {
        WakeTier::Iocp.select().expect("it can be had");
        let file = compio::fs::File::open(env::current_exe().expect("this binary"))
            .await
            .expect("it is there");
        let (over, reads) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
        let readers: Vec<_> = (0..READERS)
            .map(|reader| {
                let (file, over, reads) = (file.clone(), over.clone(), reads.clone());
                spawn(async move {
                    while !over.get() {
                        let buffer = Vec::with_capacity(64);
                        let read = file.read_at(buffer, 64 * reader as u64).await;
                        reads.set(reads.get() + read.0.expect("it can be read"));
                        pass().await;
                    }
                })
            })
            .collect();
        for _ in 0..ROUNDS {
            counted(semaphore.acquire(), &queued).await.forget();
        }
        over.set(true);
        for reader in readers {
            reader.await.expect("a reader panicked");
        }
        (reads.get(), stats(WakeTier::Iocp).wakes)
    });
    releaser.join().unwrap();
    assert!(reads > 0);
    assert!(wakes > 0);
}

/// Why `auto` does not choose this tier.
#[test]
fn a_runtime_that_never_rests_hears_the_generic_tier_only() {
    for tier in TIERS {
        let _watchdog = Watchdog::new(&tier.to_string());
        let heard = run(&runtime(), async move {
            tier.select().expect("it can be had");
            let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
            let waiter = spawn({
                let semaphore = semaphore.clone();
                async move { semaphore.acquire().await.forget() }
            });
            pass_until(|| semaphore.waiter_count() == 1).await;
            let_the_listener_sleep().await;
            thread::spawn(move || semaphore.add_permits(1))
                .join()
                .unwrap();
            for _ in 0..1_000 {
                pass().await;
            }
            let heard = waiter.is_finished();
            waiter.await.expect("the waiter panicked");
            heard
        });
        assert_eq!(
            heard,
            tier == WakeTier::Generic,
            "by {tier}. If compio has come to look at its port, let `auto` choose it"
        );
    }
}

// ---- where the tier is not wanted, or another one is ----

#[test]
fn test_windows_version_fallback() {
    const NAME: &str = "test_windows_version_fallback";
    let _watchdog = Watchdog::new("children");
    if let Some(role) = role() {
        play(&role);
        println!("{}", played(&role));
        return;
    }
    let no_unicode = OsString::from_wide(&[u16::from(b'i'), 0xD800]);
    for (value, role) in [
        (OsStr::new("generic"), "generic"),
        (OsStr::new("iocp"), "iocp"),
        (OsStr::new("auto"), "generic"),
        (OsStr::new("futex"), "futex"),
        (OsStr::new("nonsense"), "unknown"),
        (OsStr::new("Iocp"), "unknown"),
        (OsStr::new("iocp "), "unknown"),
        (&no_unicode, "unknown"),
    ] {
        let output = child(NAME, role).env(TIER, value).output();
        assert_played(role, &output.expect("a child"));
    }
    assert_played(
        "generic",
        &child(NAME, "generic").output().expect("a child"),
    );

    // And asked for at run time.
    let runtime = runtime();
    assert_eq!(runtime.driver_type(), DriverType::IOCP);
    let refused = Err(TierError::NotBuilt {
        tier: WakeTier::Futex,
    });
    runtime.enter(|| {
        assert_eq!(WakeTier::Futex.check(), refused);
        assert_eq!(WakeTier::Futex.select(), refused);
        assert_eq!(WakeTier::Iocp.check(), Ok(()));
    });
    for tier in [WakeTier::Generic, WakeTier::Iocp, WakeTier::Generic] {
        assert_wakes_arrive_by(tier, &runtime);
        runtime.enter(|| assert_eq!(WakeTier::current(), Some(tier)));
    }
}

/// What a child does under one value of the variable.
fn play(role: &str) {
    let carries = |tier: WakeTier, not: WakeTier| {
        let runtime = runtime();
        runtime.enter(|| assert_eq!(WakeTier::current(), Some(tier)));
        assert_wakes_arrive(&runtime);
        runtime.enter(|| {
            assert!(stats(tier).wakes > 0);
            assert_eq!(stats(not), WakeStats::default());
        });
    };
    match role {
        "generic" => carries(WakeTier::Generic, WakeTier::Iocp),
        "iocp" => carries(WakeTier::Iocp, WakeTier::Generic),
        "futex" => assert_refused(&[
            "COMPIO_SYNC_TIER=futex asks for what this runtime cannot have",
            "another platform",
            "Unset the variable, or set it to auto",
        ]),
        "unknown" => {
            assert_refused(&["COMPIO_SYNC_TIER=", "is none of auto, generic, futex, iocp"]);
        }
        _ => panic!("there is no part `{role}`"),
    }
}

/// The first wait of a runtime panics with `words`, and queues nothing.
fn assert_refused(words: &[&str]) {
    let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
    let runtime = runtime();
    for _ in 0..2 {
        let waiting = semaphore.clone();
        let message = panic_of(|| {
            run(&runtime, async move { waiting.acquire().await.forget() });
        });
        for word in words {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
        assert_eq!(semaphore.waiter_count(), 0);
    }
}

// ---- changes at run time ----

/// Each task chooses another tier after each wake: sleeps are left early, and begun anew while the
/// completion of the one before is still on its way.
#[test]
fn a_change_of_tiers_loses_no_wake() {
    const PERMITS: usize = 6_000;
    const TASKS: usize = 6;
    for rivals in [1, 3] {
        let _watchdog = Watchdog::new(&format!("{rivals} releasers"));
        let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
        let received = Arc::new(AtomicUsize::new(0));
        let sent = Arc::new(AtomicUsize::new(0));
        let releasers: Vec<_> = (0..rivals)
            .map(|_| {
                let (semaphore, received) = (semaphore.clone(), received.clone());
                let sent = sent.clone();
                thread::spawn(move || {
                    // Until all have been received: the runtime comes to sleep under each tier.
                    loop {
                        let count = sent.load(SeqCst) % TASKS + 1;
                        let before = sent.fetch_add(count, SeqCst);
                        semaphore.add_permits(count);
                        if before >= PERMITS {
                            break;
                        }
                        until(|| received.load(SeqCst) >= before + count);
                    }
                })
            })
            .collect();
        let tasks = thread::spawn({
            let (semaphore, received) = (semaphore.clone(), received.clone());
            move || {
                run(&runtime(), async move {
                    let tasks: Vec<_> = (0..TASKS)
                        .map(|task| {
                            let (semaphore, received) = (semaphore.clone(), received.clone());
                            spawn(async move {
                                let mut turns = task;
                                while let Ok(permit) = semaphore.acquire().or_closed().await {
                                    permit.forget();
                                    turns += 1;
                                    TIERS[turns % 2].select().expect("it can be had");
                                    received.fetch_add(1, SeqCst);
                                }
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.expect("a task panicked");
                    }
                    TIERS.map(stats)
                })
            }
        });
        for releaser in releasers {
            releaser.join().unwrap();
        }
        until(|| received.load(SeqCst) == sent.load(SeqCst));
        semaphore.close();
        for stats in tasks.join().unwrap() {
            assert!(stats.wakes > 0 && stats.sleeps > 0, "{stats:?}");
        }
    }
}

/// Many threads ring a runtime whose tasks come to wait at any time: wakes arrive between the
/// beginning of a sleep and its arming, and rings while the listener is at work.
#[test]
fn many_ringers_and_a_restless_listener_lose_no_wake() {
    by_itself("many_ringers_and_a_restless_listener_lose_no_wake", || {
        const RINGERS: usize = 4;
        const PERMITS: usize = 4_000;
        for tier in TIERS {
            let _watchdog = Watchdog::new(&tier.to_string());
            let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
            let ringers: Vec<_> = (0..RINGERS)
                .map(|ringer| {
                    let semaphore = semaphore.clone();
                    thread::spawn(move || {
                        for permit in 0..PERMITS {
                            semaphore.add_permits(1);
                            for _ in 0..(permit * (ringer + 1)) % 512 {
                                hint::spin_loop();
                            }
                        }
                    })
                })
                .collect();
            let counted = run(&runtime(), async move {
                tier.select().expect("it can be had");
                let tasks: Vec<_> = (0..RINGERS)
                    .map(|task| {
                        let semaphore = semaphore.clone();
                        spawn(async move {
                            for permit in 0..PERMITS {
                                semaphore.acquire().await.forget();
                                if permit % 3 == task % 3 {
                                    pass().await;
                                }
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("a task panicked");
                }
                stats(tier)
            });
            for ringer in ringers {
                ringer.join().unwrap();
            }
            assert!(counted.signals <= counted.sleeps, "{tier}: {counted:?}");
            if tier == WakeTier::Iocp {
                assert!(counted.syscalls <= counted.signals, "{counted:?}");
                assert!(counted.completions <= counted.syscalls, "{counted:?}");
            }
        }
    });
}

// ---- runtimes that go away ----

/// The doorbell rings in the moment in which its runtime is dropped, before, and after.
#[test]
fn a_runtime_may_be_dropped_while_its_bell_rings() {
    const RUNTIMES: usize = 800;
    for tier in TIERS {
        let _watchdog = Watchdog::new(&tier.to_string());
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let doors: Arc<Vec<Semaphore>> = Arc::new(
            (0..RUNTIMES)
                .map(|_| Semaphore::with_fairness(0, Fairness::Fifo))
                .collect(),
        );
        let ringer = thread::spawn({
            let (begun, ended, doors) = (begun.clone(), ended.clone(), doors.clone());
            move || {
                for (round, door) in doors.iter().enumerate() {
                    until(|| begun.load(SeqCst) > round);
                    for _ in 0..round % 37 * 8 {
                        hint::spin_loop();
                    }
                    door.add_permits(1);
                    ended.store(round + 1, SeqCst);
                }
            }
        });
        for round in 0..RUNTIMES {
            let runtime = runtime();
            let served = Rc::new(Cell::new(0));
            runtime.block_on(async {
                tier.select().expect("it can be had");
                let (doors, served) = (doors.clone(), served.clone());
                spawn(async move {
                    doors[round].acquire().await.forget();
                    served.set(1);
                })
                .detach();
                let_the_listener_sleep().await;
            });
            begun.store(round + 1, SeqCst);
            for _ in 0..round % 41 * 64 {
                hint::spin_loop();
            }
            drop(runtime);
            until(|| ended.load(SeqCst) > round);
            let door = &doors[round];
            assert_eq!(door.waiter_count(), 0);
            assert_eq!(door.available_permits() + served.get(), 1, "{tier}");
        }
        ringer.join().unwrap();
    }
}

/// Tasks of a runtime and another thread pass two permits around until the runtime is dropped in
/// the midst of it. Then the same thread does it again with its next runtime.
#[test]
fn a_runtime_that_is_dropped_while_it_is_woken_keeps_no_permit() {
    const RUNTIMES: usize = 300;
    const PERMITS: usize = 2;
    for (tier, fairness) in TIERS
        .into_iter()
        .flat_map(|tier| [(tier, Fairness::Fifo), (tier, Fairness::default())])
    {
        let _watchdog = Watchdog::new(&tier.to_string());
        let semaphore = Arc::new(Semaphore::with_fairness(PERMITS, fairness));
        let over = Arc::new(AtomicBool::new(false));
        let rival = thread::spawn({
            let (semaphore, over) = (semaphore.clone(), over.clone());
            move || {
                while !over.load(Relaxed) {
                    drop(semaphore.blocking_acquire());
                }
            }
        });
        for round in 0..RUNTIMES {
            let runtime = runtime();
            let semaphore = semaphore.clone();
            runtime.block_on(async move {
                tier.select().expect("it can be had");
                let served = Rc::new(Cell::new(0));
                let enough = Rc::new(Event::new());
                for _ in 0..8 {
                    let (semaphore, served) = (semaphore.clone(), served.clone());
                    let enough = enough.clone();
                    spawn(async move {
                        loop {
                            let permit = semaphore.clone().acquire_owned().await;
                            served.set(served.get() + 1);
                            if served.get() > round % 16 {
                                enough.set();
                            }
                            pass().await;
                            drop(permit);
                        }
                    })
                    .detach();
                }
                enough.wait().await;
            });
            drop(runtime);
        }
        over.store(true, Relaxed);
        rival.join().unwrap();
        assert_eq!(semaphore.available_permits(), PERMITS, "{tier}");
        assert_eq!((semaphore.in_use(), semaphore.waiter_count()), (0, 0));
    }
}

/// More waiters than compio's queue for other threads has slots, all granted while they go.
#[test]
fn a_thousand_waiters_may_be_granted_while_their_runtime_goes() {
    const WAITERS: usize = 1_000;
    for tier in TIERS {
        let _watchdog = Watchdog::new(&tier.to_string());
        for round in 0..20 {
            let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
            let both = Arc::new(Barrier::new(2));
            let releaser = thread::spawn({
                let (semaphore, both) = (semaphore.clone(), both.clone());
                move || {
                    both.wait();
                    for _ in 0..10 {
                        semaphore.add_permits(WAITERS / 10);
                    }
                }
            });
            let runtime = runtime();
            let served = Rc::new(Cell::new(0));
            runtime.block_on(async {
                tier.select().expect("it can be had");
                for _ in 0..WAITERS {
                    let (semaphore, served) = (semaphore.clone(), served.clone());
                    spawn(async move {
                        semaphore.acquire_owned().await.forget();
                        served.set(served.get() + 1);
                    })
                    .detach();
                }
                pass_until(|| semaphore.waiter_count() == WAITERS).await;
                both.wait();
                for _ in 0..round {
                    pass().await;
                }
            });
            drop(runtime);
            releaser.join().unwrap();
            assert_eq!(semaphore.waiter_count(), 0);
            assert_eq!(semaphore.available_permits() + served.get(), WAITERS);
        }
    }
}

#[test]
fn a_runtime_after_a_panic_or_a_leak_has_a_working_bell() {
    for tier in TIERS {
        let _watchdog = Watchdog::new(&tier.to_string());
        let first = runtime();
        assert_wakes_arrive_by(tier, &first);
        for _ in 0..10 {
            // compio drops all tasks, and with them the listener, when the main future panics.
            let panic = catch_unwind(AssertUnwindSafe(|| {
                first.block_on(async { panic!("as it should") });
            }));
            assert!(panic.is_err());
            assert_wakes_arrive_by(tier, &first);
        }
        // A runtime that is dropped while its thread unwinds leaks its tasks instead.
        let panic = catch_unwind(|| {
            let _dropped = {
                let runtime = runtime();
                assert_wakes_arrive_by(tier, &runtime);
                runtime
            };
            panic!("as it should");
        });
        assert!(panic.is_err());
        assert_wakes_arrive_by(tier, &runtime());
        for _ in 0..10 {
            let leaked = runtime();
            assert_wakes_arrive_by(tier, &leaked);
            std::mem::forget(leaked);
            assert_wakes_arrive_by(tier, &runtime());
        }
        assert_wakes_arrive_by(tier, &first);
    }
}

/// However a process ends, it may do so while its runtimes sleep and are signalled: it ends as it was told
/// to, and not by a fault.
#[test]
fn a_process_may_end_while_its_bells_ring() {
    const NAME: &str = "a_process_may_end_while_its_bells_ring";
    const STATUS: i32 = 42;
    let _watchdog = Watchdog::new("children");
    if let Some(role) = role() {
        let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
        let served = Arc::new(AtomicUsize::new(0));
        for _ in 0..2 {
            let (waited, counted) = (semaphore.clone(), served.clone());
            thread::spawn(move || {
                run(&runtime(), async move {
                    WakeTier::Iocp.select().expect("it can be had");
                    loop {
                        waited.acquire().await.forget();
                        counted.fetch_add(1, SeqCst);
                    }
                })
            });
            let released = semaphore.clone();
            thread::spawn(move || {
                loop {
                    until(|| released.waiter_count() > 0);
                    released.add_permits(1);
                }
            });
        }
        until(|| served.load(SeqCst) >= 100);
        println!("{}", played(&role));
        match &*role {
            // libtest returns from `main`, and the threads are still there.
            "return" => return,
            "exit" => process::exit(STATUS),
            _ => panic!("there is no part `{role}`"),
        }
    }
    for (role, status) in [("return", 0), ("exit", STATUS)].repeat(10) {
        let output = child(NAME, role).output().expect("a child");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&played(role)), "{role}: {output:?}");
        assert_eq!(output.status.code(), Some(status), "{role}: {output:?}");
    }
}

/// A runtime that its thread keeps goes when the thread has ended, with the thread's other variables.
#[test]
fn a_runtime_may_go_with_its_thread_while_its_bell_rings() {
    thread_local! {
        static RUNTIME: Runtime = runtime();
    }

    for tier in TIERS {
        let _watchdog = Watchdog::new(&tier.to_string());
        for round in 0..100 {
            let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
            let both = Arc::new(Barrier::new(2));
            let releaser = thread::spawn({
                let (semaphore, both) = (semaphore.clone(), both.clone());
                move || {
                    both.wait();
                    for _ in 0..round % 10 * 64 {
                        hint::spin_loop();
                    }
                    semaphore.add_permits(1);
                }
            });
            let waiter = thread::spawn({
                let semaphore = semaphore.clone();
                move || {
                    RUNTIME.with(|runtime| {
                        runtime.block_on(async {
                            tier.select().expect("it can be had");
                            spawn(async move { drop(semaphore.acquire_owned().await) }).detach();
                            let_the_listener_sleep().await;
                        });
                    });
                    both.wait();
                }
            });
            waiter.join().unwrap();
            releaser.join().unwrap();
            assert_eq!((semaphore.in_use(), semaphore.waiter_count()), (0, 0));
            assert_eq!(semaphore.available_permits(), 1, "{tier}");
        }
    }
}

unsafe extern "system" {
    fn GetProcessHandleCount(process: *mut c_void, count: *mut u32) -> i32;
    fn GetCurrentProcess() -> *mut c_void;
    fn CreateEventW(
        attributes: *const c_void,
        manual: i32,
        state: i32,
        name: *const u16,
    ) -> *mut c_void;
}

/// How many handles the process has open. Where the system does not tell (Wine), the number that
/// the next one gets: it is the lowest that is free.
fn handles() -> isize {
    let mut count = 0;
    // SAFETY: they write to `count` and make a handle, which nobody else has.
    let next = unsafe {
        GetProcessHandleCount(GetCurrentProcess(), &raw mut count);
        OwnedHandle::from_raw_handle(CreateEventW(ptr::null(), 0, 0, ptr::null()))
    };
    if count > 0 {
        count as isize
    } else {
        next.as_raw_handle() as isize / 4
    }
}

/// No handle, and of memory one operation, if the listener slept by the completion port.
#[test]
fn a_dropped_runtime_leaves_one_operation_behind() {
    const NAME: &str = "a_dropped_runtime_leaves_one_operation_behind";
    let _watchdog = Watchdog::new("many runtimes");
    const RUNTIMES: isize = 64;
    if let Some(role) = role() {
        let tier = TIERS.into_iter().find(|tier| tier.to_string() == role);
        let tier = tier.expect("a tier");
        let some = |count| {
            for _ in 0..count {
                let runtime = runtime();
                assert_wakes_arrive_by(tier, &runtime);
                drop(runtime);
            }
            (LIVE.load(SeqCst), handles())
        };
        let before = some(16);
        let after = some(RUNTIMES);
        let bytes = (after.0 - before.0) / RUNTIMES;
        let handles = after.1 - before.1;
        println!("{tier}: {bytes} bytes a runtime, {handles} handles in all");
        let allowed = match tier {
            WakeTier::Iocp => 64..=128,
            _ => 0..=8,
        };
        assert!(allowed.contains(&bytes), "{tier}: {bytes} bytes a runtime");
        assert!(handles < RUNTIMES / 8, "{tier}: {handles} handles more");
        println!("{}", played(&role));
        return;
    }
    for tier in TIERS {
        let output = child(NAME, &tier.to_string()).output().expect("a child");
        let text = assert_played(&tier.to_string(), &output);
        println!("{text}");
    }
}

// ---- several runtimes on a thread ----

#[test]
fn a_runtime_within_a_task_of_another_is_woken() {
    for tier in TIERS {
        let _watchdog = Watchdog::new(&tier.to_string());
        for _ in 0..20 {
            let doors: Arc<[Semaphore; 3]> =
                Arc::new([const { Semaphore::with_fairness(0, Fairness::Fifo) }; 3]);
            let releaser = thread::spawn({
                let doors = doors.clone();
                move || {
                    // All three wait by then: the outer runtime's are granted while their runtime
                    // cannot run.
                    until(|| doors.iter().all(|door| door.waiter_count() == 1));
                    doors[1].add_permits(1);
                    doors[2].add_permits(1);
                    doors[0].add_permits(1);
                }
            });
            let outer = runtime();
            outer.block_on(async {
                tier.select().expect("it can be had");
                let waiting = [1, 2].map(|door| {
                    let doors = doors.clone();
                    spawn(async move { doors[door].acquire().await.forget() })
                });
                pass_until(|| doors[1].waiter_count() + doors[2].waiter_count() == 2).await;
                let nested = spawn({
                    let doors = doors.clone();
                    async move {
                        let inner = runtime();
                        inner.enter(|| tier.select()).expect("it can be had");
                        run(&inner, async move { doors[0].acquire().await.forget() });
                    }
                });
                nested.await.expect("the nested task panicked");
                for task in waiting {
                    task.await.expect("a task panicked");
                }
                assert_eq!(WakeTier::current(), Some(tier));
            });
            releaser.join().unwrap();
        }
    }
}

// ---- many at once ----

#[test]
fn a_thousand_waiters_on_another_runtime_are_woken_at_once() {
    const WAITERS: usize = 1_000;
    for tier in TIERS {
        let _watchdog = Watchdog::new(&tier.to_string());
        let (semaphore, event) = (
            Arc::new(Semaphore::with_fairness(0, Fairness::Fifo)),
            Arc::new(Event::new()),
        );
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let queued = Arc::new(AtomicUsize::new(0));
        let releaser = thread::spawn({
            let (semaphore, event, pair) = (semaphore.clone(), event.clone(), pair.clone());
            let queued = queued.clone();
            move || {
                until(|| queued.load(SeqCst) == WAITERS);
                semaphore.add_permits(WAITERS);
                until(|| queued.load(SeqCst) == 2 * WAITERS);
                event.set();
                until(|| queued.load(SeqCst) == 3 * WAITERS);
                *pair.0.blocking_lock() = true;
                pair.1.notify_all();
            }
        });
        let wakes = run(&runtime(), async move {
            tier.select().expect("it can be had");
            let waiters: Vec<_> = (0..WAITERS)
                .map(|_| {
                    let (semaphore, event, pair) = (semaphore.clone(), event.clone(), pair.clone());
                    let queued = queued.clone();
                    spawn(async move {
                        counted(semaphore.acquire(), &queued).await.forget();
                        counted(event.wait(), &queued).await;
                        let (mutex, condvar) = &*pair;
                        let wait = condvar.wait_while(mutex.lock().await, |set| !*set);
                        drop(counted(wait, &queued).await);
                    })
                })
                .collect();
            for waiter in waiters {
                waiter.await.expect("a waiter panicked");
            }
            stats(tier).wakes
        });
        releaser.join().unwrap();
        assert!(wakes > WAITERS, "{tier}: {wakes}");
    }
}

/// Both release all of the other's waiters at the same time, several times.
#[test]
fn two_runtimes_release_a_thousand_waiters_of_each_other() {
    by_itself(
        "two_runtimes_release_a_thousand_waiters_of_each_other",
        || {
            const ROUNDS: usize = 10;
            const WAITERS: usize = 1_000;
            for tier in TIERS {
                let _watchdog = Watchdog::new(&tier.to_string());
                let doors: Arc<[Semaphore; 2]> =
                    Arc::new([const { Semaphore::with_fairness(0, Fairness::Fifo) }; 2]);
                let both = Arc::new(Barrier::new(2));
                let threads: Vec<_> = (0..2)
                    .map(|me| {
                        let (doors, both) = (doors.clone(), both.clone());
                        thread::spawn(move || {
                            run(&runtime(), async move {
                                tier.select().expect("it can be had");
                                for _ in 0..ROUNDS {
                                    let waiters: Vec<_> = (0..WAITERS)
                                        .map(|_| {
                                            let doors = doors.clone();
                                            spawn(async move { doors[me].acquire().await.forget() })
                                        })
                                        .collect();
                                    pass_until(|| doors[me].waiter_count() == WAITERS).await;
                                    both.wait();
                                    doors[1 - me].add_permits(WAITERS);
                                    for waiter in waiters {
                                        waiter.await.expect("a waiter panicked");
                                    }
                                }
                                stats(tier)
                            })
                        })
                    })
                    .collect();
                for thread in threads {
                    let stats = thread.join().unwrap();
                    assert_eq!(stats.wakes, ROUNDS * WAITERS, "{tier}: {stats:?}");
                }
            }
        },
    );
}
