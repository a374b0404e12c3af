//! Who owns a channel's memory: the sender, the receiver, and one who may keep it for the next channel.
//!
//! Each has a bit, which is set when it has gone. Whoever finds that the others have gone frees the memory, and need
//! not say so: the last one to go changes nothing. So a channel costs one read-modify-write less for each end than a
//! count of owners.

use std::{
    ops::Deref,
    ptr::NonNull,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed},
};

use super::shared::Shared;
use crate::loom::AtomicU32;

const SENDER: u32 = 1;
const RECEIVER: u32 = 2;
const KEEPER: u32 = 4;
const ALL: u32 = SENDER | RECEIVER | KEEPER;

struct Owned<T> {
    /// The bits of those who have gone.
    gone: AtomicU32,
    shared: Shared<T>,
}

/// An owner, with its bit.
pub(super) struct Owner<T, const BIT: u32>(NonNull<Owned<T>>);

pub(super) type SenderSide<T> = Owner<T, SENDER>;
pub(super) type ReceiverSide<T> = Owner<T, RECEIVER>;
pub(super) type Keeper<T> = Owner<T, KEEPER>;

// SAFETY: the owners share a `Shared`, which the last one drops.
unsafe impl<T, const BIT: u32> Send for Owner<T, BIT> where Shared<T>: Send + Sync {}
// SAFETY: as above.
unsafe impl<T, const BIT: u32> Sync for Owner<T, BIT> where Shared<T>: Send + Sync {}

/// The two ends of a new channel.
pub(super) fn ends<T>() -> (SenderSide<T>, ReceiverSide<T>) {
    let owned = allocate(KEEPER);
    (Owner(owned), Owner(owned))
}

fn allocate<T>(gone: u32) -> NonNull<Owned<T>> {
    NonNull::from(Box::leak(Box::new(Owned {
        gone: AtomicU32::new(gone),
        shared: Shared::new(),
    })))
}

impl<T> Keeper<T> {
    /// Memory without a channel.
    pub(super) fn new() -> Self {
        Self(allocate(SENDER | RECEIVER))
    }

    /// The two ends of a new channel in this memory, if those of the one before have gone.
    pub(super) fn reuse(&mut self) -> Option<(SenderSide<T>, ReceiverSide<T>)> {
        // ORDERING: Acquire pairs with the release of those who have gone.
        if gone_of(&self.0).load(Acquire) != SENDER | RECEIVER {
            return None;
        }
        // SAFETY: nobody else is an owner, and the caller has the keeper for itself.
        unsafe { self.0.as_mut() }.shared = Shared::new();
        // ORDERING: Relaxed. The ends are handed on by the caller.
        gone_of(&self.0).store(0, Relaxed);
        Some((Owner(self.0), Owner(self.0)))
    }
}

fn gone_of<T>(owned: &NonNull<Owned<T>>) -> &AtomicU32 {
    // SAFETY: the caller is an owner.
    unsafe { &owned.as_ref().gone }
}

impl<T, const BIT: u32> Deref for Owner<T, BIT> {
    type Target = Shared<T>;

    fn deref(&self) -> &Shared<T> {
        // SAFETY: it is an owner.
        unsafe { &self.0.as_ref().shared }
    }
}

impl<T, const BIT: u32> Drop for Owner<T, BIT> {
    fn drop(&mut self) {
        let gone = gone_of(&self.0);
        // ORDERING: Acquire pairs with the release of the others: they are done. Release hands on what this one has
        // done to who is last.
        if gone.load(Acquire) | BIT == ALL || gone.fetch_or(BIT, AcqRel) | BIT == ALL {
            // SAFETY: made by `Box`, and nobody else is an owner.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}
