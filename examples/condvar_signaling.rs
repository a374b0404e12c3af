//! A bounded buffer between two runtimes, made of a `Mutex` and two `Condvar`s.
//!
//! The producer's runtime and the consumer's are on threads of their own. Look at how each side
//! waits: `wait_while` gives the guard up, and returns it once the condition no longer holds, so
//! what has just been tested is still true on the next line. And at how they end: the producer says
//! so in the buffer, under the lock, and notifies as for an item.

use std::{collections::VecDeque, thread};

use compio::runtime::{Runtime, spawn};
use compio_sync::{Condvar, Mutex};

const ITEMS: u64 = 10_000;
const CAPACITY: usize = 16;

struct Buffer {
    items: VecDeque<u64>,
    finished: bool,
}

static BUFFER: Mutex<Buffer> = Mutex::new(Buffer {
    items: VecDeque::new(),
    finished: false,
});
/// There is an item, or there will be no more.
static FILLED: Condvar = Condvar::new();
/// There is room for an item.
static EMPTIED: Condvar = Condvar::new();

fn main() {
    let producer = thread::spawn(|| run(produce()));
    let consumer = thread::spawn(|| run(consume()));
    let waits = producer.join().expect("the producer should not panic");
    let (count, sum, fullest) = consumer.join().expect("the consumer should not panic");

    println!("produced {ITEMS} items, with the buffer full {waits} times");
    println!("consumed {count} items with the sum {sum}, at most {fullest} of them in the buffer");
    assert_eq!((count, sum), (ITEMS, ITEMS * (ITEMS + 1) / 2));
    assert!(fullest <= CAPACITY);
}

/// Runs `future` as a task of a new runtime.
fn run<F: Future + 'static>(future: F) -> F::Output {
    let runtime = Runtime::new().expect("the system should have room for another runtime");
    runtime.block_on(async { spawn(future).await.expect("the task should not panic") })
}

/// Puts the numbers from 1 to `ITEMS` into the buffer. Returns how often it was full.
async fn produce() -> usize {
    let mut waits = 0;
    for item in 1..=ITEMS {
        let mut buffer = BUFFER.lock().await;
        if buffer.items.len() == CAPACITY {
            waits += 1;
            buffer = EMPTIED
                .wait_while(buffer, |buffer| buffer.items.len() == CAPACITY)
                .await;
        }
        buffer.items.push_back(item);
        FILLED.notify_one();
    }
    BUFFER.lock().await.finished = true;
    FILLED.notify_one();
    waits
}

/// Takes items out of the buffer until there will be no more. Returns how many there were, their
/// sum, and how many were in the buffer at most.
async fn consume() -> (u64, u64, usize) {
    let (mut count, mut sum, mut fullest) = (0, 0, 0);
    loop {
        let mut buffer = FILLED
            .wait_while(BUFFER.lock().await, |buffer| {
                buffer.items.is_empty() && !buffer.finished
            })
            .await;
        fullest = fullest.max(buffer.items.len());
        let Some(item) = buffer.items.pop_front() else {
            return (count, sum, fullest);
        };
        EMPTIED.notify_one();
        count += 1;
        sum += item;
    }
}
