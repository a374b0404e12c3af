//! The waiter queue: its model, and playing with it.
//!
//! Conditions look at a flag that the players change. A condition is called in the middle of the
//! first poll, when its waiter is in the queue: so that poll is two calls to the checker, one that
//! ends and one that begins when the condition is called.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use compio_sync::WaiterQueue;

use super::{
    checker::Model,
    line::{Id, Line, Outcome, Polled},
    player::{BoxFuture, Player, System, Wait},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    line: Line,
    flag: bool,
}

impl State {
    pub fn new() -> Self {
        Self {
            line: Line::new(0),
            flag: false,
        }
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
    },
    /// The condition is called, and what it returns.
    Condition {
        id: Id,
        holds: bool,
    },
    /// Leaves the queue, and passes on a wake.
    Drop(Id),
    Flag(bool),
    WakeOne,
    WakeAll,
    Look {
        waiting: usize,
        woken: Vec<(Id, bool)>,
    },
}

impl Model for State {
    type State = Self;
    type Call = Call;

    fn step(state: &Self, call: &Call, alone: bool) -> Vec<Self> {
        let leave = |line: &mut Line, id| {
            if line.leave(id) == Some(Outcome::Granted) {
                line.notify_one();
            }
        };
        let line = &state.line;
        let mut flag = state.flag;
        let lines = match *call {
            Call::Arrive { id, perhaps } => line.arrive(id, None, perhaps, alone),
            Call::Poll { id, result } => line.poll(id, None, Polled::Ready, result, alone),
            // The flag may change between the condition's look at it and the leaving.
            Call::Condition { holds, .. } if holds != flag && alone => Vec::new(),
            Call::Condition { id, holds } => line.change(alone, |line| {
                if holds {
                    leave(line, id);
                }
            }),
            Call::Drop(id) => line.change(alone, |line| leave(line, id)),
            Call::Flag(to) => {
                flag = to;
                vec![line.clone()]
            }
            Call::WakeOne => line.change(alone, Line::notify_one),
            Call::WakeAll => line.change(alone, |line| line.end_all(Outcome::Broadcast)),
            Call::Look { waiting, ref woken } => {
                let mut views = line.views(alone);
                views.retain(|line| {
                    waiting == line.waiters()
                        && woken.iter().all(|&(id, it)| it == line.has_ended(id))
                });
                views
            }
        };
        lines.into_iter().map(|line| Self { line, flag }).collect()
    }
}

/// What a waiter queue does, as the game sees it.
pub trait Wakes: Send + Sync + 'static {
    fn wait(self: &Arc<Self>, condition: impl FnOnce() -> bool + Send + 'static) -> BoxFuture<()>;
    fn wake_one(&self);
    fn wake_all(&self);
    fn waiter_count(&self) -> usize;
}

impl Wakes for WaiterQueue {
    fn wait(self: &Arc<Self>, condition: impl FnOnce() -> bool + Send + 'static) -> BoxFuture<()> {
        struct Wait<F> {
            future: F,
            _queue: Arc<WaiterQueue>,
        }

        impl<F: Future<Output = ()> + Unpin> Future for Wait<F> {
            type Output = ();

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
                Pin::new(&mut self.future).poll(cx)
            }
        }

        let queue = self.clone();
        // SAFETY: the queue lives on the heap, and the future that borrows it is dropped before
        // the `Arc` beside it.
        let borrowed: &'static WaiterQueue = unsafe { &*Arc::as_ptr(&queue) };
        Box::pin(Wait {
            future: borrowed.add_waiter_if(condition),
            _queue: queue,
        })
    }

    fn wake_one(&self) {
        self.wake_one();
    }

    fn wake_all(&self) {
        self.wake_all();
    }

    fn waiter_count(&self) -> usize {
        self.waiter_count()
    }
}

/// Playing with a waiter queue.
pub struct Playing<Q: Wakes> {
    pub queue: Arc<Q>,
    flag: Arc<AtomicBool>,
}

/// When a condition was called, and what it returned.
pub type Asked = Arc<Mutex<Option<(u64, bool)>>>;

impl<Q: Wakes> Playing<Q> {
    pub fn new(queue: Q) -> Self {
        Self {
            queue: Arc::new(queue),
            flag: Arc::default(),
        }
    }

    fn begin(player: &Player<Self>) {
        let asked = Asked::default();
        let condition = {
            let (asked, flag) = (asked.clone(), player.system.flag.clone());
            let (me, nested) = (player.me(), player.one_in(4));
            move || {
                let player = Weak::upgrade(&me).expect("the player polls it");
                let moment = player.moment();
                let holds = flag.load(SeqCst);
                *asked.lock().unwrap() = Some((moment, holds));
                if nested {
                    player.interrupt();
                }
                holds
            }
        };
        let wait = player.new_wait(asked, player.system.queue.wait(condition));
        if player.one_in(8) {
            player.put_wait(wait);
        } else {
            Self::poll(player, wait);
        }
    }

    fn poll(player: &Player<Self>, mut wait: Wait<Self>) {
        let (id, is_new) = (wait.id, wait.is_new());
        let timed = player.poll(&mut wait);
        let result = match timed.result {
            None => Polled::Panicked,
            Some(Poll::Pending) => Polled::Pending,
            Some(Poll::Ready(())) => Polled::Ready,
        };
        let asked = wait.extra.lock().unwrap().take();
        // A panic after that is a waker's that a wake was passed on to.
        let is_over = result == Polled::Ready || (result == Polled::Panicked && asked.is_some());
        match asked {
            None => {
                if is_new {
                    let perhaps = result == Polled::Panicked;
                    player.log(&timed, Call::Arrive { id, perhaps });
                }
                player.log(&timed, Call::Poll { id, result });
            }
            Some((moment, holds)) => {
                // It would not have been called had the wait been over by then.
                let pending = Call::Poll {
                    id,
                    result: Polled::Pending,
                };
                let (before, after) = timed.split(moment);
                if is_new {
                    player.log(&before, Call::Arrive { id, perhaps: false });
                }
                player.log(&before, pending);
                player.log(&after, Call::Condition { id, holds });
            }
        }
        if is_over {
            player.end(wait);
        } else {
            player.put_wait(wait);
        }
    }
}

impl<Q: Wakes> System for Playing<Q> {
    type Model = State;
    type Call = Call;
    type Output = ();
    type Held = ();
    type Extra = Asked;

    fn act(player: &Player<Self>) {
        let queue = &player.system.queue;
        match player.below(18) {
            0..7 if player.has_room() => Self::begin(player),
            0..9 => {
                if let Some(wait) = player.take_wait() {
                    Self::poll(player, wait);
                }
            }
            9..11 => {
                if let Some(wait) = player.take_wait() {
                    Self::drop_wait(player, wait);
                }
            }
            11..14 => {
                let timed = player.call(|| queue.wake_one());
                player.log(&timed, Call::WakeOne);
            }
            14 => {
                let timed = player.call(|| queue.wake_all());
                player.log(&timed, Call::WakeAll);
            }
            15..17 => {
                let to = player.one_in(3);
                let timed = player.call(|| player.system.flag.store(to, SeqCst));
                player.log(&timed, Call::Flag(to));
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
            waiting: self.queue.waiter_count(),
            woken,
        }
    }
}
