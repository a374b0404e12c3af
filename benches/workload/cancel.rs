//! Waits that are cancelled.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use super::{Remote, run_together, yield_now};
use crate::peers::{Peer, Semaphore};

/// Polls `future` once, and drops it.
pub(super) async fn call_off(future: impl Future) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

/// On each of `remotes`, a task cancels `rounds` waits for a permit that nobody has, while
/// `others` tasks wait for it.
pub fn cancel_alone<P: Peer>(remotes: &[Remote], others: usize, rounds: usize) -> Duration {
    let semaphore = Arc::new(P::semaphore(0));
    let runtimes = remotes.len();
    run_together(remotes, move |_| {
        let semaphore = semaphore.clone();
        async move {
            let others: Vec<_> = (0..others)
                .map(|_| {
                    let semaphore = semaphore.clone();
                    compio::runtime::spawn(async move { drop(semaphore.acquire().await) })
                })
                .collect();
            yield_now().await;
            compio::runtime::spawn({
                let semaphore = semaphore.clone();
                async move {
                    for _ in 0..rounds {
                        call_off(semaphore.acquire()).await;
                    }
                }
            })
            .await
            .expect("the task ends");
            if !others.is_empty() {
                semaphore.add_permits(runtimes);
                for other in others {
                    other.await.expect("the task ends");
                }
            }
        }
    })
    .0
}

/// On each of `remotes`, half of `tasks` acquire and release one permit with a yield inside, while
/// the other half cancel waits for it.
pub fn cancel_among<P: Peer>(remotes: &[Remote], tasks: usize, rounds: usize) -> Duration {
    let semaphore = Arc::new(P::semaphore(1));
    run_together(remotes, move |_| {
        let semaphore = semaphore.clone();
        async move {
            let tasks: Vec<_> = (0..tasks)
                .map(|task| {
                    let semaphore = semaphore.clone();
                    compio::runtime::spawn(async move {
                        for _ in 0..rounds {
                            if task % 2 == 0 {
                                let _permit = semaphore.acquire().await;
                                yield_now().await;
                            } else {
                                call_off(semaphore.acquire()).await;
                                yield_now().await;
                            }
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("the task ends");
            }
        }
    })
    .0
}
