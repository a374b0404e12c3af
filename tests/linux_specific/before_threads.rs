//! A wait that is older than the process's second thread.

use super::*;

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
