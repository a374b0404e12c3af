//! Tasks that acquire and release.

use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use compio::{fs::File, io::AsyncReadAt};

use super::{Remote, quantile, run_together, yield_now};
use crate::peers::{Peer, Semaphore};

/// What a task does while it holds its permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    Nothing,
    Yield,
    /// Reads a page of a file that is in memory.
    Read,
}

/// What each runtime has to do.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub tasks: usize,
    pub permits: usize,
    /// How often each task acquires.
    pub rounds: usize,
    pub inside: Inside,
    /// Whether each round reads a page without a permit, too.
    pub reads_outside: bool,
}

impl Load {
    async fn open(self) -> Option<File> {
        if self.inside != Inside::Read && !self.reads_outside {
            return None;
        }
        let path = env::current_exe().expect("the program has a file");
        Some(File::open(path).await.expect("it can be read"))
    }
}

async fn read(file: &Option<File>) {
    let file = file.as_ref().expect("it is open");
    let result = file.read_at(Vec::with_capacity(4096), 0).await;
    result.0.expect("it can be read");
}

/// On each of `remotes`, tasks acquire and release. Returns the time until all are through.
pub fn contend<P: Peer>(remotes: &[Remote], load: Load) -> Duration {
    let semaphore = Arc::new(P::semaphore(load.permits));
    run_together(remotes, move |_| {
        let semaphore = semaphore.clone();
        async move {
            let file = load.open().await;
            let tasks: Vec<_> = (0..load.tasks)
                .map(|_| {
                    let semaphore = semaphore.clone();
                    let file = file.clone();
                    compio::runtime::spawn(async move {
                        for _ in 0..load.rounds {
                            if load.reads_outside {
                                read(&file).await;
                            }
                            let _permit = semaphore.acquire().await;
                            match load.inside {
                                Inside::Nothing => {}
                                Inside::Yield => yield_now().await,
                                Inside::Read => read(&file).await,
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

/// Like [`contend`] with a yield inside, for how long each acquire and each release takes: the
/// 99th, 50th and 99.9th percentile of either, in nanoseconds.
pub fn latencies<P: Peer>(remotes: &[Remote], load: Load) -> Vec<f64> {
    let semaphore = Arc::new(P::semaphore(load.permits));
    let (_, times) = run_together(remotes, move |_| {
        let semaphore = semaphore.clone();
        async move {
            let tasks: Vec<_> = (0..load.tasks)
                .map(|_| {
                    let semaphore = semaphore.clone();
                    compio::runtime::spawn(async move {
                        let mut times = Vec::with_capacity(load.rounds);
                        for _ in 0..load.rounds {
                            let begin = Instant::now();
                            let permit = semaphore.acquire().await;
                            let acquired = begin.elapsed();
                            yield_now().await;
                            let begin = Instant::now();
                            drop(permit);
                            times.push((acquired, begin.elapsed()));
                        }
                        times
                    })
                })
                .collect();
            let mut times = Vec::new();
            for task in tasks {
                times.extend(task.await.expect("the task ends"));
            }
            times
        }
    });
    let times: Vec<_> = times.into_iter().flatten().collect();
    let nanoseconds = |time: Duration| time.as_nanos() as f64;
    let mut acquires: Vec<_> = times.iter().map(|times| nanoseconds(times.0)).collect();
    let mut releases: Vec<_> = times.iter().map(|times| nanoseconds(times.1)).collect();
    [&mut acquires, &mut releases]
        .into_iter()
        .flat_map(|times| [0.99, 0.5, 0.999].map(|share| quantile(times, share)))
        .collect()
}
