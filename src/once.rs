//! Values that are set once, and then shared.
//!
//! | type | who sets the value |
//! |---|---|
//! | [`SetOnce`] | whoever comes first |
//! | [`OnceCell`] | the first initializer that succeeds; one runs at a time |
//! | [`LazyCell`] | the initializer that the cell was made with |
//!
//! From the top down:
//! - `cell`, `lazy`, `set`: the types, with their contracts;
//! - `init`, `force`, `wait`: their futures;
//! - `right`: who may initialize, one at a time and in order;
//! - `stage`: an initializer, before it runs and while it does;
//! - `value`: where the value is, and how it is published.

mod cell;
mod error;
mod force;
mod init;
mod lazy;
mod right;
mod set;
mod stage;
mod value;
mod wait;

pub use cell::OnceCell;
pub use error::{SetError, SetOnceError};
pub use force::LazyForce;
pub use init::{GetOrInit, GetOrTryInit};
pub use lazy::{LazyCell, LazyFuture};
pub use set::SetOnce;
pub use wait::OnceWait;
