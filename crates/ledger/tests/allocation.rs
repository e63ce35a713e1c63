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
use credlog_ledger::certificate::{CommitCertificate, CommitSignature};
use credlog_ledger::evidence::{Equivocation, SignedVote};
use credlog_ledger::ids::{Height, Round, ValueId};
use credlog_ledger::member::MemberSet;
use credlog_ledger::record::EncodedRecord;
use credlog_ledger::seal::Seal;
use credlog_ledger::vote::VoteKind;
use support::{TestLedger, by_issuer, by_member, change, issue, key, member_id, new_key, public};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What may be held at once for an input of a few hundred bytes: serde's first guess of a
/// vector whose length is hostile is at most 1 MiB, and vectors nest three deep.
const HELD_MAX: usize = 3 * (1 << 20) + 100_000;

/// A certificate, evidence and a member set.
fn decisions(ledger: &TestLedger) -> [Vec<u8>; 3] {
    let signature = |number| CommitSignature {
        member: member_id(number),
        signature: [1; 64],
    };
    let signatures = (0..3).map(signature).collect();
    let certificate = CommitCertificate::new(Height(1), Round(0), ValueId([2; 32]), signatures);
    let votes = [None, Some(ValueId([2; 32]))].map(|value| SignedVote {
        value,
        signature: [1; 64],
    });
    let (key, kind) = (public(&key("m0")), VoteKind::Prevote);
    let evidence = Equivocation::votes(member_id(0), key, kind, (Height(1), Round(0)), votes);
    let members = ledger.state().members().unwrap();
    [
        certificate.unwrap().to_bytes().unwrap(),
        evidence.unwrap().to_bytes().unwrap(),
        members.to_bytes().unwrap(),
    ]
}

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
    let decisions = decisions(&ledger);
    let mut changed = 0;
    let before = ALLOCATOR.allocated();
    for length in [u64::MAX, u64::MAX >> 1, 1 << 40, 1 << 32, 1 << 24, 60_000] {
        for original in records
            .iter()
            .map(EncodedRecord::bytes)
            .chain([seal.as_slice(), block.as_slice()])
            .chain(decisions.iter().map(Vec::as_slice))
        {
            for at in 0..original.len() - 8 {
                let mut bytes = original.to_vec();
                bytes[at..at + 8].copy_from_slice(&length.to_be_bytes());
                let _ = EncodedRecord::decode(&bytes);
                let _ = Seal::from_leaf(&bytes);
                let _ = Block::from_bytes(&bytes);
                let _ = CommitCertificate::from_bytes(&bytes);
                let _ = Equivocation::from_bytes(&bytes);
                let _ = MemberSet::from_bytes(&bytes);
                changed += 1;
            }
        }
    }
    assert!(changed > 5_000);
    // The most that was held at any time since the process began.
    let held = ALLOCATOR.max_allocated().saturating_sub(before);
    assert!(held <= HELD_MAX, "{held} bytes were held at once");
}
