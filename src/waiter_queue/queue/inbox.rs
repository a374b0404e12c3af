//! Messages to a queue's combiner, in the order they were sent.
//!
//! A Treiber stack that is only ever pushed to and taken whole, so a compare-exchange on its top
//! cannot mistake one state for another that looks the same. The combiner reverses it, which
//! restores the order. The low bits of each pointer say what kind of message it points to; a
//! waiter that leaves while the message that it arrived is still unread is in the stack twice,
//! through two different links.

use std::{
    ptr::{NonNull, null_mut},
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
};

use super::waiter::{Notice, Queued, Ticket, Waiter};
use crate::loom::AtomicPtr;

const ARRIVE: usize = 0;
const LEAVE: usize = 1;
const NOTIFY: usize = 2;
const REQUEUE: usize = 3;
const NOTIFY_FIRST: usize = 4;
const NOTIFY_LAST: usize = 5;
const TAG: usize = 7;

const _: () = assert!(std::mem::align_of::<Waiter>() > TAG);

/// What a thread that found the queue locked leaves for the combiner.
pub(super) enum Message {
    /// A waiter to put into the list.
    Arrive(Queued),
    /// A waiter that cancelled its wait, to take out of the list.
    Leave(Ticket),
    /// A notification for the waiters that are in the list at this point.
    Notify(Notice),
    /// A notification for the first waiter of a gate, or to be stored, and which opening of the gate it came before.
    NotifyFirst(Notice),
    /// The same, for the last waiter.
    NotifyLast(Notice),
    /// A waiter that was skipped, or that goes ahead of everyone, to put at the head of the list.
    Requeue(Queued),
}

pub(super) struct Inbox {
    top: AtomicPtr<Waiter>,
}

impl Inbox {
    crate::loom::const_fn! {
        pub(super) fn new() -> Self {
            Self { top: AtomicPtr::new(null_mut()) }
        }
    }

    /// Leaves a message. The sender then has to make sure that somebody reads it.
    pub(super) fn push(&self, message: Message) {
        let (node, tag) = match message {
            Message::Arrive(waiter) => (waiter.into_ptr(), ARRIVE),
            Message::Leave(ticket) => (ticket.as_ptr(), LEAVE),
            Message::Notify(notice) => (notice.into_ptr(), NOTIFY),
            Message::NotifyFirst(notice) => (notice.into_ptr(), NOTIFY_FIRST),
            Message::NotifyLast(notice) => (notice.into_ptr(), NOTIFY_LAST),
            Message::Requeue(waiter) => (waiter.into_ptr(), REQUEUE),
        };
        let message = node.as_ptr().map_addr(|addr| addr | tag);
        // ORDERING: Relaxed. The value is only compared and linked to, never looked into.
        let mut top = self.top.load(Relaxed);
        loop {
            // SAFETY: the message is not in the stack yet, so its link is the sender's.
            unsafe { set_link(message, top) };
            // ORDERING: Release pairs with the acquire in `take`: the reader sees the node.
            match self
                .top
                .compare_exchange_weak(top, message, Release, Relaxed)
            {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }

    /// Whether nobody has left a message that the combiner would have to know of.
    pub(super) fn is_empty(&self) -> bool {
        // ORDERING: Relaxed. Whoever needs a message to be read has changed the queue's word after
        // pushing it, and the combiner has read that change with Acquire.
        self.top.load(Relaxed).is_null()
    }

    /// Takes all messages out.
    pub(super) fn take(&self) -> Messages {
        if self.is_empty() {
            return Messages { next: null_mut() };
        }
        // ORDERING: Acquire pairs with the release in `push`.
        let mut newest = self.top.swap(null_mut(), Acquire);
        let mut next = null_mut();
        while !newest.is_null() {
            // SAFETY: the messages have been taken out, so their links are the taker's.
            let older = unsafe { link(newest) };
            // SAFETY: as above.
            unsafe { set_link(newest, next) };
            next = newest;
            newest = older;
        }
        Messages { next }
    }
}

/// Messages taken out of an inbox, oldest first.
///
/// Has to be read to its end: what is in a message is somebody's node.
pub(super) struct Messages {
    next: *mut Waiter,
}

impl Iterator for Messages {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        let message = self.next;
        let node = NonNull::new(message.map_addr(|addr| addr & !TAG))?;
        // SAFETY: the message is in this list, hence alive, and its link is the list's.
        self.next = unsafe { link(message) };
        // SAFETY: the tag says what kind of pointer `push` was given, and each message is taken
        // out of the list once.
        Some(unsafe {
            match message.addr() & TAG {
                ARRIVE => Message::Arrive(Queued::from_ptr(node)),
                LEAVE => Message::Leave(Ticket::from_ptr(node)),
                NOTIFY => Message::Notify(Notice::from_ptr(node)),
                NOTIFY_FIRST => Message::NotifyFirst(Notice::from_ptr(node)),
                NOTIFY_LAST => Message::NotifyLast(Notice::from_ptr(node)),
                _ => Message::Requeue(Queued::from_ptr(node)),
            }
        })
    }
}

/// The message below `message`.
///
/// # Safety
///
/// `message` is a live message whose link the caller may read.
unsafe fn link(message: *mut Waiter) -> *mut Waiter {
    let node = message.map_addr(|addr| addr & !TAG);
    // SAFETY: by contract.
    unsafe {
        if message.addr() & TAG == LEAVE {
            (*node).leave_next.with(|next| *next)
        } else {
            (*node).links.with(|links| (*links).next)
        }
    }
}

/// Puts `next` below `message`.
///
/// # Safety
///
/// `message` is a live message whose link the caller may write.
unsafe fn set_link(message: *mut Waiter, next: *mut Waiter) {
    let node = message.map_addr(|addr| addr & !TAG);
    // SAFETY: by contract.
    unsafe {
        if message.addr() & TAG == LEAVE {
            (*node).leave_next.with_mut(|link| *link = next);
        } else {
            (*node).links.with_mut(|links| (*links).next = next);
        }
    }
}
