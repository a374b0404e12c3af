//! Cells that are set once.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Remote, run_together, yield_now};
use crate::peers::once::{Cells, Once, Set};

/// Looks at a value that is there.
pub async fn get<P: Cells>(rounds: usize) -> Duration {
    let cell = P::Once::new();
    cell.get_or_init(async || 1).await;
    let begin = Instant::now();
    for _ in 0..rounds {
        black_box(black_box(&cell).get());
    }
    begin.elapsed()
}

/// Asks for a value that is there, to be initialized otherwise.
pub async fn get_or_init<P: Cells>(rounds: usize) -> Duration {
    let cell = P::Once::new();
    cell.get_or_init(async || 1).await;
    let begin = Instant::now();
    for _ in 0..rounds {
        black_box(black_box(&cell).get_or_init(async || 2).await);
    }
    begin.elapsed()
}

/// Makes a cell, and initializes it.
pub async fn init<P: Cells>(rounds: usize) -> Duration {
    let begin = Instant::now();
    for _ in 0..rounds {
        let cell = black_box(P::Once::new());
        black_box(cell.get_or_init(async || 1).await);
    }
    begin.elapsed()
}

/// Makes a cell, and sets it.
pub async fn set<P: Cells>(rounds: usize) -> Option<Duration> {
    P::Set::new()?;
    let begin = Instant::now();
    for _ in 0..rounds {
        let cell = black_box(P::Set::new().expect("there is one"));
        assert!(black_box(cell.set(1)));
    }
    Some(begin.elapsed())
}

/// On each of `remotes`, new tasks ask for each of the same values. Initializing lets the others run. All tasks for one
/// value end before those for the next begin, so that no task gets ahead and finds every value there.
pub fn init_together<P: Cells>(remotes: &[Remote], tasks: usize, rounds: usize) -> Duration {
    let cells: Arc<Vec<_>> = Arc::new((0..rounds).map(|_| P::Once::new()).collect());
    run_together(remotes, move |_| {
        let cells = cells.clone();
        async move {
            for round in 0..rounds {
                let tasks: Vec<_> = (0..tasks)
                    .map(|_| {
                        let cells = cells.clone();
                        compio::runtime::spawn(async move {
                            let init = cells[round].get_or_init(async || {
                                yield_now().await;
                                1
                            });
                            init.await;
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("the task ends");
                }
            }
        }
    })
    .0
}

/// Tasks on each of `remotes` wait for one value after the other, which a task of the first runtime sets. It lets the
/// others run before each.
pub fn wait_together<P: Cells>(
    remotes: &[Remote],
    tasks: usize,
    rounds: usize,
) -> Option<Duration> {
    P::Set::new()?;
    let cells = (0..rounds).map(|_| P::Set::new().expect("there is one"));
    let cells: Arc<Vec<_>> = Arc::new(cells.collect());
    let time = run_together(remotes, move |runtime| {
        let cells = cells.clone();
        async move {
            let tasks: Vec<_> = (0..tasks)
                .map(|_| {
                    let cells = cells.clone();
                    compio::runtime::spawn(async move {
                        for cell in &*cells {
                            cell.wait().await;
                        }
                    })
                })
                .collect();
            if runtime == 0 {
                for cell in &*cells {
                    yield_now().await;
                    assert!(cell.set(1));
                }
            }
            for task in tasks {
                task.await.expect("the task ends");
            }
        }
    });
    Some(time.0)
}
