//! What members sign about blocks: votes, certificates, evidence, attestation, and the member set
//! followed by them.
//!
//! `CREDLOG_TEST_LONG=1` runs many times more cases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attestation;
mod certificate;
mod evidence;
mod follow;
mod foreign;
mod golden;
#[path = "../support/mod.rs"]
mod support;

use credlog_ledger::certificate::{CommitCertificate, CommitSignature};
use credlog_ledger::ids::{Height, LedgerId, Round, ValueId};
use credlog_ledger::member::MemberSet;
use credlog_ledger::vote::{VoteKind, vote_message};
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::test_runner::Config;
use support::{genesis, key};

/// So many cases, or fifty times as many in a long run.
fn cases(count: u32) -> Config {
    let long = std::env::var("CREDLOG_TEST_LONG").is_ok_and(|value| value == "1");
    Config {
        cases: if long { count * 50 } else { count },
        failure_persistence: None,
        ..Config::default()
    }
}

const LEDGER: LedgerId = LedgerId([7; 32]);
const VALUE: ValueId = ValueId([9; 32]);

/// The founding members `m0`, `m1`, …
fn founders(count: usize) -> MemberSet {
    genesis(count, Default::default()).member_set()
}

/// The consensus key of a member's first generation of keys.
fn consensus_key(member: &str) -> SigningKey {
    key(&format!("{member}/0/consensus"))
}

fn precommit(
    ledger: &LedgerId,
    height: Height,
    round: Round,
    value: &ValueId,
    (member, key): (&str, &SigningKey),
) -> CommitSignature {
    let message = vote_message(ledger, VoteKind::Precommit, height, round, Some(value));
    CommitSignature {
        member: member.parse().unwrap(),
        signature: key.sign(&message).to_bytes(),
    }
}

/// Precommits of the founding members with these numbers, at height 5 in round 2.
fn certificate(signers: &[usize]) -> CommitCertificate {
    let (height, round) = (Height(5), Round(2));
    let sign = |number: &usize| {
        let member = format!("m{number}");
        let key = consensus_key(&member);
        precommit(&LEDGER, height, round, &VALUE, (&member, &key))
    };
    let signatures = signers.iter().map(sign).collect();
    CommitCertificate::new(height, round, VALUE, signatures).unwrap()
}
