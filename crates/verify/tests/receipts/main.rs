//! Receipts over a real ledger in memory, of four members, who change: made, checked, mutated,
//! lied with.
//!
//! `CREDLOG_TEST_LONG=1` mutates every byte of every receipt; else every tenth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../ledger/tests/support/mod.rs"]
mod support;
mod world;

mod accepted;
mod foreign;
mod golden;
mod lies;
mod mutations;
mod stapled;
mod trusted;
mod vectors;

use credlog_ledger::ids::{Height, UnixMillis};
use credlog_verify::receipt::{CheckOptions, Proven, Receipt, Refusal, RefusalCode, Trust, Wanted};
use support::digest;

/// A verifier's clock, an hour after everything.
const NOW: UnixMillis = UnixMillis(support::FOUNDED + 3_600_000);

const ANY_AGE: CheckOptions = CheckOptions {
    now: NOW,
    at: None,
    age_ms_max: None,
};

fn wanted(numbers: &[u64]) -> Wanted {
    Wanted {
        credentials: numbers.iter().map(|n| (digest(*n), None)).collect(),
        at: None,
        since: Height(0),
        trusted: None,
    }
}

fn check(receipt: &Receipt, trust: &Trust) -> Result<Proven, Refusal> {
    // A verifier who asks about the time that the receipt is about.
    let options = CheckOptions {
        at: receipt.at,
        ..ANY_AGE
    };
    Receipt::parse(&receipt.to_bytes()?)?.check(trust, &options)
}

fn refused(receipt: &Receipt, trust: &Trust) -> RefusalCode {
    match check(receipt, trust) {
        Ok(proven) => panic!("it is taken: {proven:?}"),
        Err(refusal) => refusal.code,
    }
}
