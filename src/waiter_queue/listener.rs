//! Each runtime's end of its [`Bell`](super::doorbell::Bell): a task that takes the letters out and wakes whom they name.
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
    pin::Pin,
    ptr::{self, null_mut},
    sync::{
        LazyLock,
        atomic::{AtomicPtr, Ordering::Relaxed},
    },
    task::{Context, Poll, RawWakerVTable, Waker},
};

use compio_buf::BufResult;
use compio_driver::{AsRawFd, RawFd, op::Asyncify};
use compio_executor::Executor;
use compio_runtime::{FutureExt, Runtime, Submit};

use super::{
    doorbell::{Bells, Home, Open},
    generic,
    tier::WakeTier,
};
use crate::loom::IN_MODEL;

/// The current runtime, if `waker`, cloned from the current task's, belongs to it.
pub(super) fn home(waker: &Waker) -> Option<Home> {
    // A model has no runtimes in it.
    if !IN_MODEL && is_compios(waker) {
        current()
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
    static HOMES: RefCell<Vec<(RawFd, Home)>> = const { RefCell::new(Vec::new()) };
}

/// The current runtime, which gets a bell if it has none yet.
pub(super) fn current() -> Option<Home> {
    Runtime::try_with_current(|runtime| known(runtime).or_else(|| listen(runtime)))
        .ok()
        .flatten()
}

/// `runtime`, if it has a bell.
pub(super) fn known(runtime: &Runtime) -> Option<Home> {
    let handle = runtime.as_raw_fd();
    // No list: the thread is past its destructors.
    HOMES
        .try_with(|homes| {
            let homes = homes.borrow();
            let known = homes.iter().find(|(known, _)| *known == handle)?;
            Some(known.1)
        })
        .ok()
        .flatten()
}

/// Gives `runtime` a bell and a listener.
#[cold]
fn listen(runtime: &Runtime) -> Option<Home> {
    static BELLS: LazyLock<Bells> = LazyLock::new(Bells::new);

    let handle = runtime.as_raw_fd();
    let bell = BELLS.open(WakeTier::choose(runtime));
    let home = bell.bell().home();
    let listener = Listener {
        bell,
        handle,
        #[cfg(all(target_os = "linux", feature = "linux-futex"))]
        futex: super::linux::Sleep::new(),
        #[cfg(all(windows, feature = "windows-iocp"))]
        iocp: Default::default(),
        _driver: runtime.submit(Asyncify::new(nothing as Nothing)),
    };
    // If there is no list any more, the listener is dropped, and closes the bell.
    HOMES
        .try_with(|homes| homes.borrow_mut().push((handle, home)))
        .ok()?;
    runtime.spawn(listener).detach();
    Some(home)
}

type Nothing = fn() -> BufResult<usize, ()>;

fn nothing() -> BufResult<usize, ()> {
    BufResult(Ok(0), ())
}

/// The task that answers a runtime's bell. It ends with its runtime.
struct Listener {
    bell: Open,
    handle: RawFd,
    #[cfg(all(target_os = "linux", feature = "linux-futex"))]
    futex: super::linux::Sleep,
    #[cfg(all(windows, feature = "windows-iocp"))]
    iocp: super::windows::Sleep,
    /// An operation that is never begun. It keeps the driver, and with it the handle that the bell
    /// is known by, for as long as there is a listener.
    _driver: Submit<Asyncify<Nothing, ()>>,
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
        let this = &mut *self;
        let is_asleep = this.bell.answer(|bell| {
            let asleep = match bell.tier() {
                #[cfg(all(target_os = "linux", feature = "linux-futex"))]
                WakeTier::Futex => inside(this.handle, |runtime| {
                    this.futex.sleep(bell, |wait| runtime.submit(wait), cx)
                }),
                #[cfg(all(windows, feature = "windows-iocp"))]
                WakeTier::Iocp => inside(this.handle, |it| this.iocp.sleep(it, bell, cx)),
                _ => None,
            };
            asleep.unwrap_or_else(|| generic::sleep(bell, cx))
        });
        if !is_asleep {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let handle = self.handle;
        // No list: the thread is past its destructors, and so are its runtimes.
        let _ = HOMES.try_with(|homes| homes.borrow_mut().retain(|(known, _)| *known != handle));
        // Before the bell is another's, and the waker's executor gone.
        self.bell.close();
        #[cfg(all(windows, feature = "windows-iocp"))]
        self.iocp.end(self.bell.bell());
    }
}
