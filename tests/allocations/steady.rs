//! Nothing is allocated in steady state.

use super::*;

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
fn token_is_one_allocation_and_waits_for_it_are_none() {
    run(async {
        fill_up();
        let root = CancellationToken::new();
        let grandchild = root.child_token().child_token();
        let (before, bytes) = (allocations(), live());
        for _ in 0..ROUNDS {
            assert!(poll_once(pin!(grandchild.cancelled())).is_pending());
            let pending = std::future::pending::<()>();
            assert!(poll_once(pin!(grandchild.run_until_cancelled(pending))).is_pending());
        }
        assert_eq!((allocations(), live()), (before, bytes));
        for _ in 0..ROUNDS {
            drop(root.child_token());
        }
        assert_eq!((allocations(), live()), (before + ROUNDS, bytes));
    });
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

#[test]
fn values_of_a_channel_allocate_nothing() {
    watched("values_of_a_channel_allocate_nothing", || {
        run(async {
            let (sender, mut receiver) = compio_sync::mpsc::channel(100);
            let mut before = 0;
            for round in 0..20 {
                if round == 10 {
                    before = allocations();
                }
                // More than a block of it, and then as many again.
                for n in 0..70 {
                    sender.send(n).await.unwrap();
                }
                for n in 0..70 {
                    assert_eq!(receiver.recv().await, Some(n));
                }
            }
            assert_eq!(allocations() - before, 0);
        });
    });
}

#[test]
fn values_with_several_receivers_allocate_nothing() {
    watched("values_with_several_receivers_allocate_nothing", || {
        run(async {
            let (sender, receiver) = compio_sync::mpmc::channel(100);
            let receivers = [receiver.clone(), receiver];
            let mut before = 0;
            for round in 0..20 {
                if round == 10 {
                    before = allocations();
                }
                for n in 0..70 {
                    sender.send(n).await.unwrap();
                }
                for n in 0..70 {
                    assert_eq!(receivers[n % 2].recv().await, Some(n));
                }
            }
            assert_eq!(allocations() - before, 0);
        });
    });
}

#[test]
fn values_for_every_receiver_allocate_nothing() {
    watched("values_for_every_receiver_allocate_nothing", || {
        run(async {
            let (sender, mut receiver) = compio_sync::broadcast::channel(4);
            let (changes, mut looks) = compio_sync::watch::channel(0);
            let mut before = 0;
            for n in 0..100 {
                if n == 10 {
                    before = allocations();
                }
                let mut changed = looks.changed();
                assert!(poll_once(Pin::new(&mut changed)).is_pending());
                sender.send(n).unwrap();
                changes.send(n).unwrap();
                changed.await.unwrap();
                assert_eq!(receiver.recv().await, Ok(n));
                // The value before is looked at while the next one comes.
                let look = looks.borrow();
                changes.send(n).unwrap();
                assert_eq!(*look, n);
                drop(look);
                looks.mark_unchanged();
            }
            assert_eq!(allocations() - before, 0);
        });
    });
}

#[test]
fn answers_by_a_reusable_channel_allocate_nothing() {
    watched("answers_by_a_reusable_channel_allocate_nothing", || {
        run(async {
            let mut answers = oneshot::Reusable::new();
            let mut before = 0;
            for n in 0..100 {
                if n == 10 {
                    before = allocations();
                }
                let (sender, mut receiver) = answers.channel();
                assert!(poll_once(Pin::new(&mut receiver)).is_pending());
                sender.send(n).unwrap();
                assert_eq!(receiver.await, Ok(n));
            }
            assert_eq!(allocations() - before, 0);
        });
    });
}

#[test]
fn cells_that_are_set_once_allocate_nothing() {
    watched("cells_that_are_set_once_allocate_nothing", || {
        run(async {
            let mut before = (0, 0);
            for n in 0..100 {
                if n == 10 {
                    before = (allocations(), live());
                }
                let (set, cell) = (SetOnce::new(), OnceCell::new());
                let lazy = LazyCell::new(|| std::future::ready(n));
                let mut wait = set.wait();
                assert!(poll_once(Pin::new(&mut wait)).is_pending());
                set.set(n).unwrap();
                assert_eq!(wait.await, &n);
                {
                    let mut first = pin!(cell.get_or_init(async || {
                        pass().await;
                        n
                    }));
                    let mut second = pin!(cell.get_or_init(|| std::future::ready(n + 1)));
                    assert!(poll_once(first.as_mut()).is_pending());
                    assert!(poll_once(second.as_mut()).is_pending());
                    assert_eq!((first.await, second.await), (&n, &n));
                }
                assert_eq!(lazy.force().await, &n);
            }
            assert_eq!((allocations(), live()), before);
        });
    });
}
