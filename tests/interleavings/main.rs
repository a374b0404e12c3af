//! Interleavings of one thread: those that fuzzing found worth keeping, and some at random.
//!
//! The fuzz targets in `fuzz/` use the same [`driver`]. To keep what they find, copy it into
//! `fuzz/corpus/`.

mod driver;

use std::{fs, path::Path};

use driver::Counts;

/// Plays what is in the corpus, and twenty times as many random games as `STRESS_TEST_ITERATIONS`
/// says.
fn replay(name: &str, play: fn(&[u8]) -> Counts) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut games: Vec<_> = fs::read_dir(&corpus)
        .unwrap_or_else(|error| panic!("{}: {error}", corpus.display()))
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(!games.is_empty(), "the corpus is gone");
    let kept = games.len();

    let iterations = match std::env::var("STRESS_TEST_ITERATIONS") {
        Ok(number) => number.parse().expect("STRESS_TEST_ITERATIONS is a number"),
        Err(_) => 30,
    };
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    games.extend((0..20 * iterations).map(|_| {
        let byte = |_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 24) as u8
        };
        (0..200).map(byte).collect()
    }));

    let mut total = Counts::default();
    games.iter().for_each(|game| total.add(play(game)));
    // Wakers did make calls.
    assert!(total.overlapping > 0);
    eprintln!(
        "{name}: {kept} games from the corpus, {} in all, {total:?}",
        games.len()
    );
}

#[test]
fn semaphore_interleavings_follow_the_model() {
    replay("semaphore", driver::semaphore);
}

#[test]
fn condvar_interleavings_follow_the_model() {
    replay("condvar", driver::condvar);
}

#[test]
fn semaphore_with_overtaking_interleavings_follow_the_model() {
    replay(
        "semaphore_with_overtaking",
        driver::semaphore_with_overtaking,
    );
}

#[test]
fn condvar_with_overtaking_interleavings_follow_the_model() {
    replay("condvar_with_overtaking", driver::condvar_with_overtaking);
}

#[test]
fn event_interleavings_follow_the_model() {
    replay("event", driver::event);
}

#[test]
fn waiter_queue_interleavings_follow_the_model() {
    replay("waiter_queue", driver::waiter_queue);
}
