//! One suspended operation: its state machine, its waker, its home.
//!
//! A [`Waiter`] is a heap node with two owners. The *future* side is the pending operation, and
//! holds a [`Ticket`]. The *queue* side is whoever has the node in its line, inbox or batch, and
//! holds a [`Queued`], which becomes a [`Granted`] when the operation's wait is over. Whoever
//! leaves last gives the node back to the pool; neither ever waits for the other.
//!
//! ```text
//!                        ┌────────── UPDATING ◄─┐
//!                        ▼ (future: new waker)  │
//!   enqueue ──────► WAITING ────────────────────┘
//!                    │     │
//!        queue: grant│     │future: cancel
//!                    ▼     ▼
//!      GRANTED (+REFUSED,  CANCELLED
//!       +BROADCAST)
//! ```
//!
//! `GRANTED` and `CANCELLED` are both set with a `fetch_or`: whoever comes first in the word's
//! modification order has won, and the loser learns it from the value it read.
//!
//! The waker and the home belong to
//! - the future, until `GRANTED` is set and for ever if `CANCELLED` won;
//! - the queue, from `GRANTED` on, unless `UPDATING` was set at that moment: the future is then
//!   being polled, finds `GRANTED` when it clears `UPDATING`, and takes the waker back.
//!
//! `QUEUE_DONE` and `FUTURE_DONE` are each side's last access to the node.

use std::{
    mem::MaybeUninit,
    ptr::NonNull,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed},
    task::{Context, Poll, Waker},
};

use super::{doorbell::Bell, pool};
use crate::loom::{AtomicU32, UnsafeCell};

const GRANTED: u32 = 1;
const REFUSED: u32 = 1 << 1;
const BROADCAST: u32 = 1 << 2;
const CANCELLED: u32 = 1 << 3;
const UPDATING: u32 = 1 << 4;
const QUEUE_DONE: u32 = 1 << 5;
const FUTURE_DONE: u32 = 1 << 6;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What it waited for is the waiter's.
    Granted,
    /// Like `Granted`, as one of all the waiters there were.
    Broadcast,
    /// It was turned away: the queue is closed.
    Refused,
}

/// Whom to wake, and where.
pub(super) struct Task {
    pub(super) waker: Waker,
    pub(super) home: Option<&'static Bell>,
}

/// A node's place in a list. In the inbox, in a chain and in a doorbell only `next` is used.
pub(super) struct Links {
    pub(super) next: *mut Waiter,
    pub(super) prev: *mut Waiter,
}

pub(super) struct Waiter {
    state: AtomicU32,
    /// How much the waiter needs; in a notification, how many it is for. Written before the node
    /// is shared, only read afterwards.
    need: UnsafeCell<usize>,
    task: UnsafeCell<MaybeUninit<Task>>,
    /// Belongs to the queue side once the node is enqueued.
    pub(super) links: UnsafeCell<Links>,
    /// Whether the node is in the line. Belongs to the holder of the turn, even while the links
    /// belong to somebody's chain.
    pub(super) in_line: UnsafeCell<bool>,
    /// The inbox's link for the message that the waiter leaves, which may be there while the
    /// message that it arrived still is. Written by the future, then read by the turn's holder.
    pub(super) leave_next: UnsafeCell<*mut Waiter>,
}

impl Waiter {
    /// An idle node.
    pub(super) fn new() -> Self {
        Self {
            state: AtomicU32::new(0),
            need: UnsafeCell::new(0),
            task: UnsafeCell::new(MaybeUninit::uninit()),
            links: UnsafeCell::new(Links {
                next: std::ptr::null_mut(),
                prev: std::ptr::null_mut(),
            }),
            in_line: UnsafeCell::new(false),
            leave_next: UnsafeCell::new(std::ptr::null_mut()),
        }
    }

    /// Takes a node from the pool that nobody else knows of.
    fn fresh(need: usize) -> NonNull<Self> {
        let node = pool::take();
        // SAFETY: the pool gives out live nodes that it alone owned.
        let this = unsafe { node.as_ref() };
        // ORDERING: Relaxed. The node is published by whatever shares it.
        this.state.store(0, Relaxed);
        // SAFETY: as above, this thread has the node to itself.
        this.need.with_mut(|cell| unsafe { *cell = need });
        node
    }

    fn will_wake(&self, waker: &Waker) -> bool {
        // SAFETY: initialised in `Ticket::new`, and only the future side ever writes it, which is
        // the caller. A granter may have moved the waker out by copying its bits; they stay in
        // place, and comparing them reaches nothing that they point to.
        self.task
            .with(|task| unsafe { (*task).assume_init_ref() }.waker.will_wake(waker))
    }

    /// Copies the waker and the home out of the node.
    ///
    /// # Safety
    ///
    /// The caller owns them (see the module's documentation), and calls this at most once.
    unsafe fn take_task(&self) -> Task {
        // SAFETY: initialised in `Ticket::new`; by contract nobody else takes it.
        self.task.with(|task| unsafe { (*task).assume_init_read() })
    }
}

/// The future's side of a waiter.
pub(crate) struct Ticket(NonNull<Waiter>);

// SAFETY: a waiter's fields are shared under the protocol above, whichever threads its two sides
// are on; `Waker` is `Send`, and `Bell` is shared by design.
unsafe impl Send for Ticket {}
// SAFETY: as above; `&Ticket` gives access to nothing but the atomic state.
unsafe impl Sync for Ticket {}

impl Ticket {
    /// A new waiter, and the queue's side of it.
    pub(super) fn new(need: usize, task: Task) -> (Self, Queued) {
        let node = Waiter::fresh(need);
        // SAFETY: `fresh` returned a node that nobody else knows of.
        unsafe { node.as_ref() }.task.with_mut(|cell| unsafe {
            (*cell).write(task);
        });
        (Self(node), Queued(node))
    }

    fn node(&self) -> &Waiter {
        // SAFETY: the future's side keeps the node alive until `finish`.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn as_ptr(&self) -> NonNull<Waiter> {
        self.0
    }

    /// Takes the future's side over from a leave message.
    ///
    /// # Safety
    ///
    /// `node` came from `into_ptr`, and is taken over once.
    pub(super) unsafe fn from_ptr(node: NonNull<Waiter>) -> Self {
        Self(node)
    }

    /// How the wait ended, if it has.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        // ORDERING: Acquire pairs with the release in `Queued::grant`: what happened before the
        // grant happened before the operation completes.
        outcome(self.node().state.load(Acquire))
    }

    /// Sees whether the wait is over; else leaves `cx`'s waker to be woken when it is.
    ///
    /// `home` is called for the waker's home if the waker is not the one left before.
    pub(super) fn poll(
        &mut self,
        cx: &Context<'_>,
        home: impl FnOnce(&Waker) -> Option<&'static Bell>,
    ) -> Poll<Outcome> {
        if let Some(outcome) = self.outcome() {
            return Poll::Ready(outcome);
        }
        let node = self.node();
        if node.will_wake(cx.waker()) {
            return Poll::Pending;
        }
        // Cloning is the caller's code: it comes first, when there is nothing yet to undo.
        let waker = cx.waker().clone();
        let new = Task {
            home: home(&waker),
            waker,
        };
        // ORDERING: Acquire pairs with `Queued::grant`, as in `outcome`.
        if let Some(outcome) = outcome(node.state.fetch_or(UPDATING, Acquire)) {
            return Poll::Ready(outcome);
        }
        // SAFETY: `UPDATING` was set before `GRANTED`, so the waker is this side's.
        let old = node
            .task
            .with_mut(|cell| unsafe { std::mem::replace((*cell).assume_init_mut(), new) });
        // ORDERING: Release publishes the new waker to the granter; Acquire as above.
        let state = node.state.fetch_and(!UPDATING, AcqRel);
        if let Some(outcome) = outcome(state) {
            // SAFETY: the granter saw `UPDATING` and left the waker to this side.
            drop(unsafe { node.take_task() });
            drop(old);
            return Poll::Ready(outcome);
        }
        drop(old);
        Poll::Pending
    }

    /// Calls the wait off, or says how it had ended before that.
    ///
    /// Returns the waker, for the caller to drop when it holds nothing else.
    pub(super) fn cancel(&mut self) -> Result<Task, Outcome> {
        // ORDERING: Acquire pairs with `Queued::grant`; Release lets the queue's side see all that
        // the future did with the node.
        match outcome(self.node().state.fetch_or(CANCELLED, AcqRel)) {
            // SAFETY: `CANCELLED` came before `GRANTED`: the waker stays this side's for ever.
            None => Ok(unsafe { self.node().take_task() }),
            Some(outcome) => Err(outcome),
        }
    }

    /// Ends the future's side.
    pub(super) fn finish(self) {
        let state = &self.node().state;
        // ORDERING: Acquire pairs with the release in `Queued::finish`: the last one out sees the
        // other's accesses as past. Release is for the same, the other way round.
        if state.load(Acquire) & QUEUE_DONE != 0
            || state.fetch_or(FUTURE_DONE, AcqRel) & QUEUE_DONE != 0
        {
            // SAFETY: both sides are done.
            unsafe { pool::give(self.0) };
        }
    }
}

/// The queue's side of a waiter.
pub(super) struct Queued(NonNull<Waiter>);

impl Queued {
    pub(super) fn into_ptr(self) -> NonNull<Waiter> {
        self.0
    }

    /// # Safety
    ///
    /// `node` came from `into_ptr`, and is taken back once.
    pub(super) unsafe fn from_ptr(node: NonNull<Waiter>) -> Self {
        Self(node)
    }

    fn node(&self) -> &Waiter {
        // SAFETY: the queue's side keeps the node alive until `finish`.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn need(&self) -> usize {
        // SAFETY: not written since before the node was enqueued.
        self.node().need.with(|cell| unsafe { *cell })
    }

    /// Ends the wait with `outcome`, unless it was called off. Says whether it was not.
    ///
    /// A waiter that has to be woken is returned for that.
    pub(super) fn grant(self, outcome: Outcome) -> (bool, Option<Granted>) {
        let bits = match outcome {
            Outcome::Granted => GRANTED,
            Outcome::Broadcast => GRANTED | BROADCAST,
            Outcome::Refused => GRANTED | REFUSED,
        };
        // ORDERING: Release pairs with the future's acquire: all that led to the grant happened
        // before the operation completes. Acquire pairs with the future's release of its waker.
        let state = self.node().state.fetch_or(bits, AcqRel);
        if state & CANCELLED != 0 {
            self.finish();
            (false, None)
        } else if state & UPDATING != 0 {
            self.finish();
            (true, None)
        } else {
            (true, Some(Granted(self.0)))
        }
    }

    /// Ends the queue's side.
    pub(super) fn finish(self) {
        // ORDERING: see `Ticket::finish`.
        if self.node().state.fetch_or(QUEUE_DONE, AcqRel) & FUTURE_DONE != 0 {
            // SAFETY: both sides are done.
            unsafe { pool::give(self.0) };
        }
    }
}

/// The queue's side of a waiter whose wait is over, and whose waker is this side's to wake.
pub(super) struct Granted(NonNull<Waiter>);

impl Granted {
    pub(super) fn into_ptr(self) -> NonNull<Waiter> {
        self.0
    }

    /// # Safety
    ///
    /// `node` came from `into_ptr`, and is taken back once.
    pub(super) unsafe fn from_ptr(node: NonNull<Waiter>) -> Self {
        Self(node)
    }

    /// Where the waker is to be woken.
    pub(super) fn home(&self) -> Option<&'static Bell> {
        // SAFETY: the node lives until `into_waker`, and its task is this side's.
        unsafe { self.0.as_ref() }
            .task
            .with(|task| unsafe { (*task).assume_init_ref() }.home)
    }

    /// Ends the queue's side and returns the waker.
    pub(super) fn into_waker(self) -> Waker {
        // SAFETY: a `Granted` exists only where `GRANTED` gave the waker to the queue's side, and
        // it is consumed here.
        let task = unsafe { self.0.as_ref().take_task() };
        Queued(self.0).finish();
        task.waker
    }
}

/// A node that carries a notification for `count` waiters instead of a waiter.
pub(super) struct Notice(NonNull<Waiter>);

impl Notice {
    pub(super) fn new(count: usize) -> Self {
        Self(Waiter::fresh(count))
    }

    pub(super) fn into_ptr(self) -> NonNull<Waiter> {
        self.0
    }

    /// # Safety
    ///
    /// `node` came from `into_ptr`, and is taken back once.
    pub(super) unsafe fn from_ptr(node: NonNull<Waiter>) -> Self {
        Self(node)
    }

    /// Ends the node and returns how many the notification is for.
    pub(super) fn into_count(self) -> usize {
        // SAFETY: a notice has one owner, and nobody writes `need` after it was shared.
        let count = unsafe { self.0.as_ref() }
            .need
            .with(|cell| unsafe { *cell });
        // SAFETY: the only owner gives the node up.
        unsafe { pool::give(self.0) };
        count
    }
}

fn outcome(state: u32) -> Option<Outcome> {
    if state & GRANTED == 0 {
        None
    } else if state & REFUSED != 0 {
        Some(Outcome::Refused)
    } else if state & BROADCAST != 0 {
        Some(Outcome::Broadcast)
    } else {
        Some(Outcome::Granted)
    }
}
