//! Each runtime's end of its [`Bell`]: a task that takes the letters out and wakes whom they name.
//!
//! A runtime gets its bell and its listener on its first wait. Which runtime a waiter is *at home*
//! on is found out when it leaves its waker: a home is recorded if the waker is a compio task's
//! and a runtime is current. Any other waker (the main future's of `block_on`, another executor's,
//! a parked thread's) is woken directly by whoever grants: a listener would be the wrong one to
//! wake it, as its thread may well be blocked in that other executor.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::Pin,
    ptr::{self, null_mut},
    rc::Rc,
    sync::atomic::{
        AtomicBool, AtomicPtr,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    task::{Context, Poll, RawWakerVTable, Waker},
};

use compio_buf::BufResult;
use compio_driver::{AsRawFd, RawFd, op::Asyncify};
use compio_executor::Executor;
use compio_runtime::{Runtime, Submit};

use super::{batch::wake, doorbell::Bell, generic, line::Chain, tier::WakeTier, waiter::Granted};
use crate::loom::IN_MODEL;

/// How many waiters the listener wakes before it lets the other tasks run.
const BITE: usize = 64;

/// The bell of the runtime that `waker`, a waker of the current task, belongs to, if it does.
pub(super) fn home(waker: &Waker) -> Option<&'static Bell> {
    // A model has no runtimes in it.
    if !IN_MODEL && ptr::eq(waker.vtable(), task_vtable()) {
        current_bell()
    } else {
        None
    }
}

/// What compio's executor makes its tasks' wakers of: what tells them from other wakers.
fn task_vtable() -> *const RawWakerVTable {
    static VTABLE: AtomicPtr<RawWakerVTable> = AtomicPtr::new(null_mut());
    // ORDERING: Relaxed, here and below. A pointer to a constant.
    let known = VTABLE.load(Relaxed);
    if !known.is_null() {
        return known;
    }
    let executor = Executor::new();
    let seen = Rc::new(Cell::new(ptr::null()));
    let task = poll_fn({
        let seen = seen.clone();
        move |cx| {
            seen.set(ptr::from_ref(cx.waker().vtable()));
            Poll::Ready(())
        }
    });
    executor.spawn(task).detach();
    executor.tick();
    let vtable = seen.get();
    VTABLE.store(vtable.cast_mut(), Relaxed);
    vtable
}

thread_local! {
    /// The bells of this thread's runtimes, by driver handle. A runtime that was leaked keeps its
    /// handle open, as its listener does: a handle never stands for two runtimes.
    static BELLS: RefCell<Vec<(RawFd, &'static Bell)>> = const { RefCell::new(Vec::new()) };
}

/// The bell of the current runtime, which gets one if it has none yet.
pub(super) fn current_bell() -> Option<&'static Bell> {
    Runtime::try_with_current(|runtime| {
        let handle = runtime.as_raw_fd();
        let known = BELLS.with_borrow(|bells| {
            bells
                .iter()
                .find(|(known, _)| *known == handle)
                .map(|(_, bell)| *bell)
        });
        known.unwrap_or_else(|| listen(runtime, handle))
    })
    .ok()
}

#[cold]
fn listen(runtime: &Runtime, handle: RawFd) -> &'static Bell {
    let tier = WakeTier::choose(runtime);
    let slot = Slot::claim();
    slot.bell.open(tier);
    let listener = Listener {
        slot,
        handle,
        letters: Chain::new(),
        #[cfg(all(target_os = "linux", feature = "linux-futex"))]
        futex: Default::default(),
        _driver: runtime.submit(Asyncify::new(nothing as Nothing)),
    };
    BELLS.with_borrow_mut(|bells| bells.push((handle, &slot.bell)));
    runtime.spawn(listener).detach();
    &slot.bell
}

type Nothing = fn() -> BufResult<usize, ()>;

fn nothing() -> BufResult<usize, ()> {
    BufResult(Ok(0), ())
}

/// A place for a bell in the list of all bells, which only grows.
struct Slot {
    bell: Bell,
    taken: AtomicBool,
    next: *mut Slot,
}

impl Slot {
    /// Takes a place that is free, or makes one.
    fn claim() -> &'static Self {
        static SLOTS: AtomicPtr<Slot> = AtomicPtr::new(null_mut());

        // ORDERING: Acquire pairs with the release below: the slots are seen as they were made.
        let first = SLOTS.load(Acquire);
        let mut next = first;
        // SAFETY: slots are published whole and never freed.
        while let Some(slot) = unsafe { next.as_ref() } {
            // ORDERING: Acquire pairs with the release in `Listener::drop`.
            if slot
                .taken
                .compare_exchange(false, true, Acquire, Relaxed)
                .is_ok()
            {
                return slot;
            }
            next = slot.next;
        }
        let slot = Box::into_raw(Box::new(Self {
            bell: Bell::new(),
            taken: AtomicBool::new(true),
            next: first,
        }));
        let mut next = first;
        // ORDERING: Release publishes the slot; Acquire is for the slots below it.
        while let Err(now) = SLOTS.compare_exchange_weak(next, slot, AcqRel, Acquire) {
            next = now;
            // SAFETY: not published yet.
            unsafe { (*slot).next = next };
        }
        // SAFETY: slots are never freed.
        unsafe { &*slot }
    }
}

/// The task that answers a runtime's bell. It ends with its runtime.
struct Listener {
    slot: &'static Slot,
    handle: RawFd,
    /// Taken out of the bell; still to be woken.
    letters: Chain<Granted>,
    #[cfg(all(target_os = "linux", feature = "linux-futex"))]
    futex: super::linux::Sleep,
    /// An operation that is never begun. It keeps the driver, and with it the handle that the bell
    /// is known by, for as long as there is a listener.
    _driver: Submit<Asyncify<Nothing, ()>>,
}

impl Listener {
    fn fall_asleep(&mut self, cx: &mut Context<'_>) -> bool {
        let bell = &self.slot.bell;
        match bell.tier() {
            #[cfg(all(target_os = "linux", feature = "linux-futex"))]
            WakeTier::Futex => Runtime::with_current(|runtime| self.futex.sleep(runtime, bell, cx)),
            _ => generic::sleep(bell, cx),
        }
    }
}

impl Future for Listener {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut woken = 0;
        loop {
            if self.letters.is_empty() {
                self.letters = self.slot.bell.take();
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
                drop(wake(waiter));
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
        // Most of these wake tasks that are going away with the runtime, for nothing. But a future
        // may have moved on to where it is still polled.
        let mut left = self.slot.bell.close();
        while let Some(waiter) = self.letters.pop_front().or_else(|| left.pop_front()) {
            drop(wake(waiter));
        }
        // ORDERING: Release pairs with the acquire in `Slot::claim`.
        self.slot.taken.store(false, Release);
    }
}
