//! The limits: what the machine and the executor take when there is nothing to synchronize.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{
            AtomicU32, AtomicUsize,
            Ordering::{Acquire, Release},
        },
    },
    thread,
    time::{Duration, Instant},
};

use super::{Placement, Remote, pin_to, run_together, yield_now};

/// A semaphore's acquire and release change one word each.
pub fn two_rmws(rounds: usize) -> Duration {
    let word = AtomicUsize::new(1);
    let begin = Instant::now();
    for _ in 0..rounds {
        let word = black_box(&word);
        black_box(word.fetch_sub(1, Acquire));
        black_box(word.fetch_add(1, Release));
    }
    begin.elapsed()
}

/// `tasks` tasks on each of `remotes` do nothing but let each other run.
pub fn yields(remotes: &[Remote], tasks: usize, rounds: usize) -> Duration {
    run_together(remotes, move |_| async move {
        let tasks: Vec<_> = (0..tasks)
            .map(|_| {
                compio::runtime::spawn(async move {
                    for _ in 0..rounds {
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("the task ends");
        }
    })
    .0
}

/// Two threads that wake each other by a futex, without a runtime.
pub fn futex_ping_pong(placement: Placement, rounds: usize) -> Duration {
    threads_ping_pong(placement, rounds, sleep_while, wake)
}

/// Two threads that watch each other's word.
pub fn spinning_ping_pong(placement: Placement, rounds: usize) -> Duration {
    threads_ping_pong(
        placement,
        rounds,
        |word, value| {
            while word.load(Acquire) == value {
                std::hint::spin_loop();
            }
        },
        |_| {},
    )
}

fn threads_ping_pong(
    placement: Placement,
    rounds: usize,
    sleep: fn(&AtomicU32, u32),
    wake: fn(&AtomicU32),
) -> Duration {
    let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let thread = |index: usize| {
        let words = words.clone();
        thread::spawn(move || {
            if let Some(processor) = placement.processor(index) {
                pin_to(processor);
            }
            let [mine, theirs] = [&words[index], &words[1 - index]];
            let pass = |round| {
                theirs.store(round + 1, Release);
                wake(theirs);
            };
            let begin = Instant::now();
            for round in 0..rounds as u32 {
                if index == 0 {
                    pass(round);
                }
                while mine.load(Acquire) == round {
                    sleep(mine, round);
                }
                if index == 1 {
                    pass(round);
                }
            }
            begin.elapsed()
        })
    };
    let [first, second] = [thread(0), thread(1)];
    let time = first.join().expect("the thread ends");
    second.join().expect("the thread ends");
    time
}

#[cfg(target_os = "linux")]
fn sleep_while(word: &AtomicU32, value: u32) {
    // SAFETY: FUTEX_WAIT compares the word, which is alive, and has no time limit.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            value,
            std::ptr::null::<libc::timespec>(),
        );
    }
}

#[cfg(target_os = "linux")]
fn wake(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE looks up the address and touches nothing.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            1,
        );
    }
}

/// No futex to be had: what std makes of the system's.
#[cfg(not(target_os = "linux"))]
fn sleep_while(_: &AtomicU32, _: u32) {
    thread::yield_now();
}

#[cfg(not(target_os = "linux"))]
fn wake(_: &AtomicU32) {}
