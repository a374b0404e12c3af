//! Each runtime's end of its [`Bell`]: a task that takes the letters out and wakes whom they name.
//!
//! A runtime gets its bell and its listener on its first wait. Which runtime a waiter is *at home*
//! on is found out when it leaves its waker: a home is recorded if the waker is a compio task's,
//! or compio's wrapper round one, and a runtime is current, which then is the task's. Any other
//! waker (the main future's of `block_on`, another executor's, a parked thread's) is woken directly
//! by whoever grants: a listener would be the wrong one to wake it, as its thread may well be
//! blocked in that other executor.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    ptr::{self, null_mut},
    sync::atomic::{
        AtomicBool, AtomicPtr,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    task::{Context, Poll, RawWakerVTable, Waker},
};

use compio_buf::BufResult;
use compio_driver::{AsRawFd, RawFd, op::Asyncify};
use compio_executor::Executor;
use compio_runtime::{FutureExt, Runtime, Submit};

use super::{
    batch::{let_go, wake},
    doorbell::Bell,
    generic,
    line::Chain,
    tier::WakeTier,
    waiter::Letter,
};
use crate::loom::IN_MODEL;

/// How many waiters the listener wakes before it lets the other tasks run.
const BITE: usize = 64;

/// The bell of the runtime that `waker`, cloned from the current task's, belongs to, if it does.
pub(super) fn home(waker: &Waker) -> Option<&'static Bell> {
    // A model has no runtimes in it.
    if !IN_MODEL && is_compios(waker) {
        current_bell()
    } else {
        None
    }
}

/// Whether `waker` is a compio task's, or what compio wraps it in to carry a cancel token and the
/// like. It has to be a clone: what tasks are polled with has a table of functions that may differ
/// from crate to crate.
fn is_compios(waker: &Waker) -> bool {
    static TASK: AtomicPtr<RawWakerVTable> = AtomicPtr::new(null_mut());
    static WRAPPED: AtomicPtr<RawWakerVTable> = AtomicPtr::new(null_mut());

    // ORDERING: Relaxed, here and below. Pointers to constants, which whoever misses them finds
    // out once more.
    if WRAPPED.load(Relaxed).is_null() || TASK.load(Relaxed).is_null() {
        let look = |at: &'static AtomicPtr<RawWakerVTable>| {
            poll_fn(move |cx| {
                let waker = cx.waker().clone();
                at.store(ptr::from_ref(waker.vtable()).cast_mut(), Relaxed);
                Poll::Ready(())
            })
        };
        // Seen by asking compio's executor.
        let executor = Executor::new();
        executor.spawn(look(&TASK)).detach();
        executor.spawn(look(&WRAPPED).with_personality(0)).detach();
        executor.tick();
    }
    [TASK.load(Relaxed), WRAPPED.load(Relaxed)]
        .into_iter()
        .any(|known| {
            // SAFETY: stored above, a reference to a constant. The compiler may have made several
            // of it, so it is the functions that are compared.
            unsafe { &*known == waker.vtable() }
        })
}

thread_local! {
    /// The bells of this thread's runtimes, by driver handle. A runtime that was leaked keeps its
    /// handle open, as its listener does: a handle never stands for two runtimes.
    static BELLS: RefCell<Vec<(RawFd, &'static Bell)>> = const { RefCell::new(Vec::new()) };
}

/// The bell of the current runtime, which gets one if it has none yet.
pub(super) fn current_bell() -> Option<&'static Bell> {
    Runtime::try_with_current(|runtime| bell_of(runtime).or_else(|| listen(runtime)))
        .ok()
        .flatten()
}

/// The bell of `runtime`, if it has one.
pub(super) fn bell_of(runtime: &Runtime) -> Option<&'static Bell> {
    let handle = runtime.as_raw_fd();
    // No list: the thread is past its destructors.
    BELLS
        .try_with(|bells| {
            let bells = bells.borrow();
            let known = bells.iter().find(|(known, _)| *known == handle)?;
            Some(known.1)
        })
        .ok()
        .flatten()
}

/// Gives `runtime` a bell and a listener.
#[cold]
fn listen(runtime: &Runtime) -> Option<&'static Bell> {
    let handle = runtime.as_raw_fd();
    let tier = WakeTier::choose(runtime);
    let place = Place::claim();
    place.bell.open(tier);
    let listener = Listener {
        place,
        handle,
        letters: Chain::new(),
        #[cfg(all(target_os = "linux", feature = "linux-futex"))]
        futex: Default::default(),
        #[cfg(all(windows, feature = "windows-iocp"))]
        iocp: Default::default(),
        _driver: runtime.submit(Asyncify::new(nothing as Nothing)),
    };
    // If there is no list any more, the listener is dropped, and frees the place.
    BELLS
        .try_with(|bells| bells.borrow_mut().push((handle, &place.bell)))
        .ok()?;
    runtime.spawn(listener).detach();
    Some(&place.bell)
}

type Nothing = fn() -> BufResult<usize, ()>;

fn nothing() -> BufResult<usize, ()> {
    BufResult(Ok(0), ())
}

/// A place for a bell in the list of all bells, which only grows.
struct Place {
    bell: Bell,
    taken: AtomicBool,
    next: *mut Place,
}

impl Place {
    /// Takes a place that is free, or makes one.
    fn claim() -> &'static Self {
        static PLACES: AtomicPtr<Place> = AtomicPtr::new(null_mut());

        // ORDERING: Acquire pairs with the release below: the places are seen as they were made.
        let first = PLACES.load(Acquire);
        let mut next = first;
        // SAFETY: places are published whole and never freed.
        while let Some(place) = unsafe { next.as_ref() } {
            // ORDERING: Acquire pairs with the release in `Listener::drop`.
            if place
                .taken
                .compare_exchange(false, true, Acquire, Relaxed)
                .is_ok()
            {
                return place;
            }
            next = place.next;
        }
        let place = Box::into_raw(Box::new(Self {
            bell: Bell::new(),
            taken: AtomicBool::new(true),
            next: first,
        }));
        let mut next = first;
        // ORDERING: Release publishes the place; Acquire is for the places below it.
        while let Err(now) = PLACES.compare_exchange_weak(next, place, AcqRel, Acquire) {
            next = now;
            // SAFETY: not published yet.
            unsafe { (*place).next = next };
        }
        // SAFETY: places are never freed.
        unsafe { &*place }
    }
}

/// The task that answers a runtime's bell. It ends with its runtime.
struct Listener {
    place: &'static Place,
    handle: RawFd,
    /// Taken out of the bell; still to be woken.
    letters: Chain<Letter>,
    #[cfg(all(target_os = "linux", feature = "linux-futex"))]
    futex: super::linux::Sleep,
    #[cfg(all(windows, feature = "windows-iocp"))]
    iocp: super::windows::Sleep,
    /// An operation that is never begun. It keeps the driver, and with it the handle that the bell
    /// is known by, for as long as there is a listener.
    _driver: Submit<Asyncify<Nothing, ()>>,
}

impl Listener {
    fn fall_asleep(&mut self, cx: &mut Context<'_>) -> bool {
        let bell = &self.place.bell;
        let asleep = match bell.tier() {
            #[cfg(all(target_os = "linux", feature = "linux-futex"))]
            WakeTier::Futex => inside(self.handle, |it| self.futex.sleep(it, bell, cx)),
            #[cfg(all(windows, feature = "windows-iocp"))]
            WakeTier::Iocp => inside(self.handle, |it| self.iocp.sleep(it, bell, cx)),
            _ => None,
        };
        asleep.unwrap_or_else(|| generic::sleep(bell, cx))
    }
}

/// Calls `sleep` with the listener's runtime, if it is entered.
///
/// A runtime whose tasks are run without that has its operations submitted to whichever is current:
/// it must do without them.
#[cfg(any(
    all(target_os = "linux", feature = "linux-futex"),
    all(windows, feature = "windows-iocp")
))]
fn inside(handle: RawFd, sleep: impl FnOnce(&Runtime) -> bool) -> Option<bool> {
    Runtime::try_with_current(|runtime| (runtime.as_raw_fd() == handle).then(|| sleep(runtime)))
        .ok()
        .flatten()
}

impl Future for Listener {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut woken = 0;
        loop {
            if self.letters.is_empty() {
                self.letters = self.place.bell.take();
            }
            while let Some(waiter) = self.letters.pop_front() {
                if woken == BITE {
                    self.letters.push_front(waiter);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                woken += 1;
                // A task's waker does not panic. If one does, there is nobody to pass it on to
                // whose fault it could be, and others wait to be woken.
                mem::forget(wake(waiter));
            }
            if self.fall_asleep(cx) {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let handle = self.handle;
        // No list: the thread is past its destructors, and so are its runtimes.
        let _ = BELLS.try_with(|bells| bells.borrow_mut().retain(|(known, _)| *known != handle));
        let mut left = self.place.bell.close();
        while let Some(letter) = self.letters.pop_front().or_else(|| left.pop_front()) {
            mem::forget(let_go(letter));
        }
        // Before the bell is another's, and the waker's executor gone.
        self.place.bell.end();
        #[cfg(all(windows, feature = "windows-iocp"))]
        self.iocp.end(&self.place.bell);
        // ORDERING: Release pairs with the acquire in `Place::claim`.
        self.place.taken.store(false, Release);
    }
}
