//! What is compared, behind one interface.
//!
//! A [`Peer`] is a name and its constructors. What it constructs is used through [`Semaphore`] and
//! [`Monitor`], which say what a semaphore, and a mutex with its condition, can do.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each benchmark uses a part of it"
)]

use std::{future::Future, ops::DerefMut};

mod async_lock;
mod asyncband;
mod baseline;
pub mod channels;
mod compio_sync;
pub mod once;
pub mod tokens;
mod tokio;

pub use self::{
    async_lock::AsyncLock,
    asyncband::Asyncband,
    baseline::{Locked, Segmented},
    compio_sync::{CompioSync, CompioSyncFifo},
    tokio::Tokio,
};

/// How many tasks of one compio 0.19 runtime another thread can wake before it has to wait for that
/// runtime to look. async-lock wakes with its lock held: beyond this, the runtime that would have
/// to look waits for that lock, and neither goes on.
pub const REMOTE_WAKES: usize = 64;

/// A crate's primitives, or one way to construct them.
pub trait Peer: 'static {
    const NAME: &'static str;
    type Semaphore: Semaphore;
    type Monitor: Monitor;

    fn semaphore(permits: usize) -> Self::Semaphore;

    /// `None`: it has no condition variable.
    fn monitor() -> Option<Self::Monitor>;
}

/// A semaphore of some crate's.
pub trait Semaphore: Send + Sync + 'static {
    type Permit<'a>;

    fn acquire(&self) -> impl Future<Output = Self::Permit<'_>>;
    fn try_acquire(&self) -> Option<Self::Permit<'_>>;
    fn add_permits(&self, count: usize);
    /// Keeps a permit from being given back.
    fn forget(permit: Self::Permit<'_>);
}

/// A mutex round a number, and a condition that can be waited for in it.
pub trait Monitor: Send + Sync + 'static {
    type Guard<'a>: DerefMut<Target = u64>;

    fn lock(&self) -> impl Future<Output = Self::Guard<'_>>;
    /// Leaves the mutex, waits to be notified, and takes the mutex again.
    fn wait<'a>(&'a self, guard: Self::Guard<'a>) -> impl Future<Output = Self::Guard<'a>>;
    fn notify_one(&self);
    fn notify_all(&self);
}

/// The monitor of peers that have none.
pub enum NoMonitor {}

impl Monitor for NoMonitor {
    type Guard<'a> = Box<u64>;

    async fn lock(&self) -> Box<u64> {
        match *self {}
    }

    async fn wait(&self, _: Box<u64>) -> Box<u64> {
        match *self {}
    }

    fn notify_one(&self) {
        match *self {}
    }

    fn notify_all(&self) {
        match *self {}
    }
}

/// Calls `$run::<P>($args)` for every peer that the criterion benchmarks compare.
#[macro_export]
macro_rules! for_each_peer {
    ($run:ident($($arg:expr),*)) => {
        $run::<peers::CompioSync>($($arg),*);
        $run::<peers::CompioSyncFifo>($($arg),*);
        $run::<peers::Tokio>($($arg),*);
        $run::<peers::AsyncLock>($($arg),*);
        $run::<peers::Asyncband>($($arg),*);
        $run::<peers::Locked>($($arg),*);
        $run::<peers::Segmented>($($arg),*);
    };
}
