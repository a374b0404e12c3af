//! The ways to take permits from a `Semaphore`, and to give them back.
//!
//! Every step prints what it does and asserts that it is so. Look at how a permit is a value: it is
//! given back when it is dropped, by leaving its scope, with the task that it has moved into, or by
//! `drop`.

use std::{sync::Arc, time::Duration};

use compio::{runtime::spawn, time::sleep};
use compio_sync::{AcquireError, Semaphore};
use futures_util::poll;

#[compio::main]
async fn main() {
    let semaphore = Arc::new(Semaphore::new(3));
    println!("a semaphore with {} permits", semaphore.available_permits());

    // The permit borrows the semaphore, and ends with the block.
    {
        let _permit = semaphore.acquire().await;
        assert_eq!(semaphore.available_permits(), 2);
        println!("acquire: {} left", semaphore.available_permits());
    }
    assert_eq!(semaphore.available_permits(), 3);

    // Two permits at once. What is left is enough for one more, not for two.
    let two = semaphore.acquire_many(2).await;
    println!("acquire_many(2): {} left", semaphore.available_permits());
    assert!(semaphore.try_acquire_many(2).is_none());
    println!("try_acquire_many(2): none, and no waiting");
    let third = semaphore.try_acquire().expect("one is left");
    println!("try_acquire: {} left", semaphore.available_permits());
    drop((two, third));
    assert_eq!(semaphore.available_permits(), 3);

    // Ten tasks, of which three run at a time. An owned permit may outlive the place that acquired
    // it: this loop does not spawn a task before there is a permit for it.
    let mut tasks = Vec::new();
    for n in 1..=10 {
        let permit = semaphore.clone().acquire_owned().await;
        tasks.push(spawn(async move {
            let running = permit.semaphore().in_use();
            println!("task {n}: {running} running");
            assert!(running <= 3);
            sleep(Duration::from_millis(1)).await;
        }));
    }
    for task in tasks {
        task.await.expect("the task should not panic");
    }
    assert_eq!(semaphore.available_permits(), 3);

    // Who asks for more than there is waits in line, and goes on when permits are added.
    let mut four = semaphore.acquire_many(4);
    assert!(poll!(&mut four).is_pending());
    println!("acquire_many(4): {} in line", semaphore.waiter_count());
    semaphore.add_permits(1);
    assert_eq!(four.await.num_permits(), 4);
    println!("add_permits(1): now there are {}", semaphore.max_permits());

    // A closed semaphore turns everybody away.
    semaphore.close();
    assert_eq!(
        semaphore.acquire().or_closed().await.unwrap_err(),
        AcquireError
    );
    println!("close: no more permits");
}
