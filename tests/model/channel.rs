//! A channel with several senders and receivers: its model, and playing with it.
//!
//! There are two waiting lines, of senders for places and of receivers for values, and the list of values. A send is
//! a wait for a place, then the value's place in the list, then its publication. Another send may publish it: one that
//! has an earlier place in the list, and is still going on. A receipt is a wait for a value, then its way out of the
//! list, then the place that it gives back.

use std::{collections::VecDeque, sync::Mutex, task::Poll};

use compio_sync::mpmc::{
    self, Receiver, Sender,
    error::{TryRecvError, TrySendError},
};

use super::{
    checker::Model,
    line::{Id, Line, Outcome, Polled},
    player::{BoxFuture, Player, System, Timed, Wait},
};

type Value = u32;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    places: Line,
    values: Line,
    list: VecDeque<Value>,
    /// Values in the list that are to be published by a send that is still going on.
    unpublished: usize,
    capacity: usize,
    senders: usize,
}

impl State {
    pub fn new(capacity: usize) -> Self {
        Self {
            places: Line::new(capacity),
            values: Line::new(0),
            list: VecDeque::new(),
            unpublished: 0,
            capacity,
            senders: 1,
        }
    }
}

#[derive(Debug)]
pub enum Call {
    /// The two halves of a poll for a place.
    ArriveForPlace(Id),
    PollForPlace(Id, Polled),
    DropForPlace(Id),
    TryPlace(bool),
    /// Sending: a place is taken though there is none, or that of the oldest value.
    AnyPlace,
    Append(Value),
    Publish,
    /// The two halves of a poll for a value. A value may come of being granted one, or of the end.
    ArriveForValue(Id),
    PollForValue(Id, bool),
    DropForValue(Id),
    TryValue(bool),
    /// A value comes out of the list, or the end is seen.
    Take(Option<Value>),
    GivePlace,
    /// All places may be back in a closed channel, which is then at its end.
    PerhapsEnd,
    Close,
    AddSender,
    RemoveSender,
    Look {
        capacity: usize,
        len: usize,
        is_closed: bool,
        woken: Vec<(Id, bool)>,
    },
}

fn bar(line: &mut Line) {
    line.barred = true;
    line.end_all(Outcome::Refused);
}

impl Model for State {
    type State = Self;
    type Call = Call;

    fn step(state: &Self, call: &Call, alone: bool) -> Vec<Self> {
        match *call {
            Call::ArriveForPlace(id) => {
                state.with_places(state.places.arrive(id, Some(1), false, alone))
            }
            Call::PollForPlace(id, result) => {
                state.with_places(
                    state
                        .places
                        .poll(id, Some(1), Polled::Refused, result, alone),
                )
            }
            Call::DropForPlace(id) => state.with_places(state.places.change(alone, |line| {
                if line.leave(id) == Some(Outcome::Granted) {
                    line.give(1);
                }
            })),
            Call::TryPlace(taken) => state.with_places(state.places.try_take(1, taken, alone)),
            Call::AnyPlace if state.places.barred => Vec::new(),
            Call::AnyPlace => {
                state.with_places(state.places.change(alone, |line| line.permits -= 1))
            }
            Call::Append(value) => {
                let mut state = state.clone();
                state.list.push_back(value);
                state.unpublished += 1;
                vec![state]
            }
            Call::Publish => {
                let mut states = state.with_values(
                    state
                        .values
                        .change(alone, |line| line.give(state.unpublished)),
                );
                states.iter_mut().for_each(|state| state.unpublished = 0);
                if !alone {
                    states.push(state.clone());
                }
                states
            }
            Call::ArriveForValue(id) => {
                state.with_values(state.values.arrive(id, Some(1), false, alone))
            }
            Call::PollForValue(id, is_pending) => {
                let poll = |result| {
                    state.with_values(state.values.poll(
                        id,
                        Some(1),
                        Polled::Refused,
                        result,
                        alone,
                    ))
                };
                match is_pending {
                    true => poll(Polled::Pending),
                    false => [poll(Polled::Ready), poll(Polled::Refused)].concat(),
                }
            }
            Call::DropForValue(id) => state.with_values(state.values.change(alone, |line| {
                if line.leave(id) == Some(Outcome::Granted) {
                    line.give(1);
                }
            })),
            Call::TryValue(taken) => {
                let mut states = state.with_values(state.values.try_take(1, taken, alone));
                // At the end, whoever comes first may have it.
                if state.values.barred {
                    states = vec![state.clone()];
                }
                states
            }
            Call::Take(value) => {
                let mut state = state.clone();
                let is_right = match value {
                    Some(_) => state.list.pop_front() == value,
                    None => state.values.barred && state.list.is_empty(),
                };
                Vec::from_iter(is_right.then_some(state))
            }
            Call::GivePlace => state.with_places(state.places.change(alone, |line| line.give(1))),
            Call::PerhapsEnd => {
                let is_last = |line: &Line| line.barred && line.permits == state.capacity as i64;
                let mut states = Vec::new();
                for places in state.places.views(alone) {
                    let is_last = is_last(&places);
                    let mut ended = Self {
                        places,
                        ..state.clone()
                    };
                    if !is_last || !alone {
                        states.push(ended.clone());
                    }
                    if is_last {
                        bar(&mut ended.values);
                        states.push(ended);
                    }
                }
                states
            }
            Call::Close => state.with_places(state.places.change(alone, bar)),
            Call::AddSender => {
                let mut state = state.clone();
                state.senders += 1;
                vec![state]
            }
            Call::RemoveSender => {
                let mut state = state.clone();
                state.senders -= 1;
                if state.senders == 0 {
                    bar(&mut state.values);
                }
                vec![state]
            }
            Call::Look {
                capacity,
                len,
                is_closed,
                ref woken,
            } => {
                let mut states = Vec::new();
                for state in state.with_places(state.places.views(alone)) {
                    states.extend(state.with_values(state.values.views(alone)));
                }
                states.retain(|state| {
                    let (places, values) = (&state.places, &state.values);
                    let there = match values.barred {
                        true => state.list.len(),
                        false => values.permits.max(0) as usize,
                    };
                    let is_last = places.barred && places.permits == state.capacity as i64;
                    (capacity, len) == (places.permits.max(0) as usize, there)
                        && is_closed == (places.barred || values.barred)
                        && state.unpublished == 0
                        && (values.barred || !is_last)
                        && woken
                            .iter()
                            .all(|&(id, it)| it == (places.is_woken(id) || values.is_woken(id)))
                });
                states
            }
        }
    }
}

impl State {
    fn with_places(&self, lines: Vec<Line>) -> Vec<Self> {
        let with = |places| Self {
            places,
            ..self.clone()
        };
        lines.into_iter().map(with).collect()
    }

    fn with_values(&self, lines: Vec<Line>) -> Vec<Self> {
        let with = |values| Self {
            values,
            ..self.clone()
        };
        lines.into_iter().map(with).collect()
    }
}

/// What a wait is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    Place(Value),
    Value,
    /// Up to three values.
    Values,
}

/// What a wait yields.
pub enum Got {
    /// Whether it was sent.
    Place(bool),
    Values(Vec<Value>),
}

/// Playing with a channel.
pub struct Playing {
    /// Until it is dropped, in the game.
    sender: Mutex<Option<Sender<Value>>>,
    receiver: Receiver<Value>,
}

impl Playing {
    pub fn new(capacity: usize) -> Self {
        let (sender, receiver) = mpmc::channel(capacity);
        Self {
            sender: Mutex::new(Some(sender)),
            receiver,
        }
    }

    fn begin(player: &Player<Self>) {
        let receiver = player.system.receiver.clone();
        let (wait_for, future): (_, BoxFuture<Got>) = match player.below(5) {
            0..2 => {
                let timed = player.call(|| player.system.sender.lock().unwrap().clone());
                let (timed, sender) = taken(timed);
                let Some(sender) = sender else { return };
                player.log(&timed, Call::AddSender);
                let value = player.moment() as Value;
                let future = async move {
                    let result = sender.send(value).await;
                    drop(sender);
                    Got::Place(result.is_ok())
                };
                (For::Place(value), Box::pin(future))
            }
            2..4 => {
                let future = async move { Got::Values(Vec::from_iter(receiver.recv().await)) };
                (For::Value, Box::pin(future))
            }
            _ => {
                let future = async move {
                    let mut values = Vec::new();
                    receiver.recv_many(&mut values, 3).await;
                    Got::Values(values)
                };
                (For::Values, Box::pin(future))
            }
        };
        let wait = player.new_wait(wait_for, future);
        if player.one_in(8) {
            player.put_wait(wait);
        } else {
            Self::poll(player, wait);
        }
    }

    fn poll(player: &Player<Self>, mut wait: Wait<Self>) {
        let id = wait.id;
        let (timed, poll) = taken(player.poll(&mut wait));
        let log = |call| player.log(&timed, call);
        let is_pending = poll.is_pending();
        match wait.extra {
            For::Place(value) => {
                let result = match poll {
                    Poll::Pending => Polled::Pending,
                    Poll::Ready(Got::Place(true)) => Polled::Ready,
                    Poll::Ready(_) => Polled::Refused,
                };
                log(Call::ArriveForPlace(id));
                log(Call::PollForPlace(id, result));
                if result == Polled::Ready {
                    log(Call::Append(value));
                    log(Call::Publish);
                }
                log(Call::PerhapsEnd);
                if !is_pending {
                    log(Call::RemoveSender);
                }
            }
            For::Value | For::Values => {
                log(Call::ArriveForValue(id));
                log(Call::PollForValue(id, is_pending));
                if let Poll::Ready(Got::Values(values)) = poll {
                    for (n, &value) in values.iter().enumerate() {
                        if n > 0 {
                            log(Call::TryValue(true));
                        }
                        log(Call::Take(Some(value)));
                        log(Call::GivePlace);
                        log(Call::PerhapsEnd);
                    }
                    if values.is_empty() {
                        log(Call::Take(None));
                    }
                }
            }
        }
        if is_pending {
            player.put_wait(wait);
        } else {
            player.end(wait);
        }
    }

    fn try_recv(player: &Player<Self>) {
        let (timed, result) = taken(player.call(|| player.system.receiver.try_recv()));
        let log = |call| player.log(&timed, call);
        match result {
            Ok(value) => {
                log(Call::TryValue(true));
                log(Call::Take(Some(value)));
                log(Call::GivePlace);
                log(Call::PerhapsEnd);
            }
            Err(TryRecvError::Empty) => log(Call::TryValue(false)),
            Err(TryRecvError::Disconnected) => log(Call::Take(None)),
        }
    }

    fn try_send(player: &Player<Self>) {
        let value = player.moment() as Value;
        let send = || {
            let sender = player.system.sender.lock().unwrap();
            sender.as_ref().map(|sender| sender.try_send(value))
        };
        let (timed, result) = taken(player.call(send));
        let log = |call| player.log(&timed, call);
        match result {
            Some(Ok(())) => {
                log(Call::TryPlace(true));
                log(Call::Append(value));
                log(Call::Publish);
            }
            Some(Err(TrySendError::Full(_))) => log(Call::TryPlace(false)),
            Some(Err(TrySendError::Closed(_))) | None => {}
        }
    }

    fn force_send(player: &Player<Self>) {
        let value = player.moment() as Value;
        let send = || {
            let sender = player.system.sender.lock().unwrap();
            sender.as_ref().map(|sender| sender.force_send(value))
        };
        let (timed, result) = taken(player.call(send));
        let log = |call| player.log(&timed, call);
        let Some(Ok(oldest)) = result else { return };
        match oldest {
            Some(oldest) => {
                log(Call::TryValue(true));
                log(Call::Take(Some(oldest)));
            }
            None => log(Call::AnyPlace),
        }
        log(Call::Append(value));
        log(Call::Publish);
    }
}

/// The result of a call in which nothing panics, and when that was.
fn taken<R>(timed: Timed<Option<R>>) -> (Timed<()>, R) {
    let (timed, result) = timed.take();
    (timed, result.expect("no waker panics"))
}

impl System for Playing {
    type Model = State;
    type Call = Call;
    type Output = Got;
    type Held = ();
    type Extra = For;

    fn act(player: &Player<Self>) {
        match player.below(20) {
            0..8 if player.has_room() => Self::begin(player),
            0..11 => {
                if let Some(wait) = player.take_wait() {
                    Self::poll(player, wait);
                }
            }
            11..13 => {
                if let Some(wait) = player.take_wait() {
                    Self::drop_wait(player, wait);
                }
            }
            13..15 => Self::try_recv(player),
            15..17 => Self::try_send(player),
            17 => Self::force_send(player),
            18 if player.one_in(6) => {
                let (timed, ()) = taken(player.call(|| player.system.receiver.close()));
                player.log(&timed, Call::Close);
                player.log(&timed, Call::PerhapsEnd);
            }
            19 if player.one_in(6) => {
                let drop_it = || player.system.sender.lock().unwrap().take().is_some();
                let (timed, is_dropped) = taken(player.call(drop_it));
                if is_dropped {
                    player.log(&timed, Call::RemoveSender);
                }
            }
            _ => {}
        }
    }

    fn drop_wait(player: &Player<Self>, wait: Wait<Self>) {
        let wait_for = wait.extra;
        let (id, timed) = player.drop_future(wait);
        match wait_for {
            For::Place(_) => {
                player.log(&timed, Call::DropForPlace(id));
                player.log(&timed, Call::PerhapsEnd);
                player.log(&timed, Call::RemoveSender);
            }
            For::Value | For::Values => player.log(&timed, Call::DropForValue(id)),
        }
    }

    fn give_back(_player: &Player<Self>, (): ()) {}

    fn look(&self, woken: Vec<(Id, bool)>) -> Call {
        Call::Look {
            capacity: self.receiver.capacity(),
            len: self.receiver.len(),
            is_closed: self.receiver.is_closed(),
            woken,
        }
    }
}
