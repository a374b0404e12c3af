//! A gate: who is inside is waited for.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::Ordering::{AcqRel, Acquire, Relaxed},
    },
    task::{Context, Poll},
};

use crate::{
    blocking::block_on,
    loom::AtomicUsize,
    timeout::{Wait, wait_methods},
    waiter_queue::{Left, Queue, Slot},
};

/// In the state: nobody enters any more.
const CLOSED: usize = 1;
/// In the state: one who is inside.
const ONE: usize = 2;

const TOO_MANY: &str = "too many are inside a gate; guards must have been forgotten";

/// A gate: operations enter it, and closing it refuses new ones and waits for those inside.
///
/// For shutting down: what an operation uses is still there until the last one has left.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | None is needed: entering never waits. All who wait for the close are woken, in FIFO order. |
/// | Memory ordering | Whatever was done inside synchronizes-with the end of a [`close`](Self::close), and a `close` with each [`enter`](Self::enter) that it refuses. |
/// | Cost | Entering and leaving: one atomic read-modify-write each. |
/// | Cancelling | The gate stays closed if the future of [`close`](Self::close) is dropped. |
/// | Panics | A task that panics inside leaves the gate. |
/// | Without a runtime | Works with any executor, and with plain threads through [`blocking_close`](Self::blocking_close). |
///
/// The names are those of Seastar's and glommio's gates.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use compio_sync::Gate;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let gate = Arc::new(Gate::new());
/// for _ in 0..3 {
///     let inside = gate.clone().enter_owned().unwrap();
///     compio::runtime::spawn(async move {
///         // Answer a request.
///         drop(inside);
///     })
///     .detach();
/// }
/// gate.close().await; // all three have been answered
/// assert!(gate.enter().is_err());
/// # });
/// ```
#[doc(alias = "TaskTracker")]
pub struct Gate {
    /// `ONE` for each who is inside, and `CLOSED`. One who was refused counts for a moment.
    state: AtomicUsize,
    /// Opens when the gate is closed, and nobody is inside.
    left: Queue,
}

impl Gate {
    crate::loom::const_fn! {
        /// Creates a gate that can be entered.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::Gate;
        ///
        /// static REQUESTS: Gate = Gate::new();
        /// assert_eq!(REQUESTS.count(), 0);
        /// ```
        pub fn new() -> Self {
            Self { state: AtomicUsize::new(0), left: Queue::gate() }
        }
    }

    /// Enters the gate, until the guard is dropped.
    ///
    /// # Errors
    ///
    /// [`EnterError`] if the gate is closed.
    ///
    /// # Panics
    ///
    /// If a quarter of `usize::MAX` are inside, which takes guards that were forgotten.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = compio_sync::Gate::new();
    /// let inside = gate.enter().unwrap();
    /// assert_eq!(gate.count(), 1);
    /// drop(inside);
    /// assert_eq!(gate.count(), 0);
    /// ```
    #[inline]
    #[track_caller]
    pub fn enter(&self) -> Result<GateGuard<'_>, EnterError> {
        self.add().map(|()| GateGuard { gate: self })
    }

    /// Enters the gate, with a guard that owns it.
    ///
    /// # Errors
    ///
    /// [`EnterError`] if the gate is closed.
    ///
    /// # Panics
    ///
    /// As [`enter`](Self::enter).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::Gate;
    ///
    /// let gate = Arc::new(Gate::new());
    /// let inside = gate.clone().enter_owned().unwrap();
    /// std::thread::spawn(move || drop(inside));
    /// gate.blocking_close();
    /// ```
    #[track_caller]
    pub fn enter_owned(self: Arc<Self>) -> Result<OwnedGateGuard, EnterError> {
        self.add()?;
        Ok(OwnedGateGuard { gate: self })
    }

    /// Closes the gate, at once, and waits until nobody is inside.
    ///
    /// The gate is closed when this method returns, whether its future is polled or not, and stays closed. It may be
    /// called again, to wait as well.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has no effect. The gate stays closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let gate = compio_sync::Gate::new();
    /// let inside = gate.enter().unwrap();
    /// let late = gate.close().timeout(Duration::from_millis(5)).await;
    /// assert!(late.is_err() && gate.is_closed());
    /// drop(inside);
    /// gate.close().await;
    /// # });
    /// ```
    pub fn close(&self) -> Close<'_> {
        // ORDERING: Acquire pairs with the release of those who have left, Release with the acquire of those who are
        // refused.
        let state = self.state.fetch_or(CLOSED, AcqRel);
        if state & !CLOSED == 0 {
            self.left.open();
        }
        Close {
            queue: &self.left,
            slot: Slot::Idle,
        }
    }

    /// Closes the gate, and waits until nobody is inside, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = compio_sync::Gate::new();
    /// std::thread::scope(|scope| {
    ///     let inside = gate.enter().unwrap();
    ///     scope.spawn(move || drop(inside));
    ///     gate.blocking_close();
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_close(&self) {
        block_on("blocking_close", self.close());
    }

    /// Returns whether the gate is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = compio_sync::Gate::new();
    /// drop(gate.close());
    /// assert!(gate.is_closed());
    /// ```
    #[inline]
    pub fn is_closed(&self) -> bool {
        // ORDERING: Acquire pairs with the release in `close`.
        self.state.load(Acquire) & CLOSED != 0
    }

    /// Returns how many are inside.
    ///
    /// A snapshot: one who is being refused may be counted.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = compio_sync::Gate::new();
    /// let _inside = gate.enter();
    /// assert_eq!(gate.count(), 1);
    /// ```
    pub fn count(&self) -> usize {
        // ORDERING: Relaxed. A snapshot.
        self.state.load(Relaxed) / ONE
    }

    #[inline]
    #[track_caller]
    fn add(&self) -> Result<(), EnterError> {
        // ORDERING: Acquire pairs with the release in `close`, for one that is refused.
        let state = self.state.fetch_add(ONE, Acquire);
        if state & CLOSED != 0 {
            self.remove();
            return Err(EnterError);
        }
        assert!(state <= usize::MAX / 2, "{TOO_MANY}");
        Ok(())
    }

    /// Adds one to those who are inside.
    #[track_caller]
    fn add_one_more(&self) {
        // ORDERING: Relaxed. The caller is inside.
        let state = self.state.fetch_add(ONE, Relaxed);
        assert!(state <= usize::MAX / 2, "{TOO_MANY}");
    }

    #[inline]
    fn remove(&self) {
        // ORDERING: Release: what was done inside comes before the end of the close. Acquire: so does what those did who
        // have left before.
        if self.state.fetch_sub(ONE, AcqRel) == CLOSED + ONE {
            self.left.open();
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("count", &self.count())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

/// One who is inside a [`Gate`].
#[must_use = "who drops it is outside again"]
pub struct GateGuard<'a> {
    gate: &'a Gate,
}

impl Clone for GateGuard<'_> {
    /// Enters once more, even if the gate is closed: this one is still inside.
    fn clone(&self) -> Self {
        self.gate.add_one_more();
        Self { gate: self.gate }
    }
}

impl Drop for GateGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.gate.remove();
    }
}

impl fmt::Debug for GateGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateGuard").finish_non_exhaustive()
    }
}

/// One who is inside a [`Gate`], and owns it.
#[must_use = "who drops it is outside again"]
pub struct OwnedGateGuard {
    gate: Arc<Gate>,
}

impl Clone for OwnedGateGuard {
    /// Enters once more, even if the gate is closed: this one is still inside.
    fn clone(&self) -> Self {
        self.gate.add_one_more();
        Self {
            gate: self.gate.clone(),
        }
    }
}

impl Drop for OwnedGateGuard {
    fn drop(&mut self) {
        self.gate.remove();
    }
}

impl fmt::Debug for OwnedGateGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedGateGuard").finish_non_exhaustive()
    }
}

/// The gate is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnterError;

impl fmt::Display for EnterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the gate is closed")
    }
}

impl Error for EnterError {}

/// The future of [`Gate::close`].
#[must_use = "the gate is closed, but nobody is waited for"]
pub struct Close<'a> {
    queue: &'a Queue,
    slot: Slot,
}

impl Future for Close<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.queue.poll_notice(&mut this.slot, cx).map(drop)
    }
}

impl Wait for Close<'_> {
    fn at_deadline(&mut self) -> Option<()> {
        let left = self.queue.leave(&mut self.slot);
        (left != Left::Nothing || self.queue.is_no_wait()).then_some(())
    }
}

wait_methods!(['a] Close<'a>, it => it.slot,
    "let gate = compio_sync::Gate::new(); let inside = gate.enter();", "gate.close()");

impl Drop for Close<'_> {
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot {
            self.queue.leave(&mut self.slot);
        }
    }
}

impl fmt::Debug for Close<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Close").finish_non_exhaustive()
    }
}
