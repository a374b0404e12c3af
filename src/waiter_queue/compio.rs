//! All that knows compio: the current runtime, its listener task, its timers, its driver's handle.
//!
//! A runtime gets its doorbell and its listener on its first wait. Which runtime is a waiter's *home*
//! is found out when the waiter's waker is stored. A home is recorded if the waker is a compio task's,
//! or compio's wrapper around one, and a runtime is current, which then is the task's. Any other
//! waker (that of the main future of `block_on`, of another executor, of a parked thread) is called
//! directly by whoever grants. A listener would be the wrong one to call it, as its thread may be
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
#[cfg(feature = "time")]
use std::{mem::ManuallyDrop, time::Instant};

use compio_buf::BufResult;
use compio_driver::{AsRawFd, DriverType, RawFd, op::Asyncify};
use compio_executor::Executor;
use compio_runtime::{CancelToken, FutureExt, Runtime, Submit};
#[cfg(feature = "time")]
use compio_send_wrapper::SendWrapper;

#[cfg(all(target_os = "linux", feature = "linux-futex"))]
use super::linux;
#[cfg(all(windows, feature = "windows-iocp"))]
use super::windows;
use super::{
    generic,
    tier::{TierError, WakeStats, WakeTier},
    wake::{DoorbellOwner, Doorbells, Home, Signal, Signaller},
};
use crate::loom::IN_MODEL;

/// Whether the calling thread is inside a compio runtime.
pub(crate) fn is_inside_runtime() -> bool {
    Runtime::try_with_current(|_| ()).is_ok()
}

// ---- homes ----

/// The home of the task that `waker`, a clone, wakes, and that is being polled.
pub(super) fn home_of(waker: &Waker) -> Option<Home> {
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

    // ORDERING: Relaxed, here and below. Pointers to constants; a thread that misses them finds them
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
    /// The doorbells of this thread's runtimes, by driver handle. A runtime that was leaked keeps its
    /// handle open, as its listener does: a handle never stands for two runtimes.
    static HOMES: RefCell<Vec<(RawFd, Home)>> = const { RefCell::new(Vec::new()) };
}

/// The current runtime, which gets a doorbell if it has none yet.
fn current() -> Option<Home> {
    Runtime::try_with_current(|runtime| known(runtime).or_else(|| listen(runtime)))
        .ok()
        .flatten()
}

/// `runtime`, if it has a doorbell.
fn known(runtime: &Runtime) -> Option<Home> {
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

// ---- the listener ----

/// What the tiers of a doorbell signal by.
#[derive(Default)]
pub(super) struct Tiers {
    #[cfg(all(target_os = "linux", feature = "linux-futex"))]
    pub(super) futex: linux::Word,
    #[cfg(all(windows, feature = "windows-iocp"))]
    iocp: windows::Slot,
}

impl Signaller for Tiers {
    fn signal(&'static self, tier: WakeTier, signal: Signal) {
        match tier {
            #[cfg(all(target_os = "linux", feature = "linux-futex"))]
            WakeTier::Futex => linux::signal(&self.futex, &signal),
            #[cfg(all(windows, feature = "windows-iocp"))]
            WakeTier::Iocp => windows::signal(&self.iocp, signal),
            _ => generic::signal(signal),
        }
    }
}

/// Gives `runtime` a doorbell and a listener.
#[cold]
fn listen(runtime: &Runtime) -> Option<Home> {
    static DOORBELLS: LazyLock<Doorbells<Tiers>> = LazyLock::new(Doorbells::new);

    let handle = runtime.as_raw_fd();
    let owner = DOORBELLS.open(WakeTier::choose(|tier| tier.check_on(runtime)));
    let home = owner.doorbell().home();
    let listener = Listener {
        owner,
        handle,
        #[cfg(all(target_os = "linux", feature = "linux-futex"))]
        futex: linux::Sleep::new(),
        #[cfg(all(windows, feature = "windows-iocp"))]
        iocp: Default::default(),
        _driver: runtime.submit(Asyncify::new(nothing as Nothing)),
    };
    // If there is no list any more, the listener is dropped, and closes the doorbell.
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

/// The task that wakes the waiters whose wakes are delivered to its runtime. It ends with the runtime.
struct Listener {
    owner: DoorbellOwner<Tiers>,
    handle: RawFd,
    #[cfg(all(target_os = "linux", feature = "linux-futex"))]
    futex: linux::Sleep,
    #[cfg(all(windows, feature = "windows-iocp"))]
    iocp: windows::Sleep,
    /// An operation that is never begun. It keeps the driver, and with it the handle that the doorbell
    /// is known by, for as long as there is a listener.
    _driver: Submit<Asyncify<Nothing, ()>>,
}

/// Calls `sleep` with the listener's runtime, if it is entered.
///
/// If a runtime's tasks are run without that, operations would be submitted to whichever runtime is
/// current: it must do without them.
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
        let tiers = this.owner.signaller();
        let is_asleep = this.owner.drain(|doorbell| {
            let asleep = match doorbell.tier() {
                #[cfg(all(target_os = "linux", feature = "linux-futex"))]
                WakeTier::Futex => inside(this.handle, |runtime| {
                    let submit = |wait| runtime.submit(wait);
                    this.futex.sleep(doorbell, &tiers.futex, submit, cx)
                }),
                #[cfg(all(windows, feature = "windows-iocp"))]
                WakeTier::Iocp => inside(this.handle, |runtime| {
                    this.iocp.sleep(runtime, doorbell, &tiers.iocp, cx)
                }),
                _ => {
                    let _ = tiers;
                    None
                }
            };
            asleep.unwrap_or_else(|| generic::sleep(doorbell, cx))
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
        // Before the doorbell is another's, and the waker's executor gone.
        self.owner.close();
        #[cfg(all(windows, feature = "windows-iocp"))]
        self.iocp.end(&self.owner.signaller().iocp);
    }
}

// ---- tiers ----

impl WakeTier {
    /// Returns the tier that signals the current runtime, or `None` outside a runtime.
    ///
    /// # Panics
    ///
    /// If `COMPIO_SYNC_TIER` is wrong; see [`WakeTier`].
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::WakeTier;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// assert!(WakeTier::current().is_some());
    /// # });
    /// assert_eq!(WakeTier::current(), None, "outside a runtime");
    /// ```
    pub fn current() -> Option<Self> {
        Runtime::try_with_current(|runtime| match known(runtime) {
            Some(home) => home.doorbell().tier(),
            None => Self::choose(|tier| tier.check_on(runtime)),
        })
        .ok()
    }

    /// Has the current runtime signalled by this tier, from its next sleep on.
    ///
    /// # Errors
    ///
    /// If there is no current runtime, or it cannot be signalled that way. Nothing is changed then.
    ///
    /// # Panics
    ///
    /// If `COMPIO_SYNC_TIER` is wrong; see [`WakeTier`].
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::WakeTier;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// // A signal of this tier never waits for the runtime.
    /// if let Err(missing) = WakeTier::Futex.select() {
    ///     println!("signalled by {}: {missing}", WakeTier::current().unwrap());
    /// }
    /// # });
    /// ```
    pub fn select(self) -> Result<(), TierError> {
        self.check()?;
        let home = current().ok_or(TierError::NoRuntime)?;
        home.doorbell().set_tier(self);
        Ok(())
    }

    /// Tells whether the current runtime can be signalled this way.
    ///
    /// # Errors
    ///
    /// If there is no current runtime, or it cannot; the error says what is missing.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{TierError, WakeTier};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// assert_eq!(WakeTier::Generic.check(), Ok(()));
    /// # });
    /// assert_eq!(WakeTier::Generic.check(), Err(TierError::NoRuntime));
    /// ```
    pub fn check(self) -> Result<(), TierError> {
        Runtime::try_with_current(|runtime| self.check_on(runtime))
            .unwrap_or(Err(TierError::NoRuntime))
    }

    fn check_on(self, runtime: &Runtime) -> Result<(), TierError> {
        let driver = runtime.driver_type();
        match self {
            Self::Generic => Ok(()),
            #[cfg(all(target_os = "linux", feature = "linux-futex"))]
            Self::Futex if driver == DriverType::IoUring => linux::check_kernel(),
            #[cfg(all(windows, feature = "windows-iocp"))]
            Self::Iocp if driver == DriverType::IOCP => Ok(()),
            Self::Futex if cfg!(all(target_os = "linux", feature = "linux-futex")) => {
                Err(self.unfit(driver))
            }
            Self::Iocp if cfg!(all(windows, feature = "windows-iocp")) => Err(self.unfit(driver)),
            _ => Err(TierError::NotBuilt { tier: self }),
        }
    }

    fn unfit(self, driver: DriverType) -> TierError {
        TierError::Driver {
            tier: self,
            driver: match driver {
                DriverType::Poll => "Poll",
                DriverType::IoUring => "IoUring",
                DriverType::IOCP => "IOCP",
            },
        }
    }
}

impl WakeStats {
    /// Returns what `tier` has done for the current runtime.
    ///
    /// `None` outside a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{WakeStats, WakeTier};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let tier = WakeTier::current().expect("inside a runtime");
    /// let before = WakeStats::current(tier).expect("inside a runtime");
    /// // ... wait for other threads ...
    /// let after = WakeStats::current(tier).expect("inside a runtime");
    /// println!("{} wakes, {} signals", after.wakes - before.wakes, after.signals - before.signals);
    /// # });
    /// ```
    pub fn current(tier: WakeTier) -> Option<Self> {
        Runtime::try_with_current(|runtime| {
            known(runtime).map(|home| home.doorbell().counters(tier).read())
        })
        .ok()
        .map(Option::unwrap_or_default)
    }
}

// ---- operations ----

/// The operations that a future has in flight on the current runtime. Belongs to a thread.
pub(crate) struct Operations {
    /// Once there is a runtime.
    token: Option<CancelToken>,
    is_cancelled: bool,
    /// The waker that the future was polled with last, and what compio has made of it to carry the token.
    wakers: Option<(Waker, Waker)>,
}

impl Operations {
    pub(crate) fn new() -> Self {
        Self {
            token: None,
            is_cancelled: false,
            wakers: None,
        }
    }

    /// Cancels those in flight, and those to come.
    pub(crate) fn cancel(&mut self) {
        self.is_cancelled = true;
        if let Some(token) = &self.token {
            token.clone().cancel();
        }
    }

    /// Polls `future`, whose operations these are.
    pub(crate) fn poll<F: Future>(
        &mut self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        if self.token.is_none() && is_inside_runtime() {
            self.token = Some(CancelToken::new());
            if self.is_cancelled {
                self.cancel();
            }
        }
        let Some(token) = &self.token else {
            return future.poll(cx);
        };
        if !matches!(&self.wakers, Some((known, _)) if known.will_wake(cx.waker())) {
            // compio knows its wrapper around a waker by its table of functions. That of what `with_cancel` polls
            // with differs from crate to crate in optimized programs, and is not known then; that of a clone is.
            let clone = poll_fn(|cx| Poll::Ready(cx.waker().clone()));
            let wrapped = Pin::new(&mut clone.with_cancel(token.clone())).poll(cx);
            let Poll::Ready(wrapped) = wrapped else {
                unreachable!("it is always ready")
            };
            self.wakers = Some((cx.waker().clone(), wrapped));
        }
        let wrapped = self.wakers.as_ref().map_or(cx.waker(), |(_, it)| it);
        future.poll(&mut Context::from_waker(wrapped))
    }
}

// ---- timers ----

/// A timer of the runtime that was current when it was made.
#[cfg(feature = "time")]
pub(crate) struct Timer {
    at: Instant,
    sleep: ManuallyDrop<SendWrapper<Pin<Box<dyn Future<Output = ()>>>>>,
}

#[cfg(feature = "time")]
impl Timer {
    #[track_caller]
    pub(crate) fn new(at: Instant) -> Self {
        assert!(
            is_inside_runtime(),
            "a timed wait was polled outside a compio runtime, whose timers it needs; on a plain thread \
             call `blocking` on it"
        );
        Self {
            at,
            sleep: ManuallyDrop::new(SendWrapper::new(Box::pin(
                compio_runtime::time::sleep_until(at),
            ))),
        }
    }

    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    /// Whether the time is up. If not, wakes `cx`'s task when it is.
    #[track_caller]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(sleep) = self.sleep.get_mut() else {
            panic!(
                "a timed wait was polled on another thread than at first, where its timer is; make it on \
                 the thread that is to wait"
            )
        };
        sleep.as_mut().poll(cx).is_ready()
    }
}

#[cfg(feature = "time")]
impl Drop for Timer {
    fn drop(&mut self) {
        // Elsewhere it must not be touched: its runtime may be using its timers.
        if self.sleep.valid() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.sleep) };
        }
    }
}
