//! The queue in which every primitive's waiters wait: a word, an inbox and a wait list.
//!
//! This layer knows no runtime, no platform and no tier. It hands wakes to [`wake`](super::wake).
//!
//! ```text
//!   word, pool           the word's bits │ where nodes come from
//!     ▲
//!   waiter               one suspended operation
//!     ▲
//!   list, inbox          the wait list │ messages to the combiner
//!     ▲
//!   state                what a queue is made of
//!     ▲
//!   combiner             serving the wait list, on behalf of whoever asked
//!     ▲
//!   operations           taking, giving, closing, opening, notifying
//!     ▲
//!   wait                 a wait, as a future polls it
//! ```
//!
//! # The combiner
//!
//! **Nobody waits to be allowed to wait.** The wait list is plain data that belongs to the *combiner*:
//! the thread that has set `LOCKED` in the word. A thread that finds it set leaves a message in the
//! inbox, sets `PENDING` and goes on; the combiner makes another pass.
//!
//! ```text
//!                 compare-exchange
//!      free ─────────────────────────► LOCKED ◄─────────────┐
//!       ▲                               │  ▲                │
//!       │ compare-exchange of exactly   │  │ fetch_and      │ fetch_or: somebody
//!       │ the word that the last pass   │  │ (read inbox)   │ wants one more pass
//!       │ served                        │  └──── LOCKED + PENDING
//!       └───────────────────────────────┘
//! ```
//!
//! A *pass* reads the inbox, moves arrivals to the end of the list in the order they came, takes
//! leavers out, and grants or wakes from the head while there are permits for it. The lock is given
//! back by a compare-exchange on the word that the pass has served. It fails if anything was asked
//! for meanwhile, or any permit came back, and then there is another pass. So nothing is ever left
//! undone in a word that is not locked, unless the last combiner is waking a batch and comes back:
//!
//! - **A release** is one `fetch_add` on the word. If the value it read has no `QUEUED`, it came
//!   before the first waiter's change of the word, and that waiter sees its permits. If it has,
//!   the releasing thread combines, or leaves it to a combiner, whose compare-exchange fails, or to a
//!   waiter that has been woken and will look.
//! - **An arrival** changes the word (`QUEUED`) after it is in the list or the inbox. In that same step
//!   it either takes the lock or asks the combiner for a pass.
//! - **A leaver** takes itself out as the combiner, or asks the combiner to.
//! - **A notification** is for those in the list or in the inbox at that moment. It is carried out by a
//!   combiner, or left in the inbox behind exactly those.
//!
//! While the word is locked, permits are taken out by the combiner alone, once per pass, after
//! granting them. `reduce` and `forget` may take permits even then, so the count can fall below zero.
//! It is a debt that releases repay before anyone is granted more.
//!
//! # Gates
//!
//! A queue can be a *gate* instead, which has no permits: where they would be, its word counts how
//! often it was opened. A waiter needs the next opening after the one that the word had when its wait
//! began, and takes nothing. So whatever opens and shuts the gate in which order, a wait ends if and
//! only if the gate was opened after it began, or was open then: all that takes place in one change
//! of the word. `NO_WAIT` says that it is open. When the count is full it begins anew, and those who
//! wait at that moment are notified besides.
//!
//! # Barging
//!
//! A queue has a *limit*: how many newcomers may take permits past the same head of the list (*barge*).
//! With a limit of 0 nobody may, and permits are *handed off*: they leave the word in the pass that
//! grants them. Otherwise the head is *woken*, while its permits stay in the word, and competes for
//! them. It stays in the list until it has them.
//!
//! ```text
//!                        limit newcomers have barged: granted
//!   ┌──────────────────────────────────────────────────────────────────────────┐
//!   │       wake                        takes its permits, as the combiner      │
//!  head ───────────► head, woken ────────────────────────────────────────────► done
//!   ▲                  │      │                                                 ▲
//!   │ found nothing    │      │ limit newcomers have barged, permits are free   │ takes free
//!   └──────────────────┘      ▼                                                 │ permits
//!                           skipped: out of the list ───────────────────────────┤
//!                             │ found nothing                                   │ granted
//!                             ▼                                                 │
//!                           requeued: ahead of all who are not; nobody barges past it
//! ```
//!
//! - Only the head is woken. Permits beyond those that it needs are granted to the next waiter. So as
//!   long as one waiter is on its way to one permit, a release of it is one `fetch_add`.
//! - Each newcomer that barges counts one up in `BARGED`. At the limit none may, and a head that waits
//!   is granted the next permits. A new head starts at 0.
//! - A head that has been woken and has not been polled by then is *skipped*: its thread sleeps, or its
//!   future is not being polled and may never be. Others go on without it. When it is polled, and
//!   finds nothing, it is *requeued* at the head, behind others like it, and is granted the next
//!   permits. Until then all bits of `BARGED` are set.
//! - A waiter can *go ahead*: it becomes the head, before those who were requeued, and is granted what comes
//!   next. For whoever has permits that others in the list wait for, and needs more before it gives them.
//!   The limit counts as reached for the head that it has overtaken. If it need not wait, it has barged once.
//!
//! So at most `limit` newcomers barge past a head while it waits, not counting the time from its wake
//! until it is polled.
//!
//! `WOKEN` says that the head has been woken. It is set by combiners only, and cleared by them or by
//! a woken waiter that found nothing. The latter is the one change of what a combiner has decided that
//! is made without the lock; whoever makes it looks at the permits again, or asks the combiner to.
//!
//! # Waking
//!
//! Wakers run after the lock has been given back. A combiner that has many to wake gives the lock back
//! after each `BATCH`, and one that serves others after `PASSES` passes, so that the woken need not
//! wait for the end. The queue is lock-free, not wait-free: a combiner that finds nobody to wake goes
//! on for as long as others keep asking, each of whom has got what it wanted.
//!
//! Handing a critical section's work to the thread that is inside it is known as flat combining
//! (Hendler, Incze, Shavit and Tzafrir, SPAA 2010); here nobody waits for the combiner's answer.

mod combiner;
mod inbox;
mod list;
mod operations;
mod pool;
mod state;
mod wait;
mod waiter;
mod word;

pub(crate) use state::Queue;
pub(crate) use wait::{Left, Slot};
pub(crate) use waiter::Outcome;
#[cfg(all(test, compio_sync_loom))]
pub(super) use waiter::{Queued, Rewait, State, Ticket, Waiter};
pub(crate) use word::{MAX_LIMIT, MAX_PERMITS};
