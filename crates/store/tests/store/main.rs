//! The store against a ledger in memory: the same blocks, the same answers.

mod commits;
mod support;
