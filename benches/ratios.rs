//! The ratios that the documentation quotes, of medians over many short runs that take turns.
//!
//! `cargo bench --bench ratios [-- RUNS]` prints each figure with what it is measured against.
//! Runs of all sides alternate, so that whatever else the machine does hits them alike.

use std::{
    env,
    hint::black_box,
    sync::atomic::{
        AtomicUsize,
        Ordering::{Acquire, Release},
    },
    time::{Duration, Instant},
};

mod peers;
use peers::{Remote, Semaphore, contend, fan_out};

type Side<'a> = (&'static str, Box<dyn FnMut() -> Duration + 'a>);

/// Prints the first side's median, and each other side's with the first side's ratio to it.
fn compare(title: &str, runs: usize, mut sides: Vec<Side<'_>>) {
    let mut times = vec![Vec::with_capacity(runs); sides.len()];
    for run in 0..=runs {
        for (times, (_, side)) in times.iter_mut().zip(&mut sides) {
            let time = side();
            if run > 0 {
                times.push(time);
            }
        }
    }
    let medians: Vec<_> = times
        .iter_mut()
        .map(|times| {
            times.sort();
            times[times.len() / 2].as_nanos() as f64
        })
        .collect();
    println!("{title}");
    for ((name, _), median) in sides.iter().zip(&medians) {
        println!(
            "  {name:<16} {:>10.2} us   ratio {:>5.2}",
            median / 1e3,
            medians[0] / median
        );
    }
}

fn uncontended<S: Semaphore>() -> Side<'static> {
    let semaphore = S::new(1);
    let side = move || {
        let begin = Instant::now();
        for _ in 0..1000 {
            drop(black_box(black_box(&semaphore).try_acquire()));
        }
        begin.elapsed()
    };
    (S::NAME, Box::new(side))
}

fn two_rmws() -> Side<'static> {
    let word = AtomicUsize::new(1);
    let side = move || {
        let begin = Instant::now();
        for _ in 0..1000 {
            let word = black_box(&word);
            black_box(word.fetch_sub(1, Acquire));
            black_box(word.fetch_add(1, Release));
        }
        begin.elapsed()
    };
    ("two bare RMWs", Box::new(side))
}

fn main() {
    // Cargo passes `--bench` along.
    let runs = env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(101);
    compare(
        "uncontended: 1000 x try_acquire + drop",
        runs,
        vec![
            uncontended::<compio_sync::Semaphore>(),
            two_rmws(),
            uncontended::<tokio::sync::Semaphore>(),
            uncontended::<async_lock::Semaphore>(),
            uncontended::<asyncband::semaphore::Semaphore>(),
        ],
    );
    let remotes = [Remote::new(), Remote::new()];
    for (runtimes, tasks) in [(1, 64), (2, 8), (2, 64)] {
        for permits in [1, 10] {
            let remotes = &remotes[..runtimes];
            macro_rules! side {
                ($semaphore:ty) => {
                    (
                        <$semaphore as Semaphore>::NAME,
                        Box::new(move || contend::<$semaphore>(remotes, tasks, permits, 20)) as _,
                    )
                };
            }
            compare(
                &format!("{runtimes} runtimes x {tasks} tasks x 20 rounds, {permits} permits"),
                runs,
                vec![
                    side!(compio_sync::Semaphore),
                    side!(tokio::sync::Semaphore),
                    side!(async_lock::Semaphore),
                    side!(asyncband::semaphore::Semaphore),
                ],
            );
        }
    }
    for count in [1, 16, 64, 256, 1024, 4096] {
        let remote = &remotes[0];
        macro_rules! side {
            ($semaphore:ty) => {
                (
                    <$semaphore as Semaphore>::NAME,
                    Box::new(move || fan_out::<$semaphore>(remote, count)) as _,
                )
            };
        }
        let mut sides = vec![
            side!(compio_sync::Semaphore),
            side!(tokio::sync::Semaphore),
            side!(asyncband::semaphore::Semaphore),
        ];
        if count <= peers::REMOTE_WAKES {
            sides.push(side!(async_lock::Semaphore));
        }
        compare(
            &format!("{count} waiters on another runtime, until the last runs"),
            runs,
            sides,
        );
    }
}
