//! Where other threads put the wakes of one runtime.
//!
//! One word is the top of a stack of wakes, and says whether the runtime's listener sleeps:
//!
//! ```text
//!                             push                  push
//!    ARMED ──────────────► stack ◄─────────────┐              CLOSED ──► handed back to the
//!     ▲    push: signals   │  └────────────────┘                ▲        caller, who drops
//!     │                    │ take                               │        the wakers
//!     │ arm                ▼                                    │ close (from any state)
//!     └───────────────── EMPTY ────────────────────────────────┘
//! ```
//!
//! Only the listener takes, arms and closes. It arms with a compare-exchange from `EMPTY`, so a push
//! either is seen by it or sees `ARMED`. The one push that replaces `ARMED` has to signal, and no other
//! until the listener has slept again.

use std::{
    ptr::null_mut,
    sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use super::node::{Node, WakeList, WakeStack};
use crate::loom::AtomicPtr;

pub(super) struct Mailbox<H>(AtomicPtr<Node<H>>);

impl<H> Mailbox<H> {
    const EMPTY: *mut Node<H> = null_mut();
    const ARMED: *mut Node<H> = std::ptr::without_provenance_mut(1);
    const CLOSED: *mut Node<H> = std::ptr::without_provenance_mut(2);

    /// A mailbox that is closed.
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(Self::CLOSED))
    }

    // ---- any thread ----

    /// Puts wakes in. They come back if the mailbox is closed, or `prepare` yields `None`.
    ///
    /// `prepare` is called before each attempt. It is told whether the push, if it succeeds, has to
    /// signal; what it yielded last is returned.
    pub(super) fn push<S>(
        &self,
        mut stack: WakeStack<H>,
        prepare: impl Fn(bool) -> Option<S>,
    ) -> Result<S, WakeStack<H>> {
        // ORDERING: Acquire, here and on failure, so that `CLOSED` is the end: what the listener did
        // before closing happened before its wakers are dropped elsewhere. It pairs with `open`, too:
        // whoever finds the mailbox open for a later runtime knows that it is another's.
        let mut top = self.0.load(Acquire);
        loop {
            let is_armed = top == Self::ARMED;
            let prepared = if top == Self::CLOSED {
                None
            } else {
                prepare(is_armed)
            };
            let Some(prepared) = prepared else {
                stack.link_to(null_mut());
                return Err(stack);
            };
            stack.link_to(if is_armed { null_mut() } else { top });
            // ORDERING: Release publishes the wakes to `take`, and what was prepared to `close`;
            // Acquire pairs with `arm`.
            match self
                .0
                .compare_exchange_weak(top, stack.top(), AcqRel, Acquire)
            {
                Ok(_) => return Ok(prepared),
                Err(now) => top = now,
            }
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        // ORDERING: Acquire pairs with the release in `open`.
        self.0.load(Acquire) == Self::CLOSED
    }

    // ---- the listener ----

    pub(super) fn open(&self) {
        // ORDERING: Release pairs with the acquire in `push` and in `is_closed`.
        self.0.store(Self::EMPTY, Release);
    }

    /// Takes all wakes out, oldest first. The mailbox is no longer armed.
    pub(super) fn take(&self) -> WakeList<H> {
        // ORDERING: Relaxed. Whatever is missed here makes `arm` fail.
        if self.0.load(Relaxed) == Self::EMPTY {
            return WakeList::new();
        }
        // ORDERING: Acquire pairs with the release in `push`.
        Self::into_list(self.0.swap(Self::EMPTY, Acquire))
    }

    /// Has the next push signal. Fails if there are wakes already.
    pub(super) fn arm(&self) -> bool {
        // ORDERING: Release pairs with the acquire of the push that signals.
        self.0
            .compare_exchange(Self::EMPTY, Self::ARMED, Release, Relaxed)
            .is_ok()
    }

    /// Closes the mailbox, and returns what was still in it.
    pub(super) fn close(&self) -> WakeList<H> {
        // ORDERING: Acquire pairs with `push`, Release with its acquire of `CLOSED`.
        Self::into_list(self.0.swap(Self::CLOSED, AcqRel))
    }

    fn into_list(top: *mut Node<H>) -> WakeList<H> {
        if [Self::ARMED, Self::CLOSED].contains(&top) {
            return WakeList::new();
        }
        // SAFETY: stacks linked to each other by `push`, which the swap has taken over.
        unsafe { WakeList::from_stack(top) }
    }
}
