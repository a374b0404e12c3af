//! A wait group: waits until all of its handles are dropped.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    blocking::block_on,
    ends::Ends,
    loom::Arc,
    timeout::{Wait, wait_methods},
    waiter_queue::{Left, Queue, Slot},
};

struct Group {
    handles: Ends,
    /// Opens when there are no handles any more.
    done: Queue,
}

/// A handle of a group of tasks: who waits, waits until all other handles are dropped.
///
/// Each task gets a clone. Awaiting a handle gives it up, and waits for the others.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | All who wait are woken when the last handle is dropped, in FIFO order. |
/// | Memory ordering | The drop of each handle synchronizes-with the end of the waits. |
/// | Cost | A clone and a drop: two atomic read-modify-writes each, of which one is that of an `Arc`. |
/// | Cancelling | A wait that is dropped has given up its handle, and has no other effect. |
/// | Panics | A task that panics drops its handle. |
/// | Without a runtime | Works with any executor, and with plain threads through [`blocking_wait`](Self::blocking_wait). |
///
/// To refuse those who come too late, see [`Gate`](crate::Gate). The names are those of crossbeam's `WaitGroup`.
///
/// # Examples
///
/// ```
/// use compio_sync::WaitGroup;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let group = WaitGroup::new();
/// for _ in 0..3 {
///     let member = group.clone();
///     compio::runtime::spawn(async move {
///         // Work.
///         drop(member);
///     })
///     .detach();
/// }
/// group.wait().await;
/// # });
/// ```
#[must_use = "a group is done when its handles are dropped"]
pub struct WaitGroup {
    group: Arc<Group>,
}

impl WaitGroup {
    /// Creates a group with one handle.
    ///
    /// # Examples
    ///
    /// ```
    /// let group = compio_sync::WaitGroup::new();
    /// assert_eq!(group.count(), 1);
    /// ```
    pub fn new() -> Self {
        Self {
            group: Arc::new(Group {
                handles: Ends::new(1),
                done: Queue::gate(),
            }),
        }
    }

    /// Gives up this handle, and waits until all others are dropped.
    ///
    /// The handle is given up by the call, whether the future is polled or not. Several may wait.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::WaitGroup;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let group = WaitGroup::new();
    /// let member = group.clone();
    /// compio::runtime::spawn(async move { drop(member) }).detach();
    /// group.await; // the same, by `IntoFuture`
    /// # });
    /// ```
    pub fn wait(self) -> WaitGroupWait {
        WaitGroupWait {
            group: self.group.clone(),
            slot: Slot::Idle,
        }
    }

    /// Gives up this handle, and waits until all others are dropped, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// let group = compio_sync::WaitGroup::new();
    /// let member = group.clone();
    /// std::thread::spawn(move || drop(member));
    /// group.blocking_wait();
    /// ```
    #[track_caller]
    pub fn blocking_wait(self) {
        block_on("blocking_wait", self.wait());
    }

    /// Returns how many handles there are.
    ///
    /// # Examples
    ///
    /// ```
    /// let group = compio_sync::WaitGroup::new();
    /// let _member = group.clone();
    /// assert_eq!(group.count(), 2);
    /// ```
    pub fn count(&self) -> usize {
        self.group.handles.count()
    }
}

impl Clone for WaitGroup {
    fn clone(&self) -> Self {
        self.group.handles.add();
        Self {
            group: self.group.clone(),
        }
    }
}

impl Drop for WaitGroup {
    fn drop(&mut self) {
        if self.group.handles.remove() {
            self.group.done.open();
        }
    }
}

impl Default for WaitGroup {
    fn default() -> Self {
        Self::new()
    }
}

impl IntoFuture for WaitGroup {
    type Output = ();
    type IntoFuture = WaitGroupWait;

    fn into_future(self) -> WaitGroupWait {
        self.wait()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

/// The future of [`WaitGroup::wait`].
#[must_use = "futures do nothing unless polled"]
pub struct WaitGroupWait {
    group: Arc<Group>,
    slot: Slot,
}

impl Future for WaitGroupWait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.group.done.poll_notice(&mut this.slot, cx).map(drop)
    }
}

impl Wait for WaitGroupWait {
    fn at_deadline(&mut self) -> Option<()> {
        let left = self.group.done.leave(&mut self.slot);
        (left != Left::Nothing || self.group.done.is_no_wait()).then_some(())
    }
}

wait_methods!([] WaitGroupWait, it => it.slot,
    "let group = compio_sync::WaitGroup::new(); let _member = group.clone();", "group.wait()");

impl Drop for WaitGroupWait {
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot {
            self.group.done.leave(&mut self.slot);
        }
    }
}

impl fmt::Debug for WaitGroupWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroupWait").finish_non_exhaustive()
    }
}
