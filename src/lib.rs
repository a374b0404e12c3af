#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs)]
#![deny(rustdoc::broken_intra_doc_links)]

mod condvar;
mod event;
mod mutex;
mod semaphore;
mod waiter_queue;

mod blocking;
mod loom;

pub use condvar::*;
pub use event::*;
pub use mutex::*;
pub use semaphore::*;
pub use waiter_queue::{AddWaiterIf, TierError, WaiterQueue, WakeStats, WakeTier};
