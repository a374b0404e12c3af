//! What the operating system may do to a runtime: stop it, keep it from the processor, copy it.
//! And that no memory is lost on the way, however long it goes on.

use std::{
    env, fs,
    process::{self, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use compio_sync::{Condvar, Event, Fairness, Mutex, Semaphore, WaiterQueue};

use super::{
    Random, at_most, isolated, iterations, on_threads, pass, run, runtime, until, watched,
};

/// Sends a permit to and fro between two runtimes. Fails if it is lost, by never ending.
fn to_and_fro(rounds: usize, progress: &AtomicUsize) {
    let there = [Semaphore::new(0), Semaphore::new(0)].map(Arc::new);
    on_threads(2, |side| {
        let (mine, yours) = (there[side].clone(), there[1 - side].clone());
        // Tasks borrow nothing.
        let done = Arc::new(AtomicUsize::new(0));
        let count = done.clone();
        let main = async move {
            for _ in 0..rounds {
                if side == 0 {
                    yours.add_permits(1);
                    mine.acquire().await.forget();
                } else {
                    mine.acquire().await.forget();
                    yours.add_permits(1);
                }
                count.fetch_add(1, SeqCst);
            }
        };
        run(main);
        progress.fetch_add(done.load(SeqCst), SeqCst);
    });
    for semaphore in there {
        assert_eq!(
            (semaphore.available_permits(), semaphore.max_permits()),
            (0, 0)
        );
    }
}

#[test]
fn processor_hogs_delay_wakes_but_lose_none() {
    watched("processor_hogs_delay_wakes_but_lose_none", || {
        let over = AtomicBool::new(false);
        let progress = AtomicUsize::new(0);
        let rounds = 20 * iterations();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(SeqCst) {
                        std::hint::spin_loop();
                    }
                });
            }
            to_and_fro(rounds, &progress);
            over.store(true, SeqCst);
        });
        assert_eq!(progress.load(SeqCst), 2 * rounds);
    });
}

/// Where the signal handler waits to be let go on; counts how often it has been there, and left.
static HELD: AtomicBool = AtomicBool::new(false);
static STOPS: AtomicUsize = AtomicUsize::new(0);
static RETURNS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn wait_to_be_let_go(_signal: libc::c_int) {
    STOPS.fetch_add(1, SeqCst);
    while HELD.load(SeqCst) {
        // SAFETY: it may be called in a signal handler, and changes nothing but the time.
        unsafe { libc::sched_yield() };
    }
    RETURNS.fetch_add(1, SeqCst);
}

/// A signal takes one of two threads away from whatever it does, and out of whatever it sleeps in.
#[test]
fn thread_that_is_stopped_loses_no_wake() {
    isolated("hostile::thread_that_is_stopped_loses_no_wake", || {
        // SAFETY: the handler calls nothing that must not be called there, and this process has no
        // other one for the signal.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = wait_to_be_let_go as *const () as usize;
            assert_eq!(
                libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()),
                0
            );
        }
        let there = [Semaphore::new(0), Semaphore::new(0)].map(Arc::new);
        let victim = Arc::new(AtomicI32::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let rounds = 200 * iterations();
        let stopper = thread::spawn({
            let (victim, over) = (victim.clone(), over.clone());
            move || {
                until(|| victim.load(SeqCst) != 0);
                let mut random = Random::new(7);
                while !over.load(SeqCst) {
                    let before = STOPS.load(SeqCst);
                    HELD.store(true, SeqCst);
                    // SAFETY: the victim outlives `over`.
                    let sent = unsafe {
                        let thread = victim.load(SeqCst);
                        libc::syscall(libc::SYS_tgkill, process::id(), thread, libc::SIGUSR1)
                    };
                    assert_eq!(sent, 0);
                    until(|| STOPS.load(SeqCst) > before);
                    (0..random.below(200)).for_each(|_| thread::yield_now());
                    HELD.store(false, SeqCst);
                    until(|| RETURNS.load(SeqCst) > before);
                    (0..random.below(50)).for_each(|_| thread::yield_now());
                }
            }
        });
        on_threads(2, |side| {
            let (mine, yours) = (there[side].clone(), there[1 - side].clone());
            if side == 1 {
                // SAFETY: no arguments.
                victim.store(unsafe { libc::gettid() }, SeqCst);
            }
            run(async move {
                for _ in 0..rounds {
                    if side == 0 {
                        yours.add_permits(1);
                        mine.acquire().await.forget();
                    } else {
                        mine.acquire().await.forget();
                        yours.add_permits(1);
                    }
                }
            });
            if side == 1 {
                over.store(true, SeqCst);
                // It may have been stopped once more.
                while !stopper.is_finished() {
                    thread::yield_now();
                }
            }
        });
        stopper.join().unwrap();
        assert!(STOPS.load(SeqCst) > 0);
    });
}

/// The process itself, as a shell's job control or a debugger stops it.
#[test]
fn process_that_is_stopped_and_continued_loses_no_wake() {
    const NAME: &str = "hostile::process_that_is_stopped_and_continued_loses_no_wake";
    const ROLE: &str = "COMPIO_SYNC_TEST_STOPPED";
    let rounds = 300 * iterations();
    if env::var_os(ROLE).is_some() {
        let progress = AtomicUsize::new(0);
        watched(NAME, || to_and_fro(rounds, &progress));
        return assert_eq!(progress.load(SeqCst), 2 * rounds);
    }
    watched(NAME, || {
        let mut child = Command::new(env::current_exe().expect("the test binary"))
            .args(["--exact", NAME, "--nocapture"])
            .env(ROLE, "child")
            .stdout(process::Stdio::null())
            .spawn()
            .expect("a child");
        let pid = libc::pid_t::try_from(child.id()).expect("a process id");
        let signal = |signal| {
            // SAFETY: the child has not been waited for: the number is its own.
            unsafe { libc::kill(pid, signal) };
        };
        let mut random = Random::new(11);
        let mut stops = 0;
        let status = loop {
            signal(libc::SIGSTOP);
            (0..random.below(300)).for_each(|_| thread::yield_now());
            signal(libc::SIGCONT);
            stops += 1;
            (0..random.below(2000)).for_each(|_| thread::yield_now());
            if let Some(status) = child.try_wait().expect("its status") {
                break status;
            }
        };
        assert!(
            status.success() && stops > 0,
            "{status} after {stops} stops"
        );
    });
}

/// A copy of the process that wakes what it has copied disturbs nobody in the original.
#[test]
fn fork_disturbs_nobody_who_waits() {
    isolated("hostile::fork_disturbs_nobody_who_waits", || {
        const TASKS: usize = 50;
        // Handed over, nobody is left waiting in the copy, where no task runs.
        let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
        let event = Arc::new(Event::new());
        let waiter = thread::spawn({
            let (semaphore, event) = (semaphore.clone(), event.clone());
            move || {
                runtime().block_on(async {
                    let tasks: Vec<_> = (0..TASKS)
                        .map(|_| {
                            let (semaphore, event) = (semaphore.clone(), event.clone());
                            compio::runtime::spawn(async move {
                                semaphore.acquire().await.forget();
                                event.wait().await;
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                });
            }
        });
        for round in 0..TASKS {
            until(|| semaphore.waiter_count() + event.waiter_count() == TASKS);
            // SAFETY: the child calls into the crate, which needs no other thread to go on, and ends
            // without running destructors.
            let child = unsafe { libc::fork() };
            assert!(child >= 0, "no child");
            if child == 0 {
                semaphore.add_permits(TASKS);
                event.set();
                let is_right = semaphore.waiter_count() == 0 && event.is_set();
                // SAFETY: ends the process.
                unsafe { libc::_exit(if is_right { 0 } else { 1 }) };
            }
            let mut status = 0;
            // SAFETY: the child is this process's, and `status` can be written to.
            let waited = unsafe { libc::waitpid(child, &mut status, 0) };
            assert_eq!(
                (waited, status),
                (child, 0),
                "the copy works like the original"
            );
            // Nothing has come over.
            assert_eq!(semaphore.waiter_count(), TASKS - round);
            assert!(!event.is_set());
            semaphore.add_permits(1);
        }
        until(|| event.waiter_count() == TASKS);
        event.set();
        waiter.join().unwrap();
    });
}

/// Memory that is in use, in KiB.
fn memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("the process's own status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.expect("a number").parse().expect("a number")
}

/// One round of everything that allocates, and everything that is cancelled.
fn a_round(seed: usize) {
    let semaphore = Arc::new(Semaphore::new(2));
    let event = Arc::new(Event::new());
    let queue = Arc::new(WaiterQueue::new());
    let shared = Arc::new((Mutex::new(0), Condvar::new()));
    on_threads(2, |thread| {
        let mut random = Random::new(2 * seed + thread);
        runtime().block_on(async {
            let tasks: Vec<_> = (0..40)
                .map(|number| {
                    let (semaphore, event) = (semaphore.clone(), event.clone());
                    let (queue, shared) = (queue.clone(), shared.clone());
                    let polls = random.below(4);
                    compio::runtime::spawn(async move {
                        for _ in 0..20 {
                            drop(at_most(polls, semaphore.acquire_many(1 + number % 2)).await);
                            at_most(polls, event.wait()).await;
                            at_most(polls, queue.add_waiter_if(|| false)).await;
                            let guard = shared.0.lock().await;
                            drop(at_most(polls, shared.1.wait(guard)).await);
                            let permit = semaphore.acquire().await;
                            queue.wake_one();
                            shared.1.notify_one();
                            pass().await;
                            drop(permit);
                        }
                    })
                })
                .collect();
            event.set();
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
    assert_eq!(semaphore.available_permits(), 2);
    assert_eq!(
        semaphore.waiter_count() + queue.waiter_count() + event.waiter_count(),
        0
    );
}

/// `COMPIO_SYNC_SOAK_SECONDS` has it go on for so long.
#[test]
fn memory_stays_flat() {
    const NAME: &str = "hostile::memory_stays_flat";
    let seconds = env::var("COMPIO_SYNC_SOAK_SECONDS").map(|it| it.parse().expect("a number"));
    let play = || {
        let rounds = 2 * iterations();
        let begin = Instant::now();
        let mut highest = [0, 0];
        let mut round = 0;
        loop {
            a_round(round);
            round += 1;
            // How far it is, in parts of a thousand.
            let part = match seconds {
                Ok(seconds) => {
                    let all = Duration::from_secs(seconds).as_millis().max(1);
                    (begin.elapsed().as_millis() * 1000 / all) as usize
                }
                Err(_) => 1000 * round / rounds,
            };
            // Only what comes after a third counts: until then caches fill.
            let third = (part / 334).min(2);
            if third > 0 {
                highest[third - 1] = highest[third - 1].max(memory());
            }
            if part >= 1000 {
                break;
            }
        }
        let [middle, end] = highest;
        println!("memory: {round} rounds, {middle} KiB in the second third, {end} in the last");
        assert!(end < middle + 4096, "it grew from {middle} to {end} KiB");
    };
    match seconds {
        // The watchdog does not know of that.
        Ok(_) => play(),
        Err(_) => isolated(NAME, play),
    }
}
