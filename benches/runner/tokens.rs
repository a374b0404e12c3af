//! The rows about cancellation tokens.

use crate::{
    peers::tokens::Token,
    workload::{Placement, Remotes, Use, cancel_tree, each, use_tokens},
};

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
pub enum Scenario {
    Use {
        runtimes: usize,
        what: Use,
    },
    /// A root is cancelled, and tasks of another runtime that wait for its children end.
    Cancel {
        tasks: usize,
    },
}

impl Scenario {
    pub fn operations(&self) -> usize {
        match *self {
            Self::Use { runtimes, .. } => runtimes * USES,
            Self::Cancel { tasks } => tasks,
        }
    }

    /// One run of a peer.
    pub fn run<T: Token>(&self, remotes: &mut Remotes) -> Option<Vec<f64>> {
        let time = match *self {
            Self::Use { runtimes, what } => {
                use_tokens::<T>(remotes.get(Placement::Apart, runtimes), what, USES)
            }
            Self::Cancel { tasks } => cancel_tree::<T>(remotes.get(Placement::Apart, 2), tasks),
        };
        Some(vec![each(time, self.operations())])
    }
}

const USES: usize = 20_000;

/// All that is measured: what it is called, and what it is.
pub fn cells() -> Vec<(String, Scenario)> {
    let mut cells = Vec::new();
    for runtimes in [1, 2] {
        for (name, what) in [
            ("is_cancelled, root", Use::Ask { depth: 0 }),
            ("is_cancelled, child", Use::Ask { depth: 1 }),
            ("is_cancelled, grandchild", Use::Ask { depth: 2 }),
            ("child", Use::Child),
            ("child and a wait", Use::Wait),
            ("wait", Use::WaitAgain),
        ] {
            let name = format!("token/{name}, {runtimes} runtimes");
            cells.push((name, Scenario::Use { runtimes, what }));
        }
    }
    // More tasks than compio 0.19 has room for wakes: tokio-util wakes them one by one.
    for tasks in [1, 16, 60] {
        let name = format!("token/cancel, 2 runtimes, {tasks} children");
        cells.push((name, Scenario::Cancel { tasks }));
    }
    cells
}
