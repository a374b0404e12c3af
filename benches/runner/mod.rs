//! The table of what is measured, and the measuring.
#![allow(unreachable_pub, reason = "a benchmark's modules are its own")]

mod channels;
pub mod child;
pub mod column;
pub mod json;
mod once;
pub mod parent;
pub mod scenario;
pub mod tokens;
