//! How many atomic read-modify-writes there are on the way of an operation that nobody interferes
//! with: the numbers that [the guide](crate::guide::cost) and the types' documentation give.

use super::*;
use crate::{
    Condvar, Event, Fairness, LazyCell, Mutex, OnceCell, Semaphore, SetOnce, WaiterQueue,
    loom::STEPS,
};

const STRICT: Fairness = Fairness::Fifo;
const PASSING: Fairness = Fairness::Bounded(1);

/// How many steps `f` takes, and what it yields.
fn count<R>(f: impl FnOnce() -> R) -> (usize, R) {
    let before = STEPS.get();
    let result = f();
    (STEPS.get() - before, result)
}

fn steps<R>(f: impl FnOnce() -> R) -> usize {
    count(f).0
}

fn poll<F: Future + Unpin>(future: &mut F, probe: &Probe) -> Poll<F::Output> {
    let waker = probe.waker();
    std::pin::Pin::new(future).poll(&mut Context::from_waker(&waker))
}

/// The steps of beginning to wait, of `released`, and of going on.
fn steps_of_a_wait<F: Future + Unpin>(mut wait: F, released: impl FnOnce()) -> [usize; 3] {
    let probe = Probe::new();
    let begin = steps(|| assert!(poll(&mut wait, &probe).is_pending()));
    let released = steps(released);
    assert_eq!(probe.wakes(), 1, "the waiter is lost");
    let (go_on, end) = count(|| poll(&mut wait, &probe));
    assert!(end.is_ready(), "the waiter is lost");
    [begin, released, go_on]
}

/// The steps of calling a wait off that has begun.
fn steps_of_calling_off<F: Future + Unpin>(mut wait: F) -> usize {
    let probe = Probe::new();
    assert!(poll(&mut wait, &probe).is_pending());
    steps(|| drop(wait))
}

#[test]
fn what_need_not_wait_takes_one_step_and_another_to_give_it_back() {
    explore(0, || {
        for fairness in [STRICT, PASSING] {
            let semaphore = Semaphore::with_fairness(1, fairness);
            let mutex = Mutex::with_fairness((), fairness);
            let probe = Probe::new();

            let (taking, permit) = count(|| poll(&mut semaphore.acquire(), &probe));
            assert_eq!([taking, steps(|| drop(permit))], [1, 1]);
            let (taking, permit) = count(|| semaphore.try_acquire());
            assert_eq!([taking, steps(|| drop(permit))], [1, 1]);
            let (locking, guard) = count(|| poll(&mut mutex.lock(), &probe));
            assert_eq!([locking, steps(|| drop(guard))], [1, 1]);
            let (locking, guard) = count(|| mutex.try_lock());
            assert_eq!([locking, steps(|| drop(guard))], [1, 1]);
        }
    });
}

#[test]
fn event_that_is_set_is_seen_without_a_step() {
    explore(0, || {
        let event = Event::new();
        assert_eq!(steps(|| event.set()), 1);
        assert_eq!(steps(|| assert!(event.is_set())), 0);
        let probe = Probe::new();
        assert_eq!(
            steps(|| assert!(poll(&mut event.wait(), &probe).is_ready())),
            0
        );
        assert_eq!(steps(|| event.reset()), 1);
    });
}

#[test]
fn notification_that_finds_nobody_takes_one_step() {
    explore(0, || {
        let (condvar, queue) = (Condvar::new(), WaiterQueue::new());
        assert_eq!(steps(|| condvar.notify_one()), 1);
        assert_eq!(steps(|| condvar.notify_all()), 1);
        assert_eq!(steps(|| queue.wake_one()), 1);
        assert_eq!(steps(|| queue.wake_all()), 1);
    });
}

#[test]
fn wait_takes_two_steps_to_begin_five_to_be_released_and_none_or_four_to_go_on() {
    explore(0, || {
        for (fairness, going_on) in [(STRICT, 0), (PASSING, 4)] {
            let expected = [2, 5, going_on];

            let semaphore = Semaphore::with_fairness(1, fairness);
            let permit = semaphore.try_acquire();
            let wait = steps_of_a_wait(semaphore.acquire(), || drop(permit));
            assert_eq!(wait, expected, "a semaphore");

            let mutex = Mutex::with_fairness((), fairness);
            let guard = mutex.try_lock();
            let wait = steps_of_a_wait(mutex.lock(), || drop(guard));
            assert_eq!(wait, expected, "a mutex");
        }

        let expected = [2, 5, 0];
        let event = Event::new();
        let wait = steps_of_a_wait(event.wait(), || event.set());
        assert_eq!(wait, expected, "an event");

        let queue = WaiterQueue::new();
        let wait = steps_of_a_wait(Box::pin(queue.add_waiter_if(|| false)), || queue.wake_one());
        assert_eq!(wait, expected, "a waiter queue");

        // The mutex is given back, and locked again.
        let (mutex, condvar) = (Mutex::with_fairness((), STRICT), Condvar::new());
        let guard = mutex.try_lock().unwrap();
        let wait = steps_of_a_wait(Box::pin(condvar.wait(guard)), || condvar.notify_one());
        assert_eq!(wait, [2 + 1, 5, 0 + 1], "a condition variable");
    });
}

#[test]
fn wait_takes_four_steps_to_be_cancelled() {
    explore(0, || {
        for fairness in [STRICT, PASSING] {
            let semaphore = Semaphore::with_fairness(0, fairness);
            assert_eq!(steps_of_calling_off(semaphore.acquire()), 4);
            let mutex = Mutex::with_fairness((), fairness);
            let _guard = mutex.try_lock();
            assert_eq!(steps_of_calling_off(mutex.lock()), 4);
        }
        assert_eq!(steps_of_calling_off(Event::new().wait()), 4);
        let queue = WaiterQueue::new();
        let wait = Box::pin(queue.add_waiter_if(|| false));
        assert_eq!(steps_of_calling_off(wait), 4);
    });
}

#[test]
fn values_take_two_or_three_steps_to_send_and_none_or_one_to_receive() {
    explore(0, || {
        // A channel for each: what a new block takes is shared by all of its values.
        let probe = Probe::new();
        let (sender, mut receiver) = crate::mpsc::channel(4);
        assert_eq!(steps(|| sender.try_send(1).unwrap()), 3);
        assert_eq!(steps(|| assert_eq!(receiver.try_recv(), Ok(1))), 1);
        let (sender, mut receiver) = crate::mpsc::channel(4);
        assert_eq!(
            steps(|| assert!(poll(&mut sender.send(1), &probe).is_ready())),
            3
        );
        assert_eq!(
            steps(|| assert!(poll(&mut receiver.recv(), &probe).is_ready())),
            1
        );
        let (sender, mut receiver) = crate::mpsc::unbounded_channel();
        assert_eq!(steps(|| sender.send(1).unwrap()), 2);
        assert_eq!(steps(|| assert_eq!(receiver.try_recv(), Ok(1))), 0);

        let (sender, receiver) = crate::mpmc::channel(4);
        assert_eq!(steps(|| sender.try_send(1).unwrap()), 4);
        assert_eq!(steps(|| assert_eq!(receiver.try_recv(), Ok(1))), 4);

        // One to send, and one as the end that goes first.
        let (sender, mut receiver) = crate::oneshot::channel();
        assert_eq!(steps(|| sender.send(1).unwrap()), 2);
        let mut cx = Context::from_waker(Waker::noop());
        let received =
            steps(|| assert!(std::pin::Pin::new(&mut receiver).poll(&mut cx).is_ready()));
        assert_eq!(received, 0);
        assert_eq!(steps(|| drop(receiver)), 0);
    });
}

#[test]
fn steps_of_what_is_looked_at() {
    explore(0, || {
        let (sender, mut receiver) = crate::watch::channel(0);
        // The first values make the nodes.
        (1..4).for_each(|n| sender.send(n).unwrap());
        assert_eq!(steps(|| sender.send(4).unwrap()), 9, "to send");
        assert_eq!(steps(|| drop(receiver.borrow_and_update())), 2, "to look");

        let (sender, mut receiver) = crate::broadcast::channel(1);
        for n in 0..4 {
            sender.send(n).unwrap();
            let _ = receiver.try_recv();
        }
        assert_eq!(steps(|| assert!(sender.send(4).is_ok())), 9, "to send");
        assert_eq!(
            steps(|| assert_eq!(receiver.try_recv(), Ok(4))),
            2,
            "to receive"
        );
    });
}

#[test]
fn steps_of_cells_that_are_set_once() {
    explore(0, || {
        let probe = Probe::new();
        let ready = |steps_of: &mut dyn FnMut() -> bool| steps(|| assert!(steps_of()));
        let cell = SetOnce::new();
        assert_eq!(ready(&mut || cell.set(1).is_ok()), 3);
        assert_eq!(ready(&mut || cell.get() == Some(&1)), 0);
        assert_eq!(ready(&mut || poll(&mut cell.wait(), &probe).is_ready()), 0);

        let cell = OnceCell::new();
        let mut init = || poll(&mut cell.get_or_init(|| std::future::ready(1)), &probe).is_ready();
        assert_eq!(ready(&mut init), 3);
        assert_eq!(ready(&mut init), 0);

        let lazy = LazyCell::new(|| std::future::ready(1));
        assert_eq!(ready(&mut || poll(&mut lazy.force(), &probe).is_ready()), 2);
        assert_eq!(ready(&mut || poll(&mut lazy.force(), &probe).is_ready()), 0);
    });
}
