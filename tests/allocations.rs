//! What waiting costs in memory: nothing in steady state, and nothing that stays.
//!
//! Allocations are counted per thread, so the tests, and the harness that runs them, do not see
//! each other's.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    process,
    sync::{
        Arc, Barrier,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use compio::runtime::Runtime;
use compio_sync::{Condvar, Event, Fairness, Mutex, Semaphore, WaiterQueue, WakeStats, WakeTier};

// ---- the counting allocator ----

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// Bytes that this thread has allocated, less those that it has freed.
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

fn count(allocations: usize, bytes: isize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
    LIVE.set(LIVE.get() + bytes);
}

// SAFETY: all is passed on to the system's allocator. Counting neither allocates nor unwinds: the
// cells are const and have no destructors.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: the caller's contract is this call's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        // SAFETY: the caller's contract is this call's.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as isize - layout.size() as isize);
        // SAFETY: the caller's contract is this call's.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> usize {
    ALLOCATIONS.get()
}

fn live() -> isize {
    LIVE.get()
}

// ---- helpers ----

/// Runs `test`, and ends the process if that takes two minutes.
fn watched<T>(name: &'static str, test: impl FnOnce() -> T) -> T {
    let (_done, alarm) = mpsc::channel::<()>();
    thread::spawn(move || {
        if alarm.recv_timeout(Duration::from_secs(110)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("HANG: {name} has not ended after 110 s");
            process::exit(124);
        }
    });
    test()
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    runtime().block_on(async {
        compio::runtime::spawn(future)
            .await
            .expect("the task panicked")
    })
}

async fn pass() {
    let mut passed = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut passed, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn pass_until(condition: impl Fn() -> bool) {
    while !condition() {
        pass().await;
    }
}

/// Polls once with a waker that does nothing.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

// ---- nothing is allocated in steady state ----

const WARM_UP: usize = 200;
const ROUNDS: usize = 2_000;
/// While both sides still play: the end of the other side's task is not a wait. More than one side
/// can be ahead of the other by passing it.
const WIND_DOWN: usize = 100;

/// What two tasks do in turns, so that one of them waits in each round.
trait TurnTaking: Send + Sync + 'static {
    /// Ends `side`'s wait.
    fn call(&self, side: usize) -> impl Future<Output = ()> + Send;
    /// Waits until `side` is called.
    fn wait(&self, side: usize) -> impl Future<Output = ()> + Send;
}

impl TurnTaking for [Semaphore; 2] {
    async fn call(&self, side: usize) {
        self[side].add_permits(1);
    }

    async fn wait(&self, side: usize) {
        self[side].acquire().await.forget();
    }
}

impl TurnTaking for [Event; 2] {
    async fn call(&self, side: usize) {
        self[side].set();
    }

    async fn wait(&self, side: usize) {
        self[side].wait().await;
        self[side].reset();
    }
}

impl TurnTaking for [(WaiterQueue, AtomicBool); 2] {
    async fn call(&self, side: usize) {
        self[side].1.store(true, SeqCst);
        self[side].0.wake_one();
    }

    async fn wait(&self, side: usize) {
        while !self[side].1.swap(false, SeqCst) {
            self[side]
                .0
                .add_waiter_if(|| self[side].1.load(SeqCst))
                .await;
        }
    }
}

/// The mutex is waited for as well, whenever the other side notifies under it.
impl TurnTaking for (Mutex<[bool; 2]>, Condvar) {
    async fn call(&self, side: usize) {
        let mut called = self.0.lock().await;
        called[side] = true;
        self.1.notify_all();
    }

    async fn wait(&self, side: usize) {
        let called = self.0.lock().await;
        self.1.wait_while(called, |called| !called[side]).await[side] = false;
    }
}

/// Two tasks, each of which holds the mutex while the other asks for it.
struct Relay {
    baton: Mutex<usize>,
}

impl TurnTaking for Relay {
    async fn call(&self, _: usize) {
        let mut baton = self.baton.lock().await;
        // The other side comes to wait for the baton.
        pass().await;
        *baton += 1;
    }

    async fn wait(&self, _: usize) {
        *self.baton.lock().await += 1;
    }
}

async fn take_turn(side: usize, turns: &impl TurnTaking) {
    if side == 0 {
        turns.call(1).await;
        turns.wait(0).await;
    } else {
        turns.wait(1).await;
        turns.call(0).await;
    }
}

/// Fills the thread's store of idle waiters. It otherwise fills by and by, as more of them come to
/// be on their way at a time than before.
fn fill_up() {
    let event = Event::new();
    let mut waits: Vec<_> = (0..40).map(|_| Box::pin(event.wait())).collect();
    for wait in &mut waits {
        assert!(poll_once(wait.as_mut()).is_pending());
    }
}

/// Plays one side, and returns how many allocations its thread made after the warm-up.
async fn play(side: usize, turns: &impl TurnTaking) -> usize {
    fill_up();
    let mut before = 0;
    let mut after = 0;
    for round in 0..WARM_UP + ROUNDS + WIND_DOWN {
        if round == WARM_UP {
            before = allocations();
        } else if round == WARM_UP + ROUNDS {
            after = allocations();
        }
        take_turn(side, turns).await;
    }
    after - before
}

fn on_one_runtime(name: &str, turns: impl TurnTaking) {
    let turns = Arc::new(turns);
    let play_both = || {
        let turns = turns.clone();
        run(async move {
            let sides = [0, 1].map(|side| {
                let turns = turns.clone();
                compio::runtime::spawn(async move { play(side, &*turns).await })
            });
            let mut counts = Vec::new();
            for side in sides {
                counts.push(side.await.expect("a side panicked"));
            }
            counts
        })
    };
    // What else is on the thread, such as the runtime's own lists, may grow once in a while.
    let counts: Vec<_> = std::iter::repeat_with(play_both).take(3).collect();
    assert!(
        counts.iter().any(|sides| *sides == [0, 0]),
        "{name}: {ROUNDS} waits on one runtime, three times: {counts:?} allocations"
    );
}

#[test]
fn waits_on_one_runtime_allocate_nothing() {
    watched("waits_on_one_runtime_allocate_nothing", || {
        on_one_runtime("semaphore", [const { Semaphore::new(0) }; 2]);
        on_one_runtime("event", [const { Event::new() }; 2]);
        on_one_runtime(
            "queue",
            [const { (WaiterQueue::new(), AtomicBool::new(false)) }; 2],
        );
        for fairness in [Fairness::Fifo, Fairness::default()] {
            on_one_runtime(
                &format!("mutex, {fairness:?}"),
                Relay {
                    baton: Mutex::with_fairness(0, fairness),
                },
            );
        }
        on_one_runtime("condvar", (Mutex::new([false; 2]), Condvar::new()));
    });
}

/// What one side of two runtimes has seen after the warm-up.
#[derive(Debug)]
struct Seen {
    allocations: usize,
    wakes: usize,
    signals: usize,
}

fn across_runtimes(tier: WakeTier, turns: impl TurnTaking) -> Vec<Seen> {
    let turns = Arc::new(turns);
    let threads: Vec<_> = [0, 1]
        .into_iter()
        .map(|side| {
            let turns = turns.clone();
            thread::spawn(move || {
                run(async move {
                    tier.select().expect("this tier was checked");
                    let stats = || WakeStats::current(tier).expect("inside a runtime");
                    fill_up();
                    let (mut before, mut first) = (0, stats());
                    for round in 0..WARM_UP + ROUNDS {
                        if round == WARM_UP {
                            first = stats();
                            before = allocations();
                        }
                        take_turn(side, &*turns).await;
                    }
                    let allocations = allocations() - before;
                    let last = stats();
                    Seen {
                        allocations,
                        wakes: last.wakes - first.wakes,
                        signals: last.signals - first.signals,
                    }
                })
            })
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect()
}

fn all_across_runtimes(tier: WakeTier, check: impl Fn(&str, &[Seen])) {
    check(
        "semaphore",
        &across_runtimes(tier, [const { Semaphore::new(0) }; 2]),
    );
    check("event", &across_runtimes(tier, [const { Event::new() }; 2]));
    let queues = [const { (WaiterQueue::new(), AtomicBool::new(false)) }; 2];
    check("queue", &across_runtimes(tier, queues));
    check(
        "condvar",
        &across_runtimes(tier, (Mutex::new([false; 2]), Condvar::new())),
    );
    check(
        "mutex",
        &across_runtimes(
            tier,
            Relay {
                baton: Mutex::new(0),
            },
        ),
    );
}

#[test]
fn waits_across_runtimes_allocate_nothing_by_the_generic_tier() {
    watched(
        "waits_across_runtimes_allocate_nothing_by_the_generic_tier",
        || {
            let woken = Cell::new(0);
            all_across_runtimes(WakeTier::Generic, |name, sides| {
                for seen in sides {
                    // compio's IOCP driver makes room for completions each time that it sleeps.
                    let drivers = if cfg!(windows) {
                        seen.signals + ROUNDS / 50
                    } else {
                        0
                    };
                    assert!(seen.allocations <= drivers, "{name}: {seen:?}");
                    woken.set(woken.get() + seen.wakes);
                }
            });
            assert!(
                woken.get() > ROUNDS,
                "hardly any wait was ended by the other thread"
            );
        },
    );
}

/// compio allocates for each operation that is submitted: here one `FUTEX_WAIT` for each time that
/// the runtime was signalled. That is all that is allocated.
#[test]
fn waits_across_runtimes_allocate_one_operation_a_ring_by_the_futex_tier() {
    watched(
        "waits_across_runtimes_allocate_one_operation_a_ring_by_the_futex_tier",
        || {
            if let Err(error) = runtime().enter(|| WakeTier::Futex.check()) {
                println!("not tested, as it cannot be had here: the futex tier: {error}");
                return;
            }
            // The kernel may end a few waits for nothing; each is then begun again.
            const SPURIOUS: usize = ROUNDS / 100;
            let signalled = Cell::new(0);
            all_across_runtimes(WakeTier::Futex, |name, sides| {
                for seen in sides {
                    let expected = seen.signals * operation();
                    assert!(
                        seen.allocations <= expected + SPURIOUS,
                        "{name}: more than {expected}: {seen:?}"
                    );
                    signalled.set(signalled.get() + seen.signals);
                }
            });
            assert!(signalled.get() > ROUNDS, "hardly any runtime was signalled");
        },
    );
}

/// How often compio allocates for one operation on its ring, whosever it is.
fn operation() -> usize {
    thread_local! {
        static MEASURED: Cell<usize> = const { Cell::new(0) };
    }
    if MEASURED.get() == 0 {
        let measured = run(async {
            let file = compio::fs::File::open("/dev/null")
                .await
                .expect("it is there");
            let mut before = 0;
            for round in 0..WARM_UP + ROUNDS {
                if round == WARM_UP {
                    before = allocations();
                }
                let buffer: [u8; 8] = [0; 8];
                let read = compio::io::AsyncReadAt::read_at(&file, buffer, 0).await;
                read.0.expect("it can be read");
            }
            allocations() - before
        });
        assert_eq!(measured % ROUNDS, 0, "the same each time");
        MEASURED.set(measured / ROUNDS);
    }
    MEASURED.get()
}

#[test]
fn uncontended_use_allocates_nothing_at_all() {
    watched("uncontended_use_allocates_nothing_at_all", || {
        run(async {
            let before = (allocations(), live());
            let semaphore = Semaphore::new(3);
            let mutex = Mutex::new(0);
            let condvar = Condvar::new();
            let event = Event::new();
            let queue = WaiterQueue::new();
            drop(semaphore.acquire_many(3).await);
            drop(semaphore.try_acquire());
            *mutex.lock().await += 1;
            condvar.notify_one();
            condvar.notify_all();
            event.set();
            event.wait().await;
            queue.wake_all();
            queue.wake_one();
            drop((semaphore, mutex, condvar, event, queue));
            assert_eq!((allocations(), live()), before);
        });
    });
}

#[test]
fn blocking_call_allocates_once() {
    watched("blocking_call_allocates_once", || {
        for waits in [false, true] {
            let semaphore = Arc::new(Semaphore::new(0));
            let released = Arc::new(Barrier::new(2));
            let giver = thread::spawn({
                let (semaphore, released) = (semaphore.clone(), released.clone());
                move || {
                    for _ in 0..2 {
                        while waits && semaphore.waiter_count() == 0 {
                            thread::yield_now();
                        }
                        semaphore.add_permits(1);
                        released.wait();
                    }
                }
            });
            let mut counted = 0;
            // The first round fetches what the thread keeps: its handle, and a waiter.
            for _ in 0..2 {
                if !waits {
                    released.wait();
                }
                let before = allocations();
                semaphore.blocking_acquire().forget();
                counted = allocations() - before;
                if waits {
                    released.wait();
                }
            }
            giver.join().unwrap();
            assert_eq!(counted, 1, "waits: {waits}");
        }
    });
}

// ---- nothing stays ----

const MILLION: usize = 1_000_000;

/// Begins and drops a million waits, and returns by how much the memory in use grew at most.
fn growth(mut wait: impl FnMut()) -> isize {
    for _ in 0..WARM_UP {
        wait();
    }
    let (before, mut most) = (live(), 0);
    for _ in 0..MILLION / 100 {
        for _ in 0..100 {
            wait();
        }
        most = most.max(live() - before);
    }
    most
}

#[test]
fn a_million_cancelled_acquires_leave_nothing_behind() {
    watched("a_million_cancelled_acquires_leave_nothing_behind", || {
        let semaphore = Semaphore::new(0);
        let grown = growth(|| assert!(poll_once(pin!(semaphore.acquire())).is_pending()));
        assert_eq!((grown, semaphore.waiter_count()), (0, 0));
    });
}

#[test]
fn a_million_acquires_cancelled_within_a_line_leave_nothing_behind() {
    watched(
        "a_million_acquires_cancelled_within_a_line_leave_nothing_behind",
        || {
            let semaphore = Semaphore::new(0);
            let mut ahead = pin!(semaphore.acquire_many(5));
            assert!(poll_once(ahead.as_mut()).is_pending());
            let mut behind = std::collections::VecDeque::new();
            let grown = growth(|| {
                if behind.len() == 50 {
                    behind.pop_front();
                }
                let mut acquire = Box::pin(semaphore.acquire());
                assert!(poll_once(acquire.as_mut()).is_pending());
                behind.push_back(acquire);
            });
            assert_eq!((grown, semaphore.waiter_count()), (0, 51));
            drop(behind);
            assert_eq!(semaphore.waiter_count(), 1);
        },
    );
}

#[test]
fn a_million_cancelled_event_waits_leave_nothing_behind() {
    watched(
        "a_million_cancelled_event_waits_leave_nothing_behind",
        || {
            let event = Event::new();
            let grown = growth(|| assert!(poll_once(pin!(event.wait())).is_pending()));
            assert_eq!((grown, event.waiter_count()), (0, 0));
        },
    );
}

#[test]
fn a_million_cancelled_locks_leave_nothing_behind() {
    watched("a_million_cancelled_locks_leave_nothing_behind", || {
        let mutex = Mutex::new(());
        let _guard = mutex.try_lock().expect("nobody has it");
        let grown = growth(|| assert!(poll_once(pin!(mutex.lock())).is_pending()));
        assert_eq!((grown, mutex.waiter_count()), (0, 0));
    });
}

#[test]
fn a_million_cancelled_condvar_waits_leave_nothing_behind() {
    watched(
        "a_million_cancelled_condvar_waits_leave_nothing_behind",
        || {
            let (mutex, condvar) = (Mutex::new(()), Condvar::new());
            let grown = growth(|| {
                let guard = mutex.try_lock().expect("nobody has it");
                assert!(poll_once(pin!(condvar.wait(guard))).is_pending());
            });
            assert_eq!((grown, condvar.waiter_count()), (0, 0));
        },
    );
}

/// Their timers go with them.
#[cfg(feature = "time")]
#[test]
fn timed_waits_that_end_early_leave_nothing_behind() {
    watched("timed_waits_that_end_early_leave_nothing_behind", || {
        run(async {
            let event = Event::new();
            let grown = growth(|| {
                let mut wait = pin!(event.wait().timeout(Duration::from_secs(3600)));
                assert!(poll_once(wait.as_mut()).is_pending());
                event.set();
                assert!(poll_once(wait.as_mut()).is_ready());
                event.reset();
                let mut given_up = pin!(event.wait().timeout(Duration::from_secs(3600)));
                assert!(poll_once(given_up.as_mut()).is_pending());
            });
            assert!(grown < 1_000, "{grown} bytes");
        })
    });
}

#[test]
fn a_million_cancelled_queue_waits_leave_nothing_behind() {
    watched(
        "a_million_cancelled_queue_waits_leave_nothing_behind",
        || {
            let (queue, mut stay) = (WaiterQueue::new(), true);
            let grown = growth(|| {
                stay = !stay;
                let left = poll_once(pin!(queue.add_waiter_if(|| !stay)));
                assert_eq!(left.is_pending(), stay);
            });
            assert_eq!((grown, queue.waiter_count()), (0, 0));
        },
    );
}

/// While another thread has the turn time and again, those who leave leave messages. The other
/// thread ends up with their nodes.
#[test]
fn a_million_waits_cancelled_beside_a_busy_holder_stay_bounded() {
    watched(
        "a_million_waits_cancelled_beside_a_busy_holder_stay_bounded",
        || {
            /// The two threads' pools: 1,024 idle nodes each, of less than 128 bytes.
            const POOLS: isize = 2 * 1_024 * 128;

            let semaphore = Arc::new(Semaphore::new(0));
            let over = Arc::new(AtomicBool::new(false));
            // The other thread's share, which it publishes as it goes.
            let theirs = Arc::new(AtomicUsize::new(0));
            let holder = thread::spawn({
                let (semaphore, over, theirs) = (semaphore.clone(), over.clone(), theirs.clone());
                move || {
                    let before = live();
                    let share = || theirs.store((live() - before) as usize, Relaxed);
                    let mut turns = 0usize;
                    while !over.load(Relaxed) {
                        // A turn each: an arrival, and, as it goes on its way, a grant or a leave.
                        let mut acquire = pin!(semaphore.acquire());
                        let _ = poll_once(acquire.as_mut());
                        semaphore.add_permits(1);
                        semaphore.reduce_permits(1);
                        turns += 1;
                        share();
                    }
                    // What the last leave has read is gone by now.
                    share();
                    turns
                }
            });
            let before = live();
            let mut most = 0;
            for _ in 0..MILLION / 100 {
                for _ in 0..100 {
                    let mut acquire = pin!(semaphore.acquire());
                    if let Poll::Ready(permit) = poll_once(acquire.as_mut()) {
                        permit.forget();
                    }
                }
                most = most.max(live() - before + theirs.load(Relaxed) as isize);
            }
            over.store(true, Relaxed);
            let turns = holder.join().unwrap();
            let left = live() - before + theirs.load(Relaxed) as isize;
            println!("{turns} turns beside; at most {most} bytes, {left} in the end");
            assert!(turns > 1_000, "the other thread was not busy");
            // In between there may be as much unread as this thread can send while the other one has
            // the turn and is not running: that is up to the scheduler.
            assert!(left <= POOLS, "{left} bytes stay in use");
            assert_eq!(semaphore.waiter_count(), 0);
            drop(semaphore);
        },
    );
}

/// The same within a runtime whose semaphore is busy on another one: `select!` in a loop.
#[test]
fn cancelled_waits_of_a_task_stay_bounded_beside_a_busy_runtime() {
    watched(
        "cancelled_waits_of_a_task_stay_bounded_beside_a_busy_runtime",
        || {
            const WAITS: usize = 100_000;
            let semaphore = Arc::new(Semaphore::new(1));
            let over = Arc::new(AtomicBool::new(false));
            let busy = thread::spawn({
                let (semaphore, over) = (semaphore.clone(), over.clone());
                move || {
                    run(async move {
                        let before = live();
                        let tasks = [(); 4].map(|()| {
                            let (semaphore, over) = (semaphore.clone(), over.clone());
                            compio::runtime::spawn(async move {
                                while !over.load(Relaxed) {
                                    let _permit = semaphore.acquire().await;
                                    pass().await;
                                }
                            })
                        });
                        for task in tasks {
                            task.await.expect("a task panicked");
                        }
                        live() - before
                    })
                }
            });
            let grown = run({
                let semaphore = semaphore.clone();
                async move {
                    let mut before = 0;
                    for wait in 0..WARM_UP + WAITS {
                        if wait == WARM_UP {
                            before = live();
                        }
                        let acquire = pin!(semaphore.acquire());
                        futures_util::future::select(acquire, pin!(pass())).await;
                    }
                    live() - before
                }
            });
            over.store(true, Relaxed);
            // The busy thread has got, and partly freed, what this one has lost to it.
            let grown = grown + busy.join().unwrap();
            assert!(grown <= 2 * 1_024 * 128, "{grown} bytes more than at first");
            assert_eq!(
                (semaphore.available_permits(), semaphore.waiter_count()),
                (1, 0)
            );
        },
    );
}

/// A waker that is counted by its `Arc`.
struct Counted;

// Clippy from 1.96 on takes it for `Waker::noop`, which nothing counts.
#[allow(unknown_lints, clippy::manual_noop_waker)]
impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn every_waker_is_dropped_by_the_end_of_its_wait() {
    watched("every_waker_is_dropped_by_the_end_of_its_wait", || {
        let counted = Arc::new(Counted);
        let waker = Waker::from(counted.clone());
        let other = Arc::new(Counted);
        let other_waker = Waker::from(other.clone());
        let held = || {
            (
                Arc::strong_count(&counted) - 2,
                Arc::strong_count(&other) - 2,
            )
        };
        let poll = |future: Pin<&mut dyn Future<Output = ()>>, waker: &Waker| {
            future.poll(&mut Context::from_waker(waker))
        };
        let semaphore = Semaphore::new(0);
        let acquire = || async {
            semaphore
                .acquire()
                .or_closed()
                .await
                .map(|p| p.forget())
                .unwrap_or(())
        };

        // Granted; and polled with another waker before that.
        let mut wait = Box::pin(acquire());
        assert!(poll(wait.as_mut(), &waker).is_pending());
        assert_eq!(held(), (1, 0));
        assert!(poll(wait.as_mut(), &other_waker).is_pending());
        assert_eq!(held(), (0, 1));
        semaphore.add_permits(1);
        assert_eq!(held(), (0, 0), "woken, hence dropped, before it is polled");
        assert!(poll(wait.as_mut(), &waker).is_ready());
        assert_eq!(held(), (0, 0));

        // Cancelled, from the line's head, middle and end.
        let mut waits: Vec<_> = (0..9).map(|_| Box::pin(acquire())).collect();
        for wait in &mut waits {
            assert!(poll(wait.as_mut(), &waker).is_pending());
        }
        assert_eq!(held(), (9, 0));
        for index in [0, 3, 6] {
            drop(waits.remove(index));
        }
        assert_eq!(held(), (6, 0));

        // Leaked: the wakers go with the semaphore. Closed: at once.
        std::mem::forget(waits.pop());
        semaphore.close();
        assert_eq!(held(), (0, 0));
        drop(waits);

        let semaphore = Arc::new(Semaphore::new(0));
        let mut leaked = Box::pin(semaphore.acquire());
        assert!(
            leaked
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert_eq!(held(), (1, 0));
        std::mem::forget(leaked);
        drop(semaphore);
        assert_eq!(held(), (0, 0), "nobody can end that wait any more");

        // A future that is granted and dropped, unpolled.
        let event = Event::new();
        let mut wait = Box::pin(event.wait());
        assert!(poll(wait.as_mut(), &waker).is_pending());
        event.set();
        drop(wait);
        assert_eq!(held(), (0, 0));

        // A condvar's waiter, which is cancelled before and after it was notified.
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        for notify in [false, true] {
            let wait = async { drop(condvar.wait(mutex.try_lock().expect("free")).await) };
            let mut wait = Box::pin(wait);
            assert!(poll(wait.as_mut(), &waker).is_pending());
            let guard = mutex.try_lock().expect("the wait has unlocked it");
            if notify {
                condvar.notify_one();
                assert!(poll(wait.as_mut(), &waker).is_pending(), "for the mutex");
            }
            assert_eq!(held(), (1, 0));
            drop(wait);
            assert_eq!(held(), (0, 0));
            drop(guard);
        }
        assert_eq!((mutex.waiter_count(), condvar.waiter_count()), (0, 0));
    });
}

/// Runtimes come and go: what they leave behind is used again by the next.
#[test]
fn runtimes_that_come_and_go_leave_nothing_behind() {
    watched("runtimes_that_come_and_go_leave_nothing_behind", || {
        let semaphore = Arc::new(Semaphore::new(0));
        let both = Arc::new(Barrier::new(2));
        let over = Arc::new(AtomicBool::new(false));
        let releaser = thread::spawn({
            let (semaphore, both, over) = (semaphore.clone(), both.clone(), over.clone());
            move || {
                loop {
                    both.wait();
                    if over.load(SeqCst) {
                        return;
                    }
                    semaphore.add_permits(1);
                }
            }
        });
        let one = || {
            let (semaphore, both) = (semaphore.clone(), both.clone());
            run(async move {
                let granted = compio::runtime::spawn({
                    let semaphore = semaphore.clone();
                    async move { semaphore.acquire().await.forget() }
                });
                for _ in 0..4 {
                    let semaphore = semaphore.clone();
                    let never = async move { semaphore.acquire_many_owned(1_000).await.forget() };
                    compio::runtime::spawn(never).detach();
                }
                pass_until(|| semaphore.waiter_count() == 5).await;
                both.wait();
                granted.await.expect("the task panicked");
            });
        };
        for _ in 0..20 {
            one();
        }
        let before = live();
        for _ in 0..200 {
            one();
        }
        let grown = live() - before;
        over.store(true, SeqCst);
        both.wait();
        releaser.join().unwrap();
        assert_eq!(semaphore.waiter_count(), 0);
        assert!(grown.abs() < 4_096, "{grown} bytes after 200 runtimes");
    });
}

/// Has something done as it is dropped.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Waiters that are granted when their runtime has stopped, or as it is being dropped: neither
/// they nor their tasks are kept, and their permits pass on.
#[test]
fn wakes_that_come_too_late_leave_nothing_behind() {
    watched("wakes_that_come_too_late_leave_nothing_behind", || {
        const WAITERS: usize = 4;
        let semaphore = Arc::new(Semaphore::new(0));
        let both = Arc::new(Barrier::new(2));
        let over = Arc::new(AtomicBool::new(false));
        let theirs = Arc::new(AtomicUsize::new(0));
        let releaser = thread::spawn({
            let (semaphore, both) = (semaphore.clone(), both.clone());
            let (over, theirs) = (over.clone(), theirs.clone());
            move || {
                loop {
                    both.wait();
                    if over.load(SeqCst) {
                        return;
                    }
                    semaphore.add_permits(WAITERS);
                    theirs.store(live() as usize, SeqCst);
                    both.wait();
                }
            }
        });
        let release = || {
            both.wait();
            both.wait();
        };
        let one = |late: bool| {
            let runtime = runtime();
            runtime.enter(|| {
                let wait = || {
                    let semaphore = semaphore.clone();
                    runtime
                        .spawn(async move { drop(semaphore.acquire_owned().await) })
                        .detach();
                };
                // compio drops its tasks in the order of their making. The listener is made by the
                // first wait.
                wait();
                while runtime.run() {}
                if late {
                    let both = both.clone();
                    let release = OnDrop(move || {
                        both.wait();
                        both.wait();
                    });
                    let never = async move {
                        let _release = release;
                        std::future::pending::<()>().await;
                    };
                    runtime.spawn(never).detach();
                }
                (0..WAITERS).for_each(|_| wait());
                while runtime.run() {}
                assert_eq!(semaphore.waiter_count(), WAITERS + 1);
            });
            if !late {
                release();
            }
            drop(runtime);
            assert_eq!(semaphore.waiter_count(), 0);
            assert_eq!(semaphore.reduce_permits(usize::MAX), WAITERS);
        };
        for late in [false, true] {
            (0..20).for_each(|_| one(late));
            let in_use = || live() + theirs.load(SeqCst) as isize;
            let before = in_use();
            (0..200).for_each(|_| one(late));
            let grown = in_use() - before;
            assert!(
                grown.abs() < 4_096,
                "late: {late}: {grown} bytes after 200 runtimes"
            );
        }
        over.store(true, SeqCst);
        both.wait();
        releaser.join().unwrap();
    });
}
