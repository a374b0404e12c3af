//! [`RwLock`] at random, one thread, polled by hand: against a model where it is first come first served, and
//! with barging for what always holds.

mod common;

use std::collections::{HashMap, VecDeque};

use common::Polled;
use compio_sync::{
    Fairness, RwLock, RwLockRead, RwLockReadGuard, RwLockUpgradableRead, RwLockUpgradableReadGuard,
    RwLockUpgrade, RwLockWrite, RwLockWriteGuard,
};
use proptest::{collection::vec, prelude::*};

const READERS: u32 = 3;

#[derive(Clone, Copy, Debug)]
enum Op {
    Read,
    Write,
    UpgradableRead,
    TryRead,
    TryWrite,
    /// Polls a wait, whether it was woken or not.
    Poll(usize),
    Cancel(usize),
    /// Drops a guard.
    Unlock(usize),
    Downgrade,
    /// Begins to upgrade, or polls the upgrade.
    Upgrade,
    /// Cancels an upgrade, or ends it, or makes a plain read of the upgradable one.
    EndUpgrade,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => Just(Op::Read),
        2 => Just(Op::Write),
        2 => Just(Op::UpgradableRead),
        1 => Just(Op::TryRead),
        1 => Just(Op::TryWrite),
        6 => (0..8usize).prop_map(Op::Poll),
        2 => (0..8usize).prop_map(Op::Cancel),
        5 => (0..4usize).prop_map(Op::Unlock),
        1 => Just(Op::Downgrade),
        3 => Just(Op::Upgrade),
        2 => Just(Op::EndUpgrade),
    ]
}

type Id = usize;

/// The lock, first come first served.
struct Model {
    permits: usize,
    list: VecDeque<(Id, usize)>,
    is_right_free: bool,
    waits_for_right: VecDeque<Id>,
    /// How often each wait was handed something.
    handed: HashMap<Id, usize>,
}

impl Model {
    fn new() -> Self {
        Self {
            permits: READERS as usize,
            list: VecDeque::new(),
            is_right_free: true,
            waits_for_right: VecDeque::new(),
            handed: HashMap::new(),
        }
    }

    fn handed(&self, id: Id) -> usize {
        self.handed.get(&id).copied().unwrap_or(0)
    }

    fn serve(&mut self) {
        while let Some(&(id, need)) = self.list.front()
            && need <= self.permits
        {
            self.permits -= need;
            self.list.pop_front();
            *self.handed.entry(id).or_default() += 1;
        }
        if self.is_right_free
            && let Some(id) = self.waits_for_right.pop_front()
        {
            self.is_right_free = false;
            *self.handed.entry(id).or_default() += 1;
        }
    }

    /// Says whether there is no need to wait.
    fn take(&mut self, id: Id, need: usize) -> bool {
        self.list.push_back((id, need));
        let before = self.handed(id);
        self.serve();
        let is_taken = self.handed(id) > before;
        self.handed.insert(id, before);
        is_taken
    }

    fn take_right(&mut self, id: Id) -> bool {
        let is_taken = self.is_right_free && self.waits_for_right.is_empty();
        if is_taken {
            self.is_right_free = false;
        } else {
            self.waits_for_right.push_back(id);
        }
        is_taken
    }

    fn give(&mut self, permits: usize) {
        self.permits += permits;
        self.serve();
    }

    fn give_right(&mut self) {
        self.is_right_free = true;
        self.serve();
    }

    fn try_take(&mut self, need: usize) -> bool {
        let is_taken = self.list.is_empty() && need <= self.permits;
        if is_taken {
            self.permits -= need;
        }
        is_taken
    }

    /// Takes a wait out. Says whether it was in a list.
    fn leave(&mut self, id: Id) -> bool {
        let before = self.list.len() + self.waits_for_right.len();
        self.list.retain(|&(it, _)| it != id);
        self.waits_for_right.retain(|&it| it != id);
        let was_there = self.list.len() + self.waits_for_right.len() < before;
        self.serve();
        was_there
    }
}

enum Wait<'a> {
    Read(Polled<RwLockRead<'a, u32>>),
    Write(Polled<RwLockWrite<'a, u32>>),
    /// With whether it has been seen to have the right to upgrade.
    Upgradable(Polled<RwLockUpgradableRead<'a, u32>>, bool),
}

impl Wait<'_> {
    fn wakes(&self) -> usize {
        match self {
            Self::Read(it) => it.wakes(),
            Self::Write(it) => it.wakes(),
            Self::Upgradable(it, _) => it.wakes(),
        }
    }
}

struct Game<'a> {
    lock: &'a RwLock<u32>,
    /// Where it is first come, first served.
    model: Option<Model>,
    waits: Vec<(Id, Wait<'a>)>,
    last: Id,
    reads: Vec<RwLockReadGuard<'a, u32>>,
    write: Option<RwLockWriteGuard<'a, u32>>,
    upgradable: Option<RwLockUpgradableReadGuard<'a, u32>>,
    /// How often it was written.
    writes: u32,
}

impl<'a> Game<'a> {
    fn new_id(&mut self) -> Id {
        self.last += 1;
        self.last
    }

    /// What has to be so between any two steps. `upgrading` is the upgradable read that is not here.
    fn check(&self, upgrading: usize) {
        let readers = self.reads.len() + usize::from(self.upgradable.is_some()) + upgrading;
        assert!(readers <= READERS as usize);
        assert!(self.write.is_none() || readers == 0);
        self.reads
            .iter()
            .for_each(|it| assert_eq!(**it, self.writes));
        let Some(model) = &self.model else { return };
        for (id, wait) in &self.waits {
            assert_eq!(wait.wakes(), model.handed(*id), "{id}");
        }
        let waiting = model.list.len() + model.waits_for_right.len();
        assert_eq!(self.lock.waiter_count(), waiting);
    }

    fn wrote(&mut self) {
        if let Some(guard) = &mut self.write {
            assert_eq!(**guard, self.writes);
            **guard += 1;
            self.writes += 1;
        }
    }

    /// Polls a wait and puts what it yields, or itself, where it belongs.
    fn poll(&mut self, id: Id, wait: Wait<'a>, is_first: bool) {
        let expected = self.model.as_mut().map(|model| match &wait {
            _ if is_first => match &wait {
                Wait::Read(_) => model.take(id, 1),
                Wait::Write(_) => model.take(id, READERS as usize),
                Wait::Upgradable(..) => model.take_right(id) && model.take(id, 1),
            },
            Wait::Upgradable(_, false) if model.handed(id) == 1 => model.take(id, 1),
            Wait::Upgradable(_, false) => model.handed(id) > 1,
            Wait::Upgradable(_, true) => !model.list.iter().any(|&(it, _)| it == id),
            _ => model.handed(id) > 0,
        });
        let is_ready = match wait {
            Wait::Read(mut wait) => match wait.poll() {
                std::task::Poll::Ready(guard) => {
                    self.reads.push(guard);
                    true
                }
                _ => {
                    self.waits.push((id, Wait::Read(wait)));
                    false
                }
            },
            Wait::Write(mut wait) => match wait.poll() {
                std::task::Poll::Ready(guard) => {
                    self.write = Some(guard);
                    self.wrote();
                    true
                }
                _ => {
                    self.waits.push((id, Wait::Write(wait)));
                    false
                }
            },
            Wait::Upgradable(mut wait, had_right) => match wait.poll() {
                std::task::Poll::Ready(guard) => {
                    assert!(
                        self.upgradable.replace(guard).is_none(),
                        "two are upgradable"
                    );
                    true
                }
                _ => {
                    let has_right = self
                        .model
                        .as_ref()
                        .is_some_and(|it| had_right || !it.waits_for_right.contains(&id));
                    self.waits.push((id, Wait::Upgradable(wait, has_right)));
                    false
                }
            },
        };
        if let Some(expected) = expected {
            assert_eq!(is_ready, expected, "{id}");
        }
    }

    fn cancel(&mut self, at: usize) {
        let (id, wait) = self.waits.remove(at);
        if let Some(model) = &mut self.model {
            let was_there = model.leave(id);
            match &wait {
                Wait::Read(_) if !was_there => model.give(1),
                Wait::Write(_) if !was_there => model.give(READERS as usize),
                // The right alone, or that and what it was handed since.
                Wait::Upgradable(_, true) => {
                    if !was_there {
                        model.give(1);
                    }
                    model.give_right();
                }
                Wait::Upgradable(_, false) if !was_there => model.give_right(),
                _ => {}
            }
        }
        drop(wait);
    }

    /// Does what has nothing to do with the upgradable guard.
    fn step(&mut self, op: Op) {
        let lock = self.lock;
        match op {
            Op::Read => {
                let id = self.new_id();
                self.poll(id, Wait::Read(Polled::new(lock.read())), true);
            }
            Op::Write => {
                let id = self.new_id();
                self.poll(id, Wait::Write(Polled::new(lock.write())), true);
            }
            Op::UpgradableRead => {
                let id = self.new_id();
                let wait = Wait::Upgradable(Polled::new(lock.upgradable_read()), false);
                self.poll(id, wait, true);
            }
            Op::TryRead => {
                let expected = self.model.as_mut().map(|it| it.try_take(1));
                let guard = lock.try_read();
                assert!(expected.is_none_or(|it| it == guard.is_some()));
                self.reads.extend(guard);
            }
            Op::TryWrite => {
                let expected = self.model.as_mut().map(|it| it.try_take(READERS as usize));
                let guard = lock.try_write();
                assert!(expected.is_none_or(|it| it == guard.is_some()));
                if guard.is_some() {
                    self.write = guard;
                    self.wrote();
                }
            }
            Op::Poll(n) if !self.waits.is_empty() => {
                let (id, wait) = self.waits.remove(n % self.waits.len());
                self.poll(id, wait, false);
            }
            Op::Cancel(n) if !self.waits.is_empty() => self.cancel(n % self.waits.len()),
            Op::Unlock(n) if !self.reads.is_empty() => {
                let guard = self.reads.swap_remove(n % self.reads.len());
                if let Some(model) = &mut self.model {
                    model.give(1);
                }
                drop(guard);
            }
            Op::Unlock(_) if self.write.is_some() => {
                if let Some(model) = &mut self.model {
                    model.give(READERS as usize);
                }
                self.write = None;
            }
            Op::Downgrade => {
                if let Some(guard) = self.write.take() {
                    if let Some(model) = &mut self.model {
                        model.give(READERS as usize - 1);
                    }
                    self.reads.push(RwLockWriteGuard::downgrade(guard));
                }
            }
            _ => {}
        }
    }

    /// Plays while the upgradable guard is being upgraded, until that ends.
    fn upgrade(
        &mut self,
        mut guard: RwLockUpgradableReadGuard<'a, u32>,
        ops: &mut impl Iterator<Item = Op>,
    ) {
        const OTHERS: usize = READERS as usize - 1;
        {
            let id = self.new_id();
            let mut wait: Polled<RwLockUpgrade<'_, u32>> =
                Polled::new(RwLockUpgradableReadGuard::upgrade(&mut guard));
            let mut upgraded = None;
            let mut is_first = true;
            let mut op = Op::Upgrade;
            loop {
                match op {
                    Op::Upgrade if upgraded.is_none() => {
                        let expected = self.model.as_mut().map(|model| {
                            if is_first {
                                model.list.push_front((id, OTHERS));
                                model.serve();
                            }
                            !model.list.iter().any(|&(it, _)| it == id)
                        });
                        is_first = false;
                        let polled = match wait.poll() {
                            std::task::Poll::Ready(it) => Some(it),
                            _ => None,
                        };
                        assert!(expected.is_none_or(|it| it == polled.is_some()));
                        upgraded = polled;
                        if let Some(guard) = &mut upgraded {
                            assert!(self.reads.is_empty());
                            assert_eq!(**guard, self.writes);
                            **guard += 1;
                            self.writes += 1;
                        }
                    }
                    Op::EndUpgrade => break,
                    Op::Upgrade => {}
                    other => self.step(other),
                }
                self.check(1);
                if upgraded.is_some() {
                    assert!(self.reads.is_empty() && self.write.is_none());
                }
                match ops.next() {
                    Some(next) => op = next,
                    None => break,
                }
            }
            if let Some(model) = &mut self.model
                && (upgraded.is_some() || !model.leave(id))
            {
                model.give(OTHERS);
            }
            drop(upgraded);
            drop(wait);
        }
        assert_eq!(*guard, self.writes);
        self.upgradable = Some(guard);
    }

    fn play(&mut self, ops: &mut impl Iterator<Item = Op>) {
        while let Some(op) = ops.next() {
            match op {
                Op::Upgrade if self.upgradable.is_some() => {
                    let guard = self.upgradable.take().unwrap();
                    self.upgrade(guard, ops);
                }
                Op::EndUpgrade => {
                    if let Some(guard) = self.upgradable.take() {
                        if let Some(model) = &mut self.model {
                            model.give_right();
                        }
                        self.reads.push(RwLockUpgradableReadGuard::downgrade(guard));
                    }
                }
                Op::Unlock(0) if self.upgradable.is_some() => {
                    if let Some(model) = &mut self.model {
                        model.give(1);
                        model.give_right();
                    }
                    self.upgradable = None;
                }
                op => self.step(op),
            }
            self.check(0);
        }
    }

    /// Unlocks, and polls whoever has been woken, until nobody waits.
    fn finish(mut self) {
        let mut seen: HashMap<Id, usize> = HashMap::new();
        self.model = None;
        // Each wait has been polled since, or was woken since.
        loop {
            self.reads.clear();
            self.write = None;
            self.upgradable = None;
            let woken = self
                .waits
                .iter()
                .position(|(id, wait)| wait.wakes() > seen.get(id).copied().unwrap_or(0));
            let Some(at) = woken else { break };
            let (id, wait) = self.waits.remove(at);
            seen.insert(id, wait.wakes());
            self.poll(id, wait, false);
        }
        assert!(self.waits.is_empty(), "{} are lost", self.waits.len());
        assert_eq!(self.lock.waiter_count(), 0);
        drop(
            self.lock
                .try_upgradable_read()
                .expect("nobody has the right"),
        );
        assert_eq!(*self.lock.try_write().expect("it is free"), self.writes);
    }
}

fn play(fairness: Fairness, ops: Vec<Op>) {
    let lock = RwLock::with_max_readers_and_fairness(0, READERS, fairness);
    let mut game = Game {
        lock: &lock,
        model: (fairness == Fairness::Fifo).then(Model::new),
        waits: Vec::new(),
        last: 0,
        reads: Vec::new(),
        write: None,
        upgradable: None,
        writes: 0,
    };
    game.play(&mut ops.into_iter());
    game.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lock_follows_the_model(ops in vec(op(), 0..60)) {
        play(Fairness::Fifo, ops);
    }

    #[test]
    fn lock_with_barging_loses_nobody(limit in 1..4u8, ops in vec(op(), 0..60)) {
        play(Fairness::Bounded(limit), ops);
    }
}
