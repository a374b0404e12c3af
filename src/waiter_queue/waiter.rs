//! One suspended operation: its state machine, its waker, its home.
//!
//! A [`Waiter`] is a heap node with two owners. The *future* side is the pending operation, and
//! holds a [`Ticket`]. The *queue* side is whoever has the node in its line, inbox or batch, and
//! holds a [`Queued`]. To wake the operation the queue side sends a [`Letter`], which is a third
//! share in the node until it has arrived. Whoever leaves last gives the node back to the pool;
//! nobody ever waits for another.
//!
//! ```text
//!                        ┌────────── UPDATING ◄─┐
//!                        ▼ (future: new waker)  │
//!   enqueue ──────► WAITING ────────────────────┘
//!                   │  │  ▲
//!      queue: grant │  │  │ future: came in vain (new waker)
//!                   │  │  └──────────────┐
//!                   │  └─ queue: call ─► CALLED ── queue: passed over ─► ABSENT
//!                   ▼                                            (out of line)
//!      GRANTED (+REFUSED, +BROADCAST)
//!
//!   future: cancel, from any of them but GRANTED ─► CANCELLED
//! ```
//!
//! `GRANTED` and `CANCELLED` are both set with a `fetch_or`: whoever comes first in the word's
//! modification order has won, and the loser learns it from the value it read.
//!
//! The waker and the home belong to
//! - the future, while the node is `WAITING`, and for ever if `CANCELLED` won there;
//! - the letter, from `GRANTED` or `CALLED` on, unless `UPDATING` was set at that moment: the
//!   future is then being polled, finds out when it clears `UPDATING`, and takes the waker back;
//! - nobody, once a called waiter's letter has arrived (`LETTER` is cleared): the future leaves
//!   another waker before it waits again. `GRANTED` finds nobody to wake then, as the future has
//!   been woken, and has not yet come.
//!
//! `QUEUE_DONE` and `FUTURE_DONE` are each side's last access to the node, and so is the clearing
//! of `LETTER` for a called waiter's letter. A granted waiter's letter ends the queue's side.

use std::{
    mem::MaybeUninit,
    ptr::NonNull,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed},
    task::{Context, Waker},
};

use super::{doorbell::Home, pool};
use crate::loom::{AtomicU32, UnsafeCell};

const GRANTED: u32 = 1;
const REFUSED: u32 = 1 << 1;
const BROADCAST: u32 = 1 << 2;
const CANCELLED: u32 = 1 << 3;
const UPDATING: u32 = 1 << 4;
const QUEUE_DONE: u32 = 1 << 5;
const FUTURE_DONE: u32 = 1 << 6;
const CALLED: u32 = 1 << 7;
const LETTER: u32 = 1 << 8;
const ABSENT: u32 = 1 << 9;

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

/// What a future finds its wait in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Waiting in line.
    Waits,
    /// Called to take what it needs, if that is still there.
    Called,
    /// Called, passed over since, and out of line.
    Absent,
    /// Over.
    Over(Outcome),
}

/// What became of a called waiter that came in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It waits again, and answers no call any more.
    Again,
    /// Its letter is still under way, to the waker that it was polled with: it will be polled again.
    Expected,
    /// Its letter is still under way, to another waker. This node cannot take the waker.
    Stuck,
    /// There is something else to look at.
    See(Look),
}

/// Whom to wake, and where.
pub(super) struct Task {
    pub(super) waker: Waker,
    pub(super) home: Option<Home>,
}

/// Where a node is, and what the line has done for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In no line.
    Out,
    /// In line.
    InLine,
    /// In line for the second time, having been passed over in the first.
    Returned,
}

/// A node's place in a list. In the inbox and in a chain only `next` is used.
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
    /// Belongs to the holder of the turn, even while the links belong to somebody's chain.
    pub(super) place: UnsafeCell<Place>,
    /// The inbox's link for the message that the waiter leaves, which may be there while the
    /// message that it arrived still is. Written by the future, then read by the turn's holder.
    pub(super) leave_next: UnsafeCell<*mut Waiter>,
    /// The letter's link, in a batch and in a doorbell: a called waiter stays in line meanwhile.
    /// Belongs to whoever has the letter.
    pub(super) letter_next: UnsafeCell<*mut Waiter>,
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
            place: UnsafeCell::new(Place::Out),
            leave_next: UnsafeCell::new(std::ptr::null_mut()),
            letter_next: UnsafeCell::new(std::ptr::null_mut()),
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
        // the caller. A letter may have moved the waker out by copying its bits; they stay in
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
// are on; `Waker` is `Send`, and a `Home`'s bell is shared by design.
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

    /// What the wait has come to.
    pub(super) fn look(&self) -> Look {
        // ORDERING: Acquire pairs with the release in `Queued::grant` and `Queued::call`: what
        // happened before the grant happened before the operation completes.
        look(self.node().state.load(Acquire))
    }

    /// Leaves `cx`'s waker to be woken, in a wait that was looked at and is not over.
    ///
    /// `home` is called for the waker's home if the waker is not the one left before.
    pub(super) fn leave_waker(
        &mut self,
        cx: &Context<'_>,
        home: impl FnOnce(&Waker) -> Option<Home>,
    ) -> Look {
        let node = self.node();
        if node.will_wake(cx.waker()) {
            return Look::Waits;
        }
        // Cloning is the caller's code: it comes first, when there is nothing yet to undo.
        let waker = cx.waker().clone();
        let new = Task {
            home: home(&waker),
            waker,
        };
        // ORDERING: Acquire pairs with `Queued::grant` and `Queued::call`, as in `look`.
        match look(node.state.fetch_or(UPDATING, Acquire)) {
            Look::Waits => {}
            Look::Over(outcome) => return Look::Over(outcome),
            // The waker is the letter's.
            Look::Called | Look::Absent => {
                // ORDERING: Acquire, as above. Nothing was written.
                return look(node.state.fetch_and(!UPDATING, Acquire));
            }
        }
        // SAFETY: `UPDATING` was set before `GRANTED` or `CALLED`, so the waker is this side's.
        let old = node
            .task
            .with_mut(|cell| unsafe { std::mem::replace((*cell).assume_init_mut(), new) });
        // ORDERING: Release publishes the new waker to the letter; Acquire as above.
        let look = look(node.state.fetch_and(!UPDATING, AcqRel));
        if look != Look::Waits {
            // SAFETY: whoever granted or called saw `UPDATING` and left the waker to this side.
            drop(unsafe { node.take_task() });
        }
        drop(old);
        look
    }

    /// Waits again, in the same place, with `cx`'s waker. For a called waiter that came in vain.
    ///
    /// `home` is called for the waker's home.
    pub(super) fn stand(
        &mut self,
        cx: &Context<'_>,
        home: impl FnOnce(&Waker) -> Option<Home>,
    ) -> Stand {
        let node = self.node();
        let is_known = node.will_wake(cx.waker());
        // ORDERING: Acquire pairs with the release in `Letter::into_waker`: the waker has been taken
        // out before another one is put in.
        if node.state.load(Acquire) & LETTER != 0 {
            return if is_known {
                Stand::Expected
            } else {
                Stand::Stuck
            };
        }
        let waker = cx.waker().clone();
        // Asked even if the waker is a known one: the old one has been dropped, and that of a task of
        // another runtime's may have got its place in memory.
        let home = home(&waker);
        // SAFETY: the node is called and its letter has arrived: the place is empty, and nobody else
        // looks at it before `CALLED` is cleared.
        node.task.with_mut(|cell| unsafe {
            (*cell).write(Task { waker, home });
        });
        // ORDERING: Release publishes the waker to the next letter; Acquire as in `look`.
        match look(node.state.fetch_and(!CALLED, AcqRel)) {
            Look::Called => Stand::Again,
            other => {
                // SAFETY: whoever granted, or passed the waiter over, saw `CALLED` and left the waker
                // alone.
                drop(unsafe { node.take_task() });
                Stand::See(other)
            }
        }
    }

    /// Calls the wait off, or says how it had ended before that.
    ///
    /// Returns the waker, if it was still there, for the caller to drop when it holds nothing else.
    pub(super) fn cancel(&mut self) -> Result<Option<Task>, Outcome> {
        // ORDERING: Acquire pairs with `Queued::grant`. What the future did with the node is published
        // by `finish`, or by the message that it leaves.
        match look(self.node().state.fetch_or(CANCELLED, Acquire)) {
            // SAFETY: `CANCELLED` came before `GRANTED` and `CALLED`: the waker stays this side's for
            // ever.
            Look::Waits => Ok(Some(unsafe { self.node().take_task() })),
            Look::Called | Look::Absent => Ok(None),
            Look::Over(outcome) => Err(outcome),
        }
    }

    /// Whether the waiter was passed over, and is not in line.
    pub(super) fn is_absent(&self) -> bool {
        self.look() == Look::Absent
    }

    /// Ends the future's side.
    pub(super) fn finish(self) {
        let state = &self.node().state;
        // ORDERING: Acquire pairs with the release in `Queued::finish`: the last one out sees the
        // other's accesses as past. Release is for the same, the other way round.
        if state.load(Acquire) & (QUEUE_DONE | LETTER) == QUEUE_DONE
            || state.fetch_or(FUTURE_DONE, AcqRel) & (QUEUE_DONE | LETTER) == QUEUE_DONE
        {
            // SAFETY: both sides are done, and no letter is under way.
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

    /// What the wait has come to, or `None` if it was called off.
    pub(super) fn look(&self) -> Option<Look> {
        // ORDERING: Relaxed. To be called and granted takes the turn, which the caller has; who comes
        // in vain says so in the queue's word, which makes the turn look again.
        let state = self.node().state.load(Relaxed);
        (state & CANCELLED == 0).then(|| look(state))
    }

    /// Ends the wait with `outcome`, unless it was called off. Says whether it was not.
    ///
    /// A waiter that has to be woken is returned for that.
    pub(super) fn grant(self, outcome: Outcome) -> (bool, Option<Letter>) {
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
        } else if state & (UPDATING | CALLED) != 0 {
            // It is being polled, or has been woken.
            self.finish();
            (true, None)
        } else {
            (true, Some(Letter(self.0)))
        }
    }

    /// Calls the waiter, which stays in line, to take what it needs. Fails if it has called its
    /// wait off.
    ///
    /// A waiter that has to be woken is returned for that.
    pub(super) fn call(&self) -> Result<Option<Letter>, ()> {
        let state = &self.node().state;
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut now = state.load(Relaxed);
        loop {
            if now & CANCELLED != 0 {
                return Err(());
            }
            let letter = if now & UPDATING == 0 { LETTER } else { 0 };
            // ORDERING: as in `grant`.
            match state.compare_exchange_weak(now, now | CALLED | letter, AcqRel, Relaxed) {
                Ok(_) => return Ok((letter != 0).then_some(Letter(self.0))),
                Err(other) => now = other,
            }
        }
    }

    /// Passes a waiter over that is called. Fails if it has come by now.
    pub(super) fn pass_over(&self) -> bool {
        let state = &self.node().state;
        // ORDERING: Relaxed. The compare-exchange decides.
        let mut now = state.load(Relaxed);
        loop {
            if now & CALLED == 0 {
                return false;
            }
            // ORDERING: Relaxed. It tells the future where it stands, and hands nothing over.
            match state.compare_exchange_weak(now, now | ABSENT, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
    }

    /// Ends the queue's side.
    pub(super) fn finish(self) {
        // ORDERING: see `Ticket::finish`.
        let state = self.node().state.fetch_or(QUEUE_DONE, AcqRel);
        if state & (FUTURE_DONE | LETTER) == FUTURE_DONE {
            // SAFETY: both sides are done, and no letter is under way.
            unsafe { pool::give(self.0) };
        }
    }
}

/// The wake of a waiter that was granted or called, and whose waker is the letter's.
pub(super) struct Letter(NonNull<Waiter>);

impl Letter {
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
    pub(super) fn home(&self) -> Option<Home> {
        // SAFETY: the node lives until `into_waker`, and its task is this letter's.
        unsafe { self.0.as_ref() }
            .task
            .with(|task| unsafe { (*task).assume_init_ref() }.home)
    }

    /// Ends the letter and returns the waker.
    pub(super) fn into_waker(self) -> Waker {
        // SAFETY: the letter keeps the node alive.
        let node = unsafe { self.0.as_ref() };
        // SAFETY: a `Letter` exists only where `GRANTED` or `CALLED` gave it the waker, and it is
        // consumed here.
        let task = unsafe { node.take_task() };
        // ORDERING: Relaxed. `LETTER` was set before the letter was sent, and only this clears it.
        if node.state.load(Relaxed) & LETTER == 0 {
            Queued(self.0).finish();
        } else {
            // ORDERING: Release pairs with the acquire in `Ticket::stand`, and both with
            // `Ticket::finish`.
            let state = node.state.fetch_and(!LETTER, AcqRel);
            if state & (QUEUE_DONE | FUTURE_DONE) == QUEUE_DONE | FUTURE_DONE {
                // SAFETY: all are done.
                unsafe { pool::give(self.0) };
            }
        }
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

fn look(state: u32) -> Look {
    if state & GRANTED != 0 {
        Look::Over(if state & REFUSED != 0 {
            Outcome::Refused
        } else if state & BROADCAST != 0 {
            Outcome::Broadcast
        } else {
            Outcome::Granted
        })
    } else if state & ABSENT != 0 {
        Look::Absent
    } else if state & CALLED != 0 {
        Look::Called
    } else {
        Look::Waits
    }
}
