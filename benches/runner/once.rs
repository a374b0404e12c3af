//! The rows about cells that are set once.

use std::future::Future;

use crate::{
    peers::once::Cells,
    workload::{
        Placement, Remotes, each, get, get_or_init, init, init_together, set, wait_together,
    },
};

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
pub enum Scenario {
    /// The value is there.
    Get,
    /// The same, by a future.
    GetOrInit,
    /// A cell is made and initialized, by one task.
    Init,
    /// A cell is made and set, by one task.
    Set,
    /// Tasks ask for values.
    InitTogether { runtimes: usize, tasks: usize },
    /// Tasks wait for values.
    WaitTogether { runtimes: usize, tasks: usize },
}

const UNCONTENDED: usize = 20_000;
const ROUNDS: usize = 200;

impl Scenario {
    /// How many operations one run consists of.
    pub fn operations(&self) -> usize {
        match *self {
            Self::Get | Self::GetOrInit | Self::Init | Self::Set => UNCONTENDED,
            Self::InitTogether { runtimes, tasks } | Self::WaitTogether { runtimes, tasks } => {
                runtimes * tasks * ROUNDS
            }
        }
    }

    /// One run of a peer. `None` if that is nothing for it.
    pub fn run<P: Cells>(&self, remotes: &mut Remotes) -> Option<Vec<f64>> {
        let apart = Placement::Apart;
        let time = match *self {
            Self::Get => alone(remotes, || get::<P>(UNCONTENDED)),
            Self::GetOrInit => alone(remotes, || get_or_init::<P>(UNCONTENDED)),
            Self::Init => alone(remotes, || init::<P>(UNCONTENDED)),
            Self::Set => alone(remotes, || set::<P>(UNCONTENDED))?,
            Self::InitTogether { runtimes, tasks } => {
                init_together::<P>(remotes.get(apart, runtimes), tasks, ROUNDS)
            }
            Self::WaitTogether { runtimes, tasks } => {
                wait_together::<P>(remotes.get(apart, runtimes), tasks, ROUNDS)?
            }
        };
        Some(vec![each(time, self.operations())])
    }
}

fn alone<F, Fut>(remotes: &mut Remotes, main: F) -> Fut::Output
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output: Send> + 'static,
{
    let remote = &remotes.get(Placement::Apart, 1)[0];
    remote.run(main).recv().expect("the runtime ends")
}

/// All that is measured: what it is called, and what it is.
pub fn cells() -> Vec<(String, Scenario)> {
    let mut cells = vec![
        ("once/get".into(), Scenario::Get),
        ("once/get or init, there".into(), Scenario::GetOrInit),
        ("once/init".into(), Scenario::Init),
        ("once/set".into(), Scenario::Set),
    ];
    for (runtimes, name) in [(1, "1 runtime"), (2, "2 runtimes")] {
        for tasks in [8, 64] {
            cells.push((
                format!("once/init, {name}, {tasks} tasks"),
                Scenario::InitTogether { runtimes, tasks },
            ));
            cells.push((
                format!("once/wait, {name}, {tasks} tasks"),
                Scenario::WaitTogether { runtimes, tasks },
            ));
        }
    }
    cells
}
