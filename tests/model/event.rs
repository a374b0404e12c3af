//! The event: its model, and playing with it. A cancellation token is an event that is never reset, for all of a tree.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use compio_sync::{CancellationToken, Event};

use super::{
    checker::Model,
    line::{Id, Line, Outcome, Polled},
    player::{BoxFuture, Player, System, Wait},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State(Line);

impl State {
    pub fn new() -> Self {
        Self(Line::new(0))
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
    Drop(Id),
    Set,
    Reset,
    IsSet(bool),
    Look {
        is_set: bool,
        waiting: usize,
        woken: Vec<(Id, bool)>,
    },
}

impl Model for State {
    type State = Self;
    type Call = Call;

    fn step(Self(line): &Self, call: &Call, alone: bool) -> Vec<Self> {
        let lines = match *call {
            Call::Arrive { id, perhaps } => line.arrive(id, None, perhaps, alone),
            Call::Poll { id, result } => line.poll(id, None, Polled::Ready, result, alone),
            Call::Drop(id) => line.change(alone, |line| {
                line.leave(id);
            }),
            Call::Set => line.change(alone, |line| {
                line.barred = true;
                line.end_all(Outcome::Broadcast);
            }),
            Call::Reset => line.change(alone, |line| line.barred = false),
            Call::IsSet(it) => Vec::from_iter((it == line.barred).then(|| line.clone())),
            Call::Look {
                is_set,
                waiting,
                ref woken,
            } => {
                let mut views = line.views(alone);
                views.retain(|line| {
                    is_set == line.barred
                        && waiting == line.waiters()
                        && woken.iter().all(|&(id, it)| it == line.has_ended(id))
                });
                views
            }
        };
        lines.into_iter().map(Self).collect()
    }
}

/// What an event does, as the game sees it.
pub trait Flag: Send + Sync + 'static {
    /// Whether it can be reset.
    const IS_RESET: bool = true;

    fn wait(self: &Arc<Self>) -> BoxFuture<()>;
    fn set(&self);
    fn reset(&self) {}
    fn is_set(&self) -> bool;
    fn waiter_count(&self) -> usize;
}

impl Flag for Event {
    fn wait(self: &Arc<Self>) -> BoxFuture<()> {
        struct Wait {
            future: compio_sync::EventWait<'static>,
            _event: Arc<Event>,
        }

        impl Future for Wait {
            type Output = ();

            fn poll(
                mut self: Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> Poll<Self::Output> {
                Pin::new(&mut self.future).poll(cx)
            }
        }

        let event = self.clone();
        // SAFETY: the event lives on the heap, and the future that borrows it is dropped before
        // the `Arc` beside it.
        let borrowed: &'static Event = unsafe { &*Arc::as_ptr(&event) };
        Box::pin(Wait {
            future: borrowed.wait(),
            _event: event,
        })
    }

    fn set(&self) {
        self.set();
    }

    fn reset(&self) {
        self.reset();
    }

    fn is_set(&self) -> bool {
        self.is_set()
    }

    fn waiter_count(&self) -> usize {
        self.waiter_count()
    }
}

/// Three generations of tokens, of which the first is cancelled, and the others are looked at and waited for.
pub struct Generations {
    tokens: [CancellationToken; 3],
    next: AtomicUsize,
}

impl Generations {
    pub fn new() -> Self {
        let root = CancellationToken::new();
        let child = root.child_token();
        Self {
            tokens: [root, child.clone(), child.child_token()],
            next: AtomicUsize::new(0),
        }
    }

    fn one(&self) -> &CancellationToken {
        &self.tokens[self.next.fetch_add(1, Relaxed) % self.tokens.len()]
    }
}

/// A wait in several queues, whose player sees one waker, as that of a wait in one.
struct OneWaker {
    future: compio_sync::WaitForCancellationFutureOwned,
    waker: Option<Arc<Once>>,
}

impl Future for OneWaker {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let is_known = |once: &Arc<Once>| {
            let waker = once.0.lock().unwrap();
            waker.as_ref().is_some_and(|it| it.will_wake(cx.waker()))
        };
        let known = self.waker.take().filter(is_known);
        let once = known.unwrap_or_else(|| Arc::new(Once(Mutex::new(Some(cx.waker().clone())))));
        let waker = Waker::from(once.clone());
        let poll = Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker));
        if poll.is_pending() {
            self.waker = Some(once);
        }
        poll
    }
}

/// A waker that is called once, from wherever.
struct Once(Mutex<Option<Waker>>);

impl Wake for Once {
    fn wake(self: Arc<Self>) {
        let waker = self.0.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Flag for Generations {
    const IS_RESET: bool = false;

    fn wait(self: &Arc<Self>) -> BoxFuture<()> {
        Box::pin(OneWaker {
            future: self.one().clone().cancelled_owned(),
            waker: None,
        })
    }

    fn set(&self) {
        self.tokens[0].cancel();
    }

    fn is_set(&self) -> bool {
        self.one().is_cancelled()
    }

    fn waiter_count(&self) -> usize {
        self.tokens[0].waiter_count()
    }
}

/// Playing with an event.
pub struct Playing<F: Flag>(pub Arc<F>);

impl<F: Flag> Playing<F> {
    pub fn new(flag: F) -> Self {
        Self(Arc::new(flag))
    }

    fn poll(player: &Player<Self>, mut wait: Wait<Self>) {
        let (id, is_new) = (wait.id, wait.is_new());
        let timed = player.poll(&mut wait);
        let result = match timed.result {
            None => Polled::Panicked,
            Some(Poll::Pending) => Polled::Pending,
            Some(Poll::Ready(())) => Polled::Ready,
        };
        if is_new {
            let perhaps = result == Polled::Panicked;
            player.log(&timed, Call::Arrive { id, perhaps });
        }
        player.log(&timed, Call::Poll { id, result });
        if result == Polled::Ready {
            player.end(wait);
        } else {
            player.put_wait(wait);
        }
    }
}

impl<F: Flag> System for Playing<F> {
    type Model = State;
    type Call = Call;
    type Output = ();
    type Held = ();
    type Extra = ();

    fn act(player: &Player<Self>) {
        let Self(flag) = &*player.system;
        match player.below(16) {
            0..6 if player.has_room() => {
                let wait = player.new_wait((), flag.wait());
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
            // What is not reset is not set all the time, either.
            10..12 if F::IS_RESET || player.one_in(8) => {
                let timed = player.call(|| flag.set());
                player.log(&timed, Call::Set);
            }
            12..14 if F::IS_RESET => {
                let timed = player.call(|| flag.reset());
                player.log(&timed, Call::Reset);
            }
            12..15 => {
                let timed = player.call(|| flag.is_set());
                let is_set = timed.result.expect("no waker is called");
                player.log(&timed, Call::IsSet(is_set));
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
            is_set: self.0.is_set(),
            waiting: self.0.waiter_count(),
            woken,
        }
    }
}
