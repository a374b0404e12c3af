//! Waiters whose wait is over, on their way to being woken.
//!
//! A batch is filled by the holder of a turn and emptied after the turn was given back, so that
//! no waker, which is other people's code, ever runs inside a turn. Remote waiters go first, in
//! one delivery per home, so that a sleeping runtime starts to wake up while the local ones are
//! woken directly.
//!
//! A waker that panics harms nobody else: the others are woken, and then the panic goes on in
//! whoever did the waking, unless that is unwinding already.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use super::{
    doorbell::{Bell, here},
    line::{Chain, Line, Pile},
    waiter::{Granted, Outcome, Queued},
};
use crate::loom::BATCH;

/// How many homes one delivery tells apart. With more, some are rung more than once.
const HOMES: usize = 4;

pub(super) struct Batch {
    /// Granted; to be woken.
    granted: Chain<Granted>,
    /// Out of line; to be granted, as `outcome`, and woken.
    released: Chain<Queued>,
    outcome: Outcome,
    panic: Option<Box<dyn Any + Send>>,
}

impl Batch {
    pub(super) const fn new() -> Self {
        Self {
            granted: Chain::new(),
            released: Chain::new(),
            outcome: Outcome::Granted,
            panic: None,
        }
    }

    pub(super) fn push(&mut self, waiter: Granted) {
        self.granted.push_back(waiter);
    }

    /// Takes everyone out of `line` and ends their waits with `outcome`. Returns how many.
    pub(super) fn release_all(&mut self, line: &mut Line, outcome: Outcome) -> usize {
        self.outcome = outcome;
        line.take_all(&mut self.released)
    }

    /// Whether the holder should give the turn back and deliver.
    pub(super) fn is_full(&self) -> bool {
        self.granted.len() >= BATCH
    }

    pub(super) fn is_empty(&self) -> bool {
        self.granted.is_empty() && self.released.is_empty()
    }

    /// Wakes everyone, in bites.
    pub(super) fn deliver(&mut self) {
        loop {
            while !self.is_full()
                && let Some(waiter) = self.released.pop_front()
            {
                if let (_, Some(granted)) = waiter.grant(self.outcome) {
                    self.granted.push_back(granted);
                }
            }
            if self.granted.is_empty() {
                return;
            }
            self.deliver_granted();
        }
    }

    fn deliver_granted(&mut self) {
        let here = here();
        let mut local = Chain::new();
        let mut remote: [Option<(&'static Bell, Pile)>; HOMES] = [const { None }; HOMES];
        while let Some(waiter) = self.granted.pop_front() {
            match waiter.home() {
                Some(bell) if !bell.is_at(here) => {
                    let known = |entry: &&mut Option<(&'static Bell, Pile)>| match entry {
                        Some((other, _)) => std::ptr::eq(*other, bell),
                        None => true,
                    };
                    if let Some(entry) = remote.iter_mut().find(known) {
                        entry
                            .get_or_insert_with(|| (bell, Pile::new()))
                            .1
                            .push(waiter);
                    } else {
                        let mut pile = Pile::new();
                        pile.push(waiter);
                        self.send(bell, pile);
                    }
                }
                _ => local.push_back(waiter),
            }
        }
        for (bell, pile) in remote.into_iter().flatten() {
            self.send(bell, pile);
        }
        self.wake_all(local);
    }

    fn send(&mut self, bell: &'static Bell, pile: Pile) {
        // A panic can come out of the ring: it wakes a task of an unknown executor's.
        match catch_unwind(AssertUnwindSafe(|| bell.deliver(pile))) {
            Ok(Ok(())) => {}
            // The runtime is gone. Its tasks may live on elsewhere.
            Ok(Err(pile)) => self.wake_all(pile.into_chain()),
            Err(panic) => self.keep(panic),
        }
    }

    fn wake_all(&mut self, mut chain: Chain<Granted>) {
        while let Some(waiter) = chain.pop_front() {
            if let Err(panic) = wake(waiter) {
                self.keep(panic);
            }
        }
    }

    fn keep(&mut self, panic: Box<dyn Any + Send>) {
        // The first one is passed on. Dropping another could panic in turn.
        if self.panic.is_none() {
            self.panic = Some(panic);
        } else {
            std::mem::forget(panic);
        }
    }

    /// Passes on a waker's panic.
    pub(super) fn finish(self) {
        debug_assert!(self.is_empty());
        if let Some(panic) = self.panic
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

/// Wakes one waiter on the calling thread.
pub(super) fn wake(waiter: Granted) -> Result<(), Box<dyn Any + Send>> {
    let waker = waiter.into_waker();
    catch_unwind(AssertUnwindSafe(|| waker.wake()))
}
