//! One suspended operation: its state machine and its two sides.
//!
//! A [`Waiter`] is a heap node with two owners. The *future* side is the pending operation, and
//! holds a [`Ticket`]. The *queue* side is whoever has the node in its list, inbox or chain, and
//! holds a [`Queued`]. To wake the operation the queue side makes a [`Wake`], which is a third
//! share in the node until it has been delivered. Whoever leaves last gives the node back to the pool;
//! nobody ever waits for another.
//!
//! ```text
//!                        ┌────────── UPDATING ◄─┐
//!                        ▼ (future: new waker)  │
//!   enqueue ──────► WAITING ────────────────────┘
//!                   │  │  ▲
//!      queue: grant │  │  │ future: found nothing (new waker)
//!                   │  │  └──────────────┐
//!                   │  └─ queue: wake ─► WOKEN ── queue: skip ─► SKIPPED
//!                   ▼                                       (out of the list)
//!      GRANTED (+REFUSED, +BROADCAST)
//!
//!   future: cancel, from any of them but GRANTED ─► CANCELLED
//! ```
//!
//! `GRANTED` and `CANCELLED` are both set with a `fetch_or`: whoever comes first in the word's
//! modification order has won, and the loser learns it from the value it read.
//!
//! The task (waker and home) belongs to
//! - the future, while the node is `WAITING`, and for ever if `CANCELLED` won there;
//! - the wake, from `GRANTED` or `WOKEN` on, unless `UPDATING` was set at that moment: the
//!   future is then being polled, finds out when it clears `UPDATING`, and takes the task back;
//! - nobody, once a woken waiter's wake has been delivered (`IN_FLIGHT` is cleared): the future sets
//!   another task before it waits again. `GRANTED` finds nobody to wake then, as the future has
//!   been woken, and has not been polled yet.
//!
//! `QUEUE_DONE` and `FUTURE_DONE` are each side's last access to the node, and so is the clearing
//! of `IN_FLIGHT` for a woken waiter's wake. A granted waiter's wake ends the queue's side.

use std::{
    cell::RefCell,
    ptr::NonNull,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed},
    task::{Context, Waker},
};

use super::pool::Pool;
use crate::{
    loom::{self, AtomicU32, UnsafeCell},
    waiter_queue::wake::{Home, Node, Task, Wake},
};

const GRANTED: u32 = 1;
const REFUSED: u32 = 1 << 1;
const BROADCAST: u32 = 1 << 2;
const CANCELLED: u32 = 1 << 3;
const UPDATING: u32 = 1 << 4;
const QUEUE_DONE: u32 = 1 << 5;
const FUTURE_DONE: u32 = 1 << 6;
const WOKEN: u32 = 1 << 7;
const IN_FLIGHT: u32 = 1 << 8;
const SKIPPED: u32 = 1 << 9;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What it waited for is the waiter's.
    Granted,
    /// Like `Granted`, as one of all the waiters there were.
    Broadcast,
    /// Like `Granted`, as the last in the list.
    GrantedLast,
    /// It was turned away: the queue is closed.
    Refused,
}

/// What a wait has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// In the list.
    Waiting,
    /// Woken to take what it needs, if that is still there.
    Woken,
    /// Woken, skipped since, and out of the list.
    Skipped,
    /// Over.
    Done(Outcome),
}

/// What became of a woken waiter that found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rewait {
    /// It waits again in the same place, with no wake outstanding.
    Waiting,
    /// Its wake is still in flight, to the waker that it was polled with: it will be polled again.
    InFlight,
    /// Its wake is still in flight, to another waker. This node cannot take the waker.
    Stuck,
    /// There is something else to see to.
    Changed(State),
}

/// Where a node is, and how it got there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// In no list.
    Unlinked,
    /// In the list.
    Queued,
    /// In the list for the second time, having been skipped in the first.
    Requeued,
    /// In the list, or on the way there, ahead of everyone.
    Ahead,
}

/// A node's links in a list. In the inbox and in a chain only `next` is used.
pub(super) struct Links {
    pub(super) next: *mut Waiter,
    pub(super) prev: *mut Waiter,
}

// `wake` first: a pointer to it is one to the waiter. Aligned for the tags of messages.
#[repr(C, align(8))]
pub(crate) struct Waiter {
    wake: Node,
    state: AtomicU32,
    /// Belongs to the combiner, even while the links belong to somebody's chain. Before the node is shared,
    /// to whoever has it.
    pub(super) position: UnsafeCell<Position>,
    /// How much the waiter needs; in a notification, what [`Notice::into_count`] says. Written before the node
    /// is shared, only read afterwards.
    need: UnsafeCell<usize>,
    /// Belongs to the queue side once the node is enqueued.
    pub(super) links: UnsafeCell<Links>,
    /// The inbox's link for the message that the waiter leaves, which may be there while the
    /// message that it arrived still is. Written by the future, then read by the combiner.
    pub(super) leave_next: UnsafeCell<*mut Waiter>,
}

loom::thread_local! {
    static POOL: RefCell<Pool<Waiter>> = const { RefCell::new(Pool::new()) };
}

impl Waiter {
    /// An idle node.
    fn new() -> Self {
        Self {
            wake: Node::new(Self::wake_delivered),
            state: AtomicU32::new(0),
            position: UnsafeCell::new(Position::Unlinked),
            need: UnsafeCell::new(0),
            links: UnsafeCell::new(Links {
                next: std::ptr::null_mut(),
                prev: std::ptr::null_mut(),
            }),
            leave_next: UnsafeCell::new(std::ptr::null_mut()),
        }
    }

    /// Takes a node that nobody else knows of from the thread's pool, or makes one.
    fn take(need: usize) -> NonNull<Self> {
        // No pool: the thread is past its destructors.
        let node = match POOL.try_with(|pool| pool.borrow_mut().take()) {
            Ok(Some(node)) => node,
            Ok(None) | Err(_) => NonNull::from(Box::leak(Box::new(Self::new()))),
        };
        // SAFETY: a live node that nobody else has.
        let this = unsafe { node.as_ref() };
        // ORDERING: Relaxed. The node is published by whatever shares it.
        this.state.store(0, Relaxed);
        // SAFETY: as above, this thread has the node to itself.
        this.need.with_mut(|cell| unsafe { *cell = need });
        node
    }

    /// Gives a node back to the thread's pool.
    ///
    /// # Safety
    ///
    /// `node` came from `take`, nobody refers to it any more, and its task has been taken out.
    unsafe fn give(node: NonNull<Self>) {
        // SAFETY: by contract; `take` made it by `Box::leak`.
        let kept = POOL.try_with(|pool| unsafe { pool.borrow_mut().give(node) });
        if !kept.unwrap_or(false) {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(node.as_ptr()) });
        }
    }

    /// Ends a wake's share in its node.
    ///
    /// # Safety
    ///
    /// `node` is the `wake` of a waiter, and a [`Wake`] of it ends here.
    unsafe fn wake_delivered(node: NonNull<Node>) {
        let waiter = node.cast::<Self>();
        // SAFETY: by contract, and `Waiter` begins with its `Node`. The wake keeps it alive.
        let state = unsafe { &waiter.as_ref().state };
        // ORDERING: Relaxed. `IN_FLIGHT` was set before the wake was sent, and only this clears it.
        if state.load(Relaxed) & IN_FLIGHT == 0 {
            Queued(waiter).finish();
        } else {
            // ORDERING: Release pairs with the acquire in `Ticket::rewait`, and both with
            // `Ticket::finish`.
            let state = state.fetch_and(!IN_FLIGHT, AcqRel);
            if state & (QUEUE_DONE | FUTURE_DONE) == QUEUE_DONE | FUTURE_DONE {
                // SAFETY: all are done.
                unsafe { Self::give(waiter) };
            }
        }
    }
}

/// The future's side of a waiter.
pub(crate) struct Ticket(NonNull<Waiter>);

// SAFETY: a waiter's fields are shared under the protocol above, whichever threads its two sides
// are on; `Waker` is `Send`, and a `Home` is shared by design.
unsafe impl Send for Ticket {}
// SAFETY: as above; `&Ticket` gives access to nothing but the atomic state.
unsafe impl Sync for Ticket {}

impl Ticket {
    /// A new waiter, and the queue's side of it.
    pub(crate) fn new(need: usize, task: Task) -> (Self, Queued) {
        let node = Waiter::take(need);
        // SAFETY: nobody else knows of the node, which has no task.
        unsafe { node.as_ref().wake.set_task(task) };
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

    /// What the wait has come to.
    pub(crate) fn state(&self) -> State {
        // ORDERING: Acquire pairs with the release in `Queued::grant` and `Queued::wake`: what
        // happened before the grant happened before the operation completes.
        state(self.node().state.load(Acquire))
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state(), State::Done(_))
    }

    pub(crate) fn is_granted(&self) -> bool {
        self.state() == State::Done(Outcome::Granted)
    }

    fn will_wake(&self, waker: &Waker) -> bool {
        // SAFETY: set in `new`, and only the future's side sets it, which is the caller.
        unsafe { self.node().wake.will_wake(waker) }
    }

    /// Sets `cx`'s waker to be woken, in a wait that is `Waiting`.
    ///
    /// `home_of` is called for the waker's home if the waker is not the one set before.
    pub(crate) fn set_waker(
        &mut self,
        cx: &Context<'_>,
        home_of: impl FnOnce(&Waker) -> Option<Home>,
    ) -> State {
        if self.will_wake(cx.waker()) {
            return State::Waiting;
        }
        let node = self.node();
        // Cloning is the caller's code: it comes first, when there is nothing yet to undo.
        let waker = cx.waker().clone();
        let new = Task {
            home: home_of(&waker),
            waker,
        };
        // ORDERING: Acquire pairs with `Queued::grant` and `Queued::wake`, as in `state`.
        match state(node.state.fetch_or(UPDATING, Acquire)) {
            State::Waiting => {}
            State::Done(outcome) => return State::Done(outcome),
            // The task is the wake's.
            State::Woken | State::Skipped => {
                // ORDERING: Acquire, as above. Nothing was written.
                return state(node.state.fetch_and(!UPDATING, Acquire));
            }
        }
        // SAFETY: `UPDATING` was set before `GRANTED` or `WOKEN`, so the task is this side's.
        let old = unsafe { node.wake.replace_task(new) };
        // ORDERING: Release publishes the new task to the wake; Acquire as above.
        let state = state(node.state.fetch_and(!UPDATING, AcqRel));
        if state != State::Waiting {
            // SAFETY: whoever granted or woke saw `UPDATING` and left the task to this side.
            drop(unsafe { node.wake.take_task() });
        }
        drop(old);
        state
    }

    /// Waits again, in the same place, with `cx`'s waker. For a woken waiter that found nothing.
    ///
    /// `home_of` is called for the waker's home.
    pub(crate) fn rewait(
        &mut self,
        cx: &Context<'_>,
        home_of: impl FnOnce(&Waker) -> Option<Home>,
    ) -> Rewait {
        let is_known = self.will_wake(cx.waker());
        let node = self.node();
        // ORDERING: Acquire pairs with the release in `Waiter::wake_delivered`: the task has been taken
        // out before another one is put in.
        if node.state.load(Acquire) & IN_FLIGHT != 0 {
            return if is_known {
                Rewait::InFlight
            } else {
                Rewait::Stuck
            };
        }
        let waker = cx.waker().clone();
        // Asked even if the waker is a known one: the old one has been dropped, and that of a task of
        // another runtime's may have got its place in memory.
        let home = home_of(&waker);
        // SAFETY: the node is woken and its wake was delivered: there is no task, and nobody else
        // looks at it before `WOKEN` is cleared.
        unsafe { node.wake.set_task(Task { waker, home }) };
        // ORDERING: Release publishes the task to the next wake; Acquire as in `state`.
        match state(node.state.fetch_and(!WOKEN, AcqRel)) {
            State::Woken => Rewait::Waiting,
            other => {
                // SAFETY: whoever granted, or skipped the waiter, saw `WOKEN` and left the task alone.
                drop(unsafe { node.wake.take_task() });
                Rewait::Changed(other)
            }
        }
    }

    /// Cancels the wait, or says how it had ended before that.
    ///
    /// Returns the task, if it was still there, for the caller to drop when it holds nothing else.
    pub(crate) fn cancel(&mut self) -> Result<Option<Task>, Outcome> {
        // ORDERING: Acquire pairs with `Queued::grant`. What the future did with the node is published
        // by `finish`, or by the message that it leaves.
        match state(self.node().state.fetch_or(CANCELLED, Acquire)) {
            // SAFETY: `CANCELLED` came before `GRANTED` and `WOKEN`: the task stays this side's for
            // ever.
            State::Waiting => Ok(Some(unsafe { self.node().wake.take_task() })),
            State::Woken | State::Skipped => Ok(None),
            State::Done(outcome) => Err(outcome),
        }
    }

    /// Whether the waiter was skipped, and is not in the list.
    pub(super) fn is_skipped(&self) -> bool {
        self.state() == State::Skipped
    }

    /// Ends the future's side.
    pub(crate) fn finish(self) {
        let state = &self.node().state;
        // ORDERING: Acquire pairs with the release in `Queued::finish`: the last one out sees the
        // other's accesses as past. Release is for the same, the other way round.
        if state.load(Acquire) & (QUEUE_DONE | IN_FLIGHT) == QUEUE_DONE
            || state.fetch_or(FUTURE_DONE, AcqRel) & (QUEUE_DONE | IN_FLIGHT) == QUEUE_DONE
        {
            // SAFETY: both sides are done, and no wake is in flight.
            unsafe { Waiter::give(self.0) };
        }
    }
}

/// The queue's side of a waiter.
pub(crate) struct Queued(NonNull<Waiter>);

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

    pub(crate) fn need(&self) -> usize {
        // SAFETY: not written since before the node was enqueued.
        self.node().need.with(|cell| unsafe { *cell })
    }

    /// What the wait has come to, or `None` if it was cancelled.
    pub(super) fn state(&self) -> Option<State> {
        // ORDERING: Relaxed. To be woken and granted takes the lock, which the caller has; a woken waiter
        // that found nothing says so in the queue's word, which makes the combiner look again.
        let bits = self.node().state.load(Relaxed);
        (bits & CANCELLED == 0).then(|| state(bits))
    }

    fn to_wake(&self) -> Wake {
        // SAFETY: the caller has got the task for the wake, and the pointer is to the whole waiter. The
        // node lives until `Waiter::wake_delivered`.
        unsafe { Wake::new(self.0.cast()) }
    }

    /// Ends the wait with `outcome`, unless it was cancelled. Says whether it was not.
    ///
    /// If the waiter has to be woken, its wake is returned.
    pub(crate) fn grant(self, outcome: Outcome) -> (bool, Option<Wake>) {
        let bits = match outcome {
            Outcome::Granted => GRANTED,
            Outcome::Broadcast => GRANTED | BROADCAST,
            Outcome::GrantedLast => GRANTED | BROADCAST | REFUSED,
            Outcome::Refused => GRANTED | REFUSED,
        };
        // ORDERING: Release pairs with the future's acquire: all that led to the grant happened
        // before the operation completes. Acquire pairs with the future's release of its task.
        let state = self.node().state.fetch_or(bits, AcqRel);
        if state & CANCELLED != 0 {
            self.finish();
            (false, None)
        } else if state & (UPDATING | WOKEN) != 0 {
            // It is being polled, or has been woken.
            self.finish();
            (true, None)
        } else {
            (true, Some(self.to_wake()))
        }
    }

    /// Wakes the waiter, which stays in the list, to take what it needs. Fails if it has cancelled its
    /// wait.
    ///
    /// If the waiter has to be woken, its wake is returned.
    pub(crate) fn wake(&self) -> Result<Option<Wake>, ()> {
        let state = &self.node().state;
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut now = state.load(Relaxed);
        loop {
            if now & CANCELLED != 0 {
                return Err(());
            }
            let in_flight = if now & UPDATING == 0 { IN_FLIGHT } else { 0 };
            // ORDERING: as in `grant`.
            match state.compare_exchange_weak(now, now | WOKEN | in_flight, AcqRel, Relaxed) {
                Ok(_) => return Ok((in_flight != 0).then(|| self.to_wake())),
                Err(other) => now = other,
            }
        }
    }

    /// Skips a waiter that is woken. Fails if it has been polled by now.
    pub(crate) fn skip(&self) -> bool {
        let state = &self.node().state;
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut now = state.load(Relaxed);
        loop {
            if now & WOKEN == 0 {
                return false;
            }
            // ORDERING: Relaxed. It tells the future its state, and hands nothing over.
            match state.compare_exchange_weak(now, now | SKIPPED, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
    }

    /// Ends the queue's side.
    pub(crate) fn finish(self) {
        // ORDERING: see `Ticket::finish`.
        let state = self.node().state.fetch_or(QUEUE_DONE, AcqRel);
        if state & (FUTURE_DONE | IN_FLIGHT) == FUTURE_DONE {
            // SAFETY: both sides are done, and no wake is in flight.
            unsafe { Waiter::give(self.0) };
        }
    }
}

/// A node that carries a notification for `count` waiters instead of a waiter.
pub(super) struct Notice(NonNull<Waiter>);

impl Notice {
    pub(super) fn new(count: usize) -> Self {
        Self(Waiter::take(count))
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

    /// Ends the node and returns how many the notification is for, or which opening of a gate it came before.
    pub(super) fn into_count(self) -> usize {
        // SAFETY: a notice has one owner, and nobody writes `need` after it was shared.
        let count = unsafe { self.0.as_ref() }
            .need
            .with(|cell| unsafe { *cell });
        // SAFETY: the only owner gives the node up.
        unsafe { Waiter::give(self.0) };
        count
    }
}

fn state(bits: u32) -> State {
    if bits & GRANTED != 0 {
        State::Done(match bits & (REFUSED | BROADCAST) {
            0 => Outcome::Granted,
            REFUSED => Outcome::Refused,
            BROADCAST => Outcome::Broadcast,
            _ => Outcome::GrantedLast,
        })
    } else if bits & SKIPPED != 0 {
        State::Skipped
    } else if bits & WOKEN != 0 {
        State::Woken
    } else {
        State::Waiting
    }
}
