//! A value that changes, and that many look at.

mod common;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Polled, Task, Watchdog, World, yield_now};
use compio_sync::watch::{self, error::RecvError};

/// Counts how often it was dropped.
#[derive(Clone)]
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

// ---- looking ----

#[test]
fn receivers_know_what_they_have_seen() {
    let (sender, mut receiver) = watch::channel(0);
    let mut other = receiver.clone();
    assert_eq!(receiver.has_changed(), Ok(false));
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!(receiver.has_changed(), Ok(true));
    assert!(receiver.borrow().has_changed());
    assert_eq!(*receiver.borrow(), 2);
    assert_eq!(receiver.has_changed(), Ok(true), "it has only borrowed");
    let seen = receiver.borrow_and_update();
    assert!(seen.has_changed());
    drop(seen);
    assert_eq!(receiver.has_changed(), Ok(false));
    assert_eq!(other.has_changed(), Ok(true));
    other.mark_unchanged();
    assert_eq!(other.has_changed(), Ok(false));
    other.mark_changed();
    assert_eq!(other.has_changed(), Ok(true));
    assert_eq!(Polled::new(other.changed()).ready(), Ok(()));
    assert_eq!(sender.subscribe().has_changed(), Ok(false));
}

#[test]
fn value_that_is_looked_at_stays_and_holds_up_nobody() {
    let (sender, mut receiver) = watch::channel(vec![0]);
    let other = receiver.clone();
    let looks: Vec<_> = (1..10)
        .map(|n| {
            let look = other.borrow();
            sender.send(vec![n]).unwrap();
            look
        })
        .collect();
    let first = receiver.borrow_and_update();
    sender.send_modify(|value| value.push(1));
    for (n, look) in looks.iter().enumerate() {
        assert_eq!(**look, [n]);
    }
    assert_eq!(*first, [9]);
    assert_eq!(*sender.borrow(), [9, 1]);
}

#[test]
fn looks_are_kept_across_awaits_and_threads() {
    let (sender, receiver) = watch::channel(String::from("a"));
    compio::runtime::Runtime::new().unwrap().block_on(async {
        let looking = compio::runtime::spawn(async move {
            let look = receiver.borrow();
            yield_now().await;
            thread::scope(|scope| scope.spawn(|| assert_eq!(*look, "a")).join().unwrap());
            look.len()
        });
        yield_now().await;
        sender.send(String::from("bcd")).unwrap();
        assert_eq!(looking.await.unwrap(), 1);
    });
}

#[test]
fn values_are_dropped_with_the_last_who_looks() {
    let drops = Arc::new(AtomicUsize::new(0));
    let new = || Dropped(drops.clone());
    let (sender, receiver) = watch::channel(new());
    let look = receiver.borrow();
    assert!(sender.send(new()).is_ok());
    assert_eq!(drops.load(SeqCst), 0);
    drop(look);
    assert_eq!(drops.load(SeqCst), 1);
    assert!(sender.send(new()).is_ok());
    assert_eq!(drops.load(SeqCst), 2, "nobody looks");
    // The one before is moved out, or copied if somebody looks.
    drop(sender.send_replace(new()));
    assert_eq!(drops.load(SeqCst), 3);
    let look = receiver.borrow();
    drop(sender.send_replace(new()));
    assert_eq!(drops.load(SeqCst), 4, "the copy");
    drop(look);
    assert_eq!(drops.load(SeqCst), 5);
    drop(receiver);
    assert!(sender.send(new()).is_err());
    assert_eq!(drops.load(SeqCst), 6, "the one that was not sent");
    drop(sender);
    assert_eq!(drops.load(SeqCst), 7);
}

// ---- sending ----

#[test]
fn changes_are_made_to_a_copy_or_not_at_all() {
    let (sender, receiver) = watch::channel(1);
    assert!(!sender.send_if_modified(|value| {
        *value = 9;
        false
    }));
    assert_eq!((*receiver.borrow(), receiver.has_changed()), (1, Ok(false)));
    let panic = catch_unwind(AssertUnwindSafe(|| sender.send_modify(|_| panic!("no"))));
    assert!(panic.is_err());
    assert_eq!((*receiver.borrow(), receiver.has_changed()), (1, Ok(false)));
    assert!(sender.send_if_modified(|value| {
        *value += 1;
        true
    }));
    assert_eq!(*receiver.borrow(), 2);
    assert_eq!(sender.send_replace(3), 2);
    drop(receiver);
    assert_eq!(sender.send(4).unwrap_err().0, 4);
    assert_eq!(*sender.borrow(), 3);
    sender.send_modify(|value| *value = 5);
    assert_eq!(*sender.subscribe().borrow(), 5);
}

#[test]
fn no_change_of_several_senders_is_lost() {
    let _watchdog = Watchdog::new("several senders");
    const CHANGES: usize = 20_000;
    let (sender, mut receiver) = watch::channel(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            let sender = sender.clone();
            scope.spawn(move || (0..CHANGES).for_each(|_| sender.send_modify(|n| *n += 1)));
        }
        drop(sender);
        let mut last = 0;
        while receiver.changed().blocking().is_ok() {
            let now = *receiver.borrow_and_update();
            assert!(now >= last, "an older value");
            last = now;
        }
        assert_eq!(last, 2 * CHANGES);
    });
}

// ---- waiting ----

#[test]
fn all_receivers_hear_of_a_change_wherever_they_live() {
    const RECEIVERS: usize = 4;
    const VALUES: usize = 200;
    World::each(|world| {
        let (sender, receiver) = watch::channel(0);
        let mut tasks: Vec<Task<()>> = (0..RECEIVERS)
            .map(|_| {
                let mut receiver = receiver.clone();
                world.spawn(move || async move {
                    let mut last = 0;
                    while receiver.changed().await.is_ok() {
                        let now = *receiver.borrow_and_update();
                        assert!(now > last);
                        last = now;
                    }
                    assert_eq!(last, VALUES);
                })
            })
            .collect();
        drop(receiver);
        tasks.push(world.spawn(move || async move {
            for n in 1..=VALUES {
                sender.send(n).unwrap();
                if n % 5 == 0 {
                    yield_now().await;
                }
            }
        }));
        tasks.into_iter().for_each(Task::join);
    });
}

#[test]
fn waiting_receiver_is_woken_once_for_many_values() {
    let (sender, mut receiver) = watch::channel(0);
    let mut changed = Polled::new(receiver.changed());
    changed.waits();
    (1..5).for_each(|n| sender.send(n).unwrap());
    assert_eq!(changed.wakes(), 1);
    assert_eq!(changed.ready(), Ok(()));
    drop(changed);
    assert_eq!(receiver.has_changed(), Ok(false));
}

#[test]
fn right_value_is_waited_for() {
    let (sender, mut receiver) = watch::channel(0);
    assert_eq!(
        *Polled::new(receiver.wait_for(|&n| n == 0)).ready().unwrap(),
        0
    );
    let mut wait = Polled::new(receiver.wait_for(|&n| n >= 2));
    wait.waits();
    sender.send(1).unwrap();
    assert_eq!(wait.wakes(), 1);
    wait.waits();
    sender.send(2).unwrap();
    let value = wait.ready().unwrap();
    assert!(*value == 2 && value.has_changed());
    drop((value, wait));
    let mut wait = Polled::new(receiver.wait_for(|&n| n == 9));
    wait.waits();
    sender.send(8).unwrap();
    drop(sender);
    assert_eq!(
        wait.ready().err(),
        Some(RecvError),
        "the last one was not right"
    );
}

#[test]
fn panic_of_a_condition_harms_nobody() {
    let (sender, mut receiver) = watch::channel(0);
    let mut other = receiver.clone();
    let mut wait = Polled::new(receiver.wait_for(|&n| {
        assert_eq!(n, 0, "no");
        false
    }));
    let mut changed = Polled::new(other.changed());
    wait.waits();
    changed.waits();
    sender.send(1).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| wait.poll().is_ready())).is_err());
    assert_eq!(changed.ready(), Ok(()));
    drop(wait);
    assert_eq!(*receiver.borrow(), 1);
}

#[test]
fn last_value_is_seen_before_the_end() {
    let (sender, mut receiver) = watch::channel(0);
    let mut other = receiver.clone();
    let mut changed = Polled::new(other.changed());
    changed.waits();
    sender.send(1).unwrap();
    drop(sender);
    assert_eq!(receiver.has_changed(), Err(RecvError));
    assert_eq!(changed.ready(), Ok(()));
    drop(changed);
    assert_eq!(receiver.changed().blocking(), Ok(()));
    assert_eq!(receiver.changed().blocking(), Err(RecvError));
    assert_eq!(*receiver.borrow(), 1);
    assert_eq!(
        other.changed().timeout(Duration::MAX).blocking(),
        Ok(Err(RecvError))
    );
}

#[test]
fn time_that_is_up_takes_what_is_there() {
    let (sender, mut receiver) = watch::channel(0);
    assert!(
        receiver
            .changed()
            .timeout(Duration::from_millis(2))
            .blocking()
            .is_err()
    );
    sender.send(1).unwrap();
    assert_eq!(
        receiver.changed().timeout(Duration::ZERO).blocking(),
        Ok(Ok(()))
    );
    let late = receiver
        .wait_for(|&n| n == 2)
        .timeout(Duration::from_millis(2));
    assert!(late.blocking().is_err());
    assert!(
        sender
            .closed()
            .timeout(Duration::from_millis(2))
            .blocking()
            .is_err()
    );
}

#[test]
fn sender_hears_of_the_last_receiver_and_goes_on_with_another() {
    let (sender, receiver) = watch::channel(0);
    let other = receiver.clone();
    let mut closed = Polled::new(sender.closed());
    closed.waits();
    drop(receiver);
    closed.waits();
    drop(other);
    closed.ready();
    assert!(sender.is_closed());
    let receiver = sender.subscribe();
    assert!(!sender.is_closed());
    Polled::new(sender.closed()).waits();
    sender.send(1).unwrap();
    assert_eq!(*receiver.borrow(), 1);
}

#[test]
fn receiver_that_always_finds_changes_yields_now_and_then() {
    let (sender, mut receiver) = watch::channel(0);
    for most in [128, 3, 0] {
        receiver.set_budget(most);
        let mut yields = 0;
        for n in 0..300 {
            sender.send(n).unwrap();
            let mut changed = Polled::new(receiver.changed());
            if changed.poll().is_pending() {
                yields += 1;
                assert_eq!(changed.wakes(), 1, "it wakes itself");
                assert_eq!(changed.ready(), Ok(()));
            }
        }
        assert_eq!(yields, 299u32.checked_div(most).unwrap_or(0));
    }
    let mut yields = 0;
    receiver.set_budget(10);
    for _ in 0..100 {
        let mut wait = Polled::new(receiver.wait_for(|_| true));
        yields += u32::from(wait.poll().is_pending());
    }
    assert_eq!(yields, 9);
}

#[test]
fn forgotten_futures_and_looks_harm_nobody() {
    let (sender, receiver) = watch::channel(0);
    let mut other = receiver.clone();
    std::mem::forget(receiver.borrow());
    let mut changed = Box::pin(other.changed());
    Polled::new(changed.as_mut()).waits();
    std::mem::forget(changed);
    for n in 1..100 {
        sender.send(n).unwrap();
        assert_eq!(*receiver.borrow(), n);
    }
}
