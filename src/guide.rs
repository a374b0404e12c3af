//! How to choose among the primitives, what they promise and what they cost.
//!
//! | Chapter | |
//! |---|---|
//! | [Choosing a primitive](choosing) | Which primitive for what. |
//! | [Channels](channels) | Which channel for what, and the traps of channels. |
//! | [What a wait costs](cost) | What a wait costs: on one runtime, across runtimes, across threads. |
//! | [Fairness](fairness) | Who may go before whom, and how often. |
//! | [Cancelling](cancelling) | What cancelling a wait does, and the traps in it. |
//! | [Plain threads](blocking) | Plain threads, other executors, and the blocking of runtimes. |
//! | [Tiers](tiers) | How a sleeping runtime is signalled, and how to see it. |
//!
//! What to turn on and off is [under Features](crate#features). Each type has a table of its own
//! promises at its top.

pub mod blocking;
pub mod cancelling;
pub mod channels;
pub mod choosing;
pub mod cost;
pub mod fairness;
pub mod tiers;
