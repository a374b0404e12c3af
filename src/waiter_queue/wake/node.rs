//! One wake as an intrusive node, and lists of wakes.
//!
//! Plain single-threaded code: a list belongs to whoever has it. Every operation is O(1). `H` is the
//! task's home, which this file only carries.

use std::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::{NonNull, null_mut},
    task::Waker,
};

use crate::loom::UnsafeCell;

/// Whom to wake, and where.
pub(crate) struct Task<H> {
    pub(crate) waker: Waker,
    /// `None`: the waker is called directly, from whichever thread.
    pub(crate) home: Option<H>,
}

/// The part of a waiter that becomes a [`Wake`].
///
/// The waiter's own protocol decides whose the task is at any time, and when there is a `Wake`.
pub(crate) struct Node<H> {
    /// The link of a list of wakes. Belongs to whoever has the `Wake`.
    next: UnsafeCell<*mut Node<H>>,
    task: UnsafeCell<MaybeUninit<Task<H>>>,
    /// Ends the `Wake`'s share in the waiter.
    delivered: unsafe fn(NonNull<Node<H>>),
}

impl<H> Node<H> {
    /// A node without a task.
    ///
    /// `delivered` is called once per [`Wake`], when its waker has been taken out. After that the wake
    /// refers to the node no more.
    pub(crate) fn new(delivered: unsafe fn(NonNull<Self>)) -> Self {
        Self {
            next: UnsafeCell::new(null_mut()),
            task: UnsafeCell::new(MaybeUninit::uninit()),
            delivered,
        }
    }

    /// Puts a task where there is none.
    ///
    /// # Safety
    ///
    /// The task is the caller's, and there is none.
    pub(crate) unsafe fn set_task(&self, task: Task<H>) {
        // SAFETY: by contract.
        self.task.with_mut(|cell| unsafe {
            (*cell).write(task);
        });
    }

    /// Replaces the task, and returns the old one.
    ///
    /// # Safety
    ///
    /// The task is the caller's, and there is one.
    pub(crate) unsafe fn replace_task(&self, task: Task<H>) -> Task<H> {
        // SAFETY: by contract.
        self.task
            .with_mut(|cell| unsafe { std::mem::replace((*cell).assume_init_mut(), task) })
    }

    /// Takes the task out.
    ///
    /// # Safety
    ///
    /// The task is the caller's, and is taken out once.
    pub(crate) unsafe fn take_task(&self) -> Task<H> {
        // SAFETY: by contract.
        self.task.with(|task| unsafe { (*task).assume_init_read() })
    }

    /// Whether `waker` wakes the task that is in the node, or was when it was taken out.
    ///
    /// # Safety
    ///
    /// A task was put in, and only the caller's thread does that.
    pub(crate) unsafe fn will_wake(&self, waker: &Waker) -> bool {
        // SAFETY: by contract. `take_task` copies the bits; they stay in place, and comparing them
        // reaches nothing that they point to.
        self.task
            .with(|task| unsafe { (*task).assume_init_ref() }.waker.will_wake(waker))
    }
}

/// The right to wake a node's task, once, and the duty to.
pub(crate) struct Wake<H>(NonNull<Node<H>>);

impl<H> Wake<H> {
    /// Makes a wake of a node.
    ///
    /// # Safety
    ///
    /// The node's task is the wake's from here on. The node lives until its `delivered` is called, and
    /// `node` may be used for the whole waiter that it is part of.
    pub(crate) unsafe fn new(node: NonNull<Node<H>>) -> Self {
        Self(node)
    }

    fn node(&self) -> &Node<H> {
        // SAFETY: by `new`'s contract the node lives for as long as the wake.
        unsafe { self.0.as_ref() }
    }

    /// Where the task lives.
    pub(crate) fn home(&self) -> Option<H>
    where
        H: Copy,
    {
        // SAFETY: the task is the wake's.
        self.node()
            .task
            .with(|task| unsafe { (*task).assume_init_ref() }.home)
    }

    /// Ends the wake, and returns the waker.
    pub(crate) fn into_waker(self) -> Waker {
        let delivered = self.node().delivered;
        // SAFETY: the task is the wake's, which is consumed here.
        let task = unsafe { self.node().take_task() };
        // SAFETY: once, as the wake is consumed.
        unsafe { delivered(self.0) };
        task.waker
    }

    fn into_ptr(self) -> *mut Node<H> {
        self.0.as_ptr()
    }
}

/// # Safety
///
/// `node` is in a list of the caller's.
unsafe fn next<H>(node: *mut Node<H>) -> *mut Node<H> {
    // SAFETY: by contract.
    unsafe { (*node).next.with(|next| *next) }
}

/// # Safety
///
/// `node` is the caller's, or in a list of his.
unsafe fn set_next<H>(node: *mut Node<H>, next: *mut Node<H>) {
    // SAFETY: by contract.
    unsafe { (*node).next.with_mut(|link| *link = next) }
}

/// Wakes, first in first out.
pub(crate) struct WakeList<H> {
    head: *mut Node<H>,
    tail: *mut Node<H>,
    len: usize,
    _owns: PhantomData<Wake<H>>,
}

impl<H> WakeList<H> {
    pub(crate) const fn new() -> Self {
        Self {
            head: null_mut(),
            tail: null_mut(),
            len: 0,
            _owns: PhantomData,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn push_back(&mut self, wake: Wake<H>) {
        let node = wake.into_ptr();
        // SAFETY: the node came as a `Wake`; the tail is in this list.
        unsafe {
            set_next(node, null_mut());
            if self.tail.is_null() {
                self.head = node;
            } else {
                set_next(self.tail, node);
            }
        }
        self.tail = node;
        self.len += 1;
    }

    fn push_front(&mut self, wake: Wake<H>) {
        let node = wake.into_ptr();
        // SAFETY: the node came as a `Wake`.
        unsafe { set_next(node, self.head) };
        if self.tail.is_null() {
            self.tail = node;
        }
        self.head = node;
        self.len += 1;
    }

    pub(crate) fn pop_front(&mut self) -> Option<Wake<H>> {
        let head = NonNull::new(self.head)?;
        // SAFETY: the head is in this list.
        let next = unsafe { next(self.head) };
        self.head = next;
        if next.is_null() {
            self.tail = null_mut();
        }
        self.len -= 1;
        Some(Wake(head))
    }

    /// The wakes of a stack, oldest first.
    ///
    /// # Safety
    ///
    /// `top` is null, or the top of stacks that were linked to each other and that the caller takes over.
    pub(crate) unsafe fn from_stack(mut top: *mut Node<H>) -> Self {
        let mut list = Self::new();
        while let Some(node) = NonNull::new(top) {
            // SAFETY: by contract.
            top = unsafe { next(top) };
            list.push_front(Wake(node));
        }
        list
    }
}

/// Wakes, last in first out, to be linked to another stack in one step.
pub(crate) struct WakeStack<H> {
    top: *mut Node<H>,
    bottom: *mut Node<H>,
}

impl<H> WakeStack<H> {
    pub(crate) const fn new() -> Self {
        Self {
            top: null_mut(),
            bottom: null_mut(),
        }
    }

    pub(crate) fn of(wake: Wake<H>) -> Self {
        let mut stack = Self::new();
        stack.push(wake);
        stack
    }

    pub(crate) fn top(&self) -> *mut Node<H> {
        self.top
    }

    pub(crate) fn push(&mut self, wake: Wake<H>) {
        let node = wake.into_ptr();
        // SAFETY: the node came as a `Wake`.
        unsafe { set_next(node, self.top) };
        if self.bottom.is_null() {
            self.bottom = node;
        }
        self.top = node;
    }

    /// Links the bottom to `below`, the top of another stack or null.
    pub(crate) fn link_to(&mut self, below: *mut Node<H>) {
        if !self.bottom.is_null() {
            // SAFETY: the bottom is in this stack.
            unsafe { set_next(self.bottom, below) };
        }
    }

    /// The wakes, oldest first. The stack must not be linked to another.
    pub(crate) fn into_list(self) -> WakeList<H> {
        // SAFETY: the stack's own nodes.
        unsafe { WakeList::from_stack(self.top) }
    }
}
