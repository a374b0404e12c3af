//! Shows two ways in which compio-executor frees memory that a waker still uses.
//!
//! Both use compio-executor alone. The executor is given a driver's waker that stops inside
//! `wake_by_ref` until the waker itself has been dropped, which must be impossible: the call holds a
//! reference to it. docs/compio-use-after-free.md explains what happens.
//!
//! ```sh
//! cargo run --example executor_freed_while_woken
//! ```

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use compio_executor::{Executor, ExecutorConfig};

/// What both sides see of a [`Driver`].
#[derive(Default)]
struct Seen {
    called: AtomicBool,
    dropped: AtomicBool,
}

/// Stands for a driver's waker. Its first call from another thread stops, as if that thread had lost
/// its processor there.
struct Driver(Arc<Seen>);

impl Wake for Driver {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if thread::current().name() != Some("waking") {
            return;
        }
        // Nothing of `self` is used below: it may be gone.
        let seen = self.0.clone();
        seen.called.store(true, SeqCst);
        within_a_second(|| seen.dropped.load(SeqCst));
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.dropped.store(true, SeqCst);
    }
}

fn within_a_second(condition: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(1);
    while !condition() {
        if Instant::now() > end {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

/// An executor with one task, which leaves its waker and is pending until it is woken.
fn executor(seen: &Arc<Seen>) -> (Executor, Waker) {
    let executor = Executor::with_config(ExecutorConfig {
        waker: Some(Arc::new(Driver(seen.clone())).into()),
        ..ExecutorConfig::default()
    });
    let left = Arc::new(Mutex::new(None));
    let waker = left.clone();
    executor
        .spawn(async move {
            poll_fn(
                |context| match waker.lock().unwrap().replace(context.waker().clone()) {
                    None => Poll::Pending,
                    Some(_) => Poll::Ready(()),
                },
            )
            .await;
        })
        .detach();
    executor.tick();
    let waker = left
        .lock()
        .unwrap()
        .clone()
        .expect("the task has been polled");
    (executor, waker)
}

/// Wakes the task on another thread, which stops in the driver's waker; then does `meanwhile`, drops the
/// executor, and says whether the driver's waker was dropped while it was being called.
fn freed_while_woken(meanwhile: fn(&Executor, &Waker)) -> bool {
    let seen = Arc::new(Seen::default());
    let (executor, waker) = executor(&seen);
    let waking = thread::Builder::new()
        .name("waking".into())
        .spawn({
            let waker = waker.clone();
            move || waker.wake_by_ref()
        })
        .unwrap();
    assert!(within_a_second(|| seen.called.load(SeqCst)));

    meanwhile(&executor, &waker);
    let before = Instant::now();
    drop(executor);
    let waited = before.elapsed() > Duration::from_millis(500);
    waking.join().unwrap();
    !waited
}

fn main() {
    let nothing = freed_while_woken(|_, _| {});
    println!(
        "a task that is pending and woken once:  {}",
        verdict(nothing)
    );

    // The waker's thread has pushed the task and not yet come back from the driver's waker. The task
    // runs and completes, so the executor has no task left whose callers it could wait for.
    let completed = freed_while_woken(|executor, _| {
        executor.tick();
    });
    println!(
        "a task that completes meanwhile:        {}",
        verdict(completed)
    );

    // A second caller finds the task scheduled already, has nothing to do, and clears the flag that
    // stands for the first caller.
    let cleared = freed_while_woken(|_, waker| {
        let waker = waker.clone();
        thread::spawn(move || waker.wake_by_ref()).join().unwrap();
    });
    println!(
        "a task that a second thread wakes, too: {}",
        verdict(cleared)
    );
}

fn verdict(freed: bool) -> &'static str {
    if freed {
        "the executor was freed while its waker was called"
    } else {
        "the executor waited for the call"
    }
}
