//! The auditor against ledgers that are as they should be, and against every kind of one that is
//! not.
//!
//! `CREDLOG_TEST_LONG=1`: 100,000 records where there are 10,000.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod changed;
mod chronicle;
mod clean;
mod copy;
mod fields;
mod grown;
mod hostile;
mod lists;
mod published;
#[path = "../../../ledger/tests/support/mod.rs"]
mod support;

use credlog_audit::{AuditError, Options, Report, Source, replay};
use credlog_ledger::genesis::Genesis;

/// Whether all counts are full (`CREDLOG_TEST_LONG=1`).
fn is_long() -> bool {
    std::env::var("CREDLOG_TEST_LONG").is_ok_and(|value| value == "1")
}

/// An audit without a bar.
fn audit(source: &dyn Source, genesis: &Genesis) -> Result<Report, AuditError> {
    replay(source, genesis, &Options::default(), &mut |_| {})
}
