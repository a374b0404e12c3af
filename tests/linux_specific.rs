//! The futex tier, and what happens where it cannot be had: on this machine's own kernel, with the
//! obstacles put up for real (seccomp filters, resource limits, drivers, environment variables).
//!
//! What would spoil other tests (a filter, a limit, an environment) is done in a child: this test
//! binary again, told by a variable which part to play.

#![cfg(all(target_os = "linux", feature = "linux-futex"))]
// Futures that have been begun on one runtime are handed to others.
#![allow(clippy::async_yields_async)]

use std::{
    cell::Cell,
    env,
    ffi::OsStr,
    fs,
    future::{Future, poll_fn},
    os::unix::ffi::OsStrExt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    process::{self, Command, Output, Stdio},
    rc::Rc,
    sync::{
        Arc, Barrier,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc,
    },
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use compio::{
    driver::{DriverType, ProactorBuilder},
    io::AsyncReadAt,
    runtime::{JoinError, Runtime, RuntimeBuilder},
};
use compio_sync::{Condvar, Event, Fairness, Mutex, Semaphore, TierError, WakeStats, WakeTier};
use futures_util::{StreamExt, stream::FuturesUnordered};

// ---- helpers ----

/// Runs `test`, and ends the process if that takes so long that it must hang, even in an emulator on
/// a busy machine.
fn watched<T>(name: &'static str, test: impl FnOnce() -> T) -> T {
    let (_done, alarm) = mpsc::channel::<()>();
    thread::spawn(move || {
        if alarm.recv_timeout(Duration::from_secs(300)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("HANG: {name} has not ended after 300 s");
            process::exit(124);
        }
    });
    test()
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

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

fn runtime_with(configure: impl FnOnce(&mut ProactorBuilder)) -> Runtime {
    let mut proactor = ProactorBuilder::new();
    configure(&mut proactor);
    RuntimeBuilder::new()
        .with_proactor(proactor)
        .build()
        .expect("a runtime")
}

/// Runs `future` as a task, whose waits have a home, rather than as the runtime's main future.
fn run<T: 'static>(runtime: &Runtime, future: impl Future<Output = T> + 'static) -> T {
    runtime.block_on(async {
        match compio::runtime::spawn(future).await {
            Ok(output) => output,
            Err(JoinError::Panicked(panic)) => std::panic::resume_unwind(panic),
            Err(JoinError::Cancelled) => unreachable!("nobody cancels it"),
        }
    })
}

/// The tiers that can be had on this machine.
fn tiers() -> Vec<WakeTier> {
    let mut tiers = vec![WakeTier::Generic];
    match runtime().enter(|| WakeTier::Futex.check()) {
        Ok(()) => tiers.push(WakeTier::Futex),
        Err(error) => println!("not tested, as it cannot be had here: the futex tier: {error}"),
    }
    tiers
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

/// Denies a system call, with `errno`, to this thread and to those that it starts.
fn deny(syscall: libc::c_long, errno: i32) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let entry = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let mut filter = [
        entry(LOAD, 0, 0, 0), // the system call's number
        entry(JUMP_IF_EQUAL, syscall as u32, 0, 1),
        entry(RETURN, libc::SECCOMP_RET_ERRNO | errno as u32, 0, 0),
        entry(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program and its filter outlive the calls, which copy them.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let filtered = libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        );
        assert_eq!(filtered, 0, "{}", std::io::Error::last_os_error());
    }
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
        .env_remove(TIER)
        .stdin(Stdio::null());
    command
}

/// Runs a child that may hang, and ends it if it must have.
fn ended(mut command: Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    let begin = Instant::now();
    while child.try_wait().expect("its status").is_none() {
        if begin.elapsed() > Duration::from_secs(240) {
            child.kill().expect("it is this process's");
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("its output")
}

/// Runs `test`, the body of the test `name`, in a process without other tests: a wake for a runtime
/// that is gone is passed on, and counted, by the one that has got its doorbell.
fn by_itself(name: &'static str, test: impl FnOnce()) {
    const ALL_OF_IT: &str = "all of it";
    if role().is_some() {
        watched(name, test);
        println!("{}", played(ALL_OF_IT));
    } else {
        assert_played(ALL_OF_IT, &ended(child(name, ALL_OF_IT)));
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

fn assert_played(role: &str, output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains(&played(role)),
        "the child did not play `{role}`: {}\n---- stdout\n{text}\n---- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
}

/// Whether the thread `tid` of this process sleeps in the kernel.
fn is_asleep(tid: i32) -> bool {
    fs::read_to_string(format!("/proc/self/task/{tid}/stat"))
        .ok()
        .and_then(|stat| {
            stat.rsplit_once(')')
                .map(|(_, rest)| rest.starts_with(" S"))
        })
        .unwrap_or(false)
}

fn this_thread() -> i32 {
    // SAFETY: it has no preconditions.
    unsafe { libc::gettid() }
}

// ---- the futex tier ----

/// Two runtimes that take turns in waiting, with `WAITERS` tasks, and in releasing these, which
/// each does only when all of the other's tasks wait and its thread sleeps. Each returns what its
/// two tiers have counted: futex, generic.
fn take_turns(tier: WakeTier) -> Vec<(WakeStats, WakeStats)> {
    #[derive(Default)]
    struct Side {
        door: Option<Semaphore>,
        thread: AtomicUsize,
        /// The number of the round in which it waits.
        waits: AtomicUsize,
    }

    async fn side(me: usize, sides: Arc<[Side; 2]>, tier: WakeTier) -> (WakeStats, WakeStats) {
        tier.select().expect("this tier was checked");
        sides[me].thread.store(this_thread() as usize, SeqCst);
        for round in 1..=ROUNDS {
            if round % 2 == me {
                let waiters: Vec<_> = (0..WAITERS)
                    .map(|_| {
                        let sides = sides.clone();
                        compio::runtime::spawn(async move {
                            let door = sides[me].door.as_ref().expect("it has a door");
                            door.acquire().await.forget();
                        })
                    })
                    .collect();
                let door = sides[me].door.as_ref().expect("it has a door");
                pass_until(|| door.waiter_count() == WAITERS).await;
                sides[me].waits.store(round, SeqCst);
                for waiter in waiters {
                    waiter.await.expect("a waiter panicked");
                }
            } else {
                let other = &sides[1 - me];
                pass_until(|| {
                    other.waits.load(SeqCst) == round && is_asleep(other.thread.load(SeqCst) as i32)
                })
                .await;
                other
                    .door
                    .as_ref()
                    .expect("it has a door")
                    .add_permits(WAITERS);
            }
        }
        (stats(WakeTier::Futex), stats(WakeTier::Generic))
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

const ROUNDS: usize = 400;
const WAITERS: usize = 16;

#[test]
fn test_linux_unified_event_loop() {
    by_itself("test_linux_unified_event_loop", || {
        if !tiers().contains(&WakeTier::Futex) {
            return;
        }
        for (futex, generic) in take_turns(WakeTier::Futex) {
            assert_eq!(generic, WakeStats::default(), "nothing went another way");
            assert_eq!(futex.wakes, ROUNDS / 2 * WAITERS, "{futex:?}");
            assert_eq!(futex.batches, ROUNDS / 2, "one delivery for all: {futex:?}");
            assert_eq!(futex.signals, ROUNDS / 2, "it slept each time: {futex:?}");
            assert_eq!(futex.syscalls, ROUNDS / 2, "one call a ring: {futex:?}");
            // Not one for each: the word may have changed before the kernel looks at it, or the kernel
            // end a wait early.
            assert!(futex.completions > 0, "FUTEX_WAITs in the ring: {futex:?}");
            assert!(futex.sleeps >= ROUNDS / 2, "{futex:?}");
        }
    });
}

#[test]
fn the_generic_tier_touches_no_futex() {
    by_itself("the_generic_tier_touches_no_futex", || {
        for (futex, generic) in take_turns(WakeTier::Generic) {
            assert_eq!(futex, WakeStats::default());
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

/// The counters are the crate's own word for it. This is the kernel's: a thread that may not call
/// `write` cannot ring an eventfd.
#[test]
fn a_thread_that_may_not_write_rings_by_futex() {
    watched("a_thread_that_may_not_write_rings_by_futex", || {
        if !tiers().contains(&WakeTier::Futex) {
            return;
        }
        const ROUNDS: usize = 100;
        let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
        let thread = this_thread();
        let releaser = thread::spawn({
            let semaphore = semaphore.clone();
            move || {
                deny(libc::SYS_write, libc::EPERM);
                for _ in 0..ROUNDS {
                    until(|| semaphore.waiter_count() == 1 && is_asleep(thread));
                    semaphore.add_permits(1);
                }
            }
        });
        let heard = run(&runtime(), async move {
            WakeTier::Futex.select().expect("checked above");
            for _ in 0..ROUNDS {
                semaphore.acquire().await.forget();
            }
            stats(WakeTier::Futex).completions
        });
        releaser.join().unwrap();
        // Not each: a word that has changed before the kernel looks at it ends no wait.
        assert!(heard > 0);
    });
}

// ---- where the futex tier cannot be had ----

#[test]
fn test_linux_futex_fallback() {
    const NAME: &str = "test_linux_futex_fallback";
    if let Some(role) = role() {
        watched(NAME, || play(&role));
        println!("{}", played(&role));
        return;
    }
    watched(NAME, || {
        for role in [
            "no-ring",
            "no-probe",
            "no-probe-forced",
            "no-files",
            "no-kernel-help",
            "polling",
        ] {
            let output = ended(child(NAME, role));
            assert_played(role, &output);
        }
        let unusual = OsStr::from_bytes(b"fu\xfftex");
        for (value, role) in [
            (OsStr::new("generic"), "tier-generic"),
            (OsStr::new("futex"), "tier-futex"),
            (OsStr::new("futex"), "tier-futex-no-ring"),
            (OsStr::new("auto"), "tier-auto"),
            (OsStr::new(""), "tier-auto"),
            (OsStr::new("nonsense"), "tier-unknown"),
            (OsStr::new("Futex"), "tier-unknown"),
            (OsStr::new("futex "), "tier-unknown"),
            (unusual, "tier-unknown"),
            (OsStr::new("iocp"), "tier-iocp"),
        ] {
            let mut command = child(NAME, role);
            command.env(TIER, value);
            let output = ended(command);
            assert_played(role, &output);
        }
    });
}

/// What a child does under one obstacle.
fn play(role: &str) {
    match role {
        "no-ring" => {
            deny(libc::SYS_io_uring_setup, libc::EPERM);
            assert_generic(&runtime(), Some(DriverType::Poll), |error| {
                matches!(
                    error,
                    TierError::Driver {
                        tier: WakeTier::Futex,
                        driver: "Poll"
                    }
                )
            });
        }
        "no-probe" => {
            deny(libc::SYS_io_uring_register, libc::EPERM);
            // compio itself does without a ring that it cannot probe.
            assert_generic(&runtime(), None, |error| match error {
                TierError::Driver { driver, .. } => driver == "Poll",
                TierError::Probe { errno } => errno == libc::EPERM,
                _ => false,
            });
        }
        "no-probe-forced" => {
            deny(libc::SYS_io_uring_register, libc::EPERM);
            let runtime = runtime_with(|proactor| {
                proactor.driver_type(DriverType::IoUring);
            });
            assert_generic(&runtime, Some(DriverType::IoUring), |error| {
                matches!(error, TierError::Probe { errno: libc::EPERM })
            });
        }
        "no-files" => {
            let runtime = runtime();
            if runtime.driver_type() != DriverType::IoUring {
                return;
            }
            // No further file from here on: the ring that the probe needs cannot be made.
            let next =
                fs::File::open("/dev/null").map(|file| std::os::fd::AsRawFd::as_raw_fd(&file));
            let mut limit = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            // SAFETY: the struct outlives the calls.
            unsafe {
                assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
                limit.rlim_cur = next.expect("the last file") as libc::rlim_t;
                assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
            }
            assert_generic(&runtime, Some(DriverType::IoUring), |error| {
                matches!(
                    error,
                    TierError::Probe {
                        errno: libc::EMFILE
                    }
                )
            });
        }
        // The ring has the operation, but the kernel will not have any further thread or file. A
        // runtime that was given its futex before keeps it.
        "no-kernel-help" => {
            let runtime = runtime();
            if runtime.enter(|| WakeTier::Futex.check()).is_err() {
                return;
            }
            runtime.enter(|| WakeTier::Futex.select()).expect("checked");
            assert_wakes_arrive(&runtime);
            deny(libc::SYS_io_uring_setup, libc::EPERM);
            deny(libc::SYS_io_uring_register, libc::EPERM);
            assert_wakes_arrive(&runtime);
            run(&runtime, async {
                assert_eq!(WakeTier::current(), Some(WakeTier::Futex));
                assert!(stats(WakeTier::Futex).wakes > 0);
            });
        }
        "polling" => {
            let runtime = runtime_with(|proactor| {
                proactor.driver_type(DriverType::Poll);
            });
            assert_generic(&runtime, Some(DriverType::Poll), |error| {
                matches!(
                    error,
                    TierError::Driver {
                        tier: WakeTier::Futex,
                        driver: "Poll"
                    }
                )
            });
        }
        "tier-generic" => {
            let runtime = runtime();
            run(&runtime, async {
                assert_eq!(WakeTier::current(), Some(WakeTier::Generic));
            });
            assert_wakes_arrive(&runtime);
            run(&runtime, async {
                assert_eq!(stats(WakeTier::Futex), WakeStats::default());
                assert!(stats(WakeTier::Generic).wakes > 0);
            });
        }
        "tier-futex" if runtime().enter(|| WakeTier::Futex.check()).is_ok() => {
            let runtime = runtime();
            assert_wakes_arrive(&runtime);
            run(&runtime, async {
                assert_eq!(WakeTier::current(), Some(WakeTier::Futex));
                assert_eq!(stats(WakeTier::Generic), WakeStats::default());
                assert!(stats(WakeTier::Futex).wakes > 0);
            });
        }
        "tier-futex" => assert_refused(&["COMPIO_SYNC_TIER=futex", "cannot have", "auto"]),
        "tier-futex-no-ring" => {
            deny(libc::SYS_io_uring_setup, libc::ENOSYS);
            assert_refused(&[
                "COMPIO_SYNC_TIER=futex asks for what this runtime cannot have",
                "driver, Poll",
                "Unset the variable, or set it to auto",
            ]);
        }
        "tier-auto" => {
            let runtime = runtime();
            assert_wakes_arrive(&runtime);
            run(&runtime, async move {
                assert_eq!(WakeTier::current(), Some(WakeTier::Generic));
                assert!(stats(WakeTier::Generic).wakes > 0);
            });
        }
        "tier-unknown" => {
            assert_refused(&["COMPIO_SYNC_TIER=", "is none of auto, generic, futex, iocp"])
        }
        "tier-iocp" => assert_refused(&[
            "COMPIO_SYNC_TIER=iocp asks for what this runtime cannot have",
            "another platform",
            "Unset the variable, or set it to auto",
        ]),
        _ => panic!("there is no part `{role}`"),
    }
}

/// The runtime is signalled by the generic tier, works, and says clearly why not by futex.
fn assert_generic(
    runtime: &Runtime,
    driver: Option<DriverType>,
    expected: impl Fn(TierError) -> bool,
) {
    if let Some(driver) = driver {
        assert_eq!(runtime.driver_type(), driver);
    }
    assert_wakes_arrive(runtime);
    runtime.enter(|| {
        assert_eq!(WakeTier::current(), Some(WakeTier::Generic));
        let error = WakeTier::Futex.check().expect_err("it cannot be had");
        assert!(expected(error), "{error:?}");
        assert!(error.to_string().len() > 20, "{error}");
        assert_eq!(WakeTier::Futex.select(), Err(error));
        assert_eq!(
            WakeTier::current(),
            Some(WakeTier::Generic),
            "nothing was changed"
        );
    });
    assert_wakes_arrive(runtime);
    runtime.enter(|| {
        assert_eq!(stats(WakeTier::Futex), WakeStats::default());
        let generic = stats(WakeTier::Generic);
        assert!(generic.wakes > 0 && generic.syscalls == 0, "{generic:?}");
    });
}

/// The first wait of a runtime panics with `words`, and harms nobody else who waits.
fn assert_refused(words: &[&str]) {
    let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
    let before = thread::spawn({
        let semaphore = semaphore.clone();
        move || futures_executor::block_on(semaphore.acquire()).forget()
    });
    until(|| semaphore.waiter_count() == 1);

    let runtime = runtime();
    for _ in 0..2 {
        let waiting = semaphore.clone();
        let panic = catch_unwind(AssertUnwindSafe(|| {
            run(&runtime, async move { waiting.acquire().await.forget() });
        }))
        .expect_err("the first wait panics");
        let message = panic.downcast_ref::<String>().expect("a message");
        for word in words {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
        assert_eq!(semaphore.waiter_count(), 1, "nothing was queued");
    }
    // The waits of main futures need no doorbell.
    let (main, releaser) = (semaphore.clone(), semaphore.clone());
    let releaser = thread::spawn(move || {
        until(|| releaser.waiter_count() == 2);
        releaser.add_permits(2);
    });
    runtime.block_on(async move { main.acquire().await.forget() });
    releaser.join().unwrap();
    before.join().unwrap();
    assert_eq!(
        (semaphore.available_permits(), semaphore.waiter_count()),
        (0, 0)
    );
}

/// Whether the kernel makes no ring for want of memory that may be locked: some count a ring's.
fn has_no_memory_for_a_ring() -> bool {
    // `struct io_uring_params`: 120 bytes, all zero for the defaults.
    let mut params = [0u64; 15];
    // SAFETY: the kernel writes to `params`, and to nothing else.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 8, params.as_mut_ptr()) };
    if ring >= 0 {
        // SAFETY: it was opened above, and nobody else knows of it.
        unsafe { libc::close(ring as i32) };
        return false;
    }
    std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOMEM)
}

#[test]
fn test_linux_kernel_version_detection() {
    watched("test_linux_kernel_version_detection", || {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux has it");
        let mut numbers = release
            .split(|c: char| !c.is_ascii_digit())
            .map(|number| number.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let disabled = fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
            .is_ok_and(|disabled| disabled.trim() != "0");
        let filtered = fs::read_to_string("/proc/thread-self/status")
            .expect("Linux has it")
            .lines()
            .any(|line| line.starts_with("Seccomp:") && !line.ends_with('0'));

        let runtime = runtime();
        let found = runtime.enter(|| WakeTier::Futex.check());
        println!("Linux {}: {found:?}", release.trim());
        match runtime.driver_type() {
            DriverType::IoUring if version < (6, 7) => {
                assert_eq!(found, Err(TierError::NoFutexOperations));
            }
            DriverType::IoUring if !disabled && !filtered => assert_eq!(found, Ok(())),
            DriverType::IoUring => {}
            _ => {
                assert_eq!(
                    found,
                    Err(TierError::Driver {
                        tier: WakeTier::Futex,
                        driver: "Poll"
                    })
                );
                assert!(
                    disabled || filtered || version < (5, 11) || has_no_memory_for_a_ring(),
                    "compio has no ring, for no reason that this test knows of"
                );
            }
        }
        // Once and for all: each further runtime, and each thread, finds the same.
        let elsewhere = thread::spawn(|| self::runtime().enter(|| WakeTier::Futex.check()));
        assert_eq!(elsewhere.join().unwrap(), found);
    });
}

// ---- a wait that is older than the process's second thread ----

const ALONE: &str = "COMPIO_SYNC_TEST_ALONE";

/// Plays its part before `main`, where there is no second thread yet: libtest runs each test on a
/// thread of its own.
// SAFETY: the section holds pointers to functions of this kind, which the C library calls before
// `main`, after it has set itself up.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = {
    extern "C" fn before_main() {
        if env::var_os(ALONE).is_some() {
            process::exit(alone());
        }
    }
    before_main
};

/// Arms a runtime's futex wait while there is one thread only, and has a second one end it.
fn alone() -> i32 {
    // SAFETY: it has no preconditions. There is no thread yet that could watch over this one.
    unsafe { libc::alarm(300) };
    let threads = || fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let runtime = runtime();
    let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
    let passed = Rc::new(Cell::new(false));
    runtime.enter(|| {
        if let Err(error) = WakeTier::Futex.select() {
            println!("SKIPPED {error}");
            return 0;
        }
        let task = {
            let (semaphore, passed) = (semaphore.clone(), passed.clone());
            async move {
                semaphore.acquire().await.forget();
                passed.set(true);
            }
        };
        runtime.spawn(task).detach();
        for _ in 0..4 {
            while runtime.run() {}
            runtime.poll_with(Some(Duration::ZERO));
        }
        let armed = stats(WakeTier::Futex);
        if (
            armed.sleeps,
            armed.signals,
            semaphore.waiter_count(),
            threads(),
        ) != (1, 0, 1, 1)
        {
            println!("NOT ALONE: {armed:?}, {} threads", threads());
            return 2;
        }
        let releaser = thread::spawn(move || semaphore.add_permits(1));
        // A wake that is lost is never made up for: then it is the alarm that ends this.
        while !passed.get() {
            while runtime.run() {}
            runtime.poll_with(None);
        }
        releaser.join().expect("the releaser panicked");
        0
    })
}

#[test]
fn a_wait_from_before_the_first_thread_is_woken() {
    watched("a_wait_from_before_the_first_thread_is_woken", || {
        for run in 0..50 {
            let output = Command::new(env::current_exe().expect("the test binary"))
                .env(ALONE, "1")
                .env_remove(TIER)
                .output()
                .expect("a child");
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success(),
                "run {run}: {}: {text}",
                output.status
            );
            if text.contains("SKIPPED") {
                println!("not tested, as it cannot be had here: {text}");
                return;
            }
        }
    });
}

// ---- rings in trouble ----

#[test]
fn wakes_arrive_on_a_ring_whose_submission_queue_is_full() {
    watched(
        "wakes_arrive_on_a_ring_whose_submission_queue_is_full",
        || {
            const READERS: usize = 48;
            const ROUNDS: usize = 100;
            for tier in tiers() {
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
                let runtime = runtime_with(|proactor| {
                    proactor.capacity(2);
                });
                let (reads, wakes) = run(&runtime, async move {
                    tier.select().expect("this tier was checked");
                    let file = compio::fs::File::open("/proc/self/exe")
                        .await
                        .expect("it is there");
                    let (over, reads) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
                    let readers: Vec<_> = (0..READERS)
                        .map(|reader| {
                            let (file, over, reads) = (file.clone(), over.clone(), reads.clone());
                            compio::runtime::spawn(async move {
                                while !over.get() {
                                    let buffer = Vec::with_capacity(64);
                                    let read = file.read_at(buffer, 64 * reader as u64).await;
                                    reads.set(reads.get() + read.0.expect("it can be read"));
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
                    (reads.get(), stats(tier).wakes)
                });
                releaser.join().unwrap();
                assert!(reads > 0);
                assert!(wakes > 0, "{tier}");
            }
        },
    );
}

#[test]
fn rings_of_every_kind_hear_the_bell() {
    watched("rings_of_every_kind_hear_the_bell", || {
        type Configure = fn(&mut ProactorBuilder);
        let kinds: [(&str, Configure); 6] = [
            ("coop", |p| {
                p.coop_taskrun(true);
            }),
            ("coop+flag", |p| {
                p.coop_taskrun(true).taskrun_flag(true);
            }),
            ("single issuer", |p| {
                p.single_issuer(true);
            }),
            ("deferred", |p| {
                p.single_issuer(true).defer_taskrun(true);
            }),
            ("deferred+flag", |p| {
                p.single_issuer(true).defer_taskrun(true).taskrun_flag(true);
            }),
            ("sqpoll", |p| {
                p.sqpoll_idle(Duration::from_millis(20));
            }),
        ];
        for (kind, configure) in kinds {
            for tier in tiers() {
                let runtime = runtime_with(configure);
                runtime.enter(|| {
                    if let Err(error) = tier.select() {
                        println!("{kind}, {tier}: {error}");
                    }
                });
                assert_wakes_arrive(&runtime);
            }
        }
    });
}

// ---- changes at run time ----

#[test]
fn a_change_of_tiers_loses_no_wake() {
    watched("a_change_of_tiers_loses_no_wake", || {
        const PERMITS: usize = 6_000;
        const TASKS: usize = 6;
        let tiers = tiers();
        let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
        let received = Arc::new(AtomicUsize::new(0));
        let releaser = thread::spawn({
            let (semaphore, received) = (semaphore.clone(), received.clone());
            move || {
                let mut sent = 0;
                while sent < PERMITS {
                    // 1, 2, .. TASKS at once, and then until all have been received: the runtime
                    // comes to sleep under each tier.
                    let count = (sent % TASKS + 1).min(PERMITS - sent);
                    semaphore.add_permits(count);
                    sent += count;
                    until(|| received.load(SeqCst) == sent);
                }
                semaphore.close();
            }
        });
        let stats: Vec<_> = run(&runtime(), {
            let (tiers, received) = (tiers.clone(), received.clone());
            async move {
                let tasks: Vec<_> = (0..TASKS)
                    .map(|task| {
                        let (semaphore, received) = (semaphore.clone(), received.clone());
                        let tiers = tiers.clone();
                        compio::runtime::spawn(async move {
                            let mut turns = task;
                            while let Ok(permit) = semaphore.acquire().or_closed().await {
                                permit.forget();
                                turns += 1;
                                tiers[turns % tiers.len()].select().expect("it was checked");
                                received.fetch_add(1, SeqCst);
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("a task panicked");
                }
                tiers.into_iter().map(stats).collect()
            }
        });
        releaser.join().unwrap();
        assert_eq!(received.load(SeqCst), PERMITS);
        for stats in stats {
            assert!(stats.wakes > 0 && stats.sleeps > 0, "{stats:?}");
        }
    });
}

// ---- runtimes that go away ----

/// Tasks of a runtime and another thread pass two permits around until the runtime is dropped in
/// the midst of it. Then the same thread does it again with its next runtime.
#[test]
fn a_runtime_that_is_dropped_while_it_is_woken_keeps_no_permit() {
    watched(
        "a_runtime_that_is_dropped_while_it_is_woken_keeps_no_permit",
        || {
            for fairness in [Fairness::Fifo, Fairness::default()] {
                const RUNTIMES: usize = 300;
                const PERMITS: usize = 2;
                for tier in tiers() {
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
                            tier.select().expect("this tier was checked");
                            let served = Rc::new(Cell::new(0));
                            for _ in 0..8 {
                                let (semaphore, served) = (semaphore.clone(), served.clone());
                                compio::runtime::spawn(async move {
                                    loop {
                                        let permit = semaphore.clone().acquire_owned().await;
                                        served.set(served.get() + 1);
                                        pass().await;
                                        drop(permit);
                                    }
                                })
                                .detach();
                            }
                            pass_until(|| served.get() >= round % 16).await;
                        });
                        drop(runtime);
                    }
                    over.store(true, Relaxed);
                    rival.join().unwrap();
                    assert_eq!(semaphore.available_permits(), PERMITS, "{tier}");
                    assert_eq!(
                        (semaphore.in_use(), semaphore.waiter_count()),
                        (0, 0),
                        "{tier}"
                    );
                }
            }
        },
    );
}

/// More waiters than compio's queue for other threads has slots, all granted while they go.
#[test]
fn a_thousand_waiters_may_be_granted_while_their_runtime_goes() {
    watched(
        "a_thousand_waiters_may_be_granted_while_their_runtime_goes",
        || {
            const WAITERS: usize = 1_000;
            for tier in tiers() {
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
                        tier.select().expect("this tier was checked");
                        for _ in 0..WAITERS {
                            let (semaphore, served) = (semaphore.clone(), served.clone());
                            compio::runtime::spawn(async move {
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
                    assert_eq!(
                        semaphore.available_permits() + served.get(),
                        WAITERS,
                        "{tier}"
                    );
                    assert_eq!(semaphore.in_use(), 0);
                }
            }
        },
    );
}

#[test]
fn a_runtime_after_a_panic_or_a_leak_has_a_working_bell() {
    watched(
        "a_runtime_after_a_panic_or_a_leak_has_a_working_bell",
        || {
            let first = runtime();
            assert_wakes_arrive(&first);
            // compio drops all tasks, and with them the listener, when the main future panics.
            let panic = catch_unwind(AssertUnwindSafe(|| {
                first.block_on(async { panic!("as it should") });
            }));
            assert!(panic.is_err());
            assert_wakes_arrive(&first);
            // A runtime that is dropped while its thread unwinds leaks its tasks instead.
            let panic = catch_unwind(|| {
                let _dropped = {
                    let runtime = runtime();
                    assert_wakes_arrive(&runtime);
                    runtime
                };
                panic!("as it should");
            });
            assert!(panic.is_err());
            assert_wakes_arrive(&runtime());
            for _ in 0..10 {
                let leaked = runtime();
                assert_wakes_arrive(&leaked);
                std::mem::forget(leaked);
                assert_wakes_arrive(&runtime());
            }
            assert_wakes_arrive(&first);
        },
    );
}

/// `here` of a thread may be that of one that is gone; a doorbell that it left open must not matter.
#[test]
fn a_leaked_runtime_of_a_dead_thread_harms_nobody() {
    watched("a_leaked_runtime_of_a_dead_thread_harms_nobody", || {
        for _ in 0..10 {
            let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
            let waiting = semaphore.clone();
            thread::spawn(move || {
                let leaked = runtime();
                leaked.block_on(async {
                    compio::runtime::spawn(async move { waiting.acquire_owned().await.forget() })
                        .detach();
                    pass_until(|| semaphore.waiter_count() == 1).await;
                    // Granted to a task that nobody runs any more.
                    thread::spawn(move || semaphore.add_permits(1))
                        .join()
                        .unwrap();
                });
                std::mem::forget(leaked);
            })
            .join()
            .unwrap();
            thread::spawn(|| assert_wakes_arrive(&runtime()))
                .join()
                .unwrap();
        }
    });
}

/// Asks for its runtime's tier as it is dropped.
struct Asks;

impl Drop for Asks {
    fn drop(&mut self) {
        let _ = WakeTier::current();
        let _ = WakeStats::current(WakeTier::Generic);
    }
}

#[test]
fn a_task_may_ask_for_its_tier_while_its_runtime_is_dropped() {
    const NAME: &str = "a_task_may_ask_for_its_tier_while_its_runtime_is_dropped";
    if role().is_some() {
        watched(NAME, || {
            let files = || fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
            let mut before = 0;
            for round in 0..20 {
                let runtime = runtime();
                runtime.block_on(async {
                    let ask = || {
                        let asks = Asks;
                        let never = async move {
                            let _asks = asks;
                            std::future::pending::<()>().await;
                        };
                        compio::runtime::spawn(never).detach();
                    };
                    // Before and after the runtime's first wait, as which its doorbell is made.
                    (0..3).for_each(|_| ask());
                    pass().await;
                    assert!(WakeTier::current().is_some());
                    (0..3).for_each(|_| ask());
                    pass().await;
                });
                drop(runtime);
                if round == 10 {
                    before = files();
                }
            }
            assert_eq!(files(), before, "open files: no runtime stays behind");
        });
        println!("{}", played("asker"));
        return;
    }
    watched(NAME, || {
        assert_played("asker", &ended(child(NAME, "asker")));
    });
}

// ---- several runtimes on a thread, and futures that move ----

#[test]
fn a_runtime_within_a_task_of_another_is_woken() {
    watched("a_runtime_within_a_task_of_another_is_woken", || {
        for tier in tiers() {
            for _ in 0..20 {
                let doors: Arc<[Semaphore; 3]> =
                    Arc::new([const { Semaphore::with_fairness(0, Fairness::Fifo) }; 3]);
                let releaser = thread::spawn({
                    let doors = doors.clone();
                    move || {
                        // All three wait by then: the outer runtime's are granted while their
                        // runtime cannot run.
                        until(|| doors.iter().all(|door| door.waiter_count() == 1));
                        doors[1].add_permits(1);
                        doors[2].add_permits(1);
                        doors[0].add_permits(1);
                    }
                });
                let outer = runtime();
                outer.block_on(async {
                    tier.select().expect("this tier was checked");
                    let waiting = [1, 2].map(|door| {
                        let doors = doors.clone();
                        compio::runtime::spawn(async move { doors[door].acquire().await.forget() })
                    });
                    pass_until(|| doors[1].waiter_count() + doors[2].waiter_count() == 2).await;
                    let nested = compio::runtime::spawn({
                        let doors = doors.clone();
                        async move {
                            let inner = runtime();
                            inner
                                .enter(|| tier.select())
                                .expect("this tier was checked");
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
    });
}

/// Polls `future` once, and gives it back if it is not ready.
async fn begin<F: Future + Unpin>(mut future: F) -> F {
    poll_fn(|cx| {
        assert!(Pin::new(&mut future).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    future
}

#[test]
fn a_wait_may_move_to_another_threads_runtime() {
    watched("a_wait_may_move_to_another_threads_runtime", || {
        for fairness in [Fairness::Fifo, Fairness::default()] {
            for tier in tiers() {
                for round in 0..60 {
                    let semaphore = Arc::new(Semaphore::with_fairness(0, fairness));
                    let first = runtime();
                    let future = run(&first, {
                        let semaphore = semaphore.clone();
                        async move {
                            tier.select().expect("this tier was checked");
                            begin(semaphore.acquire_owned()).await
                        }
                    });
                    // Before the move, after it, or with its first runtime gone.
                    if round % 3 == 0 {
                        thread::spawn({
                            let semaphore = semaphore.clone();
                            move || semaphore.add_permits(1)
                        })
                        .join()
                        .unwrap();
                    }
                    let first = (round % 2 == 0).then_some(first);
                    let second = thread::spawn(move || {
                        run(&runtime(), async move { future.await.forget() });
                    });
                    if round % 3 != 0 {
                        semaphore.add_permits(1);
                    }
                    second.join().unwrap();
                    drop(first);
                    assert_eq!((semaphore.in_use(), semaphore.waiter_count()), (0, 0));
                }
            }
        }
    });
}

/// Moves a wait on after its second runtime has polled it, too.
#[test]
fn a_wait_may_move_and_be_dropped_anywhere() {
    watched("a_wait_may_move_and_be_dropped_anywhere", || {
        for fairness in [Fairness::Fifo, Fairness::default()] {
            for tier in tiers() {
                for round in 0..60 {
                    let semaphore = Arc::new(Semaphore::with_fairness(0, fairness));
                    let first = semaphore.clone();
                    let mut future = thread::spawn(move || {
                        run(&runtime(), async move {
                            tier.select().expect("this tier was checked");
                            begin(first.acquire_owned()).await
                        })
                    })
                    .join()
                    .unwrap();
                    for _ in 0..round % 3 {
                        future = thread::spawn(move || run(&runtime(), begin(future)))
                            .join()
                            .unwrap();
                    }
                    let releaser = thread::spawn({
                        let semaphore = semaphore.clone();
                        move || semaphore.add_permits(1)
                    });
                    drop(future);
                    releaser.join().unwrap();
                    assert_eq!(
                        semaphore.available_permits(),
                        1,
                        "a granted permit passes on"
                    );
                    assert_eq!(semaphore.waiter_count(), 0);
                }
            }
        }
    });
}

// ---- wakers that are not a task's own ----

#[test]
fn an_executor_that_blocks_within_a_task_is_woken() {
    watched("an_executor_that_blocks_within_a_task_is_woken", || {
        for tier in tiers() {
            for _ in 0..50 {
                let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
                let event = Arc::new(Event::new());
                let releaser = thread::spawn({
                    let (semaphore, event) = (semaphore.clone(), event.clone());
                    move || {
                        until(|| semaphore.waiter_count() == 1);
                        semaphore.add_permits(1);
                        until(|| event.waiter_count() == 1);
                        event.set();
                    }
                });
                run(&runtime(), async move {
                    tier.select().expect("this tier was checked");
                    futures_executor::block_on(semaphore.acquire()).forget();
                    futures_executor::block_on(event.wait());
                });
                releaser.join().unwrap();
            }
        }
    });
}

// ---- many at once ----

#[test]
fn a_thousand_waiters_on_another_runtime_are_woken_at_once() {
    watched(
        "a_thousand_waiters_on_another_runtime_are_woken_at_once",
        || {
            const WAITERS: usize = 1_000;
            for tier in tiers() {
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
                    tier.select().expect("this tier was checked");
                    let waiters: Vec<_> = (0..WAITERS)
                        .map(|_| {
                            let (semaphore, event, pair) =
                                (semaphore.clone(), event.clone(), pair.clone());
                            let queued = queued.clone();
                            compio::runtime::spawn(async move {
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
        },
    );
}

/// Both runtimes release all of the other's waiters at the same time, several times.
fn release_each_other(
    tier: WakeTier,
    waiters: usize,
    rounds: usize,
    wait: fn(Arc<Semaphore>) -> Wait,
) {
    let doors: Arc<[Arc<Semaphore>; 2]> =
        Arc::new([(); 2].map(|()| Arc::new(Semaphore::with_fairness(0, Fairness::Fifo))));
    let both = Arc::new(Barrier::new(2));
    let threads: Vec<_> = (0..2)
        .map(|me| {
            let (doors, both) = (doors.clone(), both.clone());
            thread::spawn(move || {
                run(&runtime(), async move {
                    tier.select().expect("this tier was checked");
                    for _ in 0..rounds {
                        let tasks: Vec<_> = (0..waiters)
                            .map(|_| compio::runtime::spawn(wait(doors[me].clone())))
                            .collect();
                        pass_until(|| doors[me].waiter_count() == waiters).await;
                        both.wait();
                        doors[1 - me].add_permits(waiters);
                        for task in tasks {
                            task.await.expect("a waiter panicked");
                        }
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

type Wait = Pin<Box<dyn Future<Output = ()>>>;

#[test]
fn two_runtimes_release_a_thousand_waiters_of_each_other() {
    watched(
        "two_runtimes_release_a_thousand_waiters_of_each_other",
        || {
            for tier in tiers() {
                release_each_other(tier, 1_000, 10, |door| {
                    Box::pin(async move { door.acquire().await.forget() })
                });
            }
        },
    );
}

/// `FuturesUnordered`, `join_all` and the like wrap the task's waker in their own, which is then
/// woken directly: as many as compio 0.19 has room for.
#[test]
fn two_runtimes_release_as_many_wrapped_waiters_of_each_other_as_compio_has_room_for() {
    watched("two_runtimes_release_wrapped_waiters", || {
        for tier in tiers() {
            release_each_other(tier, 60, 10, |door| {
                Box::pin(async move {
                    let mut waits: FuturesUnordered<_> = [async { door.acquire().await.forget() }]
                        .into_iter()
                        .collect();
                    while waits.next().await.is_some() {}
                })
            });
        }
    });
}

/// The listener sleeps by one tier when the other is selected, and has to hear of it.
#[test]
fn tier_that_is_selected_later_is_used_from_then_on() {
    watched("tier_that_is_selected_later_is_used_from_then_on", || {
        if !tiers().contains(&WakeTier::Futex) {
            return;
        }
        let runtime = runtime();
        runtime
            .enter(|| WakeTier::Generic.select())
            .expect("everywhere");
        assert_wakes_arrive(&runtime);
        runtime.enter(|| WakeTier::Futex.select()).expect("checked");
        assert_wakes_arrive(&runtime);
        run(&runtime, async {
            assert!(stats(WakeTier::Futex).wakes > 0, "the listener sleeps on");
        });
    });
}
