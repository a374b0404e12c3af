//! Many waiters on other runtimes that one call lets go.

use std::{
    cell::Cell,
    hint,
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{Remote, yield_now};
use crate::peers::{Peer, Semaphore};

/// What the waiters' runtime does when they are let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// It has been sleeping for a while.
    Asleep,
    /// It has just told the releaser that they all wait, and is about to sleep.
    Fresh,
    /// It has another task that never rests.
    Awake,
}

/// `count` tasks on each of `targets` wait; one call, on the runtime of `releaser`, lets them all
/// go. Returns the time from that call until the last of them runs.
pub fn fan_out<P: Peer>(
    releaser: &Remote,
    targets: &[Remote],
    target: Target,
    count: usize,
) -> Duration {
    let semaphore = Arc::new(P::semaphore(0));
    let (waiting, all_wait) = mpsc::channel();
    let finished: Vec<_> = targets
        .iter()
        .map(|remote| {
            let semaphore = semaphore.clone();
            let waiting = waiting.clone();
            remote.run(move || wait_for_permits::<P>(semaphore, target, count, waiting))
        })
        .collect();
    let targets = targets.len();
    let begin = releaser.run(move || async move {
        for _ in 0..targets {
            all_wait.recv().expect("the runtime gets there");
        }
        if target != Target::Fresh {
            // Long enough for them to fall asleep, on this processor too; then awake oneself.
            thread::sleep(Duration::from_micros(50));
            let woken = Instant::now();
            while woken.elapsed() < Duration::from_micros(20) {
                hint::spin_loop();
            }
        }
        let begin = Instant::now();
        semaphore.add_permits(targets * count);
        begin
    });
    let begin = begin.recv().expect("the runtime ends");
    let ends = finished
        .into_iter()
        .map(|end| end.recv().expect("the runtime ends"));
    ends.max().expect("there is a target").duration_since(begin)
}

async fn wait_for_permits<P: Peer>(
    semaphore: Arc<P::Semaphore>,
    target: Target,
    count: usize,
    waiting: mpsc::Sender<()>,
) -> Instant {
    let done = Rc::new(Cell::new(false));
    let busy = (target == Target::Awake).then(|| {
        let done = done.clone();
        compio::runtime::spawn(async move {
            while !done.get() {
                yield_now().await;
            }
        })
    });
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let semaphore = semaphore.clone();
            compio::runtime::spawn(async move { P::Semaphore::forget(semaphore.acquire().await) })
        })
        .collect();
    // Behind them all in the executor's queue: they have been polled when this has run.
    compio::runtime::spawn(async move { waiting.send(()).expect("it is waited for") })
        .await
        .expect("the task ends");
    for task in tasks {
        task.await.expect("the task ends");
    }
    let end = Instant::now();
    done.set(true);
    if let Some(busy) = busy {
        busy.await.expect("the task ends");
    }
    end
}
