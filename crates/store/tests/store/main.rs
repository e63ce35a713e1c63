//! The store against a ledger in memory: the same blocks, the same answers; and against
//! damage: found, or harmless, never served.

mod commits;
mod damage;
mod mutations;
mod readers;
mod support;
