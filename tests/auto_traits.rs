//! Which public types may go to other threads or be shared with them, and how large they are.

use std::{
    cell::Cell,
    future::Future,
    panic::{RefUnwindSafe, UnwindSafe},
    rc::Rc,
    sync::MutexGuard as StdGuard,
};

use compio_sync::*;
use futures_core::FusedFuture;
use static_assertions::{assert_impl_all as is, assert_not_impl_any as is_not};

/// `Send` and not `Sync`.
type OnlySend = Cell<u8>;
/// `Sync` and not `Send`.
type OnlySync = StdGuard<'static, u8>;
/// Neither.
type Neither = Rc<u8>;

is!(Semaphore: Send, Sync, Unpin);
is!(SemaphorePermit<'_>: Send, Sync, Unpin);
is!(OwnedSemaphorePermit: Send, Sync, Unpin);
is!(Acquire<'_>: Send, Sync, Unpin);
is!(AcquireOrClosed<'_>: Send, Sync, Unpin);
is!(AcquireOwned: Send, Sync, Unpin);
is!(AcquireOwnedOrClosed: Send, Sync, Unpin);
is!(AcquireError: Send, Sync, Unpin, Copy, std::error::Error);

is!(Semaphore: UnwindSafe, RefUnwindSafe);
is!(Mutex<Cell<u8>>: UnwindSafe, RefUnwindSafe);
is!(Condvar: UnwindSafe, RefUnwindSafe);
is!(Event: UnwindSafe, RefUnwindSafe);
is!(WaiterQueue: UnwindSafe, RefUnwindSafe);

is!(AutoResetEvent: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(AutoResetEventWait<'_>: Send, Sync, Unpin, FusedFuture);
is!(Notify: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(Notified<'_>: Send, Sync, Unpin, FusedFuture);
is!(OwnedNotified: Send, Sync, Unpin, FusedFuture);
is!(Gate: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(GateGuard<'_>: Send, Sync, Unpin, UnwindSafe);
is!(OwnedGateGuard: Send, Sync, Unpin, UnwindSafe);
is!(Close<'_>: Send, Sync, Unpin, FusedFuture);
is!(EnterError: Send, Sync, Unpin, Copy, std::error::Error);
is!(Latch: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(LatchWait<'_>: Send, Sync, Unpin, FusedFuture);
is!(WaitGroup: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(WaitGroupWait: Send, Sync, Unpin, FusedFuture);
is!(Barrier: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(BarrierWait<'_>: Send, Sync, Unpin, FusedFuture);
is!(BarrierWaitResult: Send, Sync, Unpin, Copy);

is!(Acquire<'_>: FusedFuture);
is!(AcquireOrClosed<'_>: FusedFuture);
is!(AcquireOwned: FusedFuture);
is!(AcquireOwnedOrClosed: FusedFuture);
is!(Lock<'_, u8>: FusedFuture);
is!(LockOwned<u8>: FusedFuture);
is!(EventWait<'_>: FusedFuture);
is!(AddWaiterIf<'_, fn() -> bool>: FusedFuture);
is!(CondvarWait<'_, MutexGuard<'_, u8>>: FusedFuture, Send, Sync, Unpin);
is!(CondvarWait<'_, OwnedMutexGuard<u8>>: FusedFuture, Send, Sync, Unpin);
is!(CondvarWaitWhile<'_, MutexGuard<'_, u8>, fn(&mut u8) -> bool>: FusedFuture, Send, Sync, Unpin);
is!(Elapsed: Send, Sync, Unpin, Copy, std::error::Error);
#[cfg(feature = "time")]
is!(Timeout<Acquire<'_>>: FusedFuture, Send, Sync, Unpin);
#[cfg(feature = "time")]
is!(CondvarWaitTimeout<'_, MutexGuard<'_, u8>>: FusedFuture, Send, Sync, Unpin);

is!(Condvar: Send, Sync, Unpin);
is!(Event: Send, Sync, Unpin);
is!(EventWait<'_>: Send, Sync, Unpin);
is!(WakeTier: Send, Sync, Unpin, Copy);
is!(WakeStats: Send, Sync, Unpin, Copy);
is!(TierError: Send, Sync, Unpin, Copy, std::error::Error);
is!(WaitTimeoutResult: Send, Sync, Unpin, Copy);

is!(WaiterQueue: Send, Sync, Unpin);
is!(AddWaiterIf<'_, u8>: Send, Sync, Unpin);
is!(AddWaiterIf<'_, OnlySend>: Send, Unpin);
is_not!(AddWaiterIf<'_, OnlySend>: Sync);
is!(AddWaiterIf<'_, OnlySync>: Sync, Unpin);
is_not!(AddWaiterIf<'_, OnlySync>: Send);
is_not!(AddWaiterIf<'_, Neither>: Send, Sync);
is!(AddWaiterIf<'_, std::marker::PhantomPinned>: Unpin);

// A mutex hands its value from thread to thread: sharing it is sending the value.
is!(Mutex<u8>: Send, Sync, Unpin);
is!(Mutex<OnlySend>: Send, Sync);
is_not!(Mutex<OnlySync>: Send, Sync);
is_not!(Mutex<Neither>: Send, Sync);
is!(Mutex<[u8]>: Send, Sync);
is!(Mutex<dyn Send>: Send, Sync);
is_not!(Mutex<std::marker::PhantomPinned>: Unpin);

is!(Lock<'_, OnlySend>: Send, Sync, Unpin);
is_not!(Lock<'_, OnlySync>: Send, Sync);
is!(LockOwned<OnlySend>: Send, Sync, Unpin);
is_not!(LockOwned<OnlySync>: Send, Sync);
is!(Lock<'_, std::marker::PhantomPinned>: Unpin);
is!(LockOwned<std::marker::PhantomPinned>: Unpin);

// A guard is `&mut T`, and the right to unlock, which any thread may exercise.
is!(MutexGuard<'_, u8>: Send, Sync, Unpin);
is!(MutexGuard<'_, OnlySend>: Send, Unpin);
is_not!(MutexGuard<'_, OnlySend>: Sync);
// It leads to the mutex, which must then be `Sync`, too.
is_not!(MutexGuard<'_, OnlySync>: Send, Sync);
is_not!(MutexGuard<'_, Neither>: Send, Sync);
is!(MappedMutexGuard<'_, u8>: Send, Sync, Unpin);
is!(MappedMutexGuard<'_, OnlySend>: Send, Unpin);
is_not!(MappedMutexGuard<'_, OnlySend>: Sync);
is!(MappedMutexGuard<'_, OnlySync>: Sync);
is_not!(MappedMutexGuard<'_, OnlySync>: Send);
is_not!(MappedMutexGuard<'_, Neither>: Send, Sync);

// An owned guard has a share in the mutex besides, which it may be the last one to drop.
is!(OwnedMutexGuard<u8>: Send, Sync, Unpin);
is!(OwnedMutexGuard<OnlySend>: Send, Unpin);
is_not!(OwnedMutexGuard<OnlySend>: Sync);
is_not!(OwnedMutexGuard<OnlySync>: Send, Sync);
is_not!(OwnedMutexGuard<Neither>: Send, Sync);
is!(OwnedMappedMutexGuard<u8, u8>: Send, Sync, Unpin);
is!(OwnedMappedMutexGuard<OnlySend, u8>: Send, Sync);
is!(OwnedMappedMutexGuard<u8, OnlySend>: Send);
is_not!(OwnedMappedMutexGuard<u8, OnlySend>: Sync);
is_not!(OwnedMappedMutexGuard<OnlySync, u8>: Send, Sync);
is_not!(OwnedMappedMutexGuard<u8, OnlySync>: Send);
is_not!(OwnedMappedMutexGuard<u8, Neither>: Send, Sync);

// A read-write lock shares its value, too.
is!(RwLock<u8>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(RwLock<OnlySend>: Send);
is_not!(RwLock<OnlySend>: Sync);
is_not!(RwLock<OnlySync>: Send, Sync);
is!(RwLock<[u8]>: Send, Sync);
is_not!(RwLock<std::marker::PhantomPinned>: Unpin);

is!(RwLockRead<'_, u8>: Send, Sync, Unpin, FusedFuture);
is!(RwLockWrite<'_, u8>: Send, Sync, Unpin, FusedFuture);
is!(RwLockUpgradableRead<'_, u8>: Send, Sync, Unpin, FusedFuture);
is!(RwLockUpgrade<'_, u8>: Send, Sync, Unpin, FusedFuture);
is!(RwLockReadOwned<u8>: Send, Sync, Unpin, FusedFuture);
is!(RwLockWriteOwned<u8>: Send, Sync, Unpin, FusedFuture);
is!(RwLockUpgradableReadOwned<u8>: Send, Sync, Unpin, FusedFuture);
is!(RwLockRead<'_, std::marker::PhantomPinned>: Unpin);
is!(RwLockWriteOwned<std::marker::PhantomPinned>: Unpin);
is_not!(RwLockRead<'_, OnlySend>: Send, Sync);
is_not!(RwLockWriteOwned<OnlySync>: Send, Sync);

// A reader's guard is `&T`, which its thread may have while others have it.
is!(RwLockReadGuard<'_, u8>: Send, Sync, Unpin);
is!(RwLockReadGuard<'_, OnlySync>: Send, Sync);
is_not!(RwLockReadGuard<'_, OnlySend>: Send, Sync);
// A writer's guard is `&mut T`, and can be made a reader's on its thread.
is!(RwLockWriteGuard<'_, u8>: Send, Sync, Unpin);
is_not!(RwLockWriteGuard<'_, OnlySend>: Send, Sync);
is_not!(RwLockWriteGuard<'_, OnlySync>: Send, Sync);
is!(RwLockUpgradableReadGuard<'_, u8>: Send, Sync, Unpin);
is_not!(RwLockUpgradableReadGuard<'_, OnlySend>: Send, Sync);
is_not!(RwLockUpgradableReadGuard<'_, OnlySync>: Send, Sync);
is!(RwLockUpgradedGuard<'_, u8>: Send, Sync, Unpin);
is_not!(RwLockUpgradedGuard<'_, OnlySend>: Send, Sync);
is_not!(RwLockUpgradedGuard<'_, OnlySync>: Send, Sync);
// A part's cannot.
is!(RwLockMappedWriteGuard<'_, u8>: Send, Sync, Unpin);
is!(RwLockMappedWriteGuard<'_, OnlySend>: Send);
is_not!(RwLockMappedWriteGuard<'_, OnlySend>: Sync);
is!(RwLockMappedWriteGuard<'_, OnlySync>: Sync);
is_not!(RwLockMappedWriteGuard<'_, OnlySync>: Send);

is!(OwnedRwLockReadGuard<u8>: Send, Sync, Unpin);
is!(OwnedRwLockReadGuard<u8, OnlySync>: Send, Sync);
is_not!(OwnedRwLockReadGuard<OnlySync, u8>: Send, Sync);
is_not!(OwnedRwLockReadGuard<OnlySend, u8>: Send, Sync);
is_not!(OwnedRwLockReadGuard<u8, OnlySend>: Send, Sync);
is!(OwnedRwLockWriteGuard<u8>: Send, Sync, Unpin);
is_not!(OwnedRwLockWriteGuard<OnlySend>: Send, Sync);
is!(OwnedRwLockUpgradableReadGuard<u8>: Send, Sync, Unpin);
is_not!(OwnedRwLockUpgradableReadGuard<OnlySync>: Send, Sync);
is!(OwnedRwLockMappedWriteGuard<u8, OnlySend>: Send, Unpin);
is_not!(OwnedRwLockMappedWriteGuard<u8, OnlySend>: Sync);
is!(OwnedRwLockMappedWriteGuard<u8, OnlySync>: Sync);
is_not!(OwnedRwLockMappedWriteGuard<u8, OnlySync>: Send);
is_not!(OwnedRwLockMappedWriteGuard<OnlySend, u8>: Send, Sync);

#[test]
fn futures_of_async_methods_are_send_if_the_value_is() {
    fn is_send(future: impl Future + Send) {
        drop(future);
    }
    let (mutex, condvar) = (Mutex::new(Cell::new(0)), Condvar::new());
    let guard = || mutex.try_lock().unwrap();
    is_send(condvar.wait(guard()));
    is_send(condvar.wait_while(guard(), |_| true));
    #[cfg(feature = "time")]
    {
        let duration = std::time::Duration::ZERO;
        is_send(condvar.wait_timeout(guard(), duration));
        is_send(condvar.wait_timeout_while(guard(), duration, |_| true));
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn types_are_small() {
    assert!(size_of::<Semaphore>() <= 48);
    assert!(size_of::<Mutex<()>>() <= 40);
    assert!(size_of::<RwLock<()>>() <= 80);
    assert!(size_of::<RwLockRead<'_, ()>>() <= 64);
    assert!(size_of::<RwLockWrite<'_, ()>>() <= 64);
    assert_eq!(size_of::<RwLockWriteGuard<'_, ()>>(), size_of::<usize>());
    assert_eq!(size_of::<RwLockReadGuard<'_, ()>>(), 2 * size_of::<usize>());
    assert!(size_of::<Condvar>() <= 32);
    assert!(size_of::<Event>() <= 32);
    assert!(size_of::<WaiterQueue>() <= 32);
    assert!(size_of::<Acquire<'_>>() <= 64);
    assert!(size_of::<Lock<'_, ()>>() <= 64);
    assert!(size_of::<EventWait<'_>>() <= 64);
    assert_eq!(size_of::<MutexGuard<'_, ()>>(), size_of::<usize>());
    assert_eq!(size_of::<SemaphorePermit<'_>>(), 2 * size_of::<usize>());
}

// ---- cancellation tokens ----

is!(CancellationToken: Send, Sync, Unpin, Clone, Eq, std::hash::Hash, UnwindSafe, RefUnwindSafe);
is!(WaitForCancellationFuture<'_>: Send, Sync, Unpin, FusedFuture);
is!(WaitForCancellationFutureOwned: Send, Sync, Unpin, FusedFuture);
is!(DropGuard: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(DropGuardRef<'_>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(RunUntilCancelledFuture<'_, std::future::Ready<u8>>: Send, Sync, Unpin, FusedFuture);
is!(RunUntilCancelledFutureOwned<std::future::Ready<u8>>: Send, Sync, Unpin, FusedFuture);
is_not!(RunUntilCancelledFuture<'_, std::future::Ready<Neither>>: Send, Sync);
is_not!(RunUntilCancelledFuture<'_, std::marker::PhantomPinned>: Unpin);
is_not!(RunUntilCancelledFutureOwned<std::marker::PhantomPinned>: Unpin);
// They have a cancel token of their thread's runtime.
is!(RunCancellingIo<'_, std::future::Ready<u8>>: Unpin, FusedFuture);
is!(RunCancellingIoOwned<std::future::Ready<u8>>: Unpin, FusedFuture);
is_not!(RunCancellingIo<'_, std::future::Ready<u8>>: Send, Sync);
is_not!(RunCancellingIoOwned<std::future::Ready<u8>>: Send, Sync);
is_not!(RunCancellingIo<'_, std::marker::PhantomPinned>: Unpin);

// ---- channels ----

// What is sent goes to another thread, and is dropped there.
is!(oneshot::Sender<OnlySend>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(oneshot::Receiver<OnlySend>: Send, Sync, Unpin, FusedFuture, UnwindSafe, RefUnwindSafe);
is_not!(oneshot::Sender<Neither>: Send, Sync);
is_not!(oneshot::Receiver<OnlySync>: Send, Sync);

is!(mpsc::Sender<OnlySend>: Send, Sync, Unpin, Clone, UnwindSafe, RefUnwindSafe);
is!(mpsc::Receiver<OnlySend>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(mpsc::UnboundedSender<OnlySend>: Send, Sync, Unpin, Clone, UnwindSafe);
is!(mpsc::UnboundedReceiver<OnlySend>: Send, Sync, Unpin, UnwindSafe);
is!(mpsc::WeakSender<OnlySend>: Send, Sync, Unpin, Clone);
is_not!(mpsc::Sender<Neither>: Send, Sync);
is_not!(mpsc::Receiver<OnlySync>: Send, Sync);
is_not!(mpsc::Receiver<u8>: Clone);
is!(mpsc::Sending<'_, OnlySend>: Send, Unpin, FusedFuture);
is!(mpsc::Reserve<'_, OnlySend>: Send, Sync, Unpin, FusedFuture);
is!(mpsc::ReserveOwned<OnlySend>: Send, Sync, Unpin, FusedFuture);
is!(mpsc::Recv<'_, OnlySend>: Send, Unpin, FusedFuture);
is!(mpsc::Closed<'_, OnlySend>: Send, Sync, Unpin, FusedFuture);
is!(mpsc::error::SendError<u8>: Send, Sync, Copy, std::error::Error);

is!(mpmc::Sender<OnlySend>: Send, Sync, Unpin, Clone, UnwindSafe, RefUnwindSafe);
is!(mpmc::Receiver<OnlySend>: Send, Sync, Unpin, Clone, UnwindSafe, RefUnwindSafe);
is_not!(mpmc::Receiver<OnlySync>: Send, Sync);
is!(mpmc::Recv<'_, OnlySend>: Send, Sync, Unpin, FusedFuture);
is!(mpmc::RecvMany<'_, OnlySend>: Send, Unpin, FusedFuture);

// What is looked at is looked at by several threads.
is!(watch::Sender<u8>: Send, Sync, Unpin, Clone, UnwindSafe, RefUnwindSafe);
is!(watch::Receiver<u8>: Send, Sync, Unpin, Clone, UnwindSafe, RefUnwindSafe);
is_not!(watch::Sender<OnlySend>: Send, Sync);
is_not!(watch::Receiver<OnlySync>: Send, Sync);
is!(watch::Ref<'_, u8>: Send, Sync, Unpin);
is_not!(watch::Ref<'_, OnlySend>: Send, Sync);
is_not!(watch::Ref<'_, OnlySync>: Send, Sync);
is!(watch::Changed<'_, u8>: Send, Sync, Unpin, FusedFuture);
is!(watch::WaitFor<'_, u8, fn(&u8) -> bool>: Send, Sync, Unpin, FusedFuture);
is!(watch::Closed<'_, u8>: Send, Sync, Unpin, FusedFuture);

is!(broadcast::Sender<u8>: Send, Sync, Unpin, Clone, UnwindSafe, RefUnwindSafe);
is!(broadcast::Receiver<u8>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is_not!(broadcast::Receiver<u8>: Clone);
is_not!(broadcast::Sender<OnlySend>: Send, Sync);
is_not!(broadcast::Receiver<OnlySync>: Send, Sync);
is!(broadcast::Recv<'_, u8>: Send, Sync, Unpin, FusedFuture);
is!(broadcast::Closed<'_, u8>: Send, Sync, Unpin, FusedFuture);

// ---- cells that are set once ----

// The value is looked at by several threads, and dropped on any. As std's `OnceLock` and `LazyLock`.
is!(OnceCell<u8>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(OnceCell<OnlySend>: Send);
is_not!(OnceCell<OnlySend>: Sync, RefUnwindSafe);
is!(OnceCell<&'static u8>: UnwindSafe);
is_not!(OnceCell<&'static mut u8>: UnwindSafe);
is_not!(OnceCell<OnlySync>: Send, Sync);
is_not!(OnceCell<Neither>: Send, Sync);
is_not!(OnceCell<std::marker::PhantomPinned>: Unpin);
is!(SetOnce<u8>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(SetOnce<OnlySend>: Send);
is_not!(SetOnce<OnlySend>: Sync, RefUnwindSafe);
is_not!(SetOnce<OnlySync>: Send, Sync);
is!(OnceWait<'_, u8>: Send, Sync, Unpin, FusedFuture);
is!(OnceWait<'_, std::marker::PhantomPinned>: Unpin);
is_not!(OnceWait<'_, OnlySend>: Send, Sync);
is!(SetError<u8>: Send, Sync, Copy, std::error::Error);
is!(SetOnceError<u8>: Send, Sync, Copy, std::error::Error);

// An initializer is pinned where it is, and needs what its captures need.
type Ready<T> = std::future::Ready<T>;
type Pinned<T> = (std::marker::PhantomData<T>, std::marker::PhantomPinned);
is!(GetOrInit<'_, u8, fn() -> Ready<u8>, Ready<u8>>: Send, Sync, Unpin, FusedFuture);
is!(GetOrTryInit<'_, u8, fn() -> Ready<Result<u8, ()>>, Ready<Result<u8, ()>>>: Send, Sync, Unpin, FusedFuture);
is!(GetOrInit<'_, u8, Pinned<u8>, u8>: Unpin);
is_not!(GetOrInit<'_, u8, u8, Pinned<u8>>: Unpin);
is_not!(GetOrInit<'_, OnlySend, u8, u8>: Send, Sync);
is_not!(GetOrInit<'_, u8, Neither, u8>: Send, Sync);
is_not!(GetOrTryInit<'_, u8, u8, Neither>: Send, Sync);

// An initializer in a cell goes to the thread that runs it.
is!(LazyCell<u8>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
is!(LazyCell<u8, OnlySend, OnlySend>: Send, Sync);
is_not!(LazyCell<u8, Neither, u8>: Send, Sync);
is_not!(LazyCell<u8, u8, OnlySync>: Send, Sync);
is_not!(LazyCell<OnlySend, u8, u8>: Sync);
is_not!(LazyCell<OnlySync, u8, u8>: Send, Sync);
is_not!(LazyCell<u8, Pinned<u8>, u8>: Unpin);
is!(LazyCell<std::marker::PhantomPinned, u8, Pinned<u8>>: Unpin);
is!(LazyForce<'_, u8, LazyFuture<u8>, fn() -> LazyFuture<u8>>: Send, Sync, Unpin, FusedFuture);
is!(LazyForce<'_, u8, Pinned<u8>, u8>: Unpin);
is_not!(LazyForce<'_, u8, Neither, u8>: Send, Sync);

#[test]
#[cfg(target_pointer_width = "64")]
fn cells_are_small() {
    assert!(size_of::<SetOnce<u64>>() <= 48);
    assert!(size_of::<OnceCell<u64>>() <= 80);
    assert!(size_of::<OnceWait<'_, u64>>() <= 64);
}
