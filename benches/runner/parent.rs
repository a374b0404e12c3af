//! Has the columns' processes run in turn, and makes medians of what they say.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    child::{Answer, Worker},
    column::Column,
    scenario::Cell,
};

/// How much is measured.
pub struct Effort {
    /// How often new processes are started: one may be lucky with its addresses.
    pub generations: usize,
    /// How many runs each process is to do if there is time, after one that does not count.
    pub runs: usize,
    /// How many at least.
    pub least: usize,
    /// How long one process may take for them.
    pub budget: Duration,
    /// How long one run may take before it counts as hanging.
    pub patience: Duration,
}

impl Effort {
    pub const QUICK: Self = Self {
        generations: 2,
        runs: 15,
        least: 3,
        budget: Duration::from_millis(100),
        patience: Duration::from_secs(5),
    };
    const ONCE: Self = Self {
        generations: 1,
        runs: 1,
        least: 1,
        budget: Duration::ZERO,
        patience: Duration::from_secs(60),
    };
    pub const FULL: Self = Self {
        generations: 5,
        runs: 30,
        least: 5,
        budget: Duration::from_millis(400),
        patience: Duration::from_secs(10),
    };
}

/// What was measured in one column.
pub enum Outcome {
    /// Of each metric.
    Measured(Vec<Spread>),
    Nothing,
    Hangs,
}

/// Of all runs.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub low: f64,
    pub high: f64,
    pub runs: usize,
}

impl Spread {
    fn of(values: &mut [f64]) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |numerator| values[(values.len() - 1) * numerator / 4];
        Self {
            median: at(2),
            low: at(1),
            high: at(3),
            runs: values.len(),
        }
    }
}

/// Measures one row.
pub fn measure(columns: &[&Column], cell: &Cell, effort: &Effort) -> io::Result<Vec<Outcome>> {
    let mut runs: Vec<Vec<Vec<f64>>> = columns.iter().map(|_| Vec::new()).collect();
    let mut hangs = vec![false; columns.len()];
    let effort = if cell.scenario.is_exact() {
        &Effort::ONCE
    } else {
        effort
    };
    for generation in 0..effort.generations {
        let mut workers = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            if !hangs[index] && column.has(&cell.scenario) {
                workers.push((index, Worker::new(column, cell)?, Duration::ZERO));
            }
        }
        let warm_ups = usize::from(!cell.scenario.is_exact());
        for run in 0..effort.runs + warm_ups {
            // Nobody comes always after the same.
            let workers_left = workers.len().max(1);
            workers.rotate_left((generation + run) % workers_left);
            workers.retain_mut(|(index, worker, spent)| {
                let begin = Instant::now();
                let answer = worker.run(effort.patience);
                *spent += begin.elapsed();
                match answer {
                    // The first is for warming up.
                    Answer::Values(_) if run < warm_ups => true,
                    Answer::Values(values) => {
                        runs[*index].push(values);
                        run < effort.least || *spent < effort.budget
                    }
                    Answer::Nothing => false,
                    Answer::Hangs => {
                        hangs[*index] = true;
                        false
                    }
                }
            });
        }
    }
    let outcomes = runs.iter().zip(hangs).map(|(runs, hangs)| {
        if hangs {
            Outcome::Hangs
        } else if runs.is_empty() {
            Outcome::Nothing
        } else {
            let metrics = 0..runs[0].len();
            Outcome::Measured(
                metrics
                    .map(|metric| {
                        let mut values: Vec<_> = runs.iter().map(|run| run[metric]).collect();
                        Spread::of(&mut values)
                    })
                    .collect(),
            )
        }
    });
    Ok(outcomes.collect())
}
