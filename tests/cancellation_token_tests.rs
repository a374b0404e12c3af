//! [`CancellationToken`]: who is cancelled with whom, who is woken, and which operations end.

mod common;

use std::{
    collections::HashSet,
    future::{Future, pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use common::{Hooks, Polled, Task, Watchdog, World, claims::Primitive, until};
use compio::{
    BufResult,
    io::{AsyncRead, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use compio_sync::{CancellationToken, Elapsed, Event};
use futures_core::FusedFuture;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};

/// Waits for a token, and then for another one. `DEPTH` levels above the one that is waited for, the token is cancelled.
#[derive(Default)]
struct Generations<const DEPTH: usize>(Mutex<CancellationToken>);

impl<const DEPTH: usize> Generations<DEPTH> {
    fn root(&self) -> CancellationToken {
        self.0.lock().unwrap().clone()
    }
}

impl<const DEPTH: usize> Primitive for Generations<DEPTH> {
    const RELEASES_ALL: bool = true;

    fn wait(self: Arc<Self>) -> BoxFuture<'static, ()> {
        let token = descendant(&self.root(), DEPTH);
        async move { token.cancelled().await }.boxed()
    }

    fn release(&self) {
        let old = std::mem::take(&mut *self.0.lock().unwrap());
        old.cancel();
    }

    fn release_all(&self) {
        self.release();
    }

    fn waiter_count(&self) -> usize {
        self.root().waiter_count()
    }
}

mod itself {
    use super::*;

    // A clone of a waker that cancels the token which its task is about to wait for ends that wait.
    waits_like_the_others!(Generations<0>:
        waiter_is_counted_from_its_first_poll_until_its_wait_ends,
        waiters_are_released_in_the_order_of_their_first_polls,
        cancelled_waiter_is_forgotten_and_its_waker_dropped_at_once,
        cancelled_waiter_is_passed_over,
        granted_waiter_that_is_dropped_passes_it_on,
        only_the_last_waker_is_woken_and_the_others_are_dropped_at_once,
        waker_is_not_cloned_again_while_it_stays_the_same,
        future_may_be_polled_and_dropped_on_different_threads,
        future_may_move_between_executors_and_outlive_one,
        waker_may_complete_its_own_future_and_release,
        waker_may_drop_other_waiters,
        waker_may_begin_a_wait_which_is_not_released_with_the_others,
        waker_may_reenter_when_it_is_dropped,
        panic_in_cloning_a_waker_leaves_nothing_behind,
        panicking_waker_keeps_nobody_from_being_woken,
        panicking_waker_in_an_unwinding_thread_does_not_abort,
        many_more_than_a_batch_are_released,
        leaked_future_keeps_nothing_but_its_place,
        no_wake_is_lost_and_every_wait_ends
    );
}

mod by_its_grandparent {
    use super::*;

    // A waker is cloned for each level.
    waits_like_the_others!(Generations<2>:
        waiter_is_counted_from_its_first_poll_until_its_wait_ends,
        waiters_are_released_in_the_order_of_their_first_polls,
        cancelled_waiter_is_passed_over,
        future_may_be_polled_and_dropped_on_different_threads,
        future_may_move_between_executors_and_outlive_one,
        waker_may_complete_its_own_future_and_release,
        waker_may_drop_other_waiters,
        waker_may_begin_a_wait_which_is_not_released_with_the_others,
        panic_in_cloning_a_waker_leaves_nothing_behind,
        panicking_waker_keeps_nobody_from_being_woken,
        panicking_waker_in_an_unwinding_thread_does_not_abort,
        many_more_than_a_batch_are_released,
        no_wake_is_lost_and_every_wait_ends
    );
}

fn descendant(token: &CancellationToken, depth: usize) -> CancellationToken {
    (0..depth).fold(token.clone(), |token, _| token.child_token())
}

// ---- the tree ----

#[test]
fn subtree_is_cancelled_and_nothing_else() {
    let root = CancellationToken::new();
    let (left, right) = (root.child_token(), root.child_token());
    let below_left = [left.child_token(), left.child_token().child_token()];
    let below_right = right.child_token();
    let mut waits = [&root, &right, &below_right].map(|it| Polled::pending(it.cancelled()));
    let mut below = below_left
        .each_ref()
        .map(|it| Polled::pending(it.cancelled()));
    left.clone().cancel();
    assert!(left.is_cancelled());
    assert!(below_left.iter().all(CancellationToken::is_cancelled));
    below.iter_mut().for_each(Polled::ready);
    for token in [&root, &right, &below_right] {
        assert!(!token.is_cancelled());
    }
    waits.iter_mut().for_each(Polled::waits);
    assert_eq!(waits.iter().map(Polled::wakes).sum::<usize>(), 0);
    root.cancel();
    waits.iter_mut().for_each(Polled::ready);
}

#[test]
fn grandchild_is_cancelled_though_its_parent_was_dropped() {
    let root = CancellationToken::new();
    let grandchild = root.child_token().child_token();
    let mut wait = Polled::pending(grandchild.cancelled());
    root.cancel();
    assert_eq!(wait.wakes(), 1);
    wait.ready();
    assert!(grandchild.is_cancelled());
}

#[test]
fn child_of_a_token_that_nobody_has_is_cancelled_alone() {
    let child = CancellationToken::new().child_token();
    let mut wait = Polled::pending(child.cancelled());
    child.cancel();
    wait.ready();
}

#[test]
fn child_of_a_cancelled_token_is_cancelled() {
    let root = CancellationToken::new();
    let parent = root.child_token();
    root.cancel();
    let child = parent.child_token();
    assert!(child.is_cancelled());
    Polled::new(child.cancelled()).ready();
    Polled::new(child.child_token().cancelled_owned()).ready();
}

#[expect(
    clippy::mutable_key_type,
    reason = "a token is its address to the hash"
)]
#[test]
fn clones_are_equal_and_hash_alike_and_children_are_others() {
    let token = CancellationToken::new();
    let others = [token.child_token(), CancellationToken::default()];
    assert_eq!(token, token.clone());
    assert!(others.iter().all(|it| *it != token));
    let all: HashSet<_> = others.into_iter().chain([token.clone(), token]).collect();
    assert_eq!(all.len(), 3);
}

#[test]
fn debug_shows_the_state() {
    let token = CancellationToken::new();
    let _wait = Polled::pending(token.cancelled());
    assert_eq!(
        format!("{token:?}"),
        "CancellationToken { is_cancelled: false, waiter_count: 1 }"
    );
}

#[test]
fn hundred_thousand_generations_are_cancelled_waited_for_and_dropped_on_a_small_stack() {
    let deep = || {
        const DEPTH: usize = 100_000;
        let root = CancellationToken::new();
        let leaf = descendant(&root, DEPTH);
        let mut wait = Polled::pending(leaf.cancelled());
        assert!(!leaf.is_cancelled());
        root.cancel();
        assert!(leaf.is_cancelled());
        assert_eq!(wait.wakes(), 1);
        wait.ready();
        drop((wait, root));
        drop(leaf);

        // With all tokens kept, and dropped from the root on.
        let mut all = vec![CancellationToken::new()];
        for generation in 0..DEPTH {
            all.push(all[generation].child_token());
        }
        all[0].cancel();
        assert!(all[DEPTH].is_cancelled());
        drop(all);
    };
    let small = thread::Builder::new().stack_size(128 * 1024);
    small.spawn(deep).unwrap().join().unwrap();
}

/// With more waiters than one batch has, so that the first is woken before the last is told.
#[test]
fn once_one_is_woken_all_are_cancelled_and_their_waits_over() {
    let root = CancellationToken::new();
    let tokens: Vec<_> = (0..100).map(|n| descendant(&root, n % 3)).collect();
    let last = tokens[98].clone();
    let mut last_wait = Polled::new(last.clone().cancelled_owned());
    let polled = Arc::new(Mutex::new(None));
    let first = Hooks::on_wake({
        let (tokens, polled) = (tokens.clone(), polled.clone());
        move || {
            assert!(tokens.iter().all(CancellationToken::is_cancelled));
            let wait: &mut Option<Polled<_>> = &mut polled.lock().unwrap();
            wait.as_mut().unwrap().ready();
        }
    });
    let mut first_wait = Polled::with(root.cancelled(), first);
    first_wait.waits();
    let mut waits: Vec<_> = tokens
        .iter()
        .map(|it| Polled::pending(it.cancelled()))
        .collect();
    last_wait.waits();
    *polled.lock().unwrap() = Some(last_wait);
    root.cancel();
    first_wait.ready();
    waits.iter_mut().for_each(Polled::ready);
    assert_eq!(root.waiter_count(), 0);
}

#[test]
fn dropped_wait_leaves_every_level() {
    let root = CancellationToken::new();
    let levels: Vec<_> = (0..6).map(|n| descendant(&root, n)).collect();
    let leaf = descendant(&root, 6);
    let wait = Polled::pending(leaf.cancelled());
    let owned = Polled::pending(leaf.clone().cancelled_owned());
    assert_eq!((root.waiter_count(), leaf.waiter_count()), (2, 2));
    drop(wait);
    assert_eq!((root.waiter_count(), leaf.waiter_count()), (1, 1));
    drop(owned);
    assert_eq!((root.waiter_count(), leaf.waiter_count()), (0, 0));
    drop(levels);
}

#[test]
fn completed_wait_leaves_every_level() {
    let root = CancellationToken::new();
    let middle = descendant(&root, 3);
    let leaf = descendant(&middle, 3);
    let mut wait = Polled::pending(leaf.cancelled());
    middle.cancel();
    wait.ready();
    assert_eq!(root.waiter_count(), 0);
    assert_eq!(leaf.waiter_count(), 0);
    assert_eq!(wait.hooks().wakers(), 0);
}

#[test]
fn waker_of_every_level_is_replaced_and_only_the_last_is_woken() {
    let root = CancellationToken::new();
    let middle = root.child_token();
    let leaf = middle.child_token();
    for is_dropped in [true, false] {
        let mut wait = Polled::pending(leaf.cancelled());
        let old = wait.change_waker();
        wait.waits();
        assert_eq!(old.wakers(), 0);
        assert_eq!(wait.hooks().wakers(), 3);
        if is_dropped {
            let hooks = wait.hooks().clone();
            drop(wait);
            assert_eq!(hooks.wakers(), 0);
            continue;
        }
        middle.cancel();
        assert_eq!((old.wakes(), wait.wakes()), (0, 1));
        wait.ready();
        assert_eq!(wait.hooks().wakers(), 0);
    }
}

#[test]
fn owned_wait_keeps_its_token() {
    let root = CancellationToken::new();
    let mut wait = Polled::pending(root.child_token().cancelled_owned());
    root.cancel();
    drop(root);
    assert_eq!(wait.wakes(), 1);
    wait.ready();
}

#[test]
fn waker_may_cancel_and_make_and_drop_tokens_of_the_tree() {
    let root = CancellationToken::new();
    let child = root.child_token();
    let hooks = Hooks::on_wake({
        let (root, child) = (root.clone(), Mutex::new(Some(child.clone())));
        move || {
            // It may be woken for each level.
            let Some(child) = child.lock().unwrap().take() else {
                return;
            };
            root.cancel();
            child.cancel();
            assert!(child.child_token().is_cancelled());
            drop(child);
        }
    });
    let mut wait = Polled::with(child.cancelled_owned(), hooks);
    wait.waits();
    root.cancel();
    wait.ready();
}

#[test]
fn tree_that_a_leaked_wait_is_in_can_be_cancelled_and_dropped() {
    let root = CancellationToken::new();
    let hooks = Arc::downgrade(&{
        let child = root.child_token();
        let wait = Polled::pending(child.cancelled_owned());
        let hooks = wait.hooks().clone();
        std::mem::forget(wait);
        hooks
    });
    root.cancel();
    assert_eq!(hooks.upgrade().unwrap().wakes(), 1);
}

// ---- what comes with a cancel ----

#[test]
fn what_came_before_the_cancel_is_seen_through_descendants() {
    let _watchdog = Watchdog::new("what_came_before_the_cancel");
    for round in 0..200 {
        let root = CancellationToken::new();
        let leaf = descendant(&root, 1 + round % 3);
        let value = Arc::new(AtomicUsize::new(0));
        let reader = thread::spawn({
            let value = value.clone();
            move || {
                while !leaf.is_cancelled() {
                    thread::yield_now();
                }
                value.load(Relaxed)
            }
        });
        value.store(7, Relaxed);
        root.cancel();
        assert_eq!(reader.join().unwrap(), 7);
    }
}

/// While others begin and drop waits and children, so that the cancelling thread is often not the combiner.
#[test]
fn cancel_that_has_returned_is_seen_whoever_else_is_busy() {
    let _watchdog = Watchdog::new("cancel_that_has_returned");
    for _ in 0..300 {
        let root = CancellationToken::new();
        let busy: Vec<_> = (0..2)
            .map(|_| {
                let root = root.clone();
                thread::spawn(move || {
                    while !root.is_cancelled() {
                        let child = root.child_token();
                        let mut wait = Polled::new(child.cancelled());
                        if wait.poll().is_pending() {
                            drop(wait);
                        }
                    }
                })
            })
            .collect();
        let grandchild = descendant(&root, 2);
        let mut wait = Polled::pending(grandchild.cancelled());
        root.cancel();
        assert!(grandchild.is_cancelled());
        wait.ready();
        busy.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(root.waiter_count(), 0);
    }
}

#[test]
fn tasks_of_all_runtimes_and_threads_end() {
    World::each(|world| {
        let root = CancellationToken::new();
        let tasks: Vec<_> = (0..30)
            .map(|n| {
                let token = descendant(&root, n % 4);
                world.spawn(move || async move {
                    token.cancelled().await;
                    assert!(token.is_cancelled());
                })
            })
            .collect();
        let runs: Vec<_> = (0..30)
            .map(|n| {
                let token = descendant(&root, n % 4);
                world.spawn(move || token.run_until_cancelled_owned(pending::<()>()))
            })
            .collect();
        let threads: Vec<_> = (0..3)
            .map(|n| {
                let token = descendant(&root, n);
                thread::spawn(move || token.blocking_cancelled())
            })
            .collect();
        until(|| root.waiter_count() == 63);
        root.cancel();
        tasks.into_iter().for_each(Task::join);
        assert!(runs.into_iter().all(|it| it.join().is_none()));
        threads.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(root.waiter_count(), 0);
    });
}

#[test]
fn blocking_in_a_runtime_panics_and_harms_nobody() {
    World::each_compio(|world| {
        let token = CancellationToken::new();
        let blocks = world.spawn_on(0, {
            let token = token.clone();
            || async move { token.blocking_cancelled() }
        });
        let panic = common::message(&*blocks.outcome().unwrap_err());
        assert!(
            panic.contains("`blocking_cancelled` was called inside a compio runtime"),
            "{panic}"
        );
        assert_eq!(token.waiter_count(), 0);
    });
}

// ---- with a deadline ----

#[test]
fn timed_wait_looks_once_more_when_its_time_is_up() {
    let root = CancellationToken::new();
    let child = root.child_token();
    for timeout in [Duration::ZERO, Duration::from_millis(5)] {
        assert_eq!(child.cancelled().timeout(timeout).blocking(), Err(Elapsed));
        let owned = child.clone().cancelled_owned();
        assert_eq!(owned.timeout(timeout).blocking(), Err(Elapsed));
        assert_eq!(root.waiter_count(), 0);
    }
    root.cancel();
    for timeout in [Duration::ZERO, Duration::MAX] {
        assert_eq!(child.cancelled().timeout(timeout).blocking(), Ok(()));
    }
}

#[cfg(feature = "time")]
#[test]
fn timed_wait_of_a_task_ends_by_time_or_by_a_cancel() {
    World::each_compio(|world| {
        let root = CancellationToken::new();
        let elapses = world.spawn({
            let child = root.child_token();
            move || async move { child.cancelled().timeout(Duration::from_millis(5)).await }
        });
        assert_eq!(elapses.join(), Err(Elapsed));
        let waits = world.spawn({
            let child = root.child_token();
            move || async move { child.cancelled().timeout(Duration::MAX).await }
        });
        until(|| root.waiter_count() == 1);
        root.cancel();
        assert_eq!(waits.join(), Ok(()));
    });
}

// ---- run_until_cancelled ----

#[test]
fn future_is_not_polled_if_the_token_is_cancelled_at_first() {
    let root = CancellationToken::new();
    let child = root.child_token();
    let never = || poll_fn(|_| -> Poll<()> { panic!("it was polled") });
    let mut run = Polled::new(child.run_until_cancelled(never()));
    let mut owned = Polled::new(child.clone().run_until_cancelled_owned(never()));
    root.cancel();
    assert_eq!(run.ready(), None);
    assert_eq!(owned.ready(), None);
}

#[test]
fn future_that_completes_at_the_last_poll_goes_first() {
    let (token, event) = (CancellationToken::new(), Event::new());
    let mut run = Polled::pending(token.run_until_cancelled(event.wait()));
    token.cancel();
    event.set();
    assert_eq!(run.ready(), Some(()));
}

#[test]
fn run_ends_without_its_future_which_is_dropped_with_it() {
    let root = CancellationToken::new();
    let child = root.child_token();
    let held = Arc::new(());
    let mut run = Polled::pending(child.run_until_cancelled({
        let held = held.clone();
        async move {
            pending::<()>().await;
            drop(held);
        }
    }));
    root.cancel();
    assert_eq!(run.wakes(), 1);
    assert_eq!(run.ready(), None);
    drop(run);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn run_that_completes_or_is_dropped_or_panics_waits_no_more() {
    let token = CancellationToken::new().child_token();
    let event = Event::new();
    let mut completes = Polled::pending(token.run_until_cancelled(event.wait()));
    let is_dropped = Polled::pending(token.run_until_cancelled(pending::<()>()));
    let mut panics = Polled::pending(token.run_until_cancelled(async {
        event.wait().await;
        panic!("of the future");
    }));
    assert_eq!(token.waiter_count(), 3);
    event.set();
    completes.ready();
    assert_eq!(token.waiter_count(), 2);
    drop(is_dropped);
    assert_eq!(token.waiter_count(), 1);
    assert!(catch_unwind(AssertUnwindSafe(|| panics.poll())).is_err());
    drop(panics);
    assert_eq!(token.waiter_count(), 0);
    assert_eq!(
        Polled::new(token.run_until_cancelled(ready(7))).ready(),
        Some(7)
    );
    assert_eq!(token.waiter_count(), 0);
}

#[test]
fn completed_futures_say_so() {
    let token = CancellationToken::new();
    let (mut wait, mut run) = (token.cancelled(), token.run_until_cancelled(ready(1)));
    let mut io = token.run_cancelling_io(ready(2));
    assert!(!wait.is_terminated() && !run.is_terminated() && !io.is_terminated());
    assert_eq!((&mut run).now_or_never(), Some(Some(1)));
    assert_eq!((&mut io).now_or_never(), Some(2));
    token.cancel();
    assert_eq!((&mut wait).now_or_never(), Some(()));
    assert!(wait.is_terminated() && run.is_terminated() && io.is_terminated());
    for panics in [
        catch_unwind(AssertUnwindSafe(|| _ = (&mut wait).now_or_never())),
        catch_unwind(AssertUnwindSafe(|| _ = (&mut run).now_or_never())),
        catch_unwind(AssertUnwindSafe(|| _ = (&mut io).now_or_never())),
    ] {
        let message = common::message(&*panics.unwrap_err());
        assert!(
            message.contains("polled after it had completed"),
            "{message}"
        );
    }
}

// ---- guards ----

#[test]
fn guard_cancels_when_it_is_dropped_unless_it_is_disarmed() {
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    assert_eq!(first.clone().drop_guard().disarm(), first);
    assert_eq!(*second.drop_guard_ref().disarm(), second);
    assert!(!first.is_cancelled() && !second.is_cancelled());
    let mut wait = Polled::pending(first.cancelled());
    drop(first.clone().drop_guard());
    drop(second.drop_guard_ref());
    wait.ready();
    assert!(first.is_cancelled() && second.is_cancelled());
}

#[test]
fn guard_of_a_task_that_panics_cancels_the_tasks_of_other_runtimes() {
    World::each(|world| {
        let token = CancellationToken::new();
        let tasks: Vec<_> = (0..9)
            .map(|_| {
                let token = token.child_token();
                world.spawn(move || token.cancelled_owned())
            })
            .collect();
        until(|| token.waiter_count() == 9);
        let panics = world.spawn({
            let token = token.clone();
            move || async move {
                let _guard = token.drop_guard();
                panic!("of the task");
            }
        });
        assert!(Task::<()>::outcome(panics).is_err());
        tasks.into_iter().for_each(Task::join);
    });
}

// ---- compio's operations ----

/// A connection of which the other end says nothing, and that end.
async fn silent() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (accepted, connected) = futures_util::join!(listener.accept(), TcpStream::connect(address));
    (accepted.unwrap().0, connected.unwrap())
}

#[test]
fn reads_in_flight_on_every_runtime_end_and_give_their_buffers_back() {
    World::each_compio(|world| {
        let root = CancellationToken::new();
        let reads: Vec<_> = (0..2 * world.lanes())
            .map(|n| {
                let token = descendant(&root, n % 3);
                world.spawn(move || async move {
                    let (mut stream, _other) = silent().await;
                    let buffer = Vec::with_capacity(1000 + n);
                    let read = token.run_cancelling_io(stream.read(buffer)).await;
                    let BufResult(read, buffer) = read;
                    assert!(read.is_err(), "nobody has sent anything");
                    assert!(buffer.is_empty());
                    buffer.capacity() >= 1000 + n
                })
            })
            .collect();
        until(|| root.waiter_count() == reads.len());
        root.cancel();
        assert!(reads.into_iter().all(Task::join));
        assert_eq!(root.waiter_count(), 0);
    });
}

#[test]
fn accept_in_flight_ends() {
    World::each_compio(|world| {
        let root = CancellationToken::new();
        let accepts = world.spawn({
            let token = root.child_token();
            move || async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                token.run_cancelling_io(listener.accept()).await.is_err()
            }
        });
        until(|| root.waiter_count() == 1);
        root.cancel();
        assert!(accepts.join());
    });
}

#[test]
fn operation_that_begins_after_the_cancel_is_cancelled_and_the_future_goes_on() {
    World::each_compio(|world| {
        let root = CancellationToken::new();
        let task = world.spawn({
            let token = root.child_token();
            move || async move {
                let (mut stream, _other) = silent().await;
                let reads = async {
                    let first = stream.read(Vec::with_capacity(8)).await;
                    let second = stream.read(Vec::with_capacity(8)).await;
                    (first.0.is_err(), second.0.is_err())
                };
                token.run_cancelling_io_owned(reads).await
            }
        });
        until(|| root.waiter_count() == 1);
        root.cancel();
        assert_eq!(task.join(), (true, true));
        let at_once = world.spawn(move || async move {
            let (mut stream, _other) = silent().await;
            let read = root.run_cancelling_io(stream.read(Vec::with_capacity(8)));
            read.await.0.is_err()
        });
        assert!(at_once.join());
    });
}

#[test]
fn operations_of_a_future_that_is_not_cancelled_complete() {
    World::each_compio(|world| {
        let token = CancellationToken::new();
        let task = world.spawn({
            let token = token.child_token();
            move || async move {
                let (mut stream, mut other) = silent().await;
                let talks = async {
                    other.write_all("hello").await.0?;
                    let BufResult(read, bytes) = stream.read(Vec::with_capacity(8)).await;
                    read.map(|_| bytes)
                };
                token.run_cancelling_io(talks).await.unwrap()
            }
        });
        assert_eq!(task.join(), b"hello");
        assert_eq!(token.waiter_count(), 0);
    });
}

#[test]
fn operations_outside_of_the_future_go_on() {
    World::each_compio(|world| {
        let root = CancellationToken::new();
        let other_reads = Arc::new(Event::new());
        let task = world.spawn({
            let (token, other_reads) = (root.clone(), other_reads.clone());
            move || async move {
                let (mut stream, mut other) = silent().await;
                let cancelled = async {
                    let read = token.run_cancelling_io(stream.read(Vec::with_capacity(8)));
                    assert!(read.await.0.is_err());
                    stream.write_all("hello").await.0.unwrap();
                };
                let goes_on = async {
                    other_reads.set();
                    other.read(Vec::with_capacity(8)).await.1
                };
                futures_util::join!(cancelled, goes_on).1
            }
        });
        other_reads.blocking_wait();
        until(|| root.waiter_count() == 1);
        root.cancel();
        assert_eq!(task.join(), b"hello");
    });
}

#[test]
fn operations_in_a_sub_executor_are_cancelled_each_by_its_own() {
    World::each_compio(|world| {
        let root = CancellationToken::new();
        let task = world.spawn({
            let root = root.clone();
            move || async move {
                let reads: FuturesUnordered<_> = (0..3)
                    .map(|_| {
                        let token = root.child_token();
                        async move {
                            let (mut stream, _other) = silent().await;
                            let read = stream.read(Vec::with_capacity(8));
                            token.run_cancelling_io(read).await.0.is_err()
                        }
                    })
                    .collect();
                reads.collect::<Vec<_>>().await
            }
        });
        until(|| root.waiter_count() == 3);
        root.cancel();
        assert_eq!(task.join(), [true; 3]);
    });
}

#[test]
fn outer_token_cancels_what_an_inner_child_of_it_is_for() {
    World::each_compio(|world| {
        let root = CancellationToken::new();
        let task = world.spawn({
            let root = root.clone();
            move || async move {
                let inner = root.child_token();
                let (mut stream, _other) = silent().await;
                let read = inner.run_cancelling_io(stream.read(Vec::with_capacity(8)));
                root.run_cancelling_io(read).await.0.is_err()
            }
        });
        until(|| root.waiter_count() == 2);
        root.cancel();
        assert!(task.join());
    });
}

#[test]
fn future_without_operations_is_run_to_its_end() {
    // On a plain thread, and in any executor.
    let (token, event) = (CancellationToken::new(), Event::new());
    let mut run = Polled::pending(token.run_cancelling_io(event.wait()));
    token.cancel();
    assert_eq!(run.wakes(), 1);
    run.waits();
    event.set();
    run.ready();
    assert_eq!(token.waiter_count(), 0);
    World::each(|world| {
        let token = CancellationToken::new();
        let event = Arc::new(Event::new());
        let task = world.spawn({
            let (token, event) = (token.clone(), event.clone());
            move || async move { token.run_cancelling_io(event.wait()).await }
        });
        until(|| token.waiter_count() == 1);
        token.cancel();
        event.set();
        task.join();
    });
}

#[test]
fn dropped_or_panicking_run_waits_no_more() {
    let token = CancellationToken::new().child_token();
    let event = Event::new();
    drop(Polled::pending(token.run_cancelling_io(pending::<()>())));
    let mut panics = Polled::pending(token.clone().run_cancelling_io_owned(async {
        event.wait().await;
        panic!("of the future");
    }));
    event.set();
    assert!(catch_unwind(AssertUnwindSafe(|| panics.poll())).is_err());
    drop(panics);
    assert_eq!(token.waiter_count(), 0);
}

/// A future that must not be moved once it was polled.
struct Unmoved {
    at: usize,
    _pinned: std::marker::PhantomPinned,
}

impl Future for Unmoved {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        // SAFETY: nothing is moved out of it.
        let this = unsafe { self.get_unchecked_mut() };
        let here = std::ptr::from_ref(this).addr();
        let before = std::mem::replace(&mut this.at, here);
        assert!(before == 0 || before == here, "it was moved");
        Poll::Pending
    }
}

#[test]
fn future_stays_where_it_was_pinned() {
    let token = CancellationToken::new();
    let unmoved = || Unmoved {
        at: 0,
        _pinned: std::marker::PhantomPinned,
    };
    let mut run = Polled::pending(token.run_until_cancelled(unmoved()));
    let mut io = Polled::pending(token.run_cancelling_io(unmoved()));
    run.waits();
    io.waits();
    token.cancel();
    assert_eq!(run.ready(), None);
    io.waits();
}
