//! Engines of one process that talk over loopback, behind an application in memory.

mod ledger;
mod world;

mod consensus;
