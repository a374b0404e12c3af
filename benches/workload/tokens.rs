//! Cancellation tokens.

use std::{
    hint::black_box,
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{Remote, cancel::call_off, run_together, yield_now};
use crate::peers::tokens::Token;

/// What a task does with tokens, over and over.
#[derive(Clone, Copy, Debug)]
pub enum Use {
    /// Asks a token, so many levels below the root, whether it is cancelled.
    Ask { depth: usize },
    /// Makes a child of a token that all share, and drops it.
    Child,
    /// The same, and begins to wait for it in between.
    Wait,
    /// Begins to wait for a token that all share, and gives up.
    WaitAgain,
}

/// Each of `remotes` does so with the same tree, `rounds` times.
pub fn use_tokens<T: Token>(remotes: &[Remote], what: Use, rounds: usize) -> Duration {
    let root = T::root();
    let time = run_together(remotes, {
        let root = root.clone();
        move |_| {
            let root = root.clone();
            async move {
                let task = compio::runtime::spawn(async move {
                    let depth = if let Use::Ask { depth } = what {
                        depth
                    } else {
                        0
                    };
                    let token = (0..depth).fold(root.clone(), |token, _| token.child());
                    for _ in 0..rounds {
                        match what {
                            Use::Ask { .. } => {
                                assert!(!black_box(&token).looks_cancelled());
                            }
                            Use::Child => drop(black_box(token.child())),
                            Use::Wait => {
                                let child = black_box(token.child());
                                call_off(child.wait()).await;
                            }
                            Use::WaitAgain => call_off(black_box(&token).wait()).await,
                        }
                    }
                });
                task.await.expect("the task ends");
            }
        }
    });
    time.0
}

/// The first of `remotes` cancels a root when `tasks` of the last one wait for children of it. The time until all have
/// ended.
pub fn cancel_tree<T: Token>(remotes: &[Remote], tasks: usize) -> Duration {
    let root = T::root();
    let (wait, waits) = std::sync::mpsc::channel();
    let (last, first) = (remotes.len() - 1, 0);
    let ended = remotes[last].run({
        let root = root.clone();
        move || async move {
            let tasks: Vec<_> = (0..tasks)
                .map(|_| {
                    let child = root.child();
                    compio::runtime::spawn(async move { child.wait().await })
                })
                .collect();
            yield_now().await;
            let _ = wait.send(());
            if last == first {
                root.cancel_all();
            }
            for task in tasks {
                task.await.expect("the task ends");
            }
            Instant::now()
        }
    });
    waits.recv().expect("the tasks wait");
    let begin = Instant::now();
    if last != first {
        let root = Mutex::new(root);
        let cancelled = remotes[first].run(move || async move {
            let begin = Instant::now();
            root.into_inner().expect("no panic").cancel_all();
            begin
        });
        let begin = cancelled.recv().expect("the runtime ends");
        return ended.recv().expect("the runtime ends") - begin;
    }
    ended
        .recv()
        .expect("the runtime ends")
        .saturating_duration_since(begin)
}
