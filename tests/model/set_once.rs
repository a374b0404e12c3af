//! A value that is set once: its model, and playing with it.
//!
//! A set that succeeds is two calls to the checker: the value is there, and then those who wait are let go. Whoever
//! looks between the two sees the value, and does not wait for it.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use compio_sync::SetOnce;

use super::{
    checker::Model,
    line::{Id, Line, Outcome, Polled},
    player::{BoxFuture, Player, System, Wait},
};

type Value = usize;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    line: Line,
    value: Option<Value>,
}

impl State {
    pub fn new() -> Self {
        Self {
            line: Line::new(0),
            value: None,
        }
    }

    fn with(&self, lines: Vec<Line>) -> Vec<Self> {
        let value = self.value;
        lines.into_iter().map(|line| Self { line, value }).collect()
    }
}

#[derive(Debug)]
pub enum Call {
    /// The first half of a first poll.
    Arrive {
        id: Id,
        perhaps: bool,
    },
    Poll {
        id: Id,
        result: Polled,
        value: Option<Value>,
    },
    Drop(Id),
    /// The first half of a set, and whether it succeeds.
    Set {
        value: Value,
        is_set: bool,
    },
    /// The second half of one that does.
    LetGo,
    Get(Option<Value>),
    Look {
        value: Option<Value>,
        waiting: usize,
        woken: Vec<(Id, bool)>,
    },
}

impl Model for State {
    type State = Self;
    type Call = Call;

    fn step(state: &Self, call: &Call, alone: bool) -> Vec<Self> {
        let line = &state.line;
        let leave = |id| move |line: &mut Line| _ = line.leave(id);
        match *call {
            Call::Arrive { id, perhaps } => state.with(line.arrive(id, None, perhaps, alone)),
            // The value is enough.
            Call::Poll {
                id,
                result: Polled::Ready,
                value,
            } if value.is_some() && value == state.value => {
                state.with(line.change(alone, leave(id)))
            }
            Call::Poll {
                result: Polled::Ready,
                ..
            } => Vec::new(),
            Call::Poll { id, result, .. } => {
                state.with(line.poll(id, None, Polled::Ready, result, alone))
            }
            Call::Drop(id) => state.with(line.change(alone, leave(id))),
            Call::Set { value, is_set } => match (state.value, is_set) {
                (None, true) => vec![Self {
                    line: line.clone(),
                    value: Some(value),
                }],
                (Some(_), false) => vec![state.clone()],
                _ => Vec::new(),
            },
            Call::LetGo => state.with(line.change(alone, |line| {
                line.barred = true;
                line.end_all(Outcome::Broadcast);
            })),
            Call::Get(it) => Vec::from_iter((it == state.value).then(|| state.clone())),
            Call::Look {
                value,
                waiting,
                ref woken,
            } => {
                let mut views = line.views(alone);
                views.retain(|line| {
                    value == state.value
                        && waiting == line.waiters()
                        && woken.iter().all(|&(id, it)| it == line.has_ended(id))
                });
                state.with(views)
            }
        }
    }
}

/// What a cell does, as the game sees it.
pub trait Cell: Send + Sync + 'static {
    fn wait(self: &Arc<Self>) -> BoxFuture<Value>;
    fn set(&self, value: Value) -> bool;
    fn get(&self) -> Option<Value>;
    fn waiter_count(&self) -> usize;
}

impl Cell for SetOnce<Value> {
    fn wait(self: &Arc<Self>) -> BoxFuture<Value> {
        struct Wait {
            future: compio_sync::OnceWait<'static, Value>,
            _cell: Arc<SetOnce<Value>>,
        }

        impl Future for Wait {
            type Output = Value;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Value> {
                Pin::new(&mut self.future).poll(cx).map(|value| *value)
            }
        }

        let cell = self.clone();
        // SAFETY: the cell lives on the heap, and the future that borrows it is dropped before
        // the `Arc` beside it.
        let borrowed: &'static Self = unsafe { &*Arc::as_ptr(&cell) };
        Box::pin(Wait {
            future: borrowed.wait(),
            _cell: cell,
        })
    }

    fn set(&self, value: Value) -> bool {
        self.set(value).is_ok()
    }

    fn get(&self) -> Option<Value> {
        self.get().copied()
    }

    fn waiter_count(&self) -> usize {
        self.waiter_count()
    }
}

/// Playing with a cell.
pub struct Playing<C: Cell>(pub Arc<C>);

impl<C: Cell> Playing<C> {
    pub fn new(cell: C) -> Self {
        Self(Arc::new(cell))
    }

    fn poll(player: &Player<Self>, mut wait: Wait<Self>) {
        let (id, is_new) = (wait.id, wait.is_new());
        let timed = player.poll(&mut wait);
        let (result, value) = match timed.result {
            None => (Polled::Panicked, None),
            Some(Poll::Pending) => (Polled::Pending, None),
            Some(Poll::Ready(value)) => (Polled::Ready, Some(value)),
        };
        if is_new {
            let perhaps = result == Polled::Panicked;
            player.log(&timed, Call::Arrive { id, perhaps });
        }
        player.log(&timed, Call::Poll { id, result, value });
        if result == Polled::Ready {
            player.end(wait);
        } else {
            player.put_wait(wait);
        }
    }
}

impl<C: Cell> System for Playing<C> {
    type Model = State;
    type Call = Call;
    type Output = Value;
    type Held = ();
    type Extra = ();

    fn act(player: &Player<Self>) {
        let Self(cell) = &*player.system;
        match player.below(16) {
            0..6 if player.has_room() => {
                let wait = player.new_wait((), cell.wait());
                if player.one_in(8) {
                    player.put_wait(wait);
                } else {
                    Self::poll(player, wait);
                }
            }
            0..8 => {
                if let Some(wait) = player.take_wait() {
                    Self::poll(player, wait);
                }
            }
            8..10 => {
                if let Some(wait) = player.take_wait() {
                    Self::drop_wait(player, wait);
                }
            }
            10..13 => {
                let value = player.below(1000);
                let timed = player.call(|| cell.set(value));
                // One that has panicked has set it: it was a waker's panic.
                let is_set = timed.result.unwrap_or(true);
                player.log(&timed, Call::Set { value, is_set });
                if is_set {
                    player.log(&timed, Call::LetGo);
                }
            }
            13..15 => {
                let timed = player.call(|| cell.get());
                let value = timed.result.expect("no waker is called");
                player.log(&timed, Call::Get(value));
            }
            _ if player.one_in(8) => {
                if let Some(wait) = player.take_wait() {
                    player.abandon(wait);
                }
            }
            _ => {}
        }
    }

    fn drop_wait(player: &Player<Self>, wait: Wait<Self>) {
        let (id, timed) = player.drop_future(wait);
        player.log(&timed, Call::Drop(id));
    }

    fn give_back(_player: &Player<Self>, (): ()) {}

    fn look(&self, woken: Vec<(Id, bool)>) -> Call {
        Call::Look {
            value: self.0.get(),
            waiting: self.0.waiter_count(),
            woken,
        }
    }
}
