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
        .args([name, "--nocapture", "--test-threads=1"])
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

mod before_threads;
mod ending;
mod futex;
mod many;
mod moving;
mod refused;
mod rings;
