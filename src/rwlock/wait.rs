//! Waiting for the lock, of each kind, without its guards.

use std::task::{Context, Poll, ready};

use super::state::RawRwLock;
use crate::waiter_queue::{Left, Outcome, Queue, Slot};

/// A wait for the lock. What it has when it completes is its caller's.
pub(super) trait Waiting: Default {
    fn poll(&mut self, lock: &RawRwLock, cx: &Context<'_>) -> Poll<()>;

    /// Ends the wait, passing on what it had been handed.
    fn leave(&mut self, lock: &RawRwLock);

    /// Ends the wait. Says whether the lock has been handed over, or could be taken now.
    fn at_deadline(&mut self, lock: &RawRwLock) -> bool;

    fn is_done(&self) -> bool;
}

/// Ends a wait for `need` permits, passing them on if they have been handed over already.
#[inline]
fn leave(queue: &Queue, slot: &mut Slot, need: usize) {
    if let Slot::Waiting(_) = slot
        && queue.leave(slot) == Left::With(Outcome::Granted)
    {
        queue.give(need);
    }
}

/// Ends a wait for `need` permits. Says whether they have been handed over, or could be taken now.
fn at_deadline(queue: &Queue, slot: &mut Slot, need: usize) -> bool {
    queue.leave(slot) != Left::Nothing || queue.try_take(need)
}

/// A wait to read.
#[derive(Default)]
pub(super) struct Reading(Slot);

impl Waiting for Reading {
    #[inline]
    fn poll(&mut self, lock: &RawRwLock, cx: &Context<'_>) -> Poll<()> {
        lock.permits.poll_take(&mut self.0, 1, cx).map(drop)
    }

    #[inline]
    fn leave(&mut self, lock: &RawRwLock) {
        leave(&lock.permits, &mut self.0, 1);
    }

    fn at_deadline(&mut self, lock: &RawRwLock) -> bool {
        at_deadline(&lock.permits, &mut self.0, 1)
    }

    fn is_done(&self) -> bool {
        self.0.is_done()
    }
}

/// A wait to write.
#[derive(Default)]
pub(super) struct Writing(Slot);

impl Waiting for Writing {
    #[inline]
    fn poll(&mut self, lock: &RawRwLock, cx: &Context<'_>) -> Poll<()> {
        lock.permits
            .poll_take(&mut self.0, lock.all(), cx)
            .map(drop)
    }

    #[inline]
    fn leave(&mut self, lock: &RawRwLock) {
        leave(&lock.permits, &mut self.0, lock.all());
    }

    fn at_deadline(&mut self, lock: &RawRwLock) -> bool {
        at_deadline(&lock.permits, &mut self.0, lock.all())
    }

    fn is_done(&self) -> bool {
        self.0.is_done()
    }
}

/// A wait for an upgradable read: first for the right to upgrade, then to read.
#[derive(Default)]
pub(super) struct UpgradableReading {
    upgrading: Slot,
    /// Whether this wait has the right to upgrade.
    may_upgrade: bool,
    reading: Reading,
}

impl UpgradableReading {
    fn give_up_upgrading(&mut self, lock: &RawRwLock) {
        if std::mem::take(&mut self.may_upgrade) {
            lock.upgrading.give(1);
        }
    }
}

impl Waiting for UpgradableReading {
    fn poll(&mut self, lock: &RawRwLock, cx: &Context<'_>) -> Poll<()> {
        if !self.may_upgrade {
            ready!(lock.upgrading.poll_take(&mut self.upgrading, 1, cx));
            self.may_upgrade = true;
        }
        ready!(self.reading.poll(lock, cx));
        // It is the guard's from here on.
        self.may_upgrade = false;
        Poll::Ready(())
    }

    fn leave(&mut self, lock: &RawRwLock) {
        // Giving wakes, and a waker may panic.
        struct Last<'a>(&'a mut UpgradableReading, &'a RawRwLock);

        impl Drop for Last<'_> {
            fn drop(&mut self) {
                self.0.give_up_upgrading(self.1);
            }
        }

        let last = Last(self, lock);
        leave(&lock.upgrading, &mut last.0.upgrading, 1);
        last.0.reading.leave(lock);
    }

    fn at_deadline(&mut self, lock: &RawRwLock) -> bool {
        self.may_upgrade = self.may_upgrade || at_deadline(&lock.upgrading, &mut self.upgrading, 1);
        if self.may_upgrade && self.reading.at_deadline(lock) {
            self.may_upgrade = false;
            return true;
        }
        self.give_up_upgrading(lock);
        false
    }

    fn is_done(&self) -> bool {
        self.upgrading.is_done() && !self.may_upgrade
    }
}

/// A wait for an upgrade, of an upgradable reader that keeps its permits.
#[derive(Default)]
pub(super) struct Upgrading(Slot);

impl Waiting for Upgrading {
    fn poll(&mut self, lock: &RawRwLock, cx: &Context<'_>) -> Poll<()> {
        lock.permits
            .poll_take_ahead(&mut self.0, lock.others(), cx)
            .map(drop)
    }

    fn leave(&mut self, lock: &RawRwLock) {
        leave(&lock.permits, &mut self.0, lock.others());
    }

    fn at_deadline(&mut self, lock: &RawRwLock) -> bool {
        lock.permits.leave(&mut self.0) != Left::Nothing || lock.try_upgrade()
    }

    fn is_done(&self) -> bool {
        self.0.is_done()
    }
}
