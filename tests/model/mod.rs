//! Sequential models of the primitives, and a checker that compares what was seen with them.
//!
//! - [`checker`]: given what each thread called and saw, and when, looks for an order of the calls
//!   that the model can follow. It knows neither threads nor primitives.
//! - [`line`]: a waiting line with permits and notices, what all of the models are made of.
//!   [`overtaking`]: what is different where newcomers may pass its head.
//! - [`semaphore`], [`monitor`] (mutex and condition variable), [`event`], [`set_once`], [`waiter_queue`], [`channel`]: for
//!   each primitive its model, and a [`player::System`] that calls the primitive at random.
//! - [`player`]: somebody who makes calls and writes down what happened; on a thread among others,
//!   or alone, with wakers that make calls in turn.

#![allow(dead_code, unreachable_pub)]

pub mod channel;
pub mod checker;
pub mod event;
pub mod line;
pub mod monitor;
pub mod overtaking;
pub mod player;
pub mod semaphore;
pub mod set_once;
pub mod waiter_queue;
