//! No decoder holds more than a few megabytes, whatever lengths its input claims.
//!
//! One test, alone in its binary: the counting allocator counts for the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/mod.rs"]
mod support;

use std::alloc::System;

use cap::Cap;
use credlog_ledger::block::Block;
use credlog_ledger::body::Body;
use credlog_ledger::record::EncodedRecord;
use credlog_ledger::seal::Seal;
use support::{TestLedger, by_issuer, by_member, change, issue, new_key};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What may be held at once for an input of a few hundred bytes: serde's first guess of a
/// vector whose length is hostile is at most 1 MiB, and vectors nest three deep.
const HELD_MAX: usize = 3 * (1 << 20) + 100_000;

#[test]
fn hostile_lengths_allocate_no_more_than_the_limit() {
    let mut ledger = TestLedger::small();
    let key = new_key("a", "a/2", support::BOTH);
    let records = [
        ledger.accredit(0, "b", true),
        ledger.sign(&by_issuer("a"), issue(0, &[(8, 8), (9, 9)])),
        ledger.sign(
            &by_issuer("a"),
            Body::RotateKeys(change(vec![key], &["a/record"], None)),
        ),
        ledger.sign(
            &by_member(0),
            Body::Revoke(support::status_change("a", &[0, 1])),
        ),
    ];
    let seal = ledger.blocks[0].seal.leaf().unwrap();
    let block = ledger.seal(records[..1].to_vec()).block;
    let mut changed = 0;
    let before = ALLOCATOR.allocated();
    for length in [u64::MAX, u64::MAX >> 1, 1 << 40, 1 << 32, 1 << 24, 60_000] {
        for original in records
            .iter()
            .map(EncodedRecord::bytes)
            .chain([seal.as_slice(), block.as_slice()])
        {
            for at in 0..original.len() - 8 {
                let mut bytes = original.to_vec();
                bytes[at..at + 8].copy_from_slice(&length.to_be_bytes());
                let _ = EncodedRecord::decode(&bytes);
                let _ = Seal::from_leaf(&bytes);
                let _ = Block::from_bytes(&bytes);
                changed += 1;
            }
        }
    }
    assert!(changed > 5_000);
    // The most that was held at any time since the process began.
    let held = ALLOCATOR.max_allocated().saturating_sub(before);
    assert!(held <= HELD_MAX, "{held} bytes were held at once");
}
