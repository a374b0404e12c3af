//! A token by which tasks are told to end, and a tree of those.

use std::{
    fmt,
    future::Future,
    hash::{Hash, Hasher},
};

mod future;
mod node;
mod run;
mod waits;

pub use future::{WaitForCancellationFuture, WaitForCancellationFutureOwned};
pub use run::{
    RunCancellingIo, RunCancellingIoOwned, RunUntilCancelledFuture, RunUntilCancelledFutureOwned,
};

use crate::{blocking::block_on, loom::Arc};
use node::Node;

/// A token by which tasks and threads are told to end, on however many runtimes.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | [`cancel`](Self::cancel) wakes all who wait for the token or for one below it, in FIFO order. |
/// | Memory ordering | `cancel` synchronizes-with every wait that it completes, and with each `is_cancelled` that returns `true` for it, of this token and of those below. |
/// | Cost | `is_cancelled`: one load, and one more for each ancestor. `cancel`: one atomic read-modify-write, and for each task that waits for the token or below it what waking it costs; tokens that nobody waits for cost nothing. A child: one allocation. A wait: that of an [`Event`](crate::Event) for the token, and for each ancestor; in steady state no allocation up to a grandchild of the root. |
/// | Cancelling | A dropped wait has no effect. |
/// | Panics | None of its own. A task that panics while it waits has no effect. |
/// | Without a runtime | Works with any executor, and with plain threads through [`blocking_cancelled`](Self::blocking_cancelled). |
///
/// Clones are the same token. A [`child_token`](Self::child_token) is cancelled with its parent, and not the other
/// way round. The whole subtree is cancelled at one instant: once anybody has seen one of its tokens cancelled
/// by that, all are, for everybody whom that is told. No operation takes a lock, so none waits for another thread that was
/// interrupted.
///
/// A token keeps the memory of its ancestors, though not their tokens: if a child replaces its parent over and over,
/// make it a child of the root each time.
///
/// # Examples
///
/// ```
/// use compio_sync::CancellationToken;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let shutdown = CancellationToken::new();
/// let task = compio::runtime::spawn({
///     let token = shutdown.child_token();
///     async move {
///         let work = std::future::pending::<()>();
///         token.run_until_cancelled(work).await.is_none()
///     }
/// });
/// shutdown.cancel(); // from any thread
/// assert!(task.await.unwrap(), "it was cancelled");
/// # });
/// ```
///
/// A read in flight is ended, and gives its buffer back:
///
/// ```
/// use compio::{BufResult, io::AsyncRead, net::{TcpListener, TcpStream}};
/// use compio_sync::CancellationToken;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let mut client = TcpStream::connect(listener.local_addr()?).await?;
///
/// let token = CancellationToken::new();
/// std::thread::spawn({
///     let token = token.clone();
///     move || token.cancel()
/// });
/// // Nobody ever sends anything.
/// let BufResult(read, buffer) = token.run_cancelling_io(client.read(Vec::with_capacity(64))).await;
/// assert!(read.is_err());
/// assert!(buffer.capacity() >= 64);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[doc(alias = "StopToken")]
#[doc(alias = "shutdown")]
#[doc(alias = "Context")]
pub struct CancellationToken {
    node: Arc<Node>,
}

impl CancellationToken {
    /// Creates a token that is not cancelled, the root of a tree.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::LazyLock;
    ///
    /// use compio_sync::CancellationToken;
    ///
    /// static SHUTDOWN: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);
    /// assert!(!SHUTDOWN.is_cancelled());
    /// ```
    pub fn new() -> Self {
        Self::of(Node::new(None))
    }

    fn of(node: Node) -> Self {
        Self {
            node: Arc::new(node),
        }
    }

    /// Creates a token that is cancelled when this one is, and that can be cancelled alone.
    ///
    /// It is cancelled from the beginning if this one is. It does not need this one to be kept: what cancels this one's
    /// ancestors cancels it, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::CancellationToken;
    ///
    /// let server = CancellationToken::new();
    /// let (first, second) = (server.child_token(), server.child_token());
    /// first.cancel();
    /// assert!(!server.is_cancelled() && !second.is_cancelled());
    /// server.cancel();
    /// assert!(second.is_cancelled());
    /// ```
    pub fn child_token(&self) -> Self {
        Self::of(Node::new(Some(self.node.clone())))
    }

    /// Cancels this token and all below it, and wakes all who wait for them.
    ///
    /// They are cancelled at one instant. [`is_cancelled`](Self::is_cancelled) is `true` for all of them when this returns,
    /// on every thread that is told so, and a wait that is polled is over. Cancelling again has no effect.
    ///
    /// # Panics
    ///
    /// Passes on the panic of a waker, once all others have been woken.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// let grandchild = token.child_token().child_token();
    /// token.cancel();
    /// token.cancel();
    /// assert!(grandchild.is_cancelled());
    /// ```
    pub fn cancel(&self) {
        self.node.cancel();
    }

    /// Returns whether this token is cancelled, by itself or by an ancestor.
    ///
    /// One load, and one more for each ancestor.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// assert!(!token.is_cancelled());
    /// token.cancel();
    /// assert!(token.is_cancelled());
    /// ```
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.node.is_cancelled()
    }

    /// Waits until this token is cancelled. Returns at once if it is.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::CancellationToken;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let token = CancellationToken::new();
    /// let child = token.child_token();
    /// token.cancel();
    /// child.cancelled().await;
    /// # });
    /// ```
    #[inline]
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        WaitForCancellationFuture::new(&self.node)
    }

    /// Waits until this token is cancelled, with a future that owns its token.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::CancellationToken;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let token = CancellationToken::new();
    /// let waits = compio::runtime::spawn(token.child_token().cancelled_owned());
    /// token.cancel();
    /// waits.await.unwrap();
    /// # });
    /// ```
    pub fn cancelled_owned(self) -> WaitForCancellationFutureOwned {
        WaitForCancellationFutureOwned::new(self.node)
    }

    /// Waits until this token is cancelled, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// let thread = std::thread::spawn({
    ///     let token = token.child_token();
    ///     move || token.blocking_cancelled()
    /// });
    /// token.cancel();
    /// thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_cancelled(&self) {
        block_on("blocking_cancelled", self.cancelled());
    }

    /// Runs `future` until this token is cancelled: yields `None` then.
    ///
    /// If the token is cancelled at the first poll, `future` is not polled at all. After that `future` goes first: if
    /// it completes at the poll that finds the token cancelled, its output is yielded.
    ///
    /// When the token is cancelled, `future` is not polled again, and dropped with this one. What compio's operations
    /// in it had done by then is lost; [`run_cancelling_io`](Self::run_cancelling_io) tells.
    ///
    /// # Cancel safety
    ///
    /// That of `future`, which the token's being cancelled drops, too.
    ///
    /// # Panics
    ///
    /// The future panics if `future` does, or if it is polled after it has completed.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::CancellationToken;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let token = CancellationToken::new();
    /// assert_eq!(token.run_until_cancelled(async { 7 }).await, Some(7));
    /// token.cancel();
    /// assert_eq!(token.run_until_cancelled(async { 7 }).await, None);
    /// # });
    /// ```
    #[doc(alias = "select")]
    pub fn run_until_cancelled<F: Future>(&self, future: F) -> RunUntilCancelledFuture<'_, F> {
        RunUntilCancelledFuture::new(&self.node, future)
    }

    /// Runs `future` until this token is cancelled, and owns the token; otherwise like
    /// [`run_until_cancelled`](Self::run_until_cancelled).
    ///
    /// # Cancel safety
    ///
    /// That of `future`, which the token's being cancelled drops, too.
    ///
    /// # Panics
    ///
    /// The future panics if `future` does, or if it is polled after it has completed.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::CancellationToken;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let token = CancellationToken::new();
    /// let work = std::future::pending::<()>();
    /// let task = compio::runtime::spawn(token.child_token().run_until_cancelled_owned(work));
    /// token.cancel();
    /// assert_eq!(task.await.unwrap(), None);
    /// # });
    /// ```
    pub fn run_until_cancelled_owned<F: Future>(
        self,
        future: F,
    ) -> RunUntilCancelledFutureOwned<F> {
        RunUntilCancelledFutureOwned::new(self.node, future)
    }

    /// Runs `future` to its end, and cancels compio's operations in it when this token is cancelled.
    ///
    /// An operation that is in flight then, such as a read, ends soon after: with an error, or with what it had done by then.
    /// `future` goes on with that, and has its buffers. Operations that it begins later are cancelled at once; one
    /// that can be done without waiting may be. So `future` should end when an operation fails. What does not go through compio's driver, such
    /// as waiting for a semaphore or for time, is not cancelled.
    ///
    /// Only operations that `future` itself submits are meant, not those of tasks that it spawns. The operations of a
    /// sub-executor in it, such as `FuturesUnordered`, are not seen: put this around each of the futures that go into
    /// it. If such futures are inside each other, the innermost token is what counts: a child of the outer one is cancelled with
    /// it.
    ///
    /// The future belongs to the thread on which it is made, and to the runtime on which it is polled. Outside a
    /// runtime there are no operations, and `future` is run as it is.
    ///
    /// # Cancel safety
    ///
    /// That of `future`. compio cancels the operations of a future that is dropped, and their buffers are lost.
    ///
    /// # Panics
    ///
    /// The future panics if `future` does, or if it is polled after it has completed.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio::{BufResult, io::AsyncRead, net::{TcpListener, TcpStream}};
    /// use compio_sync::CancellationToken;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let token = CancellationToken::new();
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let mut stream = TcpStream::connect(listener.local_addr()?).await?;
    ///
    /// let reads = compio::runtime::spawn({
    ///     let token = token.child_token();
    ///     async move { token.run_cancelling_io(stream.read(Vec::with_capacity(64))).await }
    /// });
    /// token.cancel();
    /// let BufResult(read, buffer) = reads.await.unwrap();
    /// assert!(read.is_err() && buffer.is_empty());
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[doc(alias = "with_cancel")]
    pub fn run_cancelling_io<F: Future>(&self, future: F) -> RunCancellingIo<'_, F> {
        RunCancellingIo::new(&self.node, future)
    }

    /// Runs `future` to its end with its operations cancelled by this token, and owns the token; otherwise like
    /// [`run_cancelling_io`](Self::run_cancelling_io).
    ///
    /// # Cancel safety
    ///
    /// That of `future`. compio cancels the operations of a future that is dropped, and their buffers are lost.
    ///
    /// # Panics
    ///
    /// The future panics if `future` does, or if it is polled after it has completed.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio::net::TcpListener;
    /// use compio_sync::CancellationToken;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let token = CancellationToken::new();
    /// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    /// let accepts = token.child_token().run_cancelling_io_owned(async move { listener.accept().await });
    /// let task = compio::runtime::spawn(accepts);
    /// token.cancel();
    /// assert!(task.await.unwrap().is_err(), "nobody connects any more");
    /// # });
    /// ```
    pub fn run_cancelling_io_owned<F: Future>(self, future: F) -> RunCancellingIoOwned<F> {
        RunCancellingIoOwned::new(self.node, future)
    }

    /// Returns how many tasks and threads wait for this token, or for one below it.
    ///
    /// A snapshot: tasks that other threads are adding or taking out at this moment may or may not
    /// be counted.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::CancellationToken;
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let token = CancellationToken::new();
    /// let child = token.child_token();
    /// let mut wait = child.cancelled();
    /// assert!(poll!(&mut wait).is_pending());
    /// assert_eq!(token.waiter_count(), 1);
    /// token.cancel();
    /// assert_eq!(token.waiter_count(), 0);
    /// # });
    /// ```
    pub fn waiter_count(&self) -> usize {
        self.node.queue.len()
    }
}

impl Clone for CancellationToken {
    /// Returns the same token once more.
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
        }
    }
}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for CancellationToken {
    /// Whether they are clones of each other.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.node, &other.node)
    }
}

impl Eq for CancellationToken {}

impl Hash for CancellationToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.node).hash(state);
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("is_cancelled", &self.is_cancelled())
            .field("waiter_count", &self.waiter_count())
            .finish()
    }
}
