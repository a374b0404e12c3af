//! Many wakes at once.
//!
//! A batch is filled inside a critical section and delivered outside of it, as wakers are other
//! people's code. Remote waiters go first, in one delivery per home, so that a sleeping runtime starts
//! to wake up while the local waiters are woken directly.
//!
//! A waker that panics harms nobody else: the others are woken, and then the panic is passed on, unless
//! the thread is unwinding already.

use std::{panic::resume_unwind, thread};

use super::{
    doorbell::{Home, this_thread},
    node::{Wake, WakeList, WakeStack},
    run::{Panic, discard, wake},
};
use crate::loom::BATCH;

/// How many homes one batch tells apart. The waiters of further ones are delivered singly.
const HOMES: usize = 4;

pub(crate) struct Batch {
    wakes: WakeList<Home>,
    panic: Option<Panic>,
}

impl Batch {
    pub(crate) const fn new() -> Self {
        Self {
            wakes: WakeList::new(),
            panic: None,
        }
    }

    pub(crate) fn push(&mut self, wake: Wake<Home>) {
        self.wakes.push_back(wake);
    }

    /// Whether it is time to deliver.
    pub(crate) fn is_full(&self) -> bool {
        self.wakes.len() >= BATCH
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wakes.is_empty()
    }

    /// Wakes all.
    pub(crate) fn deliver(&mut self) {
        if self.wakes.len() == 1
            && let Some(wake) = self.wakes.pop_front()
        {
            return match wake.home() {
                Some(home) if !home.is_at(this_thread()) => self.send(home, WakeStack::of(wake)),
                _ => self.wake(wake),
            };
        }
        let here = this_thread();
        let mut local = WakeList::new();
        let mut remote: [Option<(Home, WakeStack<Home>)>; HOMES] = [const { None }; HOMES];
        while let Some(wake) = self.wakes.pop_front() {
            match wake.home() {
                Some(home) if !home.is_at(here) => {
                    let known = |entry: &&mut Option<(Home, WakeStack<Home>)>| match entry {
                        Some((other, _)) => *other == home,
                        None => true,
                    };
                    if let Some(entry) = remote.iter_mut().find(known) {
                        entry
                            .get_or_insert_with(|| (home, WakeStack::new()))
                            .1
                            .push(wake);
                    } else {
                        self.send(home, WakeStack::of(wake));
                    }
                }
                _ => local.push_back(wake),
            }
        }
        for (home, wakes) in remote.into_iter().flatten() {
            self.send(home, wakes);
        }
        while let Some(wake) = local.pop_front() {
            self.wake(wake);
        }
    }

    fn send(&mut self, home: Home, wakes: WakeStack<Home>) {
        if let Err(wakes) = home.deliver(wakes) {
            let mut gone = wakes.into_list();
            while let Some(wake) = gone.pop_front() {
                self.keep(discard(wake));
            }
        }
    }

    fn wake(&mut self, it: Wake<Home>) {
        self.keep(wake(it));
    }

    fn keep(&mut self, result: Result<(), Panic>) {
        if let Err(panic) = result {
            // The first one is passed on. Dropping another could panic in turn.
            match self.panic {
                None => self.panic = Some(panic),
                Some(_) => std::mem::forget(panic),
            }
        }
    }

    /// Passes on a waker's panic.
    pub(crate) fn finish(self) {
        debug_assert!(self.is_empty());
        match self.panic {
            Some(panic) if thread::panicking() => std::mem::forget(panic),
            Some(panic) => resume_unwind(panic),
            None => {}
        }
    }
}
