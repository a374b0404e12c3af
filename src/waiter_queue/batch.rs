//! Waiters who have been granted what they wait for, or called, on their way to being woken.
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
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use super::{
    doorbell::{Home, here},
    line::{Chain, Line, Pile},
    waiter::{Letter, Outcome, Queued},
};
use crate::loom::BATCH;

/// How many homes one batch tells apart. The waiters of further ones are delivered singly.
const HOMES: usize = 4;

pub(super) struct Batch {
    /// To be woken.
    letters: Chain<Letter>,
    /// Out of line; to be granted, as `outcome`, and woken. Only an event's waiters can be released
    /// in two ways in one turn, and to them it is all the same.
    released: Chain<Queued>,
    outcome: Outcome,
    panic: Option<Box<dyn Any + Send>>,
}

impl Batch {
    pub(super) const fn new() -> Self {
        Self {
            letters: Chain::new(),
            released: Chain::new(),
            outcome: Outcome::Granted,
            panic: None,
        }
    }

    pub(super) fn push(&mut self, letter: Letter) {
        self.letters.push_back(letter);
    }

    /// Takes everyone out of `line` and ends their waits with `outcome`. Returns how many.
    pub(super) fn release_all(&mut self, line: &mut Line, outcome: Outcome) -> usize {
        self.outcome = outcome;
        line.take_all(&mut self.released)
    }

    /// Whether the holder should give the turn back and deliver.
    pub(super) fn is_full(&self) -> bool {
        self.letters.len() >= BATCH
    }

    pub(super) fn is_empty(&self) -> bool {
        self.letters.is_empty() && self.released.is_empty()
    }

    /// Wakes everyone, in bites.
    pub(super) fn deliver(&mut self) {
        loop {
            while !self.is_full()
                && let Some(waiter) = self.released.pop_front()
            {
                if let (_, Some(letter)) = waiter.grant(self.outcome) {
                    self.letters.push_back(letter);
                }
            }
            if self.letters.is_empty() {
                return;
            }
            self.deliver_letters();
        }
    }

    fn deliver_letters(&mut self) {
        if self.letters.len() == 1
            && let Some(waiter) = self.letters.pop_front()
        {
            return match waiter.home() {
                Some(home) if !home.is_at(here()) => self.send(home, Pile::of(waiter)),
                _ => self.wake(waiter),
            };
        }
        let here = here();
        let mut local = Chain::new();
        let mut remote: [Option<(Home, Pile)>; HOMES] = [const { None }; HOMES];
        while let Some(waiter) = self.letters.pop_front() {
            match waiter.home() {
                Some(home) if !home.is_at(here) => {
                    let known = |entry: &&mut Option<(Home, Pile)>| match entry {
                        Some((other, _)) => *other == home,
                        None => true,
                    };
                    if let Some(entry) = remote.iter_mut().find(known) {
                        entry
                            .get_or_insert_with(|| (home, Pile::new()))
                            .1
                            .push(waiter);
                    } else {
                        self.send(home, Pile::of(waiter));
                    }
                }
                _ => local.push_back(waiter),
            }
        }
        for (home, pile) in remote.into_iter().flatten() {
            self.send(home, pile);
        }
        self.wake_all(local);
    }

    fn send(&mut self, home: Home, pile: Pile) {
        if let Err(pile) = home.deliver(pile) {
            let mut gone = pile.into_chain();
            while let Some(letter) = gone.pop_front() {
                self.keep(let_go(letter));
            }
        }
    }

    fn wake_all(&mut self, mut chain: Chain<Letter>) {
        while let Some(waiter) = chain.pop_front() {
            self.wake(waiter);
        }
    }

    fn wake(&mut self, letter: Letter) {
        self.keep(wake(letter));
    }

    fn keep(&mut self, result: Result<(), Box<dyn Any + Send>>) {
        if let Err(panic) = result {
            // The first one is passed on. Dropping another could panic in turn.
            match self.panic {
                None => self.panic = Some(panic),
                Some(_) => std::mem::forget(panic),
            }
        }
    }

    /// Passes on a waker's panic.
    pub(super) fn finish(self) {
        debug_assert!(self.is_empty());
        match self.panic {
            Some(panic) if thread::panicking() => std::mem::forget(panic),
            Some(panic) => resume_unwind(panic),
            None => {}
        }
    }
}

/// Wakes one waiter directly.
pub(super) fn wake(letter: Letter) -> Result<(), Box<dyn Any + Send>> {
    let home = letter.home();
    if home.is_some_and(Home::is_gone) {
        return let_go(letter);
    }
    let is_here = !thread::panicking() || home.is_some_and(|home| home.is_at(here()));
    let waker = letter.into_waker();
    catch_unwind(AssertUnwindSafe(|| {
        if is_here {
            waker.wake()
        } else {
            out_of_unwinding(|| waker.wake())
        }
    }))
}

/// Drops the waker of one whose runtime has ended, or is about to: it has closed its bell.
///
/// The task will not be polled any more, and whoever polls the future elsewhere leaves another waker.
/// compio 0.19 must not have its tasks woken then: not by the runtime's own thread, which takes them
/// down one by one, nor by several others at a time, of whom it waits for one.
pub(super) fn let_go(letter: Letter) -> Result<(), Box<dyn Any + Send>> {
    let waker = letter.into_waker();
    catch_unwind(AssertUnwindSafe(|| drop(waker)))
}

/// Calls `f`, but not on a thread that is unwinding.
///
/// compio 0.19 takes any unwinding for its own failure while it schedules a task from another
/// thread, and ends the process. So a panicking holder has its remote waiters woken by a thread of
/// their own. If there can be no thread, the waiters are woken here after all.
pub(super) fn out_of_unwinding(f: impl FnOnce() + Send + 'static) {
    if !thread::panicking() {
        return f();
    }
    let call = Arc::new(Mutex::new(Some(f)));
    let theirs = call.clone();
    let spawned = thread::Builder::new().spawn(move || run(&theirs));
    if spawned.is_err() {
        run(&call);
    }

    fn run(call: &Mutex<Option<impl FnOnce()>>) {
        let f = call.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(f) = f {
            f();
        }
    }
}
