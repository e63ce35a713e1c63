//! The store against a ledger in memory: the same blocks, the same answers; and against
//! damage: found, or harmless, never served.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod commits;
mod damage;
mod environment;
mod keys;
mod kills;
mod mutations;
mod readers;
mod support;
mod syncing;
mod testimony;
mod undecided;
