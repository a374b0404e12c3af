//! Wakers that come back into what clones, wakes or drops them.
//!
//! A waker is other people's code: an executor that runs the woken task at once, a channel, a
//! wrapper that logs. Each case here runs in a process of its own, as it may hang, and for each
//! implementation: this crate's, which has to pass all, and its peers', of which the table that is
//! printed says how they fare. They promise no more than they do.

use std::{
    any::Any,
    collections::BTreeMap,
    env,
    process::{self, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, LocalBoxFuture},
};

use crate::common::{Hooks, Polled, panic_of};

/// Says which case a process is for: its implementation and its name.
const ROLE: &str = "COMPIO_SYNC_REENTRANT_CASE";
/// What a process exits with that hangs.
const HANGS: i32 = 124;

/// What has been waited for. Dropping it lets the next one have it, of itself or by
/// [`Contended::release`].
type Taken = Box<dyn Any + Send>;

/// Something that is taken, and one of which may be released.
trait Contended: Send + Sync + 'static {
    fn new() -> Arc<Self>
    where
        Self: Sized;
    fn wait(self: &Arc<Self>) -> BoxFuture<'static, Taken>
    where
        Self: Sized;
    fn try_take(self: &Arc<Self>) -> Option<Taken>
    where
        Self: Sized;
    fn release(&self);
}

macro_rules! semaphore {
    ($name:ident, $semaphore:ty, $this:ident => $acquire:expr, $try:expr, $release:expr) => {
        struct $name(Arc<$semaphore>);

        impl Contended for $name {
            fn new() -> Arc<Self> {
                Arc::new(Self(Arc::new(<$semaphore>::new(0))))
            }

            fn wait(self: &Arc<Self>) -> BoxFuture<'static, Taken> {
                let $this = self.0.clone();
                async move { Box::new($acquire.await) as Taken }.boxed()
            }

            fn try_take(self: &Arc<Self>) -> Option<Taken> {
                let $this = self.0.clone();
                $try.map(|it| Box::new(it) as Taken)
            }

            fn release(&self) {
                let $this = &self.0;
                $release;
            }
        }
    };
}

semaphore!(OurSemaphore, compio_sync::Semaphore, it =>
    it.acquire_owned(), it.try_acquire_owned(), it.add_permits(1));
semaphore!(TokiosSemaphore, tokio::sync::Semaphore, it =>
    it.acquire_owned().map(Result::unwrap), it.try_acquire_owned().ok(), it.add_permits(1));
semaphore!(AsyncLocksSemaphore, async_lock::Semaphore, it =>
    it.acquire_arc(), it.try_acquire_arc(), it.add_permits(1));
semaphore!(AsyncbandsSemaphore, asyncband::semaphore::Semaphore, it =>
    it.acquire_owned(1), it.try_acquire_owned(1), it.release(1));

macro_rules! mutex {
    ($name:ident, $mutex:ty, $guard:ty, $this:ident => $lock:expr, $try:expr) => {
        struct $name(Arc<$mutex>, Mutex<Option<$guard>>);

        impl Contended for $name {
            fn new() -> Arc<Self> {
                let mutex = Arc::new(<$mutex>::new(()));
                let $this = mutex.clone();
                let guard = $try.expect("it is unlocked");
                Arc::new(Self(mutex, Mutex::new(Some(guard))))
            }

            fn wait(self: &Arc<Self>) -> BoxFuture<'static, Taken> {
                let $this = self.0.clone();
                async move { Box::new($lock.await) as Taken }.boxed()
            }

            fn try_take(self: &Arc<Self>) -> Option<Taken> {
                let $this = self.0.clone();
                $try.map(|it| Box::new(it) as Taken)
            }

            /// The first time. From then on it is for whoever has locked it to unlock it.
            fn release(&self) {
                let guard = self.1.lock().unwrap().take();
                drop(guard);
            }
        }
    };
}

mutex!(OurMutex, compio_sync::Mutex<()>, compio_sync::OwnedMutexGuard<()>, it =>
    it.lock_owned(), it.try_lock_owned());
mutex!(TokiosMutex, tokio::sync::Mutex<()>, tokio::sync::OwnedMutexGuard<()>, it =>
    it.lock_owned(), it.try_lock_owned().ok());
mutex!(AsyncLocksMutex, async_lock::Mutex<()>, async_lock::MutexGuardArc<()>, it =>
    it.lock_arc(), it.try_lock_arc());

type Waiter = Polled<LocalBoxFuture<'static, Taken>>;

fn waiter<C: Contended>(it: &Arc<C>, hooks: Hooks) -> Waiter {
    let mut waiter = Polled::with(it.wait().boxed_local(), hooks);
    waiter.waits();
    waiter
}

/// Polls until it has what it waits for. If it is never woken, or in vain, that fails.
fn finish(waiter: &mut Waiter) {
    assert!(waiter.wakes() > 0, "a wake was lost");
    drop(waiter.ready());
}

// ---- the cases ----

fn wake_tries_to_take<C: Contended>() {
    let it = C::new();
    let hooks = {
        let it = it.clone();
        Hooks::on_wake(move || drop(it.try_take()))
    };
    let mut first = waiter(&it, hooks);
    it.release();
    finish(&mut first);
}

fn wake_begins_to_wait_and_gives_up<C: Contended>() {
    let it = C::new();
    let hooks = {
        let it = it.clone();
        Hooks::on_wake(move || {
            let mut wait = Polled::new(it.wait());
            let _ = wait.poll();
        })
    };
    let mut first = waiter(&it, hooks);
    it.release();
    finish(&mut first);
}

fn wake_releases<C: Contended>() {
    let it = C::new();
    let hooks = {
        let it = it.clone();
        Hooks::on_wake(move || it.release())
    };
    let (mut first, mut second) = (waiter(&it, hooks), waiter(&it, Hooks::default()));
    it.release();
    finish(&mut first);
    finish(&mut second);
}

fn wake_drops_the_others<C: Contended>() {
    let it = C::new();
    // Futures are not `Send` for all: they stay on this thread.
    let others = Arc::new(Mutex::new(Vec::new()));
    let hooks = {
        let others = others.clone();
        Hooks::on_wake(move || {
            drop::<Vec<Polled<BoxFuture<Taken>>>>(std::mem::take(&mut *others.lock().unwrap()))
        })
    };
    let mut first = waiter(&it, hooks);
    *others.lock().unwrap() = (0..40).map(|_| Polled::pending(it.wait())).collect();
    it.release();
    finish(&mut first);
    assert!(others.lock().unwrap().is_empty());
}

fn wake_finishes_its_own_wait<C: Contended>() {
    let it = C::new();
    let own = Arc::new(Mutex::new(None::<Polled<BoxFuture<Taken>>>));
    let hooks = {
        let own = own.clone();
        Hooks::on_wake(move || {
            let own = own.lock().unwrap().take();
            own.into_iter().for_each(|mut own| drop(own.ready()));
        })
    };
    let mut first = Polled::with(it.wait(), hooks);
    first.waits();
    *own.lock().unwrap() = Some(first);
    let mut second = waiter(&it, Hooks::default());
    it.release();
    assert!(own.lock().unwrap().is_none(), "it was woken");
    if second.wakes() == 0 {
        it.release();
    }
    finish(&mut second);
}

fn clone_tries_to_take_and_releases<C: Contended>() {
    let it = C::new();
    let hooks = || {
        let it = it.clone();
        Hooks::on_clone(move || {
            drop(it.try_take());
            it.release();
        })
    };
    let mut first = waiter(&it, Hooks::default());
    let mut second = Polled::with(it.wait().boxed_local(), hooks());
    let second_has_it = second.poll().is_ready();
    if !second_has_it {
        finish(&mut first);
        second.swap_hooks(hooks());
        let _ = second.poll();
    }
}

fn drop_of_a_replaced_waker_releases<C: Contended>() {
    let it = C::new();
    let hooks = {
        let it = it.clone();
        Hooks::on_drop(move || {
            drop(it.try_take());
            it.release();
        })
    };
    let mut first = waiter(&it, hooks);
    first.change_waker();
    if first.poll().is_pending() {
        finish(&mut first);
    }
}

fn drop_of_a_wait_releases<C: Contended>() {
    let it = C::new();
    let hooks = {
        let it = it.clone();
        Hooks::on_drop(move || {
            drop(it.try_take());
            it.release();
        })
    };
    let mut first = waiter(&it, Hooks::default());
    drop(waiter(&it, hooks));
    finish(&mut first);
}

fn wakes_release_in_a_chain<C: Contended>() {
    let it = C::new();
    let mut all: Vec<_> = (0..200)
        .map(|_| {
            let it = it.clone();
            Hooks::on_wake(move || it.release())
        })
        .map(|hooks| waiter(&it, hooks))
        .collect();
    it.release();
    all.iter_mut().for_each(finish);
}

fn panic_in_a_wake_harms_nobody_else<C: Contended>() {
    let it = C::new();
    let mut first = waiter(&it, Hooks::on_wake(|| panic!("the waker's")));
    let mut second = waiter(&it, Hooks::default());
    panic_of(|| it.release());
    finish(&mut first);
    if second.wakes() == 0 {
        it.release();
    }
    finish(&mut second);
    assert!(it.try_take().is_some() || second.wakes() > 0);
}

fn panic_in_a_clone_leaves_nothing_behind<C: Contended>() {
    let it = C::new();
    let mut first = Polled::with(it.wait(), Hooks::on_clone(|| panic!("the waker's")));
    panic_of(|| first.poll());
    drop(first);
    let mut second = waiter(&it, Hooks::default());
    it.release();
    finish(&mut second);
}

type Case = (&'static str, fn());

fn cases_of<C: Contended>() -> Vec<Case> {
    macro_rules! cases {
        ($($case:ident)*) => { vec![$((stringify!($case), $case::<C> as fn())),*] };
    }
    cases! {
        wake_tries_to_take
        wake_begins_to_wait_and_gives_up
        wake_releases
        wake_drops_the_others
        wake_finishes_its_own_wait
        clone_tries_to_take_and_releases
        drop_of_a_replaced_waker_releases
        drop_of_a_wait_releases
        wakes_release_in_a_chain
        panic_in_a_wake_harms_nobody_else
        panic_in_a_clone_leaves_nothing_behind
    }
}

/// The implementations, this crate's first, and their cases. A mutex is released once only.
fn implementations() -> Vec<(&'static str, Vec<Case>)> {
    fn of_a_mutex<C: Contended>() -> Vec<Case> {
        let mut cases = cases_of::<C>();
        cases.retain(|(name, _)| *name != "wake_releases" && *name != "wakes_release_in_a_chain");
        cases
    }
    vec![
        ("compio-sync Semaphore", cases_of::<OurSemaphore>()),
        ("compio-sync Mutex", of_a_mutex::<OurMutex>()),
        ("tokio Semaphore", cases_of::<TokiosSemaphore>()),
        ("tokio Mutex", of_a_mutex::<TokiosMutex>()),
        ("async-lock Semaphore", cases_of::<AsyncLocksSemaphore>()),
        ("async-lock Mutex", of_a_mutex::<AsyncLocksMutex>()),
        ("asyncband Semaphore", cases_of::<AsyncbandsSemaphore>()),
    ]
}

fn is_ours(implementation: &str) -> bool {
    implementation.starts_with("compio-sync")
}

/// Runs one case in a process of its own, for at most so many seconds.
fn outcome(implementation: &str, case: &str, seconds: u64) -> &'static str {
    let status = Command::new(env::current_exe().expect("the test binary"))
        .args(["--exact", "reentrant::wakers_may_come_back", "--nocapture"])
        .env(ROLE, format!("{seconds}/{implementation}/{case}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("a process");
    match status.code() {
        Some(0) => "passes",
        Some(HANGS) => "HANGS",
        Some(_) => "fails",
        None => "ABORTS",
    }
}

/// Runs the case that this process is for.
fn play(role: &str) {
    let mut parts = role.splitn(3, '/');
    let mut part = || parts.next().expect("seconds/implementation/case");
    let (seconds, implementation, case) = (part(), part(), part());
    let limit = Duration::from_secs(seconds.parse().expect("seconds"));
    let (_done, alarm) = mpsc::channel::<()>();
    thread::spawn(move || {
        if alarm.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            process::exit(HANGS);
        }
    });
    let cases = implementations();
    let (_, cases) = cases.iter().find(|it| it.0 == implementation).expect("it");
    let (_, case) = cases.iter().find(|it| it.0 == case).expect("a case");
    case();
}

#[test]
fn wakers_may_come_back() {
    if let Ok(role) = env::var(ROLE) {
        return play(&role);
    }
    let implementations = implementations();
    let outcomes: Vec<_> = thread::scope(|scope| {
        let mut running = Vec::new();
        for (implementation, cases) in &implementations {
            for (case, _) in cases {
                // What hangs, hangs at once. What is slow is so because the machine is busy.
                let seconds = if is_ours(implementation) { 60 } else { 10 };
                let run = move || outcome(implementation, case, seconds);
                running.push((*implementation, *case, scope.spawn(run)));
            }
        }
        let join = |(implementation, case, outcome): (_, _, thread::ScopedJoinHandle<_>)| {
            (
                implementation,
                case,
                outcome.join().expect("a thread panicked"),
            )
        };
        running.into_iter().map(join).collect()
    });
    let mut ours_fail = Vec::new();
    let mut passed: BTreeMap<_, (usize, usize)> = BTreeMap::new();
    for (implementation, case, outcome) in outcomes {
        let (passes, all) = passed.entry(implementation).or_default();
        *all += 1;
        if outcome == "passes" {
            *passes += 1;
            continue;
        }
        println!("{implementation}: {case} {outcome}");
        if is_ours(implementation) {
            ours_fail.push((implementation, case, outcome));
        }
    }
    for (implementation, (passes, all)) in passed {
        println!("{implementation}: passes {passes} of {all}");
    }
    assert!(ours_fail.is_empty(), "{ours_fail:#?}");
}
