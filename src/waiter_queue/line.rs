//! The line of waiters, first come first served, and the chains they are taken out in.
//!
//! Plain single-threaded code: a line belongs to the holder of its queue's turn, a chain to
//! whoever has it. Every operation is O(1), but for [`Line::take_all`].

use std::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{NonNull, null_mut},
};

use super::waiter::{Letter, Place, Queued, Ticket, Waiter};

/// A doubly linked ring of waiters, `head` being the one that has waited longest.
pub(super) struct Line {
    head: *mut Waiter,
}

// SAFETY: the nodes are the queue's side of waiters, which may be on any thread.
unsafe impl Send for Line {}

impl Line {
    pub(super) const fn new() -> Self {
        Self { head: null_mut() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// The waiter that has waited longest, which stays in line.
    pub(super) fn head(&self) -> Option<ManuallyDrop<Queued>> {
        let head = NonNull::new(self.head)?;
        // SAFETY: the line owns its nodes' queue side; this one is looked at and not ended.
        Some(ManuallyDrop::new(unsafe { Queued::from_ptr(head) }))
    }

    /// The waiter behind the head, which stays in line.
    pub(super) fn second(&self) -> Option<ManuallyDrop<Queued>> {
        let head = NonNull::new(self.head)?;
        let (_, next) = links(self.head);
        // SAFETY: as in `head`.
        NonNull::new(next)
            .filter(|next| *next != head)
            .map(|next| ManuallyDrop::new(unsafe { Queued::from_ptr(next) }))
    }

    pub(super) fn push_back(&mut self, waiter: Queued) {
        let node = waiter.into_ptr().as_ptr();
        if self.head.is_null() {
            set(node, node, node);
            self.head = node;
        } else {
            let (tail, _) = links(self.head);
            set(node, tail, self.head);
            set_next(tail, node);
            set_prev(self.head, node);
        }
    }

    /// Puts a waiter in that has been in line before: ahead of all who have not.
    ///
    /// Costs a step for each of those who have.
    pub(super) fn put_back(&mut self, waiter: Queued) {
        let mut before = self.head;
        while !before.is_null() && place(before) == Place::Returned {
            let (_, next) = links(before);
            before = if next == self.head { null_mut() } else { next };
        }
        let node = waiter.into_ptr().as_ptr();
        // Appended, which in a ring is also in front of the head.
        // SAFETY: as it came.
        self.push_back(unsafe { Queued::from_ptr(NonNull::new_unchecked(node)) });
        if !before.is_null() && before == self.head {
            self.head = node;
        } else if !before.is_null() {
            let (last, head) = links(node);
            set_next(last, head);
            set_prev(head, last);
            let (prev, _) = links(before);
            set(node, prev, before);
            set_next(prev, node);
            set_prev(before, node);
        }
        set_place(node, Place::Returned);
    }

    /// What has been done for the head, if there is one.
    pub(super) fn head_place(&self) -> Place {
        if self.head.is_null() {
            Place::Out
        } else {
            place(self.head)
        }
    }

    /// Whether the head is the waiter that `ticket` is the other side of.
    pub(super) fn is_head(&self, ticket: &Ticket) -> bool {
        self.head == ticket.as_ptr().as_ptr()
    }

    pub(super) fn pop_front(&mut self) -> Option<Queued> {
        let head = NonNull::new(self.head)?;
        self.unlink(head);
        // SAFETY: it was pushed as a `Queued`, and has just been taken out.
        Some(unsafe { Queued::from_ptr(head) })
    }

    pub(super) fn pop_second(&mut self) -> Option<Queued> {
        let second = ManuallyDrop::into_inner(self.second()?).into_ptr();
        self.unlink(second);
        // SAFETY: it was pushed as a `Queued`, and has just been taken out.
        Some(unsafe { Queued::from_ptr(second) })
    }

    /// Takes out the waiter that `ticket` is the other side of, if it is still in line.
    pub(super) fn remove(&mut self, ticket: &Ticket) -> Option<Queued> {
        // The ticket keeps the node alive.
        let node = ticket.as_ptr();
        if place(node.as_ptr()) == Place::Out {
            return None;
        }
        self.unlink(node);
        // SAFETY: it was pushed as a `Queued`, and has just been taken out.
        Some(unsafe { Queued::from_ptr(node) })
    }

    /// Takes everyone out, in order. Costs a few writes per waiter.
    pub(super) fn take_all(&mut self, into: &mut Chain<Queued>) -> usize {
        let mut count = 0;
        while let Some(waiter) = self.pop_front() {
            into.push_back(waiter);
            count += 1;
        }
        count
    }

    fn unlink(&mut self, node: NonNull<Waiter>) {
        let node = node.as_ptr();
        let (prev, next) = links(node);
        if next == node {
            self.head = null_mut();
        } else {
            set_next(prev, next);
            set_prev(next, prev);
            if self.head == node {
                self.head = next;
            }
        }
        set_place(node, Place::Out);
    }
}

// Those below are called with nodes of one line, chain or pile, by whoever has that to itself.

fn links(node: *mut Waiter) -> (*mut Waiter, *mut Waiter) {
    // SAFETY: see above: the node is alive, and its links are the caller's.
    unsafe { (*node).links.with(|links| ((*links).prev, (*links).next)) }
}

fn set(node: *mut Waiter, prev: *mut Waiter, next: *mut Waiter) {
    // SAFETY: as in `links`.
    unsafe {
        (*node).links.with_mut(|links| {
            (*links).prev = prev;
            (*links).next = next;
        });
    }
    set_place(node, Place::InLine);
}

fn place(node: *mut Waiter) -> Place {
    // SAFETY: as in `links`; the place belongs to the turn's holder.
    unsafe { (*node).place.with(|place| *place) }
}

fn set_place(node: *mut Waiter, place: Place) {
    // SAFETY: as in `place`.
    unsafe { (*node).place.with_mut(|it| *it = place) }
}

fn set_next(node: *mut Waiter, next: *mut Waiter) {
    // SAFETY: as in `links`.
    unsafe { (*node).links.with_mut(|links| (*links).next = next) }
}

fn set_prev(node: *mut Waiter, prev: *mut Waiter) {
    // SAFETY: as in `links`.
    unsafe { (*node).links.with_mut(|links| (*links).prev = prev) }
}

/// A share in a waiter, as a pointer that a list can hold.
///
/// # Safety
///
/// `from_node` gives back exactly what `into_node` was given, and nobody else uses the link.
pub(super) unsafe trait Side: Sized {
    fn into_node(self) -> NonNull<Waiter>;

    /// What follows a node in a list of these.
    fn next(node: *mut Waiter) -> *mut Waiter;

    fn set_next(node: *mut Waiter, next: *mut Waiter);

    /// # Safety
    ///
    /// `node` came from `into_node`, and is taken back once.
    unsafe fn from_node(node: NonNull<Waiter>) -> Self;
}

// SAFETY: a wrapped pointer, wrapped again.
unsafe impl Side for Queued {
    fn into_node(self) -> NonNull<Waiter> {
        self.into_ptr()
    }

    fn next(node: *mut Waiter) -> *mut Waiter {
        links(node).1
    }

    fn set_next(node: *mut Waiter, next: *mut Waiter) {
        set_next(node, next);
    }

    unsafe fn from_node(node: NonNull<Waiter>) -> Self {
        // SAFETY: by contract.
        unsafe { Self::from_ptr(node) }
    }
}

// SAFETY: a wrapped pointer, wrapped again.
unsafe impl Side for Letter {
    fn into_node(self) -> NonNull<Waiter> {
        self.into_ptr()
    }

    fn next(node: *mut Waiter) -> *mut Waiter {
        // SAFETY: as in `links`, for whoever has the letter.
        unsafe { (*node).letter_next.with(|next| *next) }
    }

    fn set_next(node: *mut Waiter, next: *mut Waiter) {
        // SAFETY: as in `links`, for whoever has the letter.
        unsafe { (*node).letter_next.with_mut(|link| *link = next) }
    }

    unsafe fn from_node(node: NonNull<Waiter>) -> Self {
        // SAFETY: by contract.
        unsafe { Self::from_ptr(node) }
    }
}

/// A singly linked list of letters, or of waiters that are in no line: first in first out.
pub(super) struct Chain<S: Side> {
    head: *mut Waiter,
    tail: *mut Waiter,
    len: usize,
    _owns: PhantomData<S>,
}

impl<S: Side> Chain<S> {
    pub(super) const fn new() -> Self {
        Self {
            head: null_mut(),
            tail: null_mut(),
            len: 0,
            _owns: PhantomData,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn push_back(&mut self, waiter: S) {
        let node = waiter.into_node().as_ptr();
        S::set_next(node, null_mut());
        if self.tail.is_null() {
            self.head = node;
        } else {
            S::set_next(self.tail, node);
        }
        self.tail = node;
        self.len += 1;
    }

    pub(super) fn push_front(&mut self, waiter: S) {
        let node = waiter.into_node().as_ptr();
        S::set_next(node, self.head);
        if self.tail.is_null() {
            self.tail = node;
        }
        self.head = node;
        self.len += 1;
    }

    pub(super) fn pop_front(&mut self) -> Option<S> {
        let head = NonNull::new(self.head)?;
        let next = S::next(self.head);
        self.head = next;
        if next.is_null() {
            self.tail = null_mut();
        }
        self.len -= 1;
        // SAFETY: it was pushed as an `S`, and has just been taken out.
        Some(unsafe { S::from_node(head) })
    }
}

/// A pile of letters, last in first out, to be put on top of another in one step.
pub(super) struct Pile {
    top: *mut Waiter,
    bottom: *mut Waiter,
}

impl Pile {
    pub(super) const fn new() -> Self {
        Self {
            top: null_mut(),
            bottom: null_mut(),
        }
    }

    pub(super) fn of(letter: Letter) -> Self {
        let mut pile = Self::new();
        pile.push(letter);
        pile
    }

    pub(super) fn top(&self) -> *mut Waiter {
        self.top
    }

    pub(super) fn push(&mut self, letter: Letter) {
        let node = letter.into_ptr().as_ptr();
        Letter::set_next(node, self.top);
        if self.bottom.is_null() {
            self.bottom = node;
        }
        self.top = node;
    }

    /// Makes the pile lie on `below`.
    pub(super) fn lay_on(&mut self, below: *mut Waiter) {
        if !self.bottom.is_null() {
            Letter::set_next(self.bottom, below);
        }
    }

    /// Turns the pile round: first in first out. It must not lie on anything.
    pub(super) fn into_chain(self) -> Chain<Letter> {
        // SAFETY: the pile's own nodes, from its top down.
        unsafe { Chain::from_pile(self.top) }
    }
}

impl Chain<Letter> {
    /// Turns a pile round.
    ///
    /// # Safety
    ///
    /// `top` is null, or the top of piles that lie on each other and that the caller takes over.
    pub(super) unsafe fn from_pile(mut top: *mut Waiter) -> Self {
        let mut chain = Self::new();
        while let Some(node) = NonNull::new(top) {
            let below = Letter::next(top);
            // SAFETY: it was pushed on a pile as a `Letter`, which nobody else has.
            chain.push_front(unsafe { Letter::from_ptr(node) });
            top = below;
        }
        chain
    }
}
