//! Two runtimes that let each other go on, in turn.

use std::{cell::Cell, future::Future, rc::Rc, sync::Arc, time::Duration};

use super::{Remote, run_together, yield_now};
use crate::peers::{Peer, Semaphore};

/// What the runtimes do besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingPong {
    /// Nothing: each sleeps until it is its turn.
    Asleep,
    /// Another task never rests.
    Awake,
}

/// Runs `main` as a task of the runtime, which does that besides.
pub async fn beside<F>(besides: PingPong, main: F)
where
    F: Future<Output = ()> + 'static,
{
    let done = Rc::new(Cell::new(false));
    let busy = (besides == PingPong::Awake).then(|| {
        let done = done.clone();
        compio::runtime::spawn(async move {
            while !done.get() {
                yield_now().await;
            }
        })
    });
    compio::runtime::spawn(main).await.expect("the task ends");
    done.set(true);
    if let Some(busy) = busy {
        busy.await.expect("the task ends");
    }
}

/// Returns the time for `rounds` round trips.
pub fn ping_pong<P: Peer>(remotes: &[Remote], besides: PingPong, rounds: usize) -> Duration {
    assert_eq!(remotes.len(), 2);
    let semaphores = Arc::new([P::semaphore(0), P::semaphore(0)]);
    run_together(remotes, move |index| {
        let semaphores = semaphores.clone();
        beside(besides, async move {
            let [mine, theirs] = [&semaphores[index], &semaphores[1 - index]];
            for _ in 0..rounds {
                if index == 0 {
                    theirs.add_permits(1);
                }
                P::Semaphore::forget(mine.acquire().await);
                if index == 1 {
                    theirs.add_permits(1);
                }
            }
        })
    })
    .0
}
