//! What the behavioural tests share.
//!
//! - [`World`]: a scenario runs in each world: on one compio runtime, on several, on none at all,
//!   and on everything at once; compio's with every driver and wake tier that the machine has.
//! - [`Polled`], [`Hooks`]: futures polled by hand, and wakers that do things when touched, for
//!   tests of exact states.
//! - [`claims`]: what holds for everything that waits in the crate's queue, whatever it waits for.

#![allow(dead_code, unreachable_pub)]

mod by_hand;
pub mod claims;
mod worlds;

use std::{
    any::Any,
    env,
    future::{Future, poll_fn},
    hint,
    io::Write,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    process,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError},
    },
    task::{Context, Poll, RawWaker, RawWakerVTable, Waker},
    thread,
    time::Duration,
};

use compio::{
    driver::{DriverType, ProactorBuilder},
    runtime::Runtime,
};
use compio_sync::WakeTier;
use futures_executor::LocalPool;
use futures_util::{
    FutureExt,
    future::LocalBoxFuture,
    task::{AtomicWaker, LocalSpawnExt},
};

pub use by_hand::*;
pub use worlds::*;
