//! Wakes on their way: from the thread that decides a wake to the task that runs.
//!
//! This layer knows no queue and no runtime. A [`Wake`] is an intrusive node that a waiter embeds. It
//! holds a waker, and the [`Home`] of the task: the runtime that the task was last polled on.
//!
//! ```text
//!   node        one wake, and lists of wakes
//!     ▲
//!   mailbox     where other threads put the wakes of one runtime
//!     ▲
//!   doorbell    a mailbox, and how its runtime is signalled if it sleeps
//!     ▲
//!   run         calling wakers, which are other people's code
//!     ▲    ▲
//!   batch  registry      many wakes, delivered by home │ all doorbells, and who owns them
//! ```

mod batch;
mod doorbell;
mod mailbox;
mod node;
mod registry;
mod run;

pub(super) use batch::Batch;
pub(super) use doorbell::{Doorbell, Home, HomeOf, Signal, Signaller};
pub(super) use registry::{DoorbellOwner, Doorbells};
pub(super) use run::outside_unwinding;
#[cfg(all(test, compio_sync_loom))]
pub(super) use {doorbell::this_thread, run::wake};

/// A wake whose waiter lives on a compio runtime, or on none.
pub(super) type Wake = node::Wake<Home>;
/// The part of a waiter that becomes a [`Wake`].
pub(super) type Node = node::Node<Home>;
/// Whom to wake, and where.
pub(super) type Task = node::Task<Home>;
/// Wakes, first in first out.
#[cfg(all(test, compio_sync_loom))]
pub(super) type WakeList = node::WakeList<Home>;
/// Wakes, last in first out.
#[cfg(all(test, compio_sync_loom))]
pub(super) type WakeStack = node::WakeStack<Home>;
