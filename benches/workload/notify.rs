//! Tasks that wait for a condition.

use std::{sync::Arc, time::Duration};

use super::{Remote, run_together, yield_now};
use crate::peers::{Monitor, Peer};

/// Two tasks, on the first and the last of `remotes`, that make a number odd and even in turn, and
/// wait for the other's doing. `None` if the peer has no condition variables.
pub fn notify_one<P: Peer>(remotes: &[Remote], rounds: usize) -> Option<Duration> {
    let monitor = Arc::new(P::monitor()?);
    let runtimes = remotes.len();
    let time = run_together(remotes, move |runtime| {
        let monitor = monitor.clone();
        async move {
            let turns: &[u64] = match runtimes {
                1 => &[0, 1],
                _ => &[[0], [1]][runtime],
            };
            let tasks: Vec<_> = turns
                .iter()
                .map(|turn| compio::runtime::spawn(alternate(monitor.clone(), *turn, rounds)))
                .collect();
            for task in tasks {
                task.await.expect("the task ends");
            }
        }
    });
    Some(time.0)
}

async fn alternate<M: Monitor>(monitor: Arc<M>, turn: u64, rounds: usize) {
    for _ in 0..rounds {
        let mut guard = monitor.lock().await;
        while *guard % 2 != turn {
            guard = monitor.wait(guard).await;
        }
        *guard += 1;
        drop(guard);
        monitor.notify_one();
    }
}

/// On each of `remotes`, `waiters` tasks wait for a number to change; the first of the remotes
/// changes it as soon as all wait, `rounds` times. `None` as above.
pub fn notify_all<P: Peer>(remotes: &[Remote], waiters: usize, rounds: usize) -> Option<Duration> {
    // The number counts those who have seen the last change, and then is where they wait.
    let monitor = Arc::new((P::monitor()?, P::monitor()?));
    let all = (remotes.len() * waiters) as u64;
    let time = run_together(remotes, move |runtime| {
        let monitor = monitor.clone();
        async move {
            let tasks: Vec<_> = (0..waiters)
                .map(|_| {
                    let monitor = monitor.clone();
                    compio::runtime::spawn(async move {
                        let (changes, arrivals) = &*monitor;
                        for round in 1..=rounds as u64 {
                            let mut guard = changes.lock().await;
                            *arrivals.lock().await += 1;
                            arrivals.notify_one();
                            while *guard < round {
                                guard = changes.wait(guard).await;
                            }
                        }
                    })
                })
                .collect();
            if runtime == 0 {
                let (changes, arrivals) = &*monitor;
                for round in 1..=rounds as u64 {
                    let mut guard = arrivals.lock().await;
                    while *guard < all * round {
                        guard = arrivals.wait(guard).await;
                    }
                    drop(guard);
                    // Whoever has arrived holds the other mutex until it waits.
                    *changes.lock().await = round;
                    changes.notify_all();
                    yield_now().await;
                }
            }
            for task in tasks {
                task.await.expect("the task ends");
            }
        }
    });
    Some(time.0)
}
