//! Runtimes that end while they are signalled.

use super::*;

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
