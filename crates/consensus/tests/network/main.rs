//! Engines of one process that talk over loopback, behind an application in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may panic
#![allow(clippy::cast_possible_truncation)] // small numbers

mod ledger;
mod world;

mod consensus;
